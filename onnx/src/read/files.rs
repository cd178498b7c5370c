//! Which files a model refers to: those of external data. Knows no graphs but messages.

use std::collections::BTreeSet;

use crate::constant::{lies_beside, location};
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// Their names, as the model has them: of those that lie beside it. (Who reads a tensor of another place is told so.)
pub fn names(model: &ModelProto) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(graph) = &model.graph {
        of_graph(graph, &mut names);
    }
    for function in &model.functions {
        of_nodes(&function.node, &mut names);
        of_attributes(&function.attribute_proto, &mut names);
    }
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
    nodes.iter().for_each(|node| of_attributes(&node.attribute, names));
}

fn of_attributes(attributes: &[AttributeProto], names: &mut BTreeSet<String>) {
    for attribute in attributes {
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
    names.extend(location(tensor).filter(|location| lies_beside(location)).map(str::to_owned));
}
