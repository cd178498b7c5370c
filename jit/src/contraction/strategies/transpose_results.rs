//! Results that are to lie along another axis than the lanes of the tiles run: they are kept as the tiles give them,
//! dense in scratch memory, and squares of them are transposed in registers on their way to the epilogue. It knows
//! shapes, orders and what copies cost; it knows no tilings.

use kiln_graph::shape::Shape;

use super::emit::{along, transposed};
use crate::contraction::problem::{Epilogue, Place};
use crate::contraction::text::record;
use crate::cost::copies::squares;
use crate::cost::params::transpose_results::CALL;
use crate::kernel::{BufferId, Index, KernelBuilder, Value};
use crate::layout::Layout;
use crate::target::Target;

/// Sums that are kept along one axis, and handed on along another one.
#[derive(Clone, Debug, PartialEq)]
pub struct TransposeResults {
    shape: Shape,
    /// How the sums are kept.
    layout: Layout,
    /// The axes of the sums but for the next two, outermost first.
    others: Vec<usize>,
    /// The axis along which the sums are kept.
    from: usize,
    /// The axis along which they are handed on.
    to: usize,
}

record!(TransposeResults { shape, layout, others, from, to });

impl TransposeResults {
    /// Results that are kept in an order, and handed on along another axis than the last of that.
    pub fn new(shape: Shape, order: &[usize], to: usize) -> TransposeResults {
        let from = order[order.len() - 1];
        let others = order.iter().copied().filter(|&axis| axis != from && axis != to && shape.dim(axis) > 1).collect();
        TransposeResults { shape, layout: Layout::dense(shape, order), others, from, to }
    }

    /// The length of the scratch memory.
    pub fn elements(&self) -> usize {
        self.layout.elements
    }

    /// Estimated cycles.
    pub fn cycles(&self, target: &Target) -> f64 {
        // Squares are transposed whole.
        let whole =
            |axis: usize| self.shape.dim(axis).next_multiple_of(target.lanes) as f64 / self.shape.dim(axis) as f64;
        squares(self.elements(), target) * whole(self.from) * whole(self.to) + CALL
    }

    /// Keeps one vector of results.
    pub fn keep(&self, kernel: &mut KernelBuilder, buffer: BufferId, place: &Place, value: Value) {
        // 1 if the lanes run along `from`; else they are stored one by one.
        let stride = place.lanes.map_or(1, |axis| self.layout.strides[axis]);
        kernel.store(buffer, self.index(&place.coordinates), stride, place.active, value);
    }

    fn index(&self, at: &[Index]) -> Index {
        let start = Index::at(self.layout.offset as i64);
        at.iter().zip(self.layout.strides).fold(start, |index, (at, stride)| index.plus_index(at, stride))
    }

    /// Hands all results on; the two outermost axes are the grid, or whole steps along which the sums are kept.
    pub fn emit(&self, kernel: &mut KernelBuilder, buffer: BufferId, epilogue: &mut dyn Epilogue) {
        // for the two outermost other axes            the grid
        //   for the remaining axes                    `nest`
        //     for vectors along `from`                the grid, too, if it has a dimension left and no vector is cut
        //       for vectors along `to`                a square is loaded, transposed, handed on column by column
        let mut at = vec![Index::default(); self.shape.rank()];
        let (grid, loops) = self.others.split_at(self.others.len().min(2));
        for &axis in grid {
            at[axis] = Index::of(kernel.grid(self.shape.dim(axis)), 1);
        }
        let (extent, lanes) = (self.shape.dim(self.from), kernel.lanes());
        let mut kept = extent;
        if grid.len() < 2 && extent.is_multiple_of(lanes) {
            at[self.from] = Index::of(kernel.grid(extent / lanes), lanes as i64);
            kept = lanes;
        }
        self.nest(kernel, buffer, loops, (&at, kept), epilogue);
    }

    fn nest(
        &self,
        kernel: &mut KernelBuilder,
        buffer: BufferId,
        loops: &[usize],
        (at, kept): (&[Index], usize),
        epilogue: &mut dyn Epilogue,
    ) {
        let Some((&axis, inner)) = loops.split_first() else { return self.plane(kernel, buffer, (at, kept), epilogue) };
        along(kernel, self.shape.dim(axis), 1, &mut |kernel, place, _| {
            let mut at = at.to_vec();
            at[axis] = place;
            self.nest(kernel, buffer, inner, (&at, kept), epilogue);
        });
    }

    /// All squares along both axes, of so many places along that of the sums. Those along the axis on which results are
    /// handed on come one after the other, so that lines are written whole.
    fn plane(
        &self,
        kernel: &mut KernelBuilder,
        buffer: BufferId,
        (at, kept): (&[Index], usize),
        epilogue: &mut dyn Epilogue,
    ) {
        let lanes = kernel.lanes();
        along(kernel, kept, lanes, &mut |kernel, first, columns| {
            let down = at[self.from].clone().plus_index(&first, 1);
            along(kernel, self.shape.dim(self.to), lanes, &mut |kernel, across, rows| {
                let mut at = at.to_vec();
                (at[self.from], at[self.to]) = (down.clone(), across);
                let square = [rows, columns];
                let values = transposed(kernel, buffer, &self.index(&at), self.layout.strides[self.to], square);
                for (number, value) in values.into_iter().enumerate() {
                    let mut coordinates = at.clone();
                    coordinates[self.from] = down.clone().shifted(number as i64);
                    let place = Place { coordinates, lanes: Some(self.to), active: rows };
                    epilogue.take(kernel, &place, value);
                }
            });
        });
    }
}
