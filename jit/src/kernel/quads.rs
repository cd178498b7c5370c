//! Products of quads, four u8 with four i8, as Intel's manual defines them for `vpdpbusd` (volume 2). It knows bits
//! alone.

/// The sum, an i32 that wraps, and four products.
pub fn multiply_add(unsigned: u32, signed: u32, sum: u32) -> u32 {
    let (mut sum, mut bit) = (sum, 0);
    // A plain loop, for the time of debug builds.
    while bit < u32::BITS {
        let product = i32::from((unsigned >> bit) as u8) * i32::from((signed >> bit) as i8);
        sum = sum.wrapping_add(product as u32);
        bit += u8::BITS;
    }
    sum
}
