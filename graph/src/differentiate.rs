//! Reverse-mode differentiation of a graph under construction, by one walk from the loss back.
//! Knows no operation but slices and scans (below): each gives its own rule, built from operations that have rules
//! themselves, so that gradients can be differentiated again.
//!
//! With `v' = d loss / d v`, the walk starts at `loss' = 1`; a node `y = f(x_1, ..)` whose `y'` is complete adds
//! `y' * df/dx_i` to each `x_i'`. Nodes are in topological order, so all users of a node come before it on the way
//! back. Functions that have said their own derivative (`Value::with_slope`) are passed as one. Where slices cut a node
//! into parts, its gradient is theirs, one after the other; else it is a sum of as many padded ones. A scan has several
//! results: its gradient is asked for once, when those of all that are read are complete.

use rustc_hash::FxHashMap;

use crate::build::{Builder, Value};
use crate::graph::{NodeId, Type};
use crate::op::{Op, SliceSpec};
use crate::ops::scan::gradient_scan;
use crate::shape::{DType, Shape};

/// One use of an operation, as its gradient rule sees it.
pub(crate) struct Adjoint<'a, 'g> {
    /// The operands.
    pub operands: &'a [Value<'g>],
    /// The result; a rule that can be expressed by it needs no operand to be kept.
    pub output: Value<'g>,
    /// The gradient of the loss in the result, of the result's type.
    pub upstream: Value<'g>,
    /// For each operand whether its gradient is wanted.
    pub wanted: &'a [bool],
}

/// For each operand the gradient of the loss in it, through this use; nothing where none is wanted or it is zero.
pub(crate) type Contributions<'g> = Vec<Option<Value<'g>>>;

impl<'g> Adjoint<'_, 'g> {
    /// The gradient in the given operand, built only if it is wanted.
    pub fn of(&self, operand: usize, gradient: impl FnOnce() -> Value<'g>) -> Option<Value<'g>> {
        self.wanted[operand].then(gradient)
    }
}

/// The gradients of `loss`, an f32 scalar, in each of `of`, which are f32; nothing where it does not depend on them.
pub(crate) fn differentiate<'g>(graph: &'g Builder, loss: Value<'g>, of: &[Value<'g>]) -> Vec<Option<Value<'g>>> {
    let end = loss.id().index() + 1;
    let varies = varying(graph, end, of);
    let one = graph.in_gradient_of(&graph.node(loss.id()), || graph.scalar(1.0));
    let gradients = walk(graph, &[(loss.id(), one)], &varies);
    let gradient = |v: &Value<'g>| gradients.get(v.id().index()).copied().flatten();
    of.iter().map(gradient).collect()
}

/// The gradient in each node of something of which the gradients in some nodes, through what is behind all of these,
/// are given. It comes to the nodes alone that `varies` marks, and through them; it tells of as many nodes.
pub(crate) fn walk<'g>(graph: &'g Builder, given: &[(NodeId, Value<'g>)], varies: &[bool]) -> Vec<Option<Value<'g>>> {
    let mut gradients: Vec<Option<Value<'g>>> = vec![None; varies.len()];
    let add = |gradients: &mut [Option<Value<'g>>], id: NodeId, contribution: Value<'g>| {
        let sum = &mut gradients[id.index()];
        *sum = Some(sum.map_or(contribution, |sum| sum + contribution));
    };
    given.iter().for_each(|&(id, gradient)| add(&mut gradients, id, gradient));
    // The results of each scan that have gradients.
    let mut results: FxHashMap<NodeId, Vec<(u32, Value<'g>)>> = FxHashMap::default();
    // The slices of each node that have gradients.
    let mut slices: FxHashMap<NodeId, Vec<(NodeId, SliceSpec)>> = FxHashMap::default();
    for id in (0..varies.len() as u32).rev().map(NodeId).filter(|id| varies[id.index()]) {
        let node = graph.node(id);
        if let Some(slices) = slices.remove(&id) {
            let slice = graph.node(slices[0].0);
            graph.in_gradient_of(&slice, || {
                for contribution in of_slices(graph, id, slices, &gradients) {
                    add(&mut gradients, id, contribution);
                }
            });
        }
        let upstream = gradients[id.index()];
        if let (Some((x, slope)), Some(upstream)) = (graph.slope(id), upstream) {
            if varies[x.id().index()] {
                graph.in_gradient_of(&node, || add(&mut gradients, x.id(), upstream * slope(x)));
            }
            continue;
        }
        let wanted: Vec<bool> = node.inputs.iter().map(|input| varies[input.index()]).collect();
        if !wanted.contains(&true) {
            continue;
        }
        let operands: Vec<Value<'g>> = node.inputs.iter().map(|&input| graph.value(input)).collect();
        graph.in_gradient_of(&node, || {
            let contributions = match (&node.op, upstream) {
                (Op::Scan { .. }, _) => match results.remove(&id) {
                    Some(upstream) => gradient_scan(graph, id, &upstream, &wanted),
                    None => return,
                },
                (_, None) => return,
                (Op::Slice(spec), Some(_)) => return slices.entry(node.inputs[0]).or_default().push((id, **spec)),
                (&Op::ScanResult { index }, Some(upstream)) => {
                    return results.entry(node.inputs[0]).or_default().push((index, upstream));
                }
                (op, Some(upstream)) => {
                    let adjoint = Adjoint { operands: &operands, output: graph.value(id), upstream, wanted: &wanted };
                    op.gradient(&adjoint)
                }
            };
            for (operand, contribution) in operands.iter().zip(contributions) {
                let Some(contribution) = contribution else { continue };
                // What was rounded to bf16 has its gradient as f32.
                let expected = Type::f32(operand.shape());
                debug_assert_eq!(contribution.ty(), expected, "gradient of {}", node.op.mnemonic());
                add(&mut gradients, operand.id(), contribution);
            }
        });
    }
    gradients
}

/// What some slices of a node contribute to its gradient.
fn of_slices<'g>(
    graph: &'g Builder,
    id: NodeId,
    mut slices: Vec<(NodeId, SliceSpec)>,
    gradients: &[Option<Value<'g>>],
) -> Vec<Value<'g>> {
    let gradient = |slice: NodeId| gradients[slice.index()].expect("slices are noted with their gradients");
    let shape = graph.value(id).shape();
    for axis in 0..shape.rank() {
        slices.sort_by_key(|(_, spec)| spec.start[axis]);
        if slices.len() > 1 && are_parts(&slices, shape, axis) {
            let parts: Vec<Value<'g>> = slices.iter().map(|&(slice, _)| gradient(slice)).collect();
            return vec![graph.concat(&parts, axis as i32)];
        }
    }
    slices.sort_by_key(|&(slice, _)| std::cmp::Reverse(slice));
    let operands = [graph.value(id)];
    let contribution = |&(slice, spec): &(NodeId, SliceSpec)| {
        let (output, upstream) = (graph.value(slice), gradient(slice));
        let adjoint = Adjoint { operands: &operands, output, upstream, wanted: &[true] };
        Op::Slice(spec.into()).gradient(&adjoint).swap_remove(0)
    };
    slices.iter().filter_map(contribution).collect()
}

/// Whether slices, in their order along an axis, are all parts of a tensor, one behind the other.
fn are_parts(slices: &[(NodeId, SliceSpec)], shape: Shape, axis: usize) -> bool {
    let mut end = 0;
    for (_, spec) in slices {
        let whole =
            |other: usize| spec.start[other] == 0 && spec.limit[other] == shape.dim(other) && spec.step[other] == 1;
        if spec.start[axis] != end
            || spec.step[axis] != 1
            || !(0..shape.rank()).all(|other| other == axis || whole(other))
        {
            return false;
        }
        end = spec.limit[axis];
    }
    end == shape.dim(axis)
}

/// For each of the first `end` nodes, whether it varies smoothly with one of `of`: whether a path of f32 values leads
/// from there to the node that no operation stops.
fn varying(graph: &Builder, end: usize, of: &[Value<'_>]) -> Vec<bool> {
    let mut varies = vec![false; end];
    of.iter().filter(|v| v.id().index() < end).for_each(|v| varies[v.id().index()] = true);
    for id in (0..end as u32).map(NodeId) {
        let node = graph.node(id);
        // The node of a scan stands for results of any type.
        let is_smooth = matches!(node.ty.dtype, DType::F32 | DType::Bf16) || matches!(node.op, Op::Scan { .. });
        let passes = is_smooth && !node.op.traits().stops_gradient;
        varies[id.index()] |= passes && node.inputs.iter().any(|input| varies[input.index()]);
    }
    varies
}
