//! Reductions over whole axes: sum, product, maximum, minimum, and the place of a maximum. Means, variances and norms
//! are compositions of these.

use super::elementwise::{float_function, int_function};
use super::{axis, element_type, operands_of};
use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor, places, strides};
use crate::op::{ArgOp, Axes, BinaryOp, Op, ReduceOp};
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

/// - Sum: `x' = y'`, repeated along the axes.
/// - Product: `x'_i = y' * (the product of all x_j with j != i)`, which holds with zeros among them.
/// - Maximum, minimum: `y'`, divided by the number of ties, at each of them.
pub(super) fn gradient_reduce<'g>(at: &Adjoint<'_, 'g>, fold: ReduceOp, axes: Axes) -> Contributions<'g> {
    let x = at.operands[0];
    let along = |v: Value<'g>| v.restore(x, axes).broadcast_to(x.shape());
    let gradient = match fold {
        ReduceOp::Sum => along(at.upstream),
        ReduceOp::Prod => along(at.upstream) * products_of_others(x, axes),
        ReduceOp::Max | ReduceOp::Min => {
            let ties = x.eq(along(at.output)).convert(DType::F32);
            along(at.upstream / ties.reduce(ReduceOp::Sum, axes)) * ties
        }
    };
    vec![Some(gradient)]
}

/// `[rows, n]` moved by some places towards higher indices, ones in the freed places.
fn moved_up(v: Value<'_>, places: usize) -> Value<'_> {
    v.slice(1, 0..v.shape().dim(1) - places, 1).pad(&[0, places], &[], 1.0)
}

/// `[rows, n]` moved by some places towards lower indices, ones in the freed places.
fn moved_down(v: Value<'_>, places: usize) -> Value<'_> {
    v.slice(1, places..v.shape().dim(1), 1).pad(&[], &[0, places], 1.0)
}

/// For each element the product of all others that are folded with it: those before it times those behind it.
///
/// The products of all before each come from doubling: after step `s` an element holds the product of the `2 s` elements
/// that end just before it, so `log2(n)` steps suffice, and nothing is divided.
fn products_of_others(x: Value<'_>, axes: Axes) -> Value<'_> {
    let shape = x.shape();
    let folded: Vec<usize> = axes.iter().collect();
    let n: usize = folded.iter().map(|&axis| shape.dim(axis)).product();
    if n <= 1 {
        return x.graph().full(shape, 1.0);
    }
    // The folded axes last, as one.
    let order: Vec<usize> = (0..shape.rank()).filter(|&axis| !axes.contains(axis)).chain(folded).collect();
    let ordered = x.permute(&order);
    let rows = ordered.reshape([shape.elements() / n, n]);
    let (mut before, mut behind) = (moved_up(rows, 1), moved_down(rows, 1));
    let mut step = 1;
    while step < n {
        before = before * moved_up(before, step);
        behind = behind * moved_down(behind, step);
        step *= 2;
    }
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
    (before * behind).reshape(ordered.shape()).permute(&inverse)
}

/// Folds each element into the place of the result that it belongs to, in row-major order.
pub(super) fn evaluate_reduce<T: Real>(operands: &[&Tensor<T>], fold: ReduceOp, axes: Axes) -> Tensor<T> {
    let x = operands[0];
    let shape = without(x.ty().shape, axes);
    let (function, neutral) = match fold {
        ReduceOp::Sum => (BinaryOp::Add, 0.0),
        ReduceOp::Prod => (BinaryOp::Mul, 1.0),
        ReduceOp::Max => (BinaryOp::Max, f64::NEG_INFINITY),
        ReduceOp::Min => (BinaryOp::Min, f64::INFINITY),
    };
    // A folded axis does not move the place of the result.
    let mut kept = strides(shape).into_iter();
    let steps: Vec<isize> =
        (0..x.ty().shape.rank()).map(|axis| if axes.contains(axis) { 0 } else { kept.next().unwrap_or(0) }).collect();
    let targets = places(x.ty().shape, 0, &steps);
    if x.ty().dtype == DType::F32 {
        let f = float_function(function);
        let mut results = vec![neutral; shape.elements()];
        for (&target, value) in targets.iter().zip(x.as_floats()) {
            results[target] = f(results[target], value.to_f64());
        }
        Tensor::floats(shape, results)
    } else {
        let f = int_function(function);
        let mut results = vec![neutral as i32; shape.elements()];
        for (&target, &value) in targets.iter().zip(x.as_ints()) {
            results[target] = f(results[target], value);
        }
        Tensor::ints(shape, results)
    }
}

/// The first place along the axis whose element no earlier one equals or beats. A NaN beats every number.
pub(super) fn evaluate_arg_reduce<T: Real>(operands: &[&Tensor<T>], fold: ArgOp, along: usize) -> Tensor<T> {
    let shape = operands[0].ty().shape;
    let values = operands[0].to_f64();
    let n = shape.dim(along);
    let inner: usize = shape.dims()[along + 1..].iter().product();
    let beats = |a: f64, b: f64| match fold {
        ArgOp::Max => a > b || (a.is_nan() && !b.is_nan()),
        ArgOp::Min => a < b || (a.is_nan() && !b.is_nan()),
    };
    let result = shape.remove(along);
    let first = |place: usize| {
        let at = |i: usize| values[(place / inner * n + i) * inner + place % inner];
        (1..n).fold(0, |best, i| if beats(at(i), at(best)) { i } else { best }) as i32
    };
    Tensor::ints(result, (0..result.elements()).map(first))
}
