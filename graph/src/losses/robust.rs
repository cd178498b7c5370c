//! Errors that count as squares while they are small, and as distances beyond: Huber's loss and its relative. None
//! weighs elements or knows classes.

use ndarray::ArrayD;

use super::object::losses;
use super::total::{Losses, fits, samples};
use super::{Loss, Reduction, Total};
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::functions::Elements::Float;
use crate::shape::{Shape, losses as rules};

/// Squares where the difference is small, else distances: `near` and `far` are of its square, and of its magnitude.
fn turning<'g>(
    prediction: Value<'g>,
    target: Value<'g>,
    is_far: impl FnOnce(Value<'g>) -> Value<'g>,
    near: impl FnOnce(Value<'g>) -> Value<'g>,
    far: impl FnOnce(Value<'g>) -> Value<'g>,
) -> Losses<'g> {
    let difference = prediction - target;
    let distance = difference.abs();
    // NaN is near, whose square has the gradient NaN, too.
    let is_far = is_far(distance);
    // Squares are of small numbers alone: one of infinity would give a gradient of 0 * inf.
    let square = is_far.select(0.0, difference).square();
    Losses::equal(is_far.select(far(distance), near(square)))
}

fn huber_losses<'g>(prediction: Value<'g>, target: Value<'g>, delta: f64) -> Losses<'g> {
    let rule = rules::huber(prediction.shape(), target.shape(), delta, true);
    if !fits("huber", [(Float, prediction), (Float, target)], rule) {
        return Losses::equal(prediction);
    }
    turning(
        prediction,
        target,
        |distance| distance.gt(delta),
        |square| square * 0.5,
        |distance| (distance - 0.5 * delta) * delta,
    )
}

fn smooth_l1_losses<'g>(prediction: Value<'g>, target: Value<'g>, beta: f64) -> Losses<'g> {
    let rule = rules::smooth_l1(prediction.shape(), target.shape(), beta, true);
    if !fits("smooth_l1", [(Float, prediction), (Float, target)], rule) {
        return Losses::equal(prediction);
    }
    if beta == 0.0 {
        return Losses::equal((prediction - target).abs());
    }
    turning(
        prediction,
        target,
        |distance| distance.ge(beta),
        |square| square * (0.5 / beta),
        |distance| distance - 0.5 * beta,
    )
}

losses! {
    /// Half the squared error where it is at most `delta`, else a distance with the same slope there: few errors that are
    /// large do not decide on all.
    ///
    /// * Shapes: prediction and target of one shape; the loss is a scalar.
    /// * Formula: the mean of `d^2 / 2` where `d = |x - t|` is at most `delta`, else of `delta (d - delta / 2)`.
    /// * Settings: `delta = 1`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape,
    ///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a `delta` that is not above 0.
    /// * Source: Huber, "Robust Estimation of a Location Parameter"; PyTorch's `nn.HuberLoss`.
    huber, Huber, huber_loss, huber_losses;
    takes f32, Type::f32;
    {
        /// The error from which on distances count. Default: 1.
        delta: f64 = 1.0,
    }

    /// [`huber`] divided by its `delta`, here called `beta`: the distance with a rounded tip.
    ///
    /// * Shapes: prediction and target of one shape; the loss is a scalar.
    /// * Formula: the mean of `d^2 / (2 beta)` where `d = |x - t|` is below `beta`, else of `d - beta / 2`; for a `beta` of
    ///   0 that is [`l1`](super::l1).
    /// * Settings: `beta = 1`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape,
    ///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a negative `beta`.
    /// * Source: Girshick, "Fast R-CNN"; PyTorch's `nn.SmoothL1Loss`.
    smooth_l1, SmoothL1, smooth_l1_loss, smooth_l1_losses;
    takes f32, Type::f32;
    {
        /// The error from which on distances count. Default: 1.
        beta: f64 = 1.0,
    }
}
