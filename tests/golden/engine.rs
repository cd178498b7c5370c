//! What runs a graph. Every case runs on each engine, and must pass on all.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kiln_graph::interpret::{Real, Tensor, interpret};
use kiln_graph::{DType, Graph, Role, optimize};
use kiln_jit::plan::Argument;
use kiln_jit::{CompileOptions, Program, States};
use kiln_rt::threads::Pool;
use ndarray::{ArrayD, IxDyn};

use crate::case::Array;

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The reference interpreter in f64, on the graph as it was built.
    Interpreter64,
    /// The reference interpreter in f32, on the graph after all passes.
    Interpreter32,
    /// Native code, of the graph after all passes.
    Jit,
    /// Nothing: the graph is only noted, for [`recorded`], and all results are 0.
    Recorder,
}

impl Engine {
    /// Every engine that computes.
    pub const ALL: [Engine; 3] = [Engine::Interpreter64, Engine::Interpreter32, Engine::Jit];
}

/// Tensors by name.
type Arrays = BTreeMap<String, Array>;

/// A graph that is run again and again, with its states.
pub enum Session {
    /// In f64.
    Interpreter64(Interpreted),
    /// In f32.
    Interpreter32(Interpreted),
    /// As native code.
    Jit(Box<Compiled>),
    /// Not at all.
    Recorder(Recorded),
}

impl Session {
    /// A graph and the values of its states (others may be among them).
    pub fn new(engine: Engine, graph: &Graph, states: Arrays) -> Result<Session, String> {
        Ok(match engine {
            Engine::Interpreter64 => Session::Interpreter64(Interpreted { graph: graph.clone(), states }),
            Engine::Interpreter32 => Session::Interpreter32(Interpreted { graph: optimize(graph), states }),
            Engine::Jit => Session::Jit(Box::new(Compiled::new(&optimize(graph), states)?)),
            Engine::Recorder => Session::Recorder(Recorded::new(graph, states)),
        })
    }

    /// The value of a state.
    pub fn state(&self, name: &str) -> Option<Array> {
        match self {
            Session::Interpreter64(session) | Session::Interpreter32(session) => session.states.get(name).cloned(),
            Session::Jit(session) => Some(Array::Float(
                session.states.read(name).or_else(|| session.unused.get(name).cloned())?.mapv(f64::from),
            )),
            Session::Recorder(session) => session.states.get(name).cloned(),
        }
    }

    /// Runs the graph on the inputs that it has among those given, and gives its outputs.
    pub fn run(&mut self, inputs: &Arrays) -> Result<Arrays, String> {
        match self {
            Session::Interpreter64(session) => session.run::<f64>(inputs),
            Session::Interpreter32(session) => session.run::<f32>(inputs),
            Session::Jit(session) => session.run(inputs),
            Session::Recorder(session) => Ok(session.outputs.clone()),
        }
    }
}

/// A graph that the reference interpreter evaluates.
pub struct Interpreted {
    graph: Graph,
    states: Arrays,
}

impl Interpreted {
    fn run<T: Real>(&mut self, inputs: &Arrays) -> Result<Arrays, String> {
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

/// A graph as native code.
pub struct Compiled {
    session: kiln_jit::Session,
    states: States,
    /// Values of states that the graph does not have.
    unused: BTreeMap<String, ArrayD<f32>>,
}

impl Compiled {
    fn new(graph: &Graph, states: Arrays) -> Result<Compiled, String> {
        let program = Program::compile(graph, &CompileOptions::default()).map_err(|error| error.to_string())?;
        let mut shared = States::new();
        let pool = Pool::from_environment().map_err(|error| error.to_string())?;
        let mut session =
            kiln_jit::Session::new(Arc::new(program), &mut shared, pool).map_err(|error| error.to_string())?;
        // As PyTorch has denormal numbers unless it is told otherwise.
        session.set_flush_denormal(false);
        let mut unused = BTreeMap::new();
        for (name, value) in &states {
            let Array::Float(value) = value else { continue };
            let value = value.mapv(|number| number as f32);
            match shared.ty(name) {
                Some(_) => shared.write(name, value.view()).map_err(|error| error.to_string())?,
                None => _ = unused.insert(name.clone(), value),
            }
        }
        Ok(Compiled { session, states: shared, unused })
    }

    fn run(&mut self, inputs: &Arrays) -> Result<Arrays, String> {
        let names = |arguments: &[Argument]| -> Vec<String> { arguments.iter().map(|a| a.name.clone()).collect() };
        let plan = self.session.program().plan();
        let roles: Vec<Role> = plan.inputs.iter().map(|input| input.role).collect();
        let (input_names, output_names) = (names(&plan.inputs), names(&plan.outputs));
        let floats: Vec<bool> = plan.outputs.iter().map(|output| output.ty.dtype == DType::F32).collect();
        for (position, name) in input_names.iter().enumerate().filter(|&(position, _)| roles[position] == Role::Data) {
            let given = inputs.get(name).ok_or_else(|| format!("nothing is given for `{name}`"))?;
            match given {
                Array::Float(values) => {
                    self.session.write_input_f32(position, values.mapv(|number| number as f32).view())
                }
                Array::Int(values) => {
                    self.session.write_input_i32(position, values.mapv(|number| number as i32).view())
                }
            }
            .map_err(|error| error.to_string())?;
        }
        self.session.run(&mut self.states).map_err(|error| error.to_string())?;
        let output = |position: usize| {
            if floats[position] {
                Array::Float(self.session.output(position).mapv(f64::from))
            } else {
                Array::Int(self.session.output_i32(position).mapv(i64::from))
            }
        };
        Ok(output_names.into_iter().enumerate().map(|(position, name)| (name, output(position))).collect())
    }
}

thread_local! {
    /// What [`Engine::Recorder`] has noted on this thread.
    static RECORDED: RefCell<Vec<Graph>> = const { RefCell::new(Vec::new()) };
}

/// The graphs that [`Engine::Recorder`] was given while a function ran, as they were built.
pub fn recorded(run: impl FnOnce()) -> Vec<Graph> {
    RECORDED.take();
    run();
    RECORDED.take()
}

/// A graph that is noted and not run.
pub struct Recorded {
    states: Arrays,
    outputs: Arrays,
}

impl Recorded {
    fn new(graph: &Graph, states: Arrays) -> Recorded {
        RECORDED.with_borrow_mut(|graphs| graphs.push(graph.clone()));
        let zeros = |output: &kiln_graph::Output| {
            let ty = graph.ty(output.node);
            let numbers = ArrayD::zeros(IxDyn(ty.shape.dims()));
            let array =
                if ty.dtype == DType::F32 { Array::Float(numbers) } else { Array::Int(numbers.mapv(|x| x as i64)) };
            (output.name.clone(), array)
        };
        Recorded { states, outputs: graph.outputs.iter().map(zeros).collect() }
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
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 => Array::Float(numbers),
        DType::I32 | DType::Bool => Array::Int(numbers.mapv(|number| number as i64)),
    }
}
