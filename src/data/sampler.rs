//! In which order samples come: as they are, shuffled, or drawn by weights. Knows no samples, only how many there are.

use super::adapt::targets;
use super::{DataError, Random, Source, number_of_order, permutation};

/// Decides which samples an epoch has, and in which order. PyTorch's `Sampler`.
pub trait Sampler: Send + Sync {
    /// How many samples an epoch has, of a source with `samples`.
    fn count(&self, samples: usize) -> usize;

    /// Their indices; nothing but the arguments decides on them.
    ///
    /// # Errors
    /// Where the sampler is not for a source of so many samples.
    fn order(&self, samples: usize, epoch: u64) -> Result<Vec<usize>, DataError>;
}

/// All samples, in their own order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequentialSampler;

impl Sampler for SequentialSampler {
    fn count(&self, samples: usize) -> usize {
        samples
    }

    fn order(&self, samples: usize, _: u64) -> Result<Vec<usize>, DataError> {
        Ok((0..samples).collect())
    }
}

/// All samples, in another order each epoch, which the seed decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomSampler {
    seed: u64,
}

impl RandomSampler {
    /// The orders of a seed; of seed 0 those of [`Batches::shuffled`](super::Batches::shuffled).
    pub fn new(seed: u64) -> RandomSampler {
        RandomSampler { seed }
    }
}

impl Sampler for RandomSampler {
    fn count(&self, samples: usize) -> usize {
        samples
    }

    fn order(&self, samples: usize, epoch: u64) -> Result<Vec<usize>, DataError> {
        Ok(permutation(samples, number_of_order(self.seed, epoch)))
    }
}

/// Samples drawn by their weights, with replacement: PyTorch's `WeightedRandomSampler`.
///
/// ```
/// use kiln::data::{Loader, WeightedRandomSampler, source};
/// use ndarray::array;
///
/// // One of ten samples is of class 1.
/// let rare = source(1000, |index| (array![index as f32], i32::from(index % 10 == 0)));
/// let sampler = WeightedRandomSampler::balanced(&rare, 7)?;
/// let mut ones = 0;
/// for batch in Loader::new(rare).batch(50).sampler(sampler).epoch(0) {
///     let (_, classes) = batch?;
///     ones += classes.iter().filter(|class| **class == 1).count();
/// }
/// assert!((450..550).contains(&ones));
/// # Ok::<(), kiln::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedRandomSampler {
    /// The sum of the weights up to each sample, that one's included.
    sums: Vec<f64>,
    count: usize,
    seed: u64,
}

impl WeightedRandomSampler {
    /// Draws `count` samples an epoch, sample `i` with a probability in proportion to `weights[i]`.
    ///
    /// # Errors
    /// [`DataError::Weights`].
    pub fn new(weights: &[f64], count: usize, seed: u64) -> Result<WeightedRandomSampler, DataError> {
        if let Some(place) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            return Err(DataError::Weights { reason: format!("weight {place} is {}", weights[place]) });
        }
        let mut sum = 0.0;
        let mut up_to = |weight: &f64| {
            sum += weight;
            sum
        };
        let sums: Vec<f64> = weights.iter().map(&mut up_to).collect();
        if !(sum > 0.0 && sum.is_finite()) {
            return Err(DataError::Weights { reason: format!("the sum of {} weights is {sum}", weights.len()) });
        }
        Ok(WeightedRandomSampler { sums, count, seed })
    }

    /// Draws as many samples as the source has, of each class (each different target) as many as of the others, on
    /// average. Reads all targets.
    ///
    /// # Errors
    /// [`DataError::Sample`] for a target that can not be had; [`DataError::Weights`] of a source without samples.
    pub fn balanced<S: Source>(source: &S, seed: u64) -> Result<WeightedRandomSampler, DataError>
    where
        S::Target: Ord,
    {
        let classes = targets(source)?;
        let mut sorted: Vec<&S::Target> = classes.iter().collect();
        sorted.sort_unstable();
        let size = |class: &S::Target| {
            let start = sorted.partition_point(|other| *other < class);
            sorted[start..].partition_point(|other| *other == class)
        };
        let weights: Vec<f64> = classes.iter().map(|class| 1.0 / size(class) as f64).collect();
        WeightedRandomSampler::new(&weights, classes.len(), seed)
    }
}

impl Sampler for WeightedRandomSampler {
    fn count(&self, _: usize) -> usize {
        self.count
    }

    fn order(&self, samples: usize, epoch: u64) -> Result<Vec<usize>, DataError> {
        let (weights, Some(sum)) = (self.sums.len(), self.sums.last().copied()) else {
            return Err(DataError::Weights { reason: "there is no weight".to_owned() });
        };
        if weights != samples {
            return Err(DataError::Weights { reason: format!("there are {weights} weights, but {samples} samples") });
        }
        // No sample has this index.
        let mut random = Random::new(self.seed, epoch, u64::MAX);
        // The last sample of a weight: rounding may reach the whole sum.
        let last = self.sums.partition_point(|&before| before < sum);
        let drawn = (0..self.count).map(|_| {
            let point = random.uniform() * sum;
            self.sums.partition_point(|&before| before <= point).min(last)
        });
        Ok(drawn.collect())
    }
}
