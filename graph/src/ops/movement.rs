//! Operations that only move elements: reshape, transpose, broadcast, slice, pad, concatenate,
//! reverse. None of them looks at an element's value.

use super::{axis, operands_of, rank, same_type};
use crate::build::{Value, whole};
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor, places, strides};
use crate::op::{Axes, Op, ReduceOp, SliceSpec};
use crate::shape::functions as rules;
use crate::shape::{DType, MAX_RANK, Shape, ShapeError};

/// `T[s] -> T[t]`, as many elements.
pub(super) fn infer_reshape(op: &Op, operands: &[Type], to: Shape) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    let shape = rules::reshape(op.mnemonic(), x.shape, to.dims())?;
    Ok(Type { dtype: x.dtype, shape })
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
    for axis in 0..x.shape.rank() {
        let (start, limit, step) = (slice.start[axis], slice.limit[axis], slice.step[axis]);
        let sliced = rules::part(op.mnemonic(), x.shape, axis as isize, start, limit, step)?;
        shape = shape.with(axis, sliced.dim(axis));
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
    let shapes: Vec<Shape> = operands.iter().map(|part| part.shape).collect();
    let shape = rules::cat(op.mnemonic(), &shapes, along as isize)?;
    let dtype = operands[0].dtype;
    for (position, part) in operands.iter().enumerate() {
        same_type(op, position, dtype, part.dtype)?;
    }
    Ok(Type { dtype, shape })
}

/// `T[s] -> T[s]`.
pub(super) fn infer_reverse(op: &Op, operands: &[Type], axes: Axes) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    for reversed in axes.iter() {
        axis(op, reversed, x.shape)?;
    }
    Ok(x)
}

// Movements are linear maps that copy elements; the gradient of each adds every element of the upstream to the place
// that it was copied from.

/// The upstream under the operand's shape.
pub(super) fn gradient_reshape<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    vec![Some(at.upstream.reshape(at.operands[0].shape()))]
}

/// The upstream under the inverse permutation.
pub(super) fn gradient_transpose<'g>(at: &Adjoint<'_, 'g>, permutation: [u8; MAX_RANK]) -> Contributions<'g> {
    let mut inverse = vec![0; at.upstream.shape().rank()];
    for (to, &from) in permutation.iter().enumerate().take(inverse.len()) {
        inverse[usize::from(from)] = to;
    }
    vec![Some(at.upstream.permute(&inverse))]
}

/// The sum over the repeated axes.
pub(super) fn gradient_broadcast<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    let (x, upstream) = (at.operands[0], at.upstream);
    let (from, to) = (x.shape(), upstream.shape());
    let repeated = Axes::new((0..to.rank()).filter(|&axis| from.dim(axis) != to.dim(axis)));
    vec![Some(upstream.reduce(ReduceOp::Sum, repeated).reshape(from))]
}

/// Zeros with the upstream at the places of the slice: spread by the step, then padded.
pub(super) fn gradient_slice<'g>(at: &Adjoint<'_, 'g>, slice: SliceSpec) -> Contributions<'g> {
    let shape = at.operands[0].shape();
    let mut gradient = at.upstream;
    let mut high = [0; MAX_RANK];
    for (axis, extent) in shape.dims().iter().enumerate() {
        gradient = spread(gradient, axis, slice.step[axis]);
        high[axis] = extent - slice.start[axis] - gradient.shape().dim(axis);
    }
    vec![Some(gradient.pad(&slice.start[..shape.rank()], &high[..shape.rank()], 0.0))]
}

/// The elements along an axis `step` apart, with zeros between them: `n` become `(n - 1) * step + 1`.
fn spread(v: Value<'_>, axis: usize, step: usize) -> Value<'_> {
    let shape = v.shape();
    let n = shape.dim(axis);
    if step == 1 || n <= 1 {
        return v;
    }
    let outer: usize = shape.dims()[..axis].iter().product();
    let inner: usize = shape.dims()[axis + 1..].iter().product();
    let groups = v.reshape([outer * n, 1, inner]).pad(&[], &[0, step - 1], 0.0);
    groups.reshape(shape.with(axis, n * step)).slice(axis, 0..(n - 1) * step + 1, 1)
}

/// The operand gets its part of the upstream, the scalar the sum of the rest.
pub(super) fn gradient_pad<'g>(
    at: &Adjoint<'_, 'g>,
    low: [usize; MAX_RANK],
    high: [usize; MAX_RANK],
) -> Contributions<'g> {
    let (shape, upstream, graph) = (at.operands[0].shape(), at.upstream, at.upstream.graph());
    let rank = shape.rank();
    let inside = || {
        let mut slice = whole(shape);
        for (axis, extent) in shape.dims().iter().enumerate() {
            (slice.start[axis], slice.limit[axis]) = (low[axis], low[axis] + extent);
        }
        upstream.slice_all(slice)
    };
    let outside = || {
        let inside = graph.scalar_of(DType::Bool, 1.0).broadcast_to(shape).pad(&low[..rank], &high[..rank], 0.0);
        inside.select(0.0, upstream).sum(..)
    };
    vec![at.of(0, inside), at.of(1, outside)]
}

/// Each operand gets its part of the upstream.
pub(super) fn gradient_concat<'g>(at: &Adjoint<'_, 'g>, along: usize) -> Contributions<'g> {
    let mut start = 0;
    let part = |(position, operand): (usize, &Value<'g>)| {
        let range = start..start + operand.shape().dim(along);
        start = range.end;
        at.of(position, || at.upstream.slice(along, range, 1))
    };
    at.operands.iter().enumerate().map(part).collect()
}

/// The upstream turned round again.
pub(super) fn gradient_reverse<'g>(at: &Adjoint<'_, 'g>, axes: Axes) -> Contributions<'g> {
    vec![Some(at.upstream.reverse(axes))]
}

/// The same elements.
pub(super) fn evaluate_reshape<T: Real>(operands: &[&Tensor<T>], shape: Shape) -> Tensor<T> {
    Tensor::pick(operands, shape, &Vec::from_iter(0..shape.elements()))
}

/// `y[i_0, i_1, ..] = x[.., i_a at axis permutation[a], ..]`.
pub(super) fn evaluate_transpose<T: Real>(
    operands: &[&Tensor<T>],
    shape: Shape,
    permutation: [u8; MAX_RANK],
) -> Tensor<T> {
    let from = strides(operands[0].ty().shape);
    let steps: Vec<isize> = permutation[..shape.rank()].iter().map(|&axis| from[usize::from(axis)]).collect();
    Tensor::pick(operands, shape, &places(shape, 0, &steps))
}

/// Every index along a repeated axis takes the element at 0.
pub(super) fn evaluate_broadcast<T: Real>(operands: &[&Tensor<T>], shape: Shape) -> Tensor<T> {
    let from = operands[0].ty().shape;
    let mut steps = strides(from);
    steps.iter_mut().zip(from.dims()).filter(|(_, extent)| **extent == 1).for_each(|(step, _)| *step = 0);
    Tensor::pick(operands, shape, &places(shape, 0, &steps))
}

/// `y[i, ..] = x[start + step * i, ..]`.
pub(super) fn evaluate_slice<T: Real>(operands: &[&Tensor<T>], shape: Shape, slice: SliceSpec) -> Tensor<T> {
    let from = strides(operands[0].ty().shape);
    let start: usize = from.iter().zip(slice.start).map(|(&step, start)| step as usize * start).sum();
    let steps: Vec<isize> = from.iter().zip(slice.step).map(|(&stride, step)| stride * step as isize).collect();
    Tensor::pick(operands, shape, &places(shape, start, &steps))
}

/// The operand from index `low` on; the scalar (behind all of the operand's elements) elsewhere.
pub(super) fn evaluate_pad<T: Real>(operands: &[&Tensor<T>], shape: Shape, low: [usize; MAX_RANK]) -> Tensor<T> {
    let inner = operands[0].ty().shape;
    let mut sources = vec![inner.elements(); shape.elements()];
    let steps = strides(shape);
    let start = steps.iter().zip(low).map(|(&step, low)| step as usize * low).sum();
    places(inner, start, &steps).into_iter().enumerate().for_each(|(source, place)| sources[place] = source);
    Tensor::pick(operands, shape, &sources)
}

/// The operands' parts follow one another.
pub(super) fn evaluate_concat<T: Real>(operands: &[&Tensor<T>], shape: Shape, along: usize) -> Tensor<T> {
    let mut sources = vec![0; shape.elements()];
    let steps = strides(shape);
    let (mut source, mut start) = (0, 0);
    for operand in operands {
        let part = operand.ty().shape;
        for place in places(part, start * steps[along] as usize, &steps) {
            sources[place] = source;
            source += 1;
        }
        start += part.dim(along);
    }
    Tensor::pick(operands, shape, &sources)
}

/// `y[.., i, ..] = x[.., n - 1 - i, ..]`.
pub(super) fn evaluate_reverse<T: Real>(operands: &[&Tensor<T>], axes: Axes) -> Tensor<T> {
    let shape = operands[0].ty().shape;
    let mut steps = strides(shape);
    let mut start = 0;
    for axis in axes.iter() {
        start += shape.dim(axis).saturating_sub(1) * steps[axis] as usize;
        steps[axis] = -steps[axis];
    }
    Tensor::pick(operands, shape, &places(shape, start, &steps))
}
