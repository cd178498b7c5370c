//! How work is cut into tasks that threads share. It knows how many tasks there are and what they weigh; it knows no
//! kernel and no threads.

use crate::cost::params::sharing::{BYTES, PARALLEL_NANOSECONDS, WEIGHT};

/// The largest divisor of `n` that is at most `limit`, and at least 1.
pub fn divisor(n: usize, limit: usize) -> usize {
    (1..=limit.clamp(1, n.max(1))).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1)
}

/// Whether the tasks of a call with so much work (what it computes, an addition being 1, and bytes moved) are shared
/// among threads.
pub fn worth_sharing(tasks: usize, weight: u64, bytes: u64) -> bool {
    // Nanoseconds of one thread. Both are added: a kernel rarely computes and waits at one time.
    tasks > 1 && weight / WEIGHT + bytes / BYTES > PARALLEL_NANOSECONDS
}

/// The divisors of `n`, the smallest first, in time that grows with its root: `n` may be any batch.
pub fn divisors(n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (1..).take_while(|d| d * d <= n).filter(|d| n.is_multiple_of(*d)).collect();
    // Each divisor d up to the root has its partner n / d beyond it; a root that is whole is its own.
    all.extend(all.clone().iter().rev().map(|d| n / d).filter(|d| d * d > n));
    all
}

#[cfg(test)]
mod tests {
    use super::divisors;

    #[test]
    fn divisors_are_those_that_leave_nothing_over() {
        for n in 0..500_usize {
            let expected: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
            assert_eq!(divisors(n), expected, "{n}");
        }
        assert_eq!(divisors((1 << 31) - 1), [1, (1 << 31) - 1]);
    }
}
