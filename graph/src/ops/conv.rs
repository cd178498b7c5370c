//! Convolution over one to three spatial axes and its two gradients: three faces of one trilinear
//! form, closed under differentiation.

use super::window::with_spatial;
use super::{element_type, operands_of, same_shape};
use crate::graph::Type;
use crate::op::{Convolution, MAX_SPATIAL, Op};
use crate::shape::{DType, Shape, ShapeError, rules};

/// The output's shape for an input `[n, c, in..]` and a weight `[o, c / groups, kernel..]`.
fn output_shape(op: &Op, input: Shape, weight: Shape, conv: Convolution) -> Result<Shape, ShapeError> {
    conv.sliding.check_rank(op, input)?;
    conv.sliding.check_rank(op, weight)?;
    let mut kernel = [1; MAX_SPATIAL];
    kernel[..conv.sliding.spatial].copy_from_slice(&weight.dims()[2..]);
    rules::convolution(input, weight.dim(1) * conv.groups, weight.dim(0), &kernel, &conv)
}

/// Both operands, if they are f32 and of the convolution's rank.
fn operands_f32(op: &Op, operands: &[Type], conv: Convolution) -> Result<[Shape; 2], ShapeError> {
    let [a, b] = operands_of(op, operands)?;
    element_type(op, 0, a.dtype, &[DType::F32])?;
    element_type(op, 1, b.dtype, &[DType::F32])?;
    conv.sliding.check_rank(op, a.shape)?;
    conv.sliding.check_rank(op, b.shape)?;
    Ok([a.shape, b.shape])
}

/// `f32[n, c, in..], f32[o, c / groups, kernel..] -> f32[n, o, out..]`.
pub(super) fn infer_conv(op: &Op, operands: &[Type], conv: Convolution) -> Result<Type, ShapeError> {
    let [input, weight] = operands_f32(op, operands, conv)?;
    Ok(Type::f32(output_shape(op, input, weight, conv)?))
}

/// `f32[n, o, out..], f32[o, c / groups, kernel..] -> f32[n, c, in..]`.
pub(super) fn infer_grad_input(
    op: &Op,
    operands: &[Type],
    conv: Convolution,
    input: [usize; MAX_SPATIAL],
) -> Result<Type, ShapeError> {
    let [gradient, weight] = operands_f32(op, operands, conv)?;
    let shape = with_spatial(gradient.dim(0), weight.dim(1) * conv.groups, &input[..conv.sliding.spatial]);
    same_shape(op, output_shape(op, shape, weight, conv)?, gradient)?;
    Ok(Type::f32(shape))
}

/// `f32[n, c, in..], f32[n, o, out..] -> f32[o, c / groups, kernel..]`.
pub(super) fn infer_grad_weight(
    op: &Op,
    operands: &[Type],
    conv: Convolution,
    kernel: [usize; MAX_SPATIAL],
) -> Result<Type, ShapeError> {
    let [input, gradient] = operands_f32(op, operands, conv)?;
    let channels = input.dim(1) / conv.groups.max(1);
    let shape = with_spatial(gradient.dim(1), channels, &kernel[..conv.sliding.spatial]);
    same_shape(op, output_shape(op, input, shape, conv)?, gradient)?;
    Ok(Type::f32(shape))
}
