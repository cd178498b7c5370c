//! Elementary functions of f32 as sequences of kernel IR operations, the same at every number of lanes.
//! It knows the kernel builder alone.
//!
//! Each function is right at infinities, NaN and both zeros, and gives denormal results to the last bit that they hold.
//! The greatest error against f64, in units of the last place, measured over the f32s by `tests/math.rs`:
//!
//! | function | ulp | | function | ulp |
//! | --- | --- | --- | --- | --- |
//! | [`exp`] | 1 | | [`tanh`] | 3 |
//! | [`expm1`] | 2 | | [`erf`] | 1 |
//! | [`log`] | 1 | | [`sin`], [`cos`] | 2 |
//! | [`log1p`] | 1 | | [`pow`] | 2 |
//! | [`sigmoid`] | 3 | | [`rsqrt`], [`reciprocal`] | 2, 0.5 |
//! | [`atan2`] | 2 | | [`asin`], [`acos`] | 3 |
//! | [`sinh`], [`cosh`] | 4, 3 | | [`asinh`], [`acosh`], [`atanh`] | 2 |
//!
//! They hold where a fused multiply-add rounds once.

use std::f32::consts::LOG2_E;

mod angle;
mod hyperbolic;

pub use angle::{acos, asin, atan2, cos, sin};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};

use crate::kernel::{Compare, Convert, Float1, Float2, Int2, KernelBuilder, Mask2, Operation, Shift, Value, ValueType};

/// ln 2 in two parts; the first has few bits, so that its product with an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `e**x`. Below -103.98 it is 0, above 88.73 infinite.
pub fn exp(b: &mut KernelBuilder, x: Value) -> Value {
    exp_of_sum(b, x, None)
}

/// `e**(x + low)`, where `low` is below the last bit of x: keeps what a product's rounding has lost.
fn exp_of_sum(b: &mut KernelBuilder, x: Value, low: Option<Value>) -> Value {
    // e**x = 2**n * e**r with |r| <= ln(2) / 2. Beyond the bounds all results are 0 or infinite; NaN passes.
    let x = clamp(b, x, -105.0, 89.0);
    // 2**n itself may be out of range: it is the product of two powers, whose exponents are the halves of n + 254.
    let (twice, whole) = nearest(b, x, LOG2_E, 254.0);
    let mut r = rest_of(b, x, whole);
    if let Some(low) = low {
        r = b.add(r, low);
    }
    let e = exp_less_one(b, r);
    let one = b.f32(1.0);
    let e = b.add(e, one);
    let half = b.shift(Shift::RightLogical, twice, 1);
    let rest = b.int2(Int2::Sub, twice, half);
    let first = power_of_two(b, half);
    let second = power_of_two(b, rest);
    // The first product is exact.
    let e = b.mul(e, first);
    b.mul(e, second)
}

/// `e**x - 1`, exact near 0.
pub fn expm1(b: &mut KernelBuilder, x: Value) -> Value {
    // 2**n * (e**r - 1) + (2**n - 1), all halved, since 2**128 is out of range.
    let bounded = clamp(b, x, -105.0, 89.0);
    let (n, whole) = nearest(b, bounded, LOG2_E, 126.0);
    let r = rest_of(b, bounded, whole);
    let e = exp_less_one(b, r);
    // Below 2**-30 the power no longer counts.
    let least = b.i32((ROUND + 126.0 - 29.0).to_bits() as i32);
    let n = b.int2(Int2::Max, n, least);
    let power = power_of_two(b, n);
    let half = b.f32(0.5);
    let rest = b.sub(power, half);
    let sum = b.fma(power, e, rest);
    let result = b.add(sum, sum);
    small_is_itself(b, x, result)
}

/// Next to this number neighbouring f32s are 1 apart: a sum with it rounds to a whole number, which its last bits hold.
const ROUND: f32 = 12_582_912.0;

/// The whole number n that is nearest to `factor * x`, for such below 2**20; before it, bits whose last ones hold
/// `n + bias`, for negative n as well.
fn nearest(b: &mut KernelBuilder, x: Value, factor: f32, bias: f32) -> (Value, Value) {
    let factor = b.f32(factor);
    let round = b.f32(ROUND + bias);
    let rounded = b.fma(x, factor, round);
    (b.convert(Convert::BitsToI32, rounded), b.sub(rounded, round))
}

/// `x - n * ln 2` by Cody and Waite: the high part of ln 2 has few bits, so that n times it is exact, and so is what is
/// left of x; the low part puts right what the high one lacks.
fn rest_of(b: &mut KernelBuilder, x: Value, n: Value) -> Value {
    let high = b.f32(-LN_2[0]);
    let low = b.f32(-LN_2[1]);
    let r = b.fma(n, high, x);
    b.fma(n, low, r)
}

/// `P` of `e**r = 1 + r + r**2 * P(r)` for `|r| <= ln(2) / 2`, as in Cephes' expf; the coefficient of the highest power
/// comes first.
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// `e**r - 1` for `|r| <= ln(2) / 2`.
fn exp_less_one(b: &mut KernelBuilder, r: Value) -> Value {
    let p = polynomial(b, r, &EXP);
    let square = b.mul(r, r);
    b.fma(square, p, r)
}

/// `2**n` for n in -126..=127, of bits whose last 9 hold n + 127.
fn power_of_two(b: &mut KernelBuilder, bits: Value) -> Value {
    // An f32 is sign (1 bit), exponent + 127 (8), significand (23): with nothing but an exponent it is a power of two.
    let bits = b.shift(Shift::Left, bits, 23);
    b.convert(Convert::BitsToF32, bits)
}

/// The natural logarithm; of 0 it is -inf, of negative numbers NaN.
pub fn log(b: &mut KernelBuilder, x: Value) -> Value {
    let result = log_with_correction(b, x, None);
    log_at_edges(b, x, result)
}

/// `ln(1 + x)`, exact near 0; of -1 it is -inf, below NaN.
pub fn log1p(b: &mut KernelBuilder, x: Value) -> Value {
    // ln(u) + c / u, where u + c = 1 + x exactly: c is what the sum's rounding has lost.
    let one = b.f32(1.0);
    let u = b.add(x, one);
    let from_one = b.sub(u, one);
    let lost_of_x = b.sub(x, from_one);
    let from_x = b.sub(u, x);
    let lost_of_one = b.sub(one, from_x);
    let large = b.compare(Compare::Gt, x, one);
    let lost = b.select(large, lost_of_one, lost_of_x);
    let correction = b.div(lost, u);
    let result = log_with_correction(b, u, Some(correction));
    let result = log_at_edges(b, u, result);
    small_is_itself(b, x, result)
}

/// `ln(x) + correction` for positive finite x: `x = m * 2**e` with m in sqrt(1/2)..sqrt(2), and
/// `ln(1 + f) = f - f**2 / 2 + f**3 * P(f)` (P as in Cephes' logf).
fn log_with_correction(b: &mut KernelBuilder, x: Value, correction: Option<Value>) -> Value {
    let (m, e) = significand_and_exponent(b, x);
    let one = b.f32(1.0);
    let f = b.sub(m, one);
    let p = polynomial(
        b,
        f,
        &[
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_87e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_7e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    let square = b.mul(f, f);
    let p = b.mul(p, f);
    let half = b.f32(-0.5);
    let p = b.add(p, half);
    let low = b.f32(LN_2[1]);
    let y = match correction {
        Some(correction) => b.fma(e, low, correction),
        None => b.mul(e, low),
    };
    let y = b.fma(square, p, y);
    let y = b.add(f, y);
    let high = b.f32(LN_2[0]);
    b.fma(e, high, y)
}

/// `m, e` (both f32) with `x = m * 2**e` and m in sqrt(1/2)..sqrt(2), for positive finite x.
fn significand_and_exponent(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    // Denormal numbers are brought into range first.
    let least = b.f32(f32::MIN_POSITIVE);
    let denormal = b.compare(Compare::Lt, x, least);
    let factor = b.f32((1 << 23) as f32);
    let scaled = b.mul(x, factor);
    let x = b.select(denormal, scaled, x);
    let shift = b.f32(-23.0);
    let zero = b.f32(0.0);
    let shift = b.select(denormal, shift, zero);
    // The exponent's bits of x / sqrt(1/2).
    let bits = b.convert(Convert::BitsToI32, x);
    let origin = b.i32(std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32);
    let above = b.int2(Int2::Sub, bits, origin);
    // Counted from sqrt(1/2), the exponent steps at sqrt(1/2) 2**k rather than at 2**k: so m is in sqrt(1/2)..sqrt(2),
    // and f = m - 1 is small on both sides of 1.
    let e = b.shift(Shift::RightArithmetic, above, 23);
    let exponent_bits = b.shift(Shift::Left, e, 23);
    let m = b.int2(Int2::Sub, bits, exponent_bits);
    let m = b.convert(Convert::BitsToF32, m);
    let e = b.convert(Convert::ToF32, e);
    (m, b.add(e, shift))
}

/// What a logarithm is at and below 0, at infinity and NaN; else `result`.
fn log_at_edges(b: &mut KernelBuilder, x: Value, result: Value) -> Value {
    let infinity = b.f32(f32::INFINITY);
    let finite = b.compare(Compare::Lt, x, infinity);
    let result = b.select(finite, result, x);
    let zero = b.f32(0.0);
    let nan = b.f32(f32::NAN);
    let negative = b.compare(Compare::Lt, x, zero);
    let result = b.select(negative, nan, result);
    let is_zero = b.compare(Compare::Eq, x, zero);
    let least = b.f32(f32::NEG_INFINITY);
    b.select(is_zero, least, result)
}

/// `1 / (1 + e**-x)`.
pub fn sigmoid(b: &mut KernelBuilder, x: Value) -> Value {
    // c / (c + c e**-x): with c = 2**-24 the second term is in range wherever the result is not 0. From 30 on it is 1.
    const SCALE: f32 = 5.960_464_5e-8;
    let x = clamp(b, x, -105.0, 30.0);
    let (bits, whole) = nearest(b, x, -LOG2_E, 127.0 - 24.0);
    // r = -(x + n ln 2): what follows is a function of -r.
    let high = b.f32(LN_2[0]);
    let low = b.f32(LN_2[1]);
    let minus_r = b.fma(whole, high, x);
    let minus_r = b.fma(whole, low, minus_r);
    let [a, c, d, e, f, g] = EXP;
    let e = polynomial(b, minus_r, &[-a, c, -d, e, -f, g, -1.0, 1.0]);
    let power = power_of_two(b, bits);
    let scale = b.f32(SCALE);
    let below = b.fma(power, e, scale);
    b.div(scale, below)
}

/// The error function.
pub fn erf(b: &mut KernelBuilder, x: Value) -> Value {
    // Of t = -|x|; from -4 on that is -1. Near 0: t + t * P(t**2). Else 2**(t + t * Q(t)) - 1. (Minimax, after N.
    // Juffa; Q is computed as two polynomials of t**2.)
    let (negative, turned) = below_zero(b, x);
    let bound = b.f32(-4.0);
    let t = b.float2(Float2::Max, bound, negative);
    let square = b.mul(t, t);
    let p = polynomial(
        b,
        square,
        &[-5.967_617e-4, 4.991_194e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1],
    );
    let near = b.fma(p, t, t);
    let even = polynomial(b, square, &[2.493_745_5e-5, 5.603_381e-3, 1.540_479_7e-1, 6.283_951e-1]);
    let odd = polynomial(b, square, &[5.528_362e-4, 3.499_204_3e-2, -9.158_902e-1]);
    let q = b.fma(odd, t, even);
    let exponent = b.fma(q, t, t);
    let (bits, whole) = nearest(b, exponent, 1.0, 127.0);
    let rest = b.sub(exponent, whole);
    let e = polynomial(
        b,
        rest,
        &[1.534_577_3e-4, 1.339_992_6e-3, 9.618_494e-3, 5.550_328_6e-2, 2.402_264_3e-1, 6.931_472e-1, 1.0],
    );
    let power = power_of_two(b, bits);
    let minus_one = b.f32(-1.0);
    let far = b.fma(power, e, minus_one);
    let split = b.f32(-0.927_734_4);
    let is_far = b.compare(Compare::Lt, t, split);
    let result = b.select(is_far, far, near);
    turn(b, result, turned)
}

/// `x ** y`, with C's results at the edges: 1 where `x` is 1 or `y` is 0, whatever the other is; NaN for negative x
/// unless y is whole.
pub fn pow(b: &mut KernelBuilder, x: Value, y: Value) -> Value {
    let zero = b.f32(0.0);
    let one = b.f32(1.0);
    let infinity = b.f32(f32::INFINITY);
    let absolute = b.float1(Float1::Abs, x);

    // e**(y * ln |x|), the logarithm and the product as unevaluated sums of two f32.
    let (log_high, log_low) = log_in_two(b, absolute);
    let log_high = log_at_edges(b, absolute, log_high);
    let high = b.mul(log_high, y);
    // A fused multiply-add rounds once: fma(a, b, -(a * b)) is just what the rounding of a * b has lost.
    let negated = b.float1(Float1::Neg, high);
    let low = b.fma(log_high, y, negated);
    let low = b.fma(log_low, y, low);
    // Where the product is far out of range its low part is no number.
    let size = b.float1(Float1::Abs, high);
    let bound = b.f32(128.0);
    let within = b.compare(Compare::Lt, size, bound);
    let low = b.select(within, low, zero);
    let result = exp_of_sum(b, high, Some(low));

    // Negative x: odd whole y give a negative result, other whole ones a positive, the rest NaN (not of infinity, 0).
    let half = b.f32(0.5);
    let halved = b.mul(y, half);
    let whole_halves = b.float1(Float1::Floor, halved);
    let minus_two = b.f32(-2.0);
    let remainder = b.fma(whole_halves, minus_two, y);
    let odd = b.compare(Compare::Eq, remainder, one);
    let sign = sign_bit(b, x);
    let plus = b.i32(0);
    let sign = b.select(odd, sign, plus);
    let result = flip_sign(b, result, sign);
    let whole_part = b.float1(Float1::Floor, y);
    let broken = b.compare(Compare::Ne, whole_part, y);
    let negative = b.compare(Compare::Lt, x, zero);
    let finite = b.compare(Compare::Lt, absolute, infinity);
    let undefined = b.push(Operation::Mask2(Mask2::And, broken, negative));
    let undefined = b.push(Operation::Mask2(Mask2::And, undefined, finite));
    let nan = b.f32(f32::NAN);
    let result = b.select(undefined, nan, result);

    let is_one = b.compare(Compare::Eq, x, one);
    let is_zero = b.compare(Compare::Eq, y, zero);
    let is_unit = b.compare(Compare::Eq, absolute, one);
    let y_size = b.float1(Float1::Abs, y);
    let y_infinite = b.compare(Compare::Eq, y_size, infinity);
    let limit = b.push(Operation::Mask2(Mask2::And, is_unit, y_infinite));
    let fixed = b.push(Operation::Mask2(Mask2::Or, is_one, is_zero));
    let fixed = b.push(Operation::Mask2(Mask2::Or, fixed, limit));
    b.select(fixed, one, result)
}

/// `ln x` for positive finite x as the sum of two f32, to about 2**-40 of its value: `2 artanh(q) + e * ln 2`,
/// `q = (m - 1) / (m + 1)` (after N. Juffa).
fn log_in_two(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    let (m, e) = significand_and_exponent(b, x);
    let one = b.f32(1.0);
    let two = b.f32(2.0);
    let minus_two = b.f32(-2.0);
    // q in two parts.
    let below = b.add(m, one);
    let above = b.sub(m, one);
    let inverse = b.div(one, below);
    let q = b.mul(inverse, above);
    // above - q * below, which is 0 but for rounding: below = m + 1 = above + 2, so above - 2 q - q * above.
    let rest = b.fma(q, minus_two, above);
    let negated = b.float1(Float1::Neg, above);
    let rest = b.fma(q, negated, rest);
    let q_low = b.mul(inverse, rest);
    // q**2 and q**3 in two parts.
    let square = b.mul(q, q);
    let p = polynomial(b, square, &[0.129_333_5, 0.141_992_8, 0.200_014_83, 0.333_333_25]);
    let negated = b.float1(Float1::Neg, square);
    let lost = b.fma(q, q, negated);
    let doubled = b.add(q_low, q_low);
    let square_low = b.fma(q, doubled, lost);
    let cube = b.mul(square, q);
    let negated = b.float1(Float1::Neg, cube);
    let lost = b.fma(square, q, negated);
    let lost = b.fma(square_low, q, lost);
    let cube_low = b.fma(square, q_low, lost);
    let series = b.fma(p, cube_low, q_low);
    let series = b.fma(p, cube, series);
    // The sum with e * ln 2, normalised.
    let ln_2 = b.f32(std::f32::consts::LN_2);
    let minus_ln_2 = b.f32(-std::f32::consts::LN_2);
    let ln_2_low = b.f32(-1.904_654_2e-9);
    let twice = b.mul(q, two);
    let high = b.fma(ln_2, e, twice);
    let back = b.fma(minus_ln_2, e, high);
    let lost = b.sub(twice, back);
    let low = b.fma(two, series, lost);
    let low = b.fma(ln_2_low, e, low);
    let sum = b.add(high, low);
    let lost = b.sub(high, sum);
    (sum, b.add(lost, low))
}

/// `1 / sqrt(x)`.
pub fn rsqrt(b: &mut KernelBuilder, x: Value) -> Value {
    let root = b.float1(Float1::Sqrt, x);
    reciprocal(b, root)
}

/// `1 / x`.
pub fn reciprocal(b: &mut KernelBuilder, x: Value) -> Value {
    let one = b.f32(1.0);
    b.div(one, x)
}

/// Horner's rule; the coefficient of the highest power comes first.
fn polynomial(b: &mut KernelBuilder, x: Value, coefficients: &[f32]) -> Value {
    let mut sum = b.f32(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        let coefficient = b.f32(coefficient);
        sum = b.fma(sum, x, coefficient);
    }
    sum
}

/// `x` between two bounds; NaN stays.
fn clamp(b: &mut KernelBuilder, x: Value, least: f32, greatest: f32) -> Value {
    let greatest = b.f32(greatest);
    let least = b.f32(least);
    // The instruction gives its second operand where either is NaN: x stands second.
    let x = b.float2(Float2::Min, greatest, x);
    b.float2(Float2::Max, least, x)
}

/// `x` itself where it is so small that `f(x) = x + O(x**2)` rounds to it (and keeps the sign of 0), else `result`.
fn small_is_itself(b: &mut KernelBuilder, x: Value, result: Value) -> Value {
    let size = b.float1(Float1::Abs, x);
    let bound = b.f32(f32::EPSILON / 8.0);
    let small = b.compare(Compare::Lt, size, bound);
    b.select(small, x, result)
}

/// The sign bit of `x`, an i32.
fn sign_bit(b: &mut KernelBuilder, x: Value) -> Value {
    debug_assert_eq!(b.ty(x), ValueType::F32);
    let bits = b.convert(Convert::BitsToI32, x);
    let mask = b.i32(i32::MIN);
    b.int2(Int2::And, bits, mask)
}

/// `x` negated where `sign` holds the sign bit.
fn flip_sign(b: &mut KernelBuilder, x: Value, sign: Value) -> Value {
    let bits = b.convert(Convert::BitsToI32, x);
    let bits = b.int2(Int2::Xor, bits, sign);
    b.convert(Convert::BitsToF32, bits)
}

/// `-|x|`, and the sign bit where x has none, for [`turn`].
fn below_zero(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    let bits = b.convert(Convert::BitsToI32, x);
    let sign = b.i32(i32::MIN);
    let negative = b.int2(Int2::Or, bits, sign);
    let turned = b.int2(Int2::Xor, negative, bits);
    (b.convert(Convert::BitsToF32, negative), turned)
}

/// The value of an odd function of `x`, of that of `-|x|`: a zero may have lost its sign.
fn turn(b: &mut KernelBuilder, value: Value, turned: Value) -> Value {
    let bits = b.convert(Convert::BitsToI32, value);
    let sign = b.i32(i32::MIN);
    let bits = b.int2(Int2::Or, bits, sign);
    let bits = b.int2(Int2::Xor, bits, turned);
    b.convert(Convert::BitsToF32, bits)
}

/// The absolute value of `size` with the sign of `x`.
fn with_sign_of(b: &mut KernelBuilder, size: Value, x: Value) -> Value {
    let size = b.float1(Float1::Abs, size);
    let sign = sign_bit(b, x);
    flip_sign(b, size, sign)
}
