//! Random valid graphs over all operations, from a seed, with values for their inputs.
//!
//! Shapes are small; the choice is biased to what a fusing compiler finds hard: chains of broadcasts, reductions of
//! elementwise functions of contractions, producers with several users, views of views, several outputs and updates.
//! Functions with poles are applied where they have none, so that values mostly stay finite.

use kiln_graph::op::{
    ArgOp, Axes, BinaryOp, CompareOp, Convolution, MAX_SPATIAL, ReduceOp, Scalar, SliceSpec, Sliding, UnaryOp, Window,
    WindowOp,
};
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{Builder, DType, Graph, Input, Node, NodeId, Op, Output, Role, Shape, Type, Update, verify};

/// A graph and a value, as f64, for each of its inputs in order; those of f32 inputs are f32 numbers.
pub struct Case {
    pub graph: Graph,
    pub values: Vec<Vec<f64>>,
    /// Whether the values hold infinities, NaN, tiny and huge numbers.
    pub wild: bool,
}

/// The case of a seed.
pub fn random_case(seed: u64) -> Case {
    let mut maker = Maker { random: Random::new(seed), graph: Graph::new(format!("random_{seed}")), pool: Vec::new() };
    let productions = 2 + maker.random.below(if seed % 4 == 0 { 20 } else { 8 });
    let rank = 1 + maker.random.below(4);
    let shape = maker.shape(rank);
    maker.input(Type::f32(shape), Role::Data);
    for _ in 0..productions {
        maker.produce();
    }
    maker.finish()
}

/// The graph with tame values from a seed.
pub fn with_values(graph: Graph, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let values = graph.inputs.iter().map(|input| random.feed(graph.ty(input.node), false)).collect();
    Case { graph, values, wild: false }
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Values of an input: numbers of few bits, whose sums and products are exact, or any.
    fn feed(&mut self, ty: Type, wild: bool) -> Vec<f64> {
        const ODD: [f64; 8] = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0, -0.0, 1e30, -1e-30, 1e-40];
        let few = self.chance(50);
        (0..ty.shape.elements())
            .map(|_| match ty.dtype {
                DType::F32 if wild && self.chance(25) => f64::from(self.pick(&ODD) as f32),
                DType::F32 if few => self.below(17) as f64 / 4.0 - 2.0,
                DType::F32 => f64::from((self.signed() * 2.0) as f32),
                DType::I32 => self.below(10) as f64 - 2.0,
                DType::Bool => self.below(2) as f64,
            })
            .collect()
    }

    /// Uniform in [-1, 1).
    fn signed(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// No tensor has more elements than this.
const ELEMENTS: usize = 1500;

struct Maker {
    random: Random,
    graph: Graph,
    /// The values made so far that productions start from; guards and constants in between are not.
    pool: Vec<NodeId>,
}

impl Maker {
    // Nodes.

    fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let types: Vec<Type> = operands.iter().map(|&operand| self.graph.ty(operand)).collect();
        let ty = op.infer(&types).unwrap_or_else(|error| panic!("{}: {error}", op.mnemonic()));
        self.graph.push(Node { op, inputs: operands.to_vec(), ty, scope: 0 })
    }

    fn input(&mut self, ty: Type, role: Role) -> NodeId {
        let node = self.graph.push(Node { op: Op::Input, inputs: vec![], ty, scope: 0 });
        let name = match role {
            Role::Data => format!("x{}", self.graph.inputs.len()),
            Role::State => format!("layer.w{}", self.graph.inputs.len()),
        };
        self.graph.inputs.push(Input { name, role, node });
        self.pool.push(node);
        node
    }

    fn fresh(&mut self, ty: Type) -> NodeId {
        let role = if self.random.chance(40) { Role::State } else { Role::Data };
        self.input(ty, role)
    }

    fn constant(&mut self, dtype: DType, value: f64) -> NodeId {
        let ty = Type { dtype, shape: Shape::SCALAR };
        self.graph.push(Node { op: Op::Constant(Scalar(value)), inputs: vec![], ty, scope: 0 })
    }

    fn full(&mut self, ty: Type, value: f64) -> NodeId {
        let scalar = self.constant(ty.dtype, value);
        if ty.shape.rank() == 0 {
            return scalar;
        }
        let ones = self.add(Op::Reshape(Shape::new(&vec![1; ty.shape.rank()])), &[scalar]);
        self.add(Op::Broadcast(ty.shape), &[ones])
    }

    fn unary(&mut self, op: UnaryOp, x: NodeId) -> NodeId {
        self.add(Op::Unary(op), &[x])
    }

    fn binary(&mut self, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
        self.add(Op::Binary(op), &[a, b])
    }

    /// `x op value`.
    fn with(&mut self, op: BinaryOp, x: NodeId, value: f64) -> NodeId {
        let value = self.full(self.graph.ty(x), value);
        self.binary(op, x, value)
    }

    /// `|x| + least`.
    fn positive(&mut self, x: NodeId, least: f64) -> NodeId {
        let x = self.unary(UnaryOp::Abs, x);
        self.with(BinaryOp::Add, x, least)
    }

    // Choices.

    fn shape(&mut self, rank: usize) -> Shape {
        loop {
            let extents: Vec<usize> = (0..rank).map(|_| self.random.pick(&[1, 2, 3, 4, 5, 7, 8, 16, 17, 33])).collect();
            let shape = Shape::new(&extents);
            if shape.elements() <= ELEMENTS / 4 {
                return shape;
            }
        }
    }

    /// A value of the element type, more often a young one.
    fn value(&mut self, dtype: DType) -> NodeId {
        let candidates: Vec<NodeId> =
            self.pool.iter().copied().filter(|&id| self.graph.ty(id).dtype == dtype).collect();
        if candidates.is_empty() || self.random.chance(5) {
            let rank = self.random.below(4);
            let shape = self.shape(rank);
            return self.fresh(Type { dtype, shape });
        }
        let back = self.random.below(candidates.len()).min(self.random.below(candidates.len()));
        candidates[candidates.len() - 1 - back]
    }

    /// A value of the very type: one that there is, one broadcast, a reshaped one, a new one.
    fn value_of(&mut self, ty: Type) -> NodeId {
        let same: Vec<NodeId> = self.pool.iter().copied().filter(|&id| self.graph.ty(id) == ty).collect();
        if !same.is_empty() && self.random.chance(50) {
            return self.random.pick(&same);
        }
        let as_many: Vec<NodeId> = self
            .pool
            .iter()
            .copied()
            .filter(|&id| {
                let of = self.graph.ty(id);
                of != ty && of.dtype == ty.dtype && of.shape.elements() == ty.shape.elements()
            })
            .collect();
        if !as_many.is_empty() && self.random.chance(30) {
            let value = self.random.pick(&as_many);
            return self.add(Op::Reshape(ty.shape), &[value]);
        }
        if ty.shape.rank() > 0 && self.random.chance(50) {
            return self.broadcast_to(ty);
        }
        self.fresh(ty)
    }

    /// Something of a smaller shape, broadcast: a row, a column, a channel's bias, a scalar.
    fn broadcast_to(&mut self, ty: Type) -> NodeId {
        let mut source = ty.shape;
        for axis in 0..ty.shape.rank() {
            if self.random.chance(60) {
                source = source.with(axis, 1);
            }
        }
        let squeezed: Vec<usize> = source.dims().iter().copied().filter(|&extent| extent != 1).collect();
        let small = Type { dtype: ty.dtype, shape: Shape::new(&squeezed) };
        let same: Vec<NodeId> = self.pool.iter().copied().filter(|&id| self.graph.ty(id) == small).collect();
        let value = if same.is_empty() { self.fresh(small) } else { self.random.pick(&same) };
        let reshaped = self.add(Op::Reshape(source), &[value]);
        self.add(Op::Broadcast(ty.shape), &[reshaped])
    }

    /// A value of the shape, made from `x` by slicing, padding or reshaping, whatever its shape.
    fn fitted(&mut self, x: NodeId, shape: Shape) -> NodeId {
        let flat = self.add(Op::Reshape(Shape::new(&[self.graph.shape(x).elements()])), &[x]);
        let (have, want) = (self.graph.shape(flat).elements(), shape.elements());
        let cut = if have >= want {
            let mut spec = no_slice(self.graph.shape(flat));
            spec.start[0] = self.random.below(have - want + 1);
            spec.limit[0] = spec.start[0] + want;
            self.add(Op::Slice(spec), &[flat])
        } else {
            let filler = self.constant(self.graph.ty(x).dtype, 0.0);
            let (mut low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
            low[0] = self.random.below(want - have + 1);
            high[0] = want - have - low[0];
            self.add(Op::Pad { low, high }, &[flat, filler])
        };
        self.add(Op::Reshape(shape), &[cut])
    }

    /// Some axes, at least one if the rank is not 0.
    fn axes(&mut self, rank: usize) -> Axes {
        let axes = Axes::new((0..rank).filter(|_| self.random.chance(45)));
        if axes.is_empty() && rank > 0 { Axes::new([self.random.below(rank)]) } else { axes }
    }

    // Productions.

    fn produce(&mut self) {
        let made = match self.random.below(34) {
            0..=4 => self.function(),
            5..=8 => self.arithmetic(),
            9 => self.whole(),
            10 => self.logic(),
            11 => self.choice(),
            12..=14 => self.reduction(),
            15 => self.search(),
            16..=17 => self.normalized(),
            18..=20 => self.product(),
            21..=23 => self.convolution(),
            24..=25 => self.window(),
            26..=29 => self.movement(),
            30 => self.concatenation(),
            31 => self.indexed(),
            32 => self.scattered(),
            _ => self.generated(),
        };
        if self.graph.shape(made).elements() <= ELEMENTS {
            self.pool.push(made);
        }
    }

    fn function(&mut self) -> NodeId {
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

    fn arithmetic(&mut self) -> NodeId {
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
    fn whole(&mut self) -> NodeId {
        let a = self.value(DType::I32);
        let b = self.value_of(self.graph.ty(a));
        let op = self.random.pick(&[BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Max, BinaryOp::Min]);
        self.binary(op, a, b)
    }

    fn logic(&mut self) -> NodeId {
        let a = self.value(DType::Bool);
        let b = self.value_of(self.graph.ty(a));
        let op = self.random.pick(&[BinaryOp::And, BinaryOp::Or]);
        self.binary(op, a, b)
    }

    fn choice(&mut self) -> NodeId {
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

    fn reduction(&mut self) -> NodeId {
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

    fn search(&mut self) -> NodeId {
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
    fn normalized(&mut self) -> NodeId {
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

    /// A matrix product, perhaps with a transposed operand, a bias, an activation.
    fn product(&mut self) -> NodeId {
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
        let product = self.add(Op::Dot, &[left, right]);
        self.finished(product)
    }

    /// What follows a contraction: nothing, or a bias, an activation, a scale.
    fn finished(&mut self, x: NodeId) -> NodeId {
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

    fn sliding(&mut self, spatial: usize) -> Sliding {
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
    fn convolution(&mut self) -> NodeId {
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
        let Ok(result) = Op::Conv(conv).infer(&[Type::f32(image), Type::f32(filter)]) else {
            return self.function();
        };
        let made = match self.random.below(4) {
            0 => {
                let gradient = self.fitted(x, result.shape);
                let filter = self.value_of(Type::f32(filter));
                self.add(Op::ConvGradInput { conv, input }, &[gradient, filter])
            }
            1 => {
                let image = self.fitted(x, image);
                let gradient = self.value_of(result);
                self.add(Op::ConvGradWeight { conv, kernel }, &[image, gradient])
            }
            _ => {
                let image = self.fitted(x, image);
                let filter = self.value_of(Type::f32(filter));
                self.add(Op::Conv(conv), &[image, filter])
            }
        };
        self.finished(made)
    }

    fn window(&mut self) -> NodeId {
        let x = self.value(DType::F32);
        let spatial = self.random.pick(&[1, 2, 2, 3]);
        let mut window =
            Window { kernel: [1; MAX_SPATIAL], sliding: self.sliding(spatial), ceil: self.random.chance(30) };
        let mut input = [1; MAX_SPATIAL];
        for axis in 0..spatial {
            window.kernel[axis] = self.random.pick(&[1, 2, 3]);
            let padding = &mut window.sliding.padding[axis];
            *padding = (padding.0.min(window.kernel[axis] / 2), padding.1.min(window.kernel[axis] / 2));
            input[axis] = self.random.pick(&[3, 4, 5, 6]) + window.sliding.dilation[axis];
        }
        let image = Shape::new(
            &[vec![self.random.pick(&[1, 2]), self.random.pick(&[1, 3])], input[..spatial].to_vec()].concat(),
        );
        let max = Op::WindowReduce { op: WindowOp::Max, window };
        let Ok(result) = max.infer(&[Type::f32(image)]) else { return self.function() };
        match self.random.below(5) {
            0 => {
                let gradient = self.fitted(x, result.shape);
                self.add(Op::WindowSumGrad { window, input }, &[gradient])
            }
            1 => {
                let image = self.fitted(x, image);
                let gradient = self.value_of(result);
                self.add(Op::WindowMaxGrad(window), &[image, gradient])
            }
            2 => {
                let values = self.value_of(Type::f32(image));
                let image = self.fitted(x, image);
                self.add(Op::WindowMaxPick(window), &[image, values])
            }
            3 => {
                let image = self.fitted(x, image);
                self.add(max, &[image])
            }
            _ => {
                let image = self.fitted(x, image);
                self.add(Op::WindowReduce { op: WindowOp::Sum, window }, &[image])
            }
        }
    }

    fn movement(&mut self) -> NodeId {
        let dtype = self.random.pick(&[DType::F32, DType::F32, DType::F32, DType::I32, DType::Bool]);
        let x = self.value(dtype);
        let shape = self.graph.shape(x);
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
                self.add(Op::Slice(spec), &[x])
            }
            3 => {
                let (mut low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
                for axis in 0..rank {
                    (low[axis], high[axis]) = (self.random.pick(&[0, 0, 1, 2]), self.random.pick(&[0, 0, 1, 3]));
                }
                let value = if dtype == DType::F32 { self.random.pick(&[0.0, 0.5, -1.0]) } else { 1.0 };
                let filler = self.constant(dtype, value);
                self.add(Op::Pad { low, high }, &[x, filler])
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

    fn concatenation(&mut self) -> NodeId {
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
    fn indexed(&mut self) -> NodeId {
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

    fn scattered(&mut self) -> NodeId {
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
    fn generated(&mut self) -> NodeId {
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
                let step = self.value_of(Type::i32(Shape::SCALAR));
                let stream = self.random.below(3) as u32;
                let seed = self.random.below(3) as u64;
                self.add(Op::Random { shape, seed, stream }, &[step])
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

    // The end.

    fn finish(mut self) -> Case {
        if self.random.chance(40) {
            self.differentiate();
        }
        self.outputs();
        self.updates();
        if let Err(violation) = verify(&self.graph) {
            panic!("the generator made an invalid graph: {violation}");
        }
        let wild = self.random.chance(15);
        let inputs = self.graph.inputs.clone();
        let values = inputs.iter().map(|input| self.random.feed(self.graph.ty(input.node), wild)).collect();
        Case { graph: self.graph, values, wild }
    }

    /// Adds gradients of the sum of a value in some inputs.
    fn differentiate(&mut self) {
        let x = self.value(DType::F32);
        let axes = Axes::all(self.graph.shape(x).rank());
        let loss = self.add(Op::Reduce { op: ReduceOp::Sum, axes }, &[x]);
        self.graph.outputs.push(Output { name: "loss".to_string(), node: loss });
        let inputs: Vec<String> = self
            .graph
            .inputs
            .iter()
            .filter(|input| self.graph.ty(input.node).dtype == DType::F32)
            .map(|input| input.name.clone())
            .take(4)
            .collect();
        let builder = Builder::resume(std::mem::take(&mut self.graph));
        let loss = builder.named("loss").expect("an output");
        let of: Vec<_> = inputs.iter().map(|name| builder.named(name).expect("an input")).collect();
        let gradients = builder.gradients_of(loss, &of).unwrap_or_else(|error| panic!("{error}"));
        let made: Vec<NodeId> = gradients.iter().map(|gradient| gradient.id()).collect();
        self.graph = builder.finish().unwrap_or_else(|error| panic!("{error}"));
        self.pool.extend(made);
    }

    /// What nothing uses is put out, and sometimes what is used, too.
    fn outputs(&mut self) {
        let counts = self.graph.use_counts();
        let mut candidates: Vec<NodeId> = Vec::new();
        for &id in &self.pool {
            let dead = counts[id.index()] == 0 && self.graph.node(id).op != Op::Input;
            if !candidates.contains(&id) && (dead || self.random.chance(8)) {
                candidates.push(id);
            }
        }
        if candidates.is_empty() {
            candidates.push(self.pool[self.pool.len() - 1]);
        }
        for (number, node) in candidates.into_iter().enumerate() {
            self.graph.outputs.push(Output { name: format!("y{number}"), node });
        }
    }

    /// Gives some states new values: values of their types, or the old ones moved by them.
    fn updates(&mut self) {
        for index in 0..self.graph.inputs.len() {
            let input = self.graph.inputs[index].clone();
            let ty = self.graph.ty(input.node);
            if input.role == Role::Data || ty.dtype == DType::Bool || !self.random.chance(60) {
                continue;
            }
            let same: Vec<NodeId> = self.pool.iter().copied().filter(|&id| self.graph.ty(id) == ty).collect();
            let other = self.random.pick(&same);
            let node = if ty.dtype == DType::F32 && self.random.chance(70) {
                let decayed = self.with(BinaryOp::Mul, input.node, 0.875);
                let moved = self.with(BinaryOp::Mul, other, 0.125);
                self.binary(BinaryOp::Add, decayed, moved)
            } else {
                other
            };
            self.graph.updates.push(Update { input: index, node });
        }
    }
}

fn no_slice(shape: Shape) -> SliceSpec {
    let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
    spec.limit[..shape.rank()].copy_from_slice(shape.dims());
    spec
}

fn swapped(a: usize, b: usize) -> [u8; MAX_RANK] {
    let mut permutation = std::array::from_fn(|axis| axis as u8);
    permutation.swap(a, b);
    permutation
}
