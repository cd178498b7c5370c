//! Sharing equal nodes: of several nodes with the same operation, operands and type only the first is computed. Exact.
//!
//! The layer that a node belongs to does not matter. Two operands that may be swapped (`a + b`, `b + a`) count as the
//! same pair. Random numbers are a function of their attributes and their step, so equal ones are shared too.

use std::borrow::Cow;
use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::rewrite::rewrite;
use crate::graph::{Graph, NodeId, Operands};
use crate::op::Op;

/// The graph with equal nodes merged.
pub fn share(graph: &Graph) -> Cow<'_, Graph> {
    // The nodes so far by a hash of what mostly tells them apart: the nodes themselves hold the rest.
    let mut known: FxHashMap<u64, SmallVec<[NodeId; 1]>> = FxHashMap::default();
    known.reserve(graph.nodes.len());
    rewrite(graph, |to, node| {
        let operands = operands(node.op, &node.inputs);
        let equal = |&&id: &&NodeId| {
            to.op(id) == node.op && to.ty(id) == node.ty && self::operands(node.op, to.operands(id)) == operands
        };
        let same_hash = known.entry(FxBuildHasher.hash_one((node.op, &operands[..]))).or_default();
        let found = same_hash.iter().find(equal).copied();
        Some(found.unwrap_or_else(|| {
            same_hash.push(to.keep(node));
            same_hash[same_hash.len() - 1]
        }))
    })
}

/// The operands of an operation, in an order that does not depend on theirs where they may be swapped.
fn operands(op: Op, operands: &[NodeId]) -> Operands {
    let mut operands = Operands::from_slice(operands);
    if op.traits().commutes {
        operands.sort_unstable();
    }
    operands
}
