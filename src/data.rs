//! Data sets, of labelled images or of any samples with their targets: reading, splitting, batching; sequences of
//! unequal lengths: padding, grouping.
//!
//! | files | read by | what comes |
//! | --- | --- | --- |
//! | IDX, gzipped or not (MNIST) | [`Dataset::from_idx`], [`read_idx`] | images and labels; any array |
//! | `.npy`, `.npz` (NumPy) | [`read_npy`], [`Npz`] | arrays of any [`Number`]; [`write_npy`] and [`NpzWriter`] write them |
//! | CSV, gzipped or not | [`read_csv`], [`CsvOptions`] | a [`Table`], whose columns become arrays |
//! | Parquet | `Parquet`, of the feature `parquet` | columns of numbers as arrays; rows as samples of a [`Source`] |
//! | PNG, JPEG | `read_image`, of the feature `images` | `[channels, height, width]`, from 0 to 1 |
//!
//! No file makes a reader panic, or take more memory than some times its own size (what is compressed: 1032 times,
//! which is the most that deflate can do). Parquet is decoded by the crate of that name: its panics become errors, its
//! memory is its own matter.
//!
//! It knows neither models nor trainers; what it hands out are ndarray's arrays.

mod adapt;
pub mod augment;
mod batches;
mod csv;
mod epochs;
mod error;
mod idx;
#[cfg(feature = "images")]
mod images;
mod loader;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod random;
mod sample;
mod sampler;
mod samples;
mod sequences;
mod source;

use std::path::PathBuf;

use ndarray::{Array, Array1, ArrayD, ArrayView, Axis, Dimension};

pub use self::csv::{CsvOptions, Table, read_csv};
pub use crate::formats::element::Number;
pub use crate::formats::half::F16;
pub use adapt::{Cached, Concat, Length, Map, SourceExt, Subset, Zip};
pub use batches::Batches;
pub use epochs::{EpochRequest, TrainingData};
pub use error::DataError;
pub use idx::{Idx, IdxValues, read_idx};
#[cfg(feature = "images")]
pub use images::{Channels, ImageFolder, read_image, resize};
pub use loader::{BatchOf, Epoch, Loader, Position};
pub use npy::{read_npy, write_npy};
pub use npz::{Npz, NpzWriter};
#[cfg(feature = "parquet")]
pub use parquet::{Parquet, ParquetSource};
pub use random::Random;
pub use sample::{Sample, SampleAxes, Scalar};
pub use sampler::{RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler};
pub use samples::Samples;
pub use sequences::{BucketBatch, BucketBatches, Buckets, length_mask, pad_sequence};
pub use source::{FromFn, IntoSample, Pair, Source, source};

/// Samples with a target each: images with their classes, as [`Dataset::from_idx`] reads them, or arrays of any element type
/// and shape, [several](Samples) of them in tuples.
///
/// ```
/// use kiln::data::Dataset;
/// use ndarray::{Array1, Array2};
///
/// let points = Array2::from_shape_fn((100, 2), |(i, j)| (i * 2 + j) as f32);
/// let data = Dataset::new(points.into_dyn(), Array1::from_iter((0..100).map(|i| i % 3)))?;
/// let (train, test) = data.split(0.8, 7);
/// assert_eq!((train.len(), test.len()), (80, 20));
///
/// let sizes: Vec<usize> = train.batches(32).shuffled(1).map(|(x, _)| x.shape()[0]).collect();
/// assert_eq!(sizes, [32, 32, 16]);
/// assert_eq!(train.batches(32).drop_last().len(), 2);
///
/// // Two inputs, and numbers as targets: what a step takes that has `a: [N, 2], b: [N], y: [N, 1]`.
/// let [a, y] = [2, 1].map(|width| Array2::<f32>::ones((10, width)));
/// let data = Dataset::new((a, Array1::<i32>::zeros(10)), y)?;
/// for ((a, b), y) in data.batches(5) {
///     assert_eq!((a.dim(), b.len(), y.dim()), ((5, 2), 5, (5, 1)));
/// }
/// # Ok::<(), kiln::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<X = ArrayD<f32>, Y = Array1<i32>> {
    inputs: X,
    targets: Y,
    count: usize,
}

impl Dataset {
    /// Reads images and labels from two IDX files, gzipped or not, as MNIST and its relatives come: `[n, h, w]` bytes
    /// become f32 images `[n, 1, h, w]` from 0 to 1; `[n]` bytes become labels.
    ///
    /// Where there is no file of the name, one of the other names under which such files come is taken: with or without `.gz`, with
    /// `-idx3-ubyte` or `.idx3-ubyte`.
    ///
    /// # Errors
    /// [`DataError::NotFound`], which lists the names; those of [`read_idx`]; [`DataError::Kind`] if a file holds something else;
    /// [`DataError::CountsDiffer`].
    pub fn from_idx(images: impl Into<PathBuf>, labels: impl Into<PathBuf>) -> Result<Dataset, DataError> {
        let (images, labels) = (idx::find(images.into())?, idx::find(labels.into())?);
        let pixels = read_idx(&images)?.images(&images)?;
        let labels = read_idx(&labels)?.labels(&labels)?;
        Dataset::new(pixels.insert_axis(Axis(1)).into_dyn(), labels)
    }
}

impl<X: Samples, Y: Samples> Dataset<X, Y> {
    /// A data set of samples along the first axis of `inputs` and their targets: arrays of any element type, or tuples of
    /// arrays.
    ///
    /// # Errors
    /// [`DataError::CountsDiffer`], [`DataError::NoAxis`].
    pub fn new(inputs: X, targets: Y) -> Result<Dataset<X, Y>, DataError> {
        let count = samples::same(inputs.count()?, targets.count()?)?;
        // Batches copy whole rows.
        Ok(Dataset { inputs: inputs.in_row_major_order(), targets: targets.in_row_major_order(), count })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the samples are.
    pub fn inputs(&self) -> &X {
        &self.inputs
    }

    /// What their targets are.
    pub fn targets(&self) -> &Y {
        &self.targets
    }

    /// The samples at these positions, in this order.
    ///
    /// # Panics
    /// If a position is not below [`Dataset::len`].
    pub fn select(&self, positions: &[usize]) -> Dataset<X, Y> {
        let (inputs, targets) = (self.inputs.select(positions), self.targets.select(positions));
        Dataset { inputs, targets, count: positions.len() }
    }

    /// The first `count` samples (all, if there are fewer) and the rest, in their order.
    pub fn split_at(&self, count: usize) -> (Dataset<X, Y>, Dataset<X, Y>) {
        let order: Vec<usize> = (0..self.len()).collect();
        let (first, rest) = order.split_at(count.min(self.len()));
        (self.select(first), self.select(rest))
    }

    /// Two parts, drawn by chance: the first with this fraction of the samples (rounded; 0 to 1), the second with the
    /// rest. The same seed gives the same parts on every machine.
    ///
    /// # Panics
    /// If `fraction` is not from 0 to 1: a number of samples is for [`Dataset::split_at`].
    #[track_caller]
    pub fn split(&self, fraction: f64, seed: u64) -> (Dataset<X, Y>, Dataset<X, Y>) {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "the first part has {fraction} of the samples, which is not from 0 to 1; `split_at` takes a number of them"
        );
        let count = (self.len() as f64 * fraction).round() as usize;
        let order = permutation(self.len(), seed);
        (self.select(&order[..count]), self.select(&order[count..]))
    }

    /// The samples in batches of `size`, in their order; the last batch may be smaller, or be [left out](Batches::drop_last).
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn batches(&self, size: usize) -> Batches<'_, X, Y> {
        Batches::new(self, size)
    }
}

impl<T, D: Dimension, Y> Dataset<Array<T, D>, Y> {
    /// All samples, `[n, ..]`.
    pub fn images(&self) -> ArrayView<'_, T, D> {
        self.inputs.view()
    }
}

impl<X, T, D: Dimension> Dataset<X, Array<T, D>> {
    /// All targets, `[n, ..]`.
    pub fn labels(&self) -> ArrayView<'_, T, D> {
        self.targets.view()
    }
}

/// What decides on the order of an epoch: with seed 0 its number, as in a loop of one's own over [`Batches::shuffled`].
fn number_of_order(seed: u64, epoch: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(epoch)
}

/// The numbers below `count` in an order that the seed decides (Fisher and Yates).
fn permutation(count: usize, seed: u64) -> Vec<usize> {
    const STREAM: u32 = u32::from_be_bytes(*b"data");
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        let word = u64::from(kiln_rt::random::bits(seed, 0, STREAM, place as u64));
        order.swap(place, ((word * (place as u64 + 1)) >> 32) as usize);
    }
    order
}
