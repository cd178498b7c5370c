//! Sine and cosine of any angle: its quarter turns are taken off, exactly, and polynomials do the rest; and the angle
//! of a point. It knows the kernel builder alone.

use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, PI};

use super::{flip_sign, polynomial, sign_bit, with_sign_of};
use crate::kernel::{Compare, Convert, Float1, Float2, Int2, KernelBuilder, Shift, Value};

/// Angles up to this one are reduced by three multiply-adds; larger ones, which are rare, by a product of many bits.
const NEAR: f32 = 1e5;

/// pi / 2 in three parts of 24 bits.
const QUARTER: [f32; 3] = [FRAC_PI_2, -4.371_139e-8, -1.715_124_5e-15];

/// The bits of 2 / pi behind the point.
const INVERSE: [u32; 7] = [0xa2f9_836e, 0x4e44_1529, 0xfc27_57d1, 0xf534_ddc0, 0xdb62_9599, 0x3c43_9041, 0xfe51_63ab];

/// The sine of an angle in radians; of infinities it is NaN.
pub fn sin(b: &mut KernelBuilder, x: Value) -> Value {
    // Of |x|, so that -0 keeps its sign.
    let absolute = b.float1(Float1::Abs, x);
    let quarters = reduce(b, absolute);
    let positive = sine_after(b, quarters, 0);
    let sign = sign_bit(b, x);
    flip_sign(b, positive, sign)
}

/// The cosine of an angle in radians; of infinities it is NaN.
pub fn cos(b: &mut KernelBuilder, x: Value) -> Value {
    let absolute = b.float1(Float1::Abs, x);
    let quarters = reduce(b, absolute);
    sine_after(b, quarters, 1)
}

/// The angle in -pi/2..pi/2 whose sine is given; NaN outside of -1..1.
pub fn asin(b: &mut KernelBuilder, x: Value) -> Value {
    let across = other_leg(b, x);
    atan2(b, x, across)
}

/// The angle in 0..pi whose cosine is given; NaN outside of -1..1.
pub fn acos(b: &mut KernelBuilder, x: Value) -> Value {
    let up = other_leg(b, x);
    atan2(b, up, x)
}

/// `sqrt(1 - x**2)`: of a triangle whose hypotenuse is 1.
fn other_leg(b: &mut KernelBuilder, x: Value) -> Value {
    let one = b.f32(1.0);
    let below = b.sub(one, x);
    let above = b.add(one, x);
    let square = b.mul(below, above);
    b.float1(Float1::Sqrt, square)
}

/// The angle of the point `(x, y)`, from -pi to pi, with C's results at the edges: its sign is that of `y`, and -0 as `x`
/// lies on the left.
pub fn atan2(b: &mut KernelBuilder, y: Value, x: Value) -> Value {
    let (across, up) = (b.float1(Float1::Abs, x), b.float1(Float1::Abs, y));
    // Within the first eighth of a turn: t = shorter / longer.
    let steep = b.compare(Compare::Gt, up, across);
    let shorter = b.float2(Float2::Min, across, up);
    let longer = b.float2(Float2::Max, across, up);
    let mut t = b.div(shorter, longer);
    let (zero, one) = (b.f32(0.0), b.f32(1.0));
    let infinity = b.f32(f32::INFINITY);
    // Of 0 by 0, and of infinity by infinity, there is no quotient.
    let none = b.compare(Compare::Eq, longer, zero);
    t = b.select(none, zero, t);
    let diagonal = b.compare(Compare::Eq, shorter, infinity);
    t = b.select(diagonal, one, t);
    // t + t^3 P(t^2), a minimax fit on 0..1 with a relative error of 1.8e-8.
    let square = b.mul(t, t);
    let p = polynomial(
        b,
        square,
        &[
            2.920_684_6e-3,
            -1.636_79e-2,
            4.321_181_4e-2,
            -7.552_21e-2,
            1.066_600_3e-1,
            -1.421_105_6e-1,
            1.999_377_3e-1,
            -3.333_315_3e-1,
        ],
    );
    let cube = b.mul(square, t);
    let mut angle = b.fma(p, cube, t);
    // Mirrored to the other side of the diagonal, and then of the vertical; the low parts put right what the constants
    // lack.
    let (quarter, quarter_low) = (b.f32(FRAC_PI_2), b.f32(QUARTER[1]));
    let rest = b.sub(quarter, angle);
    let rest = b.add(rest, quarter_low);
    angle = b.select(steep, rest, angle);
    let (half, half_low) = (b.f32(PI), b.f32(2.0 * QUARTER[1]));
    let rest = b.sub(half, angle);
    let rest = b.add(rest, half_low);
    let side = sign_bit(b, x);
    let plus = b.i32(0);
    let left = b.compare(Compare::Ne, side, plus);
    angle = b.select(left, rest, angle);
    let angle = with_sign_of(b, angle, y);
    let no_x = b.compare(Compare::Ne, x, x);
    let no_y = b.compare(Compare::Ne, y, y);
    let angle = b.select(no_x, x, angle);
    b.select(no_y, y, angle)
}

/// `n (i32), r` with `x = n * pi / 2 + r`, `|r| <= pi / 4`, n up to multiples of 4; x is not negative.
fn reduce(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    let (n, r) = reduce_near(b, x);
    let bound = b.f32(NEAR);
    let far = b.compare(Compare::Gt, x, bound);
    // The long way costs many times the short one, and hardly any vector needs it; in one that does, the other lanes
    // keep theirs.
    let reduced = b.where_any(far, &[n, r], |b, near| {
        let (n, r) = reduce_far(b, x);
        vec![b.select(far, n, near[0]), b.select(far, r, near[1])]
    });
    (reduced[0], reduced[1])
}

/// As [`reduce`], up to [`NEAR`] (Cody and Waite). The first step is exact: n * part has no bit below 2**-23, and the
/// difference is below 1.
fn reduce_near(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    let factor = b.f32(FRAC_2_PI);
    let turns = b.mul(x, factor);
    let n = b.float1(Float1::Nearest, turns);
    let mut r = x;
    for part in QUARTER {
        let part = b.f32(-part);
        r = b.fma(n, part, r);
    }
    (b.convert(Convert::Truncate, n), r)
}

/// As [`reduce`], from 2**16 on (Payne and Hanek). With a whole `m < 2**31` and `x = m * 2**(8 (g - 1))`, multiples of
/// 4 quarter turns do not count, so that of `2 / pi * 2**(8 (g - 1))` the 96 bits from the one that stands for 2 on are
/// enough: their product with m is the angle in quarter turns, to 2**-63 of one. No f32 comes closer to a whole number
/// of them than 2**-33.
fn reduce_far(b: &mut KernelBuilder, x: Value) -> (Value, Value) {
    // The exponent's bits of 2**16 are 143, which makes g = 0 and the significand one of 24 to 31 bits.
    let bits = b.convert(Convert::BitsToI32, x);
    let exponent = b.shift(Shift::RightLogical, bits, 23);
    let origin = b.i32(142);
    let above = b.int2(Int2::Sub, exponent, origin);
    let eights = b.i32(!7);
    // The exponent in whole bytes: there are 15 windows on the bits of 2 / pi, one for each 8 powers of two, not 112.
    let bytes = b.int2(Int2::And, above, eights);
    let bias = b.i32(127 + 8);
    let scale = b.int2(Int2::Sub, bias, bytes);
    let scale = b.shift(Shift::Left, scale, 23);
    let scale = b.convert(Convert::BitsToF32, scale);
    let m = b.mul(x, scale);
    let m = b.convert(Convert::Truncate, m);

    let mut words = [0, 1, 2].map(|word| b.i32(window(0, word)));
    for g in 1..=14 {
        let number = b.i32(8 * g);
        let here = b.compare(Compare::Eq, bytes, number);
        for (word, value) in words.iter_mut().enumerate() {
            let other = b.i32(window(g, word as i32));
            *value = b.select(here, other, *value);
        }
    }

    //         w0    w1      w2        the window, times m:
    //   (..)  high  middle  (low)     above `high` are multiples of 4 quarter turns; the low word is too small to count
    // The upper two words of the product's lower three.
    let low = b.int2(Int2::MulHighUnsigned, m, words[2]);
    let part = b.int2(Int2::Mul, m, words[1]);
    let middle = b.int2(Int2::Add, part, low);
    let sign = b.i32(i32::MIN);
    let [sum, term] = [middle, part].map(|word| b.int2(Int2::Xor, word, sign));
    let carries = b.compare(Compare::Lt, sum, term);
    let carry = b.convert(Convert::MaskToI32, carries);
    let high = b.int2(Int2::MulHighUnsigned, m, words[1]);
    let part = b.int2(Int2::Mul, m, words[0]);
    let high = b.int2(Int2::Add, high, part);
    let high = b.int2(Int2::Add, high, carry);

    // Two bits of whole quarters, to the nearest, and a rest of 30 + 32 bits, of which the absolute value becomes f32:
    // its upper bits as one exact number, the others as another.
    let half = b.i32(1 << 29);
    let rounded = b.int2(Int2::Add, high, half);
    let n = b.shift(Shift::RightLogical, rounded, 30);
    let whole = b.shift(Shift::Left, n, 30);
    let rest = b.int2(Int2::Sub, high, whole);
    let negative = b.shift(Shift::RightArithmetic, rest, 31);
    let [rest, middle] = [rest, middle].map(|word| b.int2(Int2::Xor, word, negative));
    let (below, lowest, rounds) = (b.i32(0x1fff), b.i32(0xffff), b.f32(65_536.0));
    let last = b.int2(Int2::And, rest, below);
    let first = b.int2(Int2::Sub, rest, last);
    let upper = b.shift(Shift::RightLogical, middle, 16);
    let lower = b.int2(Int2::And, middle, lowest);
    let [first, last, upper, lower] = [first, last, upper, lower].map(|word| b.convert(Convert::ToF32, word));
    let middle = b.fma(upper, rounds, lower);
    let unit = b.f32(2f32.powi(-32));
    let last = b.fma(middle, unit, last);

    // Times pi / 2, in two parts as well.
    let [high, low] = [QUARTER[0], QUARTER[1]].map(|part| b.f32(part * 2f32.powi(-30)));
    let small = b.mul(last, high);
    let small = b.fma(first, low, small);
    let r = b.fma(first, high, small);
    let sign = b.shift(Shift::Left, negative, 31);
    let r = flip_sign(b, r, sign);
    let infinity = b.f32(f32::INFINITY);
    let nan = b.f32(f32::NAN);
    let finite = b.compare(Compare::Lt, x, infinity);
    (n, b.select(finite, r, nan))
}

/// One of the three words of 32 bits of `2 / pi * 2**(8 (g - 1))`, from the bit that stands for 2 on.
const fn window(g: i32, word: i32) -> i32 {
    // Bit 0 stands for a half.
    let start = 8 * (g - 1) - 2 + 32 * word;
    let mut bits = 0;
    let mut i = 0;
    while i < 32 {
        let at = start + i;
        let bit = if at < 0 { 0 } else { INVERSE[at as usize / 32] >> (31 - at % 32) & 1 };
        bits = bits << 1 | bit;
        i += 1;
    }
    bits as i32
}

/// The sine of `(n + quarters) * pi / 2 + r` (polynomials as in Cephes' sinf).
fn sine_after(b: &mut KernelBuilder, (n, r): (Value, Value), quarters: i32) -> Value {
    let square = b.mul(r, r);
    let p = polynomial(b, square, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let p = b.mul(p, square);
    let sine = b.fma(p, r, r);
    let q = polynomial(b, square, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2, -0.5]);
    let one = b.f32(1.0);
    let cosine = b.fma(q, square, one);
    let quarters = b.i32(quarters);
    let n = b.int2(Int2::Add, n, quarters);
    // An odd quarter takes the cosine, the third and fourth are negative.
    let lowest = b.i32(1);
    let odd = b.int2(Int2::And, n, lowest);
    let odd = b.convert(Convert::I32ToMask, odd);
    let result = b.select(odd, cosine, sine);
    let negative = b.shift(Shift::RightLogical, n, 1);
    let negative = b.shift(Shift::Left, negative, 31);
    flip_sign(b, result, negative)
}
