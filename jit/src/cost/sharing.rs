//! How work is cut into tasks that threads share. It knows how many tasks there are and what they weigh; it knows no
//! kernel and no threads.

use crate::cost::params::sharing::{BYTES, LEAST_ROWS, PARALLEL_NANOSECONDS, ROW_PARTS, ROWS_OF_TWO, UNEVEN, WEIGHT};

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

/// Into how many parts so many rows are cut that threads take through a loop: a power of two, so that 2, 4, .. threads
/// have as much to do each; 1 where they are too few.
pub fn row_parts(rows: usize) -> usize {
    let mut parts = 1;
    let least = |parts: usize| if parts == 2 { ROWS_OF_TWO } else { LEAST_ROWS };
    while parts < ROW_PARTS && rows.is_multiple_of(2 * parts) && rows / (2 * parts) >= least(2 * parts) {
        parts *= 2;
    }
    parts
}

/// Whether so many threads take parts of rows through a loop, rather than tasks of each call: where none has much more
/// to do than others.
pub fn worth_rows(parts: usize, threads: usize) -> bool {
    parts > 1 && threads > 1 && UNEVEN.1 * parts.div_ceil(threads) * threads <= UNEVEN.0 * parts
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
    use super::{divisors, row_parts, worth_rows};

    #[test]
    fn rows_are_cut_evenly_for_threads() {
        for (rows, expected) in
            [(0, 1), (1, 1), (2, 1), (4, 2), (6, 2), (8, 2), (9, 1), (10, 2), (16, 2), (24, 4), (32, 4), (96, 16)]
        {
            assert_eq!(row_parts(rows), expected, "{rows} rows");
        }
        for (parts, threads, expected) in [
            (1, 2, false),
            (2, 1, false),
            (2, 2, true),
            (2, 3, false),
            (4, 3, false),
            (8, 3, true),
            (4, 5, true),
            (4, 8, false),
        ] {
            assert_eq!(worth_rows(parts, threads), expected, "{parts} parts, {threads} threads");
        }
    }

    #[test]
    fn divisors_are_those_that_leave_nothing_over() {
        for n in 0..500_usize {
            let expected: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
            assert_eq!(divisors(n), expected, "{n}");
        }
        assert_eq!(divisors((1 << 31) - 1), [1, (1 << 31) - 1]);
    }
}
