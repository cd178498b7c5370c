//! Writes the zeros around a tensor in its buffer; the tensor itself is left alone. It knows a shape and a layout;
//! it does not know who writes the tensor, nor who reads the zeros.

use kiln_graph::Shape;

use super::expression::{Located, element};
use super::loops::{nest, vectors};
use super::lowered::{Lowered, Role};
use crate::cost::params::loops::UNROLL;
use crate::kernel::{Access, Element, Index, KernelBuilder, ValueType};
use crate::layout::{Halo, Layout};
use crate::target::Target;

/// The kernel that fills a halo; `None` where there is none. Each task takes one index of the first axis, if that has
/// no halo itself.
pub fn lower(to: Located, shape: Shape, halo: &Halo, target: &Target) -> Option<Lowered> {
    let rank = shape.rank();
    let size = |axis: usize| halo.low[axis] + halo.high[axis];
    if shape.elements() == 0 || (0..rank).all(|axis| size(axis) == 0) {
        return None;
    }
    let Layout { offset, strides, elements } = to.layout;
    let mut kernel = KernelBuilder::new("halo", target.lanes);
    // Samples (axis 0) have no zeros between them, so that each task writes those of its own.
    let grid = size(0) == 0 && shape.dim(0) > 1;
    let mut origin = vec![Index::default(); rank];
    if grid {
        origin[0] = Index::of(kernel.grid(shape.dim(0)), 1);
    }
    // A zero has the same bits as f32 and i32.
    let element = match element(to.dtype) {
        narrow @ (Element::Bf16 | Element::U8 | Element::I8) => narrow,
        _ => Element::F32,
    };
    let buffer = kernel.buffer("b0", element, elements, Access::Write);
    let zero = match element.value_type() {
        ValueType::I32 => kernel.i32(0),
        ValueType::F32 | ValueType::Mask => kernel.f32(0.0),
    };
    // The innermost axis holds the lanes.
    let inner = (0..rank).min_by_key(|&axis| (shape.dim(axis) + size(axis) == 1, strides[axis])).unwrap_or(0);
    let mut written = 0;
    // Slabs before and after each axis: within the tensor along axes before it, halo included along those behind it.
    for axis in 0..rank {
        // As places of the tensor: -2 and -1 before it, its extent and what follows behind. `offset` is the element of
        // place 0, so that places before it are still in the buffer.
        for (from, count) in [(-(halo.low[axis] as i64), halo.low[axis]), (shape.dim(axis) as i64, halo.high[axis])] {
            if count == 0 {
                continue;
            }
            let mut start = origin.clone();
            let mut extents = shape.dims().to_vec();
            for behind in axis + 1..rank {
                start[behind].offset -= halo.low[behind] as i64;
                extents[behind] += size(behind);
            }
            (start[axis], extents[axis]) = (Index::at(from), count);
            written += extents.iter().product::<usize>();
            let loops: Vec<(usize, usize)> =
                (grid as usize..rank).filter(|&other| other != inner).map(|other| (other, extents[other])).collect();
            // A grid along the lanes' own axis leaves one place of it to each task.
            let lanes = if grid && inner == 0 { 1 } else { extents[inner] };
            nest(&mut kernel, &loops, &start, &[], &mut |kernel, place, _| {
                vectors(kernel, lanes, UNROLL, &start[inner], &mut |kernel, group| {
                    for (index, active) in group {
                        let at = (0..rank).fold(Index::at(offset as i64), |at, other| {
                            at.plus_index(if other == inner { index } else { &place[other] }, strides[other])
                        });
                        kernel.store(buffer, at, if *active == 1 { 1 } else { strides[inner] }, *active, zero);
                    }
                });
                Vec::new()
            });
        }
    }
    let (arguments, bytes) = (vec![to.storage], (element.bytes() * written) as u64);
    Some(Lowered {
        kernel: kernel.finish().into(),
        arguments,
        role: Role::Halo,
        flops: 0,
        products: 0,
        weight: 0,
        bytes,
        in_place: Vec::new(),
        in_rows: None,
    })
}
