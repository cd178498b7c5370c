//! Kernels that copy tensors: between what callers have, which is row-major, and the layouts of a plan. They are
//! kernels like all others, so that every level has them. When one runs, and over which memory, is for `level.rs` to
//! say.

use kiln::graph::shape::Shape;
use kiln::graph::{DType, Type};
use kiln::jit::kernel::{Access, BufferId, Compare, Element, Index, Kernel, KernelBuilder, Operation};
use kiln::jit::layout::Layout;

/// An axis of both tensors: its extent, and the distance of its elements in each.
struct Axis {
    extent: usize,
    from: i64,
    to: i64,
}

/// Whether a tensor lies as callers have it.
pub(crate) fn is_row_major(shape: Shape, layout: &Layout) -> bool {
    layout.offset == 0 && layout.elements == shape.elements() && layout.is_row_major(shape)
}

/// A kernel of one task over two buffers, `from` and `to`. Where `flags`, whatever is not 0 becomes 1.
pub(crate) fn copy(ty: Type, from: &Layout, to: &Layout, flags: bool, lanes: usize) -> Kernel {
    let axes = axes(ty.shape, from, to);
    let inner = axes.last().filter(|axis| axis.from == 1 && axis.to == 1 && axis.extent >= lanes);
    let lanes = if inner.is_some() { lanes } else { 1 };
    let mut b = KernelBuilder::new("copy", lanes);
    // Numbers of either type are copied bit by bit.
    let element = if ty.dtype == DType::F32 { Element::F32 } else { Element::I32 };
    let buffers =
        (b.buffer("from", element, from.elements, Access::Read), b.buffer("to", element, to.elements, Access::Write));
    nest(&mut b, &axes, buffers, (Index::at(from.offset as i64), Index::at(to.offset as i64)), flags);
    b.finish()
}

/// A kernel of one task that sets all elements of a buffer to 0.
pub(crate) fn zero(elements: usize, lanes: usize) -> Kernel {
    let mut b = KernelBuilder::new("zero", lanes);
    let to = b.buffer("to", Element::F32, elements, Access::Write);
    let zero = b.f32(0.0);
    let (whole, rest) = (elements / lanes, elements % lanes);
    if whole > 0 {
        b.for_each(whole, &[], |b, variable, _| {
            b.store(to, Index::of(variable, lanes as i64), 1, lanes, zero);
            Vec::new()
        });
    }
    if rest > 0 {
        b.store(to, Index::at((elements - rest) as i64), 1, rest, zero);
    }
    b.finish()
}

/// The axes of more than one element, in the order of the shape; neighbours that are one axis in both tensors are one.
fn axes(shape: Shape, from: &Layout, to: &Layout) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    for axis in (0..shape.rank()).filter(|&axis| shape.dim(axis) != 1) {
        let inner = Axis { extent: shape.dim(axis), from: from.strides[axis], to: to.strides[axis] };
        let extent = inner.extent as i64;
        match axes.last_mut() {
            Some(outer) if outer.from == extent * inner.from && outer.to == extent * inner.to => {
                *outer = Axis { extent: outer.extent * inner.extent, ..inner };
            }
            _ => axes.push(inner),
        }
    }
    axes
}

/// Loops over the axes, and the copy within them: of all lanes where they have more than one.
fn nest(b: &mut KernelBuilder, axes: &[Axis], buffers: (BufferId, BufferId), at: (Index, Index), flags: bool) {
    match axes {
        [] => element(b, buffers, at, 1, flags),
        [line] if b.lanes() > 1 => {
            let lanes = b.lanes();
            let (whole, rest) = (line.extent / lanes, line.extent % lanes);
            let end = (line.extent - rest) as i64;
            let last = (at.0.clone().shifted(end), at.1.clone().shifted(end));
            b.for_each(whole, &[], |b, variable, _| {
                let at = (at.0.plus(variable, lanes as i64), at.1.plus(variable, lanes as i64));
                element(b, buffers, at, lanes, flags);
                Vec::new()
            });
            if rest > 0 {
                element(b, buffers, last, rest, flags);
            }
        }
        [outer, inner @ ..] => {
            b.for_each(outer.extent, &[], |b, variable, _| {
                nest(b, inner, buffers, (at.0.plus(variable, outer.from), at.1.plus(variable, outer.to)), flags);
                Vec::new()
            });
        }
    }
}

fn element(b: &mut KernelBuilder, (from, to): (BufferId, BufferId), at: (Index, Index), active: usize, flags: bool) {
    let mut value = b.push(Operation::Load { buffer: from, index: at.0, stride: 1, active });
    if flags {
        let (zero, one) = (b.i32(0), b.i32(1));
        let set = b.compare(Compare::Ne, value, zero);
        value = b.select(set, one, zero);
    }
    b.store(to, at.1, 1, active, value);
}
