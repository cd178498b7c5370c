//! Products of pairs of bf16 as Intel's manual defines them for `vdpbf16ps` (volume 2, "DPBF16PS"). It knows bits
//! alone.

/// Two bf16, each as the bits of an f32.
pub fn pair(even: u32, odd: u32) -> u32 {
    even >> 16 | odd & 0xffff_0000
}

/// The sum and two products: the odd one is added first. Each is added in one rounding to the nearest.
pub fn multiply_add(a: u32, b: u32, sum: f32) -> f32 {
    let with_odd = flushed(odd(a).mul_add(odd(b), flushed(sum)));
    flushed(even(a).mul_add(even(b), with_odd))
}

// Inlined in debug builds, too, whose tests look at some 10^8 numbers here: so without calls.

/// The first number of a pair, flushed.
#[inline(always)]
pub fn even(pair: u32) -> f32 {
    flushed(f32::from_bits(pair << 16))
}

/// The second one.
#[inline(always)]
pub fn odd(pair: u32) -> f32 {
    flushed(f32::from_bits(pair & 0xffff_0000))
}

/// Denormal numbers are 0 of their sign, whatever the floating-point mode.
#[inline(always)]
pub fn flushed(x: f32) -> f32 {
    if x < f32::MIN_POSITIVE && x > -f32::MIN_POSITIVE { 0.0 * x } else { x }
}

#[cfg(test)]
mod tests {
    use super::multiply_add;

    fn pair(even: f32, odd: f32) -> u32 {
        super::pair(even.to_bits(), odd.to_bits())
    }

    #[test]
    fn the_odd_product_is_added_first() {
        // 2^24 + 1 is no f32: added to 2^24 it is lost, unless something else has made room for it.
        let big = 16_777_216.0;
        assert_eq!(multiply_add(pair(1.0, -1.0), pair(1.0, big), big), 1.0);
        assert_eq!(multiply_add(pair(-1.0, 1.0), pair(big, 1.0), big), 0.0);
    }

    #[test]
    fn denormal_numbers_count_as_0() {
        let tiny = f32::MIN_POSITIVE / 2.0;
        assert_eq!(multiply_add(pair(tiny, 0.0), pair(1e30, 0.0), 0.0), 0.0);
        assert_eq!(multiply_add(pair(0.0, 0.0), pair(0.0, 0.0), tiny), 0.0);
        assert_eq!(multiply_add(pair(f32::MIN_POSITIVE, 0.0), pair(0.5, 0.0), 0.0), 0.0);
    }
}
