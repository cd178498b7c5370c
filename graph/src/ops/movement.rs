//! Operations that only move elements: reshape, transpose, broadcast, slice, pad, concatenate,
//! reverse.

use super::{axis, operands_of, rank, same_type};
use crate::graph::Type;
use crate::op::{Axes, Op, SliceSpec};
use crate::shape::{MAX_RANK, Shape, ShapeError};

/// `T[s] -> T[t]`, as many elements.
pub(super) fn infer_reshape(op: &Op, operands: &[Type], to: Shape) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    if x.shape.elements() != to.elements() {
        return Err(ShapeError::Elements { from: x.shape, to });
    }
    Ok(Type { dtype: x.dtype, shape: to })
}

/// `T[s] -> T[s permuted]`.
pub(super) fn infer_transpose(op: &Op, operands: &[Type], permutation: [u8; MAX_RANK]) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    let mut seen = [false; MAX_RANK];
    let mut shape = x.shape;
    for (to, &from) in permutation.iter().enumerate() {
        let from = usize::from(from);
        // An axis past the rank stands for itself.
        let outside = if to < x.shape.rank() { from >= x.shape.rank() } else { from != to };
        if outside || seen[from] {
            return Err(ShapeError::Axis { op: op.mnemonic(), axis: from as isize, shape: x.shape });
        }
        seen[from] = true;
        if to < x.shape.rank() {
            shape = shape.with(to, x.shape.dim(from));
        }
    }
    Ok(Type { dtype: x.dtype, shape })
}

/// `T[s] -> T[t]`, of equal ranks, where each extent of `s` is that of `t` or 1.
pub(super) fn infer_broadcast(op: &Op, operands: &[Type], to: Shape) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    rank(op, to.rank(), x.shape)?;
    if x.shape.dims().iter().zip(to.dims()).any(|(&from, &to)| from != to && from != 1) {
        return Err(ShapeError::Mismatch { op: op.mnemonic(), left: x.shape, right: to });
    }
    Ok(Type { dtype: x.dtype, shape: to })
}

/// `T[s] -> T[t]`, `t = (limit - start)` divided by `step`, rounded up.
pub(super) fn infer_slice(op: &Op, operands: &[Type], slice: SliceSpec) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    let mut shape = x.shape;
    for (axis, &extent) in x.shape.dims().iter().enumerate() {
        let (start, limit, step) = (slice.start[axis], slice.limit[axis], slice.step[axis]);
        if step == 0 {
            return Err(ShapeError::Attribute { op: op.mnemonic(), rule: "the step must be at least 1" });
        }
        if start > limit || limit > extent {
            return Err(ShapeError::Range { axis, start, limit, shape: x.shape });
        }
        shape = shape.with(axis, (limit - start).div_ceil(step));
    }
    Ok(Type { dtype: x.dtype, shape })
}

/// `T[s], T[] -> T[low + s + high]`.
pub(super) fn infer_pad(
    op: &Op,
    operands: &[Type],
    low: [usize; MAX_RANK],
    high: [usize; MAX_RANK],
) -> Result<Type, ShapeError> {
    let [x, value] = operands_of(op, operands)?;
    same_type(op, 1, x.dtype, value.dtype)?;
    rank(op, 0, value.shape)?;
    let mut shape = x.shape;
    for (axis, &extent) in x.shape.dims().iter().enumerate() {
        shape = shape.with(axis, low[axis] + extent + high[axis]);
    }
    Ok(Type { dtype: x.dtype, shape })
}

/// `T[.., d0, ..], T[.., d1, ..], .. -> T[.., d0 + d1 + .., ..]`.
pub(super) fn infer_concat(op: &Op, operands: &[Type], along: usize) -> Result<Type, ShapeError> {
    let Some((first, rest)) = operands.split_first() else {
        return Err(ShapeError::Operands { op: op.mnemonic(), expected: 1, found: 0 });
    };
    axis(op, along, first.shape)?;
    let mut shape = first.shape;
    for (position, part) in rest.iter().enumerate() {
        same_type(op, position + 1, first.dtype, part.dtype)?;
        rank(op, shape.rank(), part.shape)?;
        if part.shape.with(along, first.shape.dim(along)) != first.shape {
            return Err(ShapeError::Mismatch { op: op.mnemonic(), left: first.shape, right: part.shape });
        }
        shape = shape.with(along, shape.dim(along) + part.shape.dim(along));
    }
    Ok(Type { dtype: first.dtype, shape })
}

/// `T[s] -> T[s]`.
pub(super) fn infer_reverse(op: &Op, operands: &[Type], axes: Axes) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    for reversed in axes.iter() {
        axis(op, reversed, x.shape)?;
    }
    Ok(x)
}
