//! Computes what follows a product over rows under the product's own shape, so that its kernel can compute it on its
//! results: a linear layer over `[n, t, k]` multiplies the matrix `[n t, k]`, and what its reshaped results are added
//! to or multiplied with, such as a residual or the slope of an activation, stands under `[n, t, m]`.
//!
//! ```text
//! reshape(dot + bias) + h      becomes      reshape((dot + bias) + reshape(h))
//! ```
//!
//! Only where `h` is itself computed of two values, or another such product: it is most often stored row by row anyway.
//! Views, constants and masks would have to be stored for it. Exact. It knows products and reshapes, and no layer.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::rewrite::rebuilt;
use super::sweep::sweep;
use crate::graph::{Graph, Node, NodeId, Operands, Type};
use crate::op::{BinaryOp, Op};
use crate::shape::Shape;

/// The graph in which such sums and products stand before the reshape.
pub fn product_epilogues(graph: &Graph) -> Cow<'_, Graph> {
    let uses = graph.use_counts();
    let is_moved = |id: NodeId| reshaped_product(graph, &uses, id).is_some();
    if !graph.ids().any(is_moved) {
        return Cow::Borrowed(graph);
    }
    // What was moved, by its old name: the value before the reshape.
    let mut inner: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    let mut new = rebuilt(graph, |result, places, id| {
        let node = graph.node(id);
        let reshape = |result: &mut Graph, operand: NodeId, shape: Shape| {
            let ty = Type { dtype: node.ty.dtype, shape };
            result.push(Node {
                op: Op::Reshape(shape),
                inputs: Operands::from_slice(&[operand]),
                ty,
                scope: node.scope,
            })
        };
        if let Some(product) = reshaped_product(graph, &uses, id) {
            let shape = graph.shape(product);
            let mut inputs = Operands::new();
            for &operand in &node.inputs {
                let is_reshape = matches!(graph.node(operand).op, Op::Reshape(_));
                let source = if is_reshape { graph.node(operand).inputs[0] } else { operand };
                inputs.push(match inner.get(&operand) {
                    Some(&moved) if result.shape(moved) == shape => moved,
                    _ if is_reshape && graph.shape(source) == shape => places[source.index()],
                    _ => reshape(result, places[operand.index()], shape),
                });
            }
            let ty = Type { dtype: node.ty.dtype, shape };
            let moved = result.push(Node { op: node.op.clone(), inputs, ty, scope: node.scope });
            inner.insert(id, moved);
            return reshape(result, moved, node.ty.shape);
        }
        // What is rounded behind that, or widened, is so under that shape, too.
        if let (Op::Convert(dtype), Some(&moved)) = (&node.op, node.inputs.first().and_then(|id| inner.get(id))) {
            let ty = Type { dtype: *dtype, shape: result.shape(moved) };
            let inputs = Operands::from_slice(&[moved]);
            let converted = result.push(Node { op: node.op.clone(), inputs, ty, scope: node.scope });
            inner.insert(id, converted);
            return reshape(result, converted, node.ty.shape);
        }
        // What is reshaped again, to the matrix of the next product, is the value before the reshape.
        if let Op::Reshape(shape) = node.op
            && let Some(&moved) = inner.get(&node.inputs[0])
        {
            return if result.shape(moved) == shape { moved } else { reshape(result, moved, shape) };
        }
        let inputs = node.inputs.iter().map(|operand| places[operand.index()]).collect();
        result.push(Node { inputs, ..node.clone() })
    });
    sweep(&mut new);
    Cow::Owned(new)
}

/// The product over rows whose reshaped results, of which nothing else is made, a node adds or multiplies to another
/// value that is computed.
fn reshaped_product(graph: &Graph, uses: &[usize], id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    let (Op::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul), [a, b]) = (&node.op, &node.inputs[..]) else {
        return None;
    };
    let product = |id: NodeId| {
        let reshape = graph.node(id);
        let Op::Reshape(shape) = reshape.op else { return None };
        let product = reshape.inputs[0];
        let node = graph.node(product);
        let is_alone = uses[id.index()] == 1 && uses[product.index()] == 1;
        // With a bias, which is the same for all rows.
        let of = match (&node.op, &node.inputs[..]) {
            (Op::Binary(BinaryOp::Add), &[sums, bias]) if matches!(graph.node(bias).op, Op::Broadcast(_)) => sums,
            _ => product,
        };
        let is_product = graph.node(of).op.is_contraction() && node.ty.shape.rank() < shape.rank();
        (is_alone && is_product).then_some(product)
    };
    // A reshaped product, too, is computed.
    let is_computed = |id: NodeId| matches!(graph.node(id).op, Op::Binary(_)) || product(id).is_some();
    product(*a).filter(|_| is_computed(*b)).or_else(|| product(*b).filter(|_| is_computed(*a)))
}
