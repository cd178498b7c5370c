//! How work is cut into tasks that threads share.

/// The largest divisor of `n` that is at most `limit`, and at least 1.
pub fn divisor(n: usize, limit: usize) -> usize {
    (1..=limit.clamp(1, n.max(1))).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}

/// Calls that are estimated to take less time on one thread (at 50 GFLOP/s and 40 GB/s) are not worth waking another one, which
/// takes about 2 microseconds.
const PARALLEL_NANOSECONDS: u64 = 7_000;

/// Whether the tasks of a call with so much work (floating-point operations, and bytes moved) are shared among threads.
pub fn worth_sharing(tasks: usize, flops: u64, bytes: u64) -> bool {
    tasks > 1 && flops / 50 + bytes / 40 > PARALLEL_NANOSECONDS
}
