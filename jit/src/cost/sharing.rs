//! How work is cut into tasks that threads share.

use crate::cost::params::sharing::PARALLEL_NANOSECONDS;

/// The largest divisor of `n` that is at most `limit`, and at least 1.
pub fn divisor(n: usize, limit: usize) -> usize {
    (1..=limit.clamp(1, n.max(1))).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}

/// Whether the tasks of a call with so much work (floating-point operations, and bytes moved) are shared among threads.
pub fn worth_sharing(tasks: usize, flops: u64, bytes: u64) -> bool {
    tasks > 1 && flops / 50 + bytes / 40 > PARALLEL_NANOSECONDS
}
