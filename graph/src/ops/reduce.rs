//! Reductions over whole axes: sum, product, maximum, minimum, and the place of a maximum.

use super::{axis, element_type, operands_of};
use crate::graph::Type;
use crate::op::{Axes, Op, ReduceOp};
use crate::shape::{DType, Shape, ShapeError};

/// `T[s] -> T[s without the axes]`.
pub(super) fn infer_reduce(op: &Op, operands: &[Type], fold: ReduceOp, axes: Axes) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    match fold {
        ReduceOp::Sum | ReduceOp::Max | ReduceOp::Min => element_type(op, 0, x.dtype, &[DType::F32, DType::I32])?,
        ReduceOp::Prod => element_type(op, 0, x.dtype, &[DType::F32])?,
    }
    for reduced in axes.iter() {
        axis(op, reduced, x.shape)?;
        let bounded = matches!(fold, ReduceOp::Max | ReduceOp::Min);
        if bounded && x.shape.dim(reduced) == 0 {
            return Err(ShapeError::Attribute { op: op.mnemonic(), rule: "the reduced axes must not be empty" });
        }
    }
    Ok(Type { dtype: x.dtype, shape: without(x.shape, axes) })
}

/// `T[s] -> i32[s without the axis]`.
pub(super) fn infer_arg_reduce(op: &Op, operands: &[Type], reduced: usize) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32, DType::I32])?;
    axis(op, reduced, x.shape)?;
    if x.shape.dim(reduced) == 0 {
        return Err(ShapeError::Attribute { op: op.mnemonic(), rule: "the reduced axis must not be empty" });
    }
    Ok(Type::i32(x.shape.remove(reduced)))
}

/// The shape without the axes.
pub(crate) fn without(shape: Shape, axes: Axes) -> Shape {
    let mut extents = [0; crate::shape::MAX_RANK];
    let mut rank = 0;
    for (axis, &extent) in shape.dims().iter().enumerate() {
        if !axes.contains(axis) {
            extents[rank] = extent;
            rank += 1;
        }
    }
    Shape::new(&extents[..rank])
}
