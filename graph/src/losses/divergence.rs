//! Losses that compare distributions with what was drawn from them, or with others: divergences and negative logarithms
//! of likelihoods. Where a number lies outside of what a loss is defined for, whoever runs the program finds it: here
//! the range is noted.

use std::f64::consts::PI;

use ndarray::ArrayD;

use super::object::losses;
use super::total::{Losses, fits, samples, weighted};
use super::{Loss, Reduction, Total, weight_state};
use crate::build::{Builder, Range, Value};
use crate::graph::Type;
use crate::shape::functions::Elements::Float;
use crate::shape::{Shape, losses as rules};

/// No logarithm of a probability is below this.
const LEAST_LOG: f64 = -100.0;

/// The divisor of the gradient of a binary cross-entropy, `x (1 - x)`, is not below this.
const LEAST_SLOPE: f64 = 1e-12;

/// `-(t log x + (1 - t) log(1 - x))`, with logarithms of at least -100 and the gradient
/// `(x - t) / max(x (1 - x), 1e-12)`.
fn bce_losses<'g>(prediction: Value<'g>, target: Value<'g>, weight: Option<Value<'g>>) -> Losses<'g> {
    let (x, t) = (prediction, target);
    if !fits("bce", [(Float, x), (Float, t)], rules::elementwise(x.shape(), t.shape(), true)) {
        return Losses::equal(x);
    }
    let range = Range { function: "bce", low: 0.0, high: 1.0 };
    for value in [x, t] {
        value.graph().note_range(value, range);
    }
    // Next to 0 and 1 the gradient is not that of the logarithms, but that of a parabola which is 0 here.
    let is_edge = (x * (1.0 - x)).lt(LEAST_SLOPE);
    let (inside, edge) = (is_edge.select(0.5, x), is_edge.select(x, 0.5));
    let log = |at_edge: Value<'g>, inside: Value<'g>| is_edge.select(at_edge.detach().maximum(LEAST_LOG), inside);
    let log_x = log(x.log(), inside.log());
    let log_rest = log((-x).log1p(), (-inside).log1p());
    let parabola = (edge * 0.5 - t.detach()) * edge * (1.0 / LEAST_SLOPE);
    let slope = is_edge.select(parabola - parabola.detach(), 0.0);
    Losses::equal(weighted("bce", slope - (t * log_x + (1.0 - t) * log_rest), weight))
}

/// `t (log t - x)`, or `e^t (t - x)` of a logarithm.
fn kl_div_losses<'g>(prediction: Value<'g>, target: Value<'g>, log_target: bool) -> Losses<'g> {
    let (x, t) = (prediction, target);
    if !fits("kl_div", [(Float, x), (Float, t)], rules::kl_div(x.shape(), t.shape(), log_target, true)) {
        return Losses::equal(x);
    }
    Losses::equal(if log_target { t.exp() * (t - x) } else { times_own_log(t) - t * x })
}

/// `x log x`, which is 0 at 0.
fn times_own_log(x: Value<'_>) -> Value<'_> {
    let none = x.eq(0.0);
    none.select(0.0, x * none.select(1.0, x).log())
}

/// `e^x - t x`, or `x - t log(x + eps)` of a rate, and Stirling's approximation of `log t!`.
fn poisson_nll_losses<'g>(
    prediction: Value<'g>,
    target: Value<'g>,
    log_input: bool,
    full: bool,
    eps: f64,
) -> Losses<'g> {
    let (x, t) = (prediction, target);
    let rule = rules::poisson_nll(x.shape(), t.shape(), log_input, full, eps, true);
    if !fits("poisson_nll", [(Float, x), (Float, t)], rule) {
        return Losses::equal(x);
    }
    let losses = if log_input { x.exp() - t * x } else { x - t * (x + eps).log() };
    if !full {
        return Losses::equal(losses);
    }
    let few = t.le(1.0);
    let count = few.select(1.0, t);
    let stirling = count * count.log() - count + (count * (2.0 * PI)).log() * 0.5;
    Losses::equal(losses + few.select(0.0, stirling))
}

/// The negative logarithm of the likelihood of `target` under normal distributions of the means `input` and the variances
/// `var`.
///
/// * Shapes: `input` and `target` of one shape, or a target that is repeated to it; `var` of that, or without its last axis, or with 1 as one of its extents.
/// * Formula: `(log v + (x - t)^2 / v) / 2` with `v = max(var, eps)`, through which the gradient in `var` passes as if it
///   were `var`; `log(2 pi) / 2` more with `full`.
/// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for another shape,
///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a negative `eps`.
/// * Source: Nix and Weigend, "Estimating the Mean and Variance of the Target Probability Distribution"; PyTorch's
///   `functional.gaussian_nll_loss`, which refuses negative variances; here they count as `eps`.
pub fn gaussian_nll_loss<'g>(
    input: Value<'g>,
    target: Value<'g>,
    var: Value<'g>,
    full: bool,
    eps: f64,
    reduction: Reduction,
) -> Value<'g> {
    let _function = input.graph().function("gaussian_nll");
    let rule = rules::gaussian_nll(input.shape(), target.shape(), var.shape(), full, eps, true);
    if !fits("gaussian_nll", [(Float, input), (Float, target), (Float, var)], rule) {
        return Losses::equal(input).reduce(reduction);
    }
    let var = if var.shape().rank() < input.shape().rank() { var.unsqueeze(-1) } else { var };
    // The value is at least `eps`, the gradient that of the variance.
    let var = var.lt(eps).select(var - var.detach() + eps, var);
    let losses = (var.log() + (input - target).square() / var) * 0.5;
    Losses::equal(if full { losses + 0.5 * (2.0 * PI).ln() } else { losses }).reduce(reduction)
}

losses! {
    /// The binary cross-entropy of probabilities with targets between 0 and 1. Scores that are no probabilities yet take
    /// [`bce_with_logits`](super::bce_with_logits), which is exact where they are large.
    ///
    /// * Shapes: prediction and target of one shape; the loss is a scalar.
    /// * Formula: the mean of `-w (t log x + (1 - t) log(1 - x))`, where no logarithm is below -100; its gradient is
    ///   `w (x - t) / max(x (1 - x), 1e-12)`.
    /// * Settings: `weight` (none), `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape. Where a
    ///   prediction or a target does not lie in 0 to 1, a trainer's step is an error, and changes nothing; the loss itself
    ///   is NaN for such a prediction.
    /// * Source: PyTorch's `nn.BCELoss`.
    bce, Bce, binary_cross_entropy, bce_losses;
    takes f32, Type::f32;
    weight weight: array;
    {}

    /// The Kullback-Leibler divergence of a distribution from the one that is predicted.
    ///
    /// * Shapes: prediction and target of one shape, the prediction as logarithms of probabilities
    ///   ([`LogSoftmax`](crate::layers::LogSoftmax)); the loss is a scalar.
    /// * Formula: the mean of `t (log t - x)`, 0 where `t` is 0; with `log_target` of `e^t (t - x)`. The mean is over all
    ///   elements; [`Reduction::BatchMean`] gives the divergence itself, a mean over the samples.
    /// * Settings: `log_target = false`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape.
    /// * Source: Kullback and Leibler, "On Information and Sufficiency"; PyTorch's `nn.KLDivLoss`.
    kl_div, KlDiv, kl_div_loss, kl_div_losses;
    takes f32, Type::f32;
    {
        /// Whether targets are logarithms of probabilities, too. Default: no.
        log_target: bool = false,
    }

    /// The negative logarithm of the likelihood of counts under Poisson distributions of the predicted rates.
    ///
    /// * Shapes: prediction and target of one shape; the loss is a scalar.
    /// * Formula: the mean of `e^x - t x`, or of `x - t log(x + eps)` where the prediction is the rate itself; with `full`
    ///   Stirling's approximation of `log t!` more, `t log t - t + log(2 pi t) / 2`, where `t` is above 1.
    /// * Settings: `log_input = true`, `full = false`, `eps = 1e-8`, `reduction = Mean`.
    /// * Errors: [`ShapeError::Expected`](crate::shape::ShapeError::Expected) for a target of another shape,
    ///   [`ShapeError::Setting`](crate::shape::ShapeError::Setting) for a negative `eps`.
    /// * Source: PyTorch's `nn.PoissonNLLLoss`.
    poisson_nll, PoissonNll, poisson_nll_loss, poisson_nll_losses;
    takes f32, Type::f32;
    {
        /// Whether predictions are logarithms of rates. Default: yes.
        log_input: bool = true,
        /// Whether the part that depends on targets alone is added. Default: no.
        full: bool = false,
        /// What is added to a rate before its logarithm is taken. Default: 1e-8.
        eps: f64 = 1e-8,
    }
}
