//! What the pool of threads is made of: atomic numbers, locks, threads, and waiting. They are the standard library's,
//! or with `--cfg loom` those of loom, which tries all orders in which threads may come (`threads/orders.rs`). It knows
//! no pool.

#[cfg(not(loom))]
pub use of_std::*;
#[cfg(not(loom))]
pub use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

#[cfg(loom)]
pub use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

#[cfg(not(loom))]
mod of_std {
    use std::thread;
    use std::time::{Duration, Instant};

    /// How long a waiting thread keeps its processor busy: the next run of a step mostly comes sooner. Unit: time.
    /// 2026-11-28, when threads that wait began to let others have their processor (before, 40 microseconds of it); a
    /// guess: no figures were kept.
    const SPIN: Duration = Duration::from_micros(5);
    /// From when on a waiting thread sleeps, after it has let others have its processor again and again. Waking it takes
    /// about 2 microseconds (Zen 3, 2026-11-26). Unit: time, from the beginning of the wait. 2026-11-23; a guess: no
    /// figures were kept.
    const YIELD: Duration = Duration::from_micros(40);

    /// The standard library's, with loom's functions.
    pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub fn new(value: T) -> UnsafeCell<T> {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        #[inline(always)]
        pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }

    /// Spins for [`SPIN`], then gives the processor to others; the clock is asked now and then only.
    pub struct Waiting {
        turns: u32,
        start: Option<Instant>,
        yields: bool,
    }

    impl Waiting {
        pub fn new() -> Waiting {
            Waiting { turns: 0, start: None, yields: false }
        }

        /// Passes a moment; false from [`YIELD`] on.
        pub fn pass(&mut self) -> bool {
            if self.yields {
                thread::yield_now();
                return self.start.is_some_and(|start| start.elapsed() < YIELD);
            }
            std::hint::spin_loop();
            self.turns += 1;
            if self.turns.is_multiple_of(32) {
                self.yields = self.start.get_or_insert_with(Instant::now).elapsed() >= SPIN;
            }
            true
        }
    }
}

/// Goes to sleep at once; who does not lets others go on. (Not before: a thread that has done so sees new values in any case.)
#[cfg(loom)]
pub struct Waiting {
    waits: bool,
}

#[cfg(loom)]
impl Waiting {
    pub fn new() -> Waiting {
        Waiting { waits: false }
    }

    pub fn pass(&mut self) -> bool {
        if self.waits {
            thread::yield_now();
        }
        self.waits = true;
        false
    }
}
