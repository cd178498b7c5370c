//! Sharing equal nodes: of several nodes with the same operation, operands and type only the first is computed. Exact.
//!
//! The layer that a node belongs to does not matter. Two operands that may be swapped (`a + b`, `b + a`) count as the
//! same pair. Random numbers are a function of their attributes and their step, so equal ones are shared too.

use std::borrow::Cow;
use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::rewrite::rewrite;
use crate::graph::{Graph, NodeId, Operands};
use crate::op::Op;

/// The graph with equal nodes merged.
pub fn share(graph: &Graph) -> Cow<'_, Graph> {
    // The nodes so far in lists by a hash of what mostly tells them apart (the nodes themselves hold the rest): the last
    // node of each list, and for each node the one before it.
    let mut last: Vec<Option<NodeId>> = vec![None; (2 * graph.nodes.len()).next_power_of_two()];
    let mut before: Vec<Option<NodeId>> = vec![None; graph.nodes.len()];
    rewrite(graph, |to, node| {
        let operands = operands(node.op, &node.inputs);
        let list = FxBuildHasher.hash_one((node.op, operands.as_slice())) as usize & (last.len() - 1);
        let mut next = last[list];
        while let Some(id) = next {
            let is_equal = *to.op(id) == node.op && to.ty(id) == node.ty;
            if is_equal && self::operands(node.op, to.operands(id)) == operands {
                return Some(id);
            }
            next = before[id.index()];
        }
        let kept = to.keep(node);
        before[kept.index()] = last[list].replace(kept);
        Some(kept)
    })
}

/// The operands of an operation, in an order that does not depend on theirs where they may be swapped.
fn operands(op: Op, operands: &[NodeId]) -> Operands {
    let mut operands = Operands::from_slice(operands);
    if op.traits().commutes && operands[1] < operands[0] {
        operands.swap(0, 1);
    }
    operands
}
