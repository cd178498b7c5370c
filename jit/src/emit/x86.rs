//! Kernel IR to x86-64 with AVX2 and FMA3, or with AVX-512, at the full width of its registers: every operation and
//! every form of access, for kernels of 1, 4, 8 and (AVX-512) 16 lanes. One pass over the statements writes
//! instructions while it gives out registers:
//!
//! - A value stays in its register until another one needs it; the value that is used again last leaves. A value that
//!   ever leaves is stored once, where it comes into being, and is read from the stack frame later, by the instruction
//!   that uses it where that can. Constants are not stored: they lie beside the code.
//! - A loop begins with as many of the values that it carries and uses in registers as there is room for, and ends with
//!   the same values in the same registers. Sums that are carried stay where they are: the form of a multiply-add is
//!   chosen so that it overwrites the sum.
//! - A load that is used once, by an operation of the same block with no store between, is that operation's operand.
//! - Addresses and counts live in general registers for as long as their loop lasts (`pointers.rs`).
//!
//! `values.rs` says where values are used, `registers.rs` where they are, `allocate.rs` moves them, `loops.rs` holds
//! the frame of a function and its loops, `operations.rs`, `memory.rs`, `bytes.rs` and `halves.rs` (of 8-bit and 16-bit
//! elements), `quads.rs` and `pairs.rs` (their products), `tiles.rs` the statements; `instructions.rs` names the
//! instructions, `assembly.rs` encodes them. None of them asks a processor what it has: the level and what goes beyond
//! it are given.

mod allocate;
mod assembly;
mod bytes;
mod halves;
mod instructions;
mod loops;
mod memory;
mod operations;
mod pairs;
mod pointers;
mod quads;
mod registers;
mod tiles;
mod values;

use super::addresses::{Addresses, PlaceId};
use super::{EmitError, Emitter};
use crate::kernel::{BufferId, Index, Kernel, Operation, Row, Statement};
use assembly::Assembly;
use instructions::Length;
pub use instructions::Level;
use pointers::Pointers;
use registers::Registers;
use values::Id;
use values::Values;

/// The emitter for x86-64.
#[derive(Clone, Copy, Debug)]
pub struct X86 {
    level: Level,
    convention: Convention,
    bf16: bool,
    amx: bool,
    vnni: bool,
}

/// How functions are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// Linux, macOS and all others but Windows.
    SystemV,
    /// Windows.
    Windows,
}

impl X86 {
    /// An emitter for the calling convention of this operating system. It emits on any machine; what it emits runs on
    /// machines of the level.
    pub fn new(level: Level) -> X86 {
        let convention = if cfg!(windows) { Convention::Windows } else { Convention::SystemV };
        X86 { level, convention, bf16: false, amx: false, vnni: false }
    }

    /// The same for a calling convention.
    pub fn with_convention(self, convention: Convention) -> X86 {
        X86 { convention, ..self }
    }

    /// The same for machines that have AVX512-BF16, or not: their instructions round to bf16 in one step, where others
    /// take nine, and multiply and add pairs in one, where others take six. Only code of AVX-512 looks at it.
    pub fn with_bf16(self, has: bool) -> X86 {
        X86 { bf16: has && self.level == Level::Avx512, ..self }
    }

    /// The same for machines that have AMX's tile registers and products of bf16, or not, which takes kernels with tile
    /// registers. Only code of AVX-512 looks at it.
    pub fn with_amx(self, has: bool) -> X86 {
        X86 { amx: has && self.level == Level::Avx512, ..self }
    }

    /// The same for machines that have VNNI at the level (AVX-VNNI, AVX512-VNNI), or not: their instruction adds four products
    /// of bytes in one step, where others take ten.
    pub fn with_vnni(self, has: bool) -> X86 {
        X86 { vnni: has, ..self }
    }

    fn code(&self, kernel: &Kernel, listing: Option<&mut String>) -> Result<Vec<u8>, EmitError> {
        if !self.takes(kernel.lanes) {
            return Err(EmitError::Lanes { kernel: kernel.name.clone(), lanes: kernel.lanes });
        }
        let refused = |reason| EmitError::Kernel { kernel: kernel.name.clone(), reason };
        if !kernel.tiles.is_empty() && !self.amx {
            return Err(refused(
                "it has tile registers, which the processor lacks or the system does not permit".to_owned(),
            ));
        }
        Body::new(kernel, self).emit(listing).map_err(refused)
    }
}

impl Emitter for X86 {
    fn takes(&self, lanes: usize) -> bool {
        matches!(lanes, 1 | 4 | 8) || lanes == 16 && self.level == Level::Avx512
    }

    fn emit(&mut self, kernel: &Kernel) -> Result<Vec<u8>, EmitError> {
        self.code(kernel, None)
    }

    fn listing(&mut self, kernel: &Kernel) -> Result<String, EmitError> {
        let mut text = String::new();
        self.code(kernel, Some(&mut text))?;
        Ok(text)
    }
}

/// One function on its way.
struct Body<'a> {
    kernel: &'a Kernel,
    level: Level,
    convention: Convention,
    /// Whether there is AVX512-BF16.
    bf16: bool,
    /// Whether there is VNNI.
    vnni: bool,
    length: Length,
    addresses: Addresses,
    pointers: Pointers,
    values: Values,
    registers: Registers,
    out: Assembly,
    /// The statements passed so far, as [`Values`] counts them.
    position: u32,
    /// By value: loads that are left to the operation that uses them.
    deferred: Vec<Option<Deferred<'a>>>,
    /// The row whose address a register holds.
    row: Option<(PlaceId, Row)>,
}

/// A load that is left to the operation that uses it.
#[derive(Clone, Copy)]
struct Deferred<'a> {
    buffer: BufferId,
    index: &'a Index,
    /// Whether it is one element for every lane.
    splat: bool,
}

/// Bytes of a lane.
const LANE: usize = 4;

/// How many statements ahead the use of a load may be that is left to it.
const AHEAD: usize = 64;

impl<'a> Body<'a> {
    fn new(kernel: &'a Kernel, emitter: &X86) -> Body<'a> {
        let addresses = Addresses::new(kernel);
        let pointers = Pointers::new(kernel, &addresses);
        let values = Values::new(kernel, emitter.level, emitter.bf16);
        let registers = Registers::new(emitter.level, values.len());
        let length = Length::of(kernel.lanes);
        Body {
            kernel,
            level: emitter.level,
            convention: emitter.convention,
            bf16: emitter.bf16,
            vnni: emitter.vnni,
            length,
            addresses,
            pointers,
            values,
            registers,
            out: Assembly::new(emitter.level, length),
            position: 0,
            deferred: vec![None; kernel.values.len()],
            row: None,
        }
    }

    fn block(&mut self, body: &'a [Statement]) {
        for (number, statement) in body.iter().enumerate() {
            self.position += 1;
            match statement {
                Statement::Let(value, _) if self.values.is_another(*value) => (),
                Statement::Let(value, operation) => {
                    let id = self.values.id(*value);
                    if !self.values.uses(id).is_empty() && !self.defer(id, operation, &body[number + 1..]) {
                        self.operation(id, operation);
                    }
                    self.finish();
                }
                Statement::Store { buffer, index, stride, active, value } => {
                    self.store(*buffer, index, *stride, *active, *value);
                    self.finish();
                }
                Statement::Prefetch { buffer, index } => self.prefetch(*buffer, index),
                Statement::Tile(statement) => self.tile(statement),
                Statement::For(l) if l.extent == 1 && l.guard.is_none() => self.once(l),
                Statement::For(l) => self.repeat(l),
            }
        }
    }

    /// After the statement at this position: what it used for the last time leaves its register.
    fn finish(&mut self) {
        let used = self.values.uses_at(self.position);
        let mut number = used.start;
        while number < used.end {
            self.release(self.values.used(number));
            number += 1;
        }
        self.registers.unpin();
    }

    /// Leaves a load to the only operation that uses it, where that can have it as an operand.
    fn defer(&mut self, id: Id, operation: &'a Operation, next: &[Statement]) -> bool {
        let deferred = match operation {
            Operation::Load { buffer, index, stride: 1, active }
                if *active == self.kernel.lanes
                    && index.row.is_none()
                    && *active > 1
                    && self.element(*buffer).bytes() == LANE =>
            {
                Deferred { buffer: *buffer, index, splat: false }
            }
            Operation::LoadPairs { buffer, index, stride: 2, active }
                if *active == self.kernel.lanes && index.row.is_none() && *active > 1 =>
            {
                Deferred { buffer: *buffer, index, splat: false }
            }
            Operation::LoadPairs { buffer, index, stride: 0, active }
                if *active == self.kernel.lanes && index.row.is_none() && self.level == Level::Avx512 =>
            {
                Deferred { buffer: *buffer, index, splat: true }
            }
            Operation::Splat { buffer, index }
                if index.row.is_none() && self.level == Level::Avx512 && self.element(*buffer).bytes() == LANE =>
            {
                Deferred { buffer: *buffer, index, splat: true }
            }
            _ => return false,
        };
        let &[used] = self.values.uses(id) else { return false };
        let ahead = (used - self.position) as usize;
        // Only as long as every statement counts as one.
        let pure = |statement: &Statement| matches!(statement, Statement::Let(..));
        if ahead > next.len().min(AHEAD) || !next[..ahead].iter().all(pure) {
            return false;
        }
        let Statement::Let(_, user) = &next[ahead - 1] else { return false };
        let takes = self.takes_memory(user, id);
        if takes {
            self.deferred[id.0 as usize] = Some(deferred);
        }
        takes
    }
}
