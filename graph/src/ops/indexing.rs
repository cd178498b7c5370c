//! Positions as numbers and numbers as positions: iota, gather and scatter along an axis, rows of a
//! table. Each gather's gradient is a scatter and the other way round. An index outside is clamped; those who take
//! indices from users look at them before (`indices.rs`).

use super::elementwise::COMPUTED;
use super::{axis, element_type, operands_of, same_shape};
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
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
    element_type(op, 0, data.dtype, COMPUTED)?;
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
    element_type(op, 0, data.dtype, COMPUTED)?;
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

/// The index at each place along the axis.
pub(super) fn evaluate_iota<T: Real>(along: usize, shape: Shape) -> Tensor<T> {
    let inner: usize = shape.dims()[along + 1..].iter().product();
    Tensor::ints(shape, (0..shape.elements()).map(|place| (place / inner % shape.dim(along)) as i32))
}

/// The nearest index below `extent`.
fn clamped(index: i32, extent: usize) -> usize {
    usize::try_from(index).unwrap_or(0).min(extent - 1)
}

/// For each of the indices (a tensor of the given shape) the place that it means in a tensor with another extent along
/// the axis.
fn places_along(indices: &[i32], shape: Shape, along: usize, extent: usize) -> Vec<usize> {
    let inner: usize = shape.dims()[along + 1..].iter().product();
    let block = shape.dim(along) * inner;
    let place = |(i, &index): (usize, &i32)| (i / block * extent + clamped(index, extent)) * inner + i % inner;
    indices.iter().enumerate().map(place).collect()
}

/// For each of the indices of rows of `width` elements the places of these.
fn places_of_rows(indices: &[i32], rows: usize, width: usize) -> Vec<usize> {
    indices.iter().flat_map(|&index| (0..width).map(move |i| clamped(index, rows) * width + i)).collect()
}

/// Zeros of the given shape, to which each update is added at its place.
fn added<T: Real>(updates: &Tensor<T>, shape: Shape, places: &[usize]) -> Tensor<T> {
    let mut sums = vec![0.0; shape.elements()];
    places.iter().zip(updates.to_f64()).for_each(|(&place, update)| sums[place] += update);
    Tensor::floats(shape, sums)
}

/// `y[.., i, ..] = data[.., indices[.., i, ..], ..]`.
pub(super) fn evaluate_gather<T: Real>(operands: &[&Tensor<T>], along: usize) -> Tensor<T> {
    let (from, shape) = (operands[0].ty().shape, operands[1].ty().shape);
    let places = places_along(operands[1].as_ints(), shape, along, from.dim(along));
    Tensor::pick(&operands[..1], shape, &places)
}

/// `y[.., indices[.., i, ..], ..] += updates[.., i, ..]`, in a tensor of the given shape.
pub(super) fn evaluate_scatter_add<T: Real>(operands: &[&Tensor<T>], shape: Shape, along: usize) -> Tensor<T> {
    let places = places_along(operands[0].as_ints(), operands[0].ty().shape, along, shape.dim(along));
    added(operands[1], shape, &places)
}

/// `y[i.., d..] = data[indices[i..], d..]`.
pub(super) fn evaluate_take_rows<T: Real>(operands: &[&Tensor<T>], shape: Shape) -> Tensor<T> {
    let from = operands[0].ty().shape;
    let width = from.dims()[1..].iter().product();
    Tensor::pick(&operands[..1], shape, &places_of_rows(operands[1].as_ints(), from.dim(0), width))
}

/// `y[indices[i..], d..] += updates[i.., d..]`, in a tensor of the given shape.
pub(super) fn evaluate_scatter_rows<T: Real>(operands: &[&Tensor<T>], shape: Shape) -> Tensor<T> {
    let width = shape.dims()[1..].iter().product();
    added(operands[1], shape, &places_of_rows(operands[0].as_ints(), shape.dim(0), width))
}
