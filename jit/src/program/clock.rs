//! When states were written. It knows no states.

use std::sync::atomic::{AtomicU64, Ordering};

/// A moment of this process. The states of all stores share one clock, so that a store that takes the memory of one that is
/// gone is not taken for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(pub(super) u64);

impl Time {
    /// A moment after all those before it.
    pub(super) fn next() -> Time {
        static CLOCK: AtomicU64 = AtomicU64::new(1);
        Time(CLOCK.fetch_add(1, Ordering::Relaxed))
    }
}
