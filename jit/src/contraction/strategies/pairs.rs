//! Contractions of bf16 by pairs: two neighbours along a reduced axis are one 32-bit element, of which a multiply-add
//! takes two products. It chooses the axis; it knows no tiling and no target.
//!
//! ```text
//! right operand [k, n]        b00 b01 b02 ..        packed B         b00 b10  b01 b11  b02 b12 ..
//!                             b10 b11 b12 ..                         b20 b30  b21 b31  ..
//! left operand [m, k]         a00 a01 a02 ..        as it lies: a00 a01 is a pair; or packed A where the axis does
//!                                                   not run along its elements
//! ```

use crate::contraction::problem::{Axis, Contraction};

/// A contraction whose places along a reduced axis are pairs.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// The contraction: half as many places along the axis, twice as far apart.
    pub contraction: Contraction,
    /// The axis whose places are pairs.
    pub axis: usize,
    /// How far behind the even element of a pair the odd one lies, in the left and the right operand.
    pub distances: [i64; 2],
}

/// The fewest places of an axis that is worth it.
const LEAST: usize = 4;

impl Pairs {
    /// The pairs of a contraction. None where no reduced axis has an even number of places, along which both operands
    /// vary.
    pub fn of(contraction: &Contraction) -> Option<Pairs> {
        // Without axes of one place and those that are joined, so that whoever does the same afterwards finds nothing.
        let mut contraction = contraction.simplified().simplified();
        let is_even = |axis: &Axis| axis.reduce && axis.extent >= LEAST && axis.extent.is_multiple_of(2);
        let varies = |axis: &Axis| axis.left != 0 && axis.right != 0;
        // An operand that runs along the axis holds pairs as it lies.
        let in_place = |axis: &Axis| usize::from(axis.left == 1) + usize::from(axis.right == 1);
        let axes = contraction.axes.iter().enumerate().filter(|(_, axis)| is_even(axis) && varies(axis));
        let (number, _) = axes.max_by_key(|(_, axis)| (in_place(axis), axis.extent))?;
        let axis = &mut contraction.axes[number];
        let distances = [axis.left, axis.right];
        *axis = Axis { extent: axis.extent / 2, left: 2 * axis.left, right: 2 * axis.right, ..*axis };
        Some(Pairs { contraction, axis: number, distances })
    }
}
