//! One spelling for each thing, so that the later passes and the plan have to know only one. Every rule is exact.
//!
//! - `c + x`, `c * x`, `c & x`, `c | x` (c constant) become `x + c`, ..; so do the larger and the smaller of a constant
//!   other than a zero or NaN; comparisons with a constant on the left are turned round.
//! - `x - c` becomes `x + -c`; `x / c` becomes `x * (1/c)` where c is a power of two.
//! - `x + -y` becomes `x - y`, `-x + y` becomes `y - x`, `x - -y` becomes `x + y`.
//! - `-x * -y` becomes `x * y`, `-x * c` and `-(x * c)` become `x * -c`, `x * -1` becomes `-x`.
//! - `select(!p, a, b)` becomes `select(p, b, a)`; `!(x = y)` becomes `x != y` and the other way round (but `!(x < y)`
//!   is not `x >= y`: NaN).
//! - Detach is dropped: it is a fact for the differentiator only.
//! - A chain of two reshapes, transposes, broadcasts, slices or reversals becomes one.
//! - A transpose that keeps the order of the axes that are not of extent 1 becomes a reshape.

use super::rewrite::{Rewriter, rewrite};
use crate::graph::{Graph, Node, NodeId};
use crate::op::{Axes, BinaryOp, CompareOp, Op, SliceSpec, UnaryOp};
use crate::shape::{DType, MAX_RANK};

/// Gives each thing one spelling.
pub fn canonicalize(graph: &mut Graph) -> bool {
    rewrite(graph, |to, node| match node.op {
        Op::Detach => Some(node.inputs[0]),
        Op::Unary(op) => unary(to, node, op),
        Op::Binary(op) => binary(to, node, op),
        Op::Compare(op) => compare(to, node, op),
        Op::Select => {
            let condition = to.operand_of(node.inputs[0], Op::Unary(UnaryOp::Not))?;
            Some(to.add(Op::Select, &[condition, node.inputs[2], node.inputs[1]]))
        }
        Op::Reshape(shape) => {
            let Op::Reshape(_) = *to.op(node.inputs[0]) else { return None };
            let source = to.operands(node.inputs[0])[0];
            Some(to.add(Op::Reshape(shape), &[source]))
        }
        Op::Transpose(permutation) => transpose(to, node, permutation),
        Op::Broadcast(shape) => {
            let Op::Broadcast(_) = *to.op(node.inputs[0]) else { return None };
            let source = to.operands(node.inputs[0])[0];
            Some(to.add(Op::Broadcast(shape), &[source]))
        }
        Op::Slice(ref outer) => slice(to, node, outer),
        Op::Reverse(outer) => {
            let Op::Reverse(inner) = *to.op(node.inputs[0]) else { return None };
            let source = to.operands(node.inputs[0])[0];
            let axes = Axes::new((0..MAX_RANK).filter(|&axis| outer.contains(axis) != inner.contains(axis)));
            Some(to.add(Op::Reverse(axes), &[source]))
        }
        _ => None,
    })
}

fn unary(to: &mut Rewriter<'_>, node: &Node, op: UnaryOp) -> Option<NodeId> {
    let operand = node.inputs[0];
    if op == UnaryOp::Neg && *to.op(operand) == Op::Binary(BinaryOp::Mul) {
        let [x, c] = pair(to, operand);
        let negative = negated(to, c)?;
        return Some(to.add(Op::Binary(BinaryOp::Mul), &[x, negative]));
    }
    for (equality, opposite) in [(CompareOp::Eq, CompareOp::Ne), (CompareOp::Ne, CompareOp::Eq)] {
        if op == UnaryOp::Not && *to.op(operand) == Op::Compare(equality) {
            let operands = pair(to, operand);
            return Some(to.add(Op::Compare(opposite), &operands));
        }
    }
    None
}

fn binary(to: &mut Rewriter<'_>, node: &Node, op: BinaryOp) -> Option<NodeId> {
    let [a, b] = [node.inputs[0], node.inputs[1]];
    if to.value(a).is_some() && to.value(b).is_none() && (node.op.traits().commutes || orders(to, op, a)) {
        return Some(to.add(node.op.clone(), &[b, a]));
    }
    let negative = |to: &Rewriter<'_>, id| to.operand_of(id, Op::Unary(UnaryOp::Neg));
    let (op, operands) = match op {
        BinaryOp::Add => match (negative(to, a), negative(to, b)) {
            (_, Some(y)) => (BinaryOp::Sub, [a, y]),
            (Some(x), None) => (BinaryOp::Sub, [b, x]),
            (None, None) => return None,
        },
        BinaryOp::Sub => match (negative(to, b), negated(to, b)) {
            (Some(y), _) => (BinaryOp::Add, [a, y]),
            (None, Some(c)) => (BinaryOp::Add, [a, c]),
            (None, None) => return None,
        },
        BinaryOp::Mul => match (negative(to, a), negative(to, b)) {
            (Some(x), Some(y)) => (BinaryOp::Mul, [x, y]),
            (Some(x), None) => (BinaryOp::Mul, [x, negated(to, b)?]),
            (None, _) if to.ty(a).dtype == DType::F32 && to.is_full(b, -1.0) => {
                return Some(to.add(Op::Unary(UnaryOp::Neg), &[a]));
            }
            (None, _) => return None,
        },
        BinaryOp::Div => {
            let value = to.value(b).filter(|&value| is_power_of_two(value))?;
            (BinaryOp::Mul, [a, to.full(1.0 / value, node.ty)])
        }
        BinaryOp::Max | BinaryOp::Min | BinaryOp::Pow | BinaryOp::Atan2 | BinaryOp::And | BinaryOp::Or => return None,
    };
    Some(to.add(Op::Binary(op), &operands))
}

/// Whether the larger or smaller of the constant `id` and anything does not depend on their order.
fn orders(to: &Rewriter<'_>, op: BinaryOp, id: NodeId) -> bool {
    let ordered = to.value(id).is_some_and(|value| value != 0.0 && !value.is_nan());
    match op {
        BinaryOp::Max | BinaryOp::Min => ordered || to.ty(id).dtype == DType::I32,
        BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul
        | BinaryOp::Div
        | BinaryOp::Pow
        | BinaryOp::Atan2
        | BinaryOp::And
        | BinaryOp::Or => false,
    }
}

/// The negative of a constant, if `id` is one.
fn negated(to: &mut Rewriter<'_>, id: NodeId) -> Option<NodeId> {
    let (value, ty) = (to.value(id)?, to.ty(id));
    let negative = match ty.dtype {
        DType::F32 => -value,
        // Zero has one sign, and the smallest number no opposite.
        DType::I32 if value == f64::from(i32::MIN) => return None,
        DType::I32 => 0.0 - value,
        DType::Bf16 | DType::U8 | DType::I8 | DType::Bool => return None,
    };
    Some(to.full(negative, ty))
}

/// Whether the number and its reciprocal are powers of two that are normal numbers in f32, so that dividing by the one
/// is multiplying by the other.
fn is_power_of_two(value: f64) -> bool {
    let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    value.to_bits() & ((1 << 52) - 1) == 0 && exponent.abs() <= 126
}

fn compare(to: &mut Rewriter<'_>, node: &Node, op: CompareOp) -> Option<NodeId> {
    let [a, b] = [node.inputs[0], node.inputs[1]];
    if to.value(a).is_none() || to.value(b).is_some() {
        return None;
    }
    let mirrored = match op {
        CompareOp::Eq => CompareOp::Eq,
        CompareOp::Ne => CompareOp::Ne,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
    };
    Some(to.add(Op::Compare(mirrored), &[b, a]))
}

fn transpose(to: &mut Rewriter<'_>, node: &Node, outer: [u8; MAX_RANK]) -> Option<NodeId> {
    let operand = node.inputs[0];
    if let Op::Transpose(inner) = *to.op(operand) {
        let source = to.operands(operand)[0];
        let both = outer.map(|axis| inner[usize::from(axis)]);
        return Some(to.add(Op::Transpose(both), &[source]));
    }
    let shape = to.shape(operand);
    let moved = outer[..shape.rank()].iter().filter(|&&axis| shape.dim(axis.into()) != 1);
    moved.is_sorted().then(|| to.add(Op::Reshape(node.ty.shape), &[operand]))
}

fn slice(to: &mut Rewriter<'_>, node: &Node, outer: &SliceSpec) -> Option<NodeId> {
    let Op::Slice(inner) = to.op(node.inputs[0]) else { return None };
    let source = to.operands(node.inputs[0])[0];
    let inner = **inner;
    let mut spec = inner;
    for (axis, &extent) in node.ty.shape.dims().iter().enumerate() {
        spec.start[axis] = inner.start[axis] + outer.start[axis] * inner.step[axis];
        spec.step[axis] = inner.step[axis] * outer.step[axis];
        // One past the last element taken; nothing is taken from an empty slice.
        let last = extent.checked_sub(1).map(|last| spec.start[axis] + last * spec.step[axis] + 1);
        spec.start[axis] = spec.start[axis].min(to.shape(source).dim(axis));
        spec.limit[axis] = last.unwrap_or(spec.start[axis]);
    }
    Some(to.add(Op::Slice(spec.into()), &[source]))
}

fn pair(to: &Rewriter<'_>, id: NodeId) -> [NodeId; 2] {
    [to.operands(id)[0], to.operands(id)[1]]
}
