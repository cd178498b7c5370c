//! What of a graph is needed for some of its values: the rest is neither computed nor kept. Knows no operators.

use rustc_hash::FxHashSet;

use super::graph::{Attribute, Graph, Node};

/// Leaves out the nodes and the constants that no output needs.
pub fn prune(graph: Graph) -> Graph {
    let mut needed: FxHashSet<String> = graph.outputs.iter().cloned().collect();
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for node in graph.nodes.into_iter().rev() {
        if node.outputs.iter().any(|name| needed.contains(name)) {
            add_names(&node, &mut needed);
            nodes.push(node);
        }
    }
    nodes.reverse();
    let constants = graph.constants.into_iter().filter(|(name, _)| needed.contains(name)).collect();
    Graph { constants, inputs: graph.inputs, outputs: graph.outputs, nodes }
}

/// All names that a node reads, and that the graphs which it holds may read from around.
fn add_names(node: &Node, needed: &mut FxHashSet<String>) {
    needed.extend(node.inputs.iter().filter(|name| !name.is_empty()).cloned());
    for (_, attribute) in &node.attributes {
        if let Attribute::Graph(inner) = attribute {
            needed.extend(inner.outputs.iter().cloned());
            inner.nodes.iter().for_each(|node| add_names(node, needed));
        }
    }
}

/// Calls `f` with the number of each constant of a graph, and of those that its nodes hold.
pub fn constants(graph: &Graph, f: &mut dyn FnMut(usize)) {
    graph.constants.iter().for_each(|(_, number)| f(*number));
    for (_, attribute) in graph.nodes.iter().flat_map(|node| &node.attributes) {
        if let Attribute::Graph(inner) = attribute {
            constants(inner, f);
        }
    }
}
