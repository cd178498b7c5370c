//! Batches of a data set, in order or shuffled, in buffers that are used again.

use ndarray::{ArcArray, ArcArray1, Array, Axis, Dimension, IxDyn, RemoveAxis, Slice};

use super::{Dataset, permutation};

/// An iterator over the batches of a [`Dataset`]: `(images [batch, ..], labels [batch])`.
///
/// The arrays are shared: as long as each batch is dropped before the next is asked for (as in a `for` loop), all batches
/// use one buffer and nothing is allocated after the first. A batch that is kept keeps its own data.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    data: &'a Dataset,
    size: usize,
    order: Option<Vec<usize>>,
    next: usize,
    images: ArcArray<f32, IxDyn>,
    labels: ArcArray1<i32>,
}

impl<'a> Batches<'a> {
    pub(super) fn new(data: &'a Dataset, size: usize) -> Batches<'a> {
        assert!(size > 0, "a batch holds at least one sample");
        let rows = size.min(data.len());
        let mut shape = data.images.raw_dim();
        shape[0] = rows;
        Batches { data, size, order: None, next: 0, images: ArcArray::zeros(shape), labels: ArcArray::zeros(rows) }
    }

    /// Puts the samples in a random order, which this number alone decides: pass the epoch.
    pub fn shuffled(mut self, epoch: u64) -> Batches<'a> {
        self.order = Some(permutation(self.data.len(), epoch));
        self
    }
}

impl Iterator for Batches<'_> {
    type Item = (ArcArray<f32, IxDyn>, ArcArray1<i32>);

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.size.min(self.data.len() - self.next);
        if rows == 0 {
            return None;
        }
        let places = self.next..self.next + rows;
        self.next += rows;
        let order = self.order.as_deref().map(|order| &order[places.clone()]);
        let images = fill(&mut self.images, &self.data.images, places.start, order, rows);
        let labels = fill(&mut self.labels, &self.data.labels, places.start, order, rows);
        Some((images, labels))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.data.len() - self.next).div_ceil(self.size);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches<'_> {}

/// Copies `rows` rows of `from` into the buffer: those of `order`, or those from `start` on. Both are in row-major order,
/// so that whole rows are copied at once, which is fast in debug builds too.
fn fill<T: Copy, D: Dimension + RemoveAxis>(
    buffer: &mut ArcArray<T, D>,
    from: &Array<T, D>,
    start: usize,
    order: Option<&[usize]>,
    rows: usize,
) -> ArcArray<T, D> {
    let width = from.len() / from.len_of(Axis(0));
    let from = from.as_slice().expect("a data set is in row-major order");
    let to = buffer.as_slice_mut().expect("a buffer is in row-major order");
    for row in 0..rows {
        let place = order.map_or(start + row, |order| order[row]);
        to[row * width..][..width].copy_from_slice(&from[place * width..][..width]);
    }
    let mut batch = buffer.clone();
    batch.slice_axis_inplace(Axis(0), Slice::from(..rows));
    batch
}
