//! Sharing equal nodes: of several nodes with the same operation, operands and type only the first is computed. Exact.
//!
//! The layer that a node belongs to does not matter. Two operands that may be swapped (`a + b`, `b + a`) count as the
//! same pair. Random numbers are a function of their attributes and their step, so equal ones are shared too.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::rewrite::{Rewriter, rewrite, rewritten};
use crate::graph::{Graph, Node, NodeId, Operands};
use crate::op::Op;

/// Merges equal nodes.
pub fn share(graph: &mut Graph) -> bool {
    let nodes = graph.nodes.len();
    rewrite(graph, merged(nodes))
}

/// As [`share`], of a graph that stays as it is and of the bodies of its scans.
pub(super) fn shared(graph: &Graph) -> Graph {
    let mut new = rewritten(graph, merged(graph.nodes.len()));
    new.bodies.iter_mut().for_each(|body| *body = shared(body));
    new
}

/// The rule for a graph of so many nodes.
fn merged(nodes: usize) -> impl FnMut(&mut Rewriter<'_>, &Node) -> Option<NodeId> {
    // The nodes so far in lists, mostly of one: the last node of each list, and for each node the one before it and a
    // hash of what tells the nodes of a list apart (they themselves hold the rest).
    let mut last: Vec<u32> = vec![NONE; (2 * nodes).next_power_of_two().max(NEAR)];
    let mut before: Vec<(u32, u32)> = vec![(NONE, 0); nodes];
    move |to, node| {
        let operands = operands(&node.op, &node.inputs);
        // Near the place of the last operand, which was just made: a deep graph's table is larger than any cache.
        let (mut place, mut number) = (0, 0);
        let mut hash = FxBuildHasher.hash_one(&node.op);
        let of_operands = operands.as_slice();
        while number < of_operands.len() {
            let last = 2 * of_operands[number].index();
            place = if last > place { last } else { place };
            // By hand: without optimization each number that goes into a hasher is many calls.
            hash = (hash.rotate_left(5) ^ of_operands[number].0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            number += 1;
        }
        // The higher half of a product is the better mixed one.
        let (short, far) = ((hash >> 32) as u32, (hash >> 22) as usize);
        let list = (place + far % NEAR) & (last.len() - 1);
        let mut next = last[list];
        while next != NONE {
            let id = NodeId(next);
            let (earlier, of_next) = before[id.index()];
            let is_equal = of_next == short && *to.op(id) == node.op && to.ty(id) == node.ty;
            if is_equal && self::operands(&node.op, to.operands(id)) == operands {
                return Some(id);
            }
            next = earlier;
        }
        let kept = to.here();
        before[kept.index()] = (last[list], short);
        last[list] = kept.0;
        None
    }
}

/// No node.
const NONE: u32 = u32::MAX;

/// Nodes with the same last operand are spread over so many lists: a page of memory, enough for an operand of many
/// users. Unit: lists of 4 bytes each. As long as a page is, 2026-11-29.
const NEAR: usize = 1024;

/// The operands of an operation, in an order that does not depend on theirs where they may be swapped.
fn operands(op: &Op, operands: &[NodeId]) -> Operands {
    let mut operands = Operands::from_slice(operands);
    if operands.len() == 2 && operands[1] < operands[0] && op.traits().commutes {
        operands.swap(0, 1);
    }
    operands
}
