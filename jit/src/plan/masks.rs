//! Lets the backward pass of a rectifier look at its result instead of its operand, so that only one of them is stored.
//!
//! `y = z <= 0 ? k z : z` with `k > 0` (or `k z` replaced by 0) is `<= 0` exactly where `z` is, NaN included; the same for `z > 0`.

use std::collections::HashMap;

use kiln_graph::op::{BinaryOp, CompareOp, Op};
use kiln_graph::{Graph, Node, NodeId};

use crate::lower::expression::is_view;

/// The graph in which every later user of a rectifier's condition uses the condition on the rectifier's result.
pub fn take_masks_from_results(graph: &Graph) -> Graph {
    let mut result = Graph { nodes: Vec::new(), ..graph.clone() };
    let mut places: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut conditions: HashMap<NodeId, NodeId> = HashMap::new();
    let uses = graph.use_counts();
    for id in graph.ids() {
        let node = graph.node(id);
        let of = |operand: &NodeId| conditions.get(operand).copied().unwrap_or(places[operand.index()]);
        let inputs = node.inputs.iter().map(of).collect();
        let place = result.push(Node { inputs, ..node.clone() });
        places.push(place);
        if let Some(condition) = rectifier(graph, id).filter(|condition| uses[condition.index()] > 1) {
            let compare = graph.node(condition);
            let inputs = vec![place, places[compare.inputs[1].index()]];
            let on_result = result.push(Node { inputs, ..compare.clone() });
            conditions.entry(condition).or_insert(on_result);
        }
    }
    let at = |id: NodeId| places[id.index()];
    result.inputs.iter_mut().for_each(|input| input.node = at(input.node));
    result.outputs.iter_mut().for_each(|output| output.node = at(output.node));
    result.updates.iter_mut().for_each(|update| update.node = at(update.node));
    result
}

/// The condition of a node that is a rectifier.
fn rectifier(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    if node.op != Op::Select {
        return None;
    }
    let [condition, a, b] = node.inputs[..] else { return None };
    let compare = graph.node(condition);
    let [z, bound] = compare.inputs[..] else { return None };
    if constant(graph, bound) != Some(0.0) {
        return None;
    }
    let Op::Compare(function) = compare.op else { return None };
    let (kept, scaled) = match function {
        CompareOp::Le => (b, a),
        CompareOp::Gt => (a, b),
        CompareOp::Eq | CompareOp::Ne | CompareOp::Lt | CompareOp::Ge => return None,
    };
    let is_scaled = || {
        let product = graph.node(scaled);
        product.op == Op::Binary(BinaryOp::Mul)
            && product.inputs[0] == z
            && constant(graph, product.inputs[1]).is_some_and(|factor| factor > 0.0)
    };
    (kept == z && (constant(graph, scaled) == Some(0.0) || is_scaled())).then_some(condition)
}

/// The number in every place of a node that repeats a constant.
fn constant(graph: &Graph, id: NodeId) -> Option<f64> {
    let node = graph.node(id);
    if let Op::Constant(value) = node.op {
        return Some(value.0);
    }
    is_view(&node.op).then(|| constant(graph, node.inputs[0])).flatten()
}
