//! Making a failing case small: fewer results, and values fed in place of computed ones, as long as it still fails.

use std::collections::HashMap;

use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::passes::sweep;
use kiln_graph::{DType, Graph, Input, Node, NodeId, Op, Operands, Output, Role};

use super::differential::feeds;
use super::random_graphs::Case;

/// A smaller case for which `fails` holds, too; `case` must be one.
pub fn shrink(case: Case, fails: impl Fn(&Case) -> bool) -> Case {
    let mut smallest = case;
    loop {
        let found = candidates(&smallest).find(|candidate| fails(candidate));
        match found {
            Some(candidate) => smallest = candidate,
            None => return smallest,
        }
    }
}

/// Cases that are smaller by one step, the boldest steps first.
fn candidates(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let results = case.graph.outputs.len() + case.graph.updates.len();
    let without = (0..results).filter(move |_| results > 1).map(|index| without(case, index));
    let values = values(&case.graph, case);
    let computed: Vec<NodeId> = case
        .graph
        .ids()
        .rev()
        .filter(|&id| !matches!(case.graph.node(id).op, Op::Input | Op::Scan { .. }))
        .filter(|&id| case.graph.outputs.iter().all(|output| output.node != id))
        .collect();
    without.chain(computed.into_iter().map(move |id| fed(case, id, &values[id.index()])))
}

fn without(case: &Case, index: usize) -> Case {
    let mut graph = case.graph.clone();
    if index < graph.outputs.len() {
        graph.outputs.remove(index);
    } else {
        graph.updates.remove(index - case.graph.outputs.len());
    }
    tidy(graph, case.values.clone(), case.wild)
}

/// The case with the value of a node given as an input.
fn fed(case: &Case, id: NodeId, value: &[f64]) -> Case {
    let mut graph = case.graph.clone();
    let ty = graph.ty(id);
    graph.nodes[id.index()] = Node { op: Op::Input, inputs: Operands::new(), ty, scope: 0 };
    let name = (0..).map(|number| format!("v{number}")).find(|name| graph.inputs.iter().all(|i| i.name != *name));
    graph.inputs.push(Input::new(name.expect("some number is free"), Role::Data, id));
    let mut values = case.values.clone();
    values.push(value.to_vec());
    tidy(graph, values, case.wild)
}

/// The graph without dead nodes and unused inputs.
fn tidy(mut graph: Graph, values: Vec<Vec<f64>>, wild: bool) -> Case {
    sweep(&mut graph);
    let counts = graph.use_counts();
    let updated: Vec<usize> = graph.updates.iter().map(|update| update.input).collect();
    let kept: Vec<usize> = (0..graph.inputs.len())
        .filter(|&index| counts[graph.inputs[index].node.index()] > 0 || updated.contains(&index))
        .collect();
    let dropped: Vec<NodeId> =
        (0..graph.inputs.len()).filter(|index| !kept.contains(index)).map(|index| graph.inputs[index].node).collect();
    let mut map = HashMap::new();
    let (scopes, bodies) = (graph.scopes.clone(), graph.bodies.clone());
    let mut small = Graph { scopes, bodies, ..Graph::new(&graph.name) };
    for id in graph.ids().filter(|id| !dropped.contains(id)) {
        let mut node = graph.node(id).clone();
        node.inputs.iter_mut().for_each(|operand| *operand = map[operand]);
        map.insert(id, small.push(node));
    }
    small.inputs = kept.iter().map(|&index| graph.inputs[index].clone()).collect();
    small.inputs.iter_mut().for_each(|input| input.node = map[&input.node]);
    small.outputs = std::mem::take(&mut graph.outputs);
    small.outputs.iter_mut().for_each(|output| output.node = map[&output.node]);
    small.updates = std::mem::take(&mut graph.updates);
    for update in &mut small.updates {
        update.node = map[&update.node];
        update.input = kept.iter().position(|&index| index == update.input).expect("states with updates are kept");
    }
    Case { graph: small, values: kept.iter().map(|&index| values[index].clone()).collect(), wild }
}

/// The f32 values of all nodes.
fn values(graph: &Graph, case: &Case) -> Vec<Vec<f64>> {
    let feeds: HashMap<String, Tensor<f32>> = feeds(case);
    let mut all = graph.clone();
    all.updates.clear();
    all.outputs = graph.ids().map(|node| Output { name: node.0.to_string(), node }).collect();
    let results = interpret(&all, &feeds).unwrap();
    graph.ids().map(|id| results.outputs[&id.0.to_string()].to_f64()).collect()
}

/// The case as a text that can be made a test.
pub fn describe(case: &Case) -> String {
    let mut text = case.graph.to_string();
    for (input, values) in case.graph.inputs.iter().zip(&case.values) {
        let ty = case.graph.ty(input.node);
        let shown: Vec<String> = values
            .iter()
            .map(|value| match ty.dtype {
                DType::F32 | DType::Bf16 => format!("{value:?}"),
                DType::I32 | DType::U8 | DType::I8 | DType::Bool => format!("{value}"),
            })
            .collect();
        text += &format!("%{}: {ty} = [{}]\n", input.name, shown.join(", "));
    }
    text
}
