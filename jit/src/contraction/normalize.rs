//! What a contraction is seen as: with its operands exchanged, with fewer axes, by what may run along the lanes. It
//! decides nothing.

use super::problem::{Axis, Contraction, Coordinate};
use crate::cost::params::packed_panels::SQUARE_LANES;

impl Contraction {
    /// The same contraction with its operands exchanged.
    pub(super) fn swapped(&self) -> Contraction {
        let axes = self.axes.iter().map(|a| Axis { left: a.right, right: a.left, ..*a }).collect();
        Contraction { axes, left: self.right, right: self.left, ..self.clone() }
    }

    /// What may run along the lanes: the vector axis and the folded axis.
    pub(super) fn forms(&self) -> Vec<(Option<usize>, Option<usize>)> {
        let axes = self.axes.as_slice();
        // Along the lanes of the results: a kept axis whose next place is the next element along one output axis, such
        // as the columns of a matrix product. The left operand may vary along it, too (each channel on its own).
        let vectors: Vec<usize> = (0..axes.len()).filter(|&a| !axes[a].reduce && self.lanes(a).is_some()).collect();
        let mut forms: Vec<_> = vectors.iter().map(|&v| (Some(v), None)).collect();
        // What any contraction has: one sum a register, of which lane 0 alone counts.
        forms.push((None, None));
        // Along the lanes of the operands: a reduced axis along which both are dense, so that a vector holds terms of
        // one sum, and its lanes are added up at the end.
        for (number, axis) in axes.iter().enumerate() {
            if !axis.reduce || axis.left != 1 || axis.right != 1 {
                continue;
            }
            // Beside a fold, the results of a row may still be stored as a vector, one fold a lane; `None` stores each
            // alone.
            for &vector in &vectors {
                if axes[vector].left == 0 {
                    forms.push((Some(vector), Some(number)));
                }
            }
            forms.push((None, Some(number)));
        }
        forms
    }

    /// The output axis along which neighbours on this axis are neighbours.
    pub(super) fn lanes(&self, axis: usize) -> Option<usize> {
        // One use, with factor 1. Two uses would move two coordinates at once, and another factor would leave gaps.
        let mut used = None;
        for (output, coordinate) in self.output.iter().enumerate() {
            for &(of, factor) in &coordinate.terms {
                if of != axis {
                    continue;
                }
                if used.is_some() || factor != 1 {
                    return None;
                }
                used = Some(output);
            }
        }
        used
    }

    /// The output axis along which tiles hand on their results where that is not the axis of their lanes: the one that is
    /// to be fast, where that of the innermost rows is. Squares of sums are transposed in registers then. `row` is the
    /// axis of the innermost rows.
    pub(super) fn transposed_along(&self, vector: Option<usize>, row: Option<usize>, lanes: usize) -> Option<usize> {
        let is_fast = |axis: usize| self.lanes(axis) == Some(self.fast);
        (lanes >= SQUARE_LANES && !is_fast(vector?) && is_fast(row?)).then_some(self.fast)
    }

    /// About how many elements of the left operand so many places along each axis touch.
    pub(super) fn left_elements(&self, extents: &[usize]) -> usize {
        // Two upper bounds: all places are different elements (`product`), or they fill all from the first to the last
        // (`span`). The second is the lower one where windows overlap: 8 pixels under 3 elements touch 10 places, not
        // 24.
        let (mut product, mut span) = (1, 1);
        for (axis, &extent) in self.axes.iter().zip(extents) {
            if axis.left != 0 {
                product *= extent.max(1);
                span += (extent.max(1) - 1) * axis.left.unsigned_abs() as usize;
            }
        }
        product.min(span)
    }

    /// The same sums over fewer axes: those of extent 1 dropped, reduced axes that follow one another in both operands
    /// joined.
    pub(super) fn simplified(&self) -> Contraction {
        let mut axes: Vec<Axis> = Vec::new();
        let mut renamed = Vec::new();
        for axis in &self.axes {
            renamed.push((axis.extent != 1).then_some(axes.len()));
            axes.extend((axis.extent != 1).then_some(*axis));
        }
        // `[a, b]` is one axis of `a * b` places where a step along `a` is as long as all of `b` in both operands: a
        // kernel's columns and the channels of a channels-last image are one dense run. Kept axes stay apart:
        // coordinates name them.
        let mut joined = true;
        while joined {
            joined = false;
            for outer in 0..axes.len() {
                let a = axes[outer];
                let follows =
                    |b: &Axis| b.reduce && a.left == b.left * b.extent as i64 && a.right == b.right * b.extent as i64;
                let inner = (0..axes.len()).find(|&i| i != outer && a.reduce && a.extent != 1 && follows(&axes[i]));
                if let Some(inner) = inner.filter(|&i| axes[i].extent > 1) {
                    axes[inner].extent *= a.extent;
                    // It stays in its place, so that the positions in `renamed` hold, and takes no further part: its
                    // extent is 1.
                    axes[outer] = Axis { extent: 1, left: 0, right: 0, reduce: true };
                    joined = true;
                }
            }
        }
        let output = self.output.iter().map(|coordinate| {
            let terms = coordinate.terms.iter().filter_map(|&(axis, factor)| Some((renamed[axis]?, factor)));
            Coordinate { offset: coordinate.offset, terms: terms.collect() }
        });
        let output = output.collect();
        Contraction { axes, output, ..self.clone() }
    }
}
