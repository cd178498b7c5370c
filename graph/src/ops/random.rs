//! Random numbers: a pure function of a seed, a step counter and a stream number.

use super::{element_type, operands_of, rank};
use crate::graph::Type;
use crate::op::Op;
use crate::shape::{DType, Shape, ShapeError};

/// `i32[] -> f32[shape]`.
pub(super) fn infer_random(op: &Op, operands: &[Type], shape: Shape) -> Result<Type, ShapeError> {
    let [step] = operands_of(op, operands)?;
    element_type(op, 0, step.dtype, &[DType::I32])?;
    rank(op, 0, step.shape)?;
    Ok(Type::f32(shape))
}
