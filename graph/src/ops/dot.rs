//! The matrix product over equal batch axes.

use super::{element_type, operands_of, rank};
use crate::graph::Type;
use crate::op::Op;
use crate::shape::{DType, ShapeError};

/// `f32[b.., m, k], f32[b.., k, n] -> f32[b.., m, n]`.
pub(super) fn infer_dot(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [left, right] = operands_of(op, operands)?;
    element_type(op, 0, left.dtype, &[DType::F32])?;
    element_type(op, 1, right.dtype, &[DType::F32])?;
    let axes = left.shape.rank();
    if axes < 2 {
        rank(op, 2, left.shape)?;
    }
    rank(op, axes, right.shape)?;
    let (a, b) = (left.shape.dims(), right.shape.dims());
    if a[..axes - 2] != b[..axes - 2] || a[axes - 1] != b[axes - 2] {
        return Err(ShapeError::Mismatch { op: op.mnemonic(), left: left.shape, right: right.shape });
    }
    Ok(Type::f32(left.shape.with(axes - 1, b[axes - 1])))
}
