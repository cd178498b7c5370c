//! What a training loop takes its batches from, epoch by epoch. It knows no trainer.

use crate::distributed::Share;

use super::{BatchOf, DataError, Dataset, Loader, Samples, Source, number_of_order};

/// Which batches of an epoch are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochRequest {
    /// The number of the epoch, from 0 on.
    pub epoch: u64,
    /// The number of samples of a batch.
    pub size: usize,
    /// The number of the first batch; those before it are passed over.
    pub first: u64,
    /// Decides on the order of the samples, with the epoch; without it they come in their own order.
    pub shuffle: Option<u64>,
    /// Whether a last batch of fewer samples is left out.
    pub drop_last: bool,
    /// What this rank computes of each batch now, where several train together.
    pub share: Option<Share>,
    /// Whether nobody looks at rows outside of the share, which may then hold anything.
    pub share_alone: bool,
}

/// Data that gives batches epoch by epoch: what [`Trainer::fit`](crate::Trainer::fit) takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no data to train on",
    label = "neither a `Dataset` nor a `Loader`",
    note = "arrays become data by `Dataset::new(x, y)?`, a `Source` by `Loader::new(source)`; a type of your own implements \
            `TrainingData`"
)]
pub trait TrainingData {
    /// What a batch is: `(inputs, targets)`.
    type Batch;

    /// The batches of an epoch, each with the number of its samples. They depend on nothing but what is wanted.
    fn epoch(&self, wanted: EpochRequest) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>>;

    /// How many batches an epoch has.
    fn batches_of(&self, wanted: EpochRequest) -> u64;

    /// The number of samples of an epoch.
    fn samples(&self) -> usize;
}

impl<X: Samples, Y: Samples> TrainingData for Dataset<X, Y> {
    type Batch = (X::Batch, Y::Batch);

    fn epoch(&self, wanted: EpochRequest) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>> {
        let (size, first) = (wanted.size, usize::try_from(wanted.first).unwrap_or(usize::MAX));
        let mut batches = self.batches(size);
        if let Some(seed) = wanted.shuffle {
            batches = batches.shuffled(number_of_order(seed, wanted.epoch));
        }
        if wanted.drop_last {
            batches = batches.drop_last();
        }
        let left = self.len().saturating_sub(first.saturating_mul(size));
        batches.skip(first).zip(sizes(left, size)).map(Ok)
    }

    fn batches_of(&self, wanted: EpochRequest) -> u64 {
        let count = if wanted.drop_last { self.len() / wanted.size } else { self.len().div_ceil(wanted.size) };
        count as u64
    }

    fn samples(&self) -> usize {
        self.len()
    }
}

/// A loader has its own batch size, order and last batch, whatever is wanted of these.
impl<S: Source + 'static> TrainingData for Loader<S> {
    type Batch = BatchOf<S>;

    fn epoch(&self, wanted: EpochRequest) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>> {
        let (size, samples) = (self.size(), self.samples());
        let first = usize::try_from(wanted.first).unwrap_or(usize::MAX);
        let left = samples.saturating_sub(first.saturating_mul(size));
        // The share that the loader was told may be that of ranks of which one has died since.
        let alone = wanted.share_alone || self.own_share().is_some();
        let share = if alone { wanted.share.or_else(|| self.own_share().cloned()) } else { None };
        let batches = Loader::epoch(self, wanted.epoch).share(share).skip_to(wanted.first);
        batches.zip(sizes(left, size)).map(|(batch, rows)| Ok((batch?, rows)))
    }

    fn batches_of(&self, _: EpochRequest) -> u64 {
        self.len() as u64
    }

    fn samples(&self) -> usize {
        Loader::samples(self)
    }
}

/// The numbers of samples of batches, of which the last one may be smaller.
fn sizes(samples: usize, size: usize) -> impl Iterator<Item = usize> {
    (0..).map(move |number: usize| size.min(samples.saturating_sub(number.saturating_mul(size))))
}

impl<D: TrainingData> TrainingData for &D {
    type Batch = D::Batch;

    fn epoch(&self, wanted: EpochRequest) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>> {
        (**self).epoch(wanted)
    }

    fn batches_of(&self, wanted: EpochRequest) -> u64 {
        (**self).batches_of(wanted)
    }

    fn samples(&self) -> usize {
        (**self).samples()
    }
}
