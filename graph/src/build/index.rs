//! Where inputs, outputs, updates and scopes of gradients stand in a graph that is being built, so that none of them is
//! searched for: graphs have tens of thousands. It knows names and positions; it builds nothing.

use rustc_hash::FxHashMap;

use crate::graph::{Graph, Line, NodeId, Scope, Stage};

/// Positions in the lists of a graph. Of several with one name the first counts.
#[derive(Debug, Default)]
pub(super) struct Index {
    inputs: FxHashMap<String, usize>,
    nodes: FxHashMap<NodeId, usize>,
    outputs: FxHashMap<String, usize>,
    updates: FxHashMap<usize, usize>,
    gradients: FxHashMap<(u32, &'static str), u32>,
    lines: FxHashMap<(u32, Line), u32>,
}

impl Index {
    /// That of a graph.
    pub fn of(graph: &Graph) -> Index {
        let mut index = Index::default();
        for (position, input) in graph.inputs.iter().enumerate() {
            index.add_input(&input.name, input.node, position);
        }
        for (position, output) in graph.outputs.iter().enumerate() {
            index.add_output(&output.name, position);
        }
        for (position, update) in graph.updates.iter().enumerate() {
            index.add_update(update.input, position);
        }
        for (position, scope) in graph.scopes.iter().enumerate() {
            let of = graph.scopes.get(scope.outer as usize);
            if of.is_some_and(|of| *scope == gradient(of, scope.outer, scope.operation)) {
                index.gradients.entry((scope.outer, scope.operation)).or_insert(position as u32);
            }
        }
        index
    }

    /// The position of an input, by its name.
    pub fn input(&self, name: &str) -> Option<usize> {
        self.inputs.get(name).copied()
    }

    /// The position of the input that a node is.
    pub fn input_of(&self, node: NodeId) -> Option<usize> {
        self.nodes.get(&node).copied()
    }

    /// Notes an input.
    pub fn add_input(&mut self, name: &str, node: NodeId, position: usize) {
        self.inputs.entry(name.to_owned()).or_insert(position);
        self.nodes.entry(node).or_insert(position);
    }

    /// The position of an output.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.outputs.get(name).copied()
    }

    /// Notes an output.
    pub fn add_output(&mut self, name: &str, position: usize) {
        self.outputs.entry(name.to_owned()).or_insert(position);
    }

    /// The position of the update of an input.
    pub fn update(&self, input: usize) -> Option<usize> {
        self.updates.get(&input).copied()
    }

    /// Notes an update.
    pub fn add_update(&mut self, input: usize, position: usize) {
        self.updates.entry(input).or_insert(position);
    }

    /// The scope for gradients of an operation in a scope, which is added if it is not there.
    pub fn gradient_of(&mut self, scope: u32, operation: &'static str, scopes: &mut Vec<Scope>) -> u32 {
        *self.gradients.entry((scope, operation)).or_insert_with(|| {
            scopes.push(gradient(&scopes[scope as usize], scope, operation));
            scopes.len() as u32 - 1
        })
    }

    /// The scope of what a line asks for within a scope, which is added if it is not there.
    pub fn line(&mut self, outer: u32, line: Line, scopes: &mut Vec<Scope>) -> u32 {
        *self.lines.entry((outer, line)).or_insert_with(|| {
            scopes.push(Scope { outer, line: Some(line), ..scopes[outer as usize].clone() });
            scopes.len() as u32 - 1
        })
    }
}

/// The scope for gradients of an operation in a scope.
fn gradient(of: &Scope, scope: u32, operation: &'static str) -> Scope {
    Scope { stage: Stage::Backward, outer: scope, operation, ..of.clone() }
}
