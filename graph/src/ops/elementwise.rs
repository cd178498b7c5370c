//! Functions of single elements: unary, binary, comparisons, select, conversions, detach. Operands
//! have equal shapes here; broadcasting is a movement that the builder writes out.

use super::{element_type, operands_of, same_shape, same_type};
use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
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

/// `x' = y' f'(x)`, by the result `y` where that is possible. As in PyTorch, `|x|` has the derivative 0 at 0.
pub(super) fn gradient_unary<'g>(at: &Adjoint<'_, 'g>, function: UnaryOp) -> Contributions<'g> {
    let (x, y, upstream) = (at.operands[0], at.output, at.upstream);
    let gradient = match function {
        UnaryOp::Neg => -upstream,
        UnaryOp::Abs => upstream * x.sign(),
        UnaryOp::Exp => upstream * y,
        UnaryOp::Expm1 => upstream * (y + 1.0),
        UnaryOp::Log => upstream / x,
        UnaryOp::Log1p => upstream / (x + 1.0),
        UnaryOp::Sqrt => upstream / (y * 2.0),
        UnaryOp::Rsqrt => upstream * -0.5 * (y * y * y),
        UnaryOp::Reciprocal => -upstream * (y * y),
        UnaryOp::Sin => upstream * x.cos(),
        UnaryOp::Cos => -upstream * x.sin(),
        UnaryOp::Tanh => upstream * (1.0 - y * y),
        UnaryOp::Sigmoid => upstream * ((1.0 - y) * y),
        UnaryOp::Erf => upstream * ((-(x * x)).exp() * std::f64::consts::FRAC_2_SQRT_PI),
        // Steps: zero almost everywhere.
        UnaryOp::Sign | UnaryOp::Floor | UnaryOp::Not => return vec![None],
    };
    vec![Some(gradient)]
}

/// With `y = f(a, b)`: `a' = y' df/da`, `b' = y' df/db`.
///
/// At a tie each operand of a maximum or minimum gets half. `a^b` follows PyTorch where the formulas
/// `b a^(b - 1)` and `a^b log a` have no value: the first is 0 for `b = 0`, the second 0 for `a = 0, b >= 0`.
pub(super) fn gradient_binary<'g>(at: &Adjoint<'_, 'g>, function: BinaryOp) -> Contributions<'g> {
    let (a, b, y, upstream) = (at.operands[0], at.operands[1], at.output, at.upstream);
    let shared = |loses: Value<'g>| a.eq(b).select(upstream * 0.5, loses.select(0.0, upstream));
    match function {
        BinaryOp::Add => vec![at.of(0, || upstream), at.of(1, || upstream)],
        BinaryOp::Sub => vec![at.of(0, || upstream), at.of(1, || -upstream)],
        BinaryOp::Mul => vec![at.of(0, || upstream * b), at.of(1, || upstream * a)],
        BinaryOp::Div => vec![at.of(0, || upstream / b), at.of(1, || -upstream * y / b)],
        BinaryOp::Max => vec![at.of(0, || shared(a.lt(b))), at.of(1, || shared(a.gt(b)))],
        BinaryOp::Min => vec![at.of(0, || shared(a.gt(b))), at.of(1, || shared(a.lt(b)))],
        BinaryOp::Pow => vec![
            at.of(0, || b.eq(0.0).select(0.0, upstream * (b * a.pow(b - 1.0)))),
            at.of(1, || (a.eq(0.0) & b.ge(0.0)).select(0.0, upstream * (y * a.log()))),
        ],
        BinaryOp::And | BinaryOp::Or => vec![None, None],
    }
}

/// `a' = y'` where the condition holds, `b' = y'` where it does not; the rest is 0.
pub(super) fn gradient_select<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    let (condition, upstream) = (at.operands[0], at.upstream);
    vec![None, at.of(1, || condition.select(upstream, 0.0)), at.of(2, || condition.select(0.0, upstream))]
}

/// `x' = y'` between values that have gradients.
pub(super) fn gradient_convert<'g>(at: &Adjoint<'_, 'g>) -> Contributions<'g> {
    vec![at.of(0, || at.upstream)]
}
