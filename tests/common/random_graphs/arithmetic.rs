//! Productions of elementwise functions, choices and reductions.

use kiln_graph::op::{ArgOp, BinaryOp, CompareOp, Jumps, ReduceOp, Sensitivity, UnaryOp};
use kiln_graph::{DType, NodeId, Op, Shape, Type};

use super::Maker;

impl Maker {
    pub(super) fn function(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let op = self.random.pick(UnaryOp::ALL);
        // Operands for which the result neither overflows nor loses its digits.
        let x = match op.traits().sensitivity {
            Sensitivity::Exponential | Sensitivity::Hyperbolic => {
                let x = self.unary(UnaryOp::Tanh, x);
                self.with(BinaryOp::Mul, x, 3.0)
            }
            Sensitivity::Inside => {
                let x = self.unary(UnaryOp::Tanh, x);
                self.with(BinaryOp::Mul, x, 0.75)
            }
            Sensitivity::Pole { offset, power } => {
                let is_infinite_at_zero = offset <= 0.0 && power <= 0.0;
                self.positive(x, if is_infinite_at_zero { 0.25 } else { 0.125 } - offset.min(0.0))
            }
            Sensitivity::Jumps(Jumps::Nowhere) => self.value(DType::Bool),
            Sensitivity::Same | Sensitivity::Jumps(_) | Sensitivity::Bounded(_) => x,
        };
        self.unary(op, x)
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
            BinaryOp::Atan2,
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
            // To the right of 0, where no rounding turns an angle by a whole turn.
            BinaryOp::Atan2 => {
                let b = self.positive(b, 0.25);
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

    /// A rectifier of a value, and a gradient that its condition masks.
    pub(super) fn rectifier(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let rectified = self.rectified(x);
        if self.random.chance(50) {
            return rectified;
        }
        self.pool.push(rectified);
        let gradient = self.value_of(self.graph.ty(x));
        self.masked(x, gradient)
    }

    /// The value where it is above 0, else 0 or a part of it.
    pub(super) fn rectified(&mut self, x: NodeId) -> NodeId {
        let scaled = match self.random.chance(60) {
            true => self.full(self.graph.ty(x), 0.0),
            false => {
                let factor = self.random.pick(&[0.25, 0.01, 2.0, -1.0, 1e-60, 1e60]);
                self.with(BinaryOp::Mul, x, factor)
            }
        };
        self.select_above_zero(x, x, scaled)
    }

    /// The gradient where the value is above 0, else 0.
    pub(super) fn masked(&mut self, x: NodeId, gradient: NodeId) -> NodeId {
        let zero = self.random.pick(&[0.0, 0.0, 0.0, -0.0]);
        let zero = self.full(self.graph.ty(x), zero);
        self.select_above_zero(x, gradient, zero)
    }

    /// Both spellings of `x > 0 ? above : below`, which tell NaN apart.
    fn select_above_zero(&mut self, x: NodeId, above: NodeId, below: NodeId) -> NodeId {
        let zero = self.full(self.graph.ty(x), 0.0);
        if self.random.chance(50) {
            let condition = self.add(Op::Compare(CompareOp::Gt), &[x, zero]);
            return self.add(Op::Select, &[condition, above, below]);
        }
        let condition = self.add(Op::Compare(CompareOp::Le), &[x, zero]);
        self.add(Op::Select, &[condition, below, above])
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
