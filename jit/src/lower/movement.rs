//! Results that are written box by box: pads and concatenations. (Other movements are views, which dissolve into
//! accesses.) How a box is stored is `map.rs`'s.

use kiln_graph::NodeId;

use super::expression::{Affine, Expression, ExpressionBuilder, identity};
use super::group::Context;

/// A node's value over a box of a stored value, whose first element has the given coordinates.
fn fill(context: &Context<'_>, to: NodeId, start: &[usize], extents: &[usize], value: NodeId) -> Expression {
    let graph = context.graph;
    let located = |id| if id == to { None } else { context.located(id) };
    let rank = extents.len();
    let at = identity(rank);
    let mut builder = ExpressionBuilder::new(graph, &located, extents.to_vec());
    // The border of a pad: one number for all places of the box.
    let scalar = graph.shape(value).rank() == 0 && rank > 0;
    let term = builder.node(value, if scalar { &[] } else { &at });
    let place: Vec<Affine> = at.into_iter().zip(start).map(|(axis, &start)| axis.shifted(start as i64)).collect();
    builder.store(term, context.place(to), &place);
    builder.finish()
}

/// The boxes of a padded tensor: the operand, then the border.
pub fn describe_pad(context: &Context<'_>, root: NodeId, low: &[usize]) -> Vec<Expression> {
    let graph = context.graph;
    let node = graph.node(root);
    let (operand, value) = (node.inputs[0], node.inputs[1]);
    let inner = graph.shape(operand);
    let shape = node.ty.shape;
    let rank = shape.rank();
    let mut boxes = vec![fill(context, root, &low[..rank], inner.dims(), operand)];
    // Each place of the border lies in one slab. Of two axes, where a and b stand before and after the first axis, c
    // and d the second:
    //   a a a a a
    //   c . . . d        . the operand
    //   b b b b b
    // The border in slabs: before and after each axis, within the operand along the axes before it.
    for axis in 0..rank {
        for (from, to) in [(0, low[axis]), (low[axis] + inner.dim(axis), shape.dim(axis))] {
            let mut start = vec![0; rank];
            let mut extents = shape.dims().to_vec();
            start[..axis].copy_from_slice(&low[..axis]);
            extents[..axis].copy_from_slice(&inner.dims()[..axis]);
            (start[axis], extents[axis]) = (from, to - from);
            boxes.push(fill(context, root, &start, &extents, value));
        }
    }
    boxes
}

/// The boxes of a concatenation: an operand each.
pub fn describe_concat(context: &Context<'_>, root: NodeId, axis: usize) -> Vec<Expression> {
    let graph = context.graph;
    let mut start = vec![0; graph.shape(root).rank()];
    let mut boxes = Vec::new();
    // The operands side by side along the axis, each with a kernel of its own: no place asks which operand it belongs
    // to.
    for &operand in &graph.node(root).inputs {
        let shape = graph.shape(operand);
        boxes.push(fill(context, root, &start, shape.dims(), operand));
        start[axis] += shape.dim(axis);
    }
    boxes
}
