//! Removing dead nodes: those that reach no output and no update, and the bodies of scans among them. Exact. Inputs
//! stay declared, whether used or not, and become the first nodes, in the order of the call's arguments.

use crate::graph::{Graph, Node, NodeId};
use crate::op::Op;

/// Removes dead nodes; says whether there were any, or an input had to come first.
pub fn sweep(graph: &mut Graph) -> bool {
    let live = live(graph);
    if inputs_come_first(graph) && !live.contains(&false) {
        return false;
    }
    remove_dead(graph, &live);
    true
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
            let operands = nodes[number].inputs.as_slice();
            let mut operand = 0;
            while operand < operands.len() {
                live[operands[operand].index()] = true;
                operand += 1;
            }
        }
    }
    all
}

/// Gives operands their new names. A loop that counts: without optimization each step of an iterator is several calls.
pub(super) fn rename(operands: &mut [NodeId], map: &[NodeId]) {
    let mut number = 0;
    while number < operands.len() {
        operands[number] = map[operands[number].index()];
        number += 1;
    }
}

/// Puts the inputs first and removes the dead nodes.
fn remove_dead(graph: &mut Graph, live: &[bool]) {
    let mut map = vec![NodeId(u32::MAX); graph.nodes.len()];
    let map = map.as_mut_slice();
    let mut inputs: Vec<Node> = Vec::new();
    if !inputs_come_first(graph) {
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
        rename(&mut node.inputs, map);
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
}
