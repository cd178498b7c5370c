//! The shape rules of elementwise functions with settings: the shape stays, and the settings are what they may be.

use crate::shape::{DType, Shape, ShapeError, Type, rules};
use crate::words;

/// Elementwise with a number.
pub const fn with_number(op: &'static str, x: Shape, number: f64) -> Result<Shape, ShapeError> {
    let _ = (op, number);
    Ok(x)
}

/// Elementwise with a finite number.
pub const fn with_factor(op: &'static str, x: Shape, factor: f64) -> Result<Shape, ShapeError> {
    if factor.is_finite() {
        Ok(x)
    } else {
        Err(ShapeError::Attribute { op, rule: "the factor must be a finite number" })
    }
}

/// The slope below 0 is divided by `alpha`.
pub const fn celu(op: &'static str, x: Shape, alpha: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::divisor_of("alpha", alpha));
    Ok(x)
}

/// An axis of an even extent is halved; see [`rules::glu`].
pub const fn glu(op: &'static str, x: Shape, dim: isize) -> Result<Shape, ShapeError> {
    let _ = op;
    rules::glu(x, dim)
}

/// One of two ways to compute it.
pub const fn gelu(op: &'static str, x: Shape, approximate: &str) -> Result<Shape, ShapeError> {
    let _ = op;
    if words::is_one_of(approximate, &["none", "tanh"]) {
        return Ok(x);
    }
    Err(ShapeError::Setting { setting: "approximate", rule: "must be \"none\" or \"tanh\"" })
}

/// Elementwise quotients that are rounded in one of two ways.
pub const fn rounded_quotient(
    op: &'static str,
    left: Shape,
    right: Shape,
    rounding_mode: &str,
) -> Result<Shape, ShapeError> {
    if words::is_one_of(rounding_mode, &["floor", "trunc"]) {
        return rules::broadcast(op, left, right);
    }
    Err(ShapeError::Setting { setting: "rounding_mode", rule: "must be \"floor\" or \"trunc\"" })
}

/// A slope for all, or for each channel; see [`rules::prelu`].
pub const fn prelu(op: &'static str, x: Shape, weight: Shape) -> Result<Shape, ShapeError> {
    if weight.rank() > 1 {
        return Err(ShapeError::Mismatch { op, left: x, right: weight });
    }
    rules::prelu(x, if weight.rank() == 0 { 1 } else { weight.dim(0) })
}

/// Slopes are drawn between two.
pub const fn rrelu(op: &'static str, x: Shape, lower: f64, upper: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::slopes(lower, upper));
    Ok(x)
}

/// What is nearer to 0 than `lambd` becomes 0.
pub const fn hardshrink(op: &'static str, x: Shape, lambd: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::finite("lambd", lambd));
    Ok(x)
}

/// Numbers are drawn to 0 by `lambd`.
pub const fn softshrink(op: &'static str, x: Shape, lambd: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::not_negative("lambd", lambd));
    Ok(x)
}

/// What is not above the threshold becomes `value`.
pub const fn threshold(op: &'static str, x: Shape, threshold: f64, value: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::threshold(Some(threshold), Some(value)));
    Ok(x)
}

/// Elements are kept with a probability of `1 - p`.
pub const fn dropout(op: &'static str, x: Shape, p: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    rules::probability(x, p)
}

/// Elementwise between two bounds.
pub const fn hardtanh(op: &'static str, x: Shape, min_val: f64, max_val: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::bounds(min_val, max_val));
    Ok(x)
}

/// The bend is as sharp as `beta` says.
pub const fn softplus(op: &'static str, x: Shape, beta: f64, threshold: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::bend(beta, threshold));
    Ok(x)
}

/// Whether all elements are near to others.
pub const fn allclose(
    op: &'static str,
    input: Shape,
    other: Shape,
    rtol: f64,
    atol: f64,
    equal_nan: bool,
) -> Result<Shape, ShapeError> {
    let _ = (rtol, atol, equal_nan);
    ok!(rules::broadcast(op, input, other));
    Ok(Shape::SCALAR)
}

/// Powers of elements: PyTorch, too, has none below 0 of whole numbers.
pub const fn power(op: &'static str, x: Type, exponent: f64) -> Result<Shape, ShapeError> {
    if matches!(x.dtype, DType::I32) && exponent < 0.0 {
        return Err(ShapeError::Attribute { op, rule: "whole numbers have no powers below 0: `x.float()` has" });
    }
    Ok(x.shape)
}

/// The derivative of an order.
pub const fn polygamma(op: &'static str, n: usize, x: Shape) -> Result<Shape, ShapeError> {
    if n > 20 {
        return Err(ShapeError::Attribute { op, rule: "`n` must be at most 20" });
    }
    Ok(x)
}

/// As many gamma functions.
pub const fn mvlgamma(op: &'static str, x: Shape, p: usize) -> Result<Shape, ShapeError> {
    if p == 0 || p > 64 {
        return Err(ShapeError::Attribute { op, rule: "`p` must be at least 1 and at most 64" });
    }
    Ok(x)
}

/// Elementwise with two numbers that may be left out.
pub const fn with_bounds(op: &'static str, x: Shape, min: Option<f64>, max: Option<f64>) -> Result<Shape, ShapeError> {
    if min.is_none() && max.is_none() {
        return Err(ShapeError::Attribute { op, rule: "give `min`, `max` or both" });
    }
    Ok(x)
}
