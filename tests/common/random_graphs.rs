//! Random valid graphs over all operations, from a seed, with values for their inputs.
//!
//! Shapes are small; the choice is biased to what a fusing compiler finds hard: chains of broadcasts, reductions of
//! elementwise functions of contractions, producers with several users, views of views, several outputs and updates.
//! Functions with poles are applied where they have none, so that values mostly stay finite.

#[path = "random_graphs/arithmetic.rs"]
mod arithmetic;
#[path = "random_graphs/deep.rs"]
mod deep;
#[path = "random_graphs/scans.rs"]
mod scans;
#[path = "random_graphs/structure.rs"]
mod structure;

pub use deep::deep_case;

use kiln_graph::op::{Axes, BinaryOp, PadSpec, ReduceOp, Scalar, SliceSpec, UnaryOp};
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{Builder, DType, Graph, Input, Node, NodeId, Op, Operands, Output, Role, Shape, Type, Update, verify};

/// A graph and a value, as f64, for each of its inputs in order; those of f32 inputs are f32 numbers.
#[derive(Clone)]
pub struct Case {
    pub graph: Graph,
    pub values: Vec<Vec<f64>>,
    /// Whether the values hold infinities, NaN, tiny and huge numbers.
    pub wild: bool,
}

/// The case of a seed.
pub fn random_case(seed: u64) -> Case {
    case_of(seed, Random::new(seed))
}

/// The case of these bytes: each decision takes two of them, as long as there are some. A small change of them mostly makes a
/// small change of the graph.
#[allow(dead_code)]
pub fn case_of_bytes(bytes: &[u8]) -> Case {
    let (seed, rest) = bytes.split_first().unwrap_or((&0, bytes));
    let decisions = rest.as_chunks().0.iter().map(|&two| u16::from_le_bytes(two));
    let mut random = Random::new(0);
    random.decisions = decisions.rev().collect();
    case_of(u64::from(*seed), random)
}

fn case_of(seed: u64, random: Random) -> Case {
    let mut maker = Maker { random, graph: Graph::new(format!("random_{seed}")), pool: Vec::new(), depth: 0 };
    let productions = 2 + maker.random.below(if seed.is_multiple_of(4) { 20 } else { 8 });
    let rank = 1 + maker.random.below(4);
    let shape = maker.shape(rank);
    maker.input(Type::f32(shape), Role::Data);
    for _ in 0..productions {
        maker.produce();
    }
    if seed % 3 == 1 {
        maker.scan();
    }
    maker.finish()
}

/// The graph with tame values from a seed.
pub fn with_values(graph: Graph, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let values = graph.inputs.iter().map(|input| random.feed(graph.ty(input.node), false)).collect();
    Case { graph, values, wild: false }
}

/// SplitMix64; before it, what was decided.
pub struct Random {
    state: u64,
    /// The last first.
    decisions: Vec<u16>,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
        Random { state, decisions: Vec::new() }
    }

    fn next(&mut self) -> u64 {
        let mut z = match self.decisions.pop() {
            Some(decision) => decision.into(),
            None => {
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                self.state
            }
        };
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
                DType::Bf16 | DType::U8 | DType::I8 => {
                    unreachable!("no input or result of a whole graph is narrow")
                }
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
    /// How many scans it is within.
    depth: usize,
}

impl Maker {
    // Nodes.

    fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let types: Vec<Type> = operands.iter().map(|&operand| self.graph.ty(operand)).collect();
        let ty = op.infer(&types).unwrap_or_else(|error| panic!("{}: {error}", op.mnemonic()));
        self.graph.push(Node { op, inputs: operands.into(), ty, scope: 0 })
    }

    fn input(&mut self, ty: Type, role: Role) -> NodeId {
        let node = self.graph.push(Node { op: Op::Input, inputs: Operands::new(), ty, scope: 0 });
        let name = match role {
            Role::Data => format!("x{}", self.graph.inputs.len()),
            Role::State => format!("layer.w{}", self.graph.inputs.len()),
        };
        self.graph
            .inputs
            .push(Input { common: role == Role::Data && self.random.chance(10), ..Input::new(name, role, node) });
        self.pool.push(node);
        node
    }

    fn fresh(&mut self, ty: Type) -> NodeId {
        let role = if self.random.chance(40) { Role::State } else { Role::Data };
        self.input(ty, role)
    }

    fn constant(&mut self, dtype: DType, value: f64) -> NodeId {
        let ty = Type { dtype, shape: Shape::SCALAR };
        self.graph.push(Node { op: Op::Constant(Scalar(value)), inputs: Operands::new(), ty, scope: 0 })
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
            self.add(Op::Slice(spec.into()), &[flat])
        } else {
            let filler = self.constant(self.graph.ty(x).dtype, 0.0);
            let (mut low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
            low[0] = self.random.below(want - have + 1);
            high[0] = want - have - low[0];
            self.add(Op::Pad(PadSpec { low, high }.into()), &[flat, filler])
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
        let made = match self.random.below(35) {
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
            33 => self.rectifier(),
            _ => self.generated(),
        };
        if self.graph.shape(made).elements() <= ELEMENTS {
            self.pool.push(made);
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
