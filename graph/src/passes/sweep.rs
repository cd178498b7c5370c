//! Removing dead nodes: those that reach no output and no update. Exact. Inputs stay declared, whether used or not, and
//! become the first nodes, in the order of the call's arguments.

use crate::graph::{Graph, Input, NodeId, Output, Update};
use crate::op::Op;

/// The graph without its dead nodes.
pub fn sweep(graph: &Graph) -> Graph {
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
    let mut new = Graph { scopes: graph.scopes.clone(), ..Graph::new(&graph.name) };
    let mut map = vec![NodeId(u32::MAX); graph.nodes.len()];
    for input in &graph.inputs {
        map[input.node.index()] = new.push(graph.node(input.node).clone());
        new.inputs.push(Input { node: map[input.node.index()], ..input.clone() });
    }
    for id in graph.ids().filter(|id| live[id.index()] && graph.node(*id).op != Op::Input) {
        let mut node = graph.node(id).clone();
        for operand in &mut node.inputs {
            *operand = map[operand.index()];
        }
        map[id.index()] = new.push(node);
    }
    new.outputs =
        graph.outputs.iter().map(|output| Output { node: map[output.node.index()], ..output.clone() }).collect();
    new.updates = graph.updates.iter().map(|update| Update { node: map[update.node.index()], ..*update }).collect();
    new
}
