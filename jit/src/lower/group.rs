//! What is lowered together, and what there is to know about it: a group of a graph's nodes, and where values lie. It
//! decides nothing.

use kiln_graph::op::{Family, Op};
use kiln_graph::{Graph, NodeId, Shape};

use super::expression::{Affine, ExpressionBuilder, Located, reshape_coordinates};
use super::of_nodes::OfNodes;
use crate::cost::params::fusion::SCATTERED_UPDATES;
use crate::layout::Halo;

/// Values that one kernel (or a fixed few) computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The operation that is more than elementwise, if there is one; or several reductions of one space.
    pub roots: Vec<NodeId>,
    /// What is stored: elementwise values over the roots' results (or the results themselves).
    pub stores: Vec<NodeId>,
}

impl Group {
    /// Whether the group computes a node that other groups see, or that is a root of its own.
    pub fn holds(&self, id: NodeId) -> bool {
        has(&self.roots, id) || has(&self.stores, id)
    }

    /// Its first root.
    pub fn root(&self) -> Option<NodeId> {
        self.roots.first().copied()
    }
}

/// Whether a node is among some few. A loop that counts: this is asked for each operand of each member, and without
/// optimization each step of an iterator is several calls.
fn has(nodes: &[NodeId], id: NodeId) -> bool {
    let mut number = 0;
    while number < nodes.len() && nodes[number].0 != id.0 {
        number += 1;
    }
    number < nodes.len()
}

/// What happens to a node when kernels are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Lies in memory from the start.
    Input,
    /// No work, no memory: constants and counters.
    Free,
    /// Other places of its operand.
    View,
    /// One place of each operand gives one place of the result.
    Elementwise,
    /// Needs a kernel of its own.
    Root,
}

/// The class of a node.
pub fn class(graph: &Graph, id: NodeId) -> Class {
    let node = graph.node(id);
    // A scatter of one or two updates is `place == index ? update : 0` at each place (the gradient of picking one
    // element a row): elementwise, and fused. One of many would ask every place about every update.
    let few = |axis: usize| graph.shape(node.inputs[0]).dim(axis) <= SCATTERED_UPDATES;
    match node.op.family() {
        Family::Source if node.op == Op::Input => Class::Input,
        Family::Source => Class::Free,
        Family::Elementwise | Family::Random => Class::Elementwise,
        Family::Movement if node.op.is_view() => Class::View,
        Family::Indexing if matches!(node.op, Op::ScatterAdd { axis, .. } if few(axis)) => Class::Elementwise,
        Family::Movement | Family::Reduce | Family::Contraction | Family::Window | Family::Indexing => Class::Root,
        Family::Scan | Family::Exchange => Class::Root,
    }
}

/// When the places of a result are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Once each, after all that is read at the same place.
    Once,
    /// Several times, or by several kernels one after the other.
    Repeated,
}

/// Where the values of a graph lie, and what else its groups are lowered by.
pub struct Context<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Where each node lies, if it is an input or stored.
    pub located: &'a OfNodes<Located>,
    /// The zeros around nodes that have some.
    pub halos: &'a OfNodes<Halo>,
    /// Which nodes have the same value in every run, so that copies of them are made once.
    pub invariant: &'a [bool],
    /// Whether contractions are computed only by recipes whose error is that of the definition.
    pub exact: bool,
}

impl<'a> Context<'a> {
    /// Where a node lies, if it is an input or stored.
    pub fn located(&self, id: NodeId) -> Option<Located> {
        self.located.get(id).copied()
    }

    /// Where a value lies that a group stores.
    pub fn place(&self, id: NodeId) -> Located {
        self.located(id).expect("a stored value has a place")
    }

    /// Where the nodes that a group reads lie; what it computes itself lies nowhere yet.
    pub fn outside(&'a self, group: &'a Group) -> impl Fn(NodeId) -> Option<Located> + 'a {
        |id| if group.holds(id) { None } else { self.located(id) }
    }

    /// Stores the group's values, `at` being the place of the element of a tensor of the given shape.
    pub fn store_all(
        &self,
        builder: &mut ExpressionBuilder<'_>,
        group: &Group,
        shape: Shape,
        at: &[Affine],
        rank: usize,
    ) {
        for &id in &group.stores {
            let at = reshape_coordinates(self.graph.shape(id), shape, at, rank).expect("stores share their axes");
            let term = builder.node(id, &at);
            builder.store(term, self.place(id), &at);
        }
    }
}
