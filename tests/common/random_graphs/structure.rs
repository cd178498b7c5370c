//! Productions of contractions, windows, movements, indexing, and of values from nothing.

use kiln_graph::op::{BinaryOp, Convolution, MAX_SPATIAL, PadSpec, Sliding, UnaryOp, Window, WindowOp};
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{DType, NodeId, Op, Shape, Type};

use super::{Maker, no_slice};

impl Maker {
    /// A matrix product, perhaps with a transposed operand, a bias, an activation.
    pub(super) fn product(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let batch: Vec<usize> = if self.random.chance(30) { vec![self.random.pick(&[1, 2, 3])] } else { vec![] };
        // Now and then large enough for whole register tiles and their tails.
        let large = self.random.chance(20);
        let extent = |maker: &mut Maker| match large {
            true => maker.random.pick(&[4, 15, 16, 31, 32, 33, 40, 65]),
            false => maker.random.pick(&[1, 2, 3, 4, 5, 7, 8, 9, 16, 17]),
        };
        let (m, k, n) = (extent(self), extent(self), extent(self));
        let matrix = |a: usize, b: usize| Shape::new(&[batch.clone(), vec![a, b]].concat());
        let left = self.fitted(x, matrix(m, k));
        let right = if self.random.chance(30) {
            let rank = batch.len() + 2;
            let turned = self.value_of(Type::f32(matrix(n, k)));
            let permutation = swapped(rank - 2, rank - 1);
            self.add(Op::Transpose(permutation), &[turned])
        } else {
            self.value_of(Type::f32(matrix(k, n)))
        };
        let factors = self.factors([left, right]);
        let product = self.add(Op::Dot, &factors);
        // Now and then rows of several axes, with a residual.
        if batch.is_empty() && self.random.chance(25) {
            let rows = Shape::new(&if m % 2 == 0 { [m / 2, 2, n] } else { [1, m, n] });
            let rows_of_product = self.add(Op::Reshape(rows), &[product]);
            let other = self.value_of(Type::f32(rows));
            let residual = self.with(BinaryOp::Mul, other, 0.5);
            let sum = self.binary(BinaryOp::Add, rows_of_product, residual);
            return self.finished(sum);
        }
        self.finished(product)
    }

    /// The operands of a contraction: now and then rounded to bf16, and perhaps moved as such.
    fn factors(&mut self, operands: [NodeId; 2]) -> [NodeId; 2] {
        if !self.random.chance(35) {
            return operands;
        }
        operands.map(|x| {
            let half = self.add(Op::Convert(DType::Bf16), &[x]);
            let shape = self.graph.shape(half);
            match self.random.below(5) {
                0 => {
                    // Others take what is widened again.
                    let wide = self.add(Op::Convert(DType::F32), &[half]);
                    self.pool.push(wide);
                    half
                }
                1 => {
                    let axes = self.axes(shape.rank());
                    self.add(Op::Reverse(axes), &[half])
                }
                2 => {
                    let twice = self.add(Op::Concat { axis: 0 }, &[half, half]);
                    let mut spec = no_slice(self.graph.shape(twice));
                    spec.start[0] = self.random.below(shape.dim(0) + 1);
                    spec.limit[0] = spec.start[0] + shape.dim(0);
                    self.add(Op::Slice(spec.into()), &[twice])
                }
                _ => half,
            }
        })
    }

    /// What follows a contraction: nothing, or a bias, an activation, a scale.
    pub(super) fn finished(&mut self, x: NodeId) -> NodeId {
        self.pool.push(x);
        let ty = self.graph.ty(x);
        let mut x = self.with(BinaryOp::Mul, x, 0.125);
        if self.random.chance(50) {
            let bias = self.broadcast_to(ty);
            x = self.binary(BinaryOp::Add, x, bias);
        }
        match self.random.below(4) {
            0 => self.with(BinaryOp::Max, x, 0.0),
            1 => self.unary(UnaryOp::Tanh, x),
            2 => self.unary(UnaryOp::Sigmoid, x),
            _ => x,
        }
    }

    pub(super) fn sliding(&mut self, spatial: usize) -> Sliding {
        let mut sliding =
            Sliding { spatial, stride: [1; MAX_SPATIAL], padding: [(0, 0); MAX_SPATIAL], dilation: [1; MAX_SPATIAL] };
        for axis in 0..spatial {
            sliding.stride[axis] = self.random.pick(&[1, 1, 1, 2, 3]);
            sliding.padding[axis] = (self.random.pick(&[0, 0, 1, 2]), self.random.pick(&[0, 0, 1, 2]));
            sliding.dilation[axis] = self.random.pick(&[1, 1, 1, 2]);
        }
        sliding
    }

    /// A convolution or one of its gradients.
    pub(super) fn convolution(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let spatial = self.random.pick(&[1, 2, 2, 2, 3]);
        let groups = self.random.pick(&[1, 1, 1, 2, 3]);
        let n = self.random.pick(&[1, 2, 3]);
        let (i, o) = match self.random.chance(20) {
            true => (self.random.pick(&[3, 8, 16, 17]), self.random.pick(&[8, 16, 20, 33])),
            false => (self.random.pick(&[1, 2, 3, 4]), self.random.pick(&[1, 2, 4, 5])),
        };
        let conv = Convolution { sliding: self.sliding(spatial), groups };
        let (mut input, mut kernel) = ([1; MAX_SPATIAL], [1; MAX_SPATIAL]);
        for axis in 0..spatial {
            kernel[axis] = self.random.pick(&[1, 2, 3]);
            input[axis] = self.random.pick(&[3, 5, 6]) + conv.sliding.dilation[axis];
        }
        let image = Shape::new(&[vec![n, i * groups], input[..spatial].to_vec()].concat());
        let filter = Shape::new(&[vec![o * groups, i], kernel[..spatial].to_vec()].concat());
        let Ok(result) = Op::Conv(conv.into()).infer(&[Type::f32(image), Type::f32(filter)]) else {
            return self.function();
        };
        let made = match self.random.below(4) {
            0 => {
                let gradient = self.fitted(x, result.shape);
                let filter = self.value_of(Type::f32(filter));
                let factors = self.factors([gradient, filter]);
                self.add(Op::ConvGradInput { conv: conv.into(), input }, &factors)
            }
            1 => {
                let image = self.fitted(x, image);
                let gradient = self.value_of(result);
                let factors = self.factors([image, gradient]);
                self.add(Op::ConvGradWeight { conv: conv.into(), kernel }, &factors)
            }
            _ => {
                let image = self.fitted(x, image);
                let filter = self.value_of(Type::f32(filter));
                let factors = self.factors([image, filter]);
                self.add(Op::Conv(conv.into()), &factors)
            }
        };
        self.finished(made)
    }

    pub(super) fn window(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let spatial = self.random.pick(&[1, 2, 2, 3]);
        let mut window =
            Window { kernel: [1; MAX_SPATIAL], sliding: self.sliding(spatial), ceil: self.random.chance(30) };
        let mut input = [1; MAX_SPATIAL];
        for (axis, extent) in input[..spatial].iter_mut().enumerate() {
            window.kernel[axis] = self.random.pick(&[1, 2, 3]);
            let padding = &mut window.sliding.padding[axis];
            *padding = (padding.0.min(window.kernel[axis] / 2), padding.1.min(window.kernel[axis] / 2));
            *extent = self.random.pick(&[3, 4, 5, 6]) + window.sliding.dilation[axis];
        }
        let image = Shape::new(
            &[vec![self.random.pick(&[1, 2]), self.random.pick(&[1, 3])], input[..spatial].to_vec()].concat(),
        );
        let max = Op::WindowReduce { op: WindowOp::Max, window: window.into() };
        let Ok(result) = max.infer(&[Type::f32(image)]) else { return self.function() };
        match self.random.below(7) {
            0 => {
                let gradient = self.fitted(x, result.shape);
                self.add(Op::WindowSumGrad { window: window.into(), input }, &[gradient])
            }
            1 => {
                let image = self.fitted(x, image);
                let gradient = self.value_of(result);
                self.add(Op::WindowMaxGrad(window.into()), &[image, gradient])
            }
            2 => {
                let values = self.value_of(Type::f32(image));
                let image = self.fitted(x, image);
                self.add(Op::WindowMaxPick(window.into()), &[image, values])
            }
            3 => {
                let image = self.fitted(x, image);
                self.add(max, &[image])
            }
            4 => {
                // A step back through a maximum pool behind a rectifier.
                let image = self.fitted(x, image);
                let (rectified, pooled) = (self.rectified(image), self.random.chance(80));
                if pooled {
                    let maxima = self.add(max, &[rectified]);
                    self.pool.push(maxima);
                }
                let gradient = self.value_of(result);
                let gradient = self.add(Op::WindowMaxGrad(window.into()), &[rectified, gradient]);
                self.masked(rectified, gradient)
            }
            5 => {
                let image = self.fitted(x, image);
                self.add(Op::WindowArgMax(window.into()), &[image])
            }
            _ => {
                let image = self.fitted(x, image);
                self.add(Op::WindowReduce { op: WindowOp::Sum, window: window.into() }, &[image])
            }
        }
    }

    pub(super) fn movement(&mut self) -> NodeId {
        let dtype = self.random.pick(&[DType::F32, DType::F32, DType::F32, DType::I32, DType::Bool]);
        let mut x = self.value(dtype);
        if dtype == DType::F32 && self.random.chance(15) {
            x = self.add(Op::Convert(DType::Bf16), &[x]);
        }
        let moved = self.moved(x);
        let is_half = self.graph.ty(moved).dtype == DType::Bf16;
        if is_half { self.add(Op::Convert(DType::F32), &[moved]) } else { moved }
    }

    fn moved(&mut self, x: NodeId) -> NodeId {
        let Type { dtype, shape } = self.graph.ty(x);
        let rank = shape.rank();
        match self.random.below(8) {
            0 => {
                // Other factors of the same product.
                let (mut rest, mut extents) = (shape.elements(), Vec::new());
                for factor in [2, 3, 4, 5, 7] {
                    if rest % factor == 0 && self.random.chance(60) {
                        extents.push(factor);
                        rest /= factor;
                    }
                }
                extents.push(rest);
                let last = extents.len() - 1;
                extents.swap(0, last);
                self.add(Op::Reshape(Shape::new(&extents)), &[x])
            }
            1 if rank < MAX_RANK - 1 => {
                let axis = self.random.below(rank + 1);
                let unit = self.add(Op::Reshape(shape.insert(axis, 1)), &[x]);
                let extent = self.random.pick(&[1, 2, 3, 5]);
                self.add(Op::Broadcast(shape.insert(axis, extent)), &[unit])
            }
            2 => {
                let mut spec = no_slice(shape);
                for axis in 0..rank {
                    spec.start[axis] = self.random.below(shape.dim(axis).div_ceil(2));
                    spec.step[axis] = self.random.pick(&[1, 1, 2, 3]);
                    spec.limit[axis] -= self.random.below((spec.limit[axis] - spec.start[axis]).div_ceil(2));
                }
                self.add(Op::Slice(spec.into()), &[x])
            }
            3 => {
                let (mut low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
                for axis in 0..rank {
                    (low[axis], high[axis]) = (self.random.pick(&[0, 0, 1, 2]), self.random.pick(&[0, 0, 1, 3]));
                }
                let is_real = matches!(dtype, DType::F32 | DType::Bf16);
                let value = if is_real { self.random.pick(&[0.0, 0.5, -1.0]) } else { 1.0 };
                let filler = self.constant(dtype, value);
                self.add(Op::Pad(PadSpec { low, high }.into()), &[x, filler])
            }
            4 => {
                let axes = self.axes(rank);
                self.add(Op::Reverse(axes), &[x])
            }
            5 if dtype == DType::F32 => self.add(Op::Detach, &[x]),
            _ => {
                let mut order: Vec<u8> = (0..rank as u8).collect();
                for axis in 1..rank {
                    order.swap(axis, self.random.below(axis + 1));
                }
                let permutation = std::array::from_fn(|axis| order.get(axis).copied().unwrap_or(axis as u8));
                self.add(Op::Transpose(permutation), &[x])
            }
        }
    }

    pub(super) fn concatenation(&mut self) -> NodeId {
        let mut x = self.value(DType::F32);
        if self.graph.shape(x).rank() == 0 {
            x = self.add(Op::Reshape(Shape::new(&[1])), &[x]);
        }
        let shape = self.graph.shape(x);
        let axis = self.random.below(shape.rank());
        let mut parts = vec![x];
        for _ in 0..1 + self.random.below(2) {
            let extent = self.random.pick(&[1, 2, 3]);
            let part = self.value_of(Type::f32(shape.with(axis, extent)));
            parts.push(part);
        }
        let first = self.random.below(parts.len());
        parts.swap(0, first);
        self.add(Op::Concat { axis }, &parts)
    }

    /// Indices reach outside now and then: those are clamped.
    pub(super) fn indexed(&mut self) -> NodeId {
        let mut x = self.value(DType::F32);
        if self.graph.shape(x).rank() == 0 {
            x = self.add(Op::Reshape(Shape::new(&[1])), &[x]);
        }
        let shape = self.graph.shape(x);
        if self.random.chance(50) {
            let rank = self.random.below(3);
            let extents: Vec<usize> = (0..rank).map(|_| self.random.pick(&[1, 2, 3, 5])).collect();
            let indices = self.value_of(Type::i32(Shape::new(&extents)));
            return self.add(Op::TakeRows, &[x, indices]);
        }
        let axis = self.random.below(shape.rank());
        let extent = self.random.pick(&[1, 2, 4]);
        let indices = self.value_of(Type::i32(shape.with(axis, extent)));
        self.add(Op::Gather { axis }, &[x, indices])
    }

    pub(super) fn scattered(&mut self) -> NodeId {
        let mut x = self.value(DType::F32);
        if self.graph.shape(x).rank() == 0 {
            x = self.add(Op::Reshape(Shape::new(&[1])), &[x]);
        }
        let shape = self.graph.shape(x);
        let extent = self.random.pick(&[1, 3, 6]);
        if self.random.chance(50) {
            let rank = 1 + self.random.below(shape.rank());
            let indices = self.value_of(Type::i32(Shape::new(&shape.dims()[..rank])));
            return self.add(Op::ScatterRows { rows: extent }, &[indices, x]);
        }
        let axis = self.random.below(shape.rank());
        let indices = self.value_of(Type::i32(shape));
        self.add(Op::ScatterAdd { axis, extent }, &[indices, x])
    }

    /// Values from nothing, and conversions.
    pub(super) fn generated(&mut self) -> NodeId {
        match self.random.below(4) {
            0 => {
                let rank = 1 + self.random.below(3);
                let shape = self.shape(rank);
                let axis = self.random.below(rank);
                self.add(Op::Iota { axis, shape }, &[])
            }
            1 => {
                let rank = self.random.below(3);
                let shape = self.shape(rank);
                let mut operands = vec![self.value_of(Type::i32(Shape::SCALAR))];
                if self.random.chance(30) {
                    operands.push(self.value_of(Type::i32(Shape::SCALAR)));
                }
                let stream = self.random.below(3) as u32;
                let seed = self.random.below(3) as u64;
                self.add(Op::Random { shape, seed, stream }, &operands)
            }
            2 => {
                let rank = self.random.below(3);
                let shape = self.shape(rank);
                let value = self.random.pick(&[0.0, 1.0, 0.3]);
                self.full(Type::f32(shape), value)
            }
            _ => {
                let from = self.random.pick(&[DType::F32, DType::I32, DType::Bool]);
                let to = self.random.pick(&[DType::F32, DType::I32, DType::Bool]);
                let x = self.value(from);
                self.add(Op::Convert(to), &[x])
            }
        }
    }
}

fn swapped(a: usize, b: usize) -> [u8; MAX_RANK] {
    let mut permutation = std::array::from_fn(|axis| axis as u8);
    permutation.swap(a, b);
    permutation
}
