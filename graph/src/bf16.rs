//! Numbers of the element type bf16: the upper half of an f32. How an f32 is rounded to one stands here alone, for the
//! interpreter, the jit and whatever reads such memory. It knows no tensors.

/// The smallest normal number of f32, and of bf16.
const LEAST: f32 = f32::MIN_POSITIVE;

/// A number of 16 bits: sign, 8 bits of exponent and 7 of fraction, as the upper half of an f32 has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bf16(u16);

impl Bf16 {
    /// The number of these bits.
    pub const fn from_bits(bits: u16) -> Bf16 {
        Bf16(bits)
    }

    /// The bits.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The nearest number, of two as near the even one, to the last bit as `vcvtneps2bf16` gives it: a subnormal
    /// number becomes the zero of its sign, and NaN the quiet NaN of its upper half.
    pub const fn nearest(number: f32) -> Bf16 {
        let bits = number.to_bits();
        let upper = (bits >> 16) as u16;
        if number.is_nan() {
            return Bf16(upper | 0x0040);
        }
        if number.abs() < LEAST {
            return Bf16(upper & 0x8000);
        }
        // A carry out of the fraction belongs to the exponent: above the largest number lies infinity.
        Bf16(((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16)
    }
}

impl From<Bf16> for f32 {
    fn from(number: Bf16) -> f32 {
        f32::from_bits(u32::from(number.0) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_is_not_subnormal_is_its_own_nearest() {
        for bits in 0..=u16::MAX {
            let number = f32::from(Bf16::from_bits(bits));
            let expected = match number {
                _ if number.is_nan() => bits | 0x0040,
                _ if number.is_subnormal() => bits & 0x8000,
                _ => bits,
            };
            assert_eq!(Bf16::nearest(number).to_bits(), expected, "{bits:04x}");
        }
    }

    #[test]
    fn the_nearest_and_of_two_the_even_one() {
        let cases = [
            (0x3f80_8000, 0x3f80),
            (0x3f80_8001, 0x3f81),
            (0x3f81_8000, 0x3f82),
            (0x3f81_7fff, 0x3f81),
            (0xbfff_8000, 0xc000),
            (0x7f7f_7fff, 0x7f7f),
            (0x7f7f_8000, 0x7f80),
            (0xff80_0000, 0xff80),
            (0x007f_ffff, 0x0000),
            (0x8000_0001, 0x8000),
            (0x0080_0000, 0x0080),
            (0x7f80_0001, 0x7fc0),
            (0xffa1_2345, 0xffe1),
        ];
        for (bits, expected) in cases {
            assert_eq!(Bf16::nearest(f32::from_bits(bits)).to_bits(), expected, "{bits:08x}");
        }
    }
}
