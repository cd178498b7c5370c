//! Prediction in 8 bits: contractions of activations with parameters become contractions of u8 and i8, whose sums are
//! i32. It is what a user asks for after training. What is known of activations comes from outside ([`watched`] is the
//! graph that tells it); it knows operations and states, no layers and no machines.
//!
//! ```text
//! q  = round(x / s) + z          u8, saturating: s and z of the activation, one of each
//! w8 = round(w / t)              i8: a state in the place of w; t for each output channel, its largest magnitude / 127
//! y  = (sum q w8 - z sum w8) s t      the second sum follows from states alone, and so is computed once
//! ```
//!
//! - An activation is any f32 that is not computed of states alone; a parameter is a state of f32, moved about or not.
//!   A state that anything else reads, or whose output channels are not one axis of it, stays as it is, as do groups of
//!   channels that are no whole quads of bytes.
//! - In the body of a scan the same holds of parameters that all its steps share: what such a step carries on is an
//!   activation, with one range for all steps. Scans within scans stay as they are.
//! - Zeros around an activation are its `z`, so that they stay 0.
//! - All else is f32.

mod find;

pub use find::{Quantizable, quantizable};

use rustc_hash::FxHashMap;

use super::sweep::sweep;
use crate::graph::{Graph, Input, Node, NodeId, Operands, Output, Role, Type};
use crate::op::{Axes, BinaryOp, Convolution, Op, PadSpec, ReduceOp, Scalar, SliceSpec, UnaryOp};
use crate::shape::{DType, MAX_RANK, Shape};
use find::{Part, Place};

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

/// The state that holds the scales of a quantized weight, with as many axes.
pub fn scale_of(state: &str) -> String {
    format!("{state}.scale")
}

/// The graph with an output more for each contraction: `least k` and `greatest k` of its activation, f32 scalars.
pub fn watched(graph: &Graph) -> Graph {
    let mut new = graph.clone();
    for (number, one) in quantizable(graph).iter().enumerate() {
        let axes = Axes::new(0..one.activation.rank());
        for (name, op) in [("least", ReduceOp::Min), ("greatest", ReduceOp::Max)] {
            let name = format!("{name} {number}");
            extra(&mut new, one, name, Some(op), |of| {
                let node = of.node(one.place.node).clone();
                add(of, node.scope, Op::Reduce { op, axes }, &[node.inputs[0]])
            });
        }
    }
    new
}

/// The graph with an output more for each contraction: its activation, `activation k`; of a scan those of all steps.
pub fn shown(graph: &Graph) -> Graph {
    let mut new = graph.clone();
    for (number, one) in quantizable(graph).iter().enumerate() {
        // As one axis: the steps of a scan add another.
        extra(&mut new, one, format!("activation {number}"), None, |of| {
            let x = of.node(one.place.node).inputs[0];
            let (scope, elements) = (of.node(x).scope, of.shape(x).elements());
            add(of, scope, Op::Reshape(Shape::new(&[elements])), &[x])
        });
    }
    new
}

/// The graph with two outputs more for each contraction that is given: `error k`, the sum of the squares by which its result
/// differs when its operands are rounded to 8 bits, and `size k`, that of the result.
pub fn compared(graph: &Graph, chosen: &[Option<Affine>]) -> Graph {
    let mut new = graph.clone();
    for (number, (one, chosen)) in quantizable(graph).iter().zip(chosen).enumerate() {
        let Some(affine) = *chosen else { continue };
        for name in ["error", "size"] {
            extra(&mut new, one, format!("{name} {number}"), Some(ReduceOp::Sum), |of| {
                let y = one.place.node;
                let value = if name == "error" { difference(of, y, affine) } else { y };
                let (scope, rank) = (of.node(y).scope, of.shape(y).rank());
                let squared = add(of, scope, Op::Binary(BinaryOp::Mul), &[value, value]);
                add(of, scope, Op::Reduce { op: ReduceOp::Sum, axes: Axes::new(0..rank) }, &[squared])
            });
        }
    }
    new
}

/// Adds an output for a contraction, which is made in the graph that it is in; what is made in the steps of a scan is reduced.
fn extra(
    new: &mut Graph,
    one: &Quantizable,
    name: String,
    reduced: Option<ReduceOp>,
    make: impl FnOnce(&mut Graph) -> NodeId,
) {
    let Some((scan, _)) = one.place.scan else {
        let node = make(new);
        return new.outputs.push(Output { name, node });
    };
    let Node { op: Op::Scan { body, length, .. }, scope, .. } = *new.node(scan) else {
        unreachable!("it is in a scan")
    };
    let body = &mut new.bodies[body as usize];
    let inner = make(body);
    body.outputs.push(Output { name: name.clone(), node: inner });
    let index = body.updates.len() + body.outputs.len() - 1;
    let ty = body.scan_result(length, index).expect("what is given of a step has one axis or none");
    let inputs = Operands::from_slice(&[scan]);
    let mut node = new.push(Node { op: Op::ScanResult { index: index as u32 }, inputs, ty, scope });
    if let Some(op) = reduced {
        node = add(new, scope, Op::Reduce { op, axes: Axes::new([0]) }, &[node]);
    }
    new.outputs.push(Output { name, node });
}

/// By how much a contraction's result differs when its operands are rounded to 8 bits.
fn difference(new: &mut Graph, id: NodeId, affine: Affine) -> NodeId {
    let node = new.node(id).clone();
    let scope = node.scope;
    let [x, w] = node.inputs[..] else { unreachable!("a contraction has two operands") };
    let shape = new.shape(x);
    let rounded = rounded(new, scope, x, affine);
    let [low, high, zero] =
        [0.0, ACTIVATION_LIMIT, f32::from(affine.zero)].map(|number| full(new, scope, number, shape));
    let bounded = add(new, scope, Op::Binary(BinaryOp::Max), &[rounded, low]);
    let bounded = add(new, scope, Op::Binary(BinaryOp::Min), &[bounded, high]);
    let centred = add(new, scope, Op::Binary(BinaryOp::Sub), &[bounded, zero]);
    let scale = full(new, scope, affine.scale, shape);
    let x = add(new, scope, Op::Binary(BinaryOp::Mul), &[centred, scale]);
    let w = rounded_weight(new, scope, w, &node.op);
    let y = add(new, scope, node.op.clone(), &[x, w]);
    add(new, scope, Op::Binary(BinaryOp::Sub), &[id, y])
}

/// The graph with some contractions in 8 bits: what is given says of each of [`quantizable`] what its activation becomes, or
/// nothing where it stays. A weight must stay for all that read it, or for none.
pub fn quantize(graph: &Graph, chosen: &[Option<Affine>]) -> Graph {
    let all = quantizable(graph);
    let taken: Vec<Taken<'_>> = all.iter().zip(chosen).filter_map(|(one, chosen)| Some((one, (*chosen)?))).collect();
    let weights: FxHashMap<&str, &Quantizable> = taken.iter().map(|&(one, _)| (one.state.as_str(), one)).collect();
    let mut new = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph.clone() };
    let mut scales: FxHashMap<&str, NodeId> = FxHashMap::default();
    let mut at: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let by_node: FxHashMap<NodeId, &str> = graph.inputs.iter().map(|input| (input.node, input.name.as_str())).collect();
    for id in graph.ids() {
        let node = graph.node(id);
        let mut inputs: Vec<NodeId> = node.inputs.iter().map(|operand| at[operand.index()]).collect();
        let vector = |new: &mut Graph, one: &Quantizable| {
            let count = Shape::new(&[one.shape.dim(one.channels)]);
            let vector = add(new, node.scope, Op::Reshape(count), &[scales[one.state.as_str()]]);
            part_of_vector(new, node.scope, vector, &one.parts)
        };
        if let Some(&(one, affine)) = taken.iter().find(|(one, _)| one.place == Place { scan: None, node: id }) {
            let scale = vector(&mut new, one);
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
            new.inputs.push(Input::new(scale_of(&one.state), Role::State, scale));
        } else if node.op.is_view() {
            // What moves a weight moves bytes.
            ty.dtype = new.ty(inputs[0]).dtype;
        } else if let Op::Scan { body, .. } = node.op {
            let within: Vec<Taken<'_>> = taken.iter().filter(|(one, _)| one.scan() == Some(id)).copied().collect();
            if !within.is_empty() {
                inputs.extend(within.iter().map(|(one, _)| vector(&mut new, one)).collect::<Vec<_>>());
                new.bodies[body as usize] = quantized_body(&graph.bodies[body as usize], &within);
            }
        }
        at.push(new.push(Node { inputs: Operands::from_slice(&inputs), ty, ..node.clone() }));
    }
    moved(new, &at, graph.inputs.len())
}

/// A graph whose nodes have moved: so many inputs, the results and the updates are brought to where they are now.
fn moved(mut new: Graph, at: &[NodeId], inputs: usize) -> Graph {
    new.inputs[..inputs].iter_mut().for_each(|input| input.node = at[input.node.index()]);
    new.outputs.iter_mut().for_each(|output| output.node = at[output.node.index()]);
    new.updates.iter_mut().for_each(|update| update.node = at[update.node.index()]);
    sweep(&mut new);
    new
}

/// A contraction, and what its activation becomes.
type Taken<'a> = (&'a Quantizable, Affine);

/// The body of a scan with some contractions in 8 bits; each has an input more, the scales of its weight's channels.
fn quantized_body(body: &Graph, taken: &[Taken<'_>]) -> Graph {
    let mut new = Graph { nodes: Vec::with_capacity(body.nodes.len()), ..body.clone() };
    let mut bytes = vec![false; body.nodes.len()];
    let mut scales = Vec::with_capacity(taken.len());
    for (number, (one, _)) in taken.iter().enumerate() {
        let Some((_, weight)) = one.place.scan else { unreachable!("it is in a scan") };
        bytes[body.inputs[weight].node.index()] = true;
        let channels = one
            .parts
            .iter()
            .fold(one.shape.dim(one.channels), |_, &(start, limit, step)| (limit - start).div_ceil(step));
        let scope = body.node(one.place.node).scope;
        let scale = new.push(Node { op: Op::Input, inputs: Operands::new(), ty: Type::f32([channels]), scope });
        new.inputs.push(Input::new(format!("scale {number}"), Role::State, scale));
        scales.push(scale);
    }
    let mut at: Vec<NodeId> = Vec::with_capacity(body.nodes.len());
    for id in body.ids() {
        let node = body.node(id);
        let inputs: Vec<NodeId> = node.inputs.iter().map(|operand| at[operand.index()]).collect();
        if let Some(number) = taken.iter().position(|(one, _)| one.place.node == id) {
            let (one, affine) = taken[number];
            let scale = part_of_vector(&mut new, node.scope, scales[number], &one.inner);
            at.push(product(&mut new, node, [inputs[0], inputs[1]], scale, affine));
            continue;
        }
        let mut ty = node.ty;
        if bytes[id.index()] {
            ty.dtype = DType::I8;
        } else if node.op.is_view() {
            ty.dtype = new.ty(inputs[0]).dtype;
        }
        at.push(new.push(Node { inputs: Operands::from_slice(&inputs), ty, ..node.clone() }));
    }
    moved(new, &at, body.inputs.len())
}

/// Parts of a vector, one after the other.
fn part_of_vector(new: &mut Graph, scope: u32, vector: NodeId, parts: &[Part]) -> NodeId {
    parts.iter().fold(vector, |vector, &(start, limit, step)| {
        let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
        (spec.start[0], spec.limit[0], spec.step[0]) = (start, limit, step);
        add(new, scope, Op::Slice(spec.into()), &[vector])
    })
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
