//! Hyperbolic functions and what undoes them, by powers of e and logarithms that are exact near 0 and 1. It knows the
//! kernel builder alone.

use std::f32::consts::{LN_2, LOG2_E};

use super::{EXP, below_zero, nearest, polynomial, power_of_two, turn};
use super::{exp, expm1, log, log1p, small_is_itself, with_sign_of};
use crate::kernel::{Compare, Float1, Float2, KernelBuilder, Value};

/// From here on `sqrt(x**2 + 1)` and `sqrt(x**2 - 1)` are x to the last bit: what undoes a hyperbolic sine or cosine is the
/// logarithm of 2 x.
const FAR: f32 = 1e4;

/// The hyperbolic sine.
pub fn sinh(b: &mut KernelBuilder, x: Value) -> Value {
    // Near 0 (t + t / (t + 1)) / 2 with t = e**|x| - 1; beyond by the root of the power, whose square is out of range no
    // sooner than the result.
    let size = b.float1(Float1::Abs, x);
    let (half, one) = (b.f32(0.5), b.f32(1.0));
    let t = expm1(b, size);
    let power = b.add(t, one);
    let quotient = b.div(t, power);
    let sum = b.add(t, quotient);
    let near = b.mul(sum, half);
    let (large, small) = halves(b, size);
    let far = b.sub(large, small);
    let is_near = b.compare(Compare::Lt, size, one);
    let result = b.select(is_near, near, far);
    let result = with_sign_of(b, result, x);
    small_is_itself(b, x, result)
}

/// The hyperbolic cosine.
pub fn cosh(b: &mut KernelBuilder, x: Value) -> Value {
    let size = b.float1(Float1::Abs, x);
    let (large, small) = halves(b, size);
    b.add(large, small)
}

/// `e**x / 2` and `e**-x / 2`, of which the first is infinite beyond 89.4.
fn halves(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    let half = b.f32(0.5);
    let halved = b.mul(x, half);
    let root = exp(b, halved);
    let large = b.mul(root, half);
    let large = b.mul(large, root);
    let square = b.mul(root, root);
    (large, b.div(half, square))
}

/// The hyperbolic tangent.
pub fn tanh(b: &mut KernelBuilder, x: Value) -> Value {
    // Of -|x|, which is t / (t + 1) with t = (e**(-2 |x|) - 1) / 2; from 9.1 on that is -1.
    // e**(2 x) = 2**n * e**(2 r), and (e**(2 r) - 1) / 2 = r + r**2 * 2 P(2 r).
    let (negative, turned) = below_zero(b, x);
    let bound = b.f32(-9.1);
    let x = b.float2(Float2::Max, bound, negative);
    let (bits, whole) = nearest(b, x, 2.0 * LOG2_E, 127.0);
    // n is at least -26: f32's ln 2, which is right to 2**-29, will do.
    let half_ln_2 = b.f32(-LN_2 / 2.0);
    let r = b.fma(whole, half_ln_2, x);
    let square = b.mul(r, r);
    // As two polynomials of r**2, whose steps do not wait for each other.
    let [c, d, e, f, g, h] = EXP;
    let odd = polynomial(b, square, &[64.0 * c, 16.0 * e, 4.0 * g]);
    let even = polynomial(b, square, &[32.0 * d, 8.0 * f, 2.0 * h]);
    let p = b.fma(odd, r, even);
    let e = b.fma(square, p, r);
    let power = power_of_two(b, bits);
    let (half, minus_half, one) = (b.f32(0.5), b.f32(-0.5), b.f32(1.0));
    let rest = b.fma(power, half, minus_half);
    let t = b.fma(power, e, rest);
    let below = b.add(t, one);
    let quotient = b.div(t, below);
    turn(b, quotient, turned)
}

/// What undoes the hyperbolic sine: `ln(x + sqrt(x**2 + 1))`.
pub fn asinh(b: &mut KernelBuilder, x: Value) -> Value {
    // Of |x|, by how much the argument is above 1: |x| + x**2 / (sqrt(x**2 + 1) + 1).
    let size = b.float1(Float1::Abs, x);
    let one = b.f32(1.0);
    let square = b.mul(size, size);
    let sum = b.add(square, one);
    let root = b.float1(Float1::Sqrt, sum);
    let below = b.add(root, one);
    let quotient = b.div(square, below);
    let above_one = b.add(size, quotient);
    let near = log1p(b, above_one);
    let result = beyond(b, size, near);
    let result = with_sign_of(b, result, x);
    small_is_itself(b, x, result)
}

/// What undoes the hyperbolic cosine: `ln(x + sqrt(x**2 - 1))`; NaN below 1.
pub fn acosh(b: &mut KernelBuilder, x: Value) -> Value {
    // By u = x - 1, which is exact near 1: ln(1 + u + sqrt(u (u + 2))).
    let (one, two) = (b.f32(1.0), b.f32(2.0));
    let u = b.sub(x, one);
    let above = b.add(u, two);
    let square = b.mul(u, above);
    let root = b.float1(Float1::Sqrt, square);
    let above_one = b.add(u, root);
    let near = log1p(b, above_one);
    let result = beyond(b, x, near);
    let below = b.compare(Compare::Lt, x, one);
    let nan = b.f32(f32::NAN);
    b.select(below, nan, result)
}

/// What undoes the hyperbolic tangent: `ln((1 + x) / (1 - x)) / 2`; NaN outside of -1..1.
pub fn atanh(b: &mut KernelBuilder, x: Value) -> Value {
    let size = b.float1(Float1::Abs, x);
    let (half, one) = (b.f32(0.5), b.f32(1.0));
    let doubled = b.add(size, size);
    let below = b.sub(one, size);
    let above_one = b.div(doubled, below);
    let logarithm = log1p(b, above_one);
    let result = b.mul(logarithm, half);
    let result = with_sign_of(b, result, x);
    small_is_itself(b, x, result)
}

/// `ln(2 x)` from [`FAR`] on, else `near`.
fn beyond(b: &mut KernelBuilder, x: Value, near: Value) -> Value {
    let logarithm = log(b, x);
    let ln_2 = b.f32(LN_2);
    let far = b.add(logarithm, ln_2);
    let bound = b.f32(FAR);
    let is_far = b.compare(Compare::Ge, x, bound);
    b.select(is_far, far, near)
}
