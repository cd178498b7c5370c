//! What the operations mean. One family a file, and each file is one piece of mathematics: the type
//! rule, the gradient rule, the reference evaluation. This file only hands each operation to its
//! family, with exhaustive matches, so that the compiler lists what a new operation must fill in. No family knows a
//! layer, a pass or how a program computes it; an evaluation is the definition, written plainly.

pub mod conv;
pub mod dot;
pub mod elementwise;
pub mod exchange;
pub mod indexing;
pub mod movement;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod window;

#[cfg(test)]
mod tests;

use crate::build::Value;
use crate::differentiate::{Adjoint, Contributions};
use crate::graph::Type;
use crate::interpret::{Real, Tensor};
use crate::op::{Op, Scalar};
use crate::shape::{DType, Shape, ShapeError, rules};

impl Op {
    /// The type of the result for operands of the given types.
    ///
    /// # Errors
    /// Operands that do not fit, a result without elements or with more than any memory holds ([`rules::tensor`]);
    /// [`ShapeError::Undetermined`] for [`Op::Input`] and [`Op::Constant`], whose types are declared (see [`Op::check`]).
    pub fn infer(&self, operands: &[Type]) -> Result<Type, ShapeError> {
        let ty = self.result(operands)?;
        rules::tensor(ty.shape)?;
        Ok(ty)
    }

    /// The type of the result, whatever its extents.
    fn result(&self, operands: &[Type]) -> Result<Type, ShapeError> {
        match *self {
            Op::Input | Op::Constant(_) => {
                operands_of::<0>(self, operands)?;
                Err(ShapeError::Undetermined { op: self.mnemonic() })
            }
            // The body says it: `scan::check`.
            Op::Scan { .. } => Ok(scan::TOKEN),
            Op::ScanResult { .. } => Err(ShapeError::Undetermined { op: self.mnemonic() }),
            Op::Iota { axis, shape } => indexing::infer_iota(self, operands, axis, shape),
            Op::Unary(function) => elementwise::infer_unary(self, operands, function),
            Op::Binary(function) => elementwise::infer_binary(self, operands, function),
            Op::Compare(_) => elementwise::infer_compare(self, operands),
            Op::Select => elementwise::infer_select(self, operands),
            Op::Convert(dtype) => elementwise::infer_convert(self, operands, dtype),
            Op::Detach => elementwise::infer_detach(self, operands),
            Op::Exchange { .. } => exchange::infer_exchange(self, operands),
            Op::Reduce { op, axes } => reduce::infer_reduce(self, operands, op, axes),
            Op::ArgReduce { axis, .. } => reduce::infer_arg_reduce(self, operands, axis),
            Op::Dot => dot::infer_dot(self, operands),
            Op::Conv(ref conv) => conv::infer_conv(self, operands, **conv),
            Op::ConvGradInput { ref conv, input } => conv::infer_grad_input(self, operands, **conv, input),
            Op::ConvGradWeight { ref conv, kernel } => conv::infer_grad_weight(self, operands, **conv, kernel),
            Op::WindowReduce { ref window, .. } => window::infer_reduce(self, operands, **window),
            Op::WindowMaxGrad(ref window) => window::infer_max_grad(self, operands, **window),
            Op::WindowMaxPick(ref window) => window::infer_max_pick(self, operands, **window),
            Op::WindowArgMax(ref window) => window::infer_arg_max(self, operands, **window),
            Op::WindowSumGrad { ref window, input } => window::infer_sum_grad(self, operands, **window, input),
            Op::Reshape(shape) => movement::infer_reshape(self, operands, shape),
            Op::Transpose(permutation) => movement::infer_transpose(self, operands, permutation),
            Op::Broadcast(shape) => movement::infer_broadcast(self, operands, shape),
            Op::Slice(ref slice) => movement::infer_slice(self, operands, **slice),
            Op::Pad(ref pad) => movement::infer_pad(self, operands, pad.low, pad.high),
            Op::Concat { axis } => movement::infer_concat(self, operands, axis),
            Op::Reverse(axes) => movement::infer_reverse(self, operands, axes),
            Op::Gather { axis } => indexing::infer_gather(self, operands, axis),
            Op::ScatterAdd { axis, extent } => indexing::infer_scatter_add(self, operands, axis, extent),
            Op::TakeRows => indexing::infer_take_rows(self, operands),
            Op::ScatterRows { rows } => indexing::infer_scatter_rows(self, operands, rows),
            Op::Random { shape, .. } => random::infer_random(self, operands, shape),
        }
    }

    /// Whether a node of the declared type may hold this operation on operands of the given types.
    ///
    /// # Errors
    /// As [`Op::infer`]; [`ShapeError::Declared`] if the operation gives another type. An input may declare any type,
    /// a constant any scalar.
    pub fn check(&self, operands: &[Type], declared: Type) -> Result<(), ShapeError> {
        let expected = match self {
            Op::Input | Op::Constant(_) => {
                operands_of::<0>(self, operands)?;
                let shape = if *self == Op::Input { rules::tensor(declared.shape)? } else { Shape::SCALAR };
                Type { dtype: declared.dtype, shape }
            }
            Op::ScanResult { .. } => {
                operands_of::<1>(self, operands)?;
                Type { dtype: declared.dtype, shape: rules::tensor(declared.shape)? }
            }
            op => op.infer(operands)?,
        };
        if expected == declared {
            return Ok(());
        }
        Err(ShapeError::Declared {
            op: self.mnemonic(),
            expected: (expected.dtype, expected.shape),
            found: (declared.dtype, declared.shape),
        })
    }

    /// The gradient of the loss in each operand of one use of this operation.
    pub(crate) fn gradient<'g>(&self, at: &Adjoint<'_, 'g>) -> Contributions<'g> {
        match *self {
            Op::Input | Op::Constant(_) | Op::Iota { .. } => Vec::new(),
            Op::Compare(_) | Op::ArgReduce { .. } | Op::WindowArgMax(_) | Op::Random { .. } | Op::Detach => {
                vec![None; at.operands.len()]
            }
            Op::Scan { .. } | Op::ScanResult { .. } => unreachable!("the gradient of a scan is one of all its results"),
            Op::Unary(function) => elementwise::gradient_unary(at, function),
            Op::Binary(function) => elementwise::gradient_binary(at, function),
            Op::Select => elementwise::gradient_select(at),
            Op::Exchange { .. } => exchange::gradient_exchange(at),
            Op::Convert(_) => elementwise::gradient_convert(at),
            Op::Reduce { op, axes } => reduce::gradient_reduce(at, op, axes),
            Op::Dot => dot::gradient_dot(at),
            Op::Conv(ref conv) => conv::gradient_conv(at, **conv),
            Op::ConvGradInput { ref conv, .. } => conv::gradient_grad_input(at, **conv),
            Op::ConvGradWeight { ref conv, .. } => conv::gradient_grad_weight(at, **conv),
            Op::WindowReduce { op, ref window } => window::gradient_reduce(at, op, **window),
            Op::WindowMaxGrad(ref window) => window::gradient_max_grad(at, **window),
            Op::WindowMaxPick(ref window) => window::gradient_max_pick(at, **window),
            Op::WindowSumGrad { ref window, .. } => window::gradient_sum_grad(at, **window),
            Op::Reshape(_) => movement::gradient_reshape(at),
            Op::Transpose(permutation) => movement::gradient_transpose(at, permutation),
            Op::Broadcast(_) => movement::gradient_broadcast(at),
            Op::Slice(ref slice) => movement::gradient_slice(at, **slice),
            Op::Pad(ref pad) => movement::gradient_pad(at, pad.low, pad.high),
            Op::Concat { axis } => movement::gradient_concat(at, axis),
            Op::Reverse(axes) => movement::gradient_reverse(at, axes),
            Op::Gather { axis } => indexing::gradient_gather(at, axis),
            Op::ScatterAdd { axis, .. } => indexing::gradient_scatter_add(at, axis),
            Op::TakeRows => indexing::gradient_take_rows(at),
            Op::ScatterRows { .. } => indexing::gradient_scatter_rows(at),
        }
    }

    /// The result, of type `ty`, for operands of types that [`Op::infer`] allows. Inputs have no evaluation.
    pub(crate) fn evaluate<T: Real>(&self, operands: &[&Tensor<T>], ty: Type) -> Tensor<T> {
        match *self {
            Op::Input => unreachable!("the value of an input is given"),
            Op::Constant(Scalar(value)) => elementwise::converted(ty.dtype, ty.shape, &[value]),
            Op::Iota { axis, shape } => indexing::evaluate_iota(axis, shape),
            Op::Unary(function) => elementwise::evaluate_unary(operands, function),
            Op::Binary(function) => elementwise::evaluate_binary(operands, function),
            Op::Compare(function) => elementwise::evaluate_compare(operands, function),
            Op::Select => elementwise::evaluate_select(operands),
            Op::Convert(dtype) => elementwise::converted(dtype, ty.shape, &operands[0].to_f64()),
            // Of one shard.
            Op::Detach | Op::Exchange { .. } => operands[0].clone(),
            Op::Reduce { op, axes } => reduce::evaluate_reduce(operands, op, axes),
            Op::ArgReduce { op, axis } => reduce::evaluate_arg_reduce(operands, op, axis),
            Op::Dot => dot::evaluate_dot(operands, ty),
            Op::Conv(ref conv) => conv::evaluate_conv(operands, ty, **conv),
            Op::ConvGradInput { ref conv, .. } => conv::evaluate_grad_input(operands, ty.shape, **conv),
            Op::ConvGradWeight { ref conv, .. } => conv::evaluate_grad_weight(operands, ty.shape, **conv),
            Op::WindowReduce { op, ref window } => window::evaluate_reduce(operands, ty.shape, op, **window),
            Op::WindowMaxGrad(ref window) => window::evaluate_max_grad(operands, **window),
            Op::WindowMaxPick(ref window) => window::evaluate_max_pick(operands, ty.shape, **window),
            Op::WindowArgMax(ref window) => window::evaluate_arg_max(operands, ty.shape, **window),
            Op::WindowSumGrad { ref window, .. } => window::evaluate_sum_grad(operands, ty.shape, **window),
            Op::Reshape(shape) => movement::evaluate_reshape(operands, shape),
            Op::Transpose(permutation) => movement::evaluate_transpose(operands, ty.shape, permutation),
            Op::Broadcast(shape) => movement::evaluate_broadcast(operands, shape),
            Op::Slice(ref slice) => movement::evaluate_slice(operands, ty.shape, **slice),
            Op::Pad(ref pad) => movement::evaluate_pad(operands, ty.shape, pad.low),
            Op::Concat { axis } => movement::evaluate_concat(operands, ty.shape, axis),
            Op::Reverse(axes) => movement::evaluate_reverse(operands, axes),
            Op::Gather { axis } => indexing::evaluate_gather(operands, axis),
            Op::ScatterAdd { axis, .. } => indexing::evaluate_scatter_add(operands, ty.shape, axis),
            Op::TakeRows => indexing::evaluate_take_rows(operands, ty.shape),
            Op::ScatterRows { .. } => indexing::evaluate_scatter_rows(operands, ty.shape),
            Op::Scan { .. } | Op::ScanResult { .. } => unreachable!("a scan is evaluated with its body"),
            Op::Random { shape, seed, stream } => random::evaluate_random(operands, shape, seed, stream),
        }
    }
}

/// The operands, if there are exactly `K`.
fn operands_of<const K: usize>(op: &Op, operands: &[Type]) -> Result<[Type; K], ShapeError> {
    operands.try_into().map_err(|_| ShapeError::Operands { op: op.mnemonic(), expected: K, found: operands.len() })
}

/// That operand number `operand` is of an allowed element type.
fn element_type(op: &Op, operand: usize, found: DType, allowed: &[DType]) -> Result<(), ShapeError> {
    if allowed.contains(&found) {
        return Ok(());
    }
    let expected = match allowed {
        [DType::F32] => "f32",
        [DType::I32] => "i32",
        [DType::Bool] => "bool",
        [DType::F32, DType::Bf16] => "f32 or bf16",
        [DType::F32, DType::I32, DType::Bool] => "f32, i32 or bool",
        [DType::F32, DType::I32, DType::U8] => "f32, i32 or u8",
        [DType::F32, DType::I32, DType::I8] => "f32, i32 or i8",
        [DType::F32, DType::I32, DType::U8, DType::I8, DType::Bool] => "f32, i32, u8, i8 or bool",
        [DType::U8] => "u8",
        [DType::I8] => "i8",
        _ => "f32 or i32",
    };
    Err(ShapeError::ElementType { op: op.mnemonic(), operand, expected, found })
}

/// That two operands of a contraction are both f32 or both bf16.
fn factors(op: &Op, left: DType, right: DType) -> Result<(), ShapeError> {
    element_type(op, 0, left, &[DType::F32, DType::Bf16])?;
    same_type(op, 1, left, right)
}

/// The type of the sums of a contraction of two operands: i32 of u8 and i8, in either order; else f32.
fn sums(op: &Op, left: DType, right: DType) -> Result<DType, ShapeError> {
    let other = match left {
        DType::U8 => DType::I8,
        DType::I8 => DType::U8,
        DType::F32 | DType::Bf16 | DType::I32 | DType::Bool => return factors(op, left, right).map(|()| DType::F32),
    };
    element_type(op, 1, right, &[other])?;
    Ok(DType::I32)
}

/// Sums as a tensor of their type. Those of i32 wrap.
fn summed<T: Real>(ty: Type, sums: Vec<f64>) -> Tensor<T> {
    match ty.dtype {
        // Exact: there is memory for fewer than 2^38 products of 2^15 each.
        DType::I32 => Tensor::ints(ty.shape, sums.into_iter().map(|sum| sum as i64 as i32)),
        _ => Tensor::floats(ty.shape, sums),
    }
}

/// An operand of a contraction as its gradients take it, which are computed in f32.
fn widened(operand: Value<'_>) -> Value<'_> {
    operand.convert(DType::F32)
}

/// That two shapes are the same.
fn same_shape(op: &Op, left: Shape, right: Shape) -> Result<(), ShapeError> {
    if left == right { Ok(()) } else { Err(ShapeError::Mismatch { op: op.mnemonic(), left, right }) }
}

/// That operand number `operand` has the element type of the first one.
fn same_type(op: &Op, operand: usize, first: DType, found: DType) -> Result<(), ShapeError> {
    if first == found {
        return Ok(());
    }
    Err(ShapeError::ElementType { op: op.mnemonic(), operand, expected: first.name(), found })
}

/// That a shape has the given number of axes.
fn rank(op: &Op, expected: usize, found: Shape) -> Result<(), ShapeError> {
    if found.rank() == expected { Ok(()) } else { Err(ShapeError::Rank { op: op.mnemonic(), expected, found }) }
}

/// That a shape has the given axis.
fn axis(op: &Op, axis: usize, shape: Shape) -> Result<(), ShapeError> {
    if axis < shape.rank() {
        return Ok(());
    }
    Err(ShapeError::Axis { op: op.mnemonic(), axis: axis as isize, shape })
}
