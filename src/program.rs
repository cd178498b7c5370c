//! A graph that is built by hand, compiled and run: all that it takes from one place. For networks there are
//! [`Trainer`](crate::Trainer), [`Predictor`](crate::Predictor) and the steps of [`model!`](crate::model!). It knows no
//! model.
//!
//! ```
//! use kiln::program::{Builder, Compiled, Type};
//! use ndarray::array;
//!
//! // A line through points, by gradient descent.
//! let g = Builder::new("line");
//! let (x, y) = (g.input("x", [4, 1]), g.input("y", [4, 1]));
//! let slope = g.state("slope", Type::f32([1, 1]));
//! let offset = g.state("offset", Type::f32([1]));
//! let loss = (x.matmul(slope) + offset - y).square().mean(..);
//! let gradients = g.gradients(loss, [slope, offset])?;
//! for (state, gradient) in [slope, offset].into_iter().zip(gradients) {
//!     g.update(state, state - gradient * 0.1);
//! }
//! g.output("loss", loss);
//!
//! let mut step = Compiled::new(&g.finish()?)?;
//! step.set("x", &array![[-1.0], [0.0], [1.0], [2.0]])?;
//! step.set("y", &array![[-4.0], [-1.0], [2.0], [5.0]])?;
//! for _ in 0..200 {
//!     step.run()?; // compiled code; states live on from run to run
//! }
//! assert!(step.get("loss")?[[]] < 1e-6);
//! assert!((step.get("slope")?[[0, 0]] - 3.0).abs() < 1e-3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::indices::{IndexError, IndexRule, index_rule};
use kiln_graph::{Element, Elements, Role, Violation, verify};
use kiln_jit::{Arena, CompileError, CompileOptions, RunError, Session, StateError, States};
use kiln_rt::{Pool, ThreadsError};
use ndarray::{ArrayD, ArrayRef, Dimension};

pub use kiln_graph::{Builder, DType, Graph, GraphError, Mode, Shape, Type, Value, functions, optimize};
pub use kiln_jit::Program;

/// A graph as machine code, with memory for its states. It lives in one thread at a time and computes with as many as it was
/// built for.
pub struct Compiled {
    session: Session,
    states: States,
    names: HashMap<String, Name>,
    /// Whether there are results.
    ran: bool,
}

/// What a name stands for.
struct Name {
    kind: NameKind,
    ty: Type,
    /// What was given for an input, which is written before each run: programs use the memory again.
    given: Option<Given>,
    rule: Option<IndexRule>,
}

#[derive(Clone, Copy, PartialEq)]
enum NameKind {
    Input,
    State,
    Output,
}

enum Given {
    F32(ArrayD<f32>),
    I32(ArrayD<i32>),
}

/// Why a graph is not compiled, not run, or a value not set or not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The graph breaks an invariant. One that a [`Builder`] has finished does not.
    #[error(transparent)]
    Graph(#[from] Violation),
    /// No code for the graph on this machine.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The states or inputs do not fit the program.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The states do not fit the program.
    #[error(transparent)]
    State(#[from] StateError),
    /// A number of threads of 0.
    #[error("threads should be at least 1, but is 0")]
    Threads,
    /// The environment variable `KILN_THREADS` is no number of threads.
    #[error(transparent)]
    Environment(#[from] ThreadsError),
    /// No input, state or output of this name.
    #[error("the graph has no {wanted} `{name}`; it has {}", list(known))]
    Unknown {
        /// What was looked for: `input or state`, `output or state`.
        wanted: &'static str,
        /// The name given.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// An array of another shape.
    #[error("`{name}` has the shape {expected}, but the array has the shape {found:?}")]
    Shape {
        /// The name of the input or state.
        name: String,
        /// Its shape.
        expected: Shape,
        /// The array's shape.
        found: Vec<usize>,
    },
    /// An array of another element type.
    #[error("`{name}` holds {expected}, not {found}")]
    Element {
        /// The name.
        name: String,
        /// What it holds.
        expected: DType,
        /// What was given or asked for.
        found: DType,
    },
    /// An index that points at nothing.
    #[error("`{name}`: {error}")]
    Index {
        /// The name of the input.
        name: String,
        /// Which index.
        #[source]
        error: IndexError,
    },
    /// A run without a value for an input.
    #[error("input `{name}` was not set before the run")]
    Missing {
        /// Its name.
        name: String,
    },
    /// An output before the first run.
    #[error("`{name}` is computed by `run`, which was not called yet")]
    NotRun {
        /// The output's name.
        name: String,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

impl Compiled {
    /// Optimizes and compiles a graph, for as many threads as `KILN_THREADS` says, else as there are processors. States begin
    /// as zeros.
    ///
    /// # Errors
    /// [`ProgramError::Graph`], [`ProgramError::Compile`], [`ProgramError::Environment`].
    pub fn new(graph: &Graph) -> Result<Compiled, ProgramError> {
        Compiled::in_pool(graph, Pool::from_environment()?)
    }

    /// As [`Compiled::new`], for a number of threads. Results do not depend on it.
    ///
    /// # Errors
    /// Also [`ProgramError::Threads`].
    pub fn with_threads(graph: &Graph, threads: usize) -> Result<Compiled, ProgramError> {
        if threads == 0 {
            return Err(ProgramError::Threads);
        }
        Compiled::in_pool(graph, Pool::shared(threads))
    }

    fn in_pool(graph: &Graph, pool: Arc<Pool>) -> Result<Compiled, ProgramError> {
        verify(graph)?;
        let plan = CompileOptions::default().plan(&optimize(graph))?;
        let mut states = States::new();
        let session = Session::of_plan::<ProgramError>(plan, &mut states, Arena::new(), false, pool)?;
        let mut names = HashMap::new();
        for input in &graph.inputs {
            let kind = if input.role == Role::State { NameKind::State } else { NameKind::Input };
            let (ty, rule) = (graph.ty(input.node), index_rule(graph, input.node));
            names.insert(input.name.clone(), Name { kind, ty, given: None, rule });
        }
        for output in &graph.outputs {
            let name = Name { kind: NameKind::Output, ty: graph.ty(output.node), given: None, rule: None };
            // Where an input is an output under its own name, it is the same value.
            names.entry(output.name.clone()).or_insert(name);
        }
        Ok(Compiled { session, states, names, ran: false })
    }

    /// Sets a data input, which keeps its value until it is set anew, or a state, which keeps it until a run updates it.
    ///
    /// # Errors
    /// [`ProgramError::Unknown`], [`ProgramError::Shape`], [`ProgramError::Element`], [`ProgramError::Index`]; all is then as
    /// it was.
    pub fn set<T: Element, D: Dimension>(&mut self, name: &str, values: &ArrayRef<T, D>) -> Result<(), ProgramError> {
        let known = self.names.get_mut(name).filter(|known| known.kind != NameKind::Output);
        let Some(known) = known else { return Err(self.unknown("input or state", name, NameKind::Output)) };
        if known.ty.dtype != T::DTYPE {
            return Err(ProgramError::Element { name: name.to_owned(), expected: known.ty.dtype, found: T::DTYPE });
        }
        if values.shape() != known.ty.shape.dims() {
            let found = values.shape().to_vec();
            return Err(ProgramError::Shape { name: name.to_owned(), expected: known.ty.shape, found });
        }
        let given = match T::elements(values.view().into_dyn()) {
            Elements::F32(numbers) => Given::F32(numbers.to_owned()),
            Elements::I32(numbers) => {
                let checked = known.rule.as_ref().map_or(Ok(()), |rule| rule.check(&numbers));
                checked.map_err(|error| ProgramError::Index { name: name.to_owned(), error })?;
                Given::I32(numbers.to_owned())
            }
            Elements::Bool(flags) => Given::I32(flags.mapv(i32::from)),
        };
        match (known.kind, given) {
            (NameKind::State, Given::F32(numbers)) => self.states.write(name, numbers.view())?,
            (NameKind::State, Given::I32(numbers)) => self.states.write_i32(name, numbers.view())?,
            (_, given) => known.given = Some(given),
        }
        Ok(())
    }

    /// Runs the graph once: computes the outputs and updates the states.
    ///
    /// # Errors
    /// [`ProgramError::Missing`]; nothing has run then.
    pub fn run(&mut self) -> Result<(), ProgramError> {
        for position in 0..self.session.program().plan().inputs.len() {
            let input = &self.session.program().plan().inputs[position];
            if input.role == Role::State {
                continue;
            }
            match self.names.get(&input.name).and_then(|known| known.given.as_ref()) {
                Some(Given::F32(numbers)) => self.session.write_input_f32(position, numbers.view())?,
                Some(Given::I32(numbers)) => self.session.write_input_i32(position, numbers.view())?,
                None => return Err(ProgramError::Missing { name: input.name.clone() }),
            }
        }
        self.session.run(&mut self.states)?;
        self.ran = true;
        Ok(())
    }

    /// An output of the last run, or a state as it is now, of f32.
    ///
    /// # Errors
    /// [`ProgramError::Unknown`], [`ProgramError::Element`] if it holds no f32, [`ProgramError::NotRun`].
    pub fn get(&self, name: &str) -> Result<ArrayD<f32>, ProgramError> {
        self.check_readable(name, |dtype| dtype == DType::F32, DType::F32)?;
        if let Some(output) = self.session.program().output(name) {
            return Ok(self.session.output(output).to_owned());
        }
        self.states.read(name).ok_or_else(|| StateError::Unknown { name: name.to_owned() }.into())
    }

    /// As [`Compiled::get`], for whole numbers, and for bool as 0 and 1.
    ///
    /// # Errors
    /// As [`Compiled::get`].
    pub fn get_i32(&self, name: &str) -> Result<ArrayD<i32>, ProgramError> {
        self.check_readable(name, |dtype| dtype != DType::F32, DType::I32)?;
        if let Some(output) = self.session.program().output(name) {
            return Ok(self.session.output_i32(output).to_owned());
        }
        self.states.read_i32(name).ok_or_else(|| StateError::Unknown { name: name.to_owned() }.into())
    }

    /// The compiled program: its plan (kernels, memory, FLOPs), which prints.
    pub fn program(&self) -> &Program {
        self.session.program()
    }

    /// Whether there is something of such a type to be read now under a name.
    fn check_readable(&self, name: &str, holds: impl Fn(DType) -> bool, found: DType) -> Result<(), ProgramError> {
        let output = self.session.program().output(name).is_some();
        let known = self.names.get(name).filter(|known| output || known.kind != NameKind::Input);
        let Some(known) = known else { return Err(self.unknown("output or state", name, NameKind::Input)) };
        if !holds(known.ty.dtype) {
            return Err(ProgramError::Element { name: name.to_owned(), expected: known.ty.dtype, found });
        }
        if output && !self.ran {
            return Err(ProgramError::NotRun { name: name.to_owned() });
        }
        Ok(())
    }

    fn unknown(&self, wanted: &'static str, name: &str, but: NameKind) -> ProgramError {
        let names = self.names.iter().filter(|(_, known)| known.kind != but);
        let mut known: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        known.sort();
        ProgramError::Unknown { wanted, name: name.to_owned(), known }
    }
}
