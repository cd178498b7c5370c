//! Emitters: kernel IR to machine code. Whoever emits sees a [`Kernel`] that has passed its checker and nothing else:
//! no graph, no plan, no memory. Whoever wants code sees [`Emitter`] and knows no assembler; which emitter a machine
//! gets is chosen here ([`EmitterKind`]).
//!
//! The code of a kernel is one function of C's calling convention, position-independent and free of calls:
//!
//! ```text
//! fn(arguments: *const *mut u8, begin: usize, end: usize)    runs the tasks begin..end, begin <= end <= tasks
//! ```
//!
//! `arguments[b]` is the address of buffer `b`. The code may be placed at any address that is a multiple of
//! [`CODE_ALIGNMENT`].
//!
//! Every emitter gives bit for bit what [`crate::kernel::interpret()`] gives (but for the payload of NaNs), on machines
//! that have a fused multiply-add. x86-64 without FMA3 rounds the product and the sum of `Fma` one after the other
//! instead: a call to a library function would be a hundred times slower.

mod addresses;
mod cranelift;
mod last_uses;
mod x86;

use crate::kernel::Kernel;
use crate::target;
pub use crate::target::{ChoiceError, EmitterKind};
pub use cranelift::Cranelift;
pub use x86::{Convention, Level, X86};

/// What the address of emitted code must be a multiple of: a cache line.
pub const CODE_ALIGNMENT: u64 = 64;

impl EmitterKind {
    /// The emitter.
    ///
    /// # Errors
    /// Cranelift does not know this processor.
    pub fn emitter(self) -> Result<Box<dyn Emitter>, EmitError> {
        Ok(match self {
            EmitterKind::Cranelift => Box::new(Cranelift::new()?),
            EmitterKind::Avx2 => Box::new(X86::new(Level::Avx2).with_vnni(target::has_vnni(self))),
            EmitterKind::Avx512 => {
                let emitter = X86::new(Level::Avx512).with_bf16(target::has_bf16());
                let emitter = emitter.with_vnni(target::has_vnni(self));
                Box::new(emitter.with_amx(target::tile_registers().is_ok()))
            }
        })
    }
}

/// Kernel IR to machine code of this machine.
pub trait Emitter {
    /// Whether kernels with values of this many lanes are taken.
    fn takes(&self, lanes: usize) -> bool;

    /// The machine code of a kernel that has passed [`Kernel::check`].
    fn emit(&mut self, kernel: &Kernel) -> Result<Vec<u8>, EmitError>;

    /// The same as text for people, an instruction a line.
    fn listing(&mut self, kernel: &Kernel) -> Result<String, EmitError>;
}

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// No emitter for this processor.
    #[error("no code can be emitted for this processor: {reason}")]
    Machine {
        /// What it lacks.
        reason: String,
    },
    /// The kernel is lowered for another vector width.
    #[error("kernel {kernel} has {lanes} lanes, which the emitter does not take")]
    Lanes {
        /// The kernel's name.
        kernel: String,
        /// Its lanes.
        lanes: usize,
    },
    /// The code generator refused a kernel.
    #[error("kernel {kernel} is not emitted: {reason}")]
    Kernel {
        /// The kernel's name.
        kernel: String,
        /// What the code generator says.
        reason: String,
    },
}
