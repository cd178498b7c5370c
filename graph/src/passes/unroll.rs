//! Writes the steps of scans out, one after the other: what scans mean, in other operations. Exact. Graphs grow with
//! the number of steps; the planner has loops instead, and tests compare the two. Which scans have to be is for the
//! planner to say.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::graph::{Graph, Node, NodeId, Operands, Role, Type};
use crate::op::{Op, Scalar, SliceSpec};
use crate::shape::MAX_RANK;

/// The graph without scans.
pub fn unroll(graph: &Graph) -> Cow<'_, Graph> {
    if graph.bodies.is_empty() {
        return Cow::Borrowed(graph);
    }
    let mut new = Graph { nodes: Vec::new(), bodies: Vec::new(), ..graph.clone() };
    let mut results: FxHashMap<NodeId, Vec<NodeId>> = FxHashMap::default();
    let mut places: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for id in graph.ids() {
        let node = graph.node(id);
        let operands: Operands = node.inputs.iter().map(|operand| places[operand.index()]).collect();
        places.push(match node.op {
            Op::Scan { body, length, reverse } => {
                let body = unroll(&graph.bodies[body as usize]);
                results.insert(id, steps(&mut new, &body, (length, reverse), &operands, node.scope));
                new.push(Node { op: Op::Constant(Scalar(length as f64)), inputs: Operands::new(), ..node.clone() })
            }
            Op::ScanResult { index } => results[&node.inputs[0]][index as usize],
            _ => new.push(Node { inputs: operands, ..node.clone() }),
        });
    }
    let at = |id: NodeId| places[id.index()];
    new.inputs.iter_mut().for_each(|input| input.node = at(input.node));
    new.outputs.iter_mut().for_each(|output| output.node = at(output.node));
    new.updates.iter_mut().for_each(|update| update.node = at(update.node));
    Cow::Owned(new)
}

/// Adds all steps of a scan; gives the nodes of its results.
fn steps(
    to: &mut Graph,
    body: &Graph,
    (length, reverse): (usize, bool),
    operands: &[NodeId],
    scope: u32,
) -> Vec<NodeId> {
    let mut states = operands.to_vec();
    let mut rows: Vec<Vec<NodeId>> = vec![vec![NodeId::default(); length]; body.outputs.len()];
    for number in 0..length {
        let row = if reverse { length - 1 - number } else { number };
        let mut places = vec![NodeId::default(); body.nodes.len()];
        for (position, input) in body.inputs.iter().enumerate() {
            places[input.node.index()] = match input.role {
                Role::Data => row_of(to, operands[position], row, body.ty(input.node), scope),
                Role::State => states[position],
            };
        }
        for id in body.ids().filter(|&id| body.node(id).op != Op::Input) {
            let node = body.node(id);
            let inputs = node.inputs.iter().map(|operand| places[operand.index()]).collect();
            places[id.index()] = to.push(Node { inputs, scope, ..node.clone() });
        }
        for update in &body.updates {
            states[update.input] = places[update.node.index()];
        }
        for (rows, output) in rows.iter_mut().zip(&body.outputs) {
            let ty = to.ty(places[output.node.index()]);
            let stacked = ty.shape.insert(0, 1);
            let op = Op::Reshape(stacked);
            let inputs = Operands::from_slice(&[places[output.node.index()]]);
            rows[row] = to.push(Node { op, inputs, ty: Type { dtype: ty.dtype, shape: stacked }, scope });
        }
    }
    let last: Vec<NodeId> = body.updates.iter().map(|update| states[update.input]).collect();
    let stacked = rows.into_iter().map(|rows| {
        let row = to.ty(rows[0]);
        let ty = Type { dtype: row.dtype, shape: row.shape.with(0, length) };
        to.push(Node { op: Op::Concat { axis: 0 }, inputs: Operands::from_slice(&rows), ty, scope })
    });
    last.into_iter().chain(stacked.collect::<Vec<NodeId>>()).collect()
}

/// A row of a sequence.
fn row_of(to: &mut Graph, sequence: NodeId, row: usize, ty: Type, scope: u32) -> NodeId {
    let all = to.ty(sequence);
    let mut spec = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
    spec.limit[..all.shape.rank()].copy_from_slice(all.shape.dims());
    (spec.start[0], spec.limit[0]) = (row, row + 1);
    let shape = all.shape.with(0, 1);
    let part = Node {
        op: Op::Slice(spec.into()),
        inputs: Operands::from_slice(&[sequence]),
        ty: Type { shape, ..all },
        scope,
    };
    let inputs = Operands::from_slice(&[to.push(part)]);
    to.push(Node { op: Op::Reshape(ty.shape), inputs, ty, scope })
}
