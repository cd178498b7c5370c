//! Programs: a graph compiled to callable code, the states that programs share, and sessions that run them.
//! It knows plans and code; it knows no layers and no training.

mod arena;
mod clock;
mod copy;
mod session;
mod states;

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::Graph;

pub use arena::Arena;
pub use session::{LevelStates, RunError, Session};
pub use states::{Held, Snapshot, StateError, States};

use crate::code::{BoundLoop, Code, CodeError};
use crate::cost::sharing::worth_rows;
use crate::kernel::{Dependence, origins};
use crate::layout::Layout;
use crate::plan::{self, Choices, Loop, Plan, PlanError, Wishes};
use crate::target::{ChoiceError, Target};

/// What a graph is compiled for.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// The machine. Default: this one ([`Target::host`]).
    pub target: Option<Target>,
    /// The layouts of states that other programs have brought into being already, by name. Default: none, the plan chooses.
    pub state_layouts: HashMap<String, Layout>,
    /// How contractions are computed that were measured before. Default: none, estimates decide.
    pub choices: Choices,
    /// Whether contractions are computed only in ways whose error is that of the definition. Default: no, Winograd's transforms
    /// are used where they are faster.
    pub exact: bool,
    /// The most bytes that states and arena may take: values are computed again where they would else lie in memory for too
    /// long. Default: no limit.
    pub memory_limit: Option<usize>,
}

/// A compiled graph. It holds no data: a [`Session`] gives it memory.
pub struct Program {
    plan: Plan,
    code: Arc<Code>,
}

/// Why a graph is not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No emitter.
    #[error(transparent)]
    Emitter(#[from] ChoiceError),
    /// No plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No code.
    #[error(transparent)]
    Code(#[from] CodeError),
}

impl CompileOptions {
    /// The machine that is compiled for.
    ///
    /// # Errors
    /// [`CompileError::Emitter`].
    pub fn target(&self) -> Result<Target, CompileError> {
        Ok(self.target.map_or_else(Target::host, Ok)?)
    }

    /// Plans a graph, without code.
    ///
    /// # Errors
    /// [`CompileError::Emitter`] and [`CompileError::Plan`].
    pub fn plan(&self, graph: &Graph) -> Result<Plan, CompileError> {
        let wishes = Wishes { exact: self.exact, memory_limit: self.memory_limit };
        Ok(plan::plan_by(graph, &self.target()?, &self.state_layouts, &self.choices, wishes)?)
    }
}

impl Plan {
    /// Whether the tasks of every call are proved to be disjoint where its arguments lie: those of a call of which that is not
    /// so would all run on one thread.
    ///
    /// # Errors
    /// The first such call's kernel, and why.
    ///
    /// # Panics
    /// For the plan of a program that was compiled [for running](Plan::for_running) alone.
    pub fn disjoint(&self) -> Result<(), Dependence> {
        self.check_whole();
        self.calls.iter().enumerate().try_for_each(|(number, call)| {
            let kernel = &self.kernels[call.kernel];
            let iterations =
                self.loops.iter().find(|looped| looped.calls.contains(&number)).map_or(1, |looped| looped.iterations);
            match origins(&self.places(call), iterations) {
                Some(origins) => kernel.disjoint(&origins),
                None => Err(Dependence::Iterations { kernel: kernel.name.clone() }),
            }
        })
    }
}

impl Program {
    /// Plans a graph and emits its kernels.
    ///
    /// # Errors
    /// [`CompileError::Emitter`] if the environment asks for an emitter that there is not, [`CompileError::Plan`] for a graph
    /// that can not be planned, [`CompileError::Code`] if there is no code for it.
    pub fn compile(graph: &Graph, options: &CompileOptions) -> Result<Program, CompileError> {
        Program::from_plan(options.plan(graph)?)
    }

    /// Emits the kernels of a plan.
    ///
    /// # Panics
    /// For the plan of a program that was compiled [for running](Plan::for_running) alone.
    pub fn from_plan(mut plan: Plan) -> Result<Program, CompileError> {
        plan.check_whole();
        let in_rows: Vec<usize> = plan.calls.iter().filter_map(|call| call.in_rows).collect();
        let code = Arc::new(Code::with_rows(&plan.kernels, &in_rows, plan.emitter)?);
        plan.forget_bodies();
        Ok(Program { plan, code })
    }

    /// What a run does, and in which memory.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The position of a data or state input, for the session's functions.
    pub fn input(&self, name: &str) -> Option<usize> {
        self.plan.inputs.iter().position(|input| input.name == name)
    }

    /// The position of an output.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.plan.outputs.iter().position(|output| output.name == name)
    }

    /// Bytes of machine code.
    pub fn code_bytes(&self) -> usize {
        self.code.bytes()
    }
}

/// The loops of a plan, by parts of rows where that is worth it for so many threads.
fn bound_loops(plan: &Plan, threads: usize) -> Vec<BoundLoop> {
    let bound = |looped: &Loop| {
        let Loop { calls, iterations, parts } = looped.clone();
        let in_rows = match worth_rows(parts, threads) {
            true => plan.calls[calls.clone()].iter().filter_map(|call| call.in_rows).collect(),
            false => Vec::new(),
        };
        BoundLoop { calls, iterations, in_rows, shares: threads }
    };
    plan.loops.iter().map(bound).collect()
}
