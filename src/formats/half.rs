//! Numbers of 16 bits, which Rust has no types for: IEEE 754's binary16 and bfloat16. It knows no files.

use std::cmp::Ordering;

/// A number of 16 bits: IEEE 754's binary16, NumPy's `float16`, from 6e-8 to 65504 with 11 bits of precision.
///
/// ```
/// use kiln::data::F16;
///
/// assert_eq!(f32::from(F16::from(0.1_f32)), 0.099975586);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct F16(u16);

impl F16 {
    /// The number with these bits.
    pub const fn from_bits(bits: u16) -> F16 {
        F16(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u16 {
        self.0
    }
}

/// As numbers are equal: NaN is not, 0 and -0 are.
impl PartialEq for F16 {
    fn eq(&self, other: &F16) -> bool {
        f32::from(*self) == f32::from(*other)
    }
}

impl PartialOrd for F16 {
    fn partial_cmp(&self, other: &F16) -> Option<Ordering> {
        f32::from(*self).partial_cmp(&f32::from(*other))
    }
}

impl From<F16> for f32 {
    fn from(F16(bits): F16) -> f32 {
        let sign = u32::from(bits >> 15) << 31;
        let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
        match exponent {
            // Multiples of 2^-24.
            0 => f32::from_bits(sign | (fraction as f32 * (-24_f32).exp2()).to_bits()),
            31 => f32::from_bits(sign | 255 << 23 | fraction << 13),
            _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
        }
    }
}

impl From<F16> for f64 {
    fn from(half: F16) -> f64 {
        f32::from(half).into()
    }
}

impl From<f64> for F16 {
    /// The nearest, of two as near the even one; infinity from 65520 on.
    fn from(number: f64) -> F16 {
        let sign = u16::from(number.is_sign_negative()) << 15;
        let exponent = (number.to_bits() >> 52 & 2047) as i32 - 1023;
        if number.is_nan() {
            return F16(sign | 0x7e00);
        }
        if exponent > 15 {
            return F16(sign | 0x7c00);
        }
        // How many times the distance of two neighbours it is. A carry out of the fraction belongs to the exponent.
        let place = exponent.max(-14);
        let multiple = (number.abs() * f64::from(10 - place).exp2()).round_ties_even() as u16;
        let normal = if exponent < -14 { 0 } else { (place + 14) as u16 * 1024 };
        F16(sign | (normal + multiple))
    }
}

impl From<f32> for F16 {
    fn from(number: f32) -> F16 {
        f64::from(number).into()
    }
}

/// The number of these bits of bfloat16: the first half of an f32.
pub fn bfloat16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The bits of the bfloat16 that is nearest to a number, of two as near the even one.
pub fn to_bfloat16(number: f64) -> u16 {
    let near = number as f32;
    let bits = near.to_bits();
    if near.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    // Cut off instead of rounded, with the last bit set where something was: to round this is to round once.
    let cut = match f64::from(near).abs().total_cmp(&number.abs()) {
        Ordering::Equal => bits,
        Ordering::Less => bits | 1,
        Ordering::Greater => (bits - 1) | 1,
    };
    ((cut + 0x7fff + (cut >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_goes_to_f32_and_back() {
        for bits in 0..=u16::MAX {
            let number = f32::from(F16(bits));
            let expected = if number.is_nan() { bits & 0x8000 | 0x7e00 } else { bits };
            assert_eq!(F16::from(number).to_bits(), expected, "{bits:04x} {number}");
        }
        let cases = [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.9604645e-8), (0x7bff, 65504.0), (0x03ff, 6.097555e-5)];
        for (bits, expected) in cases {
            assert_eq!(f32::from(F16(bits)), expected);
        }
    }

    #[test]
    fn halves_are_the_nearest_and_of_two_the_even_one() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (f64::from(F16(bits)), f64::from(F16(bits + 1)));
            let middle = (low + high) / 2.0;
            for (number, expected) in [
                (middle, bits + (bits & 1)),
                (middle - middle * 1e-9, bits),
                (middle + middle * 1e-9, bits + 1),
                (-middle, (bits + (bits & 1)) | 0x8000),
            ] {
                assert_eq!(F16::from(number).to_bits(), expected, "{number} between {low} and {high}");
            }
        }
        for (number, expected) in [(65519.9, 0x7bff), (65520.0, 0x7c00), (1e300, 0x7c00), (1e-300, 0), (-0.0, 0x8000)] {
            assert_eq!(F16::from(number).to_bits(), expected, "{number}");
        }
        assert_eq!(bfloat16(0x3f80), 1.0);
    }

    #[test]
    fn bfloats_are_the_nearest_and_of_two_the_even_one() {
        for bits in (0..0x7f80_u16).chain([0x7f7f]) {
            let low = f64::from(bfloat16(bits));
            // Behind the largest follows what would be 2^128.
            let high = if bits == 0x7f7f { 128_f64.exp2() } else { f64::from(bfloat16(bits + 1)) };
            let middle = (low + high) / 2.0;
            for (number, expected) in [
                (low, bits),
                (middle, bits + (bits & 1)),
                (middle - middle * 1e-14, bits),
                (middle + middle * 1e-14, bits + 1),
                (-middle, (bits + (bits & 1)) | 0x8000),
            ] {
                assert_eq!(to_bfloat16(number), expected, "{number:e} between {low:e} and {high:e}");
            }
        }
        let cases = [(1e300, 0x7f80), (-1e300, 0xff80), (f64::INFINITY, 0x7f80), (1e-300, 0), (-0.0, 0x8000)];
        for (number, expected) in cases {
            assert_eq!(to_bfloat16(number), expected, "{number}");
        }
        assert!(bfloat16(to_bfloat16(f64::NAN)).is_nan());
    }
}
