//! What a machine is: which of the emitters' code it runs, lanes, registers, masks, caches. It imports no other file of
//! this crate: emitters are chosen by it.

use std::fmt;
use std::sync::OnceLock;

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
}

/// Whether this processor has AVX512-BF16, which the emitter for AVX-512 uses where it is there.
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether this processor has VNNI in the vectors of an emitter, which uses it where it is there.
pub fn has_vnni(emitter: EmitterKind) -> bool {
    #[cfg(target_arch = "x86_64")]
    return match emitter {
        EmitterKind::Cranelift => false,
        EmitterKind::Avx2 => is_x86_feature_detected!("avxvnni"),
        EmitterKind::Avx512 => is_x86_feature_detected!("avx512vnni"),
    };
    #[cfg(not(target_arch = "x86_64"))]
    return emitter != emitter;
}

/// Why products of bf16 and of bytes are not taken by tile registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoTiles {
    /// There are none, or none that multiply both.
    #[error("the processor has no tile registers for bf16 and bytes (AMX)")]
    Processor,
    /// The system was asked.
    #[error("the system does not permit tile registers (AMX)")]
    System,
}

/// Whether code with tile registers for bf16 and bytes (AMX-TILE, AMX-BF16, AMX-INT8: all processors that have one have
/// all three) runs here; the system is asked for permission, once.
///
/// # Errors
/// Why it does not.
pub fn tile_registers() -> Result<(), NoTiles> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        /// Structured extended features, and the bits there in EDX of AMX-BF16, AMX-TILE and AMX-INT8.
        const FEATURES: u32 = 7;
        const AMX: u32 = 1 << 22 | 1 << 24 | 1 << 25;
        if __cpuid(0).eax >= FEATURES && __cpuid_count(FEATURES, 0).edx & AMX == AMX {
            // What the system permits it has enabled (bits 17 and 18 of XCR0), and saves for every thread.
            return if kiln_rt::tile_registers::permitted() { Ok(()) } else { Err(NoTiles::System) };
        }
    }
    Err(NoTiles::Processor)
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

/// Bytes of a cache line, which is also what a prefetcher fetches and what a buffer begins at: x86-64, and ARM but for
/// Apple's (128).
pub const LINE_BYTES: usize = 64;
/// The same in f32 elements.
pub const LINE: usize = LINE_BYTES / 4;
/// Bytes of a page of memory where no huge ones are asked for: x86-64, and ARM but for Apple's (16 KiB).
pub const PAGE_BYTES: usize = 4 << 10;
/// Lines that a set of a cache of so many bytes holds.
pub fn ways(cache_bytes: usize) -> usize {
    // First-level caches are looked up by places within a page, so that they have as many ways as they hold pages: 8 of
    // 32 KiB, and 12 of 48 KiB since Ice Lake. Second-level ones have 8 on Zen 2 to 4 and from Haswell to Skylake (up
    // to 1 MiB), and 16 or more where they are larger. (Zen 5 has 16 of 1 MiB, which chooses no better: by 8, recipes
    // take 1.18 % longer than the best, by 16 1.24 %; 2026-12-01.)
    const FIRST_LEVEL: usize = 12 * PAGE_BYTES;
    if cache_bytes <= FIRST_LEVEL {
        (cache_bytes / PAGE_BYTES).max(8)
    } else if cache_bytes > 1 << 20 {
        16
    } else {
        8
    }
}

/// A machine to lower for. The order in which sums are taken depends on it and on the shapes, never on the number of
/// threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// What makes the code.
    pub emitter: EmitterKind,
    /// 32-bit lanes of a vector register.
    pub lanes: usize,
    /// The number of vector registers.
    pub vector_registers: usize,
    /// Whether a multiply-add may take the register of its sum; else it takes that of a factor.
    pub overwrites_sums: bool,
    /// Whether loads and stores of some lanes cost as much as those of all.
    pub masks: bool,
    /// Vector multiply-adds that start in a cycle.
    pub multiply_adds: usize,
    /// Whether the multiply-add of pairs of bf16 starts as often as that of f32, and so does twice as much. It does on
    /// AMD's Zen 4 and 5 (Agner Fog's instruction tables). On Intel's Emerald Rapids `vdpbf16ps` takes 4 times as long
    /// as `vfmadd231ps` (0.726 and 0.181 ns with 512 bits, 2026-11-29), so that widened factors are twice as fast as
    /// pairs.
    pub pair_products: bool,
    /// Whether products of bf16 and of bytes are taken by tile registers where that is estimated to be faster, or why
    /// not: by AMX of Intel's servers since Sapphire Rapids, where the system permits it.
    pub tile_products: Result<(), NoTiles>,
    /// Cycles from a multiply-add to the next one of the same sum.
    pub latency: usize,
    /// Vector loads that start in a cycle.
    pub loads: usize,
    /// Bytes of one core's first-level data cache.
    pub l1_bytes: usize,
    /// Bytes of one core's second-level cache.
    pub l2_bytes: usize,
}

impl Target {
    /// This machine, with the emitter that [`EmitterKind::chosen`] gives.
    ///
    /// # Errors
    /// The environment asks for an emitter that there is not.
    pub fn host() -> Result<Target, ChoiceError> {
        let target = Target::with_lanes(EmitterKind::chosen()?.lanes()).with_host_caches();
        let pair_products = target.emitter == EmitterKind::Avx512 && has_bf16() && is_of_amd();
        let tile_products = match target.emitter {
            EmitterKind::Avx512 => tile_registers(),
            EmitterKind::Cranelift | EmitterKind::Avx2 => target.tile_products,
        };
        Ok(Target { pair_products, tile_products, ..target })
    }

    /// A typical machine of the given vector width: 4 lanes with 16 registers (SSE, 32 on ARM) by Cranelift, 8 with 16
    /// by AVX2, 16 with 32 and masks by AVX-512, 32 KiB and 1 MiB of cache.
    ///
    /// # Panics
    /// If `lanes` is not 1, 4, 8 or 16.
    pub fn with_lanes(lanes: usize) -> Target {
        assert!(matches!(lanes, 1 | 4 | 8 | 16), "{lanes} lanes");
        let wide = lanes == 16 || lanes == 4 && cfg!(target_arch = "aarch64");
        Target {
            emitter: match lanes {
                8 => EmitterKind::Avx2,
                16 => EmitterKind::Avx512,
                _ => EmitterKind::Cranelift,
            },
            lanes,
            vector_registers: if wide { 32 } else { 16 },
            overwrites_sums: lanes > 4,
            masks: lanes == 16,
            // Two and two, four cycles: Haswell and later of Intel, Zen and later of AMD, Neoverse V1.
            multiply_adds: 2,
            pair_products: false,
            tile_products: Err(NoTiles::Processor),
            latency: 4,
            loads: 2,
            l1_bytes: 32 << 10,
            l2_bytes: 1 << 20,
        }
    }

    /// By what products of bf16 are taken, in words, and why where the system decides.
    pub fn bf16_products(&self) -> String {
        let vectors = if self.pair_products { "pairs (vdpbf16ps)" } else { "widened factors" };
        match self.tile_products {
            Ok(()) => format!("tile registers (tdpbf16ps) and {vectors}"),
            Err(NoTiles::Processor) => vectors.to_owned(),
            Err(refused) => format!("{vectors}, since {refused}"),
        }
    }

    /// Vector registers that a tile needs beside its sums and the factors of its shorter side: one for a factor of the
    /// longer side and, where multiply-adds take a factor's register, two for copies.
    pub fn passing_registers(&self) -> usize {
        if self.overwrites_sums { 1 } else { 3 }
    }

    /// Sums, in vectors, that hide the latency of their multiply-adds.
    pub fn sums_in_flight(&self) -> usize {
        self.multiply_adds * self.latency
    }

    /// The machine in words, as far as it matters for what is fast: the processor, the emitter, the caches.
    pub fn machine(&self) -> String {
        let Target { emitter, lanes, l1_bytes, l2_bytes, .. } = self;
        format!("{}, {emitter}, {lanes} lanes, {} + {} KiB", processor(), l1_bytes >> 10, l2_bytes >> 10)
    }

    fn with_host_caches(mut self) -> Target {
        // Read once: each compilation asks for it.
        static FOUND: OnceLock<[Option<usize>; 2]> = OnceLock::new();
        let [l1, l2] = *FOUND.get_or_init(|| [1, 2].map(cache_bytes));
        self.l1_bytes = l1.unwrap_or(self.l1_bytes);
        self.l2_bytes = l2.unwrap_or(self.l2_bytes);
        self
    }
}

/// Whether AMD has made this processor.
#[cfg(target_arch = "x86_64")]
fn is_of_amd() -> bool {
    let found = std::arch::x86_64::__cpuid(0);
    [found.ebx, found.edx, found.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_of_amd() -> bool {
    false
}

/// The processor's name: what it says of itself, else what Linux says, else the architecture.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        const BRAND: std::ops::RangeInclusive<u32> = 0x8000_0002..=0x8000_0004;
        if __cpuid(0x8000_0000).eax >= *BRAND.end() {
            let registers = BRAND.map(__cpuid).flat_map(|found| [found.eax, found.ebx, found.ecx, found.edx]);
            let bytes: Vec<u8> = registers.flat_map(u32::to_le_bytes).take_while(|&byte| byte != 0).collect();
            let name = String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" ");
            // Models of one name differ by their numbers.
            return format!("{name} ({:x})", __cpuid(1).eax);
        }
    }
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value =
        |name: &str| Some(text.lines().find(|line| line.starts_with(name))?.split_once(':')?.1.trim().to_owned());
    let part = || Some(format!("{} {}", value("CPU implementer")?, value("CPU part")?));
    value("model name").or_else(part).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// What Linux says of the first core's data cache of a level; `None` elsewhere.
fn cache_bytes(level: usize) -> Option<usize> {
    (0..8).find_map(|index| {
        let read = |what: &str| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}");
            std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
        };
        if read("level")? != level.to_string() || read("type")? == "Instruction" {
            return None;
        }
        let size = read("size")?;
        size.strip_suffix('K')?.parse::<usize>().ok().map(|kib| kib << 10)
    })
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

    #[test]
    fn the_host_has_caches_in_order() {
        let host = Target::host().expect("a machine of its own choice");
        assert_eq!(host.lanes, host.emitter.lanes());
        assert!(host.l1_bytes >= 8 << 10 && host.l2_bytes >= host.l1_bytes, "{host:?}");
        let machine = host.machine();
        assert!(machine.contains(&format!(", {}, {} lanes, ", host.emitter, host.lanes)), "{machine}");
        assert!(!machine.starts_with(' ') && !machine.starts_with(','), "{machine}");
    }
}
