//! Copies that need not be made: the one value that is copied to a concatenation, or to another order of its axes, is
//! written where the copy would lie. It knows graphs, groups and where values lie; it writes no kernel: a copy of what
//! lies there already is none (`lower/map.rs`).
//!
//! ```text
//! dot ---> [n, heads, t, features] --transpose, reshape--> [n, t, d] --concat--> [n, t, 3 d]
//!          strides of the parts of [n, t, 3 d]             the same
//! ```
//!
//! That is so of contractions, whose results may lie anywhere, and of copies themselves, if nothing else reads them.

use kiln_graph::op::Op;
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{Graph, NodeId};

use super::group::Fusion;
use super::pieces::{Memory, Purpose};
use crate::layout::Layout;
use crate::lower::expression::{Located, reshape_view};
use crate::lower::{Class, Group, class};

/// Lets values lie where they are copied to; `members` are the nodes that each group computes, `lanes` the elements of a
/// vector: what would not lie in rows as long as that is better copied. Says which groups write or read what lies
/// elsewhere now.
pub fn elide_copies(
    graph: &Graph,
    fusion: &Fusion,
    members: &[Vec<NodeId>],
    invariant: &[bool],
    lanes: usize,
    memory: &mut Memory,
) -> Vec<usize> {
    let mut changed = Vec::new();
    let mut uses = vec![0_usize; graph.nodes.len()];
    for id in members.iter().flatten() {
        graph.node(*id).inputs.iter().for_each(|operand| uses[operand.index()] += 1);
    }
    let mut of = vec![None; graph.nodes.len()];
    for (position, group) in fusion.groups.iter().enumerate() {
        group.stores.iter().for_each(|id| of[id.index()] = Some(position));
    }
    // A copy's own place is decided before that of what it copies.
    for (reader, group) in fusion.groups.iter().enumerate().rev() {
        for (operand, place) in destinations(graph, group, memory) {
            let Some((value, layout)) = source(graph, fusion, &uses, operand, place.layout) else { continue };
            let runs = |axis: usize| layout.strides[axis] == 1 && graph.shape(value).dim(axis) >= lanes;
            let Some(writer) = of[value.index()] else { continue };
            let is_free = memory.halos.get(value).is_none()
                && memory.purpose(memory.place(value).storage) == Purpose::Temporary
                && memory.place(value).dtype == place.dtype
                && !invariant[value.index()]
                && (0..graph.shape(value).rank()).any(runs);
            if is_free && takes_layout(graph, &fusion.groups[writer], &layout) {
                memory.located.set(value, Located { layout, ..place });
                changed.extend([writer, reader]);
            }
        }
    }
    changed
}

/// What a group does nothing but copy, and where each of these values would lie within its result.
fn destinations(graph: &Graph, group: &Group, memory: &Memory) -> Vec<(NodeId, Located)> {
    let [id] = group.stores[..] else { return Vec::new() };
    let (node, place) = (graph.node(id), memory.place(id));
    if memory.purpose(place.storage) != Purpose::Temporary || memory.halos.get(id).is_some() {
        return Vec::new();
    }
    if let Op::Concat { axis } = node.op {
        let mut layout = place.layout;
        let mut parts = Vec::new();
        for &operand in &node.inputs {
            parts.push((operand, Located { layout, ..place }));
            layout.offset += graph.shape(operand).dim(axis) * layout.strides[axis] as usize;
        }
        return parts;
    }
    let layout = if group.roots.is_empty() { beneath(graph, id, &place.layout) } else { None };
    layout.map(|layout| (node.inputs[0], Located { layout, ..place })).into_iter().collect()
}

/// The stored value that a node shows, if nothing else reads it, and how it lies if the node lies as the layout says.
fn source(graph: &Graph, fusion: &Fusion, uses: &[usize], node: NodeId, layout: Layout) -> Option<(NodeId, Layout)> {
    let (mut id, mut layout) = (node, layout);
    while uses[id.index()] == 1 {
        if fusion.stored[id.index()] {
            return Some((id, layout));
        }
        layout = beneath(graph, id, &layout)?;
        id = graph.node(id).inputs[0];
    }
    None
}

/// How the operand of a view lies, if the view lies as the layout says and shows all of it.
fn beneath(graph: &Graph, view: NodeId, layout: &Layout) -> Option<Layout> {
    if class(graph, view) != Class::View {
        return None;
    }
    let node = graph.node(view);
    let operand = graph.shape(node.inputs[0]);
    match node.op {
        Op::Reshape(shape) => reshape_view(layout, shape, operand),
        Op::Transpose(permutation) => {
            let mut strides = [0; MAX_RANK];
            (0..operand.rank()).for_each(|axis| strides[permutation[axis] as usize] = layout.strides[axis]);
            Some(Layout { strides, ..*layout })
        }
        _ => None,
    }
}

/// Whether what a group stores, a single value, may lie so.
fn takes_layout(graph: &Graph, group: &Group, layout: &Layout) -> bool {
    let [id] = group.stores[..] else { return false };
    match group.root() {
        Some(root) => graph.node(root).op.is_contraction(),
        // A copy that joins axes goes by the places of its operand, under whose shape its result has to be seen.
        None => beneath(graph, id, layout).is_some(),
    }
}
