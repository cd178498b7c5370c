//! Sharing equal nodes: of several nodes with the same operation, operands and type only the first is computed. Exact.
//!
//! The layer that a node belongs to does not matter. Two operands that may be swapped (`a + b`, `b + a`) count as the
//! same pair. Random numbers are a function of their attributes and their step, so equal ones are shared too.

use rustc_hash::FxHashMap;

use super::rewrite::rewrite;
use crate::graph::{Graph, Node, NodeId, Type};
use crate::op::{BinaryOp, CompareOp, Op};

/// The graph with equal nodes merged.
pub fn share(graph: &Graph) -> Graph {
    let mut known: FxHashMap<(Op, Vec<NodeId>, Type), NodeId> = FxHashMap::default();
    rewrite(graph, |to, node| {
        let id = *known.entry(key(node)).or_insert_with(|| to.keep(node));
        Some(id)
    })
}

fn key(node: &Node) -> (Op, Vec<NodeId>, Type) {
    let mut operands = node.inputs.clone();
    if swaps(node.op) {
        operands.sort_unstable();
    }
    (node.op, operands, node.ty)
}

/// Whether `op(a, b)` has the same bits as `op(b, a)`. Not so the larger and the smaller: of +0 and -0 they may take
/// either.
pub(super) fn swaps(op: Op) -> bool {
    match op {
        Op::Binary(op) => match op {
            BinaryOp::Add | BinaryOp::Mul | BinaryOp::And | BinaryOp::Or => true,
            BinaryOp::Sub | BinaryOp::Div | BinaryOp::Max | BinaryOp::Min | BinaryOp::Pow => false,
        },
        Op::Compare(op) => match op {
            CompareOp::Eq | CompareOp::Ne => true,
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => false,
        },
        Op::Input
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::Unary(_)
        | Op::Select
        | Op::Convert(_)
        | Op::Reduce { .. }
        | Op::ArgReduce { .. }
        | Op::Dot
        | Op::Conv(_)
        | Op::ConvGradInput { .. }
        | Op::ConvGradWeight { .. }
        | Op::WindowReduce { .. }
        | Op::WindowMaxGrad(_)
        | Op::WindowMaxPick(_)
        | Op::WindowSumGrad { .. }
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Broadcast(_)
        | Op::Slice(_)
        | Op::Pad { .. }
        | Op::Concat { .. }
        | Op::Reverse(_)
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::TakeRows
        | Op::ScatterRows { .. }
        | Op::Random { .. }
        | Op::Detach => false,
    }
}
