//! UNSAFE: the pool of threads. It knows functions over ranges of tasks and nothing of what they do.
//!
//! Threads live as long as the pool. A run splits its tasks evenly and always in the same way, into as many shares as
//! there are threads: of `n` shares, share `t` is tasks `t * tasks / n .. (t + 1) * tasks / n`. The caller begins with
//! share 0 and thread `t` with share `t`; who is done goes on with shares that nobody has begun. So a thread that the
//! system does not let run, on a busy machine, keeps nobody waiting, and a pool of more threads than the process has
//! processors does with as many as these.
//!
//! A pool is for many callers: all that are built with the same number of threads share one ([`Pool::shared`]). It does
//! one run at a time. A caller that finds it at work does all its tasks alone, on the thread that it has anyway, and
//! waits for nobody.
//!
//! Between runs a thread spins for a moment, since the next run of a training step comes at once, then lets others have
//! its processor for a short while, and then sleeps.
//!
//! # Safety
//! A run shares a borrowed closure with threads that outlive the borrow. That is sound because a thread touches the
//! closure of a run only for a share that it has claimed, each share can be claimed once and only as long as the run
//! lasts, and `run` returns (or unwinds) only after every share has been claimed and is done.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{PoisonError, TryLockError, Weak};

use crate::sync::thread::{self, JoinHandle, Thread};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering, UnsafeCell, Waiting};

/// A fixed set of threads that run tasks together with the caller.
pub struct Pool {
    shared: Arc<Shared>,
    /// The threads beside the caller's.
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
    /// What the current run does. Written by the caller of `run` while nobody has a share (`left` is 0).
    job: UnsafeCell<Option<Job>>,
    /// For each share the epoch of the last run in which somebody has claimed it: that of the current run, or of the one before.
    claimed: Vec<AtomicUsize>,
    /// The shares of the current run that are not done; reaching 0 publishes what they wrote.
    left: AtomicUsize,
    /// For each worker whether it sleeps, or is about to.
    asleep: Vec<AtomicBool>,
    stop: AtomicBool,
    /// The first panic in the current run.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is the only part that is not `Sync` by itself. It is written by the thread that holds `running`, before
// the release of `epoch` and after the release of `left` by whoever did the last share; those who have a share read it between
// the two.
unsafe impl Sync for Shared {}
// SAFETY: the job's closure is `Sync`; the pointer to it is used as stated above.
unsafe impl Send for Shared {}

#[derive(Clone, Copy)]
struct Job {
    tasks: usize,
    /// Valid for those who have a share.
    function: *const (dyn Fn(Range<usize>) + Sync),
}

impl Pool {
    /// A pool of the given number of threads, the caller's included; at least 1. Of these there are really no more than the process
    /// has processors to run on, since more would only take turns.
    pub fn new(threads: usize) -> Pool {
        let processors = processors();
        Pool::with_workers(threads.max(1), threads.min(processors).max(1) - 1)
    }

    /// The pool of the given number of threads that all share who ask for as many; it lasts as long as one of them holds it.
    pub fn shared(threads: usize) -> std::sync::Arc<Pool> {
        static POOLS: std::sync::Mutex<Vec<(usize, Weak<Pool>)>> = std::sync::Mutex::new(Vec::new());
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|(_, pool)| pool.strong_count() > 0);
        let found = pools.iter().find(|(of, _)| *of == threads).and_then(|(_, pool)| pool.upgrade());
        found.unwrap_or_else(|| {
            let pool = std::sync::Arc::new(Pool::new(threads));
            pools.push((threads, std::sync::Arc::downgrade(&pool)));
            pool
        })
    }

    /// The [shared](Pool::shared) pool of as many threads as the environment variable `KILN_THREADS` says, else as the process
    /// has processors to run on.
    ///
    /// # Errors
    /// The variable is no number of threads.
    pub fn from_environment() -> Result<std::sync::Arc<Pool>, ThreadsError> {
        Ok(Pool::shared(default_threads()?))
    }

    /// A pool that splits its runs into so many shares, with so many threads beside the caller's.
    fn with_workers(shares: usize, workers: usize) -> Pool {
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            claimed: (0..shares).map(|_| AtomicUsize::new(0)).collect(),
            left: AtomicUsize::new(0),
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

    /// The number of threads that was asked for, the caller's included.
    pub fn threads(&self) -> usize {
        self.shared.claimed.len()
    }

    /// Calls `function` with ranges that together are `0..tasks`, on all threads at once, and returns when all are done.
    /// With one thread, one task, or while the pool is at work already (for another caller, or a run within a run), the caller
    /// does them all.
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
        let job = Some(Job { tasks, function: function_of_job });
        // SAFETY: `running` is held and `left` is 0: nobody else looks at the job.
        shared.job.with_mut(|place| unsafe { *place = job });
        shared.left.store(self.threads(), Ordering::Relaxed);
        // Publishes the job and `left`. A worker that goes to sleep says so, and then looks at the epoch by an addition of 0: either
        // that comes later than this addition and sees the new epoch, or this one acquires what it released, and the worker is seen
        // asleep.
        let epoch = shared.epoch.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        for (worker, asleep) in self.workers.iter().zip(&shared.asleep) {
            if asleep.load(Ordering::Relaxed) {
                worker.thread.unpark();
            }
        }
        shared.take_shares(epoch, 0);
        let mut waiting = Waiting::new();
        // Acquires what the workers have written.
        while shared.left.load(Ordering::Acquire) > 0 {
            waiting.pass();
        }
        let panic = shared.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        drop(guard);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

/// The environment asks for a number of threads that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable KILN_THREADS is `{found}`, expected a number of at least 1, or that it is not set")]
pub struct ThreadsError {
    /// What it says.
    pub found: String,
}

/// The number that `KILN_THREADS` gives, else the number of processors.
///
/// # Errors
/// The variable is no number of threads.
pub fn default_threads() -> Result<usize, ThreadsError> {
    let text = std::env::var_os("KILN_THREADS").map(|text| text.to_string_lossy().into_owned());
    let asked = asked_threads(text.as_deref())?;
    Ok(asked.unwrap_or_else(processors))
}

/// The number of processors that the process may run on.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The number that a text gives; nothing where there is none, or an empty one.
fn asked_threads(text: Option<&str>) -> Result<Option<usize>, ThreadsError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = text.parse().ok().filter(|&number| number > 0);
    number.map(Some).ok_or_else(|| ThreadsError { found: text.to_owned() })
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
            self.take_shares(seen, number + 1);
        }
    }

    /// Does the shares of a run that nobody has begun, from one on, and then those before it.
    fn take_shares(&self, epoch: usize, first: usize) {
        let shares = self.claimed.len();
        for share in (first..shares).chain(0..first) {
            // All shares were claimed in the run before. So this fails where another thread has the share, and where the run is
            // over, since then every share was claimed in it.
            let before = epoch.wrapping_sub(1);
            let claim = self.claimed[share].compare_exchange(before, epoch, Ordering::AcqRel, Ordering::Relaxed);
            if claim.is_err() {
                continue;
            }
            // SAFETY: the run's epoch has been acquired, and it lasts as long as this share is not done: the job is there and
            // is not written.
            let job = self.job.with(|place| unsafe { *place }).expect("an epoch comes with a job");
            // SAFETY: the caller of `run` keeps the closure until `left` reaches 0.
            let function = unsafe { &*job.function };
            let range = share * job.tasks / shares..(share + 1) * job.tasks / shares;
            if !range.is_empty()
                && let Err(payload) = catch_unwind(AssertUnwindSafe(|| function(range)))
            {
                self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(payload);
            }
            // Publishes what the tasks have written; afterwards the closure is not touched.
            self.left.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for an epoch other than `seen`: awake at first, then asleep.
    fn await_epoch(&self, seen: usize, asleep: &AtomicBool) -> usize {
        let mut waiting = Waiting::new();
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch != seen {
                return epoch;
            }
            if waiting.pass() {
                continue;
            }
            asleep.store(true, Ordering::Relaxed);
            while self.epoch.fetch_add(0, Ordering::AcqRel) == seen {
                // A wake-up before the sleep is not lost: it makes `park` return at once.
                thread::park();
            }
            asleep.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.epoch.fetch_add(1, Ordering::AcqRel);
        for worker in &mut self.workers {
            worker.thread.unpark();
            // A worker catches its tasks' panics: it has none of its own.
            let _ = worker.handle.take().map(JoinHandle::join);
        }
    }
}

#[cfg(all(test, loom))]
mod orders;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_environment_gives_a_number_of_threads_or_none() {
        let refused = |found: &str| Err(ThreadsError { found: found.to_owned() });
        for (text, expected) in [
            (None, Ok(None)),
            (Some(""), Ok(None)),
            (Some("  "), Ok(None)),
            (Some("3"), Ok(Some(3))),
            (Some(" 16\n"), Ok(Some(16))),
            (Some("0"), refused("0")),
            (Some("-1"), refused("-1")),
            (Some("two"), refused("two")),
            (Some("4.0"), refused("4.0")),
        ] {
            assert_eq!(asked_threads(text), expected, "{text:?}");
        }
        let expected =
            "the environment variable KILN_THREADS is `two`, expected a number of at least 1, or that it is not set";
        assert_eq!(asked_threads(Some("two")).expect_err("no number").to_string(), expected);
    }

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
            for workers in 1..threads {
                let pool = Pool::with_workers(threads, workers);
                assert_eq!(ranges(&pool, tasks), expected, "{threads} threads, {tasks} tasks, {workers} workers");
            }
            // Where there is one processor, all tasks are one range.
            let covered: Vec<usize> = ranges(&Pool::new(threads), tasks).iter().flat_map(|&[a, b]| a..b).collect();
            assert_eq!(covered, (0..tasks).collect::<Vec<_>>(), "{threads} threads, {tasks} tasks");
        }
    }

    #[test]
    fn there_are_no_more_threads_than_processors() {
        let processors = thread::available_parallelism().map_or(1, |n| n.get());
        for threads in [1, 2, 3, 1000] {
            let pool = Pool::new(threads);
            assert_eq!((pool.threads(), pool.workers.len() + 1), (threads, threads.min(processors)));
        }
    }

    /// Shares of threads that do not get to run are done by the others.
    #[test]
    fn nobody_waits_for_a_thread_that_has_not_begun() {
        let pool = Pool::with_workers(4, 3);
        // Whoever comes first is kept from the other shares.
        for _ in 0..100 {
            let (first, count) = (AtomicBool::new(true), AtomicUsize::new(0));
            pool.run(4, &|range| {
                if first.swap(false, Ordering::SeqCst) {
                    thread::sleep(Duration::from_micros(300));
                }
                count.fetch_add(range.len(), Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 4);
        }
    }

    #[test]
    fn many_runs_close_together_and_far_apart() {
        let pool = Pool::with_workers(3, 2);
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
        let pool = Pool::with_workers(2, 1);
        for guilty in [0, 9] {
            let panicking = || pool.run(10, &|range| assert!(!range.contains(&guilty), "task {guilty}"));
            let payload = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
            assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some(&*format!("task {guilty}")));
            assert_eq!(ranges(&pool, 4), [[0, 2], [2, 4]]);
        }
    }

    #[test]
    fn a_run_within_a_run_is_done_by_its_caller() {
        // Two shares on any machine: `new` makes one where there is one processor.
        let pool = Pool::with_workers(2, 1);
        let count = AtomicUsize::new(0);
        pool.run(2, &|_| {
            pool.run(8, &|range| {
                count.fetch_add(range.len(), Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 16);
    }

    #[test]
    fn all_who_ask_for_as_many_threads_have_one_pool() {
        // No other test asks for so many.
        let (first, second, other) = (Pool::shared(71), Pool::shared(71), Pool::shared(72));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
        assert_eq!((first.threads(), other.threads()), (71, 72));
        let held = Arc::downgrade(&first);
        drop((first, second));
        assert!(held.upgrade().is_none(), "it ends with the last who holds it");
        assert_eq!(ranges(&Pool::shared(71), 71).iter().map(|[start, end]| end - start).sum::<usize>(), 71);
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
