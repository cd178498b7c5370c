//! Sequences of unequal lengths: padding to one length, masks, and batches of similar lengths. Knows neither models nor
//! data sets.

use ndarray::{Array, Array2, ArrayD, Axis, Dimension, IxDyn, Slice};

use super::{DataError, permutation};

/// Sequences `[steps, ..]`, whose steps are alike, as one array `[sequences, length, ..]`: `padding_value` follows the last
/// step of each. Without a length (`None`) it is that of the longest. PyTorch's `pad_sequence` with `batch_first = True`.
///
/// ```
/// use kiln::data::{length_mask, pad_sequence};
/// use ndarray::array;
///
/// let sequences = [array![1.0, 2.0, 3.0], array![4.0]];
/// let padded = pad_sequence(&sequences, None, 0.0)?;
/// assert_eq!(padded, array![[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]);
/// assert_eq!(length_mask(&[3, 1], 4), array![[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]);
/// # Ok::<(), kiln::data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::NoSequences`]; [`DataError::NoAxis`] for an array without axes; [`DataError::StepsDiffer`] where the steps of
/// one have another shape than those of the first; [`DataError::TooLong`] for a sequence above `length`.
pub fn pad_sequence<'a, T: Copy + 'a, D: Dimension + 'a>(
    sequences: impl IntoIterator<Item = &'a Array<T, D>>,
    length: impl Into<Option<usize>>,
    padding_value: T,
) -> Result<Array<T, D::Larger>, DataError> {
    let sequences: Vec<&Array<T, D>> = sequences.into_iter().collect();
    let first = sequences.first().ok_or(DataError::NoSequences)?;
    let (_, step) = first.shape().split_first().ok_or(DataError::NoAxis)?;
    let mut longest = 0;
    for (position, sequence) in sequences.iter().enumerate() {
        let (&steps, found) = sequence.shape().split_first().ok_or(DataError::NoAxis)?;
        if found != step {
            return Err(DataError::StepsDiffer { position, expected: step.to_vec(), found: found.to_vec() });
        }
        longest = longest.max(steps);
    }
    let length = length.into().unwrap_or(longest);
    let mut shape = vec![sequences.len(), length];
    shape.extend(step);
    let mut padded = ArrayD::from_elem(IxDyn(&shape), padding_value);
    for (position, (sequence, mut row)) in sequences.iter().zip(padded.outer_iter_mut()).enumerate() {
        let steps = sequence.len_of(Axis(0));
        if steps > length {
            return Err(DataError::TooLong { position, found: steps, longest: length });
        }
        row.slice_axis_mut(Axis(0), Slice::from(..steps)).assign(&sequence.view().into_dyn());
    }
    Ok(padded.into_dimensionality().expect("one axis more than a sequence has"))
}

/// Which steps of padded sequences are real: `[sequences, length]`, 1 before the end of each and 0 behind it. (PyTorch's
/// `key_padding_mask` is the opposite: true behind the end.) A sequence of at least `length` steps has 1 everywhere.
///
/// In a body `(x * mask.unsqueeze(2)).sum(dim = 1) / mask.sum(dim = 1, keepdim = true)` is the mean of the real steps.
pub fn length_mask(lengths: &[usize], length: usize) -> Array2<f32> {
    Array2::from_shape_fn((lengths.len(), length), |(sequence, step)| f32::from(u8::from(step < lengths[sequence])))
}

/// Sequences in groups of similar lengths, so that batches have little padding and few different lengths: a program is
/// compiled for each length that a model with a free extent (`T` in `x: [N, T, 8]`) meets, as for each batch size.
///
/// As many different lengths as [`cached_programs`](crate::TrainerBuilder::cached_programs) keeps is a good number of groups
/// at most; bounds that grow by a factor (32, 48, 72, ..) leave about the same part of each batch to padding. Batches of one
/// size ([`drop_last`](BucketBatches::drop_last)) keep the number of programs that of the lengths.
///
/// ```
/// use kiln::data::Buckets;
///
/// let lengths = [3, 9, 4, 12, 2, 8];
/// let buckets = Buckets::new(&lengths, &[4, 12])?;
/// let batches: Vec<_> = buckets.batches(2).map(|batch| (batch.length, batch.positions)).collect();
/// assert_eq!(batches, [(4, vec![0, 2]), (4, vec![4]), (12, vec![1, 3]), (12, vec![5])]);
/// # Ok::<(), kiln::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// The length to which a group's sequences are padded, and their positions; ascending, none of them empty.
    groups: Vec<(usize, Vec<usize>)>,
}

/// Which sequences are padded to which length, to be one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketBatch {
    /// The length to which they are padded: [`pad_sequence`]'s.
    pub length: usize,
    /// Their positions among all sequences.
    pub positions: Vec<usize>,
}

impl Buckets {
    /// Sequences of these lengths, each in the group of the smallest bound that is not below its length. The bounds may stand in
    /// any order.
    ///
    /// # Errors
    /// [`DataError::TooLong`] for a sequence above all bounds.
    pub fn new(lengths: &[usize], bounds: &[usize]) -> Result<Buckets, DataError> {
        let mut bounds = bounds.to_vec();
        bounds.sort_unstable();
        bounds.dedup();
        let mut groups: Vec<(usize, Vec<usize>)> = bounds.iter().map(|&bound| (bound, Vec::new())).collect();
        for (position, &found) in lengths.iter().enumerate() {
            let group = bounds.partition_point(|&bound| bound < found);
            let longest = bounds.last().copied().unwrap_or_default();
            groups.get_mut(group).ok_or(DataError::TooLong { position, found, longest })?.1.push(position);
        }
        groups.retain(|(_, positions)| !positions.is_empty());
        Ok(Buckets { groups })
    }

    /// Sequences of these lengths, each in the group of its length rounded up to a multiple of `multiple`.
    ///
    /// # Panics
    /// If `multiple` is 0.
    pub fn of_multiples(lengths: &[usize], multiple: usize) -> Buckets {
        assert!(multiple > 0, "lengths are rounded up to a multiple of at least 1");
        let bounds: Vec<usize> = lengths.iter().map(|length| length.next_multiple_of(multiple)).collect();
        Buckets::new(lengths, &bounds).expect("each length has a bound")
    }

    /// The lengths that batches have, ascending: only those of groups that hold a sequence.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.groups.iter().map(|(length, _)| *length)
    }

    /// Batches of `size` sequences of one group each, the shorter groups first; the last of a group may be smaller, or be
    /// [left out](BucketBatches::drop_last).
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn batches(&self, size: usize) -> BucketBatches {
        assert!(size > 0, "a batch holds at least one sequence");
        let batches = self.groups.iter().flat_map(|(length, positions)| {
            positions.chunks(size).map(|chunk| BucketBatch { length: *length, positions: chunk.to_vec() })
        });
        BucketBatches { size, left: batches.collect::<Vec<_>>().into_iter() }
    }

    /// As [`Buckets::batches`], the sequences of a group and then the batches in a random order, which `epoch` alone decides.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn shuffled_batches(&self, size: usize, epoch: u64) -> BucketBatches {
        let shuffled = |positions: &Vec<usize>| {
            permutation(positions.len(), epoch).into_iter().map(|place| positions[place]).collect()
        };
        let groups = self.groups.iter().map(|(length, positions)| (*length, shuffled(positions))).collect();
        let ordered: Vec<BucketBatch> = Buckets { groups }.batches(size).collect();
        let order = permutation(ordered.len(), epoch);
        let left: Vec<BucketBatch> = order.into_iter().map(|place| ordered[place].clone()).collect();
        BucketBatches { size, left: left.into_iter() }
    }
}

/// The batches of [`Buckets`].
#[derive(Clone, Debug)]
pub struct BucketBatches {
    size: usize,
    left: std::vec::IntoIter<BucketBatch>,
}

impl BucketBatches {
    /// Leaves out the batches that are smaller than the others: each other size is a program of its own.
    pub fn drop_last(self) -> BucketBatches {
        let whole: Vec<BucketBatch> = self.left.filter(|batch| batch.positions.len() == self.size).collect();
        BucketBatches { size: self.size, left: whole.into_iter() }
    }
}

impl Iterator for BucketBatches {
    type Item = BucketBatch;

    fn next(&mut self) -> Option<BucketBatch> {
        self.left.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for BucketBatches {}
