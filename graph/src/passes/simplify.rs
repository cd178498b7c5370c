//! Dropping what does nothing. Every rule is exact.
//!
//! - `x * 1`, `x / 1`, `x ** 1`, `x - 0`, `x + -0`, i32 `x + 0`, `x & true`, `x | false`: x. (Not `x + 0`, which turns
//!   -0 into +0.)
//! - `x & false`, `x | true`, i32 `x * 0`: the constant.
//! - `x & x`, `x | x`, the larger or smaller of x and x: x.
//! - `--x`, `!!x`: x. The absolute value of one, the sign of one, a whole number that is rounded: the operand.
//! - Select between equal values, or by a constant: the value.
//! - A bf16, u8 or i8 that is widened and narrowed again: itself. (Not an f32 that is rounded and widened.)
//! - Reshape, transpose, broadcast, slice, pad, convert to what it is already; a reversal of unit axes; a concatenation
//!   of one: the operand.
//! - The maximum, minimum or product of unit axes: a reshape. The place of an extremum on a unit axis: 0.
//! - The sum of unit axes: a reshape; of f32 plus 0, since a sum starts at +0, which makes +0 of a single -0.
//!
//! Not here, because not exact: `log(exp(x))`, `x - x`, `x * 0` of floats, `sqrt(x) * sqrt(x)`, `x / x`.

use super::rewrite::{Rewriter, rewrite};
use crate::graph::{Graph, Node, NodeId};
use crate::op::{BinaryOp, Op, ReduceOp, Twice, UnaryOp};
use crate::shape::DType;

/// Drops operations that do nothing.
pub fn simplify(graph: &mut Graph) -> bool {
    rewrite(graph, |to, node| match node.op {
        Op::Unary(op) => unary(to, node, op),
        Op::Binary(op) => binary(to, node, op),
        Op::Select => select(to, node),
        Op::Convert(_) | Op::Reshape(_) | Op::Broadcast(_) if to.ty(node.inputs[0]) == node.ty => Some(node.inputs[0]),
        Op::Convert(DType::Bf16 | DType::U8 | DType::I8) => {
            let wide = to.ty(node.inputs[0]).dtype;
            let narrow = to.operand_of(node.inputs[0], Op::Convert(wide))?;
            (to.ty(narrow) == node.ty).then_some(narrow)
        }
        Op::Transpose(permutation) => permutation.is_sorted().then_some(node.inputs[0]),
        // A slice as long as its operand is all of it; steps do not matter along unit axes.
        Op::Slice(_) => (to.ty(node.inputs[0]) == node.ty).then_some(node.inputs[0]),
        Op::Pad(_) => (to.ty(node.inputs[0]) == node.ty).then_some(node.inputs[0]),
        Op::Concat { .. } => (node.inputs.len() == 1).then_some(node.inputs[0]),
        Op::Reverse(axes) => axes.iter().all(|axis| node.ty.shape.dim(axis) == 1).then_some(node.inputs[0]),
        Op::Reduce { op, axes } => {
            let shape = to.shape(node.inputs[0]);
            if axes.iter().any(|axis| shape.dim(axis) != 1) {
                return None;
            }
            let reshaped = to.add(Op::Reshape(node.ty.shape), &[node.inputs[0]]);
            if op != ReduceOp::Sum || node.ty.dtype == DType::I32 {
                return Some(reshaped);
            }
            let zero = to.full(0.0, node.ty);
            Some(to.add(Op::Binary(BinaryOp::Add), &[reshaped, zero]))
        }
        Op::ArgReduce { axis, .. } => {
            let unit = to.shape(node.inputs[0]).dim(axis) == 1;
            unit.then(|| to.full(0.0, node.ty))
        }
        _ => None,
    })
}

fn unary(to: &Rewriter<'_>, node: &Node, function: UnaryOp) -> Option<NodeId> {
    let operand = node.inputs[0];
    let Op::Unary(inner) = to.op(operand) else { return None };
    let traits = function.traits();
    if traits.keeps_whole && inner.traits().is_stepwise {
        return Some(operand);
    }
    match traits.twice {
        Twice::Undoes => (*inner == function).then(|| to.operands(operand)[0]),
        Twice::Settles => (*inner == function).then_some(operand),
        Twice::Differs => None,
    }
}

fn binary(to: &mut Rewriter<'_>, node: &Node, op: BinaryOp) -> Option<NodeId> {
    let [a, b] = [node.inputs[0], node.inputs[1]];
    let whole = node.ty.dtype == DType::I32;
    let drops = match op {
        BinaryOp::Add => to.is_full(b, if whole { 0.0 } else { -0.0 }),
        BinaryOp::Sub => to.is_full(b, 0.0),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow | BinaryOp::And => to.is_full(b, 1.0),
        BinaryOp::Or => to.is_full(b, 0.0),
        BinaryOp::Max | BinaryOp::Min | BinaryOp::Atan2 => false,
    };
    let absorbs = match op {
        BinaryOp::Mul => whole && to.is_full(b, 0.0),
        BinaryOp::And => to.is_full(b, 0.0),
        BinaryOp::Or => to.is_full(b, 1.0),
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Div | BinaryOp::Max | BinaryOp::Min => false,
        BinaryOp::Pow | BinaryOp::Atan2 => false,
    };
    let same = match op {
        BinaryOp::Max | BinaryOp::Min | BinaryOp::And | BinaryOp::Or => a == b,
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow | BinaryOp::Atan2 => false,
    };
    match (drops || same, absorbs) {
        (true, _) => Some(a),
        (false, true) => Some(b),
        (false, false) => None,
    }
}

fn select(to: &Rewriter<'_>, node: &Node) -> Option<NodeId> {
    let [condition, a, b] = [node.inputs[0], node.inputs[1], node.inputs[2]];
    match to.value(condition) {
        Some(value) => Some(if value != 0.0 { a } else { b }),
        None => (a == b).then_some(a),
    }
}
