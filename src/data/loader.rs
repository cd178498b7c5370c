//! Batches of a source: settings, and what an epoch consists of. Knows sources and samplers, and no trainers.

mod batch;
mod epoch;
mod workers;

use std::fmt;
use std::sync::Arc;

use batch::Plan;
pub use epoch::Epoch;

use super::sampler::{RandomSampler, Sampler, SequentialSampler};
use super::{Sample, Source};
use crate::distributed::Share;

/// The batch of a source's samples: `(inputs [batch, ..], targets [batch, ..])`.
pub type BatchOf<S> = (<<S as Source>::Input as Sample>::Batch, <<S as Source>::Target as Sample>::Batch);

/// Makes batches of a [`Source`], epoch by epoch, on threads of its own. PyTorch's `DataLoader`.
///
/// ```
/// use kiln::prelude::*;
/// use kiln::data::source;
/// use ndarray::array;
///
/// #[derive(Model)]
/// #[model(input = [2])]
/// struct Xor {
///     hidden: Linear<2, 16>,
///     act: Tanh,
///     out: Linear<16, 2>,
/// }
///
/// let samples = source(400, |index| {
///     let (a, b) = (index / 2 % 2, index % 2);
///     (array![a as f32, b as f32], i32::from(a != b))
/// });
/// let loader = Loader::new(samples).batch(20).shuffle(7).workers(2);
///
/// let mut trainer = Trainer::new(Xor::init(1), cross_entropy(), Adam::default().lr(0.05)).batch(20).build()?;
/// let mut loss = f32::NAN;
/// for epoch in 0..10 {
///     for batch in loader.epoch(epoch) {
///         let (x, y) = batch?;
///         loss = trainer.step(&x, &y)?;
///     }
/// }
/// assert!(loss < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What is in a batch depends on the source, the sampler, the batch size and the number of the epoch: not on the number
/// of workers, nor on what was read before. An error or a panic in the source becomes the item of its batch,
/// [`DataError::Sample`](super::DataError::Sample), which names the sample; the next item is the next batch, and the loader is as good as before.
///
/// The arrays are shared: as long as each batch is dropped before the next is asked for (as in a `for` loop), batches
/// use the same few buffers again. A batch that is kept keeps its own data.
pub struct Loader<S> {
    source: Arc<S>,
    sampler: Arc<dyn Sampler>,
    batch: usize,
    drop_last: bool,
    workers: usize,
    prefetch: usize,
    share: Option<Share>,
}

/// Where in the data a training stands: which batch comes next. For a checkpoint, with [`Epoch::position`] and
/// [`Loader::at`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of the epoch.
    pub epoch: u64,
    /// The number of the batch in it, from 0 on.
    pub batch: u64,
}

impl<S: Source + 'static> Loader<S> {
    /// A loader with PyTorch's defaults: batches of one sample, in the source's order, without workers. An `Arc` of a
    /// source is a source, and shares it.
    pub fn new(source: S) -> Loader<S> {
        Loader {
            source: Arc::new(source),
            sampler: Arc::new(SequentialSampler),
            batch: 1,
            drop_last: false,
            workers: 0,
            prefetch: 2,
            share: None,
        }
    }

    /// The number of samples of a batch (`batch_size`); the last one of an epoch may be smaller. Default 1.
    ///
    /// # Panics
    /// If it is 0.
    pub fn batch(mut self, size: usize) -> Loader<S> {
        assert!(size > 0, "a batch holds at least one sample");
        self.batch = size;
        self
    }

    /// Puts the samples in a random order, another one in each epoch, which the seed decides. Those of seed 0 are those
    /// of [`Batches::shuffled`](super::Batches::shuffled).
    pub fn shuffle(self, seed: u64) -> Loader<S> {
        self.sampler(RandomSampler::new(seed))
    }

    /// Lets a sampler decide which samples come, and in which order: the last call of this or [`Loader::shuffle`]
    /// counts.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Loader<S> {
        self.sampler = Arc::new(sampler);
        self
    }

    /// Leaves out the last batch if it is smaller than the others, as [`Batches::drop_last`](super::Batches::drop_last)
    /// does.
    pub fn drop_last(mut self) -> Loader<S> {
        self.drop_last = true;
        self
    }

    /// How many threads read samples and put batches together while the training computes (`num_workers`). Default 0:
    /// the caller does it when it asks for a batch.
    pub fn workers(mut self, workers: usize) -> Loader<S> {
        self.workers = workers;
        self
    }

    /// How many batches each worker makes in advance, at most (`prefetch_factor`; at least 1). Default 2.
    pub fn prefetch(mut self, batches: usize) -> Loader<S> {
        self.prefetch = batches.max(1);
        self
    }

    /// Reads nothing but the rows of each batch that this rank computes, where several train together: other rows hold zeros,
    /// or what was there before. For loops and steps of one's own that do not look at other rows, `.share(trainer.share())`;
    /// [`Trainer::fit`](crate::Trainer::fit) does it by itself. All rows for `None`.
    ///
    /// What is wrong with a sample is then an error on its rank alone, and the others wait for it until it ends.
    pub fn share(mut self, share: impl Into<Option<Share>>) -> Loader<S> {
        self.share = share.into();
        self
    }

    /// What [`Loader::share`] was told.
    pub(super) fn own_share(&self) -> Option<&Share> {
        self.share.as_ref()
    }

    /// The number of samples of a batch but the last.
    pub fn size(&self) -> usize {
        self.batch
    }

    /// The number of batches of an epoch.
    pub fn len(&self) -> usize {
        let samples = self.samples();
        if self.drop_last { samples / self.batch } else { samples.div_ceil(self.batch) }
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of samples that an epoch draws.
    pub fn samples(&self) -> usize {
        self.sampler.count(self.source.len())
    }

    /// What the batches are of.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The batches of an epoch. Another number gives another order, and other random numbers to what draws some; the
    /// same number the same batches.
    pub fn epoch(&self, epoch: u64) -> Epoch<S> {
        let plan = self.sampler.order(self.source.len(), epoch).map(|order| Plan {
            source: self.source.clone(),
            repeats: batch::repeats(&order, self.source.len()),
            order,
            size: self.batch,
            epoch,
            share: self.share.clone(),
        });
        Epoch::new(plan, epoch, self.len(), self.workers, self.prefetch)
    }

    /// The batches that are left at a position: `loader.epoch(position.epoch).skip_to(position.batch)`.
    pub fn at(&self, position: Position) -> Epoch<S> {
        self.epoch(position.epoch).skip_to(position.batch)
    }
}

impl<S> Clone for Loader<S> {
    fn clone(&self) -> Loader<S> {
        let Loader { batch, drop_last, workers, prefetch, .. } = *self;
        let (source, sampler, share) = (self.source.clone(), self.sampler.clone(), self.share.clone());
        Loader { source, sampler, batch, drop_last, workers, prefetch, share }
    }
}

impl<S> fmt::Debug for Loader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loader { batch, drop_last, workers, prefetch, .. } = self;
        let mut shown = f.debug_struct("Loader");
        shown.field("batch", batch).field("drop_last", drop_last).field("workers", workers).field("prefetch", prefetch);
        shown.finish_non_exhaustive()
    }
}
