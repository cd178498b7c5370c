//! Clipping of gradients, by their norm and by value. Knows no optimizer.

use crate::build::{Builder, Value};

/// PyTorch's `clip_grad_norm_`: the gradients, times `min(1, max_norm / (norm + 1e-6))`, and the norm of all of them
/// together before. `norm_type` is `p` of `(sum |g|^p)^(1/p)`, or infinity for the largest magnitude. Without gradients the
/// norm is 0.
///
/// Errors of a norm that is not finite are none: it makes gradients NaN, as in PyTorch (`error_if_nonfinite = False`).
pub fn clip_grad_norm<'g>(
    g: &'g Builder,
    gradients: &[Value<'g>],
    max_norm: f64,
    norm_type: f64,
) -> (Vec<Value<'g>>, Value<'g>) {
    let _function = g.function("clip_grad_norm");
    let norm = total_norm(g, gradients, norm_type);
    // A NaN stays one.
    let factor = (norm + 1e-6).reciprocal() * max_norm;
    let factor = factor.ge(1.0).select(1.0, factor);
    (gradients.iter().map(|&gradient| gradient * factor).collect(), norm)
}

fn total_norm<'g>(g: &'g Builder, gradients: &[Value<'g>], norm_type: f64) -> Value<'g> {
    let (parts, largest): (Vec<Value<'g>>, bool) = match norm_type {
        f64::INFINITY => (gradients.iter().map(|gradient| gradient.abs().amax(..)).collect(), true),
        1.0 => (gradients.iter().map(|gradient| gradient.abs().sum(..)).collect(), false),
        2.0 => (gradients.iter().map(|gradient| gradient.square().sum(..)).collect(), false),
        p => (gradients.iter().map(|gradient| gradient.abs().pow(p).sum(..)).collect(), false),
    };
    let both = |one: Value<'g>, other: Value<'g>| if largest { one.maximum(other) } else { one + other };
    let whole = parts.into_iter().reduce(both).unwrap_or_else(|| g.scalar(0.0));
    match norm_type {
        f64::INFINITY | 1.0 => whole,
        2.0 => whole.sqrt(),
        p => whole.pow(1.0 / p),
    }
}

/// PyTorch's `clip_grad_value_`: the gradients, with each element between `-clip_value` and `clip_value`.
pub fn clip_grad_value<'g>(gradients: &[Value<'g>], clip_value: f64) -> Vec<Value<'g>> {
    gradients.iter().map(|gradient| gradient.maximum(-clip_value).minimum(clip_value)).collect()
}
