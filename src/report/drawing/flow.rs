//! Which nodes of a graph a drawing shows, which values reach them, and where gradients go. It knows graphs, and
//! neither boxes nor plans.

use std::collections::BTreeSet;

use kiln_graph::{DType, Graph, NodeId, Op, Role, Stage};

use super::outline::chain;

/// Facts about each node of a graph.
pub struct Flow {
    shown: Vec<bool>,
    /// Whether a gradient passes the node: it varies with a parameter that is trained, and what gradients are taken of
    /// varies with it.
    passes: Vec<bool>,
    /// The scopes of which a gradient is computed, and those around them.
    gradients: BTreeSet<u32>,
}

impl Flow {
    /// Looks at a graph.
    pub fn new(graph: &Graph) -> Flow {
        let count = graph.nodes.len();
        let mut live = vec![false; count];
        graph.roots().for_each(|id| live[id.index()] = true);
        for id in graph.ids().rev().filter(|id| id.index() < count) {
            if live[id.index()] {
                graph.node(id).inputs.iter().for_each(|operand| live[operand.index()] = true);
            }
        }

        let mut carries_data = vec![false; count];
        let mut varies = vec![false; count];
        for input in &graph.inputs {
            carries_data[input.node.index()] = input.role == Role::Data;
        }
        for update in graph.updates.iter().filter(|update| graph.scope(update.node).stage == Stage::Update) {
            varies[graph.inputs[update.input].node.index()] = true;
            varies[update.node.index()] = true;
        }
        let mut shown = vec![false; count];
        let mut gradients = BTreeSet::from([]);
        for id in graph.ids() {
            let node = graph.node(id);
            let stage = graph.scope(id).stage;
            if stage == Stage::Forward {
                carries_data[id.index()] |= node.inputs.iter().any(|input| carries_data[input.index()]);
                let passes = node.ty.dtype == DType::F32 && node.op != Op::Detach;
                varies[id.index()] |= passes && node.inputs.iter().any(|input| varies[input.index()]);
                // A declared input is shown even if nothing uses it.
                let is_input = node.op == Op::Input;
                shown[id.index()] =
                    (live[id.index()] || is_input) && carries_data[id.index()] && !matches!(node.op, Op::Broadcast(_));
            } else if stage == Stage::Backward && live[id.index()] {
                gradients.extend(chain(graph, node.scope));
                if chain(graph, node.scope).is_empty() {
                    gradients.insert(0);
                }
            }
        }
        let is_stop = |id: NodeId| graph.ty(id).dtype != DType::F32 || graph.node(id).op == Op::Detach;
        let mut matters = vec![false; count];
        for output in graph.outputs.iter().filter(|output| graph.shape(output.node).rank() == 0) {
            matters[output.node.index()] = !gradients.is_empty();
        }
        for id in graph.ids().rev().filter(|id| id.index() < count) {
            let innermost = chain(graph, graph.node(id).scope).last().copied();
            let is_forward = graph.scope(id).stage == Stage::Forward;
            matters[id.index()] |= is_forward && innermost.is_some_and(|scope| gradients.contains(&scope));
            if matters[id.index()] && !is_stop(id) {
                graph.node(id).inputs.iter().for_each(|operand| matters[operand.index()] = true);
            }
        }
        let passes = graph.ids().map(|id| varies[id.index()] && matters[id.index()] && !is_stop(id)).collect();
        Flow { shown, passes, gradients }
    }

    /// Whether the node is part of what is shown.
    pub fn shown(&self, id: NodeId) -> bool {
        self.shown[id.index()]
    }

    /// The nodes shown whose values reach a node, past repetitions, which are not shown.
    pub fn sources(&self, graph: &Graph, id: NodeId) -> Vec<NodeId> {
        let mut sources = Vec::new();
        let mut open: Vec<NodeId> = graph.node(id).inputs.iter().rev().copied().collect();
        while let Some(operand) = open.pop() {
            if self.shown(operand) {
                if !sources.contains(&operand) {
                    sources.push(operand);
                }
            } else if matches!(graph.node(operand).op, Op::Broadcast(_)) {
                open.extend(&graph.node(operand).inputs);
            }
        }
        sources
    }

    /// Whether gradients are computed in a scope.
    pub fn has_gradient(&self, scope: u32) -> bool {
        self.gradients.contains(&scope)
    }

    /// Whether a gradient passes a node.
    pub fn passes_gradient(&self, id: NodeId) -> bool {
        self.passes[id.index()]
    }
}
