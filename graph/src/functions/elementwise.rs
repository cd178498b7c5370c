//! Functions of single elements that are compositions of others: of angles, hyperbolic ones, logarithms of other bases,
//! what is finite, parts of numbers. It knows no axes.

use super::refused;
use crate::build::{Operand, Value};
use crate::shape::functions as rules;

/// Functions of one operand that have no attributes.
macro_rules! functions_of_one {
    ($($(#[$documentation:meta])* $name:ident |$x:ident| $value:expr;)*) => {$(
        $(#[$documentation])*
        pub fn $name($x: Value<'_>) -> Value<'_> {
            let _function = $x.graph().function(stringify!($name));
            $value
        }
    )*};
}

functions_of_one! {
    /// The smallest whole number not below x. The gradient is 0.
    ceil |x| -(-x).floor();
    /// x without its fraction: the whole number next to it in the direction of 0. The gradient is 0.
    trunc |x| x.lt(0.0).select(ceil(x), x.floor());
    /// The fraction of x, with its sign; the gradient is 1.
    frac |x| x - trunc(x);
    /// The tangent.
    tan |x| x.sin() / x.cos();
    /// The angle in -pi/2..pi/2 whose tangent x is.
    atan |x| x.atan2(1.0);
    /// `2^x`.
    exp2 |x| x.graph().scalar(2.0).pow(x);
    /// The logarithm of base 2.
    log2 |x| x.log() * std::f64::consts::LOG2_E;
    /// The logarithm of base 10.
    log10 |x| x.log() * std::f64::consts::LOG10_E;
    /// Whether x is no number.
    isnan |x| x.ne(x);
    /// Whether x is infinite.
    isinf |x| x.abs().eq(f64::INFINITY);
    /// Whether x is a number, and not infinite.
    isfinite |x| x.abs().lt(f64::INFINITY);
}

/// Whether just one of two masks holds.
pub fn logical_xor<'g>(input: Value<'g>, other: Value<'g>) -> Value<'g> {
    (input | other) & !(input & other)
}

/// From `input` (for a weight of 0) to `end` (1): `input + weight * (end - input)`.
pub fn lerp<'g>(input: Value<'g>, end: Value<'g>, weight: impl Operand<'g>) -> Value<'g> {
    let weight = weight.into_value(input.graph(), input.dtype());
    let difference = end - input;
    // From the nearer end, so that both are met exactly.
    weight.abs().lt(0.5).select(input + weight * difference, end - (1.0 - weight) * difference)
}

/// NaN and infinities as numbers: by default 0, and the largest and the smallest of f32. Where a number is put in, the
/// gradient is 0.
pub fn nan_to_num(x: Value<'_>, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Value<'_> {
    if let Err(error) = rules::nan_to_num("nan_to_num", x.shape(), nan, posinf, neginf) {
        return refused(x, error);
    }
    let most = posinf.unwrap_or(f64::from(f32::MAX));
    let least = neginf.unwrap_or(f64::from(f32::MIN));
    let numbers = x.ne(x).select(nan, x.eq(f64::NEG_INFINITY).select(least, x));
    x.eq(f64::INFINITY).select(most, numbers)
}
