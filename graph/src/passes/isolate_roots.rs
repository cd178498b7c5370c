//! Gives each output and update a node of its own that is computed, so that a plan can put it where the result is
//! wanted. Exact. Where a result is wanted is not known here.
//!
//! A [`Op::Detach`] (a copy) stands for inputs, constants, views, results of scans, which lie as their loop has them,
//! and nodes that already are a result.

use std::borrow::Cow;

use rustc_hash::FxHashSet;

use crate::graph::{Graph, Node, NodeId, Operands};
use crate::op::{Family, Op};

/// The graph in which no two results are one node, and none is an input, a constant, a view or a result of a scan.
pub fn isolate_roots(graph: &Graph) -> Cow<'_, Graph> {
    let mut result = Cow::Borrowed(graph);
    let mut taken: FxHashSet<NodeId> = FxHashSet::default();
    let roots: Vec<NodeId> = graph.roots().collect();
    for (number, id) in roots.into_iter().enumerate() {
        let op = &graph.node(id).op;
        let is_computed = !matches!(op.family(), Family::Source | Family::Scan | Family::Exchange) && !op.is_view();
        if is_computed && taken.insert(id) {
            continue;
        }
        let result = result.to_mut();
        let copy = Node { op: Op::Detach, inputs: Operands::from_slice(&[id]), ..result.node(id).clone() };
        let copy = result.push(copy);
        match number.checked_sub(result.outputs.len()) {
            None => result.outputs[number].node = copy,
            Some(update) => result.updates[update].node = copy,
        }
    }
    result
}
