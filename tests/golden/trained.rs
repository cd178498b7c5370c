//! What a trainer says of data that a loss does not take: labels out of range, numbers that are no probabilities.

use kiln::graph::{Builder, Type, Value};
use kiln::losses::{bce, cross_entropy, nll};
use kiln::prelude::*;
use ndarray::{Array2, ArrayD};

use crate::case::{Array, Attributes, Refusal};

model! {
    #[model(input = [C])]
    struct Scores<const C: usize>(Linear(C, C));
}

/// Any loss of targets of a type.
struct Any<T>(Box<dyn Loss<Target = T>>);

impl<T> Loss for Any<T> {
    type Target = T;

    fn target_type(&self, prediction: Shape) -> Type {
        self.0.target_type(prediction)
    }

    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        self.0.loss(g, prediction, target)
    }

    fn classes(&self, prediction: Shape) -> Option<usize> {
        self.0.classes(prediction)
    }

    fn ignored(&self) -> Option<i32> {
        self.0.ignored()
    }
}

/// What a trainer says of one step with the given targets, whose loss is computed of `[rows, C]` large numbers.
fn said<const C: usize, T, Y: kiln::Targets<T>>(
    loss: Box<dyn Loss<Target = T>>,
    rows: usize,
    targets: &Y,
) -> Option<String>
where
    T: kiln::TargetElement,
{
    let step = || {
        let mut trainer =
            Trainer::new(Scores::<C>::init(0), Any(loss), Sgd::new(0.1)).batch(rows).threads(1).build()?;
        trainer.step(&Array2::from_elem((rows, C), 100.0), targets)
    };
    step().err().map(|error: TrainError| error.to_string())
}

/// As [`said`], for a number of classes that is known only now.
macro_rules! with_classes {
    ($classes:expr, $loss:expr, $rows:expr, $targets:expr, [$($count:literal)*]) => {
        match $classes {
            $($count => Ok(said::<$count, _, _>($loss, $rows, $targets)),)*
            other => Err(Refusal::Case(format!("{other} classes: more than the runner has models for"))),
        }
    };
}

/// What a trainer says of a misuse whose shapes are right: nothing where there is no such loss.
pub fn refusal(call: &str, attributes: &Attributes, inputs: &[Array]) -> Result<Option<String>, Refusal> {
    let [scores, targets] = inputs else { return Ok(None) };
    // Pixels are samples, too.
    let axis = scores.shape().len().min(2).saturating_sub(1);
    let classes = scores.shape().get(axis).copied().unwrap_or(1);
    let rows = scores.shape().iter().product::<usize>() / classes.max(1);
    match targets {
        Array::Int(labels) => {
            let ignored = attributes.int("ignore_index").unwrap_or(-100) as i32;
            let loss: Box<dyn Loss<Target = i32>> = match call {
                "CrossEntropyLoss" => Box::new(cross_entropy().ignore_index(ignored)),
                "NLLLoss" => Box::new(nll().ignore_index(ignored)),
                _ => return Ok(None),
            };
            let labels: Vec<i64> = labels.iter().copied().collect();
            with_classes!(classes, loss, rows, &labels, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16])
        }
        Array::Float(_) => {
            // The case does not hold the numbers: those of the model are no probabilities.
            let loss: Box<dyn Loss<Target = f32>> = match call {
                "BCELoss" => Box::new(bce()),
                _ => return Ok(None),
            };
            let targets = ArrayD::<f32>::ones(vec![rows, classes]);
            with_classes!(classes, loss, rows, &targets, [1 2 3 4 5 6 7 8])
        }
    }
}
