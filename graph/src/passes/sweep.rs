//! Removing dead nodes: those that reach no output and no update, and the bodies of scans among them. Exact. Inputs stay declared, whether used or not, and
//! become the first nodes, in the order of the call's arguments.

use std::borrow::Cow;

use crate::graph::{Graph, Node, NodeId};
use crate::op::Op;

/// The graph without its dead nodes; the same one, if there are none.
pub fn sweep(graph: &Graph) -> Cow<'_, Graph> {
    let live = live(graph);
    match inputs_come_first(graph) && !live.contains(&false) {
        true => Cow::Borrowed(graph),
        false => Cow::Owned(without_dead(graph.clone(), &live)),
    }
}

/// As [`sweep`], of a graph that nobody else needs.
pub(super) fn swept(graph: Graph) -> Graph {
    let live = live(&graph);
    if inputs_come_first(&graph) && !live.contains(&false) { graph } else { without_dead(graph, &live) }
}

/// Whether the first nodes are the inputs, in their order.
pub(super) fn inputs_come_first(graph: &Graph) -> bool {
    graph.inputs.iter().zip(graph.ids()).all(|(input, id)| input.node == id)
}

/// For each node whether it is an input or reaches an output or an update.
fn live(graph: &Graph) -> Vec<bool> {
    let mut all = vec![false; graph.nodes.len()];
    // A slice: without optimization each index into a vector is a call.
    let live = all.as_mut_slice();
    for root in graph.roots() {
        live[root.index()] = true;
    }
    for input in &graph.inputs {
        live[input.node.index()] = true;
    }
    let nodes = graph.nodes.as_slice();
    let mut number = nodes.len();
    while number > 0 {
        number -= 1;
        if live[number] {
            for operand in &nodes[number].inputs {
                live[operand.index()] = true;
            }
        }
    }
    all
}

/// The graph with its inputs first and without its dead nodes.
fn without_dead(mut graph: Graph, live: &[bool]) -> Graph {
    let mut map = vec![NodeId(u32::MAX); graph.nodes.len()];
    let map = map.as_mut_slice();
    let mut inputs: Vec<Node> = Vec::new();
    if !inputs_come_first(&graph) {
        for (number, input) in graph.inputs.iter().enumerate() {
            map[input.node.index()] = NodeId(number as u32);
            inputs.push(graph.node(input.node).clone());
        }
    }
    let (mut number, mut next) = (0, inputs.len() as u32);
    let is_moved = !inputs.is_empty();
    // In place: nodes are large.
    graph.nodes.retain_mut(|node| {
        let this = number;
        number += 1;
        if !live[this] || is_moved && node.op == Op::Input {
            return false;
        }
        for operand in &mut node.inputs {
            *operand = map[operand.index()];
        }
        map[this] = NodeId(next);
        next += 1;
        true
    });
    graph.nodes.splice(0..0, inputs);
    let scans = graph.nodes.iter().filter(|node| matches!(node.op, Op::Scan { .. })).count();
    if scans < graph.bodies.len() {
        let mut bodies = Vec::new();
        for node in &mut graph.nodes {
            if let Op::Scan { body, .. } = &mut node.op {
                bodies.push(std::mem::take(&mut graph.bodies[*body as usize]));
                *body = bodies.len() as u32 - 1;
            }
        }
        graph.bodies = bodies;
    }
    let at = |id: NodeId| map[id.index()];
    graph.inputs.iter_mut().for_each(|input| input.node = at(input.node));
    graph.outputs.iter_mut().for_each(|output| output.node = at(output.node));
    graph.updates.iter_mut().for_each(|update| update.node = at(update.node));
    graph
}
