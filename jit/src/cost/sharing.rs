//! How work is cut into tasks that threads share.

/// The largest divisor of `n` that is at most `limit`, and at least 1.
pub fn divisor(n: usize, limit: usize) -> usize {
    (1..=limit.clamp(1, n.max(1))).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}
