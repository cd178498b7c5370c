//! A program with memory: inputs are written, the program runs, outputs are read. A run allocates nothing, looks up
//! nothing and dispatches on no name. It knows a plan and its memory; what the program is for (a step, an evaluation, a
//! shard of a batch) its holder knows.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use kiln_graph::{DType, Role, Shape, Type};
use kiln_rt::{Buffer, Pages, Pool};
use ndarray::ArrayViewD;

use super::arena::Arena;
use super::clock::Time;
use super::states::{StateError, States, holds, view, view_mut};
use super::{CompileError, Program, bound_loops};
use crate::code::{BoundCall, CallError, Memory, Sequence};
use crate::cost::params::memory::{MUCH_COMPUTING, WORTH_A_THREAD};
use crate::kernel::Access;
use crate::layout::Layout;
use crate::plan::{Argument, Call, Exchange, Location, Plan};

/// A program bound to memory, to states and to threads.
///
/// A session that [`Session::new`] makes has an arena of its own. Sessions of which one runs at a time can share one:
/// [`Session::of_plan`] takes it, and it goes from one to the other by [`Session::detach`] and [`Session::attach`].
///
/// Several [forks](Session::fork) of a session run at once over the same states, each in an arena of its own.
pub struct Session {
    /// Its number among all sessions, from 1 on.
    id: u64,
    program: Arc<Program>,
    pool: Arc<Pool>,
    sequence: Sequence,
    /// Bytes at the front of the plan's arena that are memory of the session's own, and of its forks, instead.
    own_bytes: usize,
    /// The number of calls.
    calls: usize,
    /// The pages that the arena asks for where it grows.
    pages: Pages,
    /// The states that the plan's prologue reads, by their positions in the store.
    prepares: Vec<usize>,
    /// The states that a run writes.
    writes: Vec<usize>,
    /// Where the prologue's results lie in the arena: when the states had last been written when it ran; nothing before it did.
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
    /// The session has no arena: it was taken for another one.
    #[error("another program has the memory in which `{program}` computes; give it back by `Session::attach`")]
    Detached {
        /// The program's name.
        program: String,
    },
    /// The states do not fit the program.
    #[error(transparent)]
    State(#[from] StateError),
    /// A plan that does not fit its kernels, or states that were not bound.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Session {
    /// Emits the kernels of a plan and gives them memory: an arena, which grows where it is too short, and where `keeps` says so
    /// memory of the session's own for what lasts from run to run ([`Plan::invariant_bytes`]), unless there are outputs among it;
    /// otherwise that is made anew whenever another program has had the arena. Where the pool has several threads, one of them makes the states meanwhile: most of the
    /// time is the system's, which hands out the memory.
    ///
    /// # Errors
    /// As for [`Program::from_plan`] and [`Session::new`].
    pub fn of_plan<E>(plan: Plan, states: &mut States, arena: Arena, keeps: bool, pool: Arc<Pool>) -> Result<Session, E>
    where
        E: From<CompileError> + From<RunError>,
    {
        let emitted = |plan: Plan| -> Result<_, E> {
            let program = Program::from_plan(plan)?;
            let memory = Memories::new(program.plan(), arena, keeps);
            Ok((Arc::new(program), memory))
        };
        let plan = plan.for_threads(pool.threads());
        if pool.threads() == 1 || plan.state_bytes() < WORTH_A_THREAD {
            let used = make_states(&plan.inputs, pages(&plan), states)?;
            let (program, memory) = emitted(plan)?;
            return Ok(Session::in_memory(program, memory, (&*states, used), pool)?);
        }
        let (inputs, pages) = (plan.inputs.clone(), pages(&plan));
        let (made, emitted) = thread::scope(|scope| {
            let making = scope.spawn(|| make_states(&inputs, pages, states));
            let emitted = emitted(plan);
            (making.join().unwrap_or_else(|payload| resume_unwind(payload)), emitted)
        });
        let used = made?;
        let (program, memory) = emitted?;
        Ok(Session::in_memory(program, memory, (&*states, used), pool)?)
    }

    /// Gives a program memory. States that are not there yet come into being, with what was given to them or full of zeros.
    pub fn new(program: Arc<Program>, states: &mut States, pool: Arc<Pool>) -> Result<Session, RunError> {
        let used = make_states(&program.plan().inputs, pages(program.plan()), states)?;
        let memory = Memories::new(program.plan(), Arena::new(), false);
        Session::in_memory(program, memory, (&*states, used), pool)
    }

    /// A session without an arena over states that are there, which others may be running with; `keeps` as for
    /// [`Session::of_plan`].
    ///
    /// # Errors
    /// [`RunError::State`] with [`StateError::Unknown`] for a state that is not there, else as for [`Session::new`].
    pub fn of_program(
        program: Arc<Program>,
        states: &States,
        keeps: bool,
        pool: Arc<Pool>,
    ) -> Result<Session, RunError> {
        let used = states.positions(&wanted(&program.plan().inputs))?;
        let own = Memories::own(program.plan(), keeps);
        Session::without_arena(program, own, (states, used), pool)
    }

    /// Another session of the same program, states and threads, without an arena. Both run at once, each in an arena of its own
    /// that [`Session::attach`] gives it. They share the memory of what lasts from run to run, where the session has some of its own.
    pub fn fork(&self) -> Session {
        Session {
            id: next_id(),
            program: self.program.clone(),
            pool: self.pool.clone(),
            sequence: self.sequence.fork(),
            prepares: self.prepares.clone(),
            writes: self.writes.clone(),
            prepared: None,
            ..*self
        }
    }

    /// `used` are the positions of the plan's states.
    fn in_memory(
        program: Arc<Program>,
        Memories { arena, own }: Memories,
        states: (&States, Vec<usize>),
        pool: Arc<Pool>,
    ) -> Result<Session, RunError> {
        let mut session = Session::without_arena(program, own, states, pool)?;
        session.attach(arena)?;
        Ok(session)
    }

    fn without_arena(
        program: Arc<Program>,
        (own, own_bytes): (Buffer, usize),
        (states, used): (&States, Vec<usize>),
        pool: Arc<Pool>,
    ) -> Result<Session, RunError> {
        let plan = program.plan();
        // For each state input, where it stands in `used`.
        let mut numbers = vec![None; plan.inputs.len()];
        let of_states = numbers.iter_mut().zip(&plan.inputs).filter(|(_, input)| input.role == Role::State);
        of_states.enumerate().for_each(|(place, (number, _))| *number = Some(place));
        let place = |slot: usize| match plan.slots[slot].location {
            Location::Arena { offset } if offset < own_bytes => Memory::Own(offset),
            Location::Arena { offset } => Memory::Arena(offset - own_bytes),
            Location::State { input } => Memory::State(numbers[input].expect("the slot of a state input")),
        };
        let calls: Vec<BoundCall> = plan
            .calls
            .iter()
            .map(|call| BoundCall {
                kernel: call.kernel,
                arguments: plan.lengths(call).map(|(slot, elements)| (place(slot), elements)).collect(),
                moves: call.moves.clone(),
                parallel: call.parallel && pool.threads() > 1,
            })
            .collect();
        let code = program.code.clone();
        let loops = bound_loops(plan, pool.threads());
        let sequence = Sequence::without_arena(code, own, states.buffers(), &used, (&calls, &loops))?;
        let touched = |calls: &[Call], written: bool| -> Vec<usize> {
            let inputs = plan.states_of(calls, |access| (access != Access::Read) == written);
            inputs.into_iter().filter_map(|input| Some(used[numbers[input]?])).collect()
        };
        let prepares = touched(&plan.calls[..plan.prologue], false);
        let writes = touched(&plan.calls, true);
        let (calls, pages) = (plan.calls.len(), pages(plan));
        let id = next_id();
        Ok(Session { id, program, pool, sequence, own_bytes, calls, pages, prepares, writes, prepared: None })
    }

    /// Takes the arena, for another program to compute in. Inputs that were written and results are lost, and the session does
    /// not run before it has one again.
    pub fn detach(&mut self) -> Arena {
        Arena { buffer: self.sequence.detach(), of: self.id }
    }

    /// Gives the session an arena in the place of the one that it has, if any; the arena grows where it is too short.
    ///
    /// # Errors
    /// [`RunError::Call`] for a plan that does not fit its kernels.
    pub fn attach(&mut self, mut arena: Arena) -> Result<(), RunError> {
        self.detach();
        arena.grow(self.arena_bytes(), self.pages);
        if arena.of != self.id {
            self.prepared = None;
        }
        Ok(self.sequence.attach(arena.buffer)?)
    }

    /// The bytes that its arena must have.
    pub fn arena_bytes(&self) -> usize {
        self.program.plan().arena_bytes - self.own_bytes
    }

    /// Whether it was the last that had an arena: what it keeps from run to run there need not be made anew.
    pub fn had(&self, arena: &Arena) -> bool {
        arena.of == self.id
    }

    /// Whether runs write states, so that no two may run at once.
    pub fn writes_states(&self) -> bool {
        self.sequence.writes_states()
    }

    /// Lets go of what a run does not need: the plan's kernels and calls, and how its contractions are computed, which take more
    /// memory than the code. (Not where others hold the program, too.)
    pub fn forget_calls(&mut self) {
        if let Some(program) = Arc::get_mut(&mut self.program) {
            program.plan.forget_calls();
            program.code.forget_footprints();
        }
    }

    /// Whether the session has an arena.
    pub fn is_attached(&self) -> bool {
        size_of::<u32>() * self.sequence.arena().len() >= self.arena_bytes()
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Sets an f32 data input, by its position among the graph's inputs.
    pub fn write_input_f32(&mut self, input: usize, from: ArrayViewD<'_, f32>) -> Result<(), RunError> {
        let argument = data_input(&self.program, input, DType::F32, from.shape())?;
        let range = self.place(argument);
        self.check_attached()?;
        write(&mut self.sequence.arena_mut().f32_mut()[range], argument, from);
        Ok(())
    }

    /// Sets an i32 data input (or a bool one, true where a number is not 0), by its position among the graph's inputs.
    pub fn write_input_i32(&mut self, input: usize, from: ArrayViewD<'_, i32>) -> Result<(), RunError> {
        let argument = data_input(&self.program, input, DType::I32, from.shape())?;
        let range = self.place(argument);
        self.check_attached()?;
        let slot = &mut self.sequence.arena_mut().i32_mut()[range];
        write(slot, argument, from);
        if argument.ty.dtype == DType::Bool {
            slot.iter_mut().for_each(|flag| *flag = i32::from(*flag != 0));
        }
        Ok(())
    }

    /// Runs the program once. Inputs must be written before each run: the arena is used again. What depends on nothing but
    /// states that the program does not write is computed in the first run, and again in the first one after these states
    /// have changed, whoever changed them. Sums over the shards of a batch are those of one shard.
    pub fn run(&mut self, states: &mut States) -> Result<(), RunError> {
        self.prepare(states)?;
        if self.program.plan().levels.len() < 2 {
            return self.run_calls(self.program.plan().prologue..self.calls, states);
        }
        for level in 0..self.program.plan().levels.len() {
            self.run_calls(self.program.plan().levels[level].clone(), states)?;
            self.exchange_alone(level)?;
        }
        Ok(())
    }

    /// Begins a run that goes on by [`Session::run_calls`]: what depends on states alone is computed where they have changed.
    ///
    /// # Errors
    /// As for [`Session::run`].
    pub fn begin(&mut self, states: &States) -> Result<(), RunError> {
        self.prepare(states)
    }

    /// Runs some of the calls behind the prologue, in the order of [`Plan::levels`]; between them what is exchanged is read by
    /// [`Session::output`] and written by [`Session::write_input_f32`].
    ///
    /// # Errors
    /// As for [`Session::run`].
    pub fn run_calls(&mut self, calls: Range<usize>, states: &mut States) -> Result<(), RunError> {
        self.check_attached()?;
        states.touch(&self.writes);
        self.sequence.run(calls, states.buffers_mut(), &self.pool)?;
        self.note(states.latest());
        Ok(())
    }

    /// Some calls, one after the other, but those of a loop, which run together: first and last behind it.
    pub fn runnable(&self, calls: Range<usize>) -> Vec<(usize, usize)> {
        let mut parts = Vec::new();
        let mut next = calls.start;
        while next < calls.end {
            let looped = self.program.plan().loops.iter().find(|looped| looped.calls.start == next);
            let end = looped.map_or(next + 1, |looped| looped.calls.end);
            parts.push((next, end));
            next = end;
        }
        parts
    }

    /// For each level the states that its calls touch.
    pub fn states_by_level(&self, states: &States) -> Result<Vec<LevelStates>, RunError> {
        let plan = self.program.plan();
        let used = states.positions(&wanted(&plan.inputs))?;
        let of_states = plan.inputs.iter().enumerate().filter(|(_, input)| input.role == Role::State);
        let numbers: Vec<usize> = of_states.map(|(number, _)| number).collect();
        let place = |input: usize| Some(used[numbers.iter().position(|&number| number == input)?]);
        let of_level = |calls: &Range<usize>| {
            let touched = |counts: &dyn Fn(Access) -> bool, of_shard: bool| -> Vec<usize> {
                let inputs = plan.states_of(&plan.calls[calls.clone()], counts).into_iter();
                inputs.filter(|input| plan.states_of_shard.contains(input) == of_shard).filter_map(place).collect()
            };
            let writes = |access: Access| access != Access::Read;
            LevelStates {
                written: touched(&writes, false),
                own: touched(&|_| true, true),
                kept: touched(&writes, true),
            }
        };
        Ok(plan.levels.iter().map(of_level).collect())
    }

    /// Takes each sum over shards from this shard alone, which is the only one: of the exchanges of a level.
    fn exchange_alone(&mut self, level: usize) -> Result<(), RunError> {
        for number in 0..self.program.plan().exchanges.len() {
            let Exchange { input, output, .. } = self.program.plan().exchanges[number];
            if self.program.plan().level_of(number) == level {
                let sum = self.output(output).to_owned();
                self.write_input_f32(input, sum.view())?;
            }
        }
        Ok(())
    }

    /// As [`Session::run`], of a program that writes no states: forks run at once over the same ones.
    ///
    /// # Errors
    /// Also [`CallError::Exclusive`], of a program that does: see [`Session::writes_states`].
    pub fn run_shared(&mut self, states: &States) -> Result<(), RunError> {
        self.prepare(states)?;
        Ok(self.sequence.run_shared(self.program.plan().prologue..self.calls, states.buffers(), &self.pool)?)
    }

    /// As [`Session::run`]; says how long each call of the plan took: no time for the calls of a prologue that need not run.
    pub fn run_timed(&mut self, states: &mut States) -> Result<Vec<Duration>, RunError> {
        let mut times = vec![Duration::ZERO; self.calls];
        let mut before = Instant::now();
        let prologue = self.program.plan().prologue;
        let mut timed = |sequence: &mut Sequence, calls: Range<usize>, states: &mut States, pool: &Pool| {
            sequence.run_each(calls, states.buffers_mut(), pool, |call| {
                let now = Instant::now();
                times[call] += now - before;
                before = now;
            })
        };
        if self.is_stale(states) {
            timed(&mut self.sequence, 0..prologue, states, &self.pool)?;
        }
        states.touch(&self.writes);
        for level in 0..self.program.plan().levels.len() {
            timed(&mut self.sequence, self.program.plan().levels[level].clone(), states, &self.pool)?;
            self.exchange_alone(level)?;
        }
        self.note(states.latest());
        Ok(times)
    }

    /// Whether the prologue has not run, or states have changed that it reads.
    fn is_stale(&self, states: &States) -> bool {
        let prepared = match self.sequence.filled() {
            _ if self.own_bytes == 0 => self.prepared,
            0 => None,
            time => Some(Time(time)),
        };
        self.program.plan().prologue > 0 && prepared.is_none_or(|time| states.changed_since(time, &self.prepares))
    }

    /// Runs the prologue where it must run; one of several forks does where they share its results.
    fn prepare(&mut self, states: &States) -> Result<(), RunError> {
        self.check_attached()?;
        if !self.is_stale(states) {
            return Ok(());
        }
        let turn = self.sequence.turn();
        let _turn = (self.own_bytes > 0).then(|| turn.lock().unwrap_or_else(PoisonError::into_inner));
        if self.is_stale(states) {
            self.prepared = None;
            let prologue = 0..self.program.plan().prologue;
            self.sequence.run_shared(prologue, states.buffers(), &self.pool)?;
            self.note(states.latest());
        }
        Ok(())
    }

    /// Notes that the prologue's results are those of the states as they are now.
    fn note(&mut self, now: Time) {
        if self.own_bytes > 0 {
            self.sequence.set_filled(now.0);
        }
        self.prepared = Some(now);
    }

    /// Whether denormal numbers, those below 1.18e-38 in magnitude, count as 0 wherever the program computes with them or would
    /// give them, on all its threads; they take a hundred times longer otherwise. Default: `true`. With `false` results are those of
    /// the definition, as the interpreter has them. (No difference where the processor is none of x86-64 and aarch64.) Copies keep
    /// them in any case.
    pub fn set_flush_denormal(&mut self, flush: bool) {
        self.sequence.set_flush_denormal(flush);
    }

    /// The threads that run the program.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// An f32 output of the last run, by its position among the graph's outputs.
    ///
    /// # Panics
    /// If there is no such output, or it is not of f32, or the arena was taken since the run.
    pub fn output(&self, output: usize) -> ArrayViewD<'_, f32> {
        let argument = &self.program.plan().outputs[output];
        assert_eq!(argument.ty.dtype, DType::F32, "output `{}`", argument.name);
        let range = self.place(argument);
        view(&self.sequence.arena().f32()[range], argument.ty.shape, &argument.layout)
    }

    /// An i32 output of the last run (or a bool one, as 0 and 1), by its position among the graph's outputs.
    ///
    /// # Panics
    /// If there is no such output, or it is of f32, or the arena was taken since the run.
    pub fn output_i32(&self, output: usize) -> ArrayViewD<'_, i32> {
        let argument = &self.program.plan().outputs[output];
        assert_ne!(argument.ty.dtype, DType::F32, "output `{}`", argument.name);
        let range = self.place(argument);
        view(&self.sequence.arena().i32()[range], argument.ty.shape, &argument.layout)
    }

    /// A scalar f32 output of the last run.
    ///
    /// # Panics
    /// As [`Session::output`], and if it is no scalar.
    pub fn scalar(&self, output: usize) -> f32 {
        let argument = &self.program.plan().outputs[output];
        assert_eq!((argument.ty.dtype, argument.ty.shape.elements()), (DType::F32, 1), "output `{}`", argument.name);
        let range = self.place(argument);
        self.sequence.arena().f32()[range.start + argument.layout.offset]
    }

    /// The elements of the arena that a data argument takes.
    fn place(&self, argument: &Argument) -> Range<usize> {
        let slot = &self.program.plan().slots[argument.slot];
        match slot.location {
            Location::Arena { offset } if offset >= self.own_bytes => {
                let start = (offset - self.own_bytes) / size_of::<u32>();
                start..start + slot.elements
            }
            Location::Arena { .. } | Location::State { .. } => unreachable!("data lies in the arena"),
        }
    }

    fn check_attached(&self) -> Result<(), RunError> {
        if self.is_attached() {
            return Ok(());
        }
        Err(RunError::Detached { program: self.program.plan().name.clone() })
    }
}

/// The states that the calls of a level touch, by their positions in the store.
#[derive(Clone, Debug, Default)]
pub struct LevelStates {
    /// Those that all shards of a batch write, the same from the same.
    pub written: Vec<usize>,
    /// Those of which each shard has its own value,
    pub own: Vec<usize>,
    /// and such of these as are written.
    pub kept: Vec<usize>,
}

/// What a session is given to compute in.
struct Memories {
    arena: Arena,
    own: (Buffer, usize),
}

impl Memories {
    /// The arena, long enough for a plan, and where `keeps` says so memory apart for what lasts.
    fn new(plan: &Plan, mut arena: Arena, keeps: bool) -> Memories {
        let own = Memories::own(plan, keeps);
        arena.grow(plan.arena_bytes - own.1, pages(plan));
        Memories { arena, own }
    }

    /// Memory apart for what lasts, and the bytes at the front of the plan's arena that it stands for.
    fn own(plan: &Plan, keeps: bool) -> (Buffer, usize) {
        // Results are read without the lock under which that memory is filled.
        let apart = |output: &Argument| match plan.slots[output.slot].location {
            Location::Arena { offset } => offset >= plan.invariant_bytes,
            Location::State { .. } => true,
        };
        let bytes = if keeps && plan.outputs.iter().all(apart) { plan.invariant_bytes } else { 0 };
        let buffer = Buffer::zeroed_together(&[bytes.div_ceil(size_of::<u32>())], pages(plan)).swap_remove(0);
        (buffer, bytes)
    }
}

/// A number that no other session has.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Programs that compute little on what they hold are limited by memory: huge pages make a prediction of a ResNet-18 a third faster
/// and an update by Adam a tenth. Others, such as the training step of a ResNet-18, do not gain what these may cost.
fn pages(plan: &Plan) -> Pages {
    let bytes = plan.peak_bytes();
    if plan.flops() < MUCH_COMPUTING * bytes as u64 { Pages::Huge } else { Pages::Any }
}

/// The states of a plan, made if they are not there yet: their positions in the store.
fn make_states(inputs: &[Argument], pages: Pages, states: &mut States) -> Result<Vec<usize>, RunError> {
    Ok(states.ensure(&wanted(inputs), pages)?)
}

/// The states among some inputs.
fn wanted(inputs: &[Argument]) -> Vec<(&str, Type, Layout)> {
    let states = inputs.iter().filter(|input| input.role == Role::State);
    states.map(|input| (input.name.as_str(), input.ty, input.layout)).collect()
}

fn data_input<'a>(program: &'a Program, input: usize, dtype: DType, shape: &[usize]) -> Result<&'a Argument, RunError> {
    let plan = program.plan();
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

/// Copies a tensor into its slot: in one piece where both lie in row-major order.
fn write<T: Copy>(slot: &mut [T], argument: &Argument, from: ArrayViewD<'_, T>) {
    let elements = argument.ty.shape.elements();
    let start = argument.layout.offset;
    match from.as_slice() {
        Some(from) if argument.layout.is_row_major(argument.ty.shape) => {
            slot[start..start + elements].copy_from_slice(from)
        }
        _ => view_mut(slot, argument.ty.shape, &argument.layout).assign(&from),
    }
}
