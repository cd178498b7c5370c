//! Threads that make batches in advance. Any of them makes any batch; batches are handed out in order, and no more are
//! made than the bound says, so that memory is bounded. They end when [`Workers`] is dropped, however far they are.
//! They know no order of samples and no trainer.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::BatchOf;
use super::batch::{Making, Plan};
use crate::data::{DataError, Source};

pub struct Workers<S: Source + 'static> {
    shared: Arc<Shared<S>>,
    threads: Vec<JoinHandle<()>>,
    /// The buffers of the batch that was handed out last.
    current: Option<BatchOf<S>>,
}

struct Shared<S: Source> {
    plan: Arc<Plan<S>>,
    queue: Mutex<Queue<S>>,
    /// There is room for a further batch, or nothing more to do.
    room: Condvar,
    /// A batch is made.
    made: Condvar,
    stop: AtomicBool,
    end: usize,
}

struct Queue<S: Source> {
    /// The number of the next batch that nobody has begun,
    begun: usize,
    /// and of the next one that is handed out.
    next: usize,
    /// Batch `number` at place `number % length`, from when it is made until it is handed out.
    made: Vec<Option<Made<S>>>,
    /// Buffers that nobody uses.
    free: Vec<BatchOf<S>>,
}

struct Made<S: Source> {
    result: Result<(), DataError>,
    buffers: Option<BatchOf<S>>,
}

impl<S: Source + 'static> Workers<S> {
    /// Starts threads that make these batches.
    pub fn start(
        plan: &Arc<Plan<S>>,
        batches: Range<usize>,
        count: usize,
        prefetch: usize,
    ) -> Result<Workers<S>, DataError> {
        // More threads or places than batches have nothing to do.
        let count = count.min(batches.len());
        let bound = count.saturating_mul(prefetch).min(batches.len());
        let queue = Queue {
            begun: batches.start,
            next: batches.start,
            made: (0..bound).map(|_| None).collect(),
            free: Vec::with_capacity(bound + count + 1),
        };
        let shared = Shared {
            plan: plan.clone(),
            queue: Mutex::new(queue),
            room: Condvar::new(),
            made: Condvar::new(),
            stop: AtomicBool::new(false),
            end: batches.end,
        };
        let mut workers = Workers { shared: Arc::new(shared), threads: Vec::new(), current: None };
        for number in 0..count {
            let shared = workers.shared.clone();
            let thread = thread::Builder::new().name(format!("kiln-loader-{number}"));
            // Where one can not be started, the others end as `workers` is dropped.
            let started = thread.spawn(move || shared.work()).map_err(|source| DataError::Worker { source })?;
            workers.threads.push(started);
        }
        Ok(workers)
    }

    /// The buffers of the next batch, whose number this is. They are the workers' again when the one after it is asked
    /// for.
    pub fn next(&mut self, number: usize) -> Result<Option<&BatchOf<S>>, DataError> {
        let mut queue = self.shared.lock();
        queue.free.extend(self.current.take());
        let place = number % queue.made.len();
        let made = loop {
            match queue.made[place].take() {
                Some(made) => break made,
                None => queue = self.shared.made.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        queue.next = number + 1;
        drop(queue);
        self.shared.room.notify_one();
        self.current = made.buffers;
        made.result.map(|()| self.current.as_ref())
    }
}

impl<S: Source> Shared<S> {
    /// Nothing that can panic runs while the queue is locked.
    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does: makes batches until there are none left.
    fn work(&self) {
        let mut making = Making::new();
        while let Some((number, buffers)) = self.begin() {
            making.buffers = buffers;
            let result = self.plan.make(number, &mut making, &self.stop);
            let mut queue = self.lock();
            let place = number % queue.made.len();
            queue.made[place] = Some(Made { result, buffers: making.buffers.take() });
            drop(queue);
            self.made.notify_one();
        }
    }

    /// The next batch to make, as soon as there is room for it, and buffers for it.
    fn begin(&self) -> Option<(usize, Option<BatchOf<S>>)> {
        let mut queue = self.lock();
        loop {
            if self.stop.load(Ordering::Relaxed) || queue.begun == self.end {
                return None;
            }
            if queue.begun < queue.next + queue.made.len() {
                queue.begun += 1;
                return Some((queue.begun - 1, queue.free.pop()));
            }
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<S: Source + 'static> Drop for Workers<S> {
    fn drop(&mut self) {
        // Under the lock: a worker that has just looked is then already waiting.
        let queue = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(queue);
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A panic in a source is caught; what else could panic has nothing to say.
            let _ = thread.join();
        }
    }
}
