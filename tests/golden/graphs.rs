//! From a case to a graph: inputs for what is given, outputs for what is expected, gradients of `sum(output *
//! cotangent)`.

use std::collections::BTreeMap;

use kiln_graph::{Builder, Graph, GraphError, Mode, Type, Value};

use crate::case::{Array, Attributes, Case, Refusal};
use crate::engine::{Engine, Session};

impl From<GraphError> for Refusal {
    fn from(error: GraphError) -> Refusal {
        Refusal::Error(error.to_string())
    }
}

/// The given tensors of a case as values of a graph.
pub struct Given<'g> {
    /// Values by name (`input.0`, `param.weight`).
    pub values: BTreeMap<String, Value<'g>>,
}

impl<'g> Given<'g> {
    /// Inputs of the names, types and shapes of the given tensors; states for `state.*`.
    pub fn new<'a>(g: &'g Builder, tensors: impl IntoIterator<Item = (&'a str, &'a Array)>) -> Given<'g> {
        let input = |(name, array): (&str, &Array)| {
            let is_state = name.starts_with("state.");
            let value = if is_state { state(g, name, array) } else { g.input_of(name, type_of(array)) };
            (name.to_owned(), value)
        };
        Given { values: tensors.into_iter().map(input).collect() }
    }

    /// A value that may be absent.
    pub fn find(&self, name: &str) -> Option<Value<'g>> {
        self.values.get(name).copied()
    }

    /// A value that must be there.
    pub fn get(&self, name: &str) -> Result<Value<'g>, Refusal> {
        self.find(name).ok_or_else(|| Refusal::Case(format!("no `{name}`")))
    }

    /// `input.0`, `input.1`, …
    pub fn inputs(&self) -> Vec<Value<'g>> {
        (0..).map_while(|index| self.find(&format!("input.{index}"))).collect()
    }
}

/// The type of an array in a graph.
pub fn type_of(array: &Array) -> Type {
    match array {
        Array::Float(values) => Type::f32(values.shape()),
        Array::Int(values) => Type::i32(values.shape()),
    }
}

/// The state for an array. Counters are i64 in PyTorch, and f32 states here.
pub fn state<'g>(g: &'g Builder, name: &str, array: &Array) -> Value<'g> {
    g.state(name, Type::f32(array.shape()))
}

/// The value of a state: see [`state`].
pub fn initial(array: &Array) -> Array {
    match array {
        Array::Float(_) => array.clone(),
        Array::Int(values) => Array::Float(values.mapv(|value| value as f64)),
    }
}

/// What computes the outputs of a case: an operation, a layer or a loss.
pub type Compute = for<'g> fn(&str, &Attributes, &Given<'g>) -> Result<Vec<Value<'g>>, Refusal>;

/// Whether a tensor of a case is given, not expected.
fn is_given(name: &str) -> bool {
    ["input.", "param.", "state."].iter().any(|prefix| name.starts_with(prefix))
}

/// The graph of a case: its outputs and gradients under the names of the expected tensors.
fn graph(case: &Case, compute: Compute) -> Result<Graph, Refusal> {
    let g = Builder::new("case");
    g.set_mode(if case.attributes.flag("training") { Mode::Train } else { Mode::Eval });
    let names = case.tensors.iter().map(|(name, array)| (name.as_str(), array));
    let given = Given::new(&g, names.clone().filter(|(name, _)| is_given(name)));
    let outputs = compute(&case.op, &case.attributes, &given)?;

    let mut loss = g.scalar(0.0);
    for (index, &output) in outputs.iter().enumerate() {
        let name = format!("output.{index}");
        if case.tensors.contains_key(&name) {
            g.output(&name, output);
        }
        let mut cotangents = vec![format!("cotangent.{index}")];
        if index == 0 {
            cotangents.push("cotangent".into());
        }
        if let Some((name, array)) = cotangents.iter().find_map(|name| case.tensors.get_key_value(name)) {
            let cotangent = g.input_of(name, type_of(array));
            loss = loss + (output * cotangent).sum(..);
        }
    }
    let leaves: Vec<&str> = case.with_prefix("grad.").map(|(leaf, _)| leaf).collect();
    if !leaves.is_empty() {
        let values: Vec<Value> = leaves.iter().map(|leaf| given.get(leaf)).collect::<Result<_, _>>()?;
        let gradients = g.gradients_of(loss, &values)?;
        for (leaf, &gradient) in leaves.iter().zip(&gradients) {
            g.output(&format!("grad.{leaf}"), gradient);
        }
        // Of second order: those of sum(gradient * second).
        let mut sum = g.scalar(0.0);
        for (leaf, gradient) in leaves.iter().zip(gradients) {
            if let Some((name, array)) = case.tensors.get_key_value(&format!("second.{leaf}")) {
                sum = sum + (gradient * g.input_of(name, type_of(array))).sum(..);
            }
        }
        if case.with_prefix("second.").next().is_some() {
            for (leaf, gradient) in leaves.iter().zip(g.gradients_of(sum, &values)?) {
                g.output(&format!("grad2.{leaf}"), gradient);
            }
        }
    }
    Ok(g.finish()?)
}

/// Runs a case that one graph computes, and gives its results by name.
pub fn results(case: &Case, compute: Compute, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    let graph = graph(case, compute)?;
    let states = case.tensors.iter().filter(|(name, _)| name.starts_with("state."));
    let states = states.map(|(name, array)| (name.clone(), initial(array))).collect();
    let mut session = Session::new(engine, &graph, states).map_err(Refusal::Error)?;
    let mut results = session.run(&case.tensors).map_err(Refusal::Error)?;
    for (name, _) in case.with_prefix("state_after.") {
        if let Some(value) = session.state(&format!("state.{name}")) {
            results.insert(format!("state_after.{name}"), value);
        }
    }
    Ok(results)
}
