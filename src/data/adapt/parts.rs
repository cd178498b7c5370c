//! Splitting a source into parts, by chance, or so that each has its share of each class. It deals out indices and
//! reads targets alone.

use std::fmt::Debug;
use std::sync::Arc;

use super::{Subset, targets};
use crate::data::{DataError, Source, permutation};

/// How long a part is: a number of samples, or a fraction of them.
pub trait Length: Copy + Debug {
    /// The sizes of parts that make up so many samples, if these do.
    #[doc(hidden)]
    fn sizes(lengths: &[Self], count: usize) -> Option<Vec<usize>>;
}

impl Length for usize {
    fn sizes(lengths: &[usize], count: usize) -> Option<Vec<usize>> {
        let sum = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length))?;
        (sum == count).then(|| lengths.to_vec())
    }
}

impl Length for f64 {
    fn sizes(lengths: &[f64], count: usize) -> Option<Vec<usize>> {
        let sum: f64 = lengths.iter().sum();
        if !lengths.iter().all(|length| *length >= 0.0) || (sum - 1.0).abs() > 1e-9 {
            return None;
        }
        let mut sizes: Vec<usize> = lengths.iter().map(|length| (count as f64 * length).floor() as usize).collect();
        // The sums of fractions such as 0.7, 0.2 and 0.1 are not quite whole.
        let left = count.checked_sub(sizes.iter().sum())?;
        (0..left).for_each(|place| sizes[place % lengths.len()] += 1);
        Some(sizes)
    }
}

pub fn random<S: Source, L: Length, const N: usize>(
    source: S,
    lengths: [L; N],
    seed: u64,
) -> Result<[Subset<S>; N], DataError> {
    let order = permutation(source.len(), seed);
    cut(source, lengths, order)
}

/// Each class in random order, spread evenly over all places: sample `rank` of a class of `size` stands at `(rank + 1 /
/// 2) / size`. So each part gets of each class what its length says, to within one sample at each of its ends.
pub fn stratified<S: Source, L: Length, const N: usize>(
    source: S,
    lengths: [L; N],
    seed: u64,
) -> Result<[Subset<S>; N], DataError>
where
    S::Target: Ord,
{
    let classes = targets(&source)?;
    let mut order = permutation(source.len(), seed);
    // A stable sort: each class stays in random order.
    order.sort_by(|&a, &b| classes[a].cmp(&classes[b]));
    let mut placed: Vec<(u128, u128, usize)> = Vec::with_capacity(order.len());
    for class in order.chunk_by(|&a, &b| classes[a] == classes[b]) {
        let size = class.len() as u128;
        placed.extend(class.iter().zip(0u128..).map(|(&index, rank)| (2 * rank + 1, size, index)));
    }
    placed.sort_by(|(a, of_a, _), (b, of_b, _)| (a * of_b).cmp(&(b * of_a)));
    cut(source, lengths, placed.into_iter().map(|(_, _, index)| index).collect())
}

/// Parts of these lengths, of samples in this order.
fn cut<S: Source, L: Length, const N: usize>(
    source: S,
    lengths: [L; N],
    order: Vec<usize>,
) -> Result<[Subset<S>; N], DataError> {
    let count = source.len();
    let sizes = L::sizes(&lengths, count).ok_or_else(|| DataError::Split { found: format!("{lengths:?}"), count })?;
    let source = Arc::new(source);
    let mut start = 0;
    Ok(std::array::from_fn(|part| {
        let indices = order[start..start + sizes[part]].to_vec();
        start += sizes[part];
        Subset::shared(&source, indices)
    }))
}
