//! Functions of single elements that are compositions of others: of angles, hyperbolic ones, logarithms, what is
//! finite, parts of numbers, quotients. It knows no axes.

use super::{refused, ruled, zero};
use crate::build::{Operand, Value};
use crate::shape::DType;
use crate::shape::functions as rules;
use crate::whole::Curve;

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
    ceil |x| (-(-x).floor()).curve(Curve::Ceil, x);
    /// x without its fraction: the whole number next to it in the direction of 0. The gradient is 0.
    trunc |x| x.lt(0.0).select(ceil(x), x.floor());
    /// The fraction of x, with its sign; the gradient is 1.
    frac |x| x - trunc(x);
    /// The tangent.
    tan |x| (x.sin() / x.cos()).curve(Curve::Tan, x);
    /// The angle in -pi/2..pi/2 whose tangent x is.
    atan |x| x.atan2(1.0).curve(Curve::Atan, x);
    /// `2^x`.
    exp2 |x| x.graph().scalar(2.0).pow(x);
    /// The logarithm of base 2.
    log2 |x| x.log() * std::f64::consts::LOG2_E;
    /// The logarithm of base 10.
    log10 |x| x.log() * std::f64::consts::LOG10_E;
    /// `sin(pi x) / (pi x)`, 1 at 0.
    sinc |x| {
        let angle = x * std::f64::consts::PI;
        // The quotient's derivative is the difference of two large numbers near 0; the series is right to 1e-9 here.
        let near = angle.abs().lt(0.05);
        let square = near.select(angle, 0.0).square();
        let away = near.select(1.0, angle);
        near.select(1.0 - square * (1.0 / 6.0) * (1.0 - square * 0.05), away.sin() / away)
    };
    /// An angle in degrees, of one in radians.
    rad2deg |x| x * (180.0 / std::f64::consts::PI);
    /// An angle in radians, of one in degrees.
    deg2rad |x| x * (std::f64::consts::PI / 180.0);
    /// Whether x has the sign `-`, which 0 may have.
    signbit |x| x.lt(0.0) | (x.eq(0.0) & x.reciprocal().lt(0.0));
    /// Whether x is infinite and above 0.
    isposinf |x| x.eq(f64::INFINITY);
    /// Whether x is infinite and below 0.
    isneginf |x| x.eq(f64::NEG_INFINITY);
    /// Whether x is no number.
    isnan |x| x.ne(x).curve(Curve::IsNaN, x);
    /// Whether x is infinite.
    isinf |x| x.abs().eq(f64::INFINITY).curve(Curve::IsInf, x);
    /// Whether x is a number, and not infinite.
    isfinite |x| x.abs().lt(f64::INFINITY);
}

/// Whether both hold, or are other than 0.
pub fn logical_and<'g>(input: Value<'g>, other: Value<'g>) -> Value<'g> {
    holds(input) & holds(other)
}

/// Whether one holds, or both; numbers do that are other than 0.
pub fn logical_or<'g>(input: Value<'g>, other: Value<'g>) -> Value<'g> {
    holds(input) | holds(other)
}

/// Whether it does not hold, or is 0.
pub fn logical_not(x: Value<'_>) -> Value<'_> {
    !holds(x)
}

/// Whether just one of two holds; numbers do that are other than 0.
pub fn logical_xor<'g>(input: Value<'g>, other: Value<'g>) -> Value<'g> {
    let (input, other) = (holds(input), holds(other));
    (input | other) & !(input & other)
}

/// Whether an element holds, or is other than 0.
pub(super) fn holds(x: Value<'_>) -> Value<'_> {
    if x.dtype() == DType::Bool { x } else { x.ne(zero(x)) }
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

/// `log(x / (1 - x))`; with `eps` of `x` between `eps` and `1 - eps`. Outside of 0 to 1 it is NaN, as its gradient is; at
/// the ends both are infinite.
pub fn logit(x: Value<'_>, eps: Option<f64>) -> Value<'_> {
    let _function = x.graph().function("logit");
    match eps {
        // The bounds belong to what has a gradient; those of `clamp` do not.
        Some(eps) => {
            let (low, high) = (eps, 1.0 - eps);
            let bound = x.detach().maximum(low).minimum(high);
            logarithm_of_odds((x.ge(low) & x.le(high)).select(x, bound))
        }
        // The derivative of a logarithm is a number for negative ones, too.
        None => logarithm_of_odds(x) * (x.lt(0.0) | x.gt(1.0)).select(f64::NAN, x.graph().scalar(1.0)),
    }
}

/// As a difference, whose derivative `1 / x + 1 / (1 - x)` is that of the whole at 0 and 1, too.
fn logarithm_of_odds(x: Value<'_>) -> Value<'_> {
    x.log() - (-x).log1p()
}

/// `|x|`; the gradient at 0 is 0.
pub fn abs(x: Value<'_>) -> Value<'_> {
    if x.dtype() == DType::F32 { x.abs() } else { x.lt(0).select(x * -1, x) }
}

/// -1, 0 or 1.
pub fn sign(x: Value<'_>) -> Value<'_> {
    if x.dtype() == DType::F32 { x.sign() } else { x.maximum(-1).minimum(1) }
}

/// At least `min`.
pub fn clamp_min(x: Value<'_>, min: f64) -> Value<'_> {
    x.clamp(min, f64::INFINITY)
}

/// At most `max`.
pub fn clamp_max(x: Value<'_>, max: f64) -> Value<'_> {
    x.clamp(f64::NEG_INFINITY, max)
}

/// At least `min` and at most `max`, which are tensors or numbers, `max` where `min` is larger. An element and a bound that are
/// equal have half of the gradient each; between two equal bounds the element has it.
pub fn clamp_by<'g>(x: Value<'g>, min: impl Operand<'g>, max: impl Operand<'g>) -> Value<'g> {
    let (min, max) = (min.into_value(x.graph(), x.dtype()), max.into_value(x.graph(), x.dtype()));
    let at_one = x.lt(min).select(min, x.gt(max).select(max, x));
    min.eq(max).select(at_one, x.maximum(min).minimum(max))
}

/// 0 below 0, 1 above it (and for NaN 0), `values` at 0. No gradient passes.
pub fn heaviside<'g>(x: Value<'g>, values: impl Operand<'g>) -> Value<'g> {
    let values: Value<'g> = values.into_value(x.graph(), x.dtype()).detach();
    x.eq(zero(x)).select(values, x.gt(zero(x)).convert(x.dtype()))
}

/// `x ^ exponent`. A whole number is multiplied with itself, and has no powers below 0.
pub fn pow_by(x: Value<'_>, exponent: f64) -> Value<'_> {
    if let Err(error) = rules::power("pow", x.ty(), exponent) {
        return refused(x, error);
    }
    if x.dtype() != DType::I32 {
        return x.pow(exponent);
    }
    let _function = x.graph().function("pow");
    let (mut rest, mut square, mut power) = (exponent as u64, x, None);
    while rest > 0 {
        if rest % 2 == 1 {
            power = Some(power.map_or(square, |power: Value<'_>| power * square));
        }
        rest /= 2;
        square = if rest > 0 { square * square } else { square };
    }
    // It has the shape of `x`, whatever that holds.
    power.unwrap_or_else(|| x.ge(x).select(1, x))
}

/// [`pow_by`] with a tensor of exponents, of a tensor or a number. A power of whole numbers beyond the range of i32 is
/// another number; where the exponent is below 0, it is 0 but for 1 and -1.
pub fn pow<'g>(x: impl Operand<'g>, exponent: Value<'g>) -> Value<'g> {
    let x = x.into_value(exponent.graph(), exponent.dtype());
    if x.dtype() != DType::I32 || exponent.dtype() != DType::I32 {
        return x.pow(exponent);
    }
    let _function = x.graph().function("pow");
    let one = x.graph().scalar_of(DType::I32, 1.0);
    let size = abs(exponent);
    // Beyond, no power of a number other than 0, 1 and -1 is in the range of i32, and of these it counts whether it is even.
    let mut rest = size.gt(31).select(remainder(size, 2) + 30, size);
    let (mut square, mut power) = (x, one);
    for _ in 0..5 {
        let half = floor_divide(rest, 2);
        power = power * (rest - half * 2).gt(0).select(square, one);
        (rest, square) = (half, square * square);
    }
    exponent.lt(0).select(abs(x).eq(1).select(power, 0), power)
}

/// `x`: what PyTorch's `clone`, `contiguous` and `positive` give, as values never change.
pub fn same(x: Value<'_>) -> Value<'_> {
    x
}

/// Declares functions of two tensors, or of one and a number.
macro_rules! functions_of_two {
    ($($(#[$documentation:meta])* $name:ident |$a:ident, $b:ident| $value:expr;)*) => {$(
        $(#[$documentation])*
        pub fn $name<'g>($a: Value<'g>, other: impl Operand<'g>) -> Value<'g> {
            let _function = $a.graph().function(stringify!($name));
            let $b: Value<'g> = other.into_value($a.graph(), $a.dtype());
            $value
        }
    )*};
}

functions_of_two! {
    /// `a log b`, 0 where `a` is 0 and `b` is a number.
    xlogy |a, b| {
        let none = a.eq(0.0) & (b.le(0.0) | b.eq(f64::INFINITY));
        none.select(0.0, a * none.select(1.0, b).log())
    };
    /// `a 2^b`; no intermediate overflows.
    ldexp |a, b| {
        // Beyond 2^300 all numbers are infinite, or 0. A power of 100 at most is a number of all digits.
        let mut rest = b.clamp(-300.0, 300.0);
        let mut product = a;
        for _ in 0..3 {
            let part = rest.clamp(-100.0, 100.0);
            product = product * product.graph().scalar(2.0).pow(part);
            rest = rest - part;
        }
        product
    };
    /// `log(e^a + e^b)`; no intermediate overflows.
    logaddexp |a, b| {
        // Which is the larger one has no part in derivatives: where they are equal, those of second order are right, too.
        let first = a.ge(b);
        let (large, small) = (first.select(a, b), first.select(b, a));
        // Equal ones may be infinite.
        let infinite = a.eq(b) & a.abs().eq(f64::INFINITY);
        let bend = infinite.select(0.0, small - large).exp().log1p();
        infinite.select((a + b) * 0.5, large + bend)
    };
    /// `log2(2^a + 2^b)`; no intermediate overflows.
    logaddexp2 |a, b| logaddexp(a * std::f64::consts::LN_2, b * std::f64::consts::LN_2) * std::f64::consts::LOG2_E;
    /// `sqrt(a^2 + b^2)`; no intermediate overflows. Where both are 0 the gradient is 0.
    hypot |a, b| {
        let largest = a.abs().maximum(b.abs()).detach();
        let plain = largest.eq(0.0) | largest.eq(f64::INFINITY);
        let scale = plain.select(1.0, largest);
        let sum = (a / scale).square() + (b / scale).square();
        let none = sum.eq(0.0);
        let root = none.select(0.0, none.select(1.0, sum).sqrt() * scale);
        // An infinite one decides, whatever the other is.
        let infinite = a.abs().eq(f64::INFINITY) | b.abs().eq(f64::INFINITY);
        (infinite & root.ne(root)).select(f64::INFINITY, root)
    };
    /// `|a|` with the sign of `b`, which 0 may have.
    copysign |a, b| a.abs() * signbit(b).select(-1.0, 1.0);
    /// The larger one, and the other one where one is no number.
    fmax |a, b| b.ne(b).select(a, a.ne(a).select(b, a.maximum(b)));
    /// The smaller one, and the other one where one is no number.
    fmin |a, b| b.ne(b).select(a, a.ne(a).select(b, a.minimum(b)));
    /// The quotient, rounded down; of whole numbers exact.
    floor_divide |a, b| floor_quotient(a, b);
    /// What is left of `a` when a multiple of `b` is taken away: a number with the sign of `b`. Of whole numbers exact.
    remainder |a, b| rest(a, b, floor_quotient(a, b), b, || b);
    /// What is left of `a` when a multiple of `b` is taken away: a number with the sign of `a`. Of whole numbers exact.
    fmod |a, b| rest(a, b, whole_quotient(a, b), a, || b.detach().abs() * a.sign());
}

/// What rounding has taken from an f32 product: of 10000 and 0.1 as much as is to be left of the division. A constant to
/// gradients. Source: Dekker, "A floating-point technique for extending the available precision".
fn lost<'g>(x: Value<'g>, y: Value<'g>, product: Value<'g>) -> Value<'g> {
    // Halves of 12 bits, whose products are exact.
    let halves = |x: Value<'g>| {
        let scaled = x * 4097.0;
        let high = scaled - (scaled - x);
        (high, x - high)
    };
    let ((x, x_low), (y, y_low)) = (halves(x), halves(y));
    let lost = x_low * y_low - (((product - x * y) - x_low * y) - x * y_low);
    // Halves of what is larger may overflow; so large a product is one of few digits that count.
    product.abs().lt(1e30).select(lost, 0.0).detach()
}

/// `a - q b`, which is `a` where `q` is 0 and `b` infinite; of f32 with one `step` more where rounding gives it the other
/// sign than it is to have.
fn rest<'g>(
    a: Value<'g>,
    b: Value<'g>,
    quotient: Value<'g>,
    sign: Value<'g>,
    step: impl FnOnce() -> Value<'g>,
) -> Value<'g> {
    let product = quotient * b;
    if a.dtype() != DType::F32 {
        return a - product;
    }
    let rest = a - product - lost(quotient, b, product);
    let rest = (quotient.eq(0.0) & b.abs().eq(f64::INFINITY)).select(a, rest);
    let wrong = (rest.lt(0.0) & sign.gt(0.0)) | (rest.gt(0.0) & sign.lt(0.0));
    wrong.select(rest + step(), rest)
}

/// The quotient without its fraction. No gradient passes.
fn whole_quotient<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    if a.dtype() == DType::F32 {
        return trunc((a / b).detach());
    }
    // The quotient of f32 is right to 24 bits, that of what it leaves to the last one but one.
    let near = |a: Value<'g>| (a.convert(DType::F32) / b.convert(DType::F32)).convert(DType::I32);
    let first = near(a);
    let second = near(a - first * b);
    let left = a - (first + second) * b;
    let beyond = (left.lt(0) & a.gt(0)) | (left.gt(0) & a.lt(0));
    let short = abs(left).ge(abs(b));
    let step = logical_xor(a.lt(0), b.lt(0)).select(a.graph().scalar_of(DType::I32, -1.0), 1);
    first + second + beyond.select(step * -1, short.select(step, 0))
}

/// The quotient, rounded down. No gradient passes.
fn floor_quotient<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    if a.dtype() == DType::F32 {
        return (a / b).detach().floor();
    }
    let quotient = whole_quotient(a, b);
    let left = a - quotient * b;
    let below = (left.lt(0) & b.gt(0)) | (left.gt(0) & b.lt(0));
    below.select(quotient - 1, quotient)
}

/// The quotient, rounded down (`"floor"`) or towards 0 (`"trunc"`).
pub fn div_rounded<'g>(input: Value<'g>, other: impl Operand<'g>, rounding_mode: &str) -> Value<'g> {
    let other = other.into_value(input.graph(), input.dtype());
    match rules::rounded_quotient("div", input.shape(), other.shape(), rounding_mode) {
        Ok(_) if rounding_mode == "floor" => floor_quotient(input, other),
        Ok(_) => whole_quotient(input, other),
        Err(error) => refused(input, error),
    }
}

/// Whether all numbers are as near to those of another tensor as [`isclose`] says.
pub fn allclose<'g>(input: Value<'g>, other: Value<'g>, rtol: f64, atol: f64, equal_nan: bool) -> Value<'g> {
    ruled(input, rules::allclose("allclose", input.shape(), other.shape(), rtol, atol, equal_nan), |_| {
        super::all(isclose(input, other, rtol, atol, equal_nan), None, false)
    })
}

/// `input + value * tensor1 * tensor2`.
pub fn addcmul<'g>(input: Value<'g>, tensor1: Value<'g>, tensor2: Value<'g>, value: f64) -> Value<'g> {
    input + tensor1 * tensor2 * value
}

/// `input + value * tensor1 / tensor2`.
pub fn addcdiv<'g>(input: Value<'g>, tensor1: Value<'g>, tensor2: Value<'g>, value: f64) -> Value<'g> {
    input + tensor1 / tensor2 * value
}

/// Whether two numbers are equal, or no farther apart than `atol + rtol * |other|`; with `equal_nan` also whether neither
/// is a number.
pub fn isclose<'g>(input: Value<'g>, other: impl Operand<'g>, rtol: f64, atol: f64, equal_nan: bool) -> Value<'g> {
    let other = other.into_value(input.graph(), input.dtype());
    if input.dtype() != DType::F32 {
        let float = |x: Value<'g>| x.convert(DType::F32);
        let bound = (float(other) * rtol).abs() + atol;
        // f32 has no digits for the difference of large ones; that of one above 0 and one below may be beyond i32.
        let apart = logical_xor(input.lt(0), other.lt(0));
        let distance = apart.select(float(input) - float(other), float(input - other)).abs();
        return input.eq(other) | distance.le(bound);
    }
    let distance = (input - other).abs();
    let near = distance.le((other * rtol).abs() + atol) & isfinite(distance);
    let same = input.eq(other) | near;
    if equal_nan { same | (isnan(input) & isnan(other)) } else { same }
}
