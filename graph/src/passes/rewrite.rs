//! The one way in which passes change graphs: [`rewrite`] goes through a graph node by node, in order, and a rule says
//! for each node what takes its place. (What prepares a graph for a plan has another graph to write, and asks at old
//! nodes: [`rebuilt`].) It knows no rule.
//!
//! It does so in place: graphs of deep networks are larger than caches, and copies of them would be most of what passes
//! wait for.

use std::collections::VecDeque;

use super::sweep::{self, inputs_come_first, sweep};
use crate::graph::{Graph, Node, NodeId, Operands, Type};
use crate::op::{Op, Scalar};
use crate::shape::{DType, MAX_RANK, Shape};

/// Puts the rule's replacement in the place of each node, and removes what is dead then. Says whether the rule replaced
/// anything or something was dead; if not, the graph is as it was.
///
/// The rule sees a node whose operands are already those of the new graph, and gives the node of the new graph that
/// takes its place, or `None` to keep it. Inputs are not shown.
pub(super) fn rewrite(graph: &mut Graph, mut rule: impl FnMut(&mut Rewriter<'_>, &Node) -> Option<NodeId>) -> bool {
    if !inputs_come_first(graph) {
        *graph = rewritten(graph, rule);
        return true;
    }
    let Change { at, replacement, added, values } = match first_change(graph, &mut rule) {
        Ok(change) => change,
        Err(all_used) => return !all_used && sweep(graph),
    };
    let mut nodes = std::mem::take(&mut graph.nodes);
    let mut map: Vec<NodeId> = (0..nodes.len() as u32).map(NodeId).collect();
    // A slice: without optimization each index into a vector is a call.
    let map = map.as_mut_slice();
    let scope = nodes[at].scope;
    nodes[at] = taken();
    let mut rewriter = Rewriter { kept: &[], nodes, len: at, next: at + 1, waiting: VecDeque::new(), values, scope };
    added.into_iter().for_each(|node| rewriter.append(node));
    map[at] = replacement;
    let mut number = at;
    while let Some(node) = rewriter.take() {
        number += 1;
        map[number] = rewriter.replace(node, map, &mut rule);
    }
    let Rewriter { mut nodes, len, .. } = rewriter;
    nodes.truncate(len);
    graph.nodes = nodes;
    rename(graph, map);
    sweep(graph);
    true
}

/// As [`rewrite`], but the result is another graph.
pub(super) fn rewritten(graph: &Graph, mut rule: impl FnMut(&mut Rewriter<'_>, &Node) -> Option<NodeId>) -> Graph {
    let mut rewriter = Rewriter::default();
    let mut map = vec![NodeId::default(); graph.nodes.len()];
    let map = map.as_mut_slice();
    for input in &graph.inputs {
        map[input.node.index()] = rewriter.push(graph.node(input.node).clone());
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        if node.op != Op::Input {
            map[number] = rewriter.replace(node.clone(), map, &mut rule);
        }
    }
    let Graph { name, nodes: _, inputs, outputs, updates, scopes, bodies } = graph;
    let mut new = Graph {
        name: name.clone(),
        nodes: rewriter.nodes,
        inputs: inputs.clone(),
        outputs: outputs.clone(),
        updates: updates.clone(),
        scopes: scopes.clone(),
        bodies: bodies.clone(),
    };
    rename(&mut new, map);
    sweep(&mut new);
    new
}

/// The graph with other nodes: `node` adds what takes the place of each, and says where that is, given the places of
/// those before.
pub(super) fn rebuilt(graph: &Graph, mut node: impl FnMut(&mut Graph, &[NodeId], NodeId) -> NodeId) -> Graph {
    let Graph { name, nodes, inputs, outputs, updates, scopes, bodies } = graph;
    let mut result = Graph {
        name: name.clone(),
        nodes: Vec::with_capacity(nodes.len() + nodes.len() / 16),
        inputs: inputs.clone(),
        outputs: outputs.clone(),
        updates: updates.clone(),
        scopes: scopes.clone(),
        bodies: bodies.clone(),
    };
    let mut places: Vec<NodeId> = Vec::with_capacity(nodes.len());
    for id in graph.ids() {
        let place = node(&mut result, &places, id);
        places.push(place);
    }
    let at = |id: NodeId| places[id.index()];
    result.inputs.iter_mut().for_each(|input| input.node = at(input.node));
    result.outputs.iter_mut().for_each(|output| output.node = at(output.node));
    result.updates.iter_mut().for_each(|update| update.node = at(update.node));
    result
}

/// Lets what stands beside the nodes name the new ones.
fn rename(graph: &mut Graph, map: &[NodeId]) {
    graph.inputs.iter_mut().for_each(|input| input.node = map[input.node.index()]);
    graph.outputs.iter_mut().for_each(|output| output.node = map[output.node.index()]);
    graph.updates.iter_mut().for_each(|update| update.node = map[update.node.index()]);
}

/// The first node that a rule replaces: its number, what takes its place, the nodes that the rule added, and the values
/// of all nodes so far.
struct Change {
    at: usize,
    replacement: NodeId,
    added: Vec<Node>,
    values: Vec<Option<f64>>,
}

/// The first change of a graph whose inputs come first; without one, whether each node has a user, so that none is
/// dead.
fn first_change(
    graph: &Graph,
    rule: &mut impl FnMut(&mut Rewriter<'_>, &Node) -> Option<NodeId>,
) -> Result<Change, bool> {
    let inputs = graph.inputs.len();
    let mut rewriter = Rewriter { kept: &graph.nodes[..inputs], ..Rewriter::default() };
    rewriter.values.reserve(graph.nodes.len());
    rewriter.values.resize(inputs, None);
    let mut all_used = vec![false; graph.nodes.len()];
    let used = all_used.as_mut_slice();
    graph.roots().for_each(|root| used[root.index()] = true);
    for (at, node) in graph.nodes.iter().enumerate().skip(inputs) {
        rewriter.scope = node.scope;
        let replacement = rule(&mut rewriter, node);
        if replacement.is_some() || rewriter.len > 0 {
            let replacement = replacement.unwrap_or_else(|| rewriter.push(node.clone()));
            debug_assert_eq!(rewriter.ty(replacement), node.ty, "a replacement has the type of what it replaces");
            return Ok(Change { at, replacement, added: rewriter.nodes, values: rewriter.values });
        }
        rewriter.values.push(rewriter.value_of(node));
        rewriter.kept = &graph.nodes[..=at];
        let operands = node.inputs.as_slice();
        let mut number = 0;
        while number < operands.len() {
            used[operands[number].index()] = true;
            number += 1;
        }
    }
    Err(!used[inputs..].contains(&false))
}

/// What stands where a node was taken from.
fn taken() -> Node {
    Node { op: Op::Input, inputs: Operands::new(), ty: Type { dtype: DType::F32, shape: Shape::SCALAR }, scope: 0 }
}

/// The new graph while a rule looks at one node.
#[derive(Default)]
pub(super) struct Rewriter<'a> {
    /// The first nodes, as long as they are those of the old graph.
    kept: &'a [Node],
    /// The nodes that follow: first so many new ones, and from `next` on the old ones that were not looked at.
    nodes: Vec<Node>,
    len: usize,
    next: usize,
    /// The old nodes before `next` that were not looked at, because a rule added more than it had room for.
    waiting: VecDeque<Node>,
    /// For each node the value that every element of it has, if that can be seen.
    values: Vec<Option<f64>>,
    /// Of the node that is looked at, and so of those that the rule adds.
    scope: u32,
}

impl Rewriter<'_> {
    fn node(&self, id: NodeId) -> &Node {
        // Slices: without optimization each index into a vector is a call.
        match id.index().checked_sub(self.kept.len()) {
            Some(behind) => &self.nodes.as_slice()[behind],
            None => &self.kept[id.index()],
        }
    }

    /// The operation of a node.
    pub(super) fn op(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    /// The operands of a node.
    pub(super) fn operands(&self, id: NodeId) -> &[NodeId] {
        &self.node(id).inputs
    }

    /// The type of a node.
    pub(super) fn ty(&self, id: NodeId) -> Type {
        self.node(id).ty
    }

    /// The shape of a node.
    pub(super) fn shape(&self, id: NodeId) -> Shape {
        self.node(id).ty.shape
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

    /// What the node that is looked at will be called if it is kept and nothing is added before it.
    pub(super) fn here(&self) -> NodeId {
        NodeId((self.kept.len() + self.len) as u32)
    }

    /// Adds a scalar constant.
    pub(super) fn constant(&mut self, value: f64, dtype: DType) -> NodeId {
        let ty = Type { dtype, shape: Shape::SCALAR };
        self.push(Node { op: Op::Constant(Scalar(value)), inputs: Operands::new(), ty, scope: self.scope })
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.values.push(self.value_of(&node));
        let here = self.here();
        self.append(node);
        here
    }

    /// Puts a node behind the new ones, where an old one that was not looked at may have to make room.
    fn append(&mut self, node: Node) {
        if self.len < self.next {
            self.nodes[self.len] = node;
        } else if self.next < self.nodes.len() {
            self.waiting.push_back(std::mem::replace(&mut self.nodes[self.next], node));
            self.next += 1;
        } else {
            self.nodes.push(node);
            self.next += 1;
        }
        self.len += 1;
    }

    /// Takes the next of the old nodes that were not looked at.
    fn take(&mut self) -> Option<Node> {
        if !self.waiting.is_empty() {
            return self.waiting.pop_front();
        }
        if self.next == self.nodes.len() {
            return None;
        }
        let node = std::mem::replace(&mut self.nodes.as_mut_slice()[self.next], taken());
        self.next += 1;
        Some(node)
    }

    /// What takes the place of an old node; `map` gives the new names of nodes before it.
    fn replace(
        &mut self,
        mut node: Node,
        map: &[NodeId],
        rule: &mut impl FnMut(&mut Self, &Node) -> Option<NodeId>,
    ) -> NodeId {
        self.scope = node.scope;
        sweep::rename(&mut node.inputs, map);
        match rule(self, &node) {
            Some(replacement) => {
                debug_assert_eq!(self.ty(replacement), node.ty, "a replacement has the type of what it replaces");
                replacement
            }
            None => self.push(node),
        }
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
        // Few operands have such a value.
        let value = self.value(*node.inputs.as_slice().first()?)?;
        if node.op.is_view() { Some(value) } else { None }
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
