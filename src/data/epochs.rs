//! What a training loop takes its batches from, epoch by epoch. It knows no trainer.

use super::{DataError, Dataset, Samples};

/// Which batches of an epoch are wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
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
}

/// Data that gives batches epoch by epoch: what [`Trainer::fit`](crate::Trainer::fit) takes.
pub trait Epochs {
    /// What a batch is: `(inputs, targets)`.
    type Batch;

    /// The batches of an epoch, each with the number of its samples. They depend on nothing but what is wanted.
    fn epoch(&self, wanted: Wanted) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>>;

    /// How many batches an epoch has.
    fn batches_of(&self, wanted: Wanted) -> u64;

    /// The number of samples of an epoch.
    fn samples(&self) -> usize;
}

impl<X: Samples, Y: Samples> Epochs for Dataset<X, Y> {
    type Batch = (X::Batch, Y::Batch);

    fn epoch(&self, wanted: Wanted) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>> {
        let (size, first) = (wanted.size, usize::try_from(wanted.first).unwrap_or(usize::MAX));
        let mut batches = self.batches(size);
        if let Some(seed) = wanted.shuffle {
            batches = batches.shuffled(order_of(seed, wanted.epoch));
        }
        if wanted.drop_last {
            batches = batches.drop_last();
        }
        let left = self.len().saturating_sub(first.saturating_mul(size));
        let rows = (0..).map(move |number: usize| size.min(left.saturating_sub(number.saturating_mul(size))));
        batches.skip(first).zip(rows).map(Ok)
    }

    fn batches_of(&self, wanted: Wanted) -> u64 {
        let count = if wanted.drop_last { self.len() / wanted.size } else { self.len().div_ceil(wanted.size) };
        count as u64
    }

    fn samples(&self) -> usize {
        self.len()
    }
}

impl<D: Epochs> Epochs for &D {
    type Batch = D::Batch;

    fn epoch(&self, wanted: Wanted) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>> {
        (**self).epoch(wanted)
    }

    fn batches_of(&self, wanted: Wanted) -> u64 {
        (**self).batches_of(wanted)
    }

    fn samples(&self) -> usize {
        (**self).samples()
    }
}

/// The number that [`Batches::shuffled`](super::Batches::shuffled) gets: with seed 0 the epoch's, as in a loop of one's own.
fn order_of(seed: u64, epoch: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(epoch)
}
