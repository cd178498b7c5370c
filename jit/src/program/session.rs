//! A program with memory: inputs are written, the program runs, outputs are read. A run allocates nothing, looks up
//! nothing and dispatches on no name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kiln_graph::{DType, Role, Shape};
use kiln_runtime::{Pages, Pool};
use ndarray::ArrayViewD;

use super::Program;
use super::states::{StateError, States, Time, holds, view, view_mut};
use crate::code::{BoundCall, CallError, Memory, Sequence};
use crate::kernel::Access;
use crate::plan::{Argument, Call, Place, Plan};

/// Floating-point operations on each byte of its memory from which on a program is limited by them alone.
const MUCH_COMPUTING: u64 = 64;

/// A program bound to its own arena, to states and to threads.
pub struct Session {
    program: Arc<Program>,
    pool: Arc<Pool>,
    sequence: Sequence,
    /// The states that the plan's prologue reads, by their positions in the store.
    prepares: Vec<usize>,
    /// The states that a run writes.
    writes: Vec<usize>,
    /// When the states had last been written when the prologue ran; nothing before it did.
    prepared: Option<Time>,
}

/// Why a program is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// No data input at the position.
    #[error("input {position} is no data input; the program has {inputs} inputs")]
    Input {
        /// The position given.
        position: usize,
        /// The number of inputs.
        inputs: usize,
    },
    /// An array of another shape.
    #[error("input `{name}` has the shape {expected}, but the array has the shape {found:?}")]
    Shape {
        /// The input's name.
        name: String,
        /// Its shape.
        expected: Shape,
        /// The array's shape.
        found: Vec<usize>,
    },
    /// An array of another element type.
    #[error("input `{name}` holds {expected}, not {found}")]
    Element {
        /// The input's name.
        name: String,
        /// What it holds.
        expected: DType,
        /// What was given.
        found: DType,
    },
    /// The states do not fit the program.
    #[error(transparent)]
    State(#[from] StateError),
    /// A plan that does not fit its kernels, or states that were not bound.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Session {
    /// Gives a program memory. States that are not there yet come into being, full of zeros.
    pub fn new(program: Arc<Program>, states: &mut States, pool: Arc<Pool>) -> Result<Session, RunError> {
        let plan = program.plan();
        // For each state input, where it stands in `used`.
        let mut numbers = vec![None; plan.inputs.len()];
        let mut wanted = Vec::new();
        for (number, input) in numbers.iter_mut().zip(&plan.inputs).filter(|(_, input)| input.role == Role::State) {
            *number = Some(wanted.len());
            wanted.push((input.name.as_str(), input.ty, input.layout));
        }
        let pages = pages(plan);
        let used = states.ensure(&wanted, pages)?;
        let memory = |slot: usize| match plan.slots[slot].place {
            Place::Arena { offset } => Memory::Arena(offset),
            Place::State { input } => Memory::State(numbers[input].expect("the slot of a state input")),
        };
        let calls: Vec<BoundCall> = plan
            .calls
            .iter()
            .map(|call| BoundCall {
                kernel: call.kernel,
                arguments: call.arguments.iter().map(|&slot| (memory(slot), plan.slots[slot].elements)).collect(),
                parallel: call.parallel && pool.threads() > 1,
            })
            .collect();
        let code = program.code.clone();
        let sequence = Sequence::new(code, (plan.arena_bytes, pages), states.buffers_mut(), &used, &calls)?;
        let touched = |calls: &[Call], written: bool| -> Vec<usize> {
            let inputs = plan.states_of(calls, |access| (access != Access::Read) == written);
            inputs.into_iter().filter_map(|input| Some(used[numbers[input]?])).collect()
        };
        let prepares = touched(&plan.calls[..plan.prologue], false);
        let writes = touched(&plan.calls, true);
        Ok(Session { program, pool, sequence, prepares, writes, prepared: None })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Sets an f32 data input, by its position among the graph's inputs.
    pub fn write_input_f32(&mut self, input: usize, from: ArrayViewD<'_, f32>) -> Result<(), RunError> {
        let argument = data_input(self.program.plan(), input, DType::F32, from.shape())?;
        let range = range(self.program.plan(), argument);
        write(&mut self.sequence.arena_mut().f32_mut()[range], argument, from);
        Ok(())
    }

    /// Sets an i32 data input (or a bool one, true where a number is not 0), by its position among the graph's inputs.
    pub fn write_input_i32(&mut self, input: usize, from: ArrayViewD<'_, i32>) -> Result<(), RunError> {
        let argument = data_input(self.program.plan(), input, DType::I32, from.shape())?;
        let range = range(self.program.plan(), argument);
        let slot = &mut self.sequence.arena_mut().i32_mut()[range];
        match argument.ty.dtype {
            DType::Bool => write(slot, argument, from.map(|&value| i32::from(value != 0)).view()),
            DType::F32 | DType::I32 => write(slot, argument, from),
        }
        Ok(())
    }

    /// Runs the program once. Inputs must be written before each run: the arena is used again. What depends on nothing but
    /// states that the program does not write is computed in the first run, and again in the first one after these states
    /// have changed, whoever changed them; so are the copies of states that the program's own updates write, too.
    pub fn run(&mut self, states: &mut States) -> Result<(), RunError> {
        self.run_each(states, |_| {})
    }

    /// As [`Session::run`]; says how long each call of the plan took: no time for the calls of a prologue that need not run.
    pub fn run_timed(&mut self, states: &mut States) -> Result<Vec<Duration>, RunError> {
        let mut times = vec![Duration::ZERO; self.program.plan().calls.len()];
        let mut before = Instant::now();
        self.run_each(states, |call| {
            let now = Instant::now();
            times[call] = now - before;
            before = now;
        })?;
        Ok(times)
    }

    fn run_each(&mut self, states: &mut States, mut done: impl FnMut(usize)) -> Result<(), RunError> {
        let prologue = self.program.plan().prologue;
        let calls = self.program.plan().calls.len();
        if prologue > 0 && self.prepared.take().is_none_or(|time| states.changed_since(time, &self.prepares)) {
            self.sequence.run(0..prologue, states.buffers_mut(), &self.pool, &mut done)?;
        }
        states.touch(&self.writes);
        self.sequence.run(prologue..calls, states.buffers_mut(), &self.pool, done)?;
        // What was kept of the states that the run writes, the run has written, too.
        self.prepared = Some(states.latest());
        Ok(())
    }

    /// The threads that run the program.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// An f32 output of the last run, by its position among the graph's outputs.
    ///
    /// # Panics
    /// If there is no such output, or it is not of f32.
    pub fn output(&self, output: usize) -> ArrayViewD<'_, f32> {
        let argument = &self.program.plan().outputs[output];
        assert_eq!(argument.ty.dtype, DType::F32, "output `{}`", argument.name);
        let arena = &self.sequence.arena().f32()[range(self.program.plan(), argument)];
        view(arena, argument.ty.shape, &argument.layout)
    }

    /// An i32 output of the last run (or a bool one, as 0 and 1), by its position among the graph's outputs.
    ///
    /// # Panics
    /// If there is no such output, or it is of f32.
    pub fn output_i32(&self, output: usize) -> ArrayViewD<'_, i32> {
        let argument = &self.program.plan().outputs[output];
        assert_ne!(argument.ty.dtype, DType::F32, "output `{}`", argument.name);
        let arena = &self.sequence.arena().i32()[range(self.program.plan(), argument)];
        view(arena, argument.ty.shape, &argument.layout)
    }

    /// A scalar f32 output of the last run.
    ///
    /// # Panics
    /// As [`Session::output`], and if it is no scalar.
    pub fn scalar(&self, output: usize) -> f32 {
        let argument = &self.program.plan().outputs[output];
        assert_eq!((argument.ty.dtype, argument.ty.shape.elements()), (DType::F32, 1), "output `{}`", argument.name);
        self.sequence.arena().f32()[range(self.program.plan(), argument).start + argument.layout.offset]
    }
}

/// Programs that compute little on what they hold are limited by memory: huge pages make a prediction of a ResNet-18 a third faster
/// and an update by Adam a tenth. Others, such as the training step of a ResNet-18, do not gain what these may cost.
fn pages(plan: &Plan) -> Pages {
    let states = plan.slots.iter().filter(|slot| matches!(slot.place, Place::State { .. }));
    let bytes = plan.arena_bytes + states.map(|slot| slot.elements * size_of::<u32>()).sum::<usize>();
    if plan.flops() < MUCH_COMPUTING * bytes as u64 { Pages::Huge } else { Pages::Any }
}

fn data_input<'a>(plan: &'a Plan, input: usize, dtype: DType, shape: &[usize]) -> Result<&'a Argument, RunError> {
    let inputs = plan.inputs.len();
    let argument = plan.inputs.get(input).filter(|argument| argument.role == Role::Data);
    let argument = argument.ok_or(RunError::Input { position: input, inputs })?;
    let name = || argument.name.clone();
    if !holds(argument.ty.dtype, dtype) {
        return Err(RunError::Element { name: name(), expected: argument.ty.dtype, found: dtype });
    }
    if argument.ty.shape.dims() != shape {
        return Err(RunError::Shape { name: name(), expected: argument.ty.shape, found: shape.to_vec() });
    }
    Ok(argument)
}

/// The elements of the arena that a data argument's slot takes.
fn range(plan: &Plan, argument: &Argument) -> std::ops::Range<usize> {
    let slot = &plan.slots[argument.slot];
    match slot.place {
        Place::Arena { offset } => offset / size_of::<u32>()..offset / size_of::<u32>() + slot.elements,
        Place::State { .. } => unreachable!("data lies in the arena"),
    }
}

/// Copies a tensor into its slot: in one piece where both lie in row-major order.
fn write<T: Copy>(slot: &mut [T], argument: &Argument, from: ArrayViewD<'_, T>) {
    let elements = argument.ty.shape.elements();
    let start = argument.layout.offset;
    match from.as_slice() {
        Some(from) if is_row_major(argument) => slot[start..start + elements].copy_from_slice(from),
        _ => view_mut(slot, argument.ty.shape, &argument.layout).assign(&from),
    }
}

fn is_row_major(argument: &Argument) -> bool {
    let mut expected = 1;
    let dims = argument.ty.shape.dims();
    (0..dims.len()).rev().all(|axis| {
        let fits = dims[axis] == 1 || argument.layout.strides[axis] == expected;
        expected *= dims[axis] as i64;
        fits
    })
}
