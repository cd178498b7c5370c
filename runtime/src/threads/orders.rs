//! The pool in all orders in which its threads may come, in small configurations: each test is run by loom once for
//! each of them, up to a number of preemptions. It fails where a share is done twice or never, where what a share
//! writes is not seen by the caller, where a thread sleeps for ever, or where what a run does is touched by two threads
//! at once. `.ci/loom` runs it.

use loom::model::Builder;

use super::*;

/// Looks at all orders with at most so many preemptions: places where a thread is stopped that could have gone on.
fn in_all_orders(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(test);
}

/// A run of so many tasks: each is done once, and what it writes is seen by the caller. (A relaxed load gives an older value, too,
/// in some order, where nothing forbids it.)
fn run(pool: &Pool, tasks: usize) {
    let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
    pool.run(tasks, &|range| range.for_each(|task| add_one(&done[task])));
    check(&done);
}

fn add_one(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn check(done: &[AtomicUsize]) {
    assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1), "a task was not done once");
}

#[test]
fn every_task_is_done_once_and_seen() {
    for (shares, workers, tasks, preemptions) in [(2, 1, 2, 3), (3, 1, 3, 3), (2, 1, 3, 3), (3, 2, 3, 2)] {
        in_all_orders(preemptions, move || run(&Pool::with_workers(shares, workers), tasks));
    }
}

#[test]
fn run_follows_run_whether_workers_sleep_or_not() {
    in_all_orders(3, || {
        let pool = Pool::with_workers(2, 1);
        run(&pool, 2);
        run(&pool, 2);
    });
    in_all_orders(2, || {
        let pool = Pool::with_workers(2, 1);
        (0..3).for_each(|_| run(&pool, 2));
    });
}

#[test]
fn a_worker_that_goes_to_sleep_hears_of_the_run() {
    in_all_orders(3, || {
        let pool = Pool::with_workers(2, 1);
        let (first, second) = (AtomicBool::new(false), AtomicBool::new(false));
        // The caller's task ends once the worker has begun the other.
        pool.run(2, &|range| {
            let (mine, other) = if range.start == 0 { (&first, &second) } else { (&second, &first) };
            mine.store(true, Ordering::Release);
            while !other.load(Ordering::Acquire) {
                thread::yield_now();
            }
        });
    });
}

#[test]
fn a_pool_that_is_dropped_ends_its_threads() {
    in_all_orders(3, || drop(Pool::with_workers(2, 1)));
    in_all_orders(2, || drop(Pool::with_workers(3, 2)));
}

#[test]
fn callers_at_once_do_not_meet() {
    in_all_orders(2, || {
        let pool = Arc::new(Pool::with_workers(2, 1));
        let other = pool.clone();
        let caller = thread::spawn(move || run(&other, 2));
        run(&pool, 2);
        caller.join().expect("no panic");
    });
}

#[test]
fn a_run_within_a_run_is_done_by_its_caller() {
    in_all_orders(2, || {
        let pool = Pool::with_workers(2, 1);
        pool.run(2, &|_| run(&pool, 2));
    });
}

#[test]
fn a_panic_reaches_the_caller_once_all_shares_are_done() {
    in_all_orders(2, || {
        let pool = Pool::with_workers(2, 1);
        let done = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let panicking = || {
            pool.run(2, &|range| {
                let task = range.start;
                add_one(&done[task]);
                if task == 1 {
                    // Without the message of a panic, for each order one.
                    resume_unwind(Box::new("no result"));
                }
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"no result"));
        check(&done);
        run(&pool, 2);
    });
}
