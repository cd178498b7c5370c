//! What runs a graph. Every case runs on each engine, and must pass on all.

use std::collections::{BTreeMap, HashMap};

use kiln_graph::interpret::{Real, Tensor, interpret};
use kiln_graph::{DType, Graph, Role, optimize};
use ndarray::{ArrayD, IxDyn};

use crate::case::Array;

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The reference interpreter in f64, on the graph as it was built.
    Interpreter64,
    /// The reference interpreter in f32, on the graph after all passes.
    Interpreter32,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Engine; 2] = [Engine::Interpreter64, Engine::Interpreter32];
}

/// A graph that is run again and again, with its states.
pub struct Session {
    engine: Engine,
    graph: Graph,
    states: BTreeMap<String, Array>,
}

impl Session {
    /// A graph and the values of its states (others may be among them).
    pub fn new(engine: Engine, graph: &Graph, states: BTreeMap<String, Array>) -> Result<Session, String> {
        let graph = match engine {
            Engine::Interpreter64 => graph.clone(),
            Engine::Interpreter32 => optimize(graph),
        };
        Ok(Session { engine, graph, states })
    }

    /// The value of a state.
    pub fn state(&self, name: &str) -> Option<Array> {
        self.states.get(name).cloned()
    }

    /// Runs the graph on the inputs that it has among those given, and gives its outputs.
    pub fn run(&mut self, inputs: &BTreeMap<String, Array>) -> Result<BTreeMap<String, Array>, String> {
        match self.engine {
            Engine::Interpreter64 => self.interpret::<f64>(inputs),
            Engine::Interpreter32 => self.interpret::<f32>(inputs),
        }
    }

    fn interpret<T: Real>(&mut self, inputs: &BTreeMap<String, Array>) -> Result<BTreeMap<String, Array>, String> {
        let mut feeds = HashMap::new();
        for input in &self.graph.inputs {
            let values = if input.role == Role::State { &self.states } else { inputs };
            let array = values.get(&input.name).ok_or_else(|| format!("nothing is given for `{}`", input.name))?;
            feeds.insert(input.name.clone(), tensor::<T>(array));
        }
        let results = interpret(&self.graph, &feeds).map_err(|error| error.to_string())?;
        for (name, value) in &results.updates {
            self.states.insert(name.clone(), array(value));
        }
        Ok(results.outputs.iter().map(|(name, value)| (name.clone(), array(value))).collect())
    }
}

fn tensor<T: Real>(array: &Array) -> Tensor<T> {
    match array {
        Array::Float(values) => Tensor::floats(values.shape(), values.iter().copied()),
        Array::Int(values) => Tensor::ints(values.shape(), values.iter().map(|&value| value as i32)),
    }
}

fn array<T: Real>(tensor: &Tensor<T>) -> Array {
    let shape = IxDyn(tensor.ty().shape.dims());
    let numbers = ArrayD::from_shape_vec(shape, tensor.to_f64()).expect("as many numbers as elements");
    match tensor.ty().dtype {
        DType::F32 => Array::Float(numbers),
        DType::I32 | DType::Bool => Array::Int(numbers.mapv(|number| number as i64)),
    }
}
