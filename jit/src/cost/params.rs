//! Every number that decides on speed, with its unit, where it comes from, and when.

/// Tasks of a grid from which on threads share the work.
pub const SHARED: usize = 4;
/// Cycles that are worth sharing.
pub const LONG: f64 = 1e5;
/// How much dearer long work is that can not be shared.
pub const ALONE: f64 = 1.3;
/// Tasks of a grid from which on more are of no use.
pub const TASKS: usize = 64;
/// Sums that hide the latency of their multiply-adds.
pub const LATENCY: usize = 8;
/// By which part sums of cycles that were taken in another order may differ.
pub const ROUNDING: f64 = 1e-9;
/// How many times the cycles of the fastest tile another one may take to be looked at, where the model decides.
pub const NEARLY: f64 = 1.1;
/// Elements of a cache line.
pub const LINE: i64 = 16;
/// Cycles that a line takes from the second-level cache to the first where all are one dense run: prefetchers fetch it while
/// products are computed.
pub const RUN: f64 = 2.0;
/// The part of their own time that they cost even so.
pub const HINDERING: f64 = 0.08;
/// Cycles more that a line of a dense run from beyond the second-level cache takes.
pub const FAR_RUN: f64 = 2.5;
