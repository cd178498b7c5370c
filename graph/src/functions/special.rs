//! Special functions of single elements: those of the gamma function and of the error function, logarithms with a limit
//! at 0. Each is differentiable as often as needed, but at poles and ends, for what it is composed of is. It knows no
//! axes.

use std::f64::consts::{LN_2, PI};

use super::{ruled, rules};
use crate::build::{Operand, Value};

/// `c[0] + c[1] x + c[2] x^2 + ..`
pub(super) fn polynomial<'g>(x: Value<'g>, coefficients: &[f64]) -> Value<'g> {
    let (last, others) = coefficients.split_last().expect("a polynomial has coefficients");
    others.iter().rev().fold(x.graph().scalar(*last), |sum, &coefficient| sum * x + coefficient)
}

/// `x^n`, by squares.
fn power(x: Value<'_>, n: usize) -> Value<'_> {
    let half = if n > 1 { power(x, n / 2) } else { x };
    match (n, n % 2) {
        (1, _) => x,
        (_, 0) => half * half,
        _ => half * half * x,
    }
}

/// The negative numbers turned to positive ones, `1 - x`, and which these are.
fn turned(x: Value<'_>) -> (Value<'_>, Value<'_>) {
    let below = x.lt(0.0);
    (below.select(1.0 - x, x), below)
}

/// `pi` times the distance to the nearest whole number: of it the sine is that of `pi x` but for its sign, and exact near
/// the whole numbers. Where the mask does not hold it is `pi` times the number.
fn angle<'g>(below: Value<'g>, x: Value<'g>, otherwise: f64) -> Value<'g> {
    below.select(x - x.round(), otherwise) * PI
}

/// `log |gamma(x)|`; infinite at 0 and the negative whole numbers.
///
/// * From 0 to 8: the power series of `lgamma(2 + z)`, `|z| < 1/2`, whose coefficients are `(-1)^k (zeta(k) - 1) / k`
///   (1 less Euler's constant first), by `lgamma(x + 1) = lgamma(x) + log x`. So it is exact near its zeros at 1 and 2, too.
/// * From 8 on: Stirling's series.
/// * Below 0: `log(pi / |sin pi x|) - lgamma(1 - x)`.
pub fn lgamma(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("lgamma");
    let infinite = x.abs().eq(f64::INFINITY);
    let finite = infinite.select(1.0, x);
    let (positive, below) = turned(finite);
    let positive = lgamma_of_positive(positive);
    let sine = angle(below, finite, 0.5).sin().abs();
    let reflected = PI.ln() - sine.log() - positive;
    let at_infinity = infinite.select(x, 1.0).abs() * f64::INFINITY;
    infinite.select(at_infinity, below.select(reflected, positive))
}

/// The coefficients of `lgamma(2 + z) / z`.
const SERIES_AT_TWO: [f64; 16] = [
    0.422_784_335_098_467_14,
    0.322_467_033_424_113_2,
    -0.067_352_301_053_198_1,
    0.020_580_808_427_784_548,
    -0.007_385_551_028_673_985,
    0.002_890_510_330_741_523_3,
    -0.001_192_753_911_703_261,
    5.096_695_247_430_424e-4,
    -2.231_547_584_535_794e-4,
    9.945_751_278_180_853e-5,
    -4.492_623_673_813_314e-5,
    2.050_721_277_567_069e-5,
    -9.439_488_275_268_396e-6,
    4.374_866_789_907_488e-6,
    -2.039_215_753_801_366e-6,
    9.551_412_130_407_42e-7,
];

/// `log gamma(x)` of finite numbers of at least 0.
fn lgamma_of_positive(x: Value<'_>) -> Value<'_> {
    let large = x.ge(8.0);
    let (small, beyond) = (large.select(2.0, x), large.select(x, 8.0));
    // gamma(x) = (x - 1) (x - 2) .. gamma(2 + z).
    let (mut rest, mut product) = (small, x.graph().scalar(1.0));
    for _ in 0..6 {
        let (above, less) = (rest.ge(2.5), rest - 1.0);
        product = product * above.select(less, 1.0);
        rest = above.select(less, rest);
    }
    // gamma(2 + z) = (1 + z) gamma(x) with z = x - 1 from 1/2 on, = (1 + x) x gamma(x) with z = x before.
    let (low, lowest) = (small.lt(1.5), small.lt(0.5));
    let z = lowest.select(small, rest - low.select(1.0, x.graph().scalar(2.0)));
    let factor = lowest.select(small, product).log();
    let series = z * polynomial(z, &SERIES_AT_TWO) - low.select(z, 0.0).log1p();
    let near = series + lowest.select(-factor, factor);

    let inverse = beyond.reciprocal();
    let tail = polynomial(inverse * inverse, &[1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0]);
    let far = (beyond - 0.5) * (beyond.log() - 1.0) + 0.5 * (LN_2 + PI.ln() - 1.0) + inverse * tail;
    large.select(far, near)
}

/// The derivative of [`lgamma`]; infinite at 0, NaN at the negative whole numbers.
pub fn digamma(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("digamma");
    derivative(0, x)
}

/// The `n`-th derivative of [`digamma`].
pub fn polygamma(n: usize, x: Value<'_>) -> Value<'_> {
    ruled(x, rules::polygamma("polygamma", n, x.shape()), |_| {
        let _function = x.graph().function("polygamma");
        derivative(n, x)
    })
}

/// Of numbers of at least 0 by the terms `-n! / (-x - k)^(n + 1)` of the first `k`, and the formula of Euler and Maclaurin for
/// the others. Below 0 by `psi_n(x) = (-1)^n psi_n(1 - x) - d^n/dx^n (pi cot pi x)`.
fn derivative(n: usize, x: Value<'_>) -> Value<'_> {
    let (positive, below) = turned(x);
    let terms = 8 + n;
    let sign = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
    let factorial: f64 = (1..=n).map(|k| k as f64).product();
    // A part of it in each factor of a power, which would be 0 where the whole product is not.
    let part = |factors: usize| factorial.powf(1.0 / factors as f64);
    // Without a sum, -0 keeps its sign.
    let at = |k: usize| if k == 0 { positive } else { positive + k as f64 };
    let first = (0..terms).map(|k| power(at(k).reciprocal() * part(n + 1), n + 1));
    let first = first.reduce(|sum, term| sum + term).expect("some terms");
    let beyond = positive + terms as f64;
    let inverse = beyond.reciprocal();
    // B_2j / (2j)! (n + 1) (n + 2) .. (n + 2j - 1), of the Bernoulli numbers.
    let bernoulli = [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0];
    let coefficients: Vec<f64> = (bernoulli.iter().enumerate())
        .map(|(position, bernoulli)| {
            let j = position + 1;
            let rising: f64 = (n + 1..n + 2 * j).map(|factor| factor as f64).product();
            bernoulli * rising / (1..=2 * j).map(|factor| factor as f64).product::<f64>()
        })
        .collect();
    let square = inverse * inverse;
    let tail = inverse * 0.5 + square * polynomial(square, &coefficients);
    let rest = if n == 0 { tail - beyond.log() } else { power(inverse * part(n), n) * (tail + 1.0 / n as f64) };
    let positive = (first + rest) * sign;

    let angle = angle(below, x, 0.25);
    let (sine, cosine) = (angle.sin(), angle.cos());
    let cotangent = cosine / sine;
    let reflected = polynomial(cotangent, &cotangents(n)) * -PI.powi(n as i32 + 1) + positive * -sign;
    // Above and below a pole it is of both signs.
    let reflected = if n == 0 { reflected * sine.eq(0.0).select(f64::NAN, x.graph().scalar(1.0)) } else { reflected };
    below.select(reflected, positive)
}

/// The `n`-th derivative of the cotangent as a polynomial in it: `cot' = -(1 + cot^2)`.
fn cotangents(n: usize) -> Vec<f64> {
    (0..n).fold(vec![0.0, 1.0], |before, _| {
        let mut next = vec![0.0; before.len() + 1];
        for (power, coefficient) in before.iter().enumerate().skip(1) {
            next[power - 1] -= power as f64 * coefficient;
            next[power + 1] -= power as f64 * coefficient;
        }
        next
    })
}

/// The logarithm of the multivariate gamma function: `p (p - 1) / 4 log(pi)` and the sum of `lgamma(x - i / 2)` for each `i`
/// from 0 to before `p`.
pub fn mvlgamma(x: Value<'_>, p: usize) -> Value<'_> {
    ruled(x, rules::mvlgamma("mvlgamma", x.shape(), p), |_| {
        let all = (0..p).map(|i| lgamma(x - i as f64 / 2.0)).reduce(|sum, term| sum + term).expect("p is at least 1");
        all + (p * (p - 1)) as f64 / 4.0 * PI.ln()
    })
}

/// `erfc(x) e^(x^2) / t` as a polynomial in `2.5 t - 1`, where `t = 1 / (1 + x / 2)`, for `x` from 1/2 on. Interpolated at
/// Chebyshev's nodes: the relative error is 3e-10.
const TAIL_OF_ERF: [f64; 13] = [
    0.447_502_877_953,
    0.232_150_372_774,
    0.080_969_574_606_4,
    0.012_959_455_254_4,
    -0.002_761_172_486_9,
    -0.001_508_308_666_67,
    0.000_163_794_801_92,
    0.000_177_699_942_064,
    -2.628_884_905_01e-5,
    -2.221_626_915_86e-5,
    5.935_876_669_7e-6,
    2.066_248_344_11e-6,
    -8.609_373_511_25e-7,
];

/// `1 - erf(x)`, with all its digits where that is small.
pub fn erfc(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("erfc");
    // The derivatives are those of the difference, which are exact; the value is put into its place.
    let difference = -x.erf() + 1.0;
    let at = x.detach();
    // Beyond, it is 0.
    let size = at.abs().minimum(11.0);
    let t = (size * 0.5 + 1.0).reciprocal();
    // The square of the first bits has no rounding, which would be multiplied with the exponent.
    let bits = (size * 64.0).round() * (1.0 / 64.0);
    let bell = (bits * -bits).exp() * ((bits - size) * (bits + size)).exp();
    let tail = bell * t * polynomial(t * 2.5 - 1.0, &TAIL_OF_ERF);
    let value = size.lt(0.5).select(difference.detach(), at.lt(0.0).select(2.0 - tail, tail));
    difference + (value - difference.detach())
}

/// `e^(x^2) erfc(x)`, which is about `1 / (x sqrt(pi))` where that is small.
pub fn erfcx(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("erfcx");
    let right = x.ge(0.5);
    let left = right.select(0.0, x);
    // The square of the first bits has no rounding, which would be multiplied with the exponent.
    let bits = ((left * 64.0).round() * (1.0 / 64.0)).maximum(-32.0);
    let bell = (bits * bits).exp() * ((left - bits) * (left + bits)).exp();
    right.select(scaled_tail(right.select(x, 0.5)), bell * erfc(left))
}

/// `e^(x^2) erfc(x)` for `x` from 1/2 on.
fn scaled_tail(x: Value<'_>) -> Value<'_> {
    let t = (x * 0.5 + 1.0).reciprocal();
    t * polynomial(t * 2.5 - 1.0, &TAIL_OF_ERF)
}

/// The logarithm of [`ndtr`], also where that underflows.
pub fn log_ndtr(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("log_ndtr");
    let small = x.lt(-1.0);
    let (low, high) = (small.select(x, -1.0), small.select(-1.0, x));
    let far = scaled_tail(low * -std::f64::consts::FRAC_1_SQRT_2).log() - LN_2 - low * low * 0.5;
    small.select(far, (-ndtr(-high)).log1p())
}

/// `erfinv(x) / x` as polynomials, in `0.4 w - 1` for `w = -log(1 - x^2)` up to 5, and in `s = sqrt(w)` from there to 4.2,
/// where that is brought to -1 .. 1. Interpolated at Chebyshev's nodes: the relative errors are 6e-11 and 3e-10.
const INVERSE_OF_ERF: [[f64; 13]; 2] = [
    [
        1.501_409_351_11,
        0.616_600_691_963,
        -0.026_108_236_313_4,
        -0.019_573_563_806_6,
        0.008_525_415_992_19,
        -0.000_487_879_047_73,
        -0.000_834_256_648_619,
        0.000_292_141_616_418,
        2.089_156_496_46e-5,
        -4.140_623_891_11e-5,
        7.941_246_815_71e-6,
        2.933_237_307_82e-6,
        -1.263_830_967_65e-6,
    ],
    [
        3.051_757_104_35,
        0.986_781_346_447,
        0.005_541_093_113_16,
        -0.003_870_730_022_91,
        0.002_581_412_912_15,
        -0.001_713_298_474_32,
        0.000_926_065_898_218,
        -0.000_322_797_035_039,
        2.904_344_314_26e-6,
        8.375_652_732_23e-5,
        -4.494_546_262_27e-5,
        -1.472_760_455_53e-6,
        5.929_752_827_19e-6,
    ],
];

/// The number whose error function x is; infinite at -1 and 1, NaN outside.
pub fn erfinv(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("erfinv");
    let inside = x.abs().lt(1.0);
    let at = inside.select(x, 0.0);
    let w = -((-at + 1.0) * (at + 1.0)).log();
    let far = w.gt(5.0);
    let near = polynomial(far.select(0.0, w) * 0.4 - 1.0, &INVERSE_OF_ERF[0]);
    let (low, high) = (5f64.sqrt(), 4.2);
    let place = (far.select(w, 9.0).sqrt() * 2.0 - (low + high)) * (1.0 / (high - low));
    let quotient = far.select(polynomial(place, &INVERSE_OF_ERF[1]), near);
    let limit = x.abs().eq(1.0).select(f64::INFINITY, x.graph().scalar(f64::NAN));
    inside.select(at * quotient, inside.select(1.0, x) * limit)
}

/// The chance of a number below `x` of the normal distribution of mean 0 and variance 1: `erfc(-x / sqrt(2)) / 2`.
pub fn ndtr(x: Value<'_>) -> Value<'_> {
    erfc(x * -std::f64::consts::FRAC_1_SQRT_2) * 0.5
}

/// The entropy's term `-x log x`: 0 at 0, where the gradient is infinite, `-inf` below, where it is NaN.
pub fn entr(x: Value<'_>) -> Value<'_> {
    let _function = x.graph().function("entr");
    let (below, none, infinite) = (x.lt(0.0), x.eq(0.0), x.eq(f64::INFINITY));
    let inside = (below | none | infinite).select(1.0, x);
    // A root of 0 is 0 with an infinite derivative.
    let at_zero = none.select(x, 1.0).sqrt();
    let at = below.select(x, 1.0);
    let least = at.maximum(f64::from(f32::MIN));
    let outside = (least - least.detach()).sqrt() * 0.0 - f64::INFINITY;
    let at_infinity = infinite.select(x, 1.0) * f64::NEG_INFINITY;
    below.select(outside, none.select(at_zero, infinite.select(at_infinity, -inside * inside.log())))
}

/// `a log(1 + b)`, 0 where `a` is 0 and `b` is a number.
pub fn xlog1py<'g>(a: Value<'g>, other: impl Operand<'g>) -> Value<'g> {
    let _function = a.graph().function("xlog1py");
    let b: Value<'g> = other.into_value(a.graph(), a.dtype());
    let none = a.eq(0.0) & (b.le(-1.0) | b.eq(f64::INFINITY));
    none.select(0.0, a * none.select(0.0, b).log1p())
}
