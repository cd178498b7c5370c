//! What runs the graphs of golden cases: an object file for aarch64, linked by Debian's cross compiler, run by QEMU.

use std::collections::BTreeMap;

use kiln_build::{Build, Program, StateValue};
use kiln_graph::{DType, Graph, Role, Type};
use ndarray::{ArrayD, IxDyn};

use crate::case::Array;
use crate::folder::Folder;
use crate::runner::{C, Linked};

/// The engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// aarch64.
    Aarch64,
}

impl Engine {
    /// Every engine that computes.
    pub const ALL: [Engine; 1] = [Engine::Aarch64];
}

/// Tensors by name.
type Arrays = BTreeMap<String, Array>;

/// A program that is run again and again, each time as a process of its own that gets the states in a file.
pub struct Session {
    folder: Folder,
    program: Program,
    linked: Linked,
    inputs: Vec<(String, Type)>,
    outputs: Vec<(String, Type)>,
    weights: Vec<u8>,
    /// Values of states that the graph does not have.
    unused: Arrays,
}

impl Session {
    /// A graph and the values of its states (others may be among them).
    pub fn new(_: Engine, graph: &Graph, mut states: Arrays) -> Result<Session, String> {
        let mut build = Build::of_graph("golden", graph.clone())
            .target("aarch64-unknown-linux-gnu")
            .map_err(|error| error.to_string())?
            // As PyTorch has denormal numbers unless it is told otherwise.
            .flush_denormal(false);
        for input in graph.inputs.iter().filter(|input| input.role == Role::State) {
            let Some(value) = states.remove(&input.name) else { continue };
            let value = match (value, graph.ty(input.node).dtype) {
                (Array::Float(values), DType::F32) => StateValue::F32(values.mapv(|number| number as f32)),
                (Array::Int(values), DType::I32 | DType::Bool) => StateValue::I32(values.mapv(|number| number as i32)),
                (Array::Float(values), _) => StateValue::I32(values.mapv(|number| number as i32)),
                (Array::Int(values), _) => StateValue::F32(values.mapv(|number| number as f32)),
            };
            build = build.state(&input.name, value);
        }
        let program = build.build().map_err(|error| error.to_string())?;
        let folder = Folder::new("golden");
        let data = graph.inputs.iter().filter(|input| input.role == Role::Data);
        let inputs: Vec<_> = data.map(|input| (input.name.clone(), graph.ty(input.node))).collect();
        let outputs: Vec<_> = graph.outputs.iter().map(|output| (output.name.clone(), graph.ty(output.node))).collect();
        let sizes = |of: &[(String, Type)]| of.iter().map(|(_, ty)| 4 * ty.shape.elements()).collect::<Vec<_>>();
        let c = C::aarch64().ok_or("the cross compiler was there at first")?;
        let linked = c.link(&program, &folder.0, &sizes(&inputs), &sizes(&outputs), 1);
        let weights = program.weights.clone();
        Ok(Session { folder, program, linked, inputs, outputs, weights, unused: states })
    }

    /// The value of a state.
    pub fn state(&self, name: &str) -> Option<Array> {
        let stored = self.program.states.iter().find(|stored| stored.name == name);
        let read = |stored: &kiln_build::Stored| array(stored.ty, &self.weights[stored.offset..]);
        stored.map(read).or_else(|| self.unused.get(name).cloned())
    }

    /// Runs the graph on the inputs that it has among those given, and gives its outputs.
    pub fn run(&mut self, inputs: &Arrays) -> Result<Arrays, String> {
        let mut given = Vec::new();
        for (name, ty) in &self.inputs {
            let array = inputs.get(name).ok_or_else(|| format!("nothing is given for `{name}`"))?;
            given.push(match (array, ty.dtype) {
                (Array::Float(values), DType::F32) => words(values, |&number| (number as f32).to_le_bytes()),
                (Array::Float(values), _) => words(values, |&number| (number as i32).to_le_bytes()),
                (Array::Int(values), DType::F32) => words(values, |&number| (number as f32).to_le_bytes()),
                (Array::Int(values), _) => words(values, |&number| (number as i32).to_le_bytes()),
            });
        }
        let results = self.linked.run(&self.folder.0, &self.weights, &given)?;
        if let Some(saved) = results.saved {
            self.weights = saved;
        }
        let named = self.outputs.iter().zip(&results.outputs);
        Ok(named.map(|((name, ty), bytes)| (name.clone(), array(*ty, bytes))).collect())
    }
}

fn words<T>(values: &ArrayD<T>, word: impl Fn(&T) -> [u8; 4]) -> Vec<u8> {
    values.iter().flat_map(word).collect()
}

/// A tensor of a type, from memory that begins with it.
fn array(ty: Type, bytes: &[u8]) -> Array {
    let words = bytes.chunks_exact(4).take(ty.shape.elements()).map(|word| [word[0], word[1], word[2], word[3]]);
    let shape = IxDyn(ty.shape.dims());
    match ty.dtype {
        DType::F32 => {
            let numbers = words.map(|word| f64::from(f32::from_le_bytes(word))).collect();
            Array::Float(ArrayD::from_shape_vec(shape, numbers).expect("as many numbers as elements"))
        }
        DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no input or result of a whole graph is narrow"),
        DType::I32 | DType::Bool => {
            let numbers = words.map(|word| i64::from(i32::from_le_bytes(word))).collect();
            Array::Int(ArrayD::from_shape_vec(shape, numbers).expect("as many numbers as elements"))
        }
    }
}
