//! Winograd's ways: forward and for input gradients; what is more of weight gradients, and of the larger tiles. It
//! knows numbers alone, each with its unit, its origin and its date.

/// Tasks that transform, at most. Unit: tasks. Zen 3, 2026-11-26.
pub const TRANSFORMS: usize = 64;
/// What scratch memory takes, at most: enough that blocks which fill the second-level cache are among those that
/// are looked at. Unit: times the second-level cache. Zen 3, 2026-11-26 (8 MiB); Emerald Rapids, 2026-11-29 (32
/// MiB).
pub const SCRATCH: (usize, usize) = (16, 1);
/// The same of what is kept from run to run, such as a predictor's weights: with one image they pass by once, and
/// the more of them the longer. 512 channels at 4 x 4 take 1.46 ms with 16 MiB of them, 1.15 as they lie. Unit: f32
/// elements. Zen 3, 2026-11-26; Emerald Rapids, 2026-11-29.
pub const KEPT: usize = 2 << 20;
/// Tasks, at most: each has scratch memory of its own. Unit: tasks. Zen 3, 2026-11-26.
pub const TASKS: usize = 8;
/// Tiles of a block, about, at most. Unit: tiles. Zen 3, 2026-11-26.
pub const TILES: usize = 256;
/// Tiles of a block, about, at least. Unit: tiles. Zen 3, 2026-11-26.
pub const FEW: usize = 12;
/// Blocks that are looked at closely. Unit: candidates. Zen 3, 2026-11-26.
pub const CLOSELY: usize = 3;
/// Halvings of the features that are tried for a block, at most, and the vectors of which it is a multiple: most
/// tiles are as wide. Unit: halvings, vectors. Zen 3, 2026-11-26.
pub const HALVINGS: usize = 7;
/// See [`HALVINGS`]. Unit: vectors. Zen 3, 2026-11-26.
pub const PANEL: usize = 2;
/// Multiply-adds that start in a cycle in a product that is not yet known, and the cycles that each vector of its
/// sums takes beside them. Unit: multiply-adds a cycle, cycles a vector. Zen 3, 2026-11-26.
pub const IDEAL: (usize, usize) = (2, 2);
/// Cycles to transform a vector of each kind.
pub struct Transforms {
    /// Of patches.
    pub patches: f64,
    /// Of weights.
    pub weights: f64,
    /// Of sums to results.
    pub results: f64,
    /// Of gradients.
    pub gradients: f64,
    /// Of sums to weight gradients.
    pub sums: f64,
}
/// Those of F(2 x 2, 3 x 3). Unit: cycles a vector. Zen 3, 2026-11-26.
pub const F23: Transforms = Transforms { patches: 22.0, weights: 30.0, results: 20.0, gradients: 18.0, sums: 40.0 };
/// Those of F(4 x 4, 3 x 3). Unit: cycles a vector. Counted, 2026-11-30.
pub const F43: Transforms = Transforms { patches: 100.0, weights: 60.0, results: 80.0, gradients: 70.0, sums: 90.0 };
/// Those of F(2 x 2, 5 x 5). Unit: cycles a vector. Counted, 2026-11-30.
pub const F25: Transforms = Transforms { patches: 100.0, weights: 100.0, results: 50.0, gradients: 40.0, sums: 120.0 };
/// What a vector of weights takes more where its elements are transposed. Unit: cycles an element of a kernel. Zen 3,
/// 2026-11-26.
pub const TRANSPOSED: f64 = 5.0;
/// What it takes more where they are loaded one by one. Unit: cycles an element of a kernel in a lane. Zen 3,
/// 2026-11-26.
pub const GATHERED: usize = 2;
/// Cycles that an element takes that passes between registers and the second-level cache. Unit: cycles an
/// element. Zen 3, 2026-11-26.
pub const NEAR: f64 = 0.04;
/// Lanes from which on vectors are wide. Unit: lanes. Emerald Rapids, 2026-11-29.
pub const WIDE: usize = 16;
/// What [`NEAR`] is more with wide vectors, times the part of the cache that is filled: a fit to blocks of 32 and 64
/// channels at 32 x 32, whose cause is not known. With 8 lanes it makes choices worse (Zen 3). Unit: cycles an
/// element. Emerald Rapids, 2026-11-29.
pub const FILLED: f64 = 0.1;
/// Cycles that an element takes that passes between registers and a farther cache: with narrow and with wide
/// vectors. Unit: cycles an element. Zen 3, 2026-11-26; a fit, Emerald Rapids, 2026-11-30.
pub const FAR: [f64; 2] = [0.2, 0.3];
/// The same where a transform scatters it to a farther cache. Unit: cycles an element. Zen 3, 2026-11-26; a fit,
/// Emerald Rapids, 2026-11-30.
pub const SCATTERED: [f64; 2] = [0.6, 0.9];
/// What of the second-level cache such elements still find there with wide vectors. Unit: share of the cache. A
/// fit, Emerald Rapids, 2026-11-30.
pub const STAYS: f64 = 0.5;
/// Places from element to element of a kernel, at most. Unit: places. Zen 3, 2026-11-28.
pub const DILATION: i64 = 16;

/// When patches of 6 x 6 are looked at: F(4 x 4, 3 x 3) and F(2 x 2, 5 x 5).
pub mod large {
    /// Terms of a sum, at most: channels, and in a weight gradient results of a feature. Up to there its error was
    /// measured (`docs/experiments/028-larger-tiles-for-winograd.md`). Unit: terms. 2026-11-30.
    pub const CHANNELS: usize = 512;
    /// See [`CHANNELS`]. Unit: terms. 2026-11-30.
    pub const RESULTS: usize = 1 << 16;
    /// Lanes, at least: with 8 there are 16 registers, which do not hold what its transforms compute, and nothing was
    /// measured. Unit: lanes. Emerald Rapids, 2026-11-30.
    pub const LANES: usize = 16;
}

/// The same for weight gradients.
pub mod gradient {
    /// See [`super::SCRATCH`]. Unit: times the second-level cache. Zen 3, 2026-11-26 (11 MiB); Emerald
    /// Rapids, 2026-11-29 (44 MiB).
    pub const SCRATCH: (usize, usize) = (22, 1);
    /// See [`super::IDEAL`]. Unit: multiply-adds a cycle, cycles a vector. Zen 3, 2026-11-26.
    pub const IDEAL: (usize, usize) = (2, 3);
    /// Channels of a block of sums, at least, where it does not hold all: 128 channels at 16 x 16 take 3.9 ms in blocks of
    /// 64, 4.3 of 32, 5.4 of 16. Unit: channels. Emerald Rapids, 2026-11-30.
    pub const LEAST_CHANNELS: usize = 64;
}
