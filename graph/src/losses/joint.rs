//! Losses of several outputs and targets together, as functions of a user's own. It knows no particular loss.

use std::fmt;
use std::marker::PhantomData;

use ndarray::ArrayD;

use super::criterion::{Criterion, TargetRule};
use super::total::Losses;
use super::{Reduction, Total};
use crate::build::{Builder, GraphError, Value};
use crate::graph::Type;
use crate::model::{ElementTypes, OfCount};
use crate::shape::{DType, Shape, rules};

/// What a target of a [`joint_loss_fn`] is for each sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointTarget {
    /// As many numbers as the output of this position has.
    Like(usize),
    /// Class labels `[N, d..]` for the output `[N, C, d..]` of this position. Those who take labels from users check that
    /// they lie in `0..C`, and count which of them have the largest score.
    Classes(usize),
    /// As [`JointTarget::Classes`], or this label of targets that do not count, as `ignore_index` of a cross-entropy says
    /// (-100, unless it is told otherwise). The function passes over them:
    /// [`class_cross_entropy`](super::class_cross_entropy) does, or a product with `labels.ne(-100)`.
    ClassesOr(usize, i32),
    /// These extents.
    Extents(Shape),
}

impl JointTarget {
    /// The position of the output that it belongs to.
    const fn output(self) -> Option<usize> {
        match self {
            JointTarget::Like(output) | JointTarget::Classes(output) | JointTarget::ClassesOr(output, _) => {
                Some(output)
            }
            JointTarget::Extents(_) => None,
        }
    }
}

/// A loss that is a function of all outputs and targets; see [`joint_loss_fn`].
#[derive(Clone)]
pub struct JointLoss<F, T, const K: usize, const J: usize> {
    function: F,
    targets: [JointTarget; J],
    elements: PhantomData<fn() -> T>,
}

/// A loss that is any function of all outputs of a model and of one or several targets, over [`Value`]s, as
/// [`loss_fn`](super::loss_fn) is of one output. The function takes an array of the outputs, in their order, and one of the
/// targets. This is where one loss reads several outputs (a VAE's), and where there are more or fewer targets than
/// outputs.
///
/// * Shapes: each target as the output of its position (as the last one, where there are more targets than outputs), of f32,
///   unless [`JointLoss::targets`] says otherwise. The result may have any shape: the loss is the mean of its elements. A
///   scalar is taken for a mean over the samples of the batch.
/// * Errors: [`GraphError::LossType`] for a result that is not f32, [`GraphError::JointTarget`] for an output that is not
///   there; what the function itself records.
///
/// ```
/// use kiln_graph::losses::{JointTarget, joint_loss_fn};
///
/// // The negative evidence lower bound of a VAE: reconstruction and divergence from the standard normal distribution.
/// let elbo = joint_loss_fn(|[image, mean, log_variance], [target]| {
///     let reconstruction = (image - target).square().sum(1);
///     let divergence = (mean.square() + log_variance.exp() - log_variance - 1.0).sum(1) * 0.5;
///     reconstruction + divergence
/// });
///
/// // Squared errors of two outputs, each sample with a weight that is given beside the targets.
/// let weighted = joint_loss_fn(|[height, width], [heights, widths, weight]| {
///     ((height - heights).square() + (width - widths).square()).mean(1) * weight
/// });
/// let weighted = weighted.targets::<(f32, f32, f32)>([
///     JointTarget::Like(0),
///     JointTarget::Like(1),
///     JointTarget::Extents([0; 0].into()),
/// ]);
/// # let _ = (elbo, weighted);
/// ```
pub fn joint_loss_fn<F, const K: usize, const J: usize>(function: F) -> JointLoss<F, <Count<J> as Numbers>::Types, K, J>
where
    F: for<'g> Fn([Value<'g>; K], [Value<'g>; J]) -> Value<'g>,
    Count<J>: Numbers,
{
    let targets = std::array::from_fn(|target| JointTarget::Like(target.min(K.saturating_sub(1))));
    JointLoss { function, targets, elements: PhantomData }
}

impl<F, T, const K: usize, const J: usize> JointLoss<F, T, K, J> {
    /// What the targets are, and their element types: `.targets::<(i32, f32)>([JointTarget::Classes(0), JointTarget::Like(1)])`.
    pub fn targets<U: ElementTypes + OfCount<J>>(self, targets: [JointTarget; J]) -> JointLoss<F, U, K, J> {
        JointLoss { function: self.function, targets, elements: PhantomData }
    }
}

impl<F, T, const K: usize, const J: usize> fmt::Debug for JointLoss<F, T, K, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JointLoss").field("outputs", &K).field("targets", &self.targets).finish_non_exhaustive()
    }
}

impl<F, T, const K: usize, const J: usize> JointLoss<F, T, K, J>
where
    F: for<'g> Fn([Value<'g>; K], [Value<'g>; J]) -> Value<'g>,
{
    /// The function's result; the error is recorded where it can not be had.
    fn result<'g>(
        &self,
        g: &'g Builder,
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Option<(Value<'g>, Value<'g>)> {
        let _function = g.function("loss");
        for (target, of) in self.targets.iter().enumerate() {
            if let Some(output) = of.output().filter(|output| *output >= K) {
                g.fail(GraphError::JointTarget { target, output, outputs: K });
                return None;
            }
        }
        let targets: Vec<Value<'g>> = targets.iter().copied().collect::<Option<_>>()?;
        let (outputs, targets) = (outputs.try_into().ok()?, targets.try_into().ok()?);
        let first: [Value<'g>; K] = outputs;
        Some(((self.function)(outputs, targets), *first.first()?))
    }
}

impl<F, O, T, const K: usize, const J: usize> Criterion<O> for JointLoss<F, T, K, J>
where
    F: for<'g> Fn([Value<'g>; K], [Value<'g>; J]) -> Value<'g>,
    O: ElementTypes + OfCount<K>,
    T: ElementTypes + OfCount<J>,
{
    type Target = T;

    const TARGETS: usize = J;

    fn target(&self, place: usize, outputs: &dyn Fn(usize) -> Shape) -> Option<TargetRule> {
        let (of, dtype) = (*self.targets.get(place)?, T::DTYPES[place]);
        let output = of.output();
        // One that is not there is an error of the program that is built.
        let prediction = outputs(output.unwrap_or(0).min(K.saturating_sub(1)));
        let (shape, classes) = match of {
            JointTarget::Like(_) => (prediction, None),
            JointTarget::Classes(_) | JointTarget::ClassesOr(..) => {
                let classes = (prediction.rank() > 0).then(|| prediction.dim(prediction.rank().min(2) - 1));
                (rules::classes(prediction).unwrap_or(prediction), classes)
            }
            JointTarget::Extents(extents) => (extents.insert(0, prediction.dims().first().copied().unwrap_or(1)), None),
        };
        Some(TargetRule {
            ty: Type::new(dtype, shape),
            output: output.filter(|output| *output < K),
            classes,
            ignored: if let JointTarget::ClassesOr(_, ignored) = of { Some(ignored) } else { None },
        })
    }

    fn parts(&self) -> Vec<Option<usize>> {
        vec![None]
    }

    fn losses<'g>(
        &self,
        g: &'g Builder,
        _: &[&str],
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Vec<Value<'g>> {
        let Some((result, _)) = self.result(g, outputs, targets) else { return Vec::new() };
        if result.dtype() != DType::F32 {
            g.fail(GraphError::LossType { found: result.ty() });
        }
        vec![Losses::equal(result).reduce(Reduction::Mean)]
    }

    fn totals<'g>(
        &self,
        g: &'g Builder,
        _: &[&str],
        outputs: &[Value<'g>],
        targets: &[Option<Value<'g>>],
    ) -> Vec<Total<'g>> {
        let result = self.result(g, outputs, targets);
        result.map(|(result, first)| Total::of_result(result, first)).into_iter().collect()
    }

    fn averages(&self) -> Vec<bool> {
        vec![true]
    }

    fn states(&self, _: &[&str]) -> Vec<(String, ArrayD<f32>)> {
        Vec::new()
    }
}

/// Stands for a number of tensors.
#[derive(Clone, Copy, Debug)]
pub struct Count<const J: usize>;

/// The types of so many tensors of f32.
#[diagnostic::on_unimplemented(message = "a loss takes one to eight targets", label = "another number of targets")]
pub trait Numbers {
    /// `f32` of one, `(f32, f32)` of two.
    type Types;
}

macro_rules! numbers {
    ($($count:literal $types:ty;)*) => {$(
        impl Numbers for Count<$count> {
            type Types = $types;
        }
    )*};
}

numbers! {
    1 f32;
    2 (f32, f32);
    3 (f32, f32, f32);
    4 (f32, f32, f32, f32);
    5 (f32, f32, f32, f32, f32);
    6 (f32, f32, f32, f32, f32, f32);
    7 (f32, f32, f32, f32, f32, f32, f32);
    8 (f32, f32, f32, f32, f32, f32, f32, f32);
}
