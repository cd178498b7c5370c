//! The negative logarithms of the probabilities of classes. That it gets logarithms of probabilities is taken for
//! granted.

use ndarray::ArrayD;

use super::cross_entropy::{ClassTargets, class_axis, class_target, losses_of_logs};
use super::object::losses;
use super::total::{Losses, fits, samples};
use super::{Loss, Reduction, Total, weight_state};
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::functions::Elements::{Float, Index};
use crate::shape::{Shape, losses as rules};

/// `-w[t] x[t]`; those that are ignored weigh nothing.
fn nll_losses<'g>(
    prediction: Value<'g>,
    target: Value<'g>,
    weight: Option<Value<'g>>,
    ignore_index: i32,
) -> Losses<'g> {
    let rule = rules::nll(prediction.shape(), target.shape(), ignore_index, true);
    if !fits("nll", [(Float, prediction), (Index, target)], rule) {
        return Losses::equal(prediction);
    }
    let settings = ClassTargets { label_smoothing: 0.0, ignore_index, reduction: Reduction::Mean };
    losses_of_logs("nll", prediction, target, weight, settings)
}

losses! {
    /// The negative logarithm of the probability of the target's class: [`cross_entropy`](super::cross_entropy) behind a
    /// [`LogSoftmax`](crate::layers::LogSoftmax).
    ///
    /// * Shapes: prediction `[N, C, d..]`, logarithms of probabilities; target `[N, d..]` of classes in `0..C`; the loss is
    ///   a scalar.
    /// * Formula: the mean of `-w[t] x[t]`, weighted with the weights of the targets.
    /// * Settings: `weight` (none), `ignore_index = -100`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape.
    /// * Source: PyTorch's `nn.NLLLoss`.
    nll, Nll, nll_loss, nll_losses;
    takes i32, class_target;
    classes class_axis, ignores |loss: &Nll| Some(loss.ignore_index);
    weight weight: classes;
    {
        /// A target that does not count. Default: -100.
        ignore_index: i32 = -100,
    }
}
