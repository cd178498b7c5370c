//! Contractions of bytes by quads: four neighbours along a reduced axis are one element of 32 bits, of which a
//! multiply-add takes four products. So operands lie with that axis innermost, in whole quads; zeros fill the last one
//! up. All else is a contraction as any other, over a quarter as many places. Whether a processor has an instruction
//! for quads is not asked here.
//!
//! ```text
//! left operand [m, k]         a00 a01 a02 a03 | a04 a05 0 0        right operand [k, n], which lies as [n, k]
//!                             a10 a11 a12 a13 | ..                 b00 b10 b20 b30 | b40 b50 0 0
//! ```

use crate::contraction::problem::{Axis, Contraction, Operand};
use crate::layout::{Halo, PreferredLayout};

/// Bytes of an element.
pub const QUAD: usize = 4;

/// An order whose last axis lies in whole quads.
pub fn in_quads(order: Vec<usize>, extent: usize, halo: Halo) -> PreferredLayout {
    let mut preferred = PreferredLayout { order, halo };
    if let Some(&last) = preferred.order.last() {
        preferred.halo.high[last] = extent.next_multiple_of(QUAD) - extent;
    }
    preferred
}

/// Whether an operand of bytes lies as quads along the last axis of the order that is preferred, with the zeros that are.
pub fn lies_in_quads(operand: &Operand, preferred: &PreferredLayout) -> bool {
    let Some((&last, others)) = preferred.order.split_last() else { return false };
    let layout = &operand.layout;
    let is_whole = |&axis: &usize| operand.shape.dim(axis) == 1 || layout.strides[axis] % QUAD as i64 == 0;
    operand.halo.covers(&preferred.halo)
        && layout.strides[last] == 1
        && others.iter().all(is_whole)
        && layout.offset.is_multiple_of(QUAD)
        && layout.elements.is_multiple_of(QUAD)
}

impl Contraction {
    /// The contraction over quads, of operands that lie so: its last axis is the one along which they do.
    pub fn by_quads(self) -> Contraction {
        let quad = QUAD as i64;
        let (along, last) = (self.axes.len() - 1, &self.axes[self.axes.len() - 1]);
        let last = Axis { extent: last.extent.div_ceil(QUAD), left: 1, right: 1, ..*last };
        // Along axes of one place nobody moves.
        let mut axes: Vec<Axis> = self.axes[..along]
            .iter()
            .map(|axis| Axis { left: axis.left / quad, right: axis.right / quad, ..*axis })
            .collect();
        axes.push(last);
        Contraction { axes, left: self.left / quad, right: self.right / quad, ..self }
    }
}
