//! Computing with constants now, and before repeating rather than after. Every rule is exact.
//!
//! - An elementwise operation on scalar constants is a constant. Constants hold f64 and are rounded where a graph is
//!   evaluated in f32; so f32 arithmetic is folded only where both precisions agree, that is where rounding the f64
//!   result gives what f32 arithmetic gives on the rounded operands. (`0.5 + 0.25` is folded, `0.1 * 0.1` waits for the
//!   run: it costs one scalar operation there.) Functions that a mathematical library approximates are never folded.
//!   The interpreter does the arithmetic.
//! - An elementwise operation whose operands all repeat (broadcast) tensors of one shape, or constants, is done on what
//!   is repeated: `a repeated + b repeated` becomes `(a + b) repeated`.
//! - One on scalars that are given unit axes is done on the scalars.
//! - A movement of a repeated constant is the constant, repeated.
//! - A pad with the value that a repeated constant has is the constant, repeated.

use super::rewrite::{Rewriter, rewrite, unit_axes};
use crate::graph::{Graph, Node, NodeId, Type};
use crate::interpret::{Real, Tensor};
use crate::op::{Family, Op};
use crate::shape::{DType, Shape};

/// Computes now what is known now.
pub fn fold(graph: &mut Graph) -> bool {
    rewrite(graph, |to, node| match node.op.family() {
        Family::Elementwise => constant(to, node).or_else(|| repeated(to, node)).or_else(|| scalars(to, node)),
        Family::Movement => moved(to, node),
        Family::Source | Family::Reduce | Family::Contraction | Family::Window => None,
        Family::Indexing | Family::Random | Family::Scan | Family::Exchange => None,
    })
}

/// The repeated constant that a movement of a repeated constant is.
fn moved(to: &mut Rewriter<'_>, node: &Node) -> Option<NodeId> {
    match node.op {
        // A pad with the value that is padded.
        Op::Pad(_) => {
            let (inside, outside) = (to.value(node.inputs[0])?, to.value(node.inputs[1])?);
            (inside.to_bits() == outside.to_bits()).then(|| to.full(inside, node.ty))
        }
        Op::Detach => None,
        _ if node.op.is_view() => {
            let value = to.value(node.inputs[0])?;
            (!is_spelled(to, node)).then(|| to.full(value, node.ty))
        }
        _ => None,
    }
}

/// Whether the node is a step of [`Rewriter::repeat`], which is how a repeated constant is spelled.
fn is_spelled(to: &Rewriter<'_>, node: &Node) -> bool {
    let operand = to.op(node.inputs[0]);
    match node.op {
        Op::Reshape(shape) => {
            shape.rank() > 0 && shape == unit_axes(shape.rank()) && matches!(operand, Op::Constant(_))
        }
        Op::Broadcast(shape) => {
            let reshaped = matches!(operand, Op::Reshape(_));
            let constant = |id: NodeId| matches!(*to.op(id), Op::Constant(_));
            shape != unit_axes(shape.rank()) && reshaped && constant(to.operands(node.inputs[0])[0])
        }
        _ => false,
    }
}

/// The operation on what its operands repeat, repeated.
fn repeated(to: &mut Rewriter<'_>, node: &Node) -> Option<NodeId> {
    let shape = node.ty.shape;
    let mut common: Option<Shape> = None;
    for &operand in &node.inputs {
        if to.value(operand).is_some() {
            continue;
        }
        let Op::Broadcast(_) = *to.op(operand) else { return None };
        let source = to.shape(to.operands(operand)[0]);
        if common.is_some_and(|common| common != source) {
            return None;
        }
        common = Some(source);
    }
    let source = common.unwrap_or(unit_axes(shape.rank()));
    if source == shape {
        return None;
    }
    let operands: Vec<NodeId> = node
        .inputs
        .iter()
        .map(|&operand| match to.value(operand) {
            Some(value) => {
                let ty = Type { dtype: to.ty(operand).dtype, shape: source };
                to.full(value, ty)
            }
            None => to.operands(operand)[0],
        })
        .collect();
    let small = to.add(node.op.clone(), &operands);
    Some(to.add(Op::Broadcast(shape), &[small]))
}

/// The operation on scalars that its operands give unit axes.
fn scalars(to: &mut Rewriter<'_>, node: &Node) -> Option<NodeId> {
    if node.ty.shape.rank() == 0 || node.ty.shape.elements() != 1 {
        return None;
    }
    let mut operands = Vec::new();
    for &operand in &node.inputs {
        let Op::Reshape(_) = *to.op(operand) else { return None };
        let scalar = to.operands(operand)[0];
        if to.shape(scalar) != Shape::SCALAR {
            return None;
        }
        operands.push(scalar);
    }
    let scalar = to.add(node.op.clone(), &operands);
    Some(to.add(Op::Reshape(node.ty.shape), &[scalar]))
}

/// The value of an elementwise operation on scalar constants.
fn constant(to: &mut Rewriter<'_>, node: &Node) -> Option<NodeId> {
    let mut operands = Vec::new();
    for &operand in &node.inputs {
        let Op::Constant(value) = *to.op(operand) else { return None };
        operands.push((value.0, to.ty(operand).dtype));
    }
    if !node.op.traits().is_exact {
        return None;
    }
    let (wide, narrow) = (evaluate::<f64>(node, &operands), evaluate::<f32>(node, &operands));
    let agree = (wide as f32).to_bits() == (narrow as f32).to_bits() || wide.is_nan() && narrow.is_nan();
    agree.then(|| to.constant(if wide.is_nan() { f64::NAN } else { wide }, node.ty.dtype))
}

/// The value of a scalar node, evaluated in one precision.
fn evaluate<T: Real>(node: &Node, operands: &[(f64, DType)]) -> f64 {
    let operands: Vec<Tensor<T>> = operands
        .iter()
        .map(|&(value, dtype)| match dtype {
            DType::F32 => Tensor::floats(Shape::SCALAR, [value]),
            DType::Bf16 => Tensor::halves(Shape::SCALAR, [value]),
            DType::I32 => Tensor::ints(Shape::SCALAR, [value as i32]),
            DType::U8 | DType::I8 => Tensor::bytes(dtype, Shape::SCALAR, [value]),
            DType::Bool => Tensor::bools(Shape::SCALAR, [value != 0.0]),
        })
        .collect();
    node.op.evaluate(&operands.iter().collect::<Vec<_>>(), node.ty).to_f64()[0]
}
