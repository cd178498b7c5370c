//! Which contractions of a graph may be computed in 8 bits: those of activations with parameters, also in the bodies of
//! scans. It changes nothing.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::graph::{Graph, NodeId, Role};
use crate::op::{Family, Op, SliceSpec};
use crate::shape::{DType, Shape};

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
    /// The activation; of a scan, in one step.
    pub activation: Shape,
    /// Where it is.
    pub(super) place: Place,
    /// Which of the channels reach it, from the state on; of a scan, which reach the operand of the scan.
    pub(super) parts: Vec<Part>,
    /// Of a scan: which of these it reads in the body.
    pub(super) inner: Vec<Part>,
}

impl Quantizable {
    /// The scan in whose body it is.
    pub(super) fn scan(&self) -> Option<NodeId> {
        self.place.scan.map(|(scan, _)| scan)
    }
}

/// Where a contraction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The scan in whose body it is, and which of the body's inputs is its weight.
    pub scan: Option<(NodeId, usize)>,
    /// The node, of the graph or of the body.
    pub node: NodeId,
}

/// A part of an axis: where it begins and ends, and its step.
pub(super) type Part = (usize, usize, usize);

/// The contractions of a graph that may be computed in 8 bits, in the order of its nodes: the same one for all sizes of a model.
pub fn quantizable(graph: &Graph) -> Vec<Quantizable> {
    let of_states = of_states(graph, |number| graph.inputs[number].role == Role::State);
    let states: FxHashMap<NodeId, usize> = graph
        .inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| input.role == Role::State && graph.ty(input.node).dtype == DType::F32)
        .map(|(number, input)| (input.node, number))
        .collect();
    let mut found: Vec<Quantizable> = Vec::new();
    let mut note = |graph_of: &Graph, place: Place, activation: NodeId, weight: (NodeId, usize), inner: Vec<Part>| {
        let Some(moved) = moved(graph, weight.0, weight.1) else { return };
        let Some(&number) = states.get(&moved.source) else { return };
        found.push(Quantizable {
            state: graph.inputs[number].name.clone(),
            shape: graph.shape(moved.source),
            channels: moved.axis,
            operation: graph_of.node(place.node).op.mnemonic(),
            activation: graph_of.shape(activation),
            place,
            parts: moved.parts,
            inner,
        });
    };
    for id in graph.ids() {
        let node = graph.node(id);
        if let Some((x, w, channels)) = contraction(graph, id).filter(|(x, ..)| !of_states[x.index()]) {
            note(graph, Place { scan: None, node: id }, x, (w, channels), Vec::new());
        }
        let Op::Scan { body, .. } = node.op else { continue };
        let body = &graph.bodies[body as usize];
        let stays = |number: usize| {
            let is_state = body.inputs[number].role == Role::State;
            is_state && !body.updates.iter().any(|update| update.input == number)
        };
        let of_states = self::of_states(body, |number| stays(number) && of_states[node.inputs[number].index()]);
        for inner in body.ids() {
            let Some((x, w, channels)) = contraction(body, inner).filter(|(x, ..)| !of_states[x.index()]) else {
                continue;
            };
            let Some(moved) = moved(body, w, channels) else { continue };
            let input = body.inputs.iter().position(|input| input.node == moved.source);
            if let Some(input) = input.filter(|&input| stays(input)) {
                let place = Place { scan: Some((id, input)), node: inner };
                note(body, place, x, (node.inputs[input], moved.axis), moved.parts);
            }
        }
    }
    let usable = |one: &Quantizable| {
        let all: Vec<&Quantizable> = found.iter().filter(|other| other.state == one.state).collect();
        all.iter().all(|other| other.channels == one.channels)
    };
    let agreeing: Vec<Quantizable> = found.iter().filter(|one| usable(one)).cloned().collect();
    let read = read_otherwise(graph, &agreeing);
    agreeing.into_iter().filter(|one| !read.contains(&one.state)).collect()
}

/// The activation and the weight of a contraction of f32, and the axis of the weight that has the output channels.
fn contraction(graph: &Graph, id: NodeId) -> Option<(NodeId, NodeId, usize)> {
    let node = graph.node(id);
    let [x, w] = node.inputs[..] else { return None };
    let channels = match &node.op {
        Op::Dot => graph.shape(w).rank() - 1,
        Op::Conv(conv) if conv.groups == 1 || graph.shape(w).dim(1).is_multiple_of(4) => 0,
        _ => return None,
    };
    (graph.ty(x).dtype == DType::F32 && graph.ty(w).dtype == DType::F32).then_some((x, w, channels))
}

/// For each node whether it is computed of such inputs alone, and of no random numbers.
fn of_states(graph: &Graph, is_state: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut found = vec![true; graph.nodes.len()];
    graph.inputs.iter().enumerate().for_each(|(number, input)| found[input.node.index()] = is_state(number));
    for id in graph.ids() {
        let node = graph.node(id);
        if node.op != Op::Input {
            let is_made = node.op.family() == Family::Random;
            found[id.index()] = !is_made && node.inputs.iter().all(|operand| found[operand.index()]);
        }
    }
    found
}

/// An input that a value shows, moved about.
struct Moved {
    source: NodeId,
    /// The axis of it that is an axis of the value.
    axis: usize,
    /// Which parts of that axis, from the input on.
    parts: Vec<Part>,
}

fn moved(graph: &Graph, id: NodeId, axis: usize) -> Option<Moved> {
    let (mut id, mut axis, mut parts) = (id, axis, Vec::new());
    loop {
        let node = graph.node(id);
        match &node.op {
            Op::Input => {
                parts.reverse();
                return Some(Moved { source: id, axis, parts });
            }
            Op::Transpose(permutation) => axis = usize::from(permutation[axis]),
            Op::Slice(spec) => parts.extend(part_of(graph.shape(node.inputs[0]), spec, axis)),
            Op::Reshape(_) => axis = same_axis(graph.shape(node.inputs[0]), node.ty.shape, axis)?,
            _ => return None,
        }
        id = node.inputs[0];
    }
}

/// What a slice takes of an axis, if that is not the whole.
fn part_of(shape: Shape, spec: &SliceSpec, axis: usize) -> Option<Part> {
    let part = (spec.start[axis], spec.limit[axis], spec.step[axis]);
    (part != (0, shape.dim(axis), 1)).then_some(part)
}

/// The axis of a shape that is an axis of another one with the same elements in the same order.
fn same_axis(from: Shape, to: Shape, axis: usize) -> Option<usize> {
    let before = |shape: Shape, axis: usize| shape.dims()[..axis].iter().product::<usize>();
    let is_same = |&own: &usize| from.dim(own) == to.dim(axis) && before(from, own) == before(to, axis);
    (0..from.rank()).find(is_same)
}

/// The states of some contractions that something else reads, too.
fn read_otherwise(graph: &Graph, contractions: &[Quantizable]) -> FxHashSet<String> {
    let taken: FxHashSet<(Option<NodeId>, NodeId)> =
        contractions.iter().map(|one| (one.scan(), one.place.node)).collect();
    let read = reads(graph, |id, position| match graph.node(id).op {
        Op::Scan { body, .. } => {
            let is_weight = |inner: NodeId, position: usize| position == 1 && taken.contains(&(Some(id), inner));
            !reads(&graph.bodies[body as usize], is_weight)[position]
        }
        _ => position == 1 && taken.contains(&(None, id)),
    });
    let names = graph.inputs.iter().zip(read).filter(|(_, read)| *read);
    names.map(|(input, _)| input.name.clone()).collect()
}

/// For each input of a graph whether something reads it, moved about or not, but as a weight; its results and updates do.
fn reads(graph: &Graph, is_weight: impl Fn(NodeId, usize) -> bool) -> Vec<bool> {
    // Which input each node shows.
    let mut shown: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    graph.inputs.iter().enumerate().for_each(|(number, input)| shown[input.node.index()] = Some(number));
    let mut read = vec![false; graph.inputs.len()];
    for id in graph.ids() {
        let node = graph.node(id);
        for (position, operand) in node.inputs.iter().enumerate() {
            let Some(number) = shown[operand.index()] else { continue };
            if node.op.is_view() {
                shown[id.index()] = Some(number);
            } else if !is_weight(id, position) {
                read[number] = true;
            }
        }
    }
    graph.roots().filter_map(|root| shown[root.index()]).for_each(|number| read[number] = true);
    graph.updates.iter().for_each(|update| read[update.input] = true);
    read
}
