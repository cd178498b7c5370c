//! What a program is written for: a processor, an operating system, and the levels of the processor that a program may
//! choose among when it runs. It knows names and settings, and no program.

use std::str::FromStr;
use std::sync::Arc;

use cranelift_codegen::isa::{self, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use kiln::jit::Target;
use kiln::jit::emit::{Convention, Cranelift, EmitError, Emitter, Level as Width, X86};
use target_lexicon::{Architecture, BinaryFormat, Triple};

use crate::BuildError;
use crate::instructions::{AVX512, AVX512_VNNI, Needs};

/// A level of a processor: which of its instructions are used. A program holds the code of one or several, and takes the
/// highest that the processor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Vectors of 128 bits: any aarch64; of x86-64 those with SSE 4.2, all since 2009 (x86-64-v2). Without a fused
    /// multiply-add, which x86-64 has from [`Level::Avx2`] on, the product and the sum are rounded one after the other.
    Baseline,
    /// x86-64 with AVX2 and FMA3: vectors of 256 bits.
    Avx2,
    /// x86-64 with AVX-512 (F, VL, DQ, BW; of programs with products of 8 bits also VNNI): vectors of 512 bits.
    Avx512,
}

impl Level {
    /// How a program tells it from the others when it runs.
    pub(crate) fn number(self) -> i64 {
        match self {
            Level::Baseline => 1,
            Level::Avx2 => 2,
            Level::Avx512 => 3,
        }
    }

    fn lanes(self) -> usize {
        match self {
            Level::Baseline => 4,
            Level::Avx2 => 8,
            Level::Avx512 => 16,
        }
    }
}

/// A processor and an operating system.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    triple: Triple,
    name: String,
    /// Whether what it runs has products of 8 bits.
    bytes: bool,
}

/// The sizes of a core's caches in bytes, for which loops are laid out. They change no memory that is touched, but the order of
/// sums, and so their last bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caches {
    pub l1: usize,
    pub l2: usize,
}

impl Machine {
    /// By its name, as rustc's `--target` has it.
    pub fn named(name: &str) -> Result<Machine, BuildError> {
        let target = || name.to_owned();
        let mut triple = Triple::from_str(name)
            .map_err(|error| BuildError::Target { target: target(), reason: error.to_string() })?;
        match triple.architecture {
            Architecture::X86_64 | Architecture::Aarch64(target_lexicon::Aarch64Architecture::Aarch64) => {}
            other => {
                let reason = format!("the architecture {other} is neither x86-64 nor little-endian aarch64");
                return Err(BuildError::Target { target: target(), reason });
            }
        }
        // Of a machine without a system.
        if triple.binary_format == BinaryFormat::Unknown {
            triple.binary_format = BinaryFormat::Elf;
        }
        let machine = Machine { triple, name: target(), bytes: false };
        machine.isa().map_err(|reason| BuildError::Target { target: target(), reason })?;
        Ok(machine)
    }

    /// This one.
    pub fn host() -> Machine {
        let triple = Triple::host();
        let name = triple.to_string();
        Machine { triple, name, bytes: false }
    }

    /// The same for a program with products of 8 bits, or without.
    pub fn with_bytes(self, bytes: bool) -> Machine {
        Machine { bytes, ..self }
    }

    /// What its level of AVX-512 needs of a processor.
    pub fn avx512(&self) -> Needs {
        if self.bytes { AVX512_VNNI } else { AVX512 }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is x86-64, else it is aarch64.
    pub fn is_x86(&self) -> bool {
        self.triple.architecture == Architecture::X86_64
    }

    /// Whether files of objects are ELF, which say whether stacks hold code.
    pub fn is_elf(&self) -> bool {
        self.triple.binary_format == BinaryFormat::Elf
    }

    /// Whether archives are those of Apple's linker.
    pub fn is_darwin(&self) -> bool {
        self.triple.binary_format == BinaryFormat::Macho
    }

    /// Whether files are named as Windows does.
    pub fn is_msvc(&self) -> bool {
        self.triple.environment == target_lexicon::Environment::Msvc
    }

    /// All levels, the lowest first.
    pub fn levels(&self) -> &'static [Level] {
        if self.is_x86() { &[Level::Baseline, Level::Avx2, Level::Avx512] } else { &[Level::Baseline] }
    }

    /// What the planner is told of a level.
    pub fn target(&self, level: Level, caches: Caches) -> Target {
        let target = Target { l1_bytes: caches.l1, l2_bytes: caches.l2, ..Target::with_lanes(level.lanes()) };
        let vector_registers = match level {
            Level::Baseline => {
                if self.is_x86() {
                    16
                } else {
                    32
                }
            }
            Level::Avx2 | Level::Avx512 => target.vector_registers,
        };
        Target { vector_registers, ..target }
    }

    /// What makes the code of kernels. All functions within a program are called as System V has it, also on Windows.
    pub fn emitter(&self, level: Level) -> Result<Box<dyn Emitter>, EmitError> {
        Ok(match level {
            Level::Baseline => {
                Box::new(Cranelift::for_machine(self.builder().map_err(|reason| EmitError::Machine { reason })?)?)
            }
            Level::Avx2 => Box::new(X86::new(Width::Avx2).with_convention(Convention::SystemV)),
            Level::Avx512 => {
                Box::new(X86::new(Width::Avx512).with_vnni(self.bytes).with_convention(Convention::SystemV))
            }
        })
    }

    /// The machine for what calls kernels.
    pub fn isa(&self) -> Result<Arc<dyn TargetIsa>, String> {
        let mut flags = settings::builder();
        for (name, value) in [("opt_level", "speed"), ("is_pic", "true"), ("unwind_info", "false")] {
            flags.set(name, value).map_err(|error| error.to_string())?;
        }
        self.builder()?.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
    }

    fn builder(&self) -> Result<isa::Builder, String> {
        let mut builder = isa::lookup(self.triple.clone()).map_err(|error| error.to_string())?;
        if self.is_x86() {
            for feature in ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"] {
                builder.enable(feature).map_err(|error| error.to_string())?;
            }
        }
        Ok(builder)
    }
}
