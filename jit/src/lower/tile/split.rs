//! Splits long sums with few results into a fixed number of parts: each part is a task of its own that stays in the
//! caches, and a last stage adds the parts. The number of parts depends on the shapes alone.

use kiln_graph::shape::Shape;

use super::choose::Tiling;
use super::{Axis, Contraction, Coordinate, Epilogue, Place, Wanted};
use crate::kernel::{BufferId, Index, KernelBuilder, Value};
use crate::plan::Layout;

/// Parts, at most.
const PARTS: usize = 8;
/// Partial results in elements, at most.
const SCRATCH: usize = 1 << 20;
/// Products of one output below which a sum is not split.
const DEPTH: usize = 1024;

/// How many parts a contraction's sums are split into; `None`: not worth it.
pub(super) fn parts(tiling: &Tiling, output: Shape) -> Option<usize> {
    let axes = &tiling.contraction.axes;
    let depth: usize = axes.iter().filter(|a| a.reduce).map(|a| a.extent).product();
    let extent = axes[tiling.reduce.first()?.axis].extent;
    let parts = PARTS.min(extent).min(SCRATCH / output.elements().max(1));
    (depth >= DEPTH && parts > 1).then_some(parts)
}

/// The contractions that compute the parts, with the number of each one's first part. Their output has one axis more, the
/// last: the number of the part. If the parts are not equal, the last one is a contraction of its own.
pub(super) fn split(tiling: &Tiling, parts: usize) -> Vec<(Contraction, usize)> {
    let whole = &tiling.contraction;
    let outermost = tiling.reduce[0].axis;
    let axis = whole.axes[outermost];
    let equal = if axis.extent.is_multiple_of(parts) { parts } else { parts - 1 };
    let each = axis.extent / equal.max(1);
    let each = if equal == parts { each } else { axis.extent / parts };
    let part = |first: usize, count: usize, extent: usize| {
        let mut contraction = whole.clone();
        contraction.axes[outermost].extent = extent;
        let start = (first * each) as i64;
        contraction.left += start * axis.left;
        contraction.right += start * axis.right;
        let number = Coordinate { offset: 0, terms: vec![(contraction.axes.len(), 1)] };
        contraction.output.push(number);
        let step = each as i64;
        contraction.axes.push(Axis { extent: count, left: axis.left * step, right: axis.right * step, reduce: false });
        (contraction, first)
    };
    let mut contractions = vec![part(0, equal, each)];
    if equal < parts {
        contractions.push(part(equal, 1, axis.extent - equal * each));
    }
    contractions
}

/// Partial results: for each part, a dense tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partials {
    shape: Shape,
    order: Vec<usize>,
    layout: Layout,
    parts: usize,
    /// The part that index 0 stands for.
    first: usize,
}

impl Partials {
    /// Room for the parts of an output.
    pub fn new(shape: Shape, wanted: &Wanted, parts: usize) -> Partials {
        let wanted = Wanted { order: wanted.order.clone(), halo: Default::default() };
        Partials { shape, layout: wanted.layout(shape), order: wanted.order, parts, first: 0 }
    }

    /// The same room, for a stage that counts its parts from `first`.
    pub fn from(&self, first: usize) -> Partials {
        Partials { first, ..self.clone() }
    }

    /// The number of elements of all parts.
    pub fn elements(&self) -> usize {
        self.parts * self.layout.elements
    }

    /// Stores one vector of a part.
    pub fn store(&self, kernel: &mut KernelBuilder, buffer: BufferId, place: &Place, value: Value) {
        let part = self.layout.elements as i64;
        let start = Index::at(self.first as i64 * part);
        let strides = self.layout.strides[..self.shape.rank()].iter().copied().chain([part]);
        let index = place.coordinates.iter().zip(strides).fold(start, |i, (at, stride)| i.plus_index(at, stride));
        let stride = place.lanes.map_or(1, |axis| self.layout.strides[axis]);
        kernel.store(buffer, index, stride, place.active, value);
    }

    /// The sum over the parts, in order; the outermost axis is the grid.
    pub fn sum(&self, kernel: &mut KernelBuilder, buffer: BufferId, epilogue: &mut Epilogue<'_>) {
        let mut at = vec![Index::default(); self.shape.rank()];
        let (&fast, outer) = self.order.split_last().expect("a result with axes");
        for &axis in outer.iter().take(2) {
            if self.shape.dim(axis) > 1 {
                at[axis] = Index::of(kernel.grid(self.shape.dim(axis)), 1);
            }
        }
        let loops: Vec<usize> = outer.iter().skip(2).copied().filter(|&a| self.shape.dim(a) > 1).collect();
        self.nest(kernel, buffer, &loops, fast, &at, epilogue);
    }

    fn nest(
        &self,
        kernel: &mut KernelBuilder,
        buffer: BufferId,
        loops: &[usize],
        fast: usize,
        at: &[Index],
        epilogue: &mut Epilogue<'_>,
    ) {
        if let Some((&axis, inner)) = loops.split_first() {
            kernel.for_each(self.shape.dim(axis), &[], |kernel, variable, _| {
                let mut at = at.to_vec();
                at[axis] = Index::of(variable, 1);
                self.nest(kernel, buffer, inner, fast, &at, epilogue);
                Vec::new()
            });
            return;
        }
        let lanes = kernel.lanes();
        let (full, rest) = (self.shape.dim(fast) / lanes, self.shape.dim(fast) % lanes);
        let mut vector = |kernel: &mut KernelBuilder, along: Index, active: usize| {
            let mut at = at.to_vec();
            at[fast] = along;
            let start = Index::default();
            let index = at.iter().zip(self.layout.strides).fold(start, |i, (at, stride)| i.plus_index(at, stride));
            let mut sum: Option<Value> = None;
            for part in 0..self.parts {
                let index = index.clone().shifted((part * self.layout.elements) as i64);
                let value = kernel.push(crate::kernel::Operation::Load { buffer, index, stride: 1, active });
                sum = Some(sum.map_or(value, |sum| kernel.add(sum, value)));
            }
            let place = Place { coordinates: at, lanes: Some(fast), active };
            epilogue(kernel, &place, sum.expect("at least one part"));
        };
        if full == 1 {
            vector(kernel, Index::default(), lanes);
        } else if full > 1 {
            kernel.for_each(full, &[], |kernel, variable, _| {
                vector(kernel, Index::of(variable, lanes as i64), lanes);
                Vec::new()
            });
        }
        if rest > 0 {
            vector(kernel, Index::at((full * lanes) as i64), rest);
        }
    }
}
