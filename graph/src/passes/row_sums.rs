//! Cuts the sums over the rows of a batch that a scan adds up step by step, such as a bias's gradient, into sums over
//! parts of the rows, which are added up behind the scan: then each part of a step's rows needs nothing of the others.
//!
//! ```text
//! s_next = s + sum(x, 0)             becomes   p_next = p + sum(reshape(x, [parts, rows / parts, ..]), 1)
//! the last s = result of the scan              the last s = s + sum(result of the scan, 0), from p = 0 on
//! ```
//!
//! Not exact: what is added up first is another thing. Into how many parts rows are cut is for the planner to say; it
//! does not depend on the number of threads.

use std::borrow::Cow;

use super::rewrite::rebuilt;
use super::sweep::sweep;
use crate::graph::{Graph, Node, NodeId, Operands, Role, Type};
use crate::op::{Axes, BinaryOp, Op, ReduceOp, Scalar};
use crate::shape::{MAX_RANK, Shape};

/// The rows of a scan's body: the extent of the outermost axis that all that a step takes of sequences, and gives to them,
/// has in common, which is a batch. Nothing where there is no such.
pub fn rows_of_steps(body: &Graph) -> Option<usize> {
    let read = body.inputs.iter().filter(|input| input.role == Role::Data).map(|input| input.node);
    let mut outermost = read.chain(body.outputs.iter().map(|output| output.node)).map(|id| {
        let shape = body.shape(id);
        (shape.rank() > 0).then(|| shape.dim(0))
    });
    let rows = outermost.next()??;
    outermost.all(|other| other == Some(rows)).then_some(rows)
}

/// The graph in which scans add such sums up by parts, where `parts` cuts so many rows into more than one.
pub fn row_sums(graph: &Graph, parts: impl Fn(usize) -> usize) -> Cow<'_, Graph> {
    // For each body its parts, and which of its updates are such sums.
    let of_body = |body: &Graph| {
        let rows = rows_of_steps(body);
        let parts = rows.map_or(1, &parts);
        let rows = rows.filter(|rows| parts > 1 && rows.is_multiple_of(parts));
        let uses = body.use_counts();
        let sums = (0..body.updates.len()).map(|update| sum(body, &uses, update, rows?)).collect();
        (parts, sums)
    };
    let sums: Vec<(usize, Vec<Option<Sum>>)> = graph.bodies.iter().map(of_body).collect();
    if sums.iter().all(|(_, sums)| sums.iter().all(Option::is_none)) {
        return Cow::Borrowed(graph);
    }
    let of = |scan: NodeId| match graph.node(scan).op {
        Op::Scan { body, .. } => Some((body as usize, &sums[body as usize])),
        _ => None,
    };
    let mut new = rebuilt(graph, |result, places, id| {
        let node = graph.node(id);
        let mut inputs: Operands = node.inputs.iter().map(|operand| places[operand.index()]).collect();
        let scope = node.scope;
        let mut push = |op: Op, inputs: &[NodeId], ty: Type| {
            result.push(Node { op, inputs: Operands::from_slice(inputs), ty, scope })
        };
        if let Some((number, (parts, sums))) = of(id) {
            let body = &graph.bodies[number];
            let mut operands = inputs.to_vec();
            for (update, _) in body.updates.iter().zip(sums).filter(|(_, sum)| sum.is_some()) {
                operands[update.input] = zeros(&mut push, *parts, body.ty(update.node));
            }
            inputs = Operands::from_slice(&operands);
        }
        if let Op::ScanResult { index } = node.op
            && let Some((number, (parts, sums))) = of(node.inputs[0])
            && let Some(Some(_)) = sums.get(index as usize)
        {
            let ty = node.ty;
            let in_parts = Type { shape: ty.shape.insert(0, *parts), ..ty };
            let all = push(node.op.clone(), &inputs, in_parts);
            let sum = push(Op::Reduce { op: ReduceOp::Sum, axes: Axes::new([0]) }, &[all], ty);
            let before = graph.node(node.inputs[0]).inputs[graph.bodies[number].updates[index as usize].input];
            return match is_zero(graph, before) {
                true => sum,
                false => push(Op::Binary(BinaryOp::Add), &[places[before.index()], sum], ty),
            };
        }
        result.push(Node { inputs, ..node.clone() })
    });
    for (body, (parts, sums)) in new.bodies.iter_mut().zip(&sums) {
        if sums.iter().any(Option::is_some) {
            *body = in_parts(body, *parts, sums);
        }
    }
    sweep(&mut new);
    Cow::Owned(new)
}

/// A sum over rows that is added to a state.
struct Sum {
    /// The sum.
    sum: NodeId,
    /// What has its shape, or that of the state: the state, the sum under another shape, what adds them.
    others: Vec<NodeId>,
}

/// That of an update, over so many rows, where nothing else looks at any of it.
fn sum(body: &Graph, uses: &[usize], update: usize, rows: usize) -> Option<Sum> {
    let added = body.updates[update].node;
    let state = body.inputs[body.updates[update].input].node;
    let (Op::Binary(BinaryOp::Add), &[a, b]) = (&body.node(added).op, &body.node(added).inputs[..]) else {
        return None;
    };
    let mut sum = match (a == state, b == state) {
        (true, false) => b,
        (false, true) => a,
        _ => return None,
    };
    let mut others = vec![added, state];
    while let Op::Reshape(_) = body.node(sum).op {
        others.push(sum);
        sum = body.node(sum).inputs[0];
    }
    let Op::Reduce { op: ReduceOp::Sum, axes } = body.node(sum).op else { return None };
    let is_alone = others.iter().chain([&sum]).all(|id| uses[id.index()] == 1);
    let rank = |id: NodeId| body.shape(id).rank();
    let summed = body.node(sum).inputs[0];
    let fits = others.iter().map(|&id| rank(id)).max().max(Some(rank(summed))) < Some(MAX_RANK);
    // What is outermost may be no batch: a weight's rows, heads before the rows.
    let is_of_rows = axes.contains(0) && body.shape(summed).dim(0) == rows;
    (is_alone && is_of_rows && fits).then_some(Sum { sum, others })
}

/// A body whose sums are added up by parts.
fn in_parts(body: &Graph, parts: usize, sums: &[Option<Sum>]) -> Graph {
    rebuilt(body, |result, places, id| {
        let node = body.node(id);
        let inputs: Operands = node.inputs.iter().map(|operand| places[operand.index()]).collect();
        let with_parts = || Type { shape: node.ty.shape.insert(0, parts), ..node.ty };
        let mut sums = sums.iter().flatten();
        if sums.clone().any(|sum| sum.others.contains(&id)) {
            let ty = with_parts();
            let op = if let Op::Reshape(_) = node.op { Op::Reshape(ty.shape) } else { node.op.clone() };
            return result.push(Node { op, inputs, ty, scope: node.scope });
        }
        let Op::Reduce { op, axes } = node.op else { return result.push(Node { inputs, ..node.clone() }) };
        if !sums.any(|sum| sum.sum == id) {
            return result.push(Node { inputs, ..node.clone() });
        }
        let rows = body.ty(node.inputs[0]);
        let shape = rows.shape.with(0, rows.shape.dim(0) / parts).insert(0, parts);
        let cut = Node { op: Op::Reshape(shape), inputs, ty: Type { shape, ..rows }, scope: node.scope };
        let inputs = Operands::from_slice(&[result.push(cut)]);
        let op = Op::Reduce { op, axes: Axes::new(axes.iter().map(|axis| axis + 1)) };
        result.push(Node { op, inputs, ty: with_parts(), scope: node.scope })
    })
}

/// Zeros for each part.
fn zeros(push: &mut impl FnMut(Op, &[NodeId], Type) -> NodeId, parts: usize, ty: Type) -> NodeId {
    let shape = ty.shape.insert(0, parts);
    let ones = Shape::new(&vec![1; shape.rank()]);
    let of = |shape: Shape| Type { shape, ..ty };
    let zero = push(Op::Constant(Scalar(0.0)), &[], of(Shape::SCALAR));
    let zero = push(Op::Reshape(ones), &[zero], of(ones));
    push(Op::Broadcast(shape), &[zero], of(shape))
}

/// Whether a value is 0 everywhere (and not -0).
fn is_zero(graph: &Graph, id: NodeId) -> bool {
    let mut id = id;
    while let Op::Broadcast(_) | Op::Reshape(_) = graph.node(id).op {
        id = graph.node(id).inputs[0];
    }
    matches!(graph.node(id).op, Op::Constant(Scalar(value)) if value.to_bits() == 0)
}
