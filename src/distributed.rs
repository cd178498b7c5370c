//! Training on several machines: ranks that each compute a part of every batch, and sums over all of them. Knows ranks,
//! messages and sums; it knows no programs. The crate `kiln-mpi` has the [`World`] of an MPI job.
//!
//! A batch is cut into *shards*, by default one for each rank. What is computed depends on the number of shards, and
//! not on how many ranks compute them: 4 shards on 1, 2 or 4 ranks give the same bits.
//!
//! ```
//! use kiln::distributed::World;
//! use kiln::prelude::*;
//! use ndarray::{Array1, Array2};
//!
//! #[derive(Model)]
//! #[model(input = [4])]
//! struct Net {
//!     fc: Linear<4, 3>,
//! }
//!
//! /// Every rank calls this with the same data: each step computes this rank's rows of the batch.
//! fn train(world: &World) -> Result<f32, TrainError> {
//!     let (x, y) = (Array2::from_shape_fn((8, 4), |(i, j)| (i * 4 + j) as f32 / 32.0), Array1::from_iter((0..8).map(|i| i % 3)));
//!     let trainer = Trainer::new(Net::init(0), cross_entropy(), Sgd::new(0.1)).batch(8);
//!     let mut trainer = trainer.threads(1).distributed(world).shards(4).build()?;
//!     (0..10).try_fold(0.0, |_, _| trainer.step(&x, &y))
//! }
//!
//! // Two ranks that are threads of this process, and one that does it all.
//! let worlds = World::of_threads(2);
//! let losses: Vec<f32> = std::thread::scope(|scope| {
//!     let ranks: Vec<_> = worlds.iter().map(|world| scope.spawn(|| train(world))).collect();
//!     ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Result<_, _>>()
//! })?;
//! let alone = train(&World::of_threads(1)[0])?;
//! assert_eq!(losses, [alone, alone]);
//! # Ok::<(), TrainError>(())
//! ```

mod agree;
mod error;
mod network;
pub(crate) mod queue;
mod share;
mod sums;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kiln_graph::passes::Precision;

pub use error::ExchangeError;
pub use network::{Messages, Network};
pub use share::Share;
pub(crate) use share::rows_of;
pub(crate) use sums::Bucket;

/// The longest that a rank waits for another one, unless [`World::set_time_limit`] says otherwise.
const LIMIT: Duration = Duration::from_secs(300);

/// So many exchanges may wait for their turn before whoever asks for the next one waits.
const WAITING: usize = 64;

/// The ranks of a job, as one of them sees it. Copies are the same one.
///
/// A thread of its own carries what is exchanged, so that it goes on while programs compute.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    /// The rank, the number of ranks, and how often some were lost: those of [`World::recover`], when it was called last.
    rank: AtomicUsize,
    ranks: AtomicUsize,
    losses: AtomicUsize,
    recovers: bool,
    limit: Mutex<Duration>,
    /// Why this rank has failed since it last exchanged something, for others to hear when it ends.
    failure: Mutex<Option<String>>,
    /// Nothing once it ends.
    jobs: Option<queue::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Shared {
    fn send(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

impl Drop for Shared {
    /// The network ends before the process does, and says so to others.
    fn drop(&mut self) {
        let failure = self.failure.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let limit = *self.limit.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = failure {
            self.send(leave(reason, limit, None));
        }
        self.jobs = None;
        // A panic of the thread was told to whoever waited for it.
        self.thread.take().into_iter().for_each(|thread| _ = thread.join());
    }
}

/// What the thread is to do with the network.
enum Job {
    /// Add a bucket up.
    Sum(Box<Summing>),
    /// Anything else, such as comparing settings.
    Call(Box<Call>),
}

/// Something that is done with the network, of which the error is given after which it is of no use any more; why it is
/// of no use behind it.
type Call = dyn FnOnce(&mut dyn Network, Option<ExchangeError>) -> Option<ExchangeError> + Send;

/// Leaves the others, who are told why; whoever waits for that hears of it.
fn leave(reason: String, limit: Duration, done: Option<queue::Sender<()>>) -> Job {
    Job::Call(Box::new(move |network, broken| {
        let rank = network.rank();
        network.leave(&reason, limit);
        // Who asked waits for it.
        _ = done.map(|done| done.send(()));
        Some(broken.unwrap_or(ExchangeError::Network { rank, reason: "it takes no further part".into() }))
    }))
}

/// A bucket on its way.
pub(crate) struct Summing {
    /// Which it is, for whoever sent it.
    pub number: usize,
    pub bucket: Bucket,
    pub result: Result<(), ExchangeError>,
    /// When it was handed over, when its turn came, and when it was done.
    pub times: [Instant; 3],
    limit: Duration,
    reply: queue::Sender<Box<Summing>>,
}

impl Summing {
    /// A bucket that comes back by `reply`.
    pub fn new(number: usize, bucket: Bucket, reply: queue::Sender<Box<Summing>>) -> Box<Summing> {
        Box::new(Summing { number, bucket, result: Ok(()), times: [Instant::now(); 3], limit: LIMIT, reply })
    }
}

impl World {
    /// The world of a network.
    pub fn new(network: Box<dyn Network>) -> World {
        let (rank, ranks, recovers) = (network.rank(), network.ranks(), network.recovers());
        let (jobs, waiting) = queue::new::<Job>(WAITING);
        let carry = move || {
            let mut network = network;
            // After an error messages may be under way that nobody takes: nothing that comes later can be trusted.
            let mut broken: Option<ExchangeError> = None;
            while let Some(job) = waiting.take() {
                match job {
                    Job::Call(call) => broken = call(&mut *network, broken.take()),
                    Job::Sum(mut summing) => {
                        summing.times[1] = Instant::now();
                        summing.result = match &broken {
                            Some(error) => Err(error.clone()),
                            None => summing.bucket.exchange(&mut *network, summing.limit),
                        };
                        broken = broken.or_else(|| summing.result.clone().err());
                        summing.times[2] = Instant::now();
                        let reply = summing.reply.clone();
                        // Nobody waits for it any more where the trainer is gone.
                        _ = reply.send(summing);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("kiln-exchange".into()).spawn(carry);
        let thread = Some(thread.expect("the system gives a thread"));
        World(Arc::new(Shared {
            rank: rank.into(),
            ranks: ranks.into(),
            losses: 0.into(),
            recovers,
            limit: Mutex::new(LIMIT),
            failure: Mutex::default(),
            jobs: Some(jobs),
            thread,
        }))
    }

    /// Ranks that are threads of this process, in order: for tests, and to see what a program does before it goes to several
    /// machines. Each is to be used by a thread of its own.
    ///
    /// # Panics
    /// For no ranks.
    pub fn of_threads(ranks: usize) -> Vec<World> {
        assert!(ranks > 0, "a world of no ranks");
        network::threads(ranks).map(World::new).collect()
    }

    /// The number of this rank, from 0 on. Rank 0 alone writes files and shows progress.
    pub fn rank(&self) -> usize {
        self.0.rank.load(Ordering::Relaxed)
    }

    /// The number of ranks.
    pub fn ranks(&self) -> usize {
        self.0.ranks.load(Ordering::Relaxed)
    }

    /// How long a rank waits for another one before it gives up with [`ExchangeError::Timeout`]. Default: 300 seconds. It must
    /// be longer than what one rank does while others wait: reading data, an evaluation, writing a checkpoint.
    pub fn set_time_limit(&self, limit: Duration) {
        *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    fn limit(&self) -> Duration {
        *self.0.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether ranks that are left can go on when others have died: see [`World::recover`].
    pub fn recovers(&self) -> bool {
        self.0.recovers
    }

    /// How often ranks were lost, and others have gone on.
    pub(crate) fn losses(&self) -> usize {
        self.0.losses.load(Ordering::Relaxed)
    }

    /// Lets the ranks that are left go on among themselves after others have died, which all of them ask for once they
    /// were told so by an error that [is a loss](ExchangeError::is_loss). They are numbered anew; a batch has as many shards as ever. What a training
    /// holds is of no use then: it goes on from a checkpoint, by [`Checkpoints::resume`](crate::checkpoints::Checkpoints::resume).
    /// [`Fit`](crate::fit::Fit) does all of this where it has checkpoints.
    ///
    /// # Errors
    /// [`ExchangeError::Lost`] and others, where the network can not do without those that are gone, or none is.
    pub fn recover(&self) -> Result<(), ExchangeError> {
        let (limit, rank) = (self.limit(), self.rank());
        let (reply, result) = queue::new(1);
        let call = move |network: &mut dyn Network, broken: Option<ExchangeError>| {
            let recovered = match broken.clone() {
                Some(error) if !network.recovers() => Err(error),
                _ => network.recover(limit),
            };
            let error = recovered.as_ref().err().cloned();
            _ = reply.send(recovered.map(|()| (network.rank(), network.ranks())));
            error
        };
        let ended = || ExchangeError::Network { rank, reason: "the thread of exchanges has ended".into() };
        if !self.0.send(Job::Call(Box::new(call))) {
            return Err(ended());
        }
        let (rank, ranks) = result.take().unwrap_or_else(|| Err(ended()))?;
        self.0.rank.store(rank, Ordering::Relaxed);
        self.0.ranks.store(ranks, Ordering::Relaxed);
        self.0.losses.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Tells the others that this rank takes no further part, and why, so that they need not wait for it until their time
    /// limit: their next step is [`ExchangeError::GivenUp`]. It waits until they have heard, as long as the limit says.
    /// [`Fit`](crate::fit::Fit) does this; a loop of one's own calls it where something fails on one rank alone, as reading
    /// a file does. Of a rank that ends without a word others hear that it has ended.
    pub fn leave(&self, reason: impl std::fmt::Display) {
        let (done, heard) = queue::new(1);
        if self.0.send(leave(reason.to_string(), self.limit(), Some(done))) {
            // The thread has ended where nobody answers: then the others have heard of that.
            heard.take();
        }
    }

    /// Takes note of why this rank has failed, of which it does not know whether others have, too: they hear of it when it
    /// ends.
    pub(crate) fn note_failure(&self, reason: &dyn std::fmt::Display) {
        *self.0.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_string());
    }

    /// This rank goes on, whatever has failed before.
    fn forget_failure(&self) {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Adds a bucket up over all ranks, while this thread goes on.
    pub(crate) fn add_up(&self, mut summing: Box<Summing>) {
        summing.times[0] = Instant::now();
        summing.limit = self.limit();
        self.forget_failure();
        // The thread lives as long as there is somebody to send it jobs.
        self.0.send(Job::Sum(summing));
    }

    /// Does something with the network, and waits for it.
    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut dyn Network, Duration) -> Result<T, ExchangeError> + Send + 'static,
    ) -> Result<T, ExchangeError> {
        self.forget_failure();
        let (reply, result) = queue::new(1);
        let (limit, rank) = (self.limit(), self.rank());
        let job = move |network: &mut dyn Network, broken: Option<ExchangeError>| {
            let done = broken.map_or_else(|| call(network, limit), Err);
            // Settings that differ are no fault of the network.
            let error = done.as_ref().err().filter(|error| !matches!(error, ExchangeError::Differ { .. })).cloned();
            // Who asked waits for it.
            _ = reply.send(done);
            error
        };
        let ended = || ExchangeError::Network { rank, reason: "the thread of exchanges has ended".into() };
        if !self.0.send(Job::Call(Box::new(job))) {
            return Err(ended());
        }
        result.take().unwrap_or_else(|| Err(ended()))
    }

    /// What each rank gives, in the order of ranks: as many words from each.
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn gather(&self, words: Vec<u32>) -> Result<Vec<Vec<u32>>, ExchangeError> {
        self.call(move |network, limit| agree::gather(network, words, limit))
    }

    /// What rank 0 has to say, on all ranks: bytes, or what went wrong.
    ///
    /// # Errors
    /// Those of the network.
    pub(crate) fn tell(&self, told: Option<Result<Vec<u8>, String>>) -> Result<Result<Vec<u8>, String>, ExchangeError> {
        let (failed, mut bytes) = match told {
            None => (false, Vec::new()),
            Some(Ok(bytes)) => (false, bytes),
            Some(Err(reason)) => (true, reason.into_bytes()),
        };
        let length = bytes.len();
        bytes.resize(length.next_multiple_of(4), 0);
        let words = bytes.chunks(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        let head = self.gather(vec![u32::from(failed), length as u32, (length as u64 >> 32) as u32])?.swap_remove(0);
        let length = (u64::from(head[1]) | u64::from(head[2]) << 32) as usize;
        let words = self.call(move |network, limit| agree::tell(network, words, length.div_ceil(4), limit))?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take(length).collect();
        Ok(if head[0] == 0 { Ok(bytes) } else { Err(String::from_utf8_lossy(&bytes).into_owned()) })
    }

    /// The sums of some numbers over all ranks, which all have as many of: for what a loop of one's own counts. They are
    /// added up in an order of ranks, so that each rank has the same bits.
    ///
    /// # Errors
    /// [`ExchangeError::Timeout`] and others, where a rank does not come.
    pub fn sum(&self, numbers: &[f32]) -> Result<Vec<f32>, ExchangeError> {
        let (reply, back) = queue::new(1);
        let mut summing = Summing::new(0, Bucket::new(numbers.len(), self.ranks(), Precision::F32), reply);
        summing.bucket.take(self.rank(), |to| to.copy_from_slice(numbers));
        self.add_up(summing);
        let rank = self.rank();
        let ended = || ExchangeError::Network { rank, reason: "the thread of exchanges has ended".into() };
        let summing = back.take().ok_or_else(ended)?;
        summing.result.clone().map(|()| summing.bucket.sum().to_vec())
    }

    /// Waits until all ranks are here.
    ///
    /// # Errors
    /// [`ExchangeError::Timeout`] and others, where a rank does not come.
    pub fn barrier(&self) -> Result<(), ExchangeError> {
        self.gather(vec![0]).map(|_| ())
    }

    /// That all ranks have the same of each of some settings, told by name: `world.agree(&[("data", data.len().to_string())])`.
    ///
    /// # Errors
    /// [`ExchangeError::Differ`] on every rank, with the first name of which some have something else; those of
    /// [`World::barrier`].
    pub fn agree(&self, settings: &[(&str, String)]) -> Result<(), ExchangeError> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let agreed = self.call(move |network, limit| agree::agree(network, settings, limit));
        // Where all end with that, launchers are to let all say so.
        agreed.as_ref().err().into_iter().for_each(|error| self.note_failure(error));
        agreed
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World(rank {} of {})", self.rank(), self.ranks())
    }
}
