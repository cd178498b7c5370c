//! What a training step minimizes, of a model of any number of outputs: a loss, a loss for each output, or one function
//! of them all. Knows no particular loss.

use ndarray::ArrayD;

use super::{Loss, Total};
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::Shape;

/// What a target must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetRule {
    /// Its type, for the batch that is asked about.
    pub ty: Type,
    /// The output that it is compared with, by its position, where it is one.
    pub output: Option<usize>,
    /// The number of classes, where the targets are classes.
    pub classes: Option<usize>,
    /// The label that the loss passes over.
    pub ignored: Option<i32>,
}

/// What a trainer minimizes, for a model whose outputs have the element types `Outputs`:
///
/// * a [`Loss`], for a model of one output;
/// * a tuple with a loss for each output, in their order: `(cross_entropy(), mse().weighted(0.5))`; `()` for an output that
///   no loss reads. It minimizes their sum. Targets are given as a tuple, too: `(&labels, &boxes)`, with `()` where no loss is;
/// * [`joint_loss_fn`](super::joint_loss_fn), a function of all outputs and all targets.
///
/// Losses are of outputs of f32: those of i32 have no gradient.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no loss for a model with outputs of `{Outputs}`",
    label = "not a loss for each output",
    note = "a model of one output takes a loss, `mse()`; one of several a tuple with a loss for each output in their order, \
            `(cross_entropy(), mse().weighted(0.5))`, with `()` for an output that no loss reads (one of i32 or bool has \
            no gradient), or a function of all of them, `joint_loss_fn(|[scores, boxes], [labels, corners]| ..)`"
)]
pub trait Criterion<Outputs> {
    /// The element type of the only target, a tuple of those of several; `()` where there is none.
    type Target;

    /// The number of targets, places without one counted.
    const TARGETS: usize;

    /// What the target at a place must be for outputs of these shapes; nothing where there is none.
    fn target(&self, place: usize, outputs: &dyn Fn(usize) -> Shape) -> Option<TargetRule>;

    /// For each loss the position of the output that it is of; none where it is of all of them.
    fn parts(&self) -> Vec<Option<usize>>;

    /// The losses, in this order, which add up to what is minimized. `names` are those of the outputs.
    fn losses<'g>(
        &self,
        g: &'g Builder,
        names: &[&str],
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Vec<Value<'g>>;

    /// The same losses as an evaluation adds them up over batches.
    fn totals<'g>(
        &self,
        g: &'g Builder,
        names: &[&str],
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Vec<Total<'g>>;

    /// For each loss whether it is a mean, not a sum.
    fn averages(&self) -> Vec<bool>;

    /// The states that the losses read, with their values.
    fn states(&self, names: &[&str]) -> Vec<(String, ArrayD<f32>)>;
}

/// What is said of one output with elements of type `T`: a [`Loss`] of one of f32, or `()` for no loss.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no loss for an output of `{T}`",
    label = "not a loss for this output",
    note = "losses are of outputs of f32; an output of i32 or bool, which has no gradient, takes `()`"
)]
pub trait OutputLoss<T> {
    /// The element type of the target; `()` where there is none.
    type Target;

    /// The loss.
    #[doc(hidden)]
    fn as_loss(&self) -> Option<&dyn Loss<Target = Self::Target>>;
}

impl<L: Loss> OutputLoss<f32> for L {
    type Target = L::Target;

    fn as_loss(&self) -> Option<&dyn Loss<Target = L::Target>> {
        Some(self)
    }
}

impl<T> OutputLoss<T> for () {
    type Target = ();

    fn as_loss(&self) -> Option<&dyn Loss<Target = ()>> {
        None
    }
}

/// What the target of an output's loss must be.
fn rule<T>(loss: &dyn Loss<Target = T>, place: usize, output: Shape) -> TargetRule {
    TargetRule {
        ty: loss.target_type(output),
        output: Some(place),
        classes: loss.classes(output),
        ignored: loss.ignored(),
    }
}

/// The path of the states of one loss of several.
fn path(name: &str) -> String {
    format!("loss.{name}")
}

impl<L: Loss> Criterion<f32> for L {
    type Target = L::Target;

    const TARGETS: usize = 1;

    fn target(&self, _: usize, outputs: &dyn Fn(usize) -> Shape) -> Option<TargetRule> {
        Some(rule(self, 0, outputs(0)))
    }

    fn parts(&self) -> Vec<Option<usize>> {
        vec![Some(0)]
    }

    fn losses<'g>(
        &self,
        g: &'g Builder,
        _: &[&str],
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Vec<Value<'g>> {
        let given = outputs.first().zip(targets.first().copied().flatten());
        given.map(|(output, target)| self.loss(g, *output, target)).into_iter().collect()
    }

    fn totals<'g>(
        &self,
        g: &'g Builder,
        _: &[&str],
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Vec<Total<'g>> {
        let given = outputs.first().zip(targets.first().copied().flatten());
        given.map(|(output, target)| self.total(g, *output, target)).into_iter().collect()
    }

    fn averages(&self) -> Vec<bool> {
        vec![Loss::averages(self)]
    }

    fn states(&self, _: &[&str]) -> Vec<(String, ArrayD<f32>)> {
        Loss::states(self)
    }
}

/// Tuples, by the names of the losses' and the outputs' types, and their places.
macro_rules! several {
    ($($count:literal ($($loss:ident $output:ident $place:tt),*);)*) => {$(
        impl<$($output, $loss: OutputLoss<$output>),*> Criterion<($($output,)*)> for ($($loss,)*) {
            type Target = ($($loss::Target,)*);

            const TARGETS: usize = $count;

            fn target(&self, place: usize, outputs: &dyn Fn(usize) -> Shape) -> Option<TargetRule> {
                match place {
                    $($place => self.$place.as_loss().map(|loss| rule(loss, place, outputs(place))),)*
                    _ => None,
                }
            }

            fn parts(&self) -> Vec<Option<usize>> {
                let parts = [$(self.$place.as_loss().map(|_| $place)),*];
                parts.into_iter().filter(Option::is_some).collect()
            }

            fn losses<'g>(
                &self,
                g: &'g Builder,
                names: &[&str],
                outputs: &[Value<'g>],
                targets: &[Option<Value<'g>>],
            ) -> Vec<Value<'g>> {
                let mut parts = Vec::new();
                $(if let (Some(loss), Some(target)) = (self.$place.as_loss(), targets[$place]) {
                    let _scope = g.enter(&path(names[$place]));
                    parts.push(loss.loss(g, outputs[$place], target));
                })*
                parts
            }

            fn totals<'g>(
                &self,
                g: &'g Builder,
                names: &[&str],
                outputs: &[Value<'g>],
                targets: &[Option<Value<'g>>],
            ) -> Vec<Total<'g>> {
                let mut parts = Vec::new();
                $(if let (Some(loss), Some(target)) = (self.$place.as_loss(), targets[$place]) {
                    let _scope = g.enter(&path(names[$place]));
                    parts.push(loss.total(g, outputs[$place], target));
                })*
                parts
            }

            fn averages(&self) -> Vec<bool> {
                let mut parts = Vec::new();
                $(parts.extend(self.$place.as_loss().map(|loss| loss.averages()));)*
                parts
            }

            fn states(&self, names: &[&str]) -> Vec<(String, ArrayD<f32>)> {
                let mut states = Vec::new();
                $(if let Some(loss) = self.$place.as_loss() {
                    let path = path(names[$place]);
                    states.extend(loss.states().into_iter().map(|(name, value)| (format!("{path}.{name}"), value)));
                })*
                states
            }
        }
    )*};
}

several! {
    2 (A S 0, B T 1);
    3 (A S 0, B T 1, C U 2);
    4 (A S 0, B T 1, C U 2, D V 3);
    5 (A S 0, B T 1, C U 2, D V 3, E W 4);
    6 (A S 0, B T 1, C U 2, D V 3, E W 4, F X 5);
    7 (A S 0, B T 1, C U 2, D V 3, E W 4, F X 5, G Y 6);
    8 (A S 0, B T 1, C U 2, D V 3, E W 4, F X 5, G Y 6, H Z 7);
}
