//! What a data set is made of: arrays with the samples along their first axis, or several of them. Knows neither
//! batches' sizes nor their order.

use ndarray::{ArcArray, Array, Axis, Slice};

use super::sample::SampleAxes;
use super::{DataError, Sample, Scalar};

/// Samples along the first axis of an array of any element type and number of axes, or of several arrays in a tuple (of up to
/// four): the inputs of a step that has several, for example.
pub trait Samples: Clone {
    /// What one of them is: of an array with one axis a number, of another one an array of one axis fewer; a tuple of them for a
    /// tuple.
    type Sample: Sample<Batch = Self::Batch>;

    /// What a batch of them is: arrays that share their memory, a tuple of them for a tuple.
    type Batch: Clone + Send + 'static;

    /// The number of samples.
    ///
    /// # Errors
    /// [`DataError::NoAxis`] for an array without axes, [`DataError::CountsDiffer`] where the arrays of a tuple differ.
    fn count(&self) -> Result<usize, DataError>;

    /// The samples at these positions, in this order.
    ///
    /// # Panics
    /// If there is no such position.
    fn select(&self, positions: &[usize]) -> Self;

    /// The sample at a position.
    ///
    /// # Panics
    /// If there is no such position.
    fn sample(&self, position: usize) -> Self::Sample;

    /// The same in the memory of an earlier one.
    #[doc(hidden)]
    fn read(&self, position: usize, to: &mut Self::Sample);

    /// Copies the sample at a position into a row of a batch, if the batch is of such samples; whether it is.
    #[doc(hidden)]
    fn write(&self, position: usize, batch: &mut Self::Batch, row: usize) -> bool;

    /// The same in row-major order, in which batches can be copied.
    #[doc(hidden)]
    fn in_row_major_order(self) -> Self;

    /// Memory for a batch of so many samples.
    #[doc(hidden)]
    fn buffer(&self, count: usize) -> Self::Batch;

    /// Copies samples into the memory of a batch; the batch, which shares it.
    #[doc(hidden)]
    fn fill(&self, buffer: &mut Self::Batch, rows: Rows<'_>) -> Self::Batch;
}

/// Which samples make a batch: those at the positions of `order`, else `count` from `start` on.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub start: usize,
    pub count: usize,
    pub order: Option<&'a [usize]>,
}

/// The number of samples of two parts, which must be the same.
pub(super) fn same(first: usize, second: usize) -> Result<usize, DataError> {
    if first == second { Ok(first) } else { Err(DataError::CountsDiffer { images: first, labels: second }) }
}

impl<T: Scalar, D: SampleAxes> Samples for Array<T, D> {
    type Sample = D::Sample<T>;
    type Batch = ArcArray<T, D>;

    fn count(&self) -> Result<usize, DataError> {
        self.shape().first().copied().ok_or(DataError::NoAxis)
    }

    fn select(&self, positions: &[usize]) -> Array<T, D> {
        (**self).select(Axis(0), positions)
    }

    fn sample(&self, position: usize) -> D::Sample<T> {
        D::sample(self, position)
    }

    fn read(&self, position: usize, to: &mut D::Sample<T>) {
        D::read(self, position, to);
    }

    fn write(&self, position: usize, batch: &mut ArcArray<T, D>, row: usize) -> bool {
        let width = self.len() / self.len_of(Axis(0)).max(1);
        let alike = self.shape()[1..] == batch.shape()[1..];
        match (self.as_slice(), batch.as_slice_mut()) {
            (Some(from), Some(to)) if alike => {
                to[row * width..][..width].copy_from_slice(&from[position * width..][..width]);
                true
            }
            _ => false,
        }
    }

    fn in_row_major_order(self) -> Array<T, D> {
        if self.is_standard_layout() { self } else { self.as_standard_layout().into_owned() }
    }

    fn buffer(&self, count: usize) -> ArcArray<T, D> {
        let mut shape = self.raw_dim();
        shape[0] = count;
        ArcArray::from_elem(shape, T::default())
    }

    /// Whole rows are copied at once, which is fast in debug builds too.
    fn fill(&self, buffer: &mut ArcArray<T, D>, rows: Rows<'_>) -> ArcArray<T, D> {
        let width = self.len() / self.len_of(Axis(0)).max(1);
        let from = self.as_slice().expect("a data set is in row-major order");
        let to = buffer.as_slice_mut().expect("a buffer is in row-major order");
        for row in 0..rows.count {
            let place = rows.order.map_or(rows.start + row, |order| order[row]);
            to[row * width..][..width].copy_from_slice(&from[place * width..][..width]);
        }
        let mut batch = buffer.clone();
        batch.slice_axis_inplace(Axis(0), Slice::from(..rows.count));
        batch
    }
}

/// Tuples, by the names and the places of their parts.
macro_rules! several {
    ($(($first:ident, $($part:ident $place:tt),*);)*) => {$(
        impl<$first: Samples, $($part: Samples),*> Samples for ($first, $($part),*) {
            type Sample = ($first::Sample, $($part::Sample),*);
            type Batch = ($first::Batch, $($part::Batch),*);

            fn count(&self) -> Result<usize, DataError> {
                let count = self.0.count()?;
                $(same(count, self.$place.count()?)?;)*
                Ok(count)
            }

            fn select(&self, positions: &[usize]) -> Self {
                (self.0.select(positions), $(self.$place.select(positions)),*)
            }

            fn sample(&self, position: usize) -> Self::Sample {
                (self.0.sample(position), $(self.$place.sample(position)),*)
            }

            fn read(&self, position: usize, to: &mut Self::Sample) {
                self.0.read(position, &mut to.0);
                $(self.$place.read(position, &mut to.$place);)*
            }

            fn write(&self, position: usize, batch: &mut Self::Batch, row: usize) -> bool {
                self.0.write(position, &mut batch.0, row) $(&& self.$place.write(position, &mut batch.$place, row))*
            }

            fn in_row_major_order(self) -> Self {
                (self.0.in_row_major_order(), $(self.$place.in_row_major_order()),*)
            }

            fn buffer(&self, count: usize) -> Self::Batch {
                (self.0.buffer(count), $(self.$place.buffer(count)),*)
            }

            fn fill(&self, buffer: &mut Self::Batch, rows: Rows<'_>) -> Self::Batch {
                (self.0.fill(&mut buffer.0, rows), $(self.$place.fill(&mut buffer.$place, rows)),*)
            }
        }
    )*};
}

several! {
    (A, B 1);
    (A, B 1, C 2);
    (A, B 1, C 2, D 3);
}
