//! The plan as text, and its sums. It decides nothing.

use std::collections::BTreeSet;
use std::fmt;

use kiln_graph::Role;

use super::choices::Contracted;
use super::data::{Argument, Call, Location, Move, Plan, Slot};
use crate::kernel::{Access, Element};
use crate::lower::expression::element;

impl Plan {
    /// Floating-point operations of one run, the prologue not among them.
    pub fn flops(&self) -> u64 {
        self.calls[self.prologue..].iter().map(|call| call.flops).sum()
    }

    /// Bytes that one run reads and writes at least, the prologue not among them, if nothing stays in a cache from call
    /// to call.
    pub fn bytes(&self) -> u64 {
        self.calls[self.prologue..].iter().map(|call| call.bytes).sum()
    }

    /// Bytes of memory that a run needs: the arena, in which the prologue's results stay, and the states.
    pub fn peak_bytes(&self) -> usize {
        self.arena_bytes + self.state_bytes()
    }

    /// The states (positions among [`Plan::inputs`]) that some calls read or write, as is asked for.
    pub fn states_of(&self, calls: &[Call], asked: impl Fn(Access) -> bool) -> BTreeSet<usize> {
        let used = calls.iter().flat_map(|call| self.kernels[call.kernel].buffers.iter().zip(&call.arguments));
        let places = used.filter(|(buffer, _)| asked(buffer.access)).map(|(_, &slot)| self.slots[slot].location);
        let inputs = places.filter_map(|place| match place {
            Location::State { input } => Some(input),
            Location::Arena { .. } => None,
        });
        inputs.collect()
    }

    /// The slots of a call's arguments, with their lengths in elements as the kernel has them: bytes may be read as quads.
    pub(crate) fn lengths(&self, call: &Call) -> impl Iterator<Item = (usize, usize)> {
        let buffers = &self.kernels[call.kernel].buffers;
        call.arguments.iter().zip(buffers).map(|(&slot, buffer)| {
            let Slot { elements, size, .. } = self.slots[slot];
            (slot, elements * size / buffer.element.bytes())
        })
    }

    /// Bytes of the states.
    pub fn state_bytes(&self) -> usize {
        let states = self.inputs.iter().filter(|input| input.role == Role::State);
        states.map(|input| element(input.ty.dtype).bytes() * input.layout.elements).sum()
    }
}

/// ```text
/// plan predict: 12 calls of 9 kernels by avx2, 1234 FLOP, .., arena 4096 bytes (512 of a prologue of 2 calls), ..
///   ...
///   input x: f32[64,10] in @0
///   state fc.weight: f32[10,10] strides [1, 10]
///   fc: dot add max  (kernel 0, 64 tasks)  @0:bf16 fc.weight -> @2560  20 kFLOP 10 kB
///   output loss: f32[] in @64
///   chosen by measuring: tiles of 4x16 #0123456789abcdef for dot [64, 10] [10, 10] -> [64, 10]
/// ```
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, kernels) = (self.calls.len(), self.kernels.len());
        writeln!(
            f,
            "plan {}: {calls} calls of {kernels} kernels by {}, {} FLOP, {} bytes moved, arena {} bytes ({} bytes of a prologue of {} calls), states {} bytes, peak {} bytes",
            self.name,
            self.emitter,
            self.flops(),
            self.bytes(),
            self.arena_bytes,
            self.invariant_bytes,
            self.prologue,
            self.state_bytes(),
            self.peak_bytes(),
        )?;
        let is_of_bf16 = |found: &Contracted| {
            found.problem.operands.iter().all(|side| side.element == Element::Bf16 || side.rounded)
        };
        if self.contractions.iter().any(is_of_bf16) {
            writeln!(f, "  products of bf16 by {}", self.bf16_products)?;
        }
        for input in &self.inputs {
            self.argument(f, if input.role == Role::Data { "input" } else { "state" }, input)?;
        }
        for (number, call) in self.calls.iter().enumerate() {
            if let Some(looped) = self.loops.iter().find(|looped| looped.calls.start == number) {
                let parts = if looped.parts > 1 { format!(", rows in {} parts", looped.parts) } else { String::new() };
                writeln!(f, "  loop of {} calls, {} iterations{parts}:", looped.calls.len(), looped.iterations)?;
            }
            let kernel = &self.kernels[call.kernel];
            let tasks: usize = kernel.grid.iter().product();
            let sharing = if call.parallel { " in parallel" } else { "" };
            let prologue = if number < self.prologue { ", prologue" } else { "" };
            let indent = if self.loops.iter().any(|looped| looped.calls.contains(&number)) { "  " } else { "" };
            write!(
                f,
                "  {indent}{number:3} {} [kernel {}, {tasks} tasks{sharing}{prologue}]",
                call.label, call.kernel
            )?;
            for (position, (buffer, &slot)) in kernel.buffers.iter().zip(&call.arguments).enumerate() {
                let access = match buffer.access {
                    Access::Read => "",
                    Access::Write => "=",
                    Access::ReadWrite => "±",
                };
                // All else lies in words of 4 bytes.
                let element = match buffer.element {
                    Element::F32 | Element::I32 => String::new(),
                    narrow => format!(":{narrow}"),
                };
                write!(f, " {access}{}{element}", self.place(slot))?;
                if let Some(Move { start, step }) = call.moves.get(position).filter(|by| **by != Move::default()) {
                    let size = buffer.element.bytes();
                    write!(f, "[{} by {}]", size * start, size as i64 * step)?;
                }
            }
            writeln!(f, "  {} FLOP, {} bytes", call.flops, call.bytes)?;
        }
        for output in &self.outputs {
            self.argument(f, "output", output)?;
        }
        for found in self.contractions.iter().filter(|found| found.chosen == Some(true)) {
            writeln!(f, "  chosen by measuring: {} for {}", found.recipe.name(), found.problem.shapes())?;
        }
        Ok(())
    }
}

impl Plan {
    fn argument(&self, f: &mut fmt::Formatter<'_>, kind: &str, argument: &Argument) -> fmt::Result {
        let Argument { name, ty, slot, layout, .. } = argument;
        let strides = &layout.strides[..ty.shape.rank()];
        writeln!(f, "  {kind} {name}: {ty}, strides {strides:?}, in {}", self.place(*slot))
    }

    /// `@640+256` for bytes 640 to 895 of the arena, or the name of a state.
    fn place(&self, slot: usize) -> String {
        let slot = &self.slots[slot];
        match slot.location {
            Location::Arena { offset } => format!("@{offset}+{}", slot.size * slot.elements),
            Location::State { input } => self.inputs[input].name.clone(),
        }
    }
}
