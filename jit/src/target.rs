//! What the lowering asks the machine: lanes, registers, masks, caches. It knows which emitters there are; it knows no
//! kernel.

use crate::emit::{ChoiceError, EmitterKind};

/// A machine to lower for. The order in which sums are taken depends on it and on the shapes, never on the number of threads.
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
        Ok(Target::with_lanes(EmitterKind::chosen()?.lanes()).with_host_caches())
    }

    /// A typical machine of the given vector width: 4 lanes with 16 registers (SSE, 32 on ARM) by Cranelift, 8 with 16 by
    /// AVX2, 16 with 32 and masks by AVX-512, 32 KiB and 1 MiB of cache.
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
            l1_bytes: 32 << 10,
            l2_bytes: 1 << 20,
        }
    }

    /// Vector registers that a tile needs beside its sums and the factors of its shorter side: one for a factor of the
    /// longer side and, where multiply-adds take a factor's register, two for copies.
    pub fn passing_registers(&self) -> usize {
        if self.overwrites_sums { 1 } else { 3 }
    }

    /// The machine in words, as far as it matters for what is fast: the processor, the emitter, the caches.
    pub fn machine(&self) -> String {
        let Target { emitter, lanes, l1_bytes, l2_bytes, .. } = self;
        format!("{}, {emitter}, {lanes} lanes, {} + {} KiB", processor(), l1_bytes >> 10, l2_bytes >> 10)
    }

    fn with_host_caches(mut self) -> Target {
        self.l1_bytes = cache_bytes(1).unwrap_or(self.l1_bytes);
        self.l2_bytes = cache_bytes(2).unwrap_or(self.l2_bytes);
        self
    }
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
    fn the_host_has_caches_in_order() {
        let host = Target::host().expect("a machine of its own choice");
        assert_eq!(host.lanes, host.emitter.lanes());
        assert!(host.l1_bytes >= 8 << 10 && host.l2_bytes >= host.l1_bytes, "{host:?}");
        let machine = host.machine();
        assert!(machine.contains(&format!(", {}, {} lanes, ", host.emitter, host.lanes)), "{machine}");
        assert!(!machine.starts_with(' ') && !machine.starts_with(','), "{machine}");
    }
}
