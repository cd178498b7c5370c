//! The modified Bessel functions of the first kind, of the orders 0 and 1, as they are and times `e^-|x|`. Each is
//! differentiable as often as needed, for what it is composed of is. It knows no other order.

use super::special::polynomial;
use crate::build::Value;

/// `sqrt(x) e^-x I(x)` of the orders 0 and 1 as polynomials in `16 / x - 1`, for `x` from 8 on. Interpolated at Chebyshev's
/// nodes: the relative errors are 2e-10.
const FAR: [[f64; 9]; 2] = [
    [
        0.402_176_509_445,
        0.003_360_552_227_11,
        0.000_136_216_348_104,
        1.113_992_400_39e-5,
        1.480_166_868_24e-6,
        3.071_251_794_72e-7,
        1.022_295_795_21e-7,
        3.173_468_265_13e-8,
        3.213_434_567_78e-9,
    ],
    [
        0.389_398_459_026,
        -0.009_749_577_441_13,
        -0.000_219_236_053_39,
        -1.503_539_036_25e-5,
        -1.831_021_238_22e-6,
        -3.581_953_648_15e-7,
        -1.142_353_416_13e-7,
        -3.590_463_832_94e-8,
        -4.236_897_806_75e-9,
    ],
];

/// Up to here it is a power series. Its last term, of `(x / 2)^36`, is then less than 1e-12 of the sum.
const NEAR: f64 = 8.0;

/// `I_order(x)`, or with `scaled` that times `e^-|x|`.
///
/// Up to [`NEAR`] by the power series `(x / 2)^order` times the sum of `(x^2 / 4)^k / (k! (k + order)!)`, whose terms are all
/// positive; from there on by [`FAR`].
fn bessel(x: Value<'_>, order: usize, scaled: bool) -> Value<'_> {
    let size = x.abs();
    let is_far = size.ge(NEAR);
    let (near, far) = (is_far.select(0.0, x), is_far.select(size, NEAR));
    let mut coefficients = vec![1.0];
    for k in 1..19 {
        coefficients.push(coefficients[k - 1] / (k * (k + order)) as f64);
    }
    let series = polynomial(near * near * 0.25, &coefficients);
    let series = if order == 1 { near * 0.5 * series } else { series };
    let series = if scaled { series * (-near.abs()).exp() } else { series };
    let tail = polynomial(far.reciprocal() * (2.0 * NEAR) - 1.0, &FAR[order]) / far.sqrt();
    let tail = if scaled { tail } else { far.exp() * tail };
    let tail = if order == 1 { x.lt(0.0).select(-tail, tail) } else { tail };
    is_far.select(tail, series)
}

macro_rules! functions {
    ($($(#[$documentation:meta])* $name:ident, $order:literal, $scaled:literal;)*) => {$(
        $(#[$documentation])*
        pub fn $name(x: Value<'_>) -> Value<'_> {
            let _function = x.graph().function(stringify!($name));
            bessel(x, $order, $scaled)
        }
    )*};
}

functions! {
    /// The modified Bessel function of the first kind of order 0. Beyond 88 it is infinite in f32; NaN at infinity, as in
    /// PyTorch.
    i0, 0, false;
    /// [`i0`] times `e^-|x|`, with the gradient 0 at 0.
    i0e, 0, true;
    /// The modified Bessel function of the first kind of order 1, the derivative of [`i0`]. Beyond 88 it is infinite in f32; NaN
    /// at infinity, as in PyTorch.
    i1, 1, false;
    /// [`i1`] times `e^-|x|`.
    i1e, 1, true;
}
