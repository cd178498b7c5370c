//! What the lowering asks of a machine. It knows no emitter.

/// The vector unit and the caches that kernels are lowered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Lanes of 32 bits in a vector: 4, 8 or 16.
    pub lanes: usize,
    /// The number of vector registers.
    pub vector_registers: usize,
    /// Whether loads and stores take lane masks, so that tails cost one instruction.
    pub masks: bool,
    /// Bytes of the first-level data cache.
    pub l1_bytes: usize,
    /// Bytes of the second-level cache.
    pub l2_bytes: usize,
}

impl Target {
    /// What the Cranelift emitter makes of this machine: 128-bit vectors.
    pub fn host() -> Target {
        Target::with_lanes(4)
    }

    /// A machine with the given number of lanes: 4 and 8 have 16 registers, 16 has 32 and masks.
    pub fn with_lanes(lanes: usize) -> Target {
        let wide = lanes == 16;
        Target {
            lanes,
            vector_registers: if wide { 32 } else { 16 },
            masks: wide,
            l1_bytes: 32 << 10,
            l2_bytes: 1 << 20,
        }
    }
}
