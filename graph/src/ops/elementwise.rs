//! Functions of single elements: unary, binary, comparisons, select, conversions, detach. Operands
//! have equal shapes here; broadcasting is a movement that the builder writes out.

use super::{element_type, operands_of, same_shape, same_type};
use crate::graph::Type;
use crate::op::{BinaryOp, Op, UnaryOp};
use crate::shape::{DType, ShapeError};

const NUMBERS: &[DType] = &[DType::F32, DType::I32];

/// `f32[s] -> f32[s]`; `not: bool[s] -> bool[s]`.
pub(super) fn infer_unary(op: &Op, operands: &[Type], function: UnaryOp) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    let allowed = if function == UnaryOp::Not { DType::Bool } else { DType::F32 };
    element_type(op, 0, x.dtype, &[allowed])?;
    Ok(x)
}

/// `T[s], T[s] -> T[s]`.
pub(super) fn infer_binary(op: &Op, operands: &[Type], function: BinaryOp) -> Result<Type, ShapeError> {
    let [a, b] = operands_of(op, operands)?;
    let allowed = match function {
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Max | BinaryOp::Min => NUMBERS,
        BinaryOp::Div | BinaryOp::Pow => &[DType::F32],
        BinaryOp::And | BinaryOp::Or => &[DType::Bool],
    };
    element_type(op, 0, a.dtype, allowed)?;
    same_type(op, 1, a.dtype, b.dtype)?;
    same_shape(op, a.shape, b.shape)?;
    Ok(a)
}

/// `T[s], T[s] -> bool[s]`.
pub(super) fn infer_compare(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [a, b] = operands_of(op, operands)?;
    element_type(op, 0, a.dtype, NUMBERS)?;
    same_type(op, 1, a.dtype, b.dtype)?;
    same_shape(op, a.shape, b.shape)?;
    Ok(Type::bool(a.shape))
}

/// `bool[s], T[s], T[s] -> T[s]`.
pub(super) fn infer_select(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [condition, a, b] = operands_of(op, operands)?;
    element_type(op, 0, condition.dtype, &[DType::Bool])?;
    same_type(op, 2, a.dtype, b.dtype)?;
    same_shape(op, condition.shape, a.shape)?;
    same_shape(op, a.shape, b.shape)?;
    Ok(a)
}

/// `T[s] -> U[s]`.
pub(super) fn infer_convert(op: &Op, operands: &[Type], dtype: DType) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    Ok(Type { dtype, shape: x.shape })
}

/// `T[s] -> T[s]`.
pub(super) fn infer_detach(op: &Op, operands: &[Type]) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    Ok(x)
}
