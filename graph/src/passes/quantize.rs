//! Prediction in 8 bits: contractions of activations with parameters become contractions of u8 and i8, whose sums are i32.
//! It is what a user asks for after training. What is known of activations comes from outside ([`Quantize::watched`] is
//! the graph that tells it); it knows operations and states, no layers and no machines.
//!
//! ```text
//! q  = round(x / s) + z          u8, saturating: s and z of the activation, one of each
//! w8 = round(w / t)              i8: a state in the place of w; t for each output channel, its largest magnitude / 127
//! y  = (sum q w8 - z sum w8) s t      the second sum follows from states alone, and so is computed once
//! ```
//!
//! - An activation is any f32 that is not computed of states alone; a parameter is a state of f32, moved about or not. A state that
//!   anything else reads, or whose output channels are not one axis of it, stays as it is, as do contractions within
//!   scans, and groups of channels that are no whole quads of bytes.
//! - Zeros around an activation are its `z`, so that they stay 0.
//! - All else is f32.

use rustc_hash::{FxHashMap, FxHashSet};

use super::sweep::sweep;
use crate::graph::{Graph, Input, Node, NodeId, Operands, Output, Role, Type};
use crate::op::{Axes, BinaryOp, Convolution, Family, Op, PadSpec, ReduceOp, Scalar, SliceSpec, UnaryOp};
use crate::shape::{DType, MAX_RANK, Shape};

/// The largest magnitude of a weight.
pub const WEIGHT_LIMIT: f32 = 127.0;
/// The largest number that an activation becomes.
pub const ACTIVATION_LIMIT: f32 = 255.0;

/// What numbers of an activation become: `round(x / scale) + zero`, from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The distance of neighbouring numbers.
    pub scale: f32,
    /// What 0 becomes.
    pub zero: u8,
}

impl Affine {
    /// That which covers the numbers between two bounds, and 0, so that 0 is exact.
    pub fn covering(low: f32, high: f32) -> Affine {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let width = high - low;
        if width <= 0.0 || !width.is_finite() {
            return Affine { scale: 1.0, zero: 0 };
        }
        let scale = width / ACTIVATION_LIMIT;
        Affine { scale, zero: (-low / scale).round_ties_even().clamp(0.0, ACTIVATION_LIMIT) as u8 }
    }
}

/// A contraction that may be computed in 8 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantizable {
    /// The state that holds the weight.
    pub state: String,
    /// The weight's shape.
    pub shape: Shape,
    /// The axis of the weight with a place for each output channel.
    pub channels: usize,
    /// Of a convolution or a product of matrices.
    pub operation: &'static str,
    /// The activation.
    pub activation: Shape,
    node: NodeId,
}

/// The contractions of a graph that may be computed in 8 bits, in the order of its nodes: the same one for all sizes of a model.
pub fn quantizable(graph: &Graph) -> Vec<Quantizable> {
    let mut of_states = vec![true; graph.nodes.len()];
    let mut states = FxHashMap::default();
    for (number, input) in graph.inputs.iter().enumerate() {
        of_states[input.node.index()] = input.role == Role::State;
        if input.role == Role::State && graph.ty(input.node).dtype == DType::F32 {
            states.insert(input.node, number);
        }
    }
    for id in graph.ids() {
        let node = graph.node(id);
        let is_made = node.op.family() == Family::Random;
        if node.op != Op::Input {
            of_states[id.index()] = !is_made && node.inputs.iter().all(|operand| of_states[operand.index()]);
        }
    }
    let mut found: Vec<Quantizable> = Vec::new();
    for id in graph.ids() {
        let node = graph.node(id);
        let [x, w] = node.inputs[..] else { continue };
        let channels = match &node.op {
            Op::Dot => graph.shape(w).rank() - 1,
            Op::Conv(conv) if conv.groups == 1 || graph.shape(w).dim(1).is_multiple_of(4) => 0,
            _ => continue,
        };
        if graph.ty(x).dtype != DType::F32 || of_states[x.index()] {
            continue;
        }
        let Some((source, channels)) = source(graph, w, channels) else { continue };
        let Some(&number) = states.get(&source) else { continue };
        let (state, shape) = (graph.inputs[number].name.clone(), graph.shape(source));
        let (operation, activation) = (node.op.mnemonic(), graph.shape(x));
        found.push(Quantizable { state, shape, channels, operation, activation, node: id });
    }
    let usable = |one: &Quantizable| {
        let all: Vec<&Quantizable> = found.iter().filter(|other| other.state == one.state).collect();
        all.iter().all(|other| other.channels == one.channels)
    };
    let agreeing: Vec<Quantizable> = found.iter().filter(|one| usable(one)).cloned().collect();
    let read = read_otherwise(graph, &agreeing);
    agreeing.into_iter().filter(|one| !read.contains(&one.state)).collect()
}

/// The state that a value shows, moved about, and the axis of it that is an axis of the value.
fn source(graph: &Graph, id: NodeId, axis: usize) -> Option<(NodeId, usize)> {
    let (mut id, mut axis) = (id, axis);
    loop {
        let node = graph.node(id);
        match &node.op {
            Op::Input => return Some((id, axis)),
            Op::Transpose(permutation) => axis = usize::from(permutation[axis]),
            Op::Slice(spec) if slices_only(graph.shape(node.inputs[0]), spec, axis) => {}
            Op::Reshape(_)
                if axis == 0 && graph.shape(node.inputs[0]).dims().first() == node.ty.shape.dims().first() => {}
            _ => return None,
        }
        id = node.inputs[0];
    }
}

/// Whether a slice is the whole along all other axes.
fn slices_only(shape: Shape, spec: &SliceSpec, axis: usize) -> bool {
    let whole = |other: usize| spec.start[other] == 0 && spec.limit[other] == shape.dim(other) && spec.step[other] == 1;
    (0..shape.rank()).all(|other| other == axis || whole(other))
}

/// The states of some contractions that something else reads, too.
fn read_otherwise(graph: &Graph, contractions: &[Quantizable]) -> FxHashSet<String> {
    let taken: FxHashSet<NodeId> = contractions.iter().map(|one| one.node).collect();
    // Which state each node shows, moved about.
    let mut shown: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    graph.inputs.iter().enumerate().for_each(|(number, input)| shown[input.node.index()] = Some(number));
    let mut read = FxHashSet::default();
    for id in graph.ids() {
        let node = graph.node(id);
        for (position, operand) in node.inputs.iter().enumerate() {
            let Some(number) = shown[operand.index()] else { continue };
            if node.op.is_view() {
                shown[id.index()] = Some(number);
            } else if position != 1 || !taken.contains(&id) {
                read.insert(graph.inputs[number].name.clone());
            }
        }
    }
    let results = graph.roots().filter_map(|root| shown[root.index()]);
    let updated = graph.updates.iter().map(|update| update.input);
    read.extend(results.chain(updated).map(|number| graph.inputs[number].name.clone()));
    read
}

/// The state that holds the scales of a quantized weight, with as many axes.
pub fn scale_of(state: &str) -> String {
    format!("{state}.scale")
}

/// The graph with an output more for each contraction: `least k` and `greatest k` of its activation, f32 scalars.
pub fn watched(graph: &Graph) -> Graph {
    let all = quantizable(graph);
    let mut new = graph.clone();
    for (number, one) in all.iter().enumerate() {
        let node = graph.node(one.node);
        let axes = Axes::new(0..one.activation.rank());
        for (name, op) in [("least", ReduceOp::Min), ("greatest", ReduceOp::Max)] {
            let bound = add(&mut new, node.scope, Op::Reduce { op, axes }, &[node.inputs[0]]);
            new.outputs.push(Output { name: format!("{name} {number}"), node: bound });
        }
    }
    new
}

/// The graph with two outputs more for each contraction that is given: `error k`, the sum of the squares by which its result
/// differs when its operands are rounded to 8 bits, and `size k`, that of the result.
pub fn compared(graph: &Graph, chosen: &[Option<Affine>]) -> Graph {
    let mut new = graph.clone();
    for (number, (one, chosen)) in quantizable(graph).iter().zip(chosen).enumerate() {
        let Some(affine) = *chosen else { continue };
        let node = graph.node(one.node);
        let scope = node.scope;
        let [x, w] = node.inputs[..] else { unreachable!("a contraction has two operands") };
        let shape = graph.shape(x);
        let rounded = rounded(&mut new, scope, x, affine);
        let [low, high, zero] =
            [0.0, ACTIVATION_LIMIT, f32::from(affine.zero)].map(|number| full(&mut new, scope, number, shape));
        let bounded = add(&mut new, scope, Op::Binary(BinaryOp::Max), &[rounded, low]);
        let bounded = add(&mut new, scope, Op::Binary(BinaryOp::Min), &[bounded, high]);
        let centred = add(&mut new, scope, Op::Binary(BinaryOp::Sub), &[bounded, zero]);
        let scale = full(&mut new, scope, affine.scale, shape);
        let x = add(&mut new, scope, Op::Binary(BinaryOp::Mul), &[centred, scale]);
        let w = rounded_weight(&mut new, scope, w, &node.op);
        let y = add(&mut new, scope, node.op.clone(), &[x, w]);
        let difference = add(&mut new, scope, Op::Binary(BinaryOp::Sub), &[one.node, y]);
        for (name, value) in [("error", difference), ("size", one.node)] {
            let squared = add(&mut new, scope, Op::Binary(BinaryOp::Mul), &[value, value]);
            let axes = Axes::new(0..node.ty.shape.rank());
            let sum = add(&mut new, scope, Op::Reduce { op: ReduceOp::Sum, axes }, &[squared]);
            new.outputs.push(Output { name: format!("{name} {number}"), node: sum });
        }
    }
    new
}

/// The graph with some contractions in 8 bits: what is given says of each of [`quantizable`] what its activation becomes, or
/// nothing where it stays. A weight must stay for all that read it, or for none.
pub fn quantize(graph: &Graph, chosen: &[Option<Affine>]) -> Graph {
    let all = quantizable(graph);
    let taken: FxHashMap<NodeId, (&Quantizable, Affine)> =
        all.iter().zip(chosen).filter_map(|(one, chosen)| Some((one.node, (one, (*chosen)?)))).collect();
    let weights: FxHashMap<&str, &Quantizable> = taken.values().map(|&(one, _)| (one.state.as_str(), one)).collect();
    let mut new = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph.clone() };
    let mut scales: FxHashMap<&str, NodeId> = FxHashMap::default();
    let mut at: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let by_node: FxHashMap<NodeId, &str> = graph.inputs.iter().map(|input| (input.node, input.name.as_str())).collect();
    for id in graph.ids() {
        let node = graph.node(id);
        let inputs: Vec<NodeId> = node.inputs.iter().map(|operand| at[operand.index()]).collect();
        if let Some(&(one, affine)) = taken.get(&id) {
            let scale = scales[one.state.as_str()];
            let scale = scale_of_channels(graph, &mut new, node, one, scale);
            at.push(product(&mut new, node, [inputs[0], inputs[1]], scale, affine));
            continue;
        }
        let mut ty = node.ty;
        if let Some(&one) = by_node.get(&id).and_then(|name| weights.get(name)) {
            ty.dtype = DType::I8;
            let extent = |axis: usize| if axis == one.channels { one.shape.dim(axis) } else { 1 };
            let extents: Vec<usize> = (0..one.shape.rank()).map(extent).collect();
            let scale = Node { op: Op::Input, inputs: Operands::new(), ty: Type::f32(&extents[..]), scope: node.scope };
            let scale = new.push(scale);
            scales.insert(&one.state, scale);
            new.inputs.push(Input { name: scale_of(&one.state), role: Role::State, node: scale });
        } else if node.op.is_view() {
            // What moves a weight moves bytes.
            ty.dtype = new.ty(inputs[0]).dtype;
        }
        at.push(new.push(Node { inputs: Operands::from_slice(&inputs), ty, ..node.clone() }));
    }
    let known = graph.inputs.len();
    new.inputs[..known].iter_mut().for_each(|input| input.node = at[input.node.index()]);
    new.outputs.iter_mut().for_each(|output| output.node = at[output.node.index()]);
    new.updates.iter_mut().for_each(|update| update.node = at[update.node.index()]);
    sweep(&mut new);
    new
}

/// The scales of a weight as a vector, of the channels that a contraction reads of it.
fn scale_of_channels(graph: &Graph, new: &mut Graph, node: &Node, one: &Quantizable, scale: NodeId) -> NodeId {
    let mut vector = add(new, node.scope, Op::Reshape(Shape::new(&[one.shape.dim(one.channels)])), &[scale]);
    // From the state on, parts of its channels.
    let (mut parts, mut id) = (Vec::new(), node.inputs[1]);
    let mut axis = if node.op == Op::Dot { graph.shape(id).rank() - 1 } else { 0 };
    while graph.node(id).op != Op::Input {
        match &graph.node(id).op {
            Op::Transpose(permutation) => axis = usize::from(permutation[axis]),
            Op::Slice(spec) => parts.push((spec.start[axis], spec.limit[axis], spec.step[axis])),
            _ => {}
        }
        id = graph.node(id).inputs[0];
    }
    for (start, limit, step) in parts.into_iter().rev() {
        let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
        (spec.start[0], spec.limit[0], spec.step[0]) = (start, limit, step);
        vector = add(new, node.scope, Op::Slice(spec.into()), &[vector]);
    }
    vector
}

/// A contraction of an activation and bytes, with what takes its sums back to f32.
fn product(new: &mut Graph, node: &Node, [x, w]: [NodeId; 2], scale: NodeId, affine: Affine) -> NodeId {
    let (scope, result) = (node.scope, node.ty.shape);
    let rounded = rounded(new, scope, x, affine);
    let mut bytes = add(new, scope, Op::Convert(DType::U8), &[rounded]);
    let mut op = node.op.clone();
    if let (Op::Conv(conv), true) = (&node.op, affine.zero > 0) {
        (bytes, op) = padded(new, scope, bytes, conv, affine.zero);
    }
    let mut sums = add(new, scope, op, &[bytes, w]);
    // The place of an output channel in the result, and the axes of the weight that are summed over.
    let weight = new.ty(w).shape;
    let (channel, reduced) = match node.op {
        Op::Dot => (result.rank() - 1, Axes::new([weight.rank() - 2])),
        _ => (1, Axes::new(1..weight.rank())),
    };
    if affine.zero > 0 {
        let whole = add(new, scope, Op::Convert(DType::I32), &[w]);
        let sum = add(new, scope, Op::Reduce { op: ReduceOp::Sum, axes: reduced }, &[whole]);
        let zero = constant(new, scope, affine.zero.into(), DType::I32);
        let zeros = broadcast(new, scope, zero, None, new.ty(sum).shape);
        let moved = add(new, scope, Op::Binary(BinaryOp::Mul), &[sum, zeros]);
        // `[b.., n]` of a product beside its rows; `[o]` of a convolution.
        let moved = match node.op {
            Op::Dot => {
                let shape = result.with(result.rank() - 2, 1);
                let reshaped = add(new, scope, Op::Reshape(shape), &[moved]);
                add(new, scope, Op::Broadcast(result), &[reshaped])
            }
            _ => broadcast(new, scope, moved, Some(channel), result),
        };
        sums = add(new, scope, Op::Binary(BinaryOp::Sub), &[sums, moved]);
    }
    let numbers = add(new, scope, Op::Convert(DType::F32), &[sums]);
    let activation = constant(new, scope, affine.scale.into(), DType::F32);
    let activation = broadcast(new, scope, activation, None, new.ty(scale).shape);
    let scale = add(new, scope, Op::Binary(BinaryOp::Mul), &[scale, activation]);
    let scale = broadcast(new, scope, scale, Some(channel), result);
    add(new, scope, Op::Binary(BinaryOp::Mul), &[numbers, scale])
}

/// `round(x / scale) + zero`, as f32.
fn rounded(new: &mut Graph, scope: u32, x: NodeId, affine: Affine) -> NodeId {
    let shape = new.ty(x).shape;
    let scale = full(new, scope, 1.0 / affine.scale, shape);
    let scaled = add(new, scope, Op::Binary(BinaryOp::Mul), &[x, scale]);
    let rounded = add(new, scope, Op::Unary(UnaryOp::Round), &[scaled]);
    if affine.zero == 0 {
        return rounded;
    }
    let zero = full(new, scope, affine.zero.into(), shape);
    add(new, scope, Op::Binary(BinaryOp::Add), &[rounded, zero])
}

/// The input of a convolution with its padding as numbers, and the convolution without.
fn padded(new: &mut Graph, scope: u32, x: NodeId, conv: &Convolution, zero: u8) -> (NodeId, Op) {
    let (mut spec, mut rest) = (PadSpec { low: [0; MAX_RANK], high: [0; MAX_RANK] }, *conv);
    for axis in 0..conv.sliding.spatial {
        let (low, high) = std::mem::take(&mut rest.sliding.padding[axis]);
        (spec.low[2 + axis], spec.high[2 + axis]) = (low, high);
    }
    if spec.low == [0; MAX_RANK] && spec.high == [0; MAX_RANK] {
        return (x, Op::Conv((*conv).into()));
    }
    let zero = constant(new, scope, zero.into(), DType::U8);
    (add(new, scope, Op::Pad(spec.into()), &[x, zero]), Op::Conv(rest.into()))
}

/// A weight rounded to 8 bits, as f32.
fn rounded_weight(new: &mut Graph, scope: u32, w: NodeId, op: &Op) -> NodeId {
    let shape = new.ty(w).shape;
    let (channel, reduced) = match op {
        Op::Dot => (shape.rank() - 1, Axes::new(0..shape.rank() - 1)),
        _ => (0, Axes::new(1..shape.rank())),
    };
    let magnitude = add(new, scope, Op::Unary(UnaryOp::Abs), &[w]);
    let largest = add(new, scope, Op::Reduce { op: ReduceOp::Max, axes: reduced }, &[magnitude]);
    let count = new.ty(largest).shape;
    let [limit, least] = [WEIGHT_LIMIT, f32::MIN_POSITIVE].map(|number| full(new, scope, number, count));
    let scale = add(new, scope, Op::Binary(BinaryOp::Div), &[largest, limit]);
    let scale = add(new, scope, Op::Binary(BinaryOp::Max), &[scale, least]);
    let scale = broadcast(new, scope, scale, Some(channel), shape);
    let quotient = add(new, scope, Op::Binary(BinaryOp::Div), &[w, scale]);
    let rounded = add(new, scope, Op::Unary(UnaryOp::Round), &[quotient]);
    add(new, scope, Op::Binary(BinaryOp::Mul), &[rounded, scale])
}

fn add(new: &mut Graph, scope: u32, op: Op, operands: &[NodeId]) -> NodeId {
    let types: Vec<Type> = operands.iter().map(|&operand| new.ty(operand)).collect();
    let ty = op.infer(&types).unwrap_or_else(|error| panic!("a pass made an illegal node: {error}"));
    new.push(Node { op, inputs: operands.into(), ty, scope })
}

fn constant(new: &mut Graph, scope: u32, value: f64, dtype: DType) -> NodeId {
    let ty = Type { dtype, shape: Shape::SCALAR };
    new.push(Node { op: Op::Constant(Scalar(value)), inputs: Operands::new(), ty, scope })
}

/// A number everywhere.
fn full(new: &mut Graph, scope: u32, value: f32, shape: Shape) -> NodeId {
    let value = constant(new, scope, value.into(), DType::F32);
    broadcast(new, scope, value, None, shape)
}

/// A vector along an axis of a shape, or a scalar everywhere.
fn broadcast(new: &mut Graph, scope: u32, value: NodeId, along: Option<usize>, shape: Shape) -> NodeId {
    let extent = |axis: usize| if Some(axis) == along { shape.dim(axis) } else { 1 };
    let extents: Vec<usize> = (0..shape.rank()).map(extent).collect();
    let reshaped = add(new, scope, Op::Reshape(Shape::new(&extents)), &[value]);
    add(new, scope, Op::Broadcast(shape), &[reshaped])
}
