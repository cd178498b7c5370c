//! Productions of elementwise functions, choices and reductions.

use kiln_graph::op::{ArgOp, BinaryOp, CompareOp, ReduceOp, UnaryOp};
use kiln_graph::{DType, NodeId, Op, Shape, Type};

use super::Maker;

impl Maker {
    pub(super) fn function(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let op = self.random.pick(UnaryOp::ALL);
        match op {
            UnaryOp::Exp | UnaryOp::Expm1 => {
                let x = self.unary(UnaryOp::Tanh, x);
                let x = self.with(BinaryOp::Mul, x, 3.0);
                self.unary(op, x)
            }
            UnaryOp::Log | UnaryOp::Rsqrt | UnaryOp::Reciprocal => {
                let x = self.positive(x, 0.25);
                self.unary(op, x)
            }
            UnaryOp::Log1p | UnaryOp::Sqrt => {
                let x = self.positive(x, 0.125);
                self.unary(op, x)
            }
            UnaryOp::Not => {
                let x = self.value(DType::Bool);
                self.unary(op, x)
            }
            UnaryOp::Neg
            | UnaryOp::Abs
            | UnaryOp::Sign
            | UnaryOp::Sin
            | UnaryOp::Cos
            | UnaryOp::Tanh
            | UnaryOp::Sigmoid
            | UnaryOp::Erf
            | UnaryOp::Floor => self.unary(op, x),
        }
    }

    pub(super) fn arithmetic(&mut self) -> NodeId {
        let a = self.value(DType::F32);
        let ty = self.graph.ty(a);
        let op = self.random.pick(&[
            BinaryOp::Add,
            BinaryOp::Add,
            BinaryOp::Sub,
            BinaryOp::Mul,
            BinaryOp::Mul,
            BinaryOp::Div,
            BinaryOp::Max,
            BinaryOp::Min,
            BinaryOp::Pow,
        ]);
        let b = if self.random.chance(25) {
            let value = self.random.pick(&[0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 0.1, 3.0]);
            self.full(ty, value)
        } else {
            self.value_of(ty)
        };
        let (a, b) = if self.random.chance(30) { (b, a) } else { (a, b) };
        match op {
            BinaryOp::Div => {
                let b = self.positive(b, 0.5);
                self.binary(op, a, b)
            }
            BinaryOp::Pow => {
                let a = self.positive(a, 0.25);
                let b = self.unary(UnaryOp::Tanh, b);
                self.binary(op, a, b)
            }
            BinaryOp::Mul => {
                let product = self.binary(op, a, b);
                if self.random.chance(30) { self.with(BinaryOp::Mul, product, 0.25) } else { product }
            }
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Max | BinaryOp::Min | BinaryOp::And | BinaryOp::Or => {
                self.binary(op, a, b)
            }
        }
    }

    /// Arithmetic of i32, which may wrap around.
    pub(super) fn whole(&mut self) -> NodeId {
        let a = self.value(DType::I32);
        let b = self.value_of(self.graph.ty(a));
        let op = self.random.pick(&[BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Max, BinaryOp::Min]);
        self.binary(op, a, b)
    }

    pub(super) fn logic(&mut self) -> NodeId {
        let a = self.value(DType::Bool);
        let b = self.value_of(self.graph.ty(a));
        let op = self.random.pick(&[BinaryOp::And, BinaryOp::Or]);
        self.binary(op, a, b)
    }

    pub(super) fn choice(&mut self) -> NodeId {
        let dtype = self.random.pick(&[DType::F32, DType::F32, DType::I32]);
        let a = self.value(dtype);
        let ty = self.graph.ty(a);
        let b = self.value_of(ty);
        let condition = match self.random.below(3) {
            0 => self.value_of(Type::bool(ty.shape)),
            _ => {
                let op = self.random.pick(CompareOp::ALL);
                self.add(Op::Compare(op), &[a, b])
            }
        };
        if self.random.chance(20) {
            return self.add(Op::Convert(dtype), &[condition]);
        }
        self.pool.push(condition);
        let c = self.value_of(ty);
        self.add(Op::Select, &[condition, a, c])
    }

    pub(super) fn reduction(&mut self) -> NodeId {
        let dtype = self.random.pick(&[DType::F32, DType::F32, DType::F32, DType::I32]);
        let x = self.value(dtype);
        let op = self.random.pick(&[ReduceOp::Sum, ReduceOp::Sum, ReduceOp::Max, ReduceOp::Min, ReduceOp::Prod]);
        let axes = self.axes(self.graph.shape(x).rank());
        let op = if dtype == DType::I32 && op == ReduceOp::Prod { ReduceOp::Sum } else { op };
        let x = if op == ReduceOp::Prod { self.unary(UnaryOp::Cos, x) } else { x };
        let reduced = self.add(Op::Reduce { op, axes }, &[x]);
        if op == ReduceOp::Sum && dtype == DType::F32 && self.random.chance(50) {
            let count = self.graph.shape(x).elements() as f64 / self.graph.shape(reduced).elements() as f64;
            return self.with(BinaryOp::Div, reduced, count);
        }
        reduced
    }

    pub(super) fn search(&mut self) -> NodeId {
        let dtype = self.random.pick(&[DType::F32, DType::I32]);
        let mut x = self.value(dtype);
        if self.graph.shape(x).rank() == 0 {
            x = self.add(Op::Reshape(Shape::new(&[1])), &[x]);
        }
        let axis = self.random.below(self.graph.shape(x).rank());
        let op = self.random.pick(ArgOp::ALL);
        self.add(Op::ArgReduce { op, axis }, &[x])
    }

    /// Softmax, or a normalization to mean 0 and variance 1, over some axes: reductions that are broadcast back.
    pub(super) fn normalized(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let shape = self.graph.shape(x);
        let axes = self.axes(shape.rank());
        let kept = axes.iter().fold(shape, |shape, axis| shape.with(axis, 1));
        let count: usize = axes.iter().map(|axis| shape.dim(axis)).product();
        let back = |maker: &mut Maker, op, x| {
            let reduced = maker.add(Op::Reduce { op, axes }, &[x]);
            let reduced = maker.add(Op::Reshape(kept), &[reduced]);
            maker.add(Op::Broadcast(shape), &[reduced])
        };
        if self.random.chance(50) {
            let largest = back(self, ReduceOp::Max, x);
            let shifted = self.binary(BinaryOp::Sub, x, largest);
            let exponentials = self.unary(UnaryOp::Exp, shifted);
            let sum = back(self, ReduceOp::Sum, exponentials);
            return self.binary(BinaryOp::Div, exponentials, sum);
        }
        let sum = back(self, ReduceOp::Sum, x);
        let mean = self.with(BinaryOp::Div, sum, count as f64);
        let centered = self.binary(BinaryOp::Sub, x, mean);
        let squares = self.binary(BinaryOp::Mul, centered, centered);
        let sum = back(self, ReduceOp::Sum, squares);
        let variance = self.with(BinaryOp::Div, sum, count as f64);
        let variance = self.with(BinaryOp::Add, variance, 0.25);
        let scale = self.unary(UnaryOp::Rsqrt, variance);
        self.binary(BinaryOp::Mul, centered, scale)
    }
}
