//! The matrix product over equal batch axes.

use super::{element_type, operands_of, rank};
use crate::differentiate::{Adjoint, Contributions};
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

/// With `Y = A B`: `A' = Y' B^T`, `B' = A^T Y'`.
pub(super) fn gradient_dot<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    let (left, right, upstream) = (at.operands[0], at.operands[1], at.upstream);
    let dot = |a, b| upstream.graph().apply(Op::Dot, &[a, b]);
    vec![at.of(0, || dot(upstream, right.transpose(-1, -2))), at.of(1, || dot(left.transpose(-1, -2), upstream))]
}
