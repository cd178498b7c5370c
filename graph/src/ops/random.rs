//! Random numbers: a pure function of a seed, a step counter and a stream number. Which number belongs to a place is
//! `kiln_rt::random`'s; what it is for is not known.

use super::{element_type, operands_of, rank};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
use crate::op::Op;
use crate::shape::{DType, Shape, ShapeError};

/// The largest number of elements that are drawn at a time.
const MAX_DRAWN: usize = 1 << 32;

/// `i32[] -> f32[shape]`, `i32[], i32[] -> f32[shape]`.
pub(super) fn infer_random(op: &Op, operands: &[Type], shape: Shape) -> Result<Type, ShapeError> {
    if operands.len() != 2 {
        let [_step] = operands_of(op, operands)?;
    }
    for (number, operand) in operands.iter().enumerate() {
        element_type(op, number, operand.dtype, &[DType::I32])?;
        rank(op, 0, operand.shape)?;
    }
    // Kernels count the places of a stream in 32 bits. (The generator itself could go on to 2**66.)
    if shape.elements() > MAX_DRAWN {
        let rule = "a tensor of random values may have at most 4294967296 elements";
        return Err(ShapeError::Attribute { op: op.mnemonic(), rule });
    }
    Ok(Type::f32(shape))
}

/// The elements of the stream `(seed, step, stream)` from its first one or from the second operand on, in row-major order.
/// Places are counted in 32 bits.
pub(super) fn evaluate_random<T: Real>(operands: &[&Tensor<T>], shape: Shape, seed: u64, stream: u32) -> Tensor<T> {
    let step = operands[0].as_ints()[0] as u32;
    let first = operands.get(1).map_or(0, |first| first.as_ints()[0] as u32);
    let place = |i: usize| u64::from(first.wrapping_add(i as u32));
    let element = |i: usize| f64::from(kiln_rt::random::uniform(seed, step, stream, place(i)));
    Tensor::floats(shape, (0..shape.elements()).map(element))
}
