//! The graph: nodes in topological order, named inputs, outputs and updates. Knows neither how a
//! graph is built comfortably (`build.rs`) nor what its operations mean (`ops/`).

use std::fmt;

use crate::few::Few;
use crate::op::Op;
pub use crate::shape::Type;
use crate::shape::{MAX_RANK, Shape};

/// A node of a graph, and the value it computes; prints as `%7`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position of the node in [`Graph::nodes`].
    // Walks over graphs are full of it, and in debug builds it is a call otherwise.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// What a node is computed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A result: predictions, losses, running statistics.
    #[default]
    Forward,
    /// A gradient.
    Backward,
    /// The new value of a parameter, and of what its optimizer keeps.
    Update,
}

/// A place in a user's source: a part of the body of a [`forward`](crate::Model) or of a step, as the macros found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// As `file!()` gives it.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Where nodes come from: one use of a layer, or of a function of several operations. Scopes lie within one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The layer's name (`conv1`, `head.norm`); empty outside of layers. A layer that is applied twice has two scopes.
    pub layer: String,
    /// The function within the layer (`relu`, `cross_entropy`), or the optimizer; empty outside of functions.
    pub function: &'static str,
    /// For [`Stage::Backward`] the operation of which its nodes compute the gradient; else empty.
    pub operation: &'static str,
    /// What its nodes are computed for.
    pub stage: Stage,
    /// The scope around this one, as an index into [`Graph::scopes`]; for [`Stage::Backward`] the scope whose gradients
    /// its nodes compute.
    pub outer: u32,
    /// Where the user asked for it, for a scope that stands for that alone (the macros say it);
    /// for that of gradients, where the scope has it whose gradients they are. [`Graph::line`] looks further out.
    pub line: Option<Line>,
}

impl Scope {
    /// A scope of a layer, not within another one.
    pub fn of_layer(layer: impl Into<String>) -> Scope {
        Scope { layer: layer.into(), ..Scope::default() }
    }
}

/// The operands of a node: most have few.
pub type Operands = Few<NodeId, 3>;

/// One operation applied to earlier nodes.
#[derive(Debug, PartialEq)]
pub struct Node {
    /// The operation with its attributes.
    pub op: Op,
    /// The operands: earlier nodes.
    pub inputs: Operands,
    /// The type of the result.
    pub ty: Type,
    /// Where the node comes from, as an index into [`Graph::scopes`]; 0 is "outside of layers".
    pub scope: u32,
}

// Passes and planner walk over all nodes many times, which takes as long as their memory takes to come by.
const _: () = assert!(size_of::<Node>() <= 200);

/// Graphs are copied all the time.
impl Clone for Node {
    fn clone(&self) -> Node {
        Node { op: self.op.clone(), inputs: Operands::from_slice(&self.inputs), ..*self }
    }
}

/// What an input of a graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Given anew at each call.
    Data,
    /// Lives on between calls: parameters, running statistics, optimizer moments, counters.
    State,
}

/// A named value from outside. State inputs are told apart by name across all programs of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// `x`, `fc1.weight`, `fc1.weight.exp_avg`.
    pub name: String,
    /// Whether it is given at each call or lives on.
    pub role: Role,
    /// The [`Op::Input`] node.
    pub node: NodeId,
    /// Of data: whether it holds nothing of single rows, so that it is the same for all parts of a batch.
    pub common: bool,
}

impl Input {
    /// One that is not common.
    pub fn new(name: impl Into<String>, role: Role, node: NodeId) -> Input {
        Input { name: name.into(), role, node, common: false }
    }
}

/// A named result.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// `loss`, `prediction`.
    pub name: String,
    /// The node whose value is returned.
    pub node: NodeId,
}

/// After the call the state `input` (an index into [`Graph::inputs`]) holds the value of `node`. All updates happen
/// at the end of the call: every node sees the old value of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Index into [`Graph::inputs`]; its role is [`Role::State`].
    pub input: usize,
    /// The new value, of the input's type.
    pub node: NodeId,
}

/// A straight-line program over tensors. Every shape is concrete.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
    /// Nodes in topological order: operands come before their users.
    pub nodes: Vec<Node>,
    /// Named inputs, in the order of the call's arguments.
    pub inputs: Vec<Input>,
    /// Named results, in order.
    pub outputs: Vec<Output>,
    /// New values of state inputs, at most one for each.
    pub updates: Vec<Update>,
    /// Where nodes come from; entry 0 is the scope outside of layers.
    pub scopes: Vec<Scope>,
    /// What scans run, step by step: each belongs to one [`Op::Scan`].
    pub bodies: Vec<Graph>,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: impl Into<String>) -> Graph {
        Graph { name: name.into(), scopes: vec![Scope::default()], ..Graph::default() }
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        // A slice: without optimization an index into a vector is a call of its own.
        &self.nodes.as_slice()[id.index()]
    }

    /// Where a node comes from.
    pub fn scope(&self, id: NodeId) -> &Scope {
        &self.scopes[self.node(id).scope as usize]
    }

    /// Where the user asked for what the nodes of a scope compute, or compute the gradients of; nothing where no
    /// macro has told.
    pub fn line(&self, scope: u32) -> Option<Line> {
        let mut at = scope;
        loop {
            let Scope { line, outer, .. } = self.scopes.get(at as usize)?;
            if line.is_some() || at == 0 {
                return *line;
            }
            at = *outer;
        }
    }

    /// The type of a node.
    pub fn ty(&self, id: NodeId) -> Type {
        self.node(id).ty
    }

    /// The shape of a node.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.node(id).ty.shape
    }

    /// All ids, in topological order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Appends a node; its type and operands are the caller's responsibility (the builder and the passes infer them).
    pub fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// The nodes that must be computed: those of outputs and updates.
    pub fn roots(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.outputs.iter().map(|o| o.node).chain(self.updates.iter().map(|u| u.node))
    }

    /// As the body of a scan of so many steps: the type of the operand that input number `input` takes. Nothing where
    /// rows can not be stacked, because they have as many axes as a tensor may have.
    pub fn scan_operand(&self, length: usize, input: usize) -> Option<Type> {
        let Input { role, node, .. } = self.inputs[input];
        match role {
            Role::Data => stacked(self.ty(node), length),
            Role::State => Some(self.ty(node)),
        }
    }

    /// As the body of a scan of so many steps: the type of result number `index`; nothing if there is none.
    pub fn scan_result(&self, length: usize, index: usize) -> Option<Type> {
        match index.checked_sub(self.updates.len()) {
            None => Some(self.ty(self.updates[index].node)),
            Some(output) => stacked(self.ty(self.outputs.get(output)?.node), length),
        }
    }

    /// How often each node is an operand, an output or an update.
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes.len()];
        // Slices, and a loop that counts: without optimization each index into a vector and each step of an iterator
        // is a call or more.
        let (counted, nodes) = (counts.as_mut_slice(), self.nodes.as_slice());
        for node in nodes {
            let operands = node.inputs.as_slice();
            let mut number = 0;
            while number < operands.len() {
                counted[operands[number].index()] += 1;
                number += 1;
            }
        }
        self.roots().for_each(|root| counted[root.index()] += 1);
        counts
    }
}

/// The type of so many rows.
fn stacked(row: Type, length: usize) -> Option<Type> {
    (row.shape.rank() < MAX_RANK).then(|| Type { dtype: row.dtype, shape: row.shape.insert(0, length) })
}
