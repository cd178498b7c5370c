//! Sources of sources: other samples, fewer, more, kept ones, in parts. Knows neither batches nor order.

mod cached;
mod combined;
mod mapped;
mod parts;
mod subset;

pub use cached::Cached;
pub use combined::{Concat, Zip};
pub use mapped::Map;
pub use parts::Length;
pub use subset::Subset;

use super::augment::{Augment, Augmented, Image};
use super::source::Pair;
use super::{DataError, IntoSample, Source};

/// What makes sources of sources, as an iterator's methods make iterators. All of it is lazy, but for what says that it
/// reads samples; parts of a source share it.
///
/// ```
/// use kiln::prelude::*;
/// use kiln::data::source;
/// use ndarray::array;
///
/// let numbers = source(100, |index| (array![index as f32], index % 3));
/// let scaled = numbers.map(|(x, class)| (x / 100.0, class)).cache();
/// let [train, valid] = scaled.stratified_split([0.8, 0.2], 42)?;
/// assert_eq!((train.len(), valid.len()), (80, 20));
///
/// let zeros = valid.filter(|(_, class)| *class == 0)?;
/// assert_eq!(zeros.len(), 7);
/// # Ok::<(), DataError>(())
/// ```
pub trait SourceExt: Source + Sized {
    /// The samples that a function makes of these: `|(input, target)| (input, target)`, or a `Result` of it.
    fn map<R: IntoSample, F: Fn(Pair<Self>) -> R + Send + Sync>(self, f: F) -> Map<Self, F> {
        Map::new(self, f)
    }

    /// The samples of which a function says so. It is asked now, of each sample, so that the number of samples is
    /// known.
    ///
    /// # Errors
    /// [`DataError::Sample`] for one that can not be had.
    fn filter(self, keep: impl Fn(&Pair<Self>) -> bool) -> Result<Subset<Self>, DataError> {
        let mut sample = None;
        let mut indices = Vec::new();
        for index in 0..self.len() {
            self.read(index, 0, &mut sample).map_err(|error| error.of_sample(index))?;
            if sample.as_ref().is_some_and(&keep) {
                indices.push(index);
            }
        }
        self.subset(indices)
    }

    /// The samples of two sources of equal length, pair by pair: `((a, b), (target of a, target of b))`.
    ///
    /// # Errors
    /// [`DataError::CountsDiffer`].
    fn zip<B: Source>(self, other: B) -> Result<Zip<Self, B>, DataError> {
        Zip::new(self, other)
    }

    /// The samples of this source, then those of another one. PyTorch's `ConcatDataset`.
    fn concat<B: Source<Input = Self::Input, Target = Self::Target>>(self, other: B) -> Concat<Self, B> {
        Concat::new(self, other)
    }

    /// The samples of these indices, in this order; one may come several times. PyTorch's `Subset`.
    ///
    /// # Errors
    /// [`DataError::NoSample`].
    fn subset(self, indices: impl Into<Vec<usize>>) -> Result<Subset<Self>, DataError> {
        Subset::new(self, indices.into())
    }

    /// The first samples: all, if there are fewer.
    fn take(self, count: usize) -> Subset<Self> {
        let end = count.min(self.len());
        Subset::known(self, (0..end).collect())
    }

    /// All but the first samples.
    fn skip(self, count: usize) -> Subset<Self> {
        let (start, end) = (count.min(self.len()), self.len());
        Subset::known(self, (start..end).collect())
    }

    /// Keeps each sample in memory once it was read: put it behind what is slow (decoding) and before what is random.
    /// (Of a source that draws random numbers it keeps what [`Source::sample`] gives.)
    fn cache(self) -> Cached<Self> {
        Cached::new(self)
    }

    /// Parts drawn by chance, of these sizes (`[50_000, 10_000]`, which add up to the number of samples) or fractions
    /// (`[0.8, 0.2]`, which add up to 1; sizes are rounded down, and what is left over goes to the first parts, one
    /// each). PyTorch's `random_split`. The same seed gives the same parts on every machine.
    ///
    /// # Errors
    /// [`DataError::Split`].
    fn random_split<L: Length, const N: usize>(
        self,
        lengths: [L; N],
        seed: u64,
    ) -> Result<[Subset<Self>; N], DataError> {
        parts::random(self, lengths, seed)
    }

    /// As [`SourceExt::random_split`], where the samples of each class are spread over the parts in proportion to their
    /// lengths, to within one sample at each end of a part. Reads all targets.
    ///
    /// # Errors
    /// [`DataError::Split`]; [`DataError::Sample`] for a target that can not be had.
    fn stratified_split<L: Length, const N: usize>(
        self,
        lengths: [L; N],
        seed: u64,
    ) -> Result<[Subset<Self>; N], DataError>
    where
        Self::Target: Ord,
    {
        parts::stratified(self, lengths, seed)
    }

    /// Images that are changed at random each time that they are read, by several steps in a tuple or a vector: see
    /// [`augment`](super::augment).
    fn augment<A: Augment>(self, steps: A) -> Augmented<Self, A>
    where
        Self::Input: Image,
    {
        Augmented::new(self, steps)
    }
}

impl<S: Source> SourceExt for S {}

/// All targets, in order.
pub(super) fn targets<S: Source>(source: &S) -> Result<Vec<S::Target>, DataError> {
    (0..source.len()).map(|index| source.target(index).map_err(|error| error.of_sample(index))).collect()
}
