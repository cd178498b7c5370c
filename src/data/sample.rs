//! What one sample is made of: numbers, arrays, tuples of these; and how samples become a batch. Knows neither sources
//! nor order.

use ndarray::{ArcArray, Array, ArrayView, Axis, Dimension, RemoveAxis, Slice};

/// An element type of samples: a number or `bool`. For another one: `impl Scalar for Mine {}`.
pub trait Scalar: Copy + Default + Send + Sync + 'static {}

macro_rules! scalars {
    ($($ty:ty)*) => {$(
        impl Scalar for $ty {}
    )*};
}

scalars! { f32 f64 u8 u16 u32 u64 usize i8 i16 i32 i64 isize bool super::F16 }

/// The input or the target of one sample: a [`Scalar`], an array of any number of axes, or a tuple of up to four of
/// these.
///
/// ```
/// use kiln::data::Sample;
/// use ndarray::{ArcArray1, ArcArray2, Array1, array};
///
/// fn batch<S: Sample>(samples: &[S]) -> S::Batch {
///     let mut batch = samples[0].batch(samples.len());
///     for (row, sample) in samples.iter().enumerate() {
///         assert!(sample.write(&mut batch, row));
///     }
///     batch
/// }
///
/// let labels: ArcArray1<i32> = batch(&[3, 4]);
/// assert_eq!(labels, array![3, 4]);
/// let several: (ArcArray2<f32>, ArcArray1<bool>) = batch(&[(array![1.0, 2.0], true), (array![3.0, 4.0], false)]);
/// assert_eq!(several.0, array![[1.0, 2.0], [3.0, 4.0]]);
/// ```
pub trait Sample: Clone + Send + Sync + 'static {
    /// What a batch of them is: an array with the samples along its first axis, which shares its memory; a tuple of
    /// such for a tuple.
    type Batch: Clone + Send + 'static;

    /// Becomes a copy of another one, in its own memory where that has the size.
    fn copy_from(&mut self, other: &Self);

    /// Memory for a batch of so many samples of this shape.
    fn batch(&self, count: usize) -> Self::Batch;

    /// Copies the sample into a row of a batch, if the batch is of samples of its shape; whether it is.
    ///
    /// # Panics
    /// If the batch has no such row.
    fn write(&self, batch: &mut Self::Batch, row: usize) -> bool;

    /// The first samples of a batch, which share its memory.
    fn first(batch: &Self::Batch, count: usize) -> Self::Batch;

    /// The shape, as errors show it: `[3, 32, 32]`, `[]` for a number.
    fn shown(&self) -> String;

    /// The shape of a batch's samples, as errors show it.
    fn shown_of(batch: &Self::Batch) -> String;
}

impl<T: Scalar> Sample for T {
    type Batch = ArcArray<T, ndarray::Ix1>;

    fn copy_from(&mut self, other: &T) {
        *self = *other;
    }

    fn batch(&self, count: usize) -> Self::Batch {
        ArcArray::from_elem(count, T::default())
    }

    fn write(&self, batch: &mut Self::Batch, row: usize) -> bool {
        batch[row] = *self;
        true
    }

    fn first(batch: &Self::Batch, count: usize) -> Self::Batch {
        rows(batch, count)
    }

    fn shown(&self) -> String {
        "[]".to_owned()
    }

    fn shown_of(_: &Self::Batch) -> String {
        "[]".to_owned()
    }
}

impl<T: Scalar, D: Dimension + 'static> Sample for Array<T, D> {
    type Batch = ArcArray<T, D::Larger>;

    fn copy_from(&mut self, other: &Array<T, D>) {
        if self.shape() != other.shape() {
            self.clone_from(other);
            return;
        }
        match self.as_slice_mut() {
            Some(to) => copy(other.view(), to),
            None => self.assign(other),
        }
    }

    fn batch(&self, count: usize) -> Self::Batch {
        let mut shape = self.raw_dim().insert_axis(Axis(0));
        shape[0] = count;
        ArcArray::from_elem(shape, T::default())
    }

    fn write(&self, batch: &mut Self::Batch, row: usize) -> bool {
        if batch.shape()[1..] != *self.shape() {
            return false;
        }
        let to = batch.as_slice_mut().expect("a batch is in row-major order");
        copy(self.view(), &mut to[row * self.len()..][..self.len()]);
        true
    }

    fn first(batch: &Self::Batch, count: usize) -> Self::Batch {
        rows(batch, count)
    }

    fn shown(&self) -> String {
        format!("{:?}", self.shape())
    }

    fn shown_of(batch: &Self::Batch) -> String {
        format!("{:?}", &batch.shape()[1..])
    }
}

/// Copies elements in row-major order; those that are in it at once, which is fast in debug builds too.
fn copy<T: Copy, D: Dimension>(from: ArrayView<'_, T, D>, to: &mut [T]) {
    match from.as_slice() {
        Some(from) => to.copy_from_slice(from),
        None => to.iter_mut().zip(&from).for_each(|(to, from)| *to = *from),
    }
}

/// The first rows of an array, which share its memory.
fn rows<T, D: Dimension>(batch: &ArcArray<T, D>, count: usize) -> ArcArray<T, D> {
    let mut batch = batch.clone();
    batch.slice_axis_inplace(Axis(0), Slice::from(..count));
    batch
}

/// Tuples, by the names and the places of their parts.
macro_rules! several {
    ($(($($part:ident $place:tt),*);)*) => {$(
        impl<$($part: Sample),*> Sample for ($($part,)*) {
            type Batch = ($($part::Batch,)*);

            fn copy_from(&mut self, other: &Self) {
                $(self.$place.copy_from(&other.$place);)*
            }

            fn batch(&self, count: usize) -> Self::Batch {
                ($(self.$place.batch(count),)*)
            }

            fn write(&self, batch: &mut Self::Batch, row: usize) -> bool {
                $(self.$place.write(&mut batch.$place, row))&&*
            }

            fn first(batch: &Self::Batch, count: usize) -> Self::Batch {
                ($($part::first(&batch.$place, count),)*)
            }

            fn shown(&self) -> String {
                format!("({})", [$(self.$place.shown()),*].join(", "))
            }

            fn shown_of(batch: &Self::Batch) -> String {
                format!("({})", [$($part::shown_of(&batch.$place)),*].join(", "))
            }
        }
    )*};
}

several! {
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
}

/// The axes of an array with the samples along the first: what one sample is then.
pub trait SampleAxes: Dimension + RemoveAxis + 'static {
    /// A number of an array with one axis, else an array of one axis fewer.
    type Sample<T: Scalar>: Sample<Batch = ArcArray<T, Self>>;

    /// A sample.
    ///
    /// # Panics
    /// If there is no such row.
    fn sample<T: Scalar>(rows: &Array<T, Self>, row: usize) -> Self::Sample<T>;

    /// The same in the memory of an earlier one.
    ///
    /// # Panics
    /// If there is no such row.
    fn read<T: Scalar>(rows: &Array<T, Self>, row: usize, to: &mut Self::Sample<T>);
}

impl SampleAxes for ndarray::Ix1 {
    type Sample<T: Scalar> = T;

    fn sample<T: Scalar>(rows: &Array<T, Self>, row: usize) -> T {
        rows[row]
    }

    fn read<T: Scalar>(rows: &Array<T, Self>, row: usize, to: &mut T) {
        *to = rows[row];
    }
}

macro_rules! axes {
    ($($from:ident $to:ident;)*) => {$(
        impl SampleAxes for ndarray::$from {
            type Sample<T: Scalar> = Array<T, ndarray::$to>;

            fn sample<T: Scalar>(rows: &Array<T, Self>, row: usize) -> Self::Sample<T> {
                rows.index_axis(Axis(0), row).to_owned()
            }

            fn read<T: Scalar>(rows: &Array<T, Self>, row: usize, to: &mut Self::Sample<T>) {
                let width = to.len();
                match (rows.as_slice(), to.shape() == &rows.shape()[1..], to.as_slice_mut()) {
                    (Some(from), true, Some(to)) => to.copy_from_slice(&from[row * width..][..width]),
                    _ => *to = Self::sample(rows, row),
                }
            }
        }
    )*};
}

axes! {
    Ix2 Ix1;
    Ix3 Ix2;
    Ix4 Ix3;
    Ix5 Ix4;
    Ix6 Ix5;
    IxDyn IxDyn;
}
