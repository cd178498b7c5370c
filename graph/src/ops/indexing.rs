//! Positions as numbers and numbers as positions: iota, gather and scatter along an axis, rows of a
//! table. Each gather's gradient is a scatter and the other way round.

use super::{axis, element_type, operands_of, same_shape};
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::op::Op;
use crate::shape::{DType, MAX_RANK, Shape, ShapeError};

/// `-> i32[shape]`.
pub(super) fn infer_iota(op: &Op, operands: &[Type], along: usize, shape: Shape) -> Result<Type, ShapeError> {
    operands_of::<0>(op, operands)?;
    axis(op, along, shape)?;
    Ok(Type::i32(shape))
}

/// That a place exists to which indices (always clamped) can point.
fn not_empty(op: &Op, extent: usize) -> Result<(), ShapeError> {
    if extent > 0 {
        return Ok(());
    }
    Err(ShapeError::Attribute { op: op.mnemonic(), rule: "the indexed axis must not be empty" })
}

/// `T[.., d, ..], i32[.., i, ..] -> T[.., i, ..]`.
pub(super) fn infer_gather(op: &Op, operands: &[Type], along: usize) -> Result<Type, ShapeError> {
    let [data, indices] = operands_of(op, operands)?;
    element_type(op, 1, indices.dtype, &[DType::I32])?;
    axis(op, along, data.shape)?;
    super::rank(op, data.shape.rank(), indices.shape)?;
    same_shape(op, data.shape.with(along, indices.shape.dim(along)), indices.shape)?;
    not_empty(op, data.shape.dim(along))?;
    Ok(Type { dtype: data.dtype, shape: indices.shape })
}

/// `i32[.., i, ..], f32[.., i, ..] -> f32[.., extent, ..]`.
pub(super) fn infer_scatter_add(op: &Op, operands: &[Type], along: usize, extent: usize) -> Result<Type, ShapeError> {
    let [indices, updates] = operands_of(op, operands)?;
    element_type(op, 0, indices.dtype, &[DType::I32])?;
    element_type(op, 1, updates.dtype, &[DType::F32])?;
    axis(op, along, indices.shape)?;
    same_shape(op, indices.shape, updates.shape)?;
    not_empty(op, extent)?;
    Ok(Type::f32(updates.shape.with(along, extent)))
}

/// `T[v, d..], i32[i..] -> T[i.., d..]`.
pub(super) fn infer_take_rows(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [data, indices] = operands_of(op, operands)?;
    element_type(op, 1, indices.dtype, &[DType::I32])?;
    axis(op, 0, data.shape)?;
    not_empty(op, data.shape.dim(0))?;
    Ok(Type { dtype: data.dtype, shape: joined(op, indices.shape.dims(), &data.shape.dims()[1..])? })
}

/// `i32[i..], f32[i.., d..] -> f32[rows, d..]`.
pub(super) fn infer_scatter_rows(op: &Op, operands: &[Type], rows: usize) -> Result<Type, ShapeError> {
    let [indices, updates] = operands_of(op, operands)?;
    element_type(op, 0, indices.dtype, &[DType::I32])?;
    element_type(op, 1, updates.dtype, &[DType::F32])?;
    let leading = indices.shape.rank();
    if !updates.shape.dims().starts_with(indices.shape.dims()) {
        return Err(ShapeError::Mismatch { op: op.mnemonic(), left: indices.shape, right: updates.shape });
    }
    not_empty(op, rows)?;
    Ok(Type::f32(joined(op, &[rows], &updates.shape.dims()[leading..])?))
}

/// The extents of both lists, if they are not too many.
fn joined(op: &Op, first: &[usize], second: &[usize]) -> Result<Shape, ShapeError> {
    let found = first.len() + second.len();
    if found > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op: op.mnemonic(), found });
    }
    let mut extents = [0; MAX_RANK];
    extents[..first.len()].copy_from_slice(first);
    extents[first.len()..found].copy_from_slice(second);
    Ok(Shape::new(&extents[..found]))
}

// For fixed indices a gather is a linear map G that copies elements, and the scatter with the same indices is its
// transpose G^T, which adds them up: each is the gradient of the other.

/// `y = G d`: `d' = G^T y'`.
pub(super) fn gradient_gather<'g>(at: &Adjoint<'_, 'g>, along: usize) -> Contributions<'g> {
    let (data, indices, upstream) = (at.operands[0], at.operands[1], at.upstream);
    let scatter = Op::ScatterAdd { axis: along, extent: data.shape().dim(along) };
    vec![at.of(0, || upstream.graph().apply(scatter, &[indices, upstream])), None]
}

/// `y = G^T u`: `u' = G y'`.
pub(super) fn gradient_scatter_add<'g>(at: &Adjoint<'_, 'g>, along: usize) -> Contributions<'g> {
    vec![None, at.of(1, || at.upstream.gather(along, at.operands[0]))]
}

/// `y = G d`: `d' = G^T y'`.
pub(super) fn gradient_take_rows<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    let (data, indices, upstream) = (at.operands[0], at.operands[1], at.upstream);
    let scatter = Op::ScatterRows { rows: data.shape().dim(0) };
    vec![at.of(0, || upstream.graph().apply(scatter, &[indices, upstream])), None]
}

/// `y = G^T u`: `u' = G y'`.
pub(super) fn gradient_scatter_rows<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    vec![None, at.of(1, || at.upstream.take_rows(at.operands[0]))]
}
