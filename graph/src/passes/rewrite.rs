//! The one way in which passes change graphs: [`rewrite`] rebuilds a graph node by node, in order, and a rule says for
//! each node what takes its place.

use crate::graph::{Graph, Node, NodeId, Operands, Output, Type, Update};
use crate::op::{Op, Scalar};
use crate::shape::{DType, MAX_RANK, Shape};
use smallvec::SmallVec;

use super::sweep::swept;

/// The graph in which the rule's replacement stands for each node; what is dead then is removed.
///
/// The rule sees a node whose operands are already those of the new graph, and gives the node of the new graph that
/// takes its place, or `None` to keep it. Inputs are not shown.
pub(super) fn rewrite(graph: &Graph, mut rule: impl FnMut(&mut Rewriter, &Node) -> Option<NodeId>) -> Graph {
    // Rules may add nodes before the last ones are swept away.
    let nodes = Vec::with_capacity(graph.nodes.len() + graph.nodes.len() / 4);
    let mut new = Graph { nodes, scopes: graph.scopes.clone(), ..Graph::new(&graph.name) };
    let mut map = vec![None; graph.nodes.len()];
    for input in &graph.inputs {
        let id = new.push(graph.node(input.node).clone());
        map[input.node.index()] = Some(id);
        new.inputs.push(crate::graph::Input { node: id, ..input.clone() });
    }
    let values = vec![None; new.nodes.len()];
    let mut rewriter = Rewriter { graph: new, values, scope: 0 };
    let place = |map: &[Option<NodeId>], id: NodeId| map[id.index()].expect("operands come first");
    for id in graph.ids().filter(|&id| graph.node(id).op != Op::Input) {
        let mut node = graph.node(id).clone();
        for operand in &mut node.inputs {
            *operand = place(&map, *operand);
        }
        rewriter.scope = node.scope;
        let ty = node.ty;
        let replacement = rule(&mut rewriter, &node).unwrap_or_else(|| rewriter.push(node));
        debug_assert_eq!(rewriter.ty(replacement), ty, "a replacement has the type of what it replaces");
        map[id.index()] = Some(replacement);
    }
    let mut new = rewriter.graph;
    new.outputs =
        graph.outputs.iter().map(|output| Output { node: place(&map, output.node), ..output.clone() }).collect();
    new.updates = graph.updates.iter().map(|update| Update { node: place(&map, update.node), ..*update }).collect();
    swept(new)
}

/// The new graph while a rule looks at one node.
pub(super) struct Rewriter {
    graph: Graph,
    /// For each node the value that every element of it has, if that can be seen.
    values: Vec<Option<f64>>,
    /// Of the node that is looked at, and so of those that the rule adds.
    scope: u32,
}

impl Rewriter {
    /// The operation of a node.
    pub(super) fn op(&self, id: NodeId) -> Op {
        self.graph.node(id).op
    }

    /// The operands of a node.
    pub(super) fn operands(&self, id: NodeId) -> &[NodeId] {
        &self.graph.node(id).inputs
    }

    /// The type of a node.
    pub(super) fn ty(&self, id: NodeId) -> Type {
        self.graph.ty(id)
    }

    /// The shape of a node.
    pub(super) fn shape(&self, id: NodeId) -> Shape {
        self.graph.shape(id)
    }

    /// Adds a node.
    ///
    /// # Panics
    /// If the operands do not fit the operation, which is a bug of the rule.
    pub(super) fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let types: SmallVec<[Type; 4]> = operands.iter().map(|&operand| self.ty(operand)).collect();
        let ty = op.infer(&types).unwrap_or_else(|error| panic!("a rule made an illegal node: {error}"));
        self.push(Node { op, inputs: operands.into(), ty, scope: self.scope })
    }

    /// Adds the node that is looked at as it is.
    pub(super) fn keep(&mut self, node: &Node) -> NodeId {
        self.push(node.clone())
    }

    /// Adds a scalar constant.
    pub(super) fn constant(&mut self, value: f64, dtype: DType) -> NodeId {
        let ty = Type { dtype, shape: Shape::SCALAR };
        self.push(Node { op: Op::Constant(Scalar(value)), inputs: Operands::new(), ty, scope: self.scope })
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.values.push(self.value_of(&node));
        self.graph.push(node)
    }

    /// Repeats a scalar to a shape, in the one spelling that passes write: a reshape to unit axes and a broadcast, each
    /// where it does something.
    pub(super) fn repeat(&mut self, scalar: NodeId, shape: Shape) -> NodeId {
        let ones = unit_axes(shape.rank());
        let reshaped = if shape.rank() == 0 { scalar } else { self.add(Op::Reshape(ones), &[scalar]) };
        if shape == ones { reshaped } else { self.add(Op::Broadcast(shape), &[reshaped]) }
    }

    /// Adds a tensor whose elements are all the same.
    pub(super) fn full(&mut self, value: f64, ty: Type) -> NodeId {
        let scalar = self.constant(value, ty.dtype);
        self.repeat(scalar, ty.shape)
    }

    /// The value that every element of the node has, if that can be seen: a constant, moved about.
    pub(super) fn value(&self, id: NodeId) -> Option<f64> {
        self.values[id.index()]
    }

    fn value_of(&self, node: &Node) -> Option<f64> {
        match node.op {
            Op::Constant(Scalar(value)) => Some(value),
            Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast(_) | Op::Slice(_) | Op::Reverse(_) | Op::Detach => {
                self.value(node.inputs[0])
            }
            Op::Input
            | Op::Iota { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Compare(_)
            | Op::Select
            | Op::Convert(_)
            | Op::Reduce { .. }
            | Op::ArgReduce { .. }
            | Op::Dot
            | Op::Conv(_)
            | Op::ConvGradInput { .. }
            | Op::ConvGradWeight { .. }
            | Op::WindowReduce { .. }
            | Op::WindowMaxGrad(_)
            | Op::WindowMaxPick(_)
            | Op::WindowSumGrad { .. }
            | Op::Pad { .. }
            | Op::Concat { .. }
            | Op::Gather { .. }
            | Op::ScatterAdd { .. }
            | Op::TakeRows
            | Op::ScatterRows { .. }
            | Op::Random { .. } => None,
        }
    }

    /// Whether every element of the node is known to have these very bits.
    pub(super) fn is_full(&self, id: NodeId, value: f64) -> bool {
        self.value(id).is_some_and(|found| found.to_bits() == value.to_bits())
    }

    /// The operand, if the node applies `op`, which takes one.
    pub(super) fn operand_of(&self, id: NodeId, op: Op) -> Option<NodeId> {
        (self.op(id) == op).then(|| self.operands(id)[0])
    }
}

/// `[1, 1, ..]`.
pub(super) fn unit_axes(rank: usize) -> Shape {
    Shape::new(&[1; MAX_RANK][..rank])
}
