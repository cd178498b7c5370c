//! Removing dead nodes: those that reach no output and no update. Exact. Inputs stay declared, whether used or not, and
//! become the first nodes, in the order of the call's arguments.

use crate::graph::{Graph, Node, NodeId};
use crate::op::Op;

/// The graph without its dead nodes.
pub fn sweep(graph: &Graph) -> Graph {
    swept(graph.clone())
}

/// As [`sweep`], of a graph that nobody else needs.
pub(super) fn swept(mut graph: Graph) -> Graph {
    let mut live = vec![false; graph.nodes.len()];
    for root in graph.roots() {
        live[root.index()] = true;
    }
    for id in graph.ids().rev().filter(|id| graph.node(*id).op != Op::Input) {
        if live[id.index()] {
            for operand in &graph.node(id).inputs {
                live[operand.index()] = true;
            }
        }
    }
    let mut map = vec![NodeId(u32::MAX); graph.nodes.len()];
    let inputs = graph.inputs.iter().map(|input| input.node);
    let others = graph.ids().filter(|id| live[id.index()] && graph.node(*id).op != Op::Input);
    let order: Vec<NodeId> = inputs.chain(others).collect();
    for (place, id) in order.iter().enumerate() {
        map[id.index()] = NodeId(place as u32);
    }
    if !order.iter().copied().eq(graph.ids()) {
        let mut nodes: Vec<Option<Node>> = graph.nodes.into_iter().map(Some).collect();
        graph.nodes = order.iter().map(|id| nodes[id.index()].take().expect("each node is an input or none")).collect();
        let operands = graph.nodes.iter_mut().flat_map(|node| &mut node.inputs);
        let inputs = graph.inputs.iter_mut().map(|input| &mut input.node);
        let outputs = graph.outputs.iter_mut().map(|output| &mut output.node);
        let updates = graph.updates.iter_mut().map(|update| &mut update.node);
        operands.chain(inputs).chain(outputs).chain(updates).for_each(|id| *id = map[id.index()]);
    }
    graph
}
