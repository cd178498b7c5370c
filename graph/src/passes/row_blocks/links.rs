//! Which axes of an operation's operands and result run together, so that a part along one of them needs and gives the
//! same part of the others. It knows operations; it knows no regions and no blocks.

use crate::graph::{Graph, NodeId};
use crate::op::{Op, ReduceOp};
use crate::shape::Shape;

/// An axis that an operation has in its result, in operands, or in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The axis of the result; nothing where the operation folds it away.
    pub result: Option<usize>,
    /// The axis of each operand; nothing where it is the same all along.
    pub operands: Vec<Option<usize>>,
}

/// The axes of a node that may be computed in parts. Those that an operation looks at as a whole (what is sliced, padded or
/// looked up, what a reshape merges) are in none, and all axes of operations that are not known here.
pub fn links(graph: &Graph, id: NodeId) -> Vec<Link> {
    let node = graph.node(id);
    let rank = node.ty.shape.rank();
    let count = node.inputs.len();
    let same = |axis: usize| Link { result: Some(axis), operands: vec![Some(axis); count] };
    let all_but = |left: usize| (0..rank).filter(|&axis| axis != left).map(same).collect();
    let operand = |number: usize| graph.shape(node.inputs[number]);
    match node.op {
        _ if node.op.is_elementwise() => (0..rank).map(same).collect(),
        Op::Iota { axis, .. } => {
            let link = |axis| Link { result: Some(axis), operands: Vec::new() };
            (0..rank).filter(|&other| other != axis).map(link).collect()
        }
        Op::Broadcast(shape) => {
            let link = |axis| {
                let repeats = operand(0).dim(axis) != shape.dim(axis);
                Link { result: Some(axis), operands: vec![(!repeats).then_some(axis)] }
            };
            (0..rank).map(link).collect()
        }
        Op::Transpose(permutation) => {
            let link = |axis: usize| Link { result: Some(axis), operands: vec![Some(usize::from(permutation[axis]))] };
            (0..rank).map(link).collect()
        }
        Op::Reshape(shape) => reshaped(operand(0), shape),
        Op::Reduce { op, axes } => {
            let from = operand(0).rank();
            let kept = (0..from).filter(|&axis| !axes.contains(axis)).enumerate();
            let kept = kept.map(|(result, axis)| Link { result: Some(result), operands: vec![Some(axis)] });
            let folded = axes.iter().filter(|_| op != ReduceOp::Prod);
            kept.chain(folded.map(|axis| Link { result: None, operands: vec![Some(axis)] })).collect()
        }
        Op::ArgReduce { axis, .. } => {
            let kept = (0..operand(0).rank()).filter(|&other| other != axis).enumerate();
            kept.map(|(result, axis)| Link { result: Some(result), operands: vec![Some(axis)] }).collect()
        }
        Op::Dot => {
            let (row, column) = (rank - 2, rank - 1);
            let mut links: Vec<Link> = (0..row).map(same).collect();
            links.push(Link { result: Some(row), operands: vec![Some(row), None] });
            links.push(Link { result: Some(column), operands: vec![None, Some(column)] });
            links.push(Link { result: None, operands: vec![Some(column), Some(row)] });
            links
        }
        Op::Slice(ref spec) => {
            let whole = |&axis: &usize| {
                spec.start[axis] == 0 && spec.limit[axis] == operand(0).dim(axis) && spec.step[axis] == 1
            };
            (0..rank).filter(whole).map(same).collect()
        }
        Op::Pad(ref pad) => {
            let link = |axis| Link { result: Some(axis), operands: vec![Some(axis), None] };
            (0..rank).filter(|&axis| pad.low[axis] == 0 && pad.high[axis] == 0).map(link).collect()
        }
        Op::Reverse(axes) => (0..rank).filter(|&axis| !axes.contains(axis)).map(same).collect(),
        Op::Concat { axis } | Op::Gather { axis } | Op::ScatterAdd { axis, .. } => all_but(axis),
        _ => Vec::new(),
    }
}

/// The axes that a reshape leaves: of the same extent, with as many elements behind them.
fn reshaped(from: Shape, to: Shape) -> Vec<Link> {
    let behind = |shape: Shape, axis: usize| shape.dims()[axis + 1..].iter().product::<usize>();
    let places = (0..to.rank()).filter(|&axis| to.dim(axis) > 1).filter_map(|result| {
        let is_it = |&axis: &usize| from.dim(axis) == to.dim(result) && behind(from, axis) == behind(to, result);
        Some(Link { result: Some(result), operands: vec![Some((0..from.rank()).find(is_it)?)] })
    });
    places.collect()
}

/// The operation on parts along axes: `extent` says what the result's extent is along an axis now. What an operation says
/// of an axis that is in no [`Link`] it keeps.
pub fn part(op: Op, result: Shape) -> Op {
    match op {
        Op::Iota { axis, .. } => Op::Iota { axis, shape: result },
        Op::Broadcast(_) => Op::Broadcast(result),
        Op::Reshape(_) => Op::Reshape(result),
        Op::Slice(mut spec) => {
            let whole = |axis: &usize| spec.start[*axis] == 0 && spec.step[*axis] == 1;
            for axis in (0..result.rank()).filter(whole).collect::<Vec<_>>() {
                spec.limit[axis] = result.dim(axis);
            }
            Op::Slice(spec)
        }
        _ => op,
    }
}
