//! Functions of single elements: unary, binary, comparisons, select, conversions, detach. Operands
//! have equal shapes here; broadcasting is a movement that the builder writes out.

use super::{element_type, operands_of, same_shape, same_type};
use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
use crate::op::{BinaryOp, CompareOp, Op, UnaryOp};
use crate::shape::{DType, Shape, ShapeError};

const NUMBERS: &[DType] = &[DType::F32, DType::I32];

/// What operations other than movements and contractions take.
pub(super) const COMPUTED: &[DType] = &[DType::F32, DType::I32, DType::Bool];

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
        BinaryOp::Div | BinaryOp::Pow | BinaryOp::Atan2 => &[DType::F32],
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
    element_type(op, 1, a.dtype, COMPUTED)?;
    same_type(op, 2, a.dtype, b.dtype)?;
    same_shape(op, condition.shape, a.shape)?;
    same_shape(op, a.shape, b.shape)?;
    Ok(a)
}

/// `T[s] -> U[s]`; what is bf16 comes from f32 and becomes f32, what has 8 bits comes from numbers and becomes one.
pub(super) fn infer_convert(op: &Op, operands: &[Type], dtype: DType) -> Result<Type, ShapeError> {
    let [x] = operands_of(op, operands)?;
    let allowed: &[DType] = match dtype {
        DType::F32 => &DType::ALL,
        DType::Bf16 => &[DType::F32, DType::Bf16],
        DType::I32 => &[DType::F32, DType::I32, DType::U8, DType::I8, DType::Bool],
        DType::U8 => &[DType::F32, DType::I32, DType::U8],
        DType::I8 => &[DType::F32, DType::I32, DType::I8],
        DType::Bool => COMPUTED,
    };
    element_type(op, 0, x.dtype, allowed)?;
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
        // Not y + 1, which is 0 from -17 on.
        UnaryOp::Expm1 => upstream * x.exp(),
        UnaryOp::Log => upstream / x,
        UnaryOp::Log1p => upstream / (x + 1.0),
        UnaryOp::Sqrt => upstream / (y * 2.0),
        UnaryOp::Rsqrt => upstream * -0.5 * (y * y * y),
        UnaryOp::Reciprocal => -upstream * (y * y),
        UnaryOp::Sin => upstream * x.cos(),
        UnaryOp::Cos => -upstream * x.sin(),
        UnaryOp::Asin => upstream * (-(x * x) + 1.0).rsqrt(),
        UnaryOp::Acos => -upstream * (-(x * x) + 1.0).rsqrt(),
        UnaryOp::Sinh => upstream * x.unary(UnaryOp::Cosh),
        UnaryOp::Cosh => upstream * x.unary(UnaryOp::Sinh),
        UnaryOp::Tanh => upstream * (1.0 - y * y),
        UnaryOp::Asinh => upstream * (x * x + 1.0).rsqrt(),
        UnaryOp::Acosh => upstream * (x * x - 1.0).rsqrt(),
        UnaryOp::Atanh => upstream / (1.0 - x * x),
        UnaryOp::Sigmoid => upstream * ((1.0 - y) * y),
        UnaryOp::Erf => upstream * ((-(x * x)).exp() * std::f64::consts::FRAC_2_SQRT_PI),
        // Steps: zero almost everywhere.
        UnaryOp::Sign | UnaryOp::Floor | UnaryOp::Round | UnaryOp::Not => return vec![None],
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
            at.of(0, || {
                // The derivative of what is not chosen is infinite at a = 0; 0 times it would be NaN in the second gradient.
                let none = b.eq(0.0);
                none.select(0.0, upstream * (b * none.select(1.0, a).pow(b - 1.0)))
            }),
            at.of(1, || (a.eq(0.0) & b.ge(0.0)).select(0.0, upstream * (y * a.log()))),
        ],
        BinaryOp::Atan2 => {
            // By a point next to the unit circle, so that squares neither overflow nor vanish; the scale has no say in the
            // result. At the point (0, 0) the gradients are 0, as in PyTorch.
            let scale = a.abs().maximum(b.abs()).minimum(f64::from(f32::MAX)).detach();
            let (up, across) = (a / scale, b / scale);
            let slope = scale.eq(0.0).select(0.0, upstream / (scale * (up * up + across * across)));
            let of = |leg: Value<'g>| scale.eq(0.0).select(0.0, slope * leg);
            vec![at.of(0, || of(across)), at.of(1, || -of(up))]
        }
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

/// The function at each element.
pub(super) fn evaluate_unary<T: Real>(operands: &[&Tensor<T>], function: UnaryOp) -> Tensor<T> {
    let shape = operands[0].ty().shape;
    let values = |f: fn(f64) -> f64| Tensor::floats(shape, operands[0].as_floats().iter().map(|x| f(x.to_f64())));
    match function {
        UnaryOp::Neg => values(|x| -x),
        UnaryOp::Abs => values(f64::abs),
        UnaryOp::Sign => values(|x| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))),
        UnaryOp::Exp => values(f64::exp),
        UnaryOp::Expm1 => values(f64::exp_m1),
        UnaryOp::Log => values(f64::ln),
        UnaryOp::Log1p => values(f64::ln_1p),
        UnaryOp::Sqrt => values(f64::sqrt),
        UnaryOp::Rsqrt => values(|x| 1.0 / x.sqrt()),
        UnaryOp::Reciprocal => values(|x| 1.0 / x),
        UnaryOp::Sin => values(f64::sin),
        UnaryOp::Cos => values(f64::cos),
        UnaryOp::Asin => values(f64::asin),
        UnaryOp::Acos => values(f64::acos),
        UnaryOp::Sinh => values(f64::sinh),
        UnaryOp::Cosh => values(f64::cosh),
        UnaryOp::Tanh => values(f64::tanh),
        UnaryOp::Asinh => values(f64::asinh),
        UnaryOp::Acosh => values(f64::acosh),
        UnaryOp::Atanh => values(f64::atanh),
        UnaryOp::Sigmoid => values(|x| 1.0 / (1.0 + (-x).exp())),
        UnaryOp::Erf => values(erf),
        UnaryOp::Floor => values(f64::floor),
        UnaryOp::Round => values(f64::round_ties_even),
        UnaryOp::Not => Tensor::bools(shape, operands[0].as_bools().iter().map(|&x| !x)),
    }
}

/// The function at each pair of elements.
pub(super) fn evaluate_binary<T: Real>(operands: &[&Tensor<T>], function: BinaryOp) -> Tensor<T> {
    let shape = operands[0].ty().shape;
    match operands {
        [Tensor::F(_), b] => {
            let f = float_function(function);
            let pairs = operands[0].as_floats().iter().zip(b.as_floats());
            Tensor::floats(shape, pairs.map(|(a, b)| f(a.to_f64(), b.to_f64())))
        }
        [Tensor::I(_), b] => {
            let f = int_function(function);
            Tensor::ints(shape, operands[0].as_ints().iter().zip(b.as_ints()).map(|(&a, &b)| f(a, b)))
        }
        _ => {
            let pairs = operands[0].as_bools().iter().zip(operands[1].as_bools());
            let and = function == BinaryOp::And;
            Tensor::bools(shape, pairs.map(|(&a, &b)| if and { a && b } else { a || b }))
        }
    }
}

/// Arithmetic of f32. The larger of a number and NaN is NaN, and so is the smaller.
pub(super) fn float_function(function: BinaryOp) -> fn(f64, f64) -> f64 {
    match function {
        BinaryOp::Add => |a, b| a + b,
        BinaryOp::Sub => |a, b| a - b,
        BinaryOp::Mul => |a, b| a * b,
        BinaryOp::Div => |a, b| a / b,
        BinaryOp::Max => |a, b| if a > b || a.is_nan() { a } else { b },
        BinaryOp::Min => |a, b| if a < b || a.is_nan() { a } else { b },
        BinaryOp::Pow => f64::powf,
        BinaryOp::Atan2 => f64::atan2,
        BinaryOp::And | BinaryOp::Or => unreachable!("a verified graph has bool here"),
    }
}

/// Arithmetic of i32, which wraps around.
pub(super) fn int_function(function: BinaryOp) -> fn(i32, i32) -> i32 {
    match function {
        BinaryOp::Add => i32::wrapping_add,
        BinaryOp::Sub => i32::wrapping_sub,
        BinaryOp::Mul => i32::wrapping_mul,
        BinaryOp::Max => i32::max,
        BinaryOp::Min => i32::min,
        BinaryOp::Div | BinaryOp::Pow | BinaryOp::Atan2 => unreachable!("a verified graph has f32 here"),
        BinaryOp::And | BinaryOp::Or => unreachable!("a verified graph has bool here"),
    }
}

/// The comparison of each pair of elements.
pub(super) fn evaluate_compare<T: Real>(operands: &[&Tensor<T>], function: CompareOp) -> Tensor<T> {
    fn holds<E: PartialOrd>(function: CompareOp, a: &E, b: &E) -> bool {
        match function {
            CompareOp::Eq => a == b,
            CompareOp::Ne => a != b,
            CompareOp::Lt => a < b,
            CompareOp::Le => a <= b,
            CompareOp::Gt => a > b,
            CompareOp::Ge => a >= b,
        }
    }
    let shape = operands[0].ty().shape;
    if operands[0].ty().dtype == DType::F32 {
        let pairs = operands[0].as_floats().iter().zip(operands[1].as_floats());
        Tensor::bools(shape, pairs.map(|(a, b)| holds(function, a, b)))
    } else {
        let pairs = operands[0].as_ints().iter().zip(operands[1].as_ints());
        Tensor::bools(shape, pairs.map(|(a, b)| holds(function, a, b)))
    }
}

/// The element of the second or of the third operand.
pub(super) fn evaluate_select<T: Real>(operands: &[&Tensor<T>]) -> Tensor<T> {
    let conditions = operands[0].as_bools();
    let place = |(i, &condition): (usize, &bool)| if condition { i } else { conditions.len() + i };
    let places: Vec<usize> = conditions.iter().enumerate().map(place).collect();
    Tensor::pick(&operands[1..], operands[1].ty().shape, &places)
}

/// Numbers as a tensor of an element type: rounded for bf16, truncated towards zero (NaN to 0, numbers out of range to
/// the nearest in it) for i32, u8 and i8, compared with 0 for bool.
pub(super) fn converted<T: Real>(dtype: DType, shape: Shape, values: &[f64]) -> Tensor<T> {
    let values = values.iter().copied();
    match dtype {
        DType::F32 => Tensor::floats(shape, values),
        DType::Bf16 => Tensor::halves(shape, values),
        DType::I32 => Tensor::ints(shape, values.map(|x| x as i32)),
        DType::U8 | DType::I8 => Tensor::bytes(dtype, shape, values),
        DType::Bool => Tensor::bools(shape, values.map(|x| x != 0.0)),
    }
}

/// The error function to about 1e-16.
///
/// For `|x| < 3`, `erf x = 2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1 3 5 .. (2n+1))`, all of one sign. Beyond,
/// `erfc x = e^(-x^2) / sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / (x + 2 / ..))))`, to a depth of 60.
fn erf(x: f64) -> f64 {
    let magnitude = x.abs();
    let scale = (-magnitude * magnitude).exp() * std::f64::consts::FRAC_2_SQRT_PI;
    let value = if magnitude < 3.0 {
        let terms = (1..80).scan(magnitude, |term, n| {
            *term *= 2.0 * magnitude * magnitude / f64::from(2 * n + 1);
            Some(*term)
        });
        scale * (magnitude + terms.sum::<f64>())
    } else {
        let fraction = (1..=60).rev().fold(magnitude, |tail, n| magnitude + f64::from(n) / 2.0 / tail);
        1.0 - scale / 2.0 / fraction
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn erf_is_exact_to_rounding() {
        // From the C library.
        let cases = [
            (0.0, 0.0),
            (1e-10, 1.128_379_167_095_512_6e-10),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (2.999, 0.999_977_769_831_400_2),
            (3.001, 0.999_978_048_339_082_2),
            (4.0, 0.999_999_984_582_742_1),
            (30.0, 1.0),
            (f64::INFINITY, 1.0),
        ];
        for (x, expected) in cases {
            assert!((erf(x) - expected).abs() <= 4e-16 * expected.max(1e-300), "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f64::NAN).is_nan());
    }
}
