//! Data sets of labelled images: reading, splitting, batching. It knows neither models nor trainers;
//! what it hands out are ndarray's arrays.

mod batches;
mod idx;

use std::path::PathBuf;

use kiln_rt::random;
use ndarray::{Array1, ArrayD, ArrayView1, ArrayViewD, Axis};

pub use batches::Batches;
pub use idx::{Idx, IdxValues, read_idx};

/// Why data could not be read or put together. Every variant names the file or the data set, what was
/// expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system (or the gzip decoder) says.
        source: std::io::Error,
    },
    /// The file does not start like an IDX file: two zero bytes, a known element type, the number of axes.
    #[error("{} is no IDX file: it starts with {found:02x?}, expected 00 00, an element type (08, 09, 0b, 0c, 0d or 0e) and the number of axes", path.display())]
    NotIdx {
        /// The file.
        path: PathBuf,
        /// Its first bytes, at most four.
        found: Vec<u8>,
    },
    /// The file ends before its last element, or goes on after it.
    #[error("{} holds {found} bytes of data, but its header announces {expected} ({shape:?}): is the download complete?", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The extents that the header gives.
        shape: Vec<usize>,
        /// Bytes that these extents take.
        expected: u64,
        /// Bytes after the header.
        found: u64,
    },
    /// The file holds other data than was asked for: labels for images, for example.
    #[error("{} holds {found}, expected {expected}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        expected: &'static str,
        /// The element type and the extents found.
        found: String,
    },
    /// There are more images than labels, or the reverse.
    #[error("there are {images} images but {labels} labels")]
    CountsDiffer {
        /// The number of images.
        images: usize,
        /// The number of labels.
        labels: usize,
    },
}

/// Images (or any samples) with a class label each.
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
/// # Ok::<(), kiln::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    images: ArrayD<f32>,
    labels: Array1<i32>,
}

impl Dataset {
    /// A data set of samples along the first axis of `images` and their labels.
    ///
    /// # Errors
    /// [`DataError::CountsDiffer`].
    pub fn new(images: ArrayD<f32>, labels: Array1<i32>) -> Result<Dataset, DataError> {
        let count = images.shape().first().copied().unwrap_or(0);
        if count != labels.len() {
            return Err(DataError::CountsDiffer { images: count, labels: labels.len() });
        }
        // Batches copy whole rows.
        let images = images.as_standard_layout().into_owned();
        Ok(Dataset { images, labels: labels.as_standard_layout().into_owned() })
    }

    /// Reads images and labels from two IDX files, gzipped or not, as MNIST and its relatives come: `[n, h, w]` bytes
    /// become f32 images `[n, 1, h, w]` from 0 to 1; `[n]` bytes become labels.
    ///
    /// # Errors
    /// Those of [`read_idx`], [`DataError::Kind`] if a file holds something else, [`DataError::CountsDiffer`].
    pub fn from_idx(images: impl Into<PathBuf>, labels: impl Into<PathBuf>) -> Result<Dataset, DataError> {
        let (images, labels) = (images.into(), labels.into());
        let pixels = read_idx(&images)?.images(&images)?;
        let labels = read_idx(&labels)?.labels(&labels)?;
        Dataset::new(pixels.insert_axis(Axis(1)).into_dyn(), labels)
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All samples, `[n, ..]`.
    pub fn images(&self) -> ArrayViewD<'_, f32> {
        self.images.view()
    }

    /// All labels, `[n]`.
    pub fn labels(&self) -> ArrayView1<'_, i32> {
        self.labels.view()
    }

    /// The samples at these positions, in this order.
    ///
    /// # Panics
    /// If a position is not below [`Dataset::len`].
    pub fn select(&self, positions: &[usize]) -> Dataset {
        Dataset { images: self.images.select(Axis(0), positions), labels: self.labels.select(Axis(0), positions) }
    }

    /// The first `count` samples (all, if there are fewer) and the rest, in their order.
    pub fn split_at(&self, count: usize) -> (Dataset, Dataset) {
        let order: Vec<usize> = (0..self.len()).collect();
        let (first, rest) = order.split_at(count.min(self.len()));
        (self.select(first), self.select(rest))
    }

    /// Two parts, drawn by chance: the first with this fraction of the samples (rounded; 0 to 1), the second with the
    /// rest. The same seed gives the same parts on every machine.
    pub fn split(&self, fraction: f64, seed: u64) -> (Dataset, Dataset) {
        let count = (self.len() as f64 * fraction.clamp(0.0, 1.0)).round() as usize;
        let order = permutation(self.len(), seed);
        (self.select(&order[..count]), self.select(&order[count..]))
    }

    /// The samples in batches of `size`, in their order; the last batch may be smaller.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn batches(&self, size: usize) -> Batches<'_> {
        Batches::new(self, size)
    }
}

/// The numbers below `count` in an order that the seed decides (Fisher and Yates).
fn permutation(count: usize, seed: u64) -> Vec<usize> {
    const STREAM: u32 = u32::from_be_bytes(*b"data");
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        let word = u64::from(random::bits(seed, 0, STREAM, place as u64));
        order.swap(place, ((word * (place as u64 + 1)) >> 32) as usize);
    }
    order
}
