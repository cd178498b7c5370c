//! A plan, as data: kernels, calls of them over slots, and what each slot is. It knows no pointers, and not how it came
//! about.

use std::ops::Range;

use kiln_graph::{Role, Type};

use super::choices::Contracted;
pub use crate::kernel::Move;
use crate::kernel::{Kernel, Moving, Origin};
use crate::layout::Layout;
use crate::target::EmitterKind;

/// A compiled graph before emission.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The graph's name.
    pub name: String,
    /// What makes the code of all kernels.
    pub emitter: EmitterKind,
    /// By what products of bf16 are taken, in words.
    pub bf16_products: String,
    /// The distinct kernels; equal ones are shared by their calls.
    pub kernels: Vec<Kernel>,
    /// What a run does, in order.
    pub calls: Vec<Call>,
    /// So many of the first calls read nothing but states that no call writes. What they compute (weights in the order
    /// in which tiles read them, factors of a batch norm) is kept: they run again only once somebody else has changed
    /// one of these states.
    pub prologue: usize,
    /// Calls that run several times, one after the other: they stand side by side, and no call is in two loops.
    pub loops: Vec<Loop>,
    /// The calls behind the prologue that wait for as many exchanges, one after the other, as a level's number says;
    /// without exchanges one level of all.
    pub levels: Vec<Range<usize>>,
    /// For each level whether something of it depends on data, other than through an exchange: all else is the same in
    /// the programs of all shards.
    pub of_shard: Vec<bool>,
    /// The states, by their inputs' numbers, whose new values depend on data other than through an exchange: each shard
    /// has its own.
    pub states_of_shard: Vec<usize>,
    /// What is added up over the shards of a batch, in the order of their numbers.
    pub exchanges: Vec<Exchange>,
    /// The distinct contractions and how each is computed, in the order of their first calls.
    pub contractions: Vec<Contracted>,
    /// Every slot that a call may name.
    pub slots: Vec<Slot>,
    /// Bytes at the front of the arena in which the prologue leaves what later calls and users read: they last from run
    /// to run.
    pub invariant_bytes: usize,
    /// Bytes of the arena: what the prologue leaves, then inputs, intermediates and outputs, by lifetime.
    pub arena_bytes: usize,
    /// The graph's inputs, in its order.
    pub inputs: Vec<Argument>,
    /// The graph's outputs, in its order.
    pub outputs: Vec<Argument>,
    /// How long kernels say what they compute.
    pub(crate) bodies: Bodies,
}

/// See [`Plan::for_running`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// As long as there is the plan.
    Kept,
    /// Until there is code.
    UntilCode,
    /// No longer.
    Gone,
}

impl Plan {
    /// The same for a program that is run and reported, but never compiled again: once there is code, the plan's kernels
    /// keep their names, buffers and grids, and what they compute goes, which is nearly all of a plan's memory. Binding
    /// proves tasks apart by what the code keeps of its kernels, not by these.
    pub fn for_running(mut self) -> Plan {
        self.bodies = Bodies::UntilCode;
        self
    }

    /// There is code by now.
    pub(crate) fn forget_bodies(&mut self) {
        if self.bodies == Bodies::UntilCode {
            self.bodies = Bodies::Gone;
            for kernel in &mut self.kernels {
                (kernel.body, kernel.values) = (Vec::new(), Vec::new());
            }
        }
    }

    /// # Panics
    /// Where the kernels do not say any more what they compute.
    pub(crate) fn check_whole(&self) {
        assert!(self.bodies != Bodies::Gone, "the kernels of plan {} were let go: see `Plan::for_running`", self.name);
    }

    /// Lets go of the kernels, the calls and how contractions are computed: nearly all of a plan's memory, of which
    /// nobody but a reader has need once the code is there and bound.
    pub(crate) fn forget_calls(&mut self) {
        (self.kernels, self.calls, self.contractions) = (Vec::new(), Vec::new(), Vec::new());
        self.loops = Vec::new();
    }

    /// The same without what several threads alone run, loops by parts of rows, where there is one.
    pub fn for_threads(mut self, threads: usize) -> Plan {
        if threads == 1 {
            self.calls.iter_mut().for_each(|call| call.in_rows = None);
            self.loops.iter_mut().for_each(|looped| looped.parts = 1);
            self.kernels.truncate(self.calls.iter().map(|call| call.kernel + 1).max().unwrap_or(0));
        }
        self
    }

    /// Where the buffers of a call lie.
    pub(crate) fn places(&self, call: &Call) -> Vec<Moving> {
        let buffers = self.kernels[call.kernel].buffers.iter().zip(&call.arguments).enumerate();
        let place = buffers.map(|(position, (buffer, &slot))| {
            let origin = match self.slots[slot].location {
                Location::Arena { offset } => Origin { memory: 0, byte: offset },
                Location::State { input } => Origin { memory: 1 + input, byte: 0 },
            };
            Moving::of(buffer, origin, call.moves.get(position).copied().unwrap_or_default())
        });
        place.collect()
    }

    /// The level of the calls that an exchange's output comes of, by the exchange's place in the list.
    pub fn level_of(&self, exchange: usize) -> usize {
        let ready = self.exchanges[exchange].ready;
        self.levels.iter().position(|calls| ready <= calls.end).unwrap_or(0)
    }

    /// Every call in the order of a run, with the iteration of the loop that it is in, counted from 0.
    pub fn iterations(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            if next == self.calls.len() {
                return None;
            }
            let found = self.loops.iter().find(|looped| looped.calls.start == next);
            let (calls, iterations) =
                found.map_or((next..next + 1, 1), |looped| (looped.calls.clone(), looped.iterations));
            next = calls.end;
            Some((calls, iterations))
        })
        .flat_map(|(calls, iterations)| {
            (0..iterations).flat_map(move |iteration| calls.clone().map(move |call| (call, iteration)))
        })
    }
}

/// Calls that run several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Which calls.
    pub calls: Range<usize>,
    /// How often all of them run.
    pub iterations: usize,
    /// The parts of rows into which all of them can be cut ([`Call::in_rows`]), each of which a thread may take through
    /// all iterations; 1 where they can not, or that is not worth it.
    pub parts: usize,
}

/// A value that is added up over the shards of a batch: an output is handed over, and an input takes the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its number in the graph, the same in the programs of all shards.
    pub number: u32,
    /// The output that is handed over, an index into [`Plan::outputs`].
    pub output: usize,
    /// The input that takes the sum, an index into [`Plan::inputs`].
    pub input: usize,
    /// The flag that says whether shards are added up in this run, an index into [`Plan::outputs`]; always where there
    /// is none. Where they are not, the input holds anything.
    pub when: Option<usize>,
    /// So many of the calls have run when the output is there.
    pub ready: usize,
    /// The first call that reads the sum; the number of all calls, if none does.
    pub needed: usize,
}

/// One run of a kernel.
#[derive(Clone, Debug)]
pub struct Call {
    /// Index into [`Plan::kernels`].
    pub kernel: usize,
    /// For each buffer of the kernel: a slot.
    pub arguments: Vec<usize>,
    /// For each argument where it lies in its slot, in a loop; nothing elsewhere: at the slot's start.
    pub moves: Vec<Move>,
    /// The layers and operations that it computes, for people.
    pub label: String,
    /// The operations that it computes, in order. A group of operations that takes several calls (copies to panels,
    /// partial sums) is named by each of them.
    pub parts: Vec<Part>,
    /// Floating-point operations (a fused multiply-add counts as 2) of all iterations; of convolutions those of the
    /// definition.
    pub flops: u64,
    /// Bytes that must be read or written at least, in all iterations.
    pub bytes: u64,
    /// Whether it is worth more than one thread.
    pub parallel: bool,
    /// In a loop of several [parts](Loop::parts): the kernel that computes the same, over the same arguments, and whose
    /// grid ends with the parts. Index into [`Plan::kernels`], behind those of all calls or equal to one of them.
    pub in_rows: Option<usize>,
}

/// An operation of the graph within a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it comes from, as an index into the graph's table of scopes.
    pub scope: u32,
    /// Its name: `conv`, `add`.
    pub operation: &'static str,
}

/// A place in memory, aligned to 64 bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Where it is.
    pub location: Location,
    /// How long it is.
    pub elements: usize,
    /// Bytes of an element.
    pub size: usize,
}

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// In the arena, at a byte offset.
    Arena {
        /// A multiple of 64.
        offset: usize,
    },
    /// The buffer of a state input, by the input's position in [`Plan::inputs`].
    State {
        /// Index into [`Plan::inputs`].
        input: usize,
    },
}

/// An input or output of the plan.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The name in the graph.
    pub name: String,
    /// Data, given at each call, or state; outputs are data.
    pub role: Role,
    /// The logical type: what the user sees.
    pub ty: Type,
    /// Index into [`Plan::slots`].
    pub slot: usize,
    /// How the logical elements lie in the slot.
    pub layout: Layout,
}
