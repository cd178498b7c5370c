//! Numbers of 16 bits: the upper half of an f32 (8 bits of exponent, 7 of fraction). It knows bits alone.

/// The f32 that a bf16 is.
pub fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bf16, of two the even one. A NaN stays one, and is quiet. What is below the least normal number is 0 of its
/// sign, as it is to `vcvtneps2bf16`.
pub fn to_bf16(number: f32) -> u16 {
    let bits = number.to_bits();
    if number.is_nan() {
        return (bits >> 16) as u16 | 0x0040;
    }
    if bits & 0x7f80_0000 == 0 {
        return (bits >> 16) as u16 & 0x8000;
    }
    // Halfway or more rounds up; halfway exactly only where the last bit that stays is odd.
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        let cases = [
            (0x3f80_0000, 0x3f80),
            (0x3f80_7fff, 0x3f80),
            (0x3f80_8000, 0x3f80),
            (0x3f80_8001, 0x3f81),
            (0x3f81_8000, 0x3f82),
            (0xbf81_8000, 0xbf82),
            (0x7f7f_7fff, 0x7f7f),
            (0x7f7f_8000, 0x7f80),
            (0xff80_0000, 0xff80),
            (0x7f80_0001, 0x7fc0),
            (0xffff_ffff, 0xffff),
            (0x8000_0000, 0x8000),
            (0x007f_ffff, 0x0000),
            (0x807f_ffff, 0x8000),
            (0x0080_0000, 0x0080),
        ];
        for (bits, expected) in cases {
            assert_eq!(to_bf16(f32::from_bits(bits)), expected, "{bits:#x}");
        }
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7f80 != 0 && !from_bf16(*bits).is_nan()) {
            assert_eq!(to_bf16(from_bf16(bits)), bits);
        }
    }
}
