//! Batches of a data set, in order or shuffled, in buffers that are used again. The data lie in memory: files, threads
//! and functions of samples are the loader's.

use ndarray::{Array1, ArrayD};

use super::samples::{Rows, Samples};
use super::{Dataset, permutation};

/// An iterator over the batches of a [`Dataset`]: `(inputs [batch, ..], targets [batch, ..])`, tuples of arrays where the data set
/// holds such.
///
/// The arrays are shared: as long as each batch is dropped before the next is asked for (as in a `for` loop), all batches
/// use one buffer and nothing is allocated after the first. A batch that is kept keeps its own data.
#[derive(Clone, Debug)]
pub struct Batches<'a, X: Samples = ArrayD<f32>, Y: Samples = Array1<i32>> {
    data: &'a Dataset<X, Y>,
    size: usize,
    order: Option<Vec<usize>>,
    drop_last: bool,
    next: usize,
    inputs: X::Batch,
    targets: Y::Batch,
}

impl<'a, X: Samples, Y: Samples> Batches<'a, X, Y> {
    pub(super) fn new(data: &'a Dataset<X, Y>, size: usize) -> Batches<'a, X, Y> {
        assert!(size > 0, "a batch holds at least one sample");
        let rows = size.min(data.len());
        let (inputs, targets) = (data.inputs.buffer(rows), data.targets.buffer(rows));
        Batches { data, size, order: None, drop_last: false, next: 0, inputs, targets }
    }

    /// Puts the samples in a random order, which this number alone decides: pass the epoch.
    pub fn shuffled(mut self, epoch: u64) -> Batches<'a, X, Y> {
        self.order = Some(permutation(self.data.len(), epoch));
        self
    }

    /// Leaves out the last batch if it is smaller than the others, as PyTorch's `drop_last = True` does: a batch of one sample can
    /// not be normalized by [`BatchNorm1d`](crate::layers::BatchNorm1d), and each other size is a program of its own. Of fewer
    /// samples than a batch takes nothing is left. With [`Batches::shuffled`] other samples are left out in each epoch.
    pub fn drop_last(mut self) -> Batches<'a, X, Y> {
        self.drop_last = true;
        self
    }
}

impl<X: Samples, Y: Samples> Iterator for Batches<'_, X, Y> {
    type Item = (X::Batch, Y::Batch);

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.size.min(self.data.len() - self.next);
        if count == 0 || (self.drop_last && count < self.size) {
            return None;
        }
        let start = self.next;
        self.next += count;
        let rows = Rows { start, count, order: self.order.as_deref().map(|order| &order[start..start + count]) };
        Some((self.data.inputs.fill(&mut self.inputs, rows), self.data.targets.fill(&mut self.targets, rows)))
    }

    /// Passes over batches without copying them.
    fn nth(&mut self, count: usize) -> Option<Self::Item> {
        self.next = self.next.saturating_add(count.saturating_mul(self.size)).min(self.data.len());
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let samples = self.data.len() - self.next;
        let left = if self.drop_last { samples / self.size } else { samples.div_ceil(self.size) };
        (left, Some(left))
    }
}

impl<X: Samples, Y: Samples> ExactSizeIterator for Batches<'_, X, Y> {}
