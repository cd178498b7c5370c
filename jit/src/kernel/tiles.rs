//! Tile registers: squares of up to 16 x 16 elements of 32 bits that statements name and change, and the product of two
//! of them as Intel's manual defines it for `tdpbf16ps` (volume 2, "TDPBF16PS"). It knows the kernel IR alone.
//!
//! A kernel says the shapes of its tiles once ([`Kernel::tiles`](super::Kernel::tiles)), as a processor's tiles are
//! configured. They are no values: a statement changes a tile, and loops carry nothing. Products of bytes are those of
//! `tdpbusd` and `tdpbsud`.
//!
//! ```text
//! tile zero t0                           sums of 14 rows by 16
//! for i1 in 0..8 {
//!   tile load t1, x[32*i1] stride 256    14 rows by 16 pairs of bf16
//!   tile load t2, y[256*i1] stride 16    16 rows of pairs, those of 16 columns
//!   tile dot t0, t1, t2                  of bf16; `dot.u8i8` and `dot.i8u8` of quads of bytes
//! }
//! tile store t0, out[0] stride 16
//! ```

use super::pairs::{even, flushed, odd};
use super::{BufferId, Index, quads};

/// A tile register, by its position in [`Kernel::tiles`](super::Kernel::tiles); prints as `t3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile(pub u8);

/// How many elements of 32 bits a tile has; both are 1 to [`MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TileShape {
    /// Rows.
    pub rows: usize,
    /// Elements of a row.
    pub columns: usize,
}

/// Tile registers of a kernel, at most.
pub const TILES: usize = 8;
/// Rows, and elements of a row, of a tile, at most.
pub const MOST: usize = 16;

/// What the elements of two tiles hold that are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factors {
    /// Pairs of bf16.
    Bf16,
    /// Quads of u8 on the left, of i8 on the right.
    U8I8,
    /// Quads of i8 on the left, of u8 on the right.
    I8U8,
}

/// A statement about tiles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TileStatement {
    /// All elements become 0.
    Zero(Tile),
    /// All elements from memory. Of a buffer of bf16, an element is two that lie side by side, the first one in the
    /// lower half.
    Load {
        /// Which tile.
        tile: Tile,
        /// Where.
        buffer: BufferId,
        /// The place of the first row.
        index: Index,
        /// Distance of the rows, in elements of the buffer; not negative.
        stride: i64,
    },
    /// `sum += left * right` of pairs of bf16: of each row of `left`, with each column of `right`. Even elements and
    /// odd ones are added up apart, from 0 on, each product in one rounding; then both sums, then those to the tile's
    /// element. Denormal numbers count as 0 wherever they come up, whatever the floating-point mode. That of emitters
    /// without this instruction holds only where the mode says so, too, as it does in programs. Of quads of bytes, the
    /// products are added to i32 that wrap. Tiles have no type: that both hold such factors is not checked.
    Dot {
        /// What is multiplied.
        factors: Factors,
        /// f32, or i32 of quads: the rows of `left` by the columns of `right`.
        sum: Tile,
        /// A row is a row of pairs or quads.
        left: Tile,
        /// A row holds a pair or a quad of each column.
        right: Tile,
    },
    /// All elements to memory.
    Store {
        /// Which tile.
        tile: Tile,
        /// Where: elements of 32 bits.
        buffer: BufferId,
        /// The place of the first row.
        index: Index,
        /// Distance of the rows, in elements; not negative.
        stride: i64,
    },
}

impl TileStatement {
    /// The buffer that is read or written, and the place of the first row.
    pub fn place(&self) -> Option<(BufferId, &Index)> {
        match self {
            TileStatement::Zero(_) | TileStatement::Dot { .. } => None,
            TileStatement::Load { buffer, index, .. } | TileStatement::Store { buffer, index, .. } => {
                Some((*buffer, index))
            }
        }
    }
}

/// The sum and the product of a row of `left` and a column of `right`, as bits. Plain loops, for the time of debug builds.
pub fn dot(factors: Factors, sum: u32, left: &[u32], right: &[u32]) -> u32 {
    let (mut sum, mut k) = (sum, 0);
    match factors {
        Factors::Bf16 => return dot_of_pairs(f32::from_bits(sum), left, right).to_bits(),
        Factors::U8I8 => {
            while k < left.len() {
                sum = quads::multiply_add(left[k], right[k], sum);
                k += 1;
            }
        }
        Factors::I8U8 => {
            while k < left.len() {
                sum = quads::multiply_add(right[k], left[k], sum);
                k += 1;
            }
        }
    }
    sum
}

fn dot_of_pairs(sum: f32, left: &[u32], right: &[u32]) -> f32 {
    let (mut of_even, mut of_odd, mut k) = (0.0, 0.0, 0);
    while k < left.len() {
        let (a, b) = (left[k], right[k]);
        of_even = flushed(even(a).mul_add(even(b), of_even));
        of_odd = flushed(odd(a).mul_add(odd(b), of_odd));
        k += 1;
    }
    flushed(flushed(sum) + flushed(of_even + of_odd))
}

#[cfg(test)]
mod tests {
    use super::dot_of_pairs;
    use crate::kernel::pairs::pair;

    fn check(sum: f32, left: &[(f32, f32)], right: &[(f32, f32)], expected: f32) {
        let pairs = |pairs: &[(f32, f32)]| {
            pairs.iter().map(|(even, odd)| pair(even.to_bits(), odd.to_bits())).collect::<Vec<u32>>()
        };
        let found = dot_of_pairs(sum, &pairs(left), &pairs(right));
        assert_eq!(found.to_bits(), expected.to_bits(), "{found}, expected {expected}");
    }

    #[test]
    fn even_and_odd_products_are_added_up_apart() {
        let ones = [(1.0, 1.0); 2];
        // 2^24 + 1 is no f32. Within the even ones it is lost, between even ones and odd ones, too.
        let big = 16_777_216.0;
        check(0.0, &[(big, 0.0), (1.0, 0.0)], &ones, big);
        check(0.0, &[(big, 1.0), (1.0, 1.0)], &ones, big + 2.0);
        check(0.0, &[(big, 1.0), (-big, 1.0)], &ones, 2.0);
        // The sum of the products is made before it is added.
        check(big, &[(1.0, 0.0), (1.0, 0.0)], &ones, big + 2.0);
        check(-big, &[(big, 1.0), (1.0, 0.0)], &ones, 0.0);
    }

    #[test]
    fn denormal_numbers_count_as_0() {
        let tiny = f32::MIN_POSITIVE / 2.0;
        check(tiny, &[(1.0, 1.0)], &[(0.0, 0.0)], 0.0);
        check(0.0, &[(tiny, 0.0)], &[(1e30, 0.0)], 0.0);
        check(0.0, &[(f32::MIN_POSITIVE, 0.0)], &[(0.5, 0.0)], 0.0);
        check(0.0, &[(f32::MIN_POSITIVE, -f32::MIN_POSITIVE)], &[(1.5, 1.0)], 0.0);
    }
}
