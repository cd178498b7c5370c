//! Losses that are functions of a user's own. It knows no particular loss.

use std::fmt;
use std::marker::PhantomData;

use super::total::Losses;
use super::{Loss, Reduction, Total};
use crate::build::{Builder, GraphError, Value};
use crate::graph::Type;
use crate::model::Element;
use crate::shape::{DType, Shape, rules};

/// A loss that is a function; see [`loss_fn`].
#[derive(Clone)]
pub struct LossFn<F, T = f32> {
    function: F,
    target: Target,
    element: PhantomData<fn() -> T>,
}

/// What is given for each sample.
#[derive(Clone, Debug)]
enum Target {
    /// As many numbers as the prediction has.
    Same,
    /// Classes, along the axis of the prediction behind the samples'.
    Classes,
    /// These extents.
    Extents(Vec<usize>),
}

/// A loss that is any function of the prediction and the target, over [`Value`]s: their operators and methods, PyTorch's
/// functions of tensors ([`functions`](crate::functions)), layers' functions, other losses.
///
/// * Shapes: target as the prediction, unless [`LossFn::of_classes`] or [`LossFn::target`] say otherwise. The result may
///   have any shape: the loss is the mean of its elements. A scalar is taken for a mean over the samples of the batch.
/// * Errors: [`GraphError::LossType`] for a result that is not f32; what the function itself records.
///
/// ```
/// use kiln_graph::losses::{Loss, loss_fn};
/// use kiln_graph::{Builder, Shape};
///
/// // Charbonnier's loss, and a cross-entropy that counts hard samples more.
/// let charbonnier = loss_fn(|output, target| ((output - target).square() + 1e-6).sqrt());
/// let focal = loss_fn(|scores, labels| {
///     let logs = scores.log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1);
///     -(logs.exp() - 1.0).square() * logs
/// })
/// .of_classes();
///
/// let g = Builder::new("loss");
/// let (scores, labels) = (g.input("scores", [8, 3]), g.input_of("labels", focal.target_type(Shape::new(&[8, 3]))));
/// let loss = focal.loss(&g, scores, labels) + charbonnier.loss(&g, scores, g.input("values", [8, 3]));
/// assert_eq!(loss.shape(), Shape::SCALAR);
/// ```
pub fn loss_fn<F>(function: F) -> LossFn<F>
where
    F: for<'g> Fn(Value<'g>, Value<'g>) -> Value<'g>,
{
    LossFn { function, target: Target::Same, element: PhantomData }
}

impl<F, T> LossFn<F, T> {
    /// Targets are class labels `[N, d..]` for a prediction `[N, C, d..]`, i32 in the function. Those who take labels
    /// from users check that they lie in `0..C`, and count which of them have the largest score.
    pub fn of_classes(self) -> LossFn<F, i32> {
        LossFn { function: self.function, target: Target::Classes, element: PhantomData }
    }

    /// Targets have these extents for each sample, of f32 or of i32: `.target::<i32>(&[3])` for three whole numbers.
    pub fn target<U: Element>(self, extents: &[usize]) -> LossFn<F, U> {
        LossFn { function: self.function, target: Target::Extents(extents.to_vec()), element: PhantomData }
    }
}

impl<F, T> fmt::Debug for LossFn<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LossFn").field("target", &self.target).finish_non_exhaustive()
    }
}

impl<F, T: Element> Loss for LossFn<F, T>
where
    F: for<'g> Fn(Value<'g>, Value<'g>) -> Value<'g>,
{
    type Target = T;

    fn target_type(&self, prediction: Shape) -> Type {
        let shape = match &self.target {
            Target::Same => prediction,
            Target::Classes => rules::classes(prediction).unwrap_or(prediction),
            Target::Extents(extents) => {
                let samples = &prediction.dims()[..prediction.rank().min(1)];
                Shape::from(&[samples, extents.as_slice()].concat()[..])
            }
        };
        Type::new(T::DTYPE, shape)
    }

    fn loss<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        let _function = g.function("loss");
        let result = (self.function)(prediction, target);
        if result.dtype() != DType::F32 {
            g.fail(GraphError::LossType { found: result.ty() });
        }
        Losses::equal(result).reduce(Reduction::Mean)
    }

    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        let _function = g.function("loss");
        Total::of_result((self.function)(prediction, target), prediction)
    }

    fn classes(&self, prediction: Shape) -> Option<usize> {
        match self.target {
            Target::Classes if prediction.rank() > 0 => Some(prediction.dim(prediction.rank().min(2) - 1)),
            Target::Classes | Target::Same | Target::Extents(_) => None,
        }
    }
}
