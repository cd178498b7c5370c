//! The reference interpreter: evaluates a graph node by node on ndarray, in f32 or f64. Slow and
//! obvious, the oracle for the passes and for compiled code. Sums accumulate in f64 and are rounded
//! once. The meaning of each operation stands in its family's file under `ops/`.

mod non_finite;
mod tensor;

use std::collections::HashMap;

pub use non_finite::{Cause, Evaluate, Findings, Source, Used, find_non_finite};
pub use tensor::{Real, Tensor};
pub(crate) use tensor::{places, strides};

use crate::graph::{Graph, NodeId, Type};
use crate::op::Op;
use crate::ops::scan::evaluate_scan;

/// Why a graph could not be evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InterpretError {
    /// An input without a value.
    #[error("no value was given for input `{name}`: {expected}")]
    Missing {
        /// The input's name.
        name: String,
        /// Its type.
        expected: Type,
    },
    /// A value of another type than its input.
    #[error("input `{name}` is {expected}, but the value given is {found}")]
    InputType {
        /// The input's name.
        name: String,
        /// Its type.
        expected: Type,
        /// The value's type.
        found: Type,
    },
}

/// What a call of a graph gives, by name.
#[derive(Clone, Debug)]
pub struct Results<T> {
    /// The named results.
    pub outputs: HashMap<String, Tensor<T>>,
    /// The new values of the updated states.
    pub updates: HashMap<String, Tensor<T>>,
}

/// Evaluates a verified graph. `feeds` holds a value for each input, data and state; others are ignored.
///
/// # Errors
/// An input without a value, or with one of another type.
pub fn interpret<T: Real>(graph: &Graph, feeds: &HashMap<String, Tensor<T>>) -> Result<Results<T>, InterpretError> {
    let (outputs, updates) = evaluate(graph, given(graph, feeds)?);
    Ok(Results {
        outputs: graph.outputs.iter().map(|output| output.name.clone()).zip(outputs).collect(),
        updates: graph.updates.iter().map(|u| graph.inputs[u.input].name.clone()).zip(updates).collect(),
    })
}

/// The value of each input.
fn given<T: Real>(graph: &Graph, feeds: &HashMap<String, Tensor<T>>) -> Result<Vec<Tensor<T>>, InterpretError> {
    let mut given = Vec::with_capacity(graph.inputs.len());
    for input in &graph.inputs {
        let (name, expected) = (&input.name, graph.ty(input.node));
        let Some(value) = feeds.get(name) else {
            return Err(InterpretError::Missing { name: name.clone(), expected });
        };
        if value.ty() != expected {
            return Err(InterpretError::InputType { name: name.clone(), expected, found: value.ty() });
        }
        given.push(value.to_row_major());
    }
    Ok(given)
}

/// The outputs and the new states of a verified graph, for a value of each input.
fn evaluate<T: Real>(graph: &Graph, given: Vec<Tensor<T>>) -> (Vec<Tensor<T>>, Vec<Tensor<T>>) {
    let mut values: Vec<Option<Tensor<T>>> = vec![None; graph.nodes.len()];
    for (input, value) in graph.inputs.iter().zip(given) {
        values[input.node.index()] = Some(value);
    }
    let needed = needed(graph);
    // All results of each scan.
    let mut scans: HashMap<NodeId, Vec<Tensor<T>>> = HashMap::new();
    for id in graph.ids().filter(|id| needed[id.index()]) {
        let node = graph.node(id);
        if node.op == Op::Input {
            continue;
        }
        let operands: Vec<&Tensor<T>> = node.inputs.iter().map(|&input| value(&values, input)).collect();
        let result = match node.op {
            Op::Scan { body, length, reverse } => {
                let body = &graph.bodies[body as usize];
                let stacked = |rows: Vec<Tensor<T>>| Tensor::stacked(&rows);
                let step = |inputs, _| evaluate(body, inputs);
                scans.insert(id, evaluate_scan(body, (length, reverse), &operands, Tensor::row, stacked, step));
                Tensor::ints(node.ty.shape, [length as i32])
            }
            Op::ScanResult { index } => scans[&node.inputs[0]][index as usize].clone(),
            _ => node.op.evaluate(&operands, node.ty),
        };
        debug_assert_eq!(result.ty(), node.ty, "{id} = {}", node.op.mnemonic());
        values[id.index()] = Some(result);
    }
    let of = |node: NodeId| value(&values, node).clone();
    (graph.outputs.iter().map(|o| of(o.node)).collect(), graph.updates.iter().map(|u| of(u.node)).collect())
}

fn value<T>(values: &[Option<Tensor<T>>], id: NodeId) -> &Tensor<T> {
    values[id.index()].as_ref().expect("a verified graph defines every operand before its use")
}

/// For each node whether a result depends on it.
fn needed(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes.len()];
    graph.roots().for_each(|root| needed[root.index()] = true);
    for id in graph.ids().rev() {
        if needed[id.index()] {
            graph.node(id).inputs.iter().for_each(|input| needed[input.index()] = true);
        }
    }
    needed
}
