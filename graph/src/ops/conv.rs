//! Convolution over one to three spatial axes and its two gradients: three faces of one trilinear
//! form, closed under differentiation.

use super::window::{spatial, with_spatial};
use super::{element_type, operands_of, same_shape};
use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::op::{Convolution, MAX_SPATIAL, Op};
use crate::shape::{DType, Shape, ShapeError, rules};

/// The output's shape for an input `[n, c, in..]` and a weight `[o, c / groups, kernel..]`.
fn output_shape(op: &Op, input: Shape, weight: Shape, conv: Convolution) -> Result<Shape, ShapeError> {
    conv.sliding.check_rank(op, input)?;
    conv.sliding.check_rank(op, weight)?;
    rules::convolution(input, weight.dim(1) * conv.groups, weight.dim(0), &spatial(weight), &conv)
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

// All three operations are derivatives of the form
//
//     F(x, w, y) = sum over n, o, c, out, k of  x[n, c, in(out, k)] w[o, c, k] y[n, o, out],
//     in(out, k) = stride * out + dilation * k - low,
//
// (c and o of one group; terms with `in` outside of x are absent), which is linear in each argument:
// conv(x, w) = dF/dy, conv_grad_input(y, w) = dF/dx, conv_grad_weight(x, y) = dF/dw. So the gradient of each, in one
// operand with an upstream u of its result's shape, is another of the three with u in the place of that argument.

/// `dF/dx`, of the shape of `like`.
fn grad_input<'g>(y: Value<'g>, w: Value<'g>, like: Value<'g>, conv: Convolution) -> Value<'g> {
    y.graph().apply(Op::ConvGradInput { conv, input: spatial(like.shape()) }, &[y, w])
}

/// `dF/dw`, of the shape of `like`.
fn grad_weight<'g>(x: Value<'g>, y: Value<'g>, like: Value<'g>, conv: Convolution) -> Value<'g> {
    x.graph().apply(Op::ConvGradWeight { conv, kernel: spatial(like.shape()) }, &[x, y])
}

/// `y = dF/dy(x, w)`.
pub(super) fn gradient_conv<'g>(at: &Adjoint<'_, 'g>, conv: Convolution) -> Contributions<'g> {
    let (x, w, y) = (at.operands[0], at.operands[1], at.upstream);
    vec![at.of(0, || grad_input(y, w, x, conv)), at.of(1, || grad_weight(x, y, w, conv))]
}

/// `x = dF/dx(y, w)`.
pub(super) fn gradient_grad_input<'g>(at: &Adjoint<'_, 'g>, conv: Convolution) -> Contributions<'g> {
    let (y, w, x) = (at.operands[0], at.operands[1], at.upstream);
    vec![at.of(0, || x.conv(w, conv)), at.of(1, || grad_weight(x, y, w, conv))]
}

/// `w = dF/dw(x, y)`.
pub(super) fn gradient_grad_weight<'g>(at: &Adjoint<'_, 'g>, conv: Convolution) -> Contributions<'g> {
    let (x, y, w) = (at.operands[0], at.operands[1], at.upstream);
    vec![at.of(0, || grad_input(y, w, x, conv)), at.of(1, || x.conv(w, conv))]
}
