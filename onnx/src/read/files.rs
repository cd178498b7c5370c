//! Which files a model refers to: those of external data. Knows no graphs but messages.

use std::collections::BTreeSet;

use crate::constant::location;
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto};

/// Their names, as the model has them.
pub fn names(model: &ModelProto) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(graph) = &model.graph {
        of_graph(graph, &mut names);
    }
    model.functions.iter().for_each(|function| of_nodes(&function.node, &mut names));
    names
}

fn of_graph(graph: &GraphProto, names: &mut BTreeSet<String>) {
    graph.initializer.iter().for_each(|tensor| of_tensor(tensor, names));
    for sparse in &graph.sparse_initializer {
        sparse.values.iter().chain(&sparse.indices).for_each(|tensor| of_tensor(tensor, names));
    }
    of_nodes(&graph.node, names);
}

fn of_nodes(nodes: &[NodeProto], names: &mut BTreeSet<String>) {
    for attribute in nodes.iter().flat_map(|node| &node.attribute) {
        attribute.t.iter().for_each(|tensor| of_tensor(tensor, names));
        if let Some(sparse) = &attribute.sparse_tensor {
            sparse.values.iter().chain(&sparse.indices).for_each(|tensor| of_tensor(tensor, names));
        }
        if let Some(graph) = &attribute.g {
            of_graph(graph, names);
        }
    }
}

fn of_tensor(tensor: &TensorProto, names: &mut BTreeSet<String>) {
    names.extend(location(tensor).map(str::to_owned));
}
