//! Emitters: kernel IR to machine code. Whoever emits sees a [`Kernel`] that has passed its checker and nothing else:
//! no graph, no plan, no memory. Whoever wants code sees [`Emitter`] and knows no assembler; which emitter a machine gets
//! is chosen here ([`EmitterKind`]).
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
//! Every emitter gives bit for bit what [`crate::kernel::interpret()`] gives (but for the payload of NaNs), on machines that
//! have a fused multiply-add. x86-64 without FMA3 rounds the product and the sum of `Fma` one after the other instead: a
//! call to a library function would be a hundred times slower.

mod addresses;
mod cranelift;
mod last_uses;
mod x86;

use std::fmt;

use crate::kernel::Kernel;
pub use cranelift::Cranelift;
pub use x86::{Convention, Level, X86};

/// What the address of emitted code must be a multiple of: a cache line.
pub const CODE_ALIGNMENT: u64 = 64;

/// The emitters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmitterKind {
    /// Cranelift: every processor that it knows, vectors of 128 bits.
    Cranelift,
    /// x86-64 with AVX2 and FMA3: vectors of 256 bits, 16 registers.
    Avx2,
    /// x86-64 with AVX-512 (F, VL, DQ, BW): vectors of 512 bits, 32 registers, masks.
    Avx512,
}

/// Why no emitter is chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The environment names none.
    #[error(
        "the environment variable KILN_EMITTER is `{found}`, expected `cranelift`, `avx2` or `avx512`, or that it is not set"
    )]
    Unknown {
        /// What it says.
        found: String,
    },
    /// The environment names one whose code this processor does not run.
    #[error(
        "the environment variable KILN_EMITTER asks for `{found}`, which this processor does not run; it runs {available}"
    )]
    Lacking {
        /// What it says.
        found: String,
        /// What there is.
        available: String,
    },
}

impl EmitterKind {
    /// All, the narrowest first.
    pub const ALL: [EmitterKind; 3] = [EmitterKind::Cranelift, EmitterKind::Avx2, EmitterKind::Avx512];

    /// What the environment variable `KILN_EMITTER` names, or the widest whose code this processor runs.
    ///
    /// # Errors
    /// The variable names no emitter, or one whose code this processor does not run.
    pub fn chosen() -> Result<EmitterKind, ChoiceError> {
        let wish = std::env::var_os("KILN_EMITTER").map(|wish| wish.to_string_lossy().into_owned());
        EmitterKind::by_name(wish.as_deref().filter(|wish| !wish.is_empty()))
    }

    fn by_name(wish: Option<&str>) -> Result<EmitterKind, ChoiceError> {
        let available: Vec<EmitterKind> = EmitterKind::ALL.into_iter().filter(|kind| kind.runs_here()).collect();
        let Some(wish) = wish else { return Ok(available[available.len() - 1]) };
        let found = wish.to_owned();
        match EmitterKind::ALL.into_iter().find(|kind| kind.to_string() == wish) {
            None => Err(ChoiceError::Unknown { found }),
            Some(kind) if available.contains(&kind) => Ok(kind),
            Some(_) => {
                let names: Vec<String> = available.iter().map(|kind| format!("`{kind}`")).collect();
                Err(ChoiceError::Lacking { found, available: names.join(" and ") })
            }
        }
    }

    /// Whether this processor runs its code.
    pub fn runs_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            EmitterKind::Cranelift => true,
            EmitterKind::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            EmitterKind::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        return self == EmitterKind::Cranelift;
    }

    /// 32-bit lanes of the widest vectors that it takes.
    pub fn lanes(self) -> usize {
        match self {
            EmitterKind::Cranelift => 4,
            EmitterKind::Avx2 => 8,
            EmitterKind::Avx512 => 16,
        }
    }

    /// The emitter.
    ///
    /// # Errors
    /// Cranelift does not know this processor.
    pub fn emitter(self) -> Result<Box<dyn Emitter>, EmitError> {
        Ok(match self {
            EmitterKind::Cranelift => Box::new(Cranelift::new()?),
            EmitterKind::Avx2 => Box::new(X86::new(Level::Avx2)),
            EmitterKind::Avx512 => Box::new(X86::new(Level::Avx512)),
        })
    }
}

/// As `KILN_EMITTER` names it.
impl fmt::Display for EmitterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EmitterKind::Cranelift => "cranelift",
            EmitterKind::Avx2 => "avx2",
            EmitterKind::Avx512 => "avx512",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_an_emitter() {
        assert_eq!(EmitterKind::by_name(Some("cranelift")), Ok(EmitterKind::Cranelift));
        assert!(EmitterKind::by_name(None).expect("there is always one").runs_here());
        let unknown = EmitterKind::by_name(Some("AVX2")).expect_err("names are in small letters");
        let expected = "the environment variable KILN_EMITTER is `AVX2`, expected `cranelift`, `avx2` or `avx512`, or that it is not set";
        assert_eq!(unknown.to_string(), expected);
        for kind in EmitterKind::ALL {
            let found = EmitterKind::by_name(Some(&kind.to_string()));
            assert_eq!(found.is_ok(), kind.runs_here());
            let lacking = found.err().map(|error| error.to_string());
            assert!(lacking.is_none_or(|text| text.contains("KILN_EMITTER") && text.contains("it runs `cranelift`")));
        }
    }
}
