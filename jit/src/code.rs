//! UNSAFE: owns code memory and calls into it. Memory is written, then made executable, never both at once, and freed
//! on drop. It knows kernels, emitters and Cranelift's code memory; it knows no plan.
//!
//! # Safety
//! The safe functions of this module rest on:
//! - every kernel passes [`Kernel::check`] before it is emitted, so that its code touches nothing outside its
//!   buffers' declared lengths, whatever they hold, and writes only to those that it declares as written;
//! - an emitter's code does what the kernel says ([`crate::emit`]; tested against the kernel interpreter);
//! - arguments are checked against the declarations (number, element type, length) before a call;
//! - tasks run on several threads at once only where it is proved, for the memory that the call is bound to, that none
//!   of them writes an element that another one reads or writes ([`Kernel::disjoint`]); all others run on one thread;
//!   the same of parts of a loop's rows, in all of its calls and iterations;
//! - sequences that are forks of one another run at once, each in an arena of its own; what they share (states and the
//!   memory of their own) is written by a call only while nobody else reads or writes it: states while they are
//!   borrowed exclusively, the other under a lock;
//! - code lives as long as the [`Code`] that every caller holds.

mod binding;
mod bound;
mod emitted;

pub use bound::{BoundCall, BoundLoop, CallError, Memory};
pub use emitted::CodeError;

use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cranelift_codegen::ir::Signature;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, default_libcall_names};
use kiln_rt::Pool;
use kiln_rt::buffer::Buffer;
use kiln_rt::denormals;

use crate::emit::{CODE_ALIGNMENT, Cranelift, EmitError, EmitterKind};
use crate::kernel::{self, Element, Kernel, Slice};
use bound::check;
use emitted::{Touching, deduplicate, emit, print};

/// The emitted function of a kernel: `arguments, begin, end`.
type Entry = unsafe extern "C" fn(*const *mut u8, usize, usize);

/// The machine code of some kernels.
pub struct Code {
    /// Taken by `drop` alone.
    module: ManuallyDrop<JITModule>,
    functions: Vec<Function>,
    /// What the tasks of each function touch, for those who bind calls; nothing once that is forgotten.
    footprints: Mutex<Vec<Arc<Touching>>>,
    bytes: usize,
}

/// The code of one kernel, and what it asks of its arguments.
struct Function {
    name: String,
    entry: Entry,
    tasks: usize,
    buffers: Vec<kernel::Buffer>,
}

// SAFETY: the module's memory is not changed after `new`; entries are addresses of functions without state.
unsafe impl Sync for Code {}

impl Code {
    /// Checks and emits kernels. Equal ones are emitted once. `DUMP=asm` in the environment prints them.
    pub fn new(kernels: &[Kernel], emitter: EmitterKind) -> Result<Code, CodeError> {
        Code::with_rows(kernels, &[], emitter)
    }

    /// As [`Code::new`]; some of the kernels, which are called by parts of rows in loops, are numbered in order.
    pub(crate) fn with_rows(kernels: &[Kernel], in_rows: &[usize], emitter: EmitterKind) -> Result<Code, CodeError> {
        if !emitter.runs_here() {
            let reason = format!("it does not run what the emitter `{emitter}` gives");
            return Err(EmitError::Machine { reason }.into());
        }
        let (distinct, numbers) = deduplicate(kernels);
        let mut by_rows = vec![false; distinct.len()];
        in_rows.iter().for_each(|&kernel| by_rows[numbers[kernel]] = true);
        if std::env::var("DUMP").is_ok_and(|dump| dump == "asm") {
            print(&distinct, emitter)?;
        }

        // All functions lie in one piece of memory.
        let mut bytes = Vec::new();
        let mut emitted = Vec::with_capacity(distinct.len());
        for (function, touching) in emit(&distinct, &by_rows, emitter)? {
            bytes.resize(bytes.len().next_multiple_of(CODE_ALIGNMENT as usize), 0);
            emitted.push((bytes.len(), Arc::new(touching)));
            bytes.extend(function);
        }
        let memory = |error: cranelift_module::ModuleError| CodeError::Memory { reason: error.to_string() };
        let isa = Cranelift::new()?.isa();
        let signature = Signature::new(isa.default_call_conv());
        let module = ManuallyDrop::new(JITModule::new(JITBuilder::with_isa(isa, default_libcall_names())));
        let mut code = Code {
            module,
            functions: Vec::with_capacity(kernels.len()),
            footprints: Mutex::default(),
            bytes: bytes.len(),
        };
        let mut all = Vec::with_capacity(kernels.len());
        let id = code.module.declare_anonymous_function(&signature).map_err(memory)?;
        code.module.define_function_bytes(id, CODE_ALIGNMENT, &bytes, &[]).map_err(memory)?;
        code.module.finalize_definitions().map_err(memory)?;
        let start = code.module.get_finalized_function(id);
        for (kernel, number) in kernels.iter().zip(numbers) {
            let (place, ref touching) = emitted[number];
            // SAFETY: the place lies within the bytes that were copied to the address.
            let address = unsafe { start.add(place) };
            // SAFETY: there stands a function of this signature, in memory that `code` owns and that is executable now.
            let entry = unsafe { std::mem::transmute::<*const u8, Entry>(address) };
            let (name, buffers) = (kernel.name.clone(), kernel.buffers.clone());
            code.functions.push(Function { name, entry, tasks: kernel.tasks(), buffers });
            all.push(touching.clone());
        }
        code.footprints = Mutex::new(all);
        Ok(code)
    }

    /// Lets go of what only those need who bind calls; calls that are bound later run on one thread.
    pub(crate) fn forget_footprints(&self) {
        *self.footprints.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new();
    }

    /// The number of bytes of machine code.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Runs some tasks of a kernel (an index into the kernels given to [`Code::new`]) on one slice for each of its buffers. Denormal
    /// numbers are what they are, as in the kernel interpreter.
    ///
    /// # Errors
    /// Slices or tasks that the kernel does not have: [`CallError`] says which.
    ///
    /// # Panics
    /// If there is no such kernel.
    pub fn call(&self, kernel: usize, arguments: &mut [Slice<'_>], tasks: Range<usize>) -> Result<(), CallError> {
        let function = &self.functions[kernel];
        let given: Vec<(*mut u8, Element, usize)> = arguments
            .iter_mut()
            .enumerate()
            .map(|(position, argument)| {
                let declared = function.buffers.get(position).map(|buffer| buffer.element);
                let declared = declared.filter(|&element| argument.holds(element));
                let (pointer, usual, elements) = match argument {
                    Slice::F32(slice) => (slice.as_mut_ptr().cast(), Element::F32, slice.len()),
                    Slice::I32(slice) => (slice.as_mut_ptr().cast(), Element::I32, slice.len()),
                    Slice::Bf16(slice) => (slice.as_mut_ptr().cast(), Element::Bf16, slice.len()),
                    Slice::Bytes(slice) => (slice.as_mut_ptr(), Element::U8, slice.len()),
                };
                (pointer, declared.unwrap_or(usual), elements)
            })
            .collect();
        check(
            &function.name,
            &function.buffers,
            given.iter().map(|&(_, element, elements)| (Some(element), elements)),
        )?;
        if tasks.start > tasks.end || tasks.end > function.tasks {
            let (begin, end) = (tasks.start, tasks.end);
            return Err(CallError::Tasks { kernel: function.name.clone(), expected: function.tasks, begin, end });
        }
        let pointers: Vec<*mut u8> = given.iter().map(|&(pointer, ..)| pointer).collect();
        // SAFETY: the slices are as long as declared, borrowed exclusively, and the tasks exist.
        let run = || unsafe { (function.entry)(pointers.as_ptr(), tasks.start, tasks.end) };
        // SAFETY: nothing but the emitted code runs.
        unsafe { denormals::in_mode(false, run) };
        Ok(())
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: taken once, here; nobody runs the code, since whoever does borrows or shares `self`.
        unsafe { ManuallyDrop::take(&mut self.module).free_memory() };
    }
}

/// A sequence of calls whose arguments are looked up once: a run is a walk over function pointers and argument tables.
pub struct Sequence {
    code: Arc<Code>,
    /// Without elements while the sequence has none.
    arena: Buffer,
    own: Arc<Own>,
    /// The states used: where they stand among all states, and the memory that was bound.
    states: Arc<[(usize, *const u8, usize)]>,
    steps: Arc<[Step]>,
    /// The argument tables of all steps, one after the other.
    pointers: Vec<*mut u8>,
    /// Those of the arguments that lie in the arena, and their offsets.
    in_arena: Arc<[(usize, usize)]>,
    /// The loops, in the order of their calls.
    loops: Vec<Loop>,
    /// The arena at which these arguments point.
    bound: *const u8,
    /// The elements that the arena must have.
    needed: usize,
    /// The first call from which on none writes the memory `own`.
    fills: usize,
    /// The calls among which all are that write states.
    updates: Range<usize>,
    flush_denormal: bool,
}

/// Memory that the first calls of a sequence write and the others read; that of all its forks.
struct Own {
    buffer: RwLock<Buffer>,
    /// What whoever filled it last says of that; 0 at first.
    filled: AtomicU64,
    /// Held by who is about to fill it.
    turn: Arc<Mutex<()>>,
}

/// A loop.
#[derive(Clone)]
struct Loop {
    calls: Range<usize>,
    iterations: usize,
    /// The arguments that move.
    moving: Vec<Moved>,
    /// The calls by parts of rows, where these are proved to be apart.
    rows: Option<Rows>,
}

/// The calls of a loop of which threads take parts of rows.
struct Rows {
    /// How many parts there are.
    parts: usize,
    /// How many shares of them.
    shares: usize,
    /// The calls.
    steps: Arc<[Step]>,
    /// The argument tables of the loop's calls, which all begin at the same place: one for each share.
    tables: Vec<Mutex<Table>>,
}

/// An argument table.
struct Table(Vec<*mut u8>);

// SAFETY: as for `Sequence`, whose arguments these are; a table is written under its lock.
unsafe impl Send for Table {}

impl Rows {
    fn new(parts: usize, shares: usize, steps: Arc<[Step]>, arguments: usize) -> Rows {
        let table = |_| Mutex::new(Table(vec![std::ptr::null_mut(); arguments]));
        Rows { parts, shares, steps, tables: (0..shares).map(table).collect() }
    }

    /// The parts of a share.
    fn of(&self, share: usize) -> Range<usize> {
        share * self.parts / self.shares..(share + 1) * self.parts / self.shares
    }
}

impl Clone for Rows {
    /// The same with tables of its own: both run at once.
    fn clone(&self) -> Rows {
        let arguments = self.tables[0].lock().unwrap_or_else(PoisonError::into_inner).0.len();
        Rows::new(self.parts, self.shares, self.steps.clone(), arguments)
    }
}

/// An argument that moves on in each iteration.
#[derive(Clone)]
struct Moved {
    /// Its place in the argument tables.
    argument: usize,
    /// Where it is in the first iteration.
    start: *mut u8,
    /// By how many bytes it moves.
    bytes: isize,
    /// Whether it lies in the arena.
    in_arena: bool,
}

// SAFETY: its place is an address, which shared access reads alone.
unsafe impl Sync for Moved {}

struct Step {
    entry: Entry,
    tasks: usize,
    /// The first argument in `pointers`.
    first: usize,
    /// Whether the tasks are shared among threads: asked for, and proved.
    shared: bool,
}

// SAFETY: the pointers are into the arena, which is the sequence's alone and touched only while it is borrowed exclusively, into
// `own`, touched only under its lock, and into states, which are borrowed for each run: exclusively where a call writes them.
unsafe impl Send for Sequence {}
// SAFETY: as above; shared access reads the arena alone.
unsafe impl Sync for Sequence {}

impl Sequence {
    /// Binds calls to memory: an arena, and the states at the positions `used` among all `states`.
    pub fn new(
        code: Arc<Code>,
        arena: Buffer,
        states: &mut [Buffer],
        used: &[usize],
        calls: &[BoundCall],
    ) -> Result<Sequence, CallError> {
        let mut sequence = Sequence::without_arena(code, Buffer::empty(), &*states, used, (calls, &[]))?;
        sequence.attach(arena)?;
        Ok(sequence)
    }

    /// Another sequence of the same calls over the same states and the same memory of their own, without an arena: both run at
    /// once, each in its own.
    pub(crate) fn fork(&self) -> Sequence {
        Sequence {
            code: self.code.clone(),
            arena: Buffer::empty(),
            own: self.own.clone(),
            states: self.states.clone(),
            steps: self.steps.clone(),
            pointers: self.pointers.clone(),
            in_arena: self.in_arena.clone(),
            loops: self.loops.clone(),
            bound: std::ptr::null(),
            updates: self.updates.clone(),
            ..*self
        }
    }

    /// Whether any call writes a state.
    pub(crate) fn writes_states(&self) -> bool {
        !self.updates.is_empty()
    }

    /// What was last said of the memory that forks share; 0 of memory that was never filled.
    pub(crate) fn filled(&self) -> u64 {
        self.own.filled.load(Ordering::Acquire)
    }

    /// Says something of it.
    pub(crate) fn set_filled(&self, filled: u64) {
        self.own.filled.store(filled, Ordering::Release);
    }

    /// What those hold who are about to fill it, so that one of several forks does.
    pub(crate) fn turn(&self) -> Arc<Mutex<()>> {
        self.own.turn.clone()
    }

    /// Gives the sequence an arena. Nothing is allocated.
    ///
    /// # Errors
    /// [`CallError::Arena`] for one that is too short; the sequence is then as it was.
    pub(crate) fn attach(&mut self, mut arena: Buffer) -> Result<(), CallError> {
        if arena.len() < self.needed {
            return Err(CallError::Arena { expected: self.needed, found: arena.len() });
        }
        if self.bound != arena.as_ptr() {
            self.bound = arena.as_ptr();
            let start = arena.as_mut_ptr();
            for &(argument, offset) in &*self.in_arena {
                self.pointers[argument] = start.wrapping_add(offset);
            }
            for moved in self.loops.iter_mut().flat_map(|looped| &mut looped.moving).filter(|moved| moved.in_arena) {
                moved.start = self.pointers[moved.argument];
            }
        }
        self.arena = arena;
        Ok(())
    }

    /// Takes the arena, without which the sequence does not run.
    pub(crate) fn detach(&mut self) -> Buffer {
        std::mem::replace(&mut self.arena, Buffer::empty())
    }

    /// Whether the tasks of a call are shared among threads: that was asked for, and they are proved to be disjoint.
    ///
    /// # Panics
    /// If there is no such call.
    pub fn is_shared(&self, call: usize) -> bool {
        self.steps[call].shared
    }

    /// The code that is run.
    pub fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// The arena.
    pub fn arena(&self) -> &Buffer {
        &self.arena
    }

    /// The arena.
    pub fn arena_mut(&mut self) -> &mut Buffer {
        &mut self.arena
    }

    /// Whether kernels take denormal numbers (below 1.18e-38 in magnitude) for 0, operands and results: see
    /// [`kiln_rt::denormals`]. Default: they do.
    pub(crate) fn set_flush_denormal(&mut self, flush: bool) {
        self.flush_denormal = flush;
    }

    /// Runs some calls, one after the other; those that are worth it on all threads of the pool. `states` are those that were
    /// bound: the same memory at the same positions.
    pub fn run(&mut self, calls: Range<usize>, states: &mut [Buffer], pool: &Pool) -> Result<(), CallError> {
        self.check(states)?;
        self.run_checked(calls, pool);
        Ok(())
    }

    /// As [`Sequence::run`], of calls that write no state: forks run at once over the same states.
    ///
    /// # Errors
    /// Also [`CallError::Exclusive`], for calls that do.
    pub(crate) fn run_shared(&mut self, calls: Range<usize>, states: &[Buffer], pool: &Pool) -> Result<(), CallError> {
        if calls.start < self.updates.end && self.updates.start < calls.end {
            return Err(CallError::Exclusive);
        }
        self.check(states)?;
        self.run_checked(calls, pool);
        Ok(())
    }

    /// `check` has passed, and the states are borrowed, exclusively where the calls write them.
    fn run_checked(&mut self, calls: Range<usize>, pool: &Pool) {
        let flush = self.flush_denormal;
        let each = |_: usize, step: &Step, pointers: &[*mut u8]| call(step, pointers, flush, pool);
        let by_rows = |looped: &Loop, pointers: &[*mut u8]| match &looped.rows {
            Some(rows) => {
                run_rows(looped, rows, pointers, flush, pool);
                true
            }
            None => false,
        };
        // SAFETY: the emitted code of the calls alone computes with floats.
        unsafe { denormals::in_mode(flush, || self.walk(calls, by_rows, each)) }
    }

    /// As [`Sequence::run`]; `done` is told the position of each call after it.
    pub fn run_each(
        &mut self,
        calls: Range<usize>,
        states: &mut [Buffer],
        pool: &Pool,
        mut done: impl FnMut(usize),
    ) -> Result<(), CallError> {
        self.check(states)?;
        let flush = self.flush_denormal;
        // Call by call, also where threads take parts of rows.
        self.walk(
            calls,
            |_, _| false,
            |position, step, pointers| {
                // SAFETY: the emitted code of the call alone computes with floats.
                unsafe { denormals::in_mode(flush, || call(step, pointers, flush, pool)) };
                done(position);
            },
        );
        Ok(())
    }

    /// Walks over some calls, those of a loop once for each of its iterations, unless `whole` runs all of it: `each` gets
    /// the position of a call, the call and the argument tables. Meanwhile nobody else writes the memory that forks share,
    /// nor reads it where the calls write it.
    #[inline(always)]
    fn walk(
        &mut self,
        calls: Range<usize>,
        whole: impl Fn(&Loop, &[*mut u8]) -> bool,
        mut each: impl FnMut(usize, &Step, &[*mut u8]),
    ) {
        let Sequence { own, steps, pointers, loops, fills, .. } = self;
        let (_reading, _filling);
        if calls.start < *fills {
            _filling = own.buffer.write().unwrap_or_else(PoisonError::into_inner);
        } else if *fills > 0 {
            _reading = own.buffer.read().unwrap_or_else(PoisonError::into_inner);
        }
        // Plain loops over slices: they run in every step, also in debug builds.
        let mut next = calls.start;
        for looped in loops.iter().filter(|looped| calls.start <= looped.calls.start && looped.calls.end <= calls.end) {
            for (position, step) in (next..).zip(&steps[next..looped.calls.start]) {
                each(position, step, pointers);
            }
            next = looped.calls.end;
            if whole(looped, pointers) {
                continue;
            }
            for iteration in 0..looped.iterations {
                for moved in &looped.moving {
                    pointers[moved.argument] = moved.start.wrapping_offset(moved.bytes * iteration as isize);
                }
                for (position, step) in (looped.calls.start..).zip(&steps[looped.calls.clone()]) {
                    each(position, step, pointers);
                }
            }
        }
        for (position, step) in (next..).zip(&steps[next..calls.end]) {
            each(position, step, pointers);
        }
    }

    /// That the sequence has an arena, and that the states are those that were bound.
    fn check(&self, states: &[Buffer]) -> Result<(), CallError> {
        let found = if self.arena.as_ptr() == self.bound { self.arena.len() } else { 0 };
        if found < self.needed {
            return Err(CallError::Arena { expected: self.needed, found });
        }
        for &(position, address, elements) in &*self.states {
            if position >= states.len() || states[position].as_ptr() != address || states[position].len() != elements {
                return Err(CallError::States);
            }
        }
        Ok(())
    }
}

/// Runs a call. `check` has passed, and whoever runs the sequence has borrowed it exclusively, the states, too, where the call
/// writes them, and has a lock on the memory that forks share, that of a writer where the call writes it.
#[inline(always)]
fn call(step: &Step, pointers: &[*mut u8], flush_denormal: bool, pool: &Pool) {
    let arguments = Arguments(&pointers[step.first..]);
    // SAFETY: the arguments were checked to be as long as declared when they were bound, in a loop in each of its iterations. The
    // arena is borrowed exclusively; of the states and of what forks share, so is what the call writes, and nobody writes what it
    // reads. The arena is long enough and the arguments
    // in it point at it, and the states lie where they lay, as `check` has seen. The tasks are all there are. Where several
    // threads run them, no task writes what another one touches: that is proved for these arguments (`without_arena`), whose
    // distances do not change but as the proof has them.
    let run = |tasks: Range<usize>| unsafe { (step.entry)(arguments.pointer(), tasks.start, tasks.end) };
    // SAFETY: the pool's threads compute with floats in the emitted code alone.
    let in_mode = |tasks: Range<usize>| unsafe { denormals::in_mode(flush_denormal, || run(tasks)) };
    if step.shared { pool.run(step.tasks, &in_mode) } else { run(0..step.tasks) }
}

/// Runs all iterations of a loop, each share of its rows by itself: as for [`call`].
fn run_rows(looped: &Loop, rows: &Rows, pointers: &[*mut u8], flush_denormal: bool, pool: &Pool) {
    let first = rows.steps[0].first;
    let arguments = Arguments(&pointers[first..]);
    let of_share = |share: usize| {
        let mut table = rows.tables[share].lock().unwrap_or_else(PoisonError::into_inner);
        let Table(table) = &mut *table;
        let given = arguments.first(table.len());
        table.copy_from_slice(given);
        let Range { start, end } = rows.of(share);
        for iteration in 0..looped.iterations {
            for moved in &looped.moving {
                table[moved.argument - first] = moved.start.wrapping_offset(moved.bytes * iteration as isize);
            }
            for step in &*rows.steps {
                let arguments = table[step.first - first..].as_ptr();
                // The parts are the last dimension of the grid: those of a share lie side by side at each place of the
                // others.
                for place in (0..step.tasks).step_by(rows.parts) {
                    // SAFETY: as for `call`. No part writes in any iteration what another one touches: that is proved
                    // for these arguments (`binding::rows`), so that shares need not wait for each other.
                    unsafe { (step.entry)(arguments, place + start, place + end) }
                }
            }
        }
    };
    // SAFETY: the pool's threads compute with floats in the emitted code alone.
    let in_mode = |shares: Range<usize>| unsafe { denormals::in_mode(flush_denormal, || shares.for_each(of_share)) };
    pool.run(rows.shares, &in_mode);
}

/// An argument table on its way to other threads.
struct Arguments<'a>(&'a [*mut u8]);

// SAFETY: the table is only read; what it points at is shared out among tasks.
unsafe impl Sync for Arguments<'_> {}

impl Arguments<'_> {
    fn first(&self, arguments: usize) -> &[*mut u8] {
        &self.0[..arguments]
    }

    fn pointer(&self) -> *const *mut u8 {
        self.0.as_ptr()
    }
}
