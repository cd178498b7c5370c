//! UNSAFE: the pool of threads. It knows functions over ranges of tasks and nothing of what they do.
//!
//! Threads live as long as the pool. A run splits its tasks evenly and always in the same way: of `n` threads thread
//! `t` gets tasks `t * tasks / n .. (t + 1) * tasks / n`, and the caller is thread 0. Between runs a thread spins for a
//! short while, since the next run of a training step comes at once, and then sleeps.
//!
//! # Safety
//! A run shares a borrowed closure with threads that outlive the borrow. That is sound because `run` returns (or
//! unwinds) only after every thread has said that it is done with the closure, and none touches it before it is told to.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a thread spins before it sleeps (or, waiting for others to end, lets the processor go).
const SPIN: Duration = Duration::from_micros(40);

/// A fixed set of threads that run tasks together with the caller.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// Held during a run: a pool does one at a time.
    running: Mutex<()>,
}

struct Worker {
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

struct Shared {
    /// Counts runs; a change is the signal to start, and publishes `job`.
    epoch: AtomicUsize,
    /// What the current run does. Written by the caller of `run` while no worker looks at it (`busy` is 0).
    job: UnsafeCell<Option<Job>>,
    /// The workers that are not yet done with the current run; reaching 0 publishes what they wrote.
    busy: AtomicUsize,
    /// For each worker whether it sleeps, or is about to.
    asleep: Vec<AtomicBool>,
    stop: AtomicBool,
    /// The first panic of a worker in the current run.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is the only part that is not `Sync` by itself. It is written by the thread that holds `running`, before
// the release of `epoch` and after the last worker's release of `busy`; workers read it between the two.
unsafe impl Sync for Shared {}
// SAFETY: the job's closure is `Sync`; the pointer to it is used as stated above.
unsafe impl Send for Shared {}

#[derive(Clone, Copy)]
struct Job {
    tasks: usize,
    /// Valid until the worker takes part in `busy` reaching 0.
    function: *const (dyn Fn(Range<usize>) + Sync),
}

impl Pool {
    /// A pool of the given number of threads, the caller's included; at least 1.
    pub fn new(threads: usize) -> Pool {
        let workers = threads.max(1) - 1;
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            busy: AtomicUsize::new(0),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let spawn = |number: usize| {
            let shared = shared.clone();
            let handle = thread::Builder::new()
                .name(format!("kiln-{}", number + 1))
                .spawn(move || shared.work(number))
                .expect("the system refuses a thread");
            Worker { thread: handle.thread().clone(), handle: Some(handle) }
        };
        let workers = (0..workers).map(spawn).collect();
        Pool { shared, workers, running: Mutex::new(()) }
    }

    /// A pool of as many threads as the environment variable `KILN_THREADS` says, else as the machine has.
    pub fn from_environment() -> Pool {
        Pool::new(default_threads())
    }

    /// The number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `function` with ranges that together are `0..tasks`, on all threads at once, and returns when all are done.
    /// With one thread, one task, or while the pool is at work already (a run within a run), the caller does them all.
    ///
    /// # Panics
    /// If the function panics on any thread, with the same payload, once all threads are done.
    pub fn run(&self, tasks: usize, function: &(dyn Fn(Range<usize>) + Sync)) {
        let alone = self.workers.is_empty() || tasks <= 1;
        let guard = match self.running.try_lock() {
            _ if alone => None,
            Ok(guard) => Some(guard),
            // A panic that went through an earlier run has left nothing behind.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if guard.is_none() {
            if tasks > 0 {
                function(0..tasks);
            }
            return;
        }
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes; the job is not used after this call (see the module).
        let function_of_job = unsafe {
            std::mem::transmute::<&(dyn Fn(Range<usize>) + Sync), &'static (dyn Fn(Range<usize>) + Sync)>(function)
        };
        // SAFETY: `running` is held and `busy` is 0: nobody else looks at the job.
        unsafe { *shared.job.get() = Some(Job { tasks, function: function_of_job }) };
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        // Publishes the job and `busy`. Sequentially consistent with the swap below: a worker that goes to sleep says
        // so before it looks at the epoch for the last time, so either it sees the new epoch or it is seen asleep.
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        for (worker, asleep) in self.workers.iter().zip(&shared.asleep) {
            if asleep.load(Ordering::SeqCst) {
                worker.thread.unpark();
            }
        }
        let own = catch_unwind(AssertUnwindSafe(|| run_share(function, tasks, 0, self.threads())));
        let mut spinning = Spinning::new();
        // Acquires what the workers have written.
        while shared.busy.load(Ordering::Acquire) > 0 {
            if !spinning.spin() {
                thread::yield_now();
            }
        }
        let panic = shared.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        drop(guard);
        if let Some(payload) = own.err().or(panic) {
            resume_unwind(payload);
        }
    }
}

/// `KILN_THREADS` where it is a number above 0, else the number of processors.
pub fn default_threads() -> usize {
    let asked = std::env::var("KILN_THREADS").ok().and_then(|text| text.trim().parse().ok()).filter(|&n| n > 0);
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, |n| n.get()))
}

fn run_share(function: &(dyn Fn(Range<usize>) + Sync), tasks: usize, thread: usize, threads: usize) {
    let range = thread * tasks / threads..(thread + 1) * tasks / threads;
    if !range.is_empty() {
        function(range);
    }
}

impl Shared {
    /// What a worker does all its life.
    fn work(&self, number: usize) {
        let mut seen = 0;
        loop {
            seen = self.await_epoch(seen, &self.asleep[number]);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: the epoch has been acquired, and the caller waits for `busy`: the job is there and is not written.
            let job = unsafe { (*self.job.get()).expect("an epoch comes with a job") };
            // SAFETY: the caller of `run` keeps the closure until `busy` reaches 0.
            let function = unsafe { &*job.function };
            let threads = self.asleep.len() + 1;
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| run_share(function, job.tasks, number + 1, threads)))
            {
                self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(payload);
            }
            // Publishes what the tasks have written; afterwards the closure is not touched.
            self.busy.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for an epoch other than `seen`: spins, then sleeps.
    fn await_epoch(&self, seen: usize, asleep: &AtomicBool) -> usize {
        let mut spinning = Spinning::new();
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch != seen {
                return epoch;
            }
            if spinning.spin() {
                continue;
            }
            asleep.store(true, Ordering::SeqCst);
            while self.epoch.load(Ordering::SeqCst) == seen {
                // A wake-up before the sleep is not lost: it makes `park` return at once.
                thread::park();
            }
            asleep.store(false, Ordering::SeqCst);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for worker in &mut self.workers {
            worker.thread.unpark();
            // A worker catches its tasks' panics: it has none of its own.
            let _ = worker.handle.take().map(JoinHandle::join);
        }
    }
}

/// Spins for [`SPIN`]; the clock is asked now and then only.
struct Spinning {
    turns: u32,
    start: Option<Instant>,
}

impl Spinning {
    fn new() -> Spinning {
        Spinning { turns: 0, start: None }
    }

    /// Passes a moment; false once the time is over.
    fn spin(&mut self) -> bool {
        std::hint::spin_loop();
        self.turns += 1;
        !self.turns.is_multiple_of(64) || self.start.get_or_insert_with(Instant::now).elapsed() < SPIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges that a run hands out, in order, as starts and ends.
    fn ranges(pool: &Pool, tasks: usize) -> Vec<[usize; 2]> {
        let found = Mutex::new(Vec::new());
        pool.run(tasks, &|range| found.lock().expect("no panic").push(range));
        let mut found = found.into_inner().expect("no panic");
        found.sort_by_key(|range: &Range<usize>| range.start);
        found.into_iter().map(|range| [range.start, range.end]).collect()
    }

    #[test]
    fn the_partition_is_fixed() {
        for (threads, tasks, expected) in [
            (1, 5, vec![[0, 5]]),
            (2, 5, vec![[0, 2], [2, 5]]),
            (3, 7, vec![[0, 2], [2, 4], [4, 7]]),
            (4, 2, vec![[0, 1], [1, 2]]),
            (2, 1, vec![[0, 1]]),
            (2, 0, vec![]),
        ] {
            assert_eq!(ranges(&Pool::new(threads), tasks), expected, "{threads} threads, {tasks} tasks");
        }
    }

    #[test]
    fn many_runs_close_together_and_far_apart() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        for run in 0..2000 {
            pool.run(100, &|range| {
                sum.fetch_add(range.sum::<usize>(), Ordering::Relaxed);
            });
            if run % 500 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
        }
        assert_eq!(sum.into_inner(), 2000 * 4950);
    }

    #[test]
    fn panics_reach_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(2);
        for guilty in [0, 9] {
            let panicking = || pool.run(10, &|range| assert!(!range.contains(&guilty), "task {guilty}"));
            let payload = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
            assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some(&*format!("task {guilty}")));
            assert_eq!(ranges(&pool, 4), [[0, 2], [2, 4]]);
        }
    }

    #[test]
    fn a_run_within_a_run_is_done_by_its_caller() {
        let pool = Pool::new(2);
        let count = AtomicUsize::new(0);
        pool.run(2, &|_| {
            pool.run(8, &|range| {
                count.fetch_add(range.len(), Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 16);
    }

    #[test]
    fn callers_may_share_a_pool() {
        let pool = Arc::new(Pool::new(2));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                thread::spawn(move || {
                    (0..200)
                        .map(|_| ranges(&pool, 6).iter().map(|[start, end]| end - start).sum::<usize>())
                        .sum::<usize>()
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().expect("no panic"), 1200);
        }
    }
}
