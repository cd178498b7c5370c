//! Products of quads, four u8 with four i8, as Intel's manual defines them for `vpdpbusd` (volume 2). It knows bits alone.

/// The sum, an i32 that wraps, and four products.
pub fn multiply_add(unsigned: u32, signed: u32, sum: u32) -> u32 {
    let bytes = unsigned.to_le_bytes().into_iter().zip(signed.to_le_bytes());
    let products = bytes.map(|(a, b)| i32::from(a) * i32::from(b as i8));
    products.fold(sum, |sum, product| sum.wrapping_add(product as u32))
}
