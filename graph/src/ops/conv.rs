//! Convolution over one to three spatial axes and its two gradients: three faces of one trilinear
//! form, closed under differentiation. Neither layouts nor other ways to the same sums are known here.

use super::window::{spatial, with_spatial};
use super::{factors, operands_of, same_shape, summed, sums, widened};
use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
use crate::op::{Convolution, MAX_SPATIAL, Op, Sliding};
use crate::shape::{DType, Shape, ShapeError, rules};

/// The output's shape for an input `[n, c, in..]` and a weight `[o, c / groups, kernel..]`.
fn output_shape(op: &Op, input: Shape, weight: Shape, conv: Convolution) -> Result<Shape, ShapeError> {
    conv.sliding.check_rank(op, input)?;
    conv.sliding.check_rank(op, weight)?;
    rules::convolution(input, weight.dim(1) * conv.groups, weight.dim(0), &spatial(weight), &conv)
}

/// The shapes of both operands, if they are f32 or bf16 and of the convolution's rank.
fn shapes(op: &Op, operands: &[Type], conv: Convolution) -> Result<[Shape; 2], ShapeError> {
    let [a, b] = operands_of(op, operands)?;
    factors(op, a.dtype, b.dtype)?;
    conv.sliding.check_rank(op, a.shape)?;
    conv.sliding.check_rank(op, b.shape)?;
    Ok([a.shape, b.shape])
}

/// `T[n, c, in..], T[o, c / groups, kernel..] -> f32[n, o, out..]`, where T is f32 or bf16; i32 of u8 and i8, or of i8 and
/// u8.
pub(super) fn infer_conv(op: &Op, operands: &[Type], conv: Convolution) -> Result<Type, ShapeError> {
    let [input, weight] = operands_of(op, operands)?;
    let dtype = sums(op, input.dtype, weight.dtype)?;
    let whole_quads = conv.groups == 1 || weight.shape.rank() > 1 && weight.shape.dim(1).is_multiple_of(4);
    if dtype == DType::I32 && !whole_quads {
        return Err(ShapeError::Attribute {
            op: op.mnemonic(),
            rule: "groups of channels of 8 bits must be whole quads",
        });
    }
    Ok(Type { dtype, shape: output_shape(op, input.shape, weight.shape, conv)? })
}

/// `T[n, o, out..], T[o, c / groups, kernel..] -> f32[n, c, in..]`.
pub(super) fn infer_grad_input(
    op: &Op,
    operands: &[Type],
    conv: Convolution,
    input: [usize; MAX_SPATIAL],
) -> Result<Type, ShapeError> {
    let [gradient, weight] = shapes(op, operands, conv)?;
    let shape = with_spatial(gradient.dim(0), weight.dim(1) * conv.groups, &input[..conv.sliding.spatial]);
    same_shape(op, output_shape(op, shape, weight, conv)?, gradient)?;
    Ok(Type::f32(shape))
}

/// `T[n, c, in..], T[n, o, out..] -> f32[o, c / groups, kernel..]`.
pub(super) fn infer_grad_weight(
    op: &Op,
    operands: &[Type],
    conv: Convolution,
    kernel: [usize; MAX_SPATIAL],
) -> Result<Type, ShapeError> {
    let [input, gradient] = shapes(op, operands, conv)?;
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
    y.graph().apply(Op::ConvGradInput { conv: conv.into(), input: spatial(like.shape()) }, &[y, w])
}

/// `dF/dw`, of the shape of `like`.
fn grad_weight<'g>(x: Value<'g>, y: Value<'g>, like: Value<'g>, conv: Convolution) -> Value<'g> {
    x.graph().apply(Op::ConvGradWeight { conv: conv.into(), kernel: spatial(like.shape()) }, &[x, y])
}

/// `y = dF/dy(x, w)`.
pub(super) fn gradient_conv<'g>(at: &Adjoint<'_, 'g>, conv: Convolution) -> Contributions<'g> {
    let (x, w, y) = (widened(at.operands[0]), widened(at.operands[1]), at.upstream);
    vec![at.of(0, || grad_input(y, w, x, conv)), at.of(1, || grad_weight(x, y, w, conv))]
}

/// `x = dF/dx(y, w)`.
pub(super) fn gradient_grad_input<'g>(at: &Adjoint<'_, 'g>, conv: Convolution) -> Contributions<'g> {
    let (y, w, x) = (widened(at.operands[0]), widened(at.operands[1]), at.upstream);
    vec![at.of(0, || x.conv(w, conv)), at.of(1, || grad_weight(x, y, w, conv))]
}

/// `w = dF/dw(x, y)`.
pub(super) fn gradient_grad_weight<'g>(at: &Adjoint<'_, 'g>, conv: Convolution) -> Contributions<'g> {
    let (x, y, w) = (widened(at.operands[0]), widened(at.operands[1]), at.upstream);
    vec![at.of(0, || grad_input(y, w, x, conv)), at.of(1, || x.conv(w, conv))]
}

/// A run of terms of the form F: `x[x_start + i * x_step] w[weight] y[y_start + i]` for `i` below `length`.
struct Run {
    x_start: usize,
    x_step: usize,
    weight: usize,
    y_start: usize,
    length: usize,
}

/// The terms along one spatial axis for one element of the kernel: the range of `out` whose `in` lies inside of x, and
/// `in` at its begin.
fn overlap(conv: Convolution, axis: usize, x: usize, out: usize, k: usize) -> (std::ops::Range<usize>, usize) {
    let Sliding { stride, padding, dilation, .. } = conv.sliding;
    let (stride, low, reach) = (stride[axis], padding[axis].0, dilation[axis] * k);
    // 0 <= stride * out + reach - low < x
    let begin = low.saturating_sub(reach).div_ceil(stride);
    let end = (x + low).saturating_sub(reach).div_ceil(stride).min(out);
    (begin..end.max(begin), (stride * begin + reach).saturating_sub(low))
}

/// Visits all terms of the form F for operands of the given shapes, in runs along the last spatial axis.
fn runs(conv: Convolution, x: Shape, w: Shape, y: Shape, mut visit: impl FnMut(Run)) {
    // Missing spatial axes come first, with extent 1, stride 1 and no padding.
    let missing = MAX_SPATIAL - conv.sliding.spatial;
    let lifted = |shape: Shape| -> [usize; MAX_SPATIAL] {
        std::array::from_fn(|axis| if axis < missing { 1 } else { shape.dim(axis - missing + 2) })
    };
    let (xs, ws, ys) = (lifted(x), lifted(w), lifted(y));
    let along = |axis: usize, k: usize| match axis.checked_sub(missing) {
        Some(spatial) => overlap(conv, spatial, xs[axis], ys[axis], k),
        None => (0..1, 0),
    };
    let step = |axis: usize| axis.checked_sub(missing).map_or(1, |spatial| conv.sliding.stride[spatial]);
    let (outputs, group_channels) = (w.dim(0), w.dim(1));
    let group_outputs = outputs / conv.groups;
    for weight in 0..w.elements() {
        // weight = [o, c, k0, k1, k2] in row-major order.
        let (rest, k2) = (weight / ws[2], weight % ws[2]);
        let (rest, k1) = (rest / ws[1], rest % ws[1]);
        let (rest, k0) = (rest / ws[0], rest % ws[0]);
        let (o, c) = (rest / group_channels, rest % group_channels);
        let channel = o / group_outputs * group_channels + c;
        let ((out0, in0), (out1, in1), (out2, in2)) = (along(0, k0), along(1, k1), along(2, k2));
        if out2.is_empty() {
            continue;
        }
        for n in 0..x.dim(0) {
            for (i0, o0) in out0.clone().enumerate() {
                let x_plane = (n * x.dim(1) + channel) * xs[0] + in0 + i0 * step(0);
                let y_plane = (n * outputs + o) * ys[0] + o0;
                for (i1, o1) in out1.clone().enumerate() {
                    visit(Run {
                        x_start: (x_plane * xs[1] + in1 + i1 * step(1)) * xs[2] + in2,
                        x_step: step(2),
                        weight,
                        y_start: (y_plane * ys[1] + o1) * ys[2] + out2.start,
                        length: out2.len(),
                    });
                }
            }
        }
    }
}

/// `dF/dy`, of the given shape.
pub(super) fn evaluate_conv<T: Real>(operands: &[&Tensor<T>], ty: Type, conv: Convolution) -> Tensor<T> {
    let (x, w) = (&operands[0].to_f64()[..], operands[1].to_f64());
    let mut y = vec![0.0; ty.shape.elements()];
    runs(conv, operands[0].ty().shape, operands[1].ty().shape, ty.shape, |run| {
        let (weight, mut place) = (w[run.weight], run.x_start);
        for y in &mut y[run.y_start..][..run.length] {
            *y += weight * x[place];
            place += run.x_step;
        }
    });
    summed(ty, y)
}

/// `dF/dx`, of the given shape.
pub(super) fn evaluate_grad_input<T: Real>(operands: &[&Tensor<T>], shape: Shape, conv: Convolution) -> Tensor<T> {
    let (y, w) = (operands[0].to_f64(), operands[1].to_f64());
    let mut result = vec![0.0; shape.elements()];
    let x = &mut result[..];
    runs(conv, shape, operands[1].ty().shape, operands[0].ty().shape, |run| {
        let (weight, mut place) = (w[run.weight], run.x_start);
        for y in &y[run.y_start..][..run.length] {
            x[place] += weight * y;
            place += run.x_step;
        }
    });
    Tensor::floats(shape, result)
}

/// `dF/dw`, of the given shape.
pub(super) fn evaluate_grad_weight<T: Real>(operands: &[&Tensor<T>], shape: Shape, conv: Convolution) -> Tensor<T> {
    let (x, y) = (&operands[0].to_f64()[..], operands[1].to_f64());
    let mut w = vec![0.0; shape.elements()];
    runs(conv, operands[0].ty().shape, shape, operands[1].ty().shape, |run| {
        let (mut sum, mut place) = (0.0, run.x_start);
        for y in &y[run.y_start..][..run.length] {
            sum += y * x[place];
            place += run.x_step;
        }
        w[run.weight] += sum;
    });
    Tensor::floats(shape, w)
}
