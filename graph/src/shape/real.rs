//! Functions of single numbers that rustc can evaluate in constants, where the standard library's can not: those that
//! bodies call of numbers, such as `(D as f64).sqrt()`. It knows no tensors.

use std::f64::consts::{LN_2, LN_10, SQRT_2};

/// `ln 2` in two parts, of which the first has so many zeros behind that its multiples are exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// `π / 2` in the same way.
const QUARTER_HIGH: f64 = 1.570_796_326_734_125_6;
const QUARTER_LOW: f64 = 6.077_100_506_506_192e-11;

/// The angle up to which multiples of [`QUARTER_HIGH`] are exact.
const SMALL_ANGLE: f64 = 1e6;
/// The bits of `2 / π`, behind 64 zeros.
const QUARTERS: [u64; 19] = [
    0x0000000000000000,
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
];

/// The square root, rounded to the nearest number; NaN of what is below 0.
pub const fn sqrt(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 || x == f64::INFINITY {
        return x;
    }
    // `x = m * 2^e` with an even `e`, and `m` below 2^54.
    let (m, e) = parts(x);
    let (m, e) = if e % 2 == 0 { (m, e) } else { (2 * m, e - 1) };
    let wide = (m as u128) << 56;
    let root = wide.isqrt();
    let rest = wide - root * root;
    // A bit below says that something is left, so that it is not taken for the middle of two numbers.
    scaled(((root << 1) | (rest != 0) as u128) as f64, e / 2 - 29)
}

/// `e` to the power of a number.
pub const fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 709.8 {
        return f64::INFINITY;
    }
    if x < -745.2 {
        return 0.0;
    }
    let times = (x / LN_2).round_ties_even();
    let r = (x - times * LN_2_HIGH) - times * LN_2_LOW;
    let (mut sum, mut k) = (1.0, 22);
    while k > 0 {
        sum = 1.0 + sum * r / k as f64;
        k -= 1;
    }
    scaled(sum, times as i32)
}

/// The natural logarithm; NaN of what is below 0.
pub const fn ln(x: f64) -> f64 {
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == f64::INFINITY {
        return x;
    }
    let (m, e) = parts(x);
    let (mut m, mut e) = (m as f64 / (1u64 << 52) as f64, e + 52);
    if m > SQRT_2 {
        (m, e) = (m / 2.0, e + 1);
    }
    // `2 artanh((m - 1) / (m + 1))`
    let s = (m - 1.0) / (m + 1.0);
    let (mut sum, mut k) = (0.0, 25);
    while k > 0 {
        sum = sum * s * s + 1.0 / (2 * k - 1) as f64;
        k -= 1;
    }
    e as f64 * LN_2_HIGH + (e as f64 * LN_2_LOW + 2.0 * s * sum)
}

/// The logarithm to the base 2; of a power of 2 the whole number.
pub const fn log2(x: f64) -> f64 {
    if !(x > 0.0 && x.is_finite()) {
        return ln(x);
    }
    let (m, e) = parts(x);
    if m == 1 << 52 { (e + 52) as f64 } else { ln(x) / LN_2 }
}

/// The logarithm to the base 10; of a power of 10 the whole number.
pub const fn log10(x: f64) -> f64 {
    let result = ln(x) / LN_10;
    // Those of 22 and below are numbers of `f64`, so that their products are them.
    let whole = result.round();
    if whole.abs() <= 22.0 && powi(10.0, whole as i32) == x { whole } else { result }
}

/// A whole power, by multiplications.
pub const fn powi(x: f64, power: i32) -> f64 {
    let (mut result, mut base, mut left) = (1.0, x, power.unsigned_abs());
    while left > 0 {
        if left % 2 == 1 {
            result *= base;
        }
        base *= base;
        left /= 2;
    }
    if power < 0 { 1.0 / result } else { result }
}

/// Any power; NaN of a number below 0 to one that is not whole.
pub const fn powf(x: f64, power: f64) -> f64 {
    if x == 1.0 || power == 0.0 {
        return 1.0;
    }
    if x.is_nan() || power.is_nan() {
        return f64::NAN;
    }
    if power == power.trunc() && power.abs() <= 1024.0 {
        return powi(x, power as i32);
    }
    if x == 0.0 && !x.is_sign_negative() {
        return if power > 0.0 { 0.0 } else { f64::INFINITY };
    }
    if x.is_sign_negative() && (power == power.trunc() || x == 0.0 || x == f64::NEG_INFINITY) {
        // Of a whole power, or of an infinite one, only an odd one has the sign; above 2^53 all are even.
        let of_positive = powf(-x, power);
        return if power.is_finite() && power == power.trunc() && power % 2.0 != 0.0 {
            -of_positive
        } else {
            of_positive
        };
    }
    if power == 0.5 {
        return sqrt(x);
    }
    if power == -0.5 {
        return 1.0 / sqrt(x);
    }
    exp(power * ln(x))
}

/// The sine of an angle in radians.
pub const fn sin(x: f64) -> f64 {
    turned(x, 0)
}

/// The cosine of an angle in radians.
pub const fn cos(x: f64) -> f64 {
    turned(x, 1)
}

/// How many quarters of a turn an angle is, and what is left.
const fn near(x: f64) -> (i64, f64) {
    let times = (x / (QUARTER_HIGH + QUARTER_LOW)).round_ties_even();
    (times as i64, (x - times * QUARTER_HIGH) - times * QUARTER_LOW)
}

/// The same of an angle above [`SMALL_ANGLE`], less whole turns: `x = m * 2^e` times `2 / π` by whole numbers, of which only
/// those bits are there that make less than a turn.
const fn far(x: f64) -> (i64, f64) {
    let (m, e) = parts(x.abs());
    let first = (62 + e) as usize;
    let (word, shift) = (first / 64, first % 64);
    let high = ((QUARTERS[word] as u128) << 64) | QUARTERS[word + 1] as u128;
    let bits = if shift == 0 { high } else { (high << shift) | (QUARTERS[word + 2] >> (64 - shift)) as u128 };
    let turn = bits.wrapping_mul(m as u128);
    // Two bits of quarters, and a part of one, from -1/2 on.
    let part = (turn << 2) as i128;
    let quarter = (turn >> 126) as i64 + (part < 0) as i64;
    let r = part as f64 * power_of_two(-128) * (QUARTER_HIGH + QUARTER_LOW);
    if x < 0.0 { (-quarter, -r) } else { (quarter, r) }
}

/// The sine of an angle and so many quarters of a turn.
const fn turned(x: f64, quarters: i64) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (times, r) = if x.abs() <= SMALL_ANGLE { near(x) } else { far(x) };
    let quarter = (times + quarters).rem_euclid(4);
    // The series of the sine or of the cosine.
    let (mut sum, mut k) = (1.0, 12);
    while k > 0 {
        let n = (2 * k) as f64;
        sum = 1.0 - sum * r * r / if quarter % 2 == 0 { n * (n + 1.0) } else { (n - 1.0) * n };
        k -= 1;
    }
    let of_quarter = if quarter % 2 == 0 { r * sum } else { sum };
    if quarter < 2 { of_quarter } else { -of_quarter }
}

/// A finite number above 0 as `m * 2^e` with `m` from 2^52 to below 2^53.
const fn parts(x: f64) -> (u64, i32) {
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * (1u64 << 54) as f64, 54) } else { (x, 0) };
    let bits = x.to_bits();
    ((bits & ((1 << 52) - 1)) | (1 << 52), ((bits >> 52) as i32 & 0x7ff) - 1075 - shift)
}

/// `x * 2^e`
const fn scaled(x: f64, e: i32) -> f64 {
    let (mut x, mut e) = (x, e);
    while e > 1000 {
        (x, e) = (x * power_of_two(1000), e - 1000);
    }
    while e < -1000 {
        (x, e) = (x * power_of_two(-1000), e + 1000);
    }
    x * power_of_two(e)
}

const fn power_of_two(e: i32) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few units in the last place of what the standard library gives: series end where their terms no longer count.
    fn check(ours: impl Fn(f64) -> f64, expected: impl Fn(f64) -> f64, numbers: impl Iterator<Item = f64>, units: f64) {
        for x in numbers {
            let (found, expected) = (ours(x), expected(x));
            let near = expected.is_finite()
                && (found - expected).abs() <= units * f64::EPSILON * expected.abs().max(f64::MIN_POSITIVE);
            assert!(near || found == expected || found.is_nan() && expected.is_nan(), "{x}: {found}, not {expected}");
        }
    }

    fn positive() -> impl Iterator<Item = f64> {
        let spread = (0..20_000).map(|i| ((f64::from(i) * 0.618_033_988_75).fract() - 0.5) * 1400.0).map(f64::exp);
        spread.chain([0.0, 1.0, 2.0, 4.0, 0.25, 8.0, 64.0, 1e-310, 5e-324, f64::MAX, f64::INFINITY, f64::NAN, -1.0])
    }

    fn any() -> impl Iterator<Item = f64> {
        (0..20_000).map(|i| ((f64::from(i) * 0.618_033_988_75).fract() - 0.5) * 60.0).chain([0.0, 1.0, -1.0, f64::NAN])
    }

    #[test]
    fn they_are_those_of_the_standard_library() {
        check(sqrt, f64::sqrt, positive(), 0.0);
        check(exp, f64::exp, any().chain([710.0, -746.0, 709.7, -740.0]), 4.0);
        check(ln, f64::ln, positive().filter(|x| (x - 1.0).abs() > 1e-3), 4.0);
        check(log2, f64::log2, positive().filter(|x| (x - 1.0).abs() > 1e-3), 4.0);
        check(log10, f64::log10, positive().filter(|x| (x - 1.0).abs() > 1e-3), 4.0);
        check(|x| powi(x, 7), |x| x.powi(7), any(), 8.0);
        check(|x| powi(x, -3), |x| x.powi(-3), any(), 8.0);
        check(|x| powf(x, 0.75), |x| x.powf(0.75), positive(), 800.0);
        // Absolute: near the zeros the angle's own rounding is all that is left.
        check(|x| sin(x) + 2.0, |x| x.sin() + 2.0, any(), 2.0);
        check(|x| cos(x) + 2.0, |x| x.cos() + 2.0, any(), 2.0);
        const ROOT: f64 = sqrt(64.0);
        assert_eq!(ROOT, 8.0);
    }

    #[test]
    fn exact_powers_have_whole_logarithms() {
        for power in -1074..=1023 {
            let x = scaled(1.0, power);
            assert_eq!(log2(x), f64::from(power), "2^{power}");
        }
        for power in -22..=22 {
            let x: f64 = format!("1e{power}").parse().unwrap();
            assert_eq!(log10(x), f64::from(power), "10^{power}");
        }
        assert_eq!(1000f64.log10() as usize, log10(1000.0) as usize);
    }

    #[test]
    fn edges_are_those_of_the_standard_library() {
        let edges = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, -8.0, 0.5, -0.5, 1025.0, 1026.0, -1025.0, 2.5, 1e300];
        let edges = edges.into_iter().chain([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
        for x in edges.clone() {
            // As many units as the exponent of `e` has.
            check(|power| powf(x, power), |power| x.powf(power), edges.clone(), 800.0);
            for function in [(ln as fn(f64) -> f64, f64::ln as fn(f64) -> f64), (log2, f64::log2), (log10, f64::log10)]
            {
                check(function.0, function.1, std::iter::once(x), 4.0);
            }
        }
        // Far from 0, where the angle is still known.
        check(|x| sin(x) + 2.0, |x| x.sin() + 2.0, (0..1000).map(|i| f64::from(i) * 999.9), 8.0);
        let far = (0..2000).map(|i| 1e6 * 1.4f64.powi(i)).take_while(|x| x.is_finite()).flat_map(|x| [x, -x]);
        let far = far.chain([1e16, 1e18, 1e22, -1e22, f64::MAX, 1_048_576.0, 2f64.powi(200)]);
        check(|x| sin(x) + 2.0, |x| x.sin() + 2.0, far.clone(), 2.0);
        check(|x| cos(x) + 2.0, |x| x.cos() + 2.0, far, 2.0);
        assert!(sin(f64::INFINITY).is_nan() && cos(f64::NAN).is_nan());
    }
}
