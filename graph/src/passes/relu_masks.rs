//! Lets the backward pass of a rectifier look where it has the least to look at.
//!
//! It looks at the rectifier's result instead of its operand, so that only one of them is stored: `y = z <= 0 ? k z :
//! z` with `k > 0` (or `k z` replaced by 0) is `<= 0` exactly where `z` is, NaN included; the same for `z > 0`.
//!
//! Behind a maximum pool it looks at the pool's result: the gradient of a window reaches the element that the window
//! has chosen, which is `<= 0` exactly where the window's maximum is. All other elements get +0, masked or not.
//!
//! Both are exact. They know windows and comparisons, and no layer.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::rewrite::rebuilt;
use crate::graph::{Graph, Node, NodeId, Operands, Type};
use crate::op::{BinaryOp, CompareOp, Op, Scalar, WindowOp};
use crate::shape::{DType, Shape};

/// The graph in which every later user of a rectifier's condition uses the condition on the rectifier's result.
pub fn relu_masks(graph: &Graph) -> Cow<'_, Graph> {
    let uses = graph.use_counts();
    let shared = |id: NodeId| rectifier(graph, id).filter(|condition| uses[condition.index()] > 1);
    if !graph.ids().any(|id| shared(id).is_some()) {
        return Cow::Borrowed(graph);
    }
    let mut conditions: FxHashMap<NodeId, NodeId> = FxHashMap::default();
    Cow::Owned(rebuilt(graph, |result, places, id| {
        let node = graph.node(id);
        let of = |operand: &NodeId| conditions.get(operand).copied().unwrap_or(places[operand.index()]);
        let place = result.push(Node { inputs: node.inputs.iter().map(of).collect(), ..node.clone() });
        if let Some(condition) = shared(id) {
            let compare = graph.node(condition);
            let inputs = Operands::from_slice(&[place, places[compare.inputs[1].index()]]);
            let on_result = result.push(Node { inputs, ..compare.clone() });
            conditions.entry(condition).or_insert(on_result);
        }
        place
    }))
}

/// The graph in which a mask on the gradient of a maximum pool, taken from the pool's operand, has become one on the
/// gradient of the pool's result, taken from that.
pub fn pool_masks(graph: &Graph) -> Cow<'_, Graph> {
    let uses = graph.use_counts();
    let pools = Pools::of(graph);
    // By the pool's gradient: the mask on it, and the pool.
    let mut masks: FxHashMap<NodeId, (NodeId, NodeId)> = FxHashMap::default();
    for id in graph.ids() {
        let Some(gradient) = masked_pool_gradient(graph, id) else { continue };
        if uses[gradient.index()] == 1
            && let Some(pool) = pools.before(graph, gradient)
        {
            masks.insert(gradient, (id, pool));
        }
    }
    if masks.is_empty() {
        return Cow::Borrowed(graph);
    }
    Cow::Owned(rebuilt(graph, |result, places, id| {
        let unmasked = masked_pool_gradient(graph, id);
        if let Some(gradient) = unmasked.filter(|gradient| masks.get(gradient).is_some_and(|(mask, _)| *mask == id)) {
            return places[gradient.index()];
        }
        let node = graph.node(id);
        let mut inputs: Operands = node.inputs.iter().map(|operand| places[operand.index()]).collect();
        if let Some(&(select, pool)) = masks.get(&id) {
            inputs[1] = masked(graph, result, places, select, pool, inputs[1]);
        }
        result.push(Node { inputs, ..node.clone() })
    }))
}

/// `y <= 0 ? 0 : gradient` (or `y > 0 ? gradient : 0`) for a pool's result `y`, as the select of the graph does for the
/// pool's operand.
fn masked(
    graph: &Graph,
    result: &mut Graph,
    places: &[NodeId],
    select: NodeId,
    pool: NodeId,
    gradient: NodeId,
) -> NodeId {
    let (select, shape) = (graph.node(select), graph.shape(pool));
    let compare = graph.node(select.inputs[0]);
    let ones = Shape::new(&vec![1; shape.rank()]);
    let mut push = |op: Op, inputs: &[NodeId], dtype: DType, shape: Shape| {
        result.push(Node { op, inputs: inputs.into(), ty: Type { dtype, shape }, scope: select.scope })
    };
    let zero = push(Op::Constant(Scalar(0.0)), &[], DType::F32, Shape::SCALAR);
    let zero = push(Op::Reshape(ones), &[zero], DType::F32, ones);
    let zero = push(Op::Broadcast(shape), &[zero], DType::F32, shape);
    let condition = push(compare.op.clone(), &[places[pool.index()], zero], DType::Bool, shape);
    let branch = |number: usize| if constant(graph, select.inputs[number]).is_some() { zero } else { gradient };
    push(Op::Select, &[condition, branch(1), branch(2)], DType::F32, shape)
}

/// The pool's gradient of which a node is `x <= 0 ? 0 : gradient` or `x > 0 ? gradient : 0`, `x` being the pool's
/// operand.
fn masked_pool_gradient(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    if node.op != Op::Select {
        return None;
    }
    let [condition, a, b] = node.inputs[..] else { return None };
    let compare = graph.node(condition);
    let Op::Compare(function @ (CompareOp::Le | CompareOp::Gt)) = compare.op else { return None };
    let (zero, gradient) = if function == CompareOp::Le { (a, b) } else { (b, a) };
    let pooled = graph.node(gradient);
    let fits = matches!(pooled.op, Op::WindowMaxGrad(_)) && pooled.inputs[0] == compare.inputs[0];
    // What no window chooses gets +0, so that a mask may not put -0 there.
    let zeros = constant(graph, compare.inputs[1]) == Some(0.0) && constant(graph, zero).is_some_and(is_plus_zero);
    (fits && zeros).then_some(gradient)
}

/// The maximum pools of each tensor, in the order of the graph.
struct Pools(FxHashMap<NodeId, Vec<NodeId>>);

impl Pools {
    fn of(graph: &Graph) -> Pools {
        let mut pools: FxHashMap<NodeId, Vec<NodeId>> = FxHashMap::default();
        for id in graph.ids() {
            let node = graph.node(id);
            if let Op::WindowReduce { op: WindowOp::Max, .. } = node.op {
                pools.entry(node.inputs[0]).or_default().push(id);
            }
        }
        Pools(pools)
    }

    /// The pool of a pool's gradient, if the graph computes it before.
    fn before(&self, graph: &Graph, gradient: NodeId) -> Option<NodeId> {
        let Node { op: Op::WindowMaxGrad(window), inputs, .. } = graph.node(gradient) else { return None };
        let pool = Op::WindowReduce { op: WindowOp::Max, window: window.clone() };
        self.0.get(&inputs[0])?.iter().copied().find(|&id| id < gradient && graph.node(id).op == pool)
    }
}

/// The condition of a node that is a rectifier.
fn rectifier(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    if node.op != Op::Select {
        return None;
    }
    let [condition, a, b] = node.inputs[..] else { return None };
    let compare = graph.node(condition);
    let [z, bound] = compare.inputs[..] else { return None };
    if constant(graph, bound) != Some(0.0) {
        return None;
    }
    let Op::Compare(function) = compare.op else { return None };
    let (kept, scaled) = match function {
        CompareOp::Le => (b, a),
        CompareOp::Gt => (a, b),
        CompareOp::Eq | CompareOp::Ne | CompareOp::Lt | CompareOp::Ge => return None,
    };
    let is_scaled = || {
        let product = graph.node(scaled);
        // Whole numbers wrap around.
        graph.ty(z).dtype == DType::F32
            && product.op == Op::Binary(BinaryOp::Mul)
            && product.inputs[0] == z
            && constant(graph, product.inputs[1]).is_some_and(keeps_sign)
    };
    (kept == z && (constant(graph, scaled) == Some(0.0) || is_scaled())).then_some(condition)
}

/// Whether `k z` has the sign of `z` for every `z`, infinities included: in f32, too, where a factor that is flushed to
/// 0 or that overflows makes NaN of infinities or of zeros.
fn keeps_sign(factor: f64) -> bool {
    factor > 0.0 && (factor as f32).is_normal()
}

fn is_plus_zero(value: f64) -> bool {
    value.to_bits() == 0
}

/// The number in every place of a node that repeats a constant.
fn constant(graph: &Graph, id: NodeId) -> Option<f64> {
    let mut node = graph.node(id);
    while node.op.is_view() {
        node = graph.node(node.inputs[0]);
    }
    if let Op::Constant(value) = node.op { Some(value.0) } else { None }
}
