//! What a reduction folds: the neutral value, how two values and how the lanes of one become one, for each type of
//! numbers. It knows no loops: how many accumulators there are is decided in `reduce.rs`.

use kiln_graph::DType;
use kiln_graph::op::ReduceOp;

use crate::kernel::{Compare, Float2, Int2, KernelBuilder, Operation, Value};
use crate::lower::expression::{Evaluation, Expression, TermId, extremum};

/// A fold of one type of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Fold {
    pub op: ReduceOp,
    pub dtype: DType,
}

impl Fold {
    /// Whether it adds f32.
    pub fn is_sum(self) -> bool {
        self.dtype == DType::F32 && self.op == ReduceOp::Sum
    }

    /// The value that changes nothing.
    pub fn neutral(self, kernel: &mut KernelBuilder) -> Value {
        match (self.dtype, self.op) {
            (DType::F32, ReduceOp::Sum) => kernel.f32(0.0),
            (DType::F32, ReduceOp::Prod) => kernel.f32(1.0),
            (DType::F32, ReduceOp::Max) => kernel.f32(f32::NEG_INFINITY),
            (DType::F32, ReduceOp::Min) => kernel.f32(f32::INFINITY),
            (DType::Bf16 | DType::U8 | DType::I8, _) => unreachable!("no reduction takes narrow types"),
            (DType::I32 | DType::Bool, ReduceOp::Sum) => kernel.i32(0),
            (DType::I32 | DType::Bool, ReduceOp::Prod) => kernel.i32(1),
            (DType::I32 | DType::Bool, ReduceOp::Max) => kernel.i32(i32::MIN),
            (DType::I32 | DType::Bool, ReduceOp::Min) => kernel.i32(i32::MAX),
        }
    }

    /// The fold of two values.
    pub fn combine(self, kernel: &mut KernelBuilder, a: Value, b: Value) -> Value {
        match (self.dtype, self.op) {
            (DType::F32, ReduceOp::Sum) => kernel.add(a, b),
            (DType::F32, ReduceOp::Prod) => kernel.mul(a, b),
            (DType::F32, ReduceOp::Max) => extremum(kernel, Float2::Max, a, b, false, false),
            (DType::F32, ReduceOp::Min) => extremum(kernel, Float2::Min, a, b, false, false),
            (DType::Bf16 | DType::U8 | DType::I8, _) => unreachable!("no reduction takes narrow types"),
            (DType::I32 | DType::Bool, ReduceOp::Sum) => kernel.int2(Int2::Add, a, b),
            (DType::I32 | DType::Bool, ReduceOp::Prod) => kernel.int2(Int2::Mul, a, b),
            (DType::I32 | DType::Bool, ReduceOp::Max) => kernel.int2(Int2::Max, a, b),
            (DType::I32 | DType::Bool, ReduceOp::Min) => kernel.int2(Int2::Min, a, b),
        }
    }

    /// All lanes folded; f32 only. NaN if any lane is.
    pub fn across(self, kernel: &mut KernelBuilder, value: Value) -> Value {
        let fold = |kernel: &mut KernelBuilder, function| kernel.push(Operation::Fold(function, value));
        match self.op {
            ReduceOp::Sum => fold(kernel, Float2::Add),
            ReduceOp::Prod => fold(kernel, Float2::Mul),
            ReduceOp::Max | ReduceOp::Min => {
                // The fold's instruction loses NaNs; a sum of the lanes' `x - x` keeps them, but is NaN for infinities
                // too: so count the lanes that are NaN.
                let function = if self.op == ReduceOp::Max { Float2::Max } else { Float2::Min };
                let nan = kernel.compare(Compare::Ne, value, value);
                let (one, zero) = (kernel.f32(1.0), kernel.f32(0.0));
                let count = kernel.select(nan, one, zero);
                let count = kernel.push(Operation::Fold(Float2::Add, count));
                let any = kernel.compare(Compare::Gt, count, zero);
                let quiet = kernel.f32(f32::NAN);
                let folded = fold(kernel, function);
                kernel.select(any, quiet, folded)
            }
        }
    }
}

/// One of the reductions of a kernel: what it folds, and how.
#[derive(Clone, Copy, Debug)]
pub struct Folded {
    pub value: TermId,
    pub fold: Fold,
}

pub struct Reduction<'a> {
    pub expression: &'a Expression,
    pub evaluation: Evaluation<'a>,
    pub values: &'a [Folded],
    pub kept: usize,
}

impl Reduction<'_> {
    pub fn folded(&self) -> Vec<(usize, usize)> {
        (self.kept..self.expression.rank()).map(|axis| (axis, self.expression.extents[axis])).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.folded().iter().any(|&(_, extent)| extent == 0)
    }

    /// What each reduction has found of nothing, so many times over.
    pub fn neutral(&self, kernel: &mut KernelBuilder, times: usize) -> Vec<Value> {
        let all: Vec<Value> = self.values.iter().map(|folded| folded.fold.neutral(kernel)).collect();
        all.repeat(times)
    }
}
