//! The one way in which passes change graphs: [`rewrite`] rebuilds a graph node by node, in order, and a rule says for
//! each node what takes its place.

use std::borrow::Cow;
use std::cell::Cell;

use super::sweep::{inputs_come_first, sweep, swept};
use crate::graph::{Graph, Input, Node, NodeId, Operands, Output, Type, Update};
use crate::op::{Op, Scalar};
use crate::shape::{DType, MAX_RANK, Shape};

/// The graph in which the rule's replacement stands for each node; what is dead then is removed. The same graph, if the rule
/// replaces nothing and nothing is dead.
///
/// The rule sees a node whose operands are already those of the new graph, and gives the node of the new graph that
/// takes its place, or `None` to keep it. Inputs are not shown.
pub(super) fn rewrite<'a>(
    graph: &'a Graph,
    mut rule: impl FnMut(&mut Rewriter<'_>, &Node) -> Option<NodeId>,
) -> Cow<'a, Graph> {
    // Nodes stand in their places until the first one is replaced.
    let first = graph.inputs.len();
    let is_settled = inputs_come_first(graph);
    let mut rewriter = Rewriter { from: graph, nodes: Cow::Borrowed(&[]), values: Vec::new(), scope: 0 };
    rewriter.values.reserve(graph.nodes.len());
    let mut map: Vec<NodeId> = graph.ids().collect();
    // A slice: without optimization each index into a vector is a call.
    let map = map.as_mut_slice();
    if is_settled {
        rewriter.nodes = Cow::Borrowed(&graph.nodes[..first]);
        rewriter.values.resize(first, None);
    } else {
        for input in &graph.inputs {
            map[input.node.index()] = rewriter.push(graph.node(input.node).clone());
        }
    }
    for (number, kept) in graph.nodes.iter().enumerate() {
        if kept.op == Op::Input {
            continue;
        }
        rewriter.scope = kept.scope;
        let replacement = if rewriter.is_unchanged() {
            let replacement = rule(&mut rewriter, kept).unwrap_or_else(|| rewriter.keep(kept));
            if replacement != NodeId(number as u32) || rewriter.nodes.len() != number + 1 {
                rewriter.change();
            }
            replacement
        } else {
            let mut node = kept.clone();
            for operand in &mut node.inputs {
                *operand = map[operand.index()];
            }
            rule(&mut rewriter, &node).unwrap_or_else(|| rewriter.push(node))
        };
        debug_assert_eq!(rewriter.ty(replacement), kept.ty, "a replacement has the type of what it replaces");
        map[number] = replacement;
    }
    let nodes = match rewriter.nodes {
        Cow::Borrowed(_) => return sweep(graph),
        Cow::Owned(nodes) => nodes,
    };
    let place = |id: NodeId| map[id.index()];
    let inputs = graph.inputs.iter().map(|input| Input { node: place(input.node), ..input.clone() }).collect();
    let outputs = graph.outputs.iter().map(|output| Output { node: place(output.node), ..output.clone() }).collect();
    let updates = graph.updates.iter().map(|update| Update { node: place(update.node), ..*update }).collect();
    let Graph { name, scopes, bodies, .. } = graph;
    let (name, scopes, bodies) = (name.clone(), scopes.clone(), bodies.clone());
    let new = Graph { name, nodes, inputs, outputs, updates, scopes, bodies };
    Cow::Owned(swept(new))
}

thread_local! {
    /// The memory of the nodes of a graph that nobody needs any more, for the next one. Those of a deep network are so large
    /// that the system would have to clear fresh pages for each pass: a third of all pages of compiling 1,600 blocks.
    static SPARE: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
}

/// Keeps the memory of a graph for the one that the next pass makes on this thread; see [`forget_memory`].
pub(super) fn keep_memory(graph: Graph) {
    let mut nodes = graph.nodes;
    nodes.clear();
    SPARE.set(nodes);
}

/// Gives the memory back that [`keep_memory`] kept.
pub(super) fn forget_memory() {
    SPARE.take();
}

/// So many nodes more than before have room in a graph that is changed.
const NEW: usize = 8;

/// The new graph while a rule looks at one node.
pub(super) struct Rewriter<'a> {
    from: &'a Graph,
    /// The first nodes of the old graph, as long as they are those of the new one, too.
    nodes: Cow<'a, [Node]>,
    /// For each node the value that every element of it has, if that can be seen.
    values: Vec<Option<f64>>,
    /// Of the node that is looked at, and so of those that the rule adds.
    scope: u32,
}

impl Rewriter<'_> {
    /// The operation of a node.
    pub(super) fn op(&self, id: NodeId) -> &Op {
        &self.nodes[id.index()].op
    }

    /// The operands of a node.
    pub(super) fn operands(&self, id: NodeId) -> &[NodeId] {
        &self.nodes[id.index()].inputs
    }

    /// The type of a node.
    pub(super) fn ty(&self, id: NodeId) -> Type {
        self.nodes[id.index()].ty
    }

    /// The shape of a node.
    pub(super) fn shape(&self, id: NodeId) -> Shape {
        self.nodes[id.index()].ty.shape
    }

    /// Adds a node.
    ///
    /// # Panics
    /// If the operands do not fit the operation, which is a bug of the rule.
    pub(super) fn add(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let types: Vec<Type> = operands.iter().map(|&operand| self.ty(operand)).collect();
        let ty = op.infer(&types).unwrap_or_else(|error| panic!("a rule made an illegal node: {error}"));
        self.push(Node { op, inputs: operands.into(), ty, scope: self.scope })
    }

    /// Adds the node that is looked at as it is.
    pub(super) fn keep(&mut self, node: &Node) -> NodeId {
        let number = self.nodes.len();
        if !self.is_unchanged() {
            return self.push(node.clone());
        }
        self.values.push(self.value_of(node));
        self.nodes = Cow::Borrowed(&self.from.nodes[..=number]);
        NodeId(number as u32)
    }

    /// Whether nothing was replaced so far.
    fn is_unchanged(&self) -> bool {
        matches!(self.nodes, Cow::Borrowed(_))
    }

    /// Adds a scalar constant.
    pub(super) fn constant(&mut self, value: f64, dtype: DType) -> NodeId {
        let ty = Type { dtype, shape: Shape::SCALAR };
        self.push(Node { op: Op::Constant(Scalar(value)), inputs: Operands::new(), ty, scope: self.scope })
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.values.push(self.value_of(&node));
        let nodes = self.change();
        nodes.push(node);
        NodeId(nodes.len() as u32 - 1)
    }

    /// The nodes, to change them. They are copied at the first change, to memory that mostly is large enough for all.
    fn change(&mut self) -> &mut Vec<Node> {
        if let Cow::Borrowed(first) = self.nodes {
            let mut nodes = SPARE.take();
            nodes.reserve(self.from.nodes.len() + NEW);
            nodes.extend_from_slice(first);
            self.nodes = Cow::Owned(nodes);
        }
        self.nodes.to_mut()
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
        if let Op::Constant(Scalar(value)) = node.op {
            return Some(value);
        }
        if node.op.is_view() { self.value(node.inputs[0]) } else { None }
    }

    /// Whether every element of the node is known to have these very bits.
    pub(super) fn is_full(&self, id: NodeId, value: f64) -> bool {
        self.value(id).is_some_and(|found| found.to_bits() == value.to_bits())
    }

    /// The operand, if the node applies `op`, which takes one.
    pub(super) fn operand_of(&self, id: NodeId, op: Op) -> Option<NodeId> {
        (*self.op(id) == op).then(|| self.operands(id)[0])
    }
}

/// `[1, 1, ..]`.
pub(super) fn unit_axes(rank: usize) -> Shape {
    Shape::new(&[1; MAX_RANK][..rank])
}
