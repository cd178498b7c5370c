//! Removing dead nodes: those that reach no output and no update. Exact. Inputs stay declared, whether used or not, and
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
    let mut live = vec![false; graph.nodes.len()];
    for root in graph.roots() {
        live[root.index()] = true;
    }
    for input in &graph.inputs {
        live[input.node.index()] = true;
    }
    for (number, node) in graph.nodes.iter().enumerate().rev() {
        if live[number] {
            for operand in &node.inputs {
                live[operand.index()] = true;
            }
        }
    }
    live
}

/// The graph with its inputs first and without its dead nodes.
fn without_dead(mut graph: Graph, live: &[bool]) -> Graph {
    let mut map = vec![NodeId(u32::MAX); graph.nodes.len()];
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    for input in &graph.inputs {
        map[input.node.index()] = NodeId(nodes.len() as u32);
        nodes.push(graph.node(input.node).clone());
    }
    for (number, mut node) in graph.nodes.into_iter().enumerate() {
        if !live[number] || node.op == Op::Input {
            continue;
        }
        for operand in &mut node.inputs {
            *operand = map[operand.index()];
        }
        map[number] = NodeId(nodes.len() as u32);
        nodes.push(node);
    }
    graph.nodes = nodes;
    let at = |id: NodeId| map[id.index()];
    graph.inputs.iter_mut().for_each(|input| input.node = at(input.node));
    graph.outputs.iter_mut().for_each(|output| output.node = at(output.node));
    graph.updates.iter_mut().for_each(|update| update.node = at(update.node));
    graph
}
