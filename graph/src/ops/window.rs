//! Reductions over windows that slide along the spatial axes of `[N, C, spatial..]`. Products with a kernel that slides
//! are `conv.rs`'s.

use super::{element_type, operands_of, same_shape};
use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
use crate::op::{MAX_SPATIAL, Op, Sliding, Window, WindowOp};
use crate::shape::{DType, Shape, ShapeError, rules};

impl Sliding {
    /// A window that moves one step at a time over an unpadded input.
    pub const fn unit(spatial: usize) -> Sliding {
        Sliding { spatial, stride: [1; MAX_SPATIAL], padding: [(0, 0); MAX_SPATIAL], dilation: [1; MAX_SPATIAL] }
    }

    /// That the shape has two leading axes and this sliding's spatial ones.
    pub(super) fn check_rank(&self, op: &Op, shape: Shape) -> Result<(), ShapeError> {
        if !(1..=MAX_SPATIAL).contains(&self.spatial) {
            return Err(ShapeError::Attribute { op: op.mnemonic(), rule: "there must be 1, 2 or 3 spatial axes" });
        }
        super::rank(op, self.spatial + 2, shape)
    }
}

/// `[d0, d1, spatial..]`.
pub(super) fn with_spatial(d0: usize, d1: usize, spatial: &[usize]) -> Shape {
    let mut extents = [0; MAX_SPATIAL + 2];
    (extents[0], extents[1]) = (d0, d1);
    extents[2..2 + spatial.len()].copy_from_slice(spatial);
    Shape::new(&extents[..2 + spatial.len()])
}

/// The spatial extents of a shape; 1 past its rank.
pub(super) fn spatial(shape: Shape) -> [usize; MAX_SPATIAL] {
    let mut extents = [1; MAX_SPATIAL];
    extents[..shape.rank() - 2].copy_from_slice(&shape.dims()[2..]);
    extents
}

/// The shape of the windows' values over an input of the given shape.
fn output_shape(op: &Op, input: Shape, window: Window) -> Result<Shape, ShapeError> {
    window.sliding.check_rank(op, input)?;
    rules::window(op.mnemonic(), input, &window)
}

/// `f32[n, c, in..] -> f32[n, c, out..]`.
pub(super) fn infer_reduce(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    Ok(Type::f32(output_shape(op, x.shape, window)?))
}

/// `f32[n, c, in..], f32[n, c, out..] -> f32[n, c, in..]`.
pub(super) fn infer_max_grad(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    let [x, gradient] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    element_type(op, 1, gradient.dtype, &[DType::F32])?;
    same_shape(op, output_shape(op, x.shape, window)?, gradient.shape)?;
    Ok(x)
}

/// `f32[n, c, in..], f32[n, c, in..] -> f32[n, c, out..]`.
pub(super) fn infer_max_pick(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    let [x, values] = operands_of(op, operands)?;
    element_type(op, 0, x.dtype, &[DType::F32])?;
    element_type(op, 1, values.dtype, &[DType::F32])?;
    same_shape(op, x.shape, values.shape)?;
    Ok(Type::f32(output_shape(op, x.shape, window)?))
}

/// `f32[n, c, in..] -> i32[n, c, out..]`.
pub(super) fn infer_arg_max(op: &Op, operands: &[Type], window: Window) -> Result<Type, ShapeError> {
    Ok(Type::i32(infer_reduce(op, operands, window)?.shape))
}

/// `f32[n, c, out..] -> f32[n, c, in..]`.
pub(super) fn infer_sum_grad(
    op: &Op,
    operands: &[Type],
    window: Window,
    input: [usize; MAX_SPATIAL],
) -> Result<Type, ShapeError> {
    let [gradient] = operands_of(op, operands)?;
    element_type(op, 0, gradient.dtype, &[DType::F32])?;
    window.sliding.check_rank(op, gradient.shape)?;
    let spatial = &input[..window.sliding.spatial];
    let shape = with_spatial(gradient.shape.dim(0), gradient.shape.dim(1), spatial);
    same_shape(op, output_shape(op, shape, window)?, gradient.shape)?;
    Ok(Type::f32(shape))
}

// A window sum is linear: its gradient spreads (window_sum_grad), whose gradient sums again. A window maximum picks
// one place per window; with P(x) the 0/1 matrix of picked places, max = P(x) x, window_max_grad(x, g) = P(x)^T g and
// window_max_pick(x, v) = P(x) v. P is constant almost everywhere, so each is linear in its second operand alone.

/// `P(x)^T g`.
fn max_grad<'g>(x: Value<'g>, gradient: Value<'g>, window: Window) -> Value<'g> {
    x.graph().apply(Op::WindowMaxGrad(window.into()), &[x, gradient])
}

/// `x' = P(x)^T y'` for a maximum, `y'` spread over its window for a sum.
pub(super) fn gradient_reduce<'g>(at: &Adjoint<'_, 'g>, fold: WindowOp, window: Window) -> Contributions<'g> {
    let (x, upstream) = (at.operands[0], at.upstream);
    vec![Some(match fold {
        WindowOp::Max => max_grad(x, upstream, window),
        WindowOp::Sum => {
            upstream.graph().apply(Op::WindowSumGrad { window: window.into(), input: spatial(x.shape()) }, &[upstream])
        }
    })]
}

/// `y = P(x)^T g`: `g' = P(x) y'`.
pub(super) fn gradient_max_grad<'g>(at: &Adjoint<'_, 'g>, window: Window) -> Contributions<'g> {
    let (x, upstream) = (at.operands[0], at.upstream);
    vec![None, at.of(1, || x.graph().apply(Op::WindowMaxPick(window.into()), &[x, upstream]))]
}

/// `y = P(x) v`: `v' = P(x)^T y'`.
pub(super) fn gradient_max_pick<'g>(at: &Adjoint<'_, 'g>, window: Window) -> Contributions<'g> {
    vec![None, at.of(1, || max_grad(at.operands[0], at.upstream, window))]
}

/// The gradient of spreading is the sum.
pub(super) fn gradient_sum_grad<'g>(at: &Adjoint<'_, 'g>, window: Window) -> Contributions<'g> {
    vec![Some(at.upstream.sum_window(window))]
}

/// Visits all pairs of a window and an element of the input in it, as places in tensors of the given shapes; the
/// windows in row-major order, and the elements of each.
fn visit(window: Window, input: Shape, output: Shape, mut pair: impl FnMut(usize, usize)) {
    let (inputs, outputs) = (spatial(input), spatial(output));
    let Sliding { stride, padding, dilation, .. } = window.sliding;
    // The places along one axis that a window covers, those in the padding left out.
    let covered = |axis: usize, out: usize| {
        (0..window.kernel[axis])
            .filter_map(move |k| (out * stride[axis] + k * dilation[axis]).checked_sub(padding[axis].0))
            .filter(move |&place| place < inputs[axis])
    };
    for place in 0..output.elements() {
        let (rest, out2) = (place / outputs[2], place % outputs[2]);
        let (rest, out1) = (rest / outputs[1], rest % outputs[1]);
        let (plane, out0) = (rest / outputs[0], rest % outputs[0]);
        for in0 in covered(0, out0) {
            for in1 in covered(1, out1) {
                for in2 in covered(2, out2) {
                    pair(place, ((plane * inputs[0] + in0) * inputs[1] + in1) * inputs[2] + in2);
                }
            }
        }
    }
}

/// P(x): for each window the place of its first largest element (a NaN is larger than any number); nothing for a
/// window that lies in the padding.
fn largest(x: &[f64], window: Window, input: Shape, output: Shape) -> Vec<Option<usize>> {
    let mut places: Vec<Option<usize>> = vec![None; output.elements()];
    visit(window, input, output, |place, element| {
        let best = &mut places[place];
        let beats = |best: usize| x[element] > x[best] || (x[element].is_nan() && !x[best].is_nan());
        if best.is_none_or(beats) {
            *best = Some(element);
        }
    });
    places
}

/// The fold of each window; -inf or 0 for a window that lies in the padding.
pub(super) fn evaluate_reduce<T: Real>(
    operands: &[&Tensor<T>],
    shape: Shape,
    fold: WindowOp,
    window: Window,
) -> Tensor<T> {
    let x = operands[0].to_f64();
    let input = operands[0].ty().shape;
    match fold {
        WindowOp::Max => {
            let places = largest(&x, window, input, shape);
            Tensor::floats(shape, places.into_iter().map(|place| place.map_or(f64::NEG_INFINITY, |place| x[place])))
        }
        WindowOp::Sum => {
            let mut sums = vec![0.0; shape.elements()];
            visit(window, input, shape, |place, element| sums[place] += x[element]);
            Tensor::floats(shape, sums)
        }
    }
}

/// `P(x)^T g`.
pub(super) fn evaluate_max_grad<T: Real>(operands: &[&Tensor<T>], window: Window) -> Tensor<T> {
    let (x, gradient) = (operands[0].to_f64(), operands[1].to_f64());
    let shape = operands[0].ty().shape;
    let mut result = vec![0.0; shape.elements()];
    for (place, gradient) in largest(&x, window, shape, operands[1].ty().shape).into_iter().zip(gradient) {
        if let Some(place) = place {
            result[place] += gradient;
        }
    }
    Tensor::floats(shape, result)
}

/// `P(x) v`, of the given shape.
pub(super) fn evaluate_max_pick<T: Real>(operands: &[&Tensor<T>], shape: Shape, window: Window) -> Tensor<T> {
    let (x, values) = (operands[0].to_f64(), operands[1].to_f64());
    let places = largest(&x, window, operands[0].ty().shape, shape);
    Tensor::floats(shape, places.into_iter().map(|place| place.map_or(0.0, |place| values[place])))
}

/// The place of each window's maximum within its plane; 0 for a window that lies in the padding.
pub(super) fn evaluate_arg_max<T: Real>(operands: &[&Tensor<T>], shape: Shape, window: Window) -> Tensor<T> {
    let input = operands[0].ty().shape;
    let plane: usize = spatial(input).iter().product();
    let places = largest(&operands[0].to_f64(), window, input, shape);
    Tensor::ints(shape, places.into_iter().map(|place| place.map_or(0, |place| (place % plane) as i32)))
}

/// Each window's gradient added to all of its elements, in a tensor of the given shape.
pub(super) fn evaluate_sum_grad<T: Real>(operands: &[&Tensor<T>], shape: Shape, window: Window) -> Tensor<T> {
    let gradient = operands[0].to_f64();
    let mut result = vec![0.0; shape.elements()];
    visit(window, shape, operands[0].ty().shape, |place, element| result[element] += gradient[place]);
    Tensor::floats(shape, result)
}
