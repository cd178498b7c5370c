//! Removing dead nodes: those that reach no output and no update. Exact. Inputs stay declared, whether used or not, and
//! become the first nodes, in the order of the call's arguments.

use crate::graph::{Graph, Node, NodeId};
use crate::op::Op;

/// The graph without its dead nodes.
pub fn sweep(graph: &Graph) -> Graph {
    let order = order(graph);
    let swept = Graph {
        name: graph.name.clone(),
        nodes: order.iter().map(|&id| graph.node(id).clone()).collect(),
        inputs: graph.inputs.clone(),
        outputs: graph.outputs.clone(),
        updates: graph.updates.clone(),
        scopes: graph.scopes.clone(),
    };
    renumbered(swept, &order, graph.nodes.len())
}

/// As [`sweep`], of a graph that nobody else needs.
pub(super) fn swept(mut graph: Graph) -> Graph {
    let order = order(&graph);
    let before = graph.nodes.len();
    if order.iter().copied().eq(graph.ids()) {
        return graph;
    }
    if order.is_sorted() {
        let (mut ids, mut kept) = (graph.ids(), order.iter().peekable());
        graph.nodes.retain(|_| ids.next().is_some_and(|id| kept.next_if_eq(&&id).is_some()));
    } else {
        let mut nodes: Vec<Option<Node>> = graph.nodes.into_iter().map(Some).collect();
        let node = |id: &NodeId| nodes[id.index()].take().expect("each node is an input or none");
        graph.nodes = order.iter().map(node).collect();
    }
    renumbered(graph, &order, before)
}

/// The inputs and the live nodes, in their new order.
fn order(graph: &Graph) -> Vec<NodeId> {
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
    let inputs = graph.inputs.iter().map(|input| input.node);
    let others = graph.ids().filter(|id| live[id.index()] && graph.node(*id).op != Op::Input);
    inputs.chain(others).collect()
}

/// The graph whose nodes are those of the old ids `order`, of `before` ones, with new ids wherever it names old ones.
fn renumbered(mut graph: Graph, order: &[NodeId], before: usize) -> Graph {
    let mut map = vec![NodeId(u32::MAX); before];
    for (place, id) in order.iter().enumerate() {
        map[id.index()] = NodeId(place as u32);
    }
    let operands = graph.nodes.iter_mut().flat_map(|node| &mut node.inputs);
    let inputs = graph.inputs.iter_mut().map(|input| &mut input.node);
    let outputs = graph.outputs.iter_mut().map(|output| &mut output.node);
    let updates = graph.updates.iter_mut().map(|update| &mut update.node);
    operands.chain(inputs).chain(outputs).chain(updates).for_each(|id| *id = map[id.index()]);
    graph
}
