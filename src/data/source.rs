//! Where samples come from, one by one: data sets, vectors, functions, and whatever implements [`Source`]. Knows
//! neither batches nor trainers.

use std::sync::Arc;

use super::{DataError, Dataset, Sample, Samples};

/// A sample of a source: its input and its target.
pub type Pair<S> = (<S as Source>::Input, <S as Source>::Target);

/// A number of samples, each of which can be had by its index: PyTorch's map-style `Dataset`. A
/// [`Loader`](super::Loader) makes batches of them, on several threads; [`SourceExt`](super::SourceExt) makes sources
/// of sources.
///
/// A [`Dataset`], a vector of pairs and a [function](source) are sources. One of your own needs two methods:
///
/// ```
/// use kiln::data::{DataError, Loader, Source};
/// use ndarray::{Array1, array};
///
/// struct Squares(usize);
///
/// impl Source for Squares {
///     type Input = Array1<f32>;
///     type Target = f32;
///
///     fn len(&self) -> usize {
///         self.0
///     }
///
///     fn sample(&self, index: usize) -> Result<(Array1<f32>, f32), DataError> {
///         let x = index as f32;
///         Ok((array![x], x * x))
///     }
/// }
///
/// let (x, y) = Loader::new(Squares(100)).batch(2).epoch(0).nth(1).unwrap()?;
/// assert_eq!(x, array![[2.0], [3.0]]);
/// assert_eq!(y, array![4.0, 9.0]);
/// # Ok::<(), DataError>(())
/// ```
pub trait Source: Send + Sync {
    /// What a model takes of one sample: an array, a number, a tuple of these.
    type Input: Sample;
    /// What its output is compared with: a class label, for example.
    type Target: Sample;

    /// The number of samples.
    fn len(&self) -> usize;

    /// A sample; the same each time it is asked for.
    ///
    /// # Errors
    /// Why it can not be had: [`DataError::NoSample`] for an index that is too large, [`DataError::other`] for an error
    /// of your own. (Who reads many samples, as a loader does, says which of them it is.)
    fn sample(&self, index: usize) -> Result<(Self::Input, Self::Target), DataError>;

    /// Reads a sample for an epoch: what loaders call. Override it in a source that draws random numbers, from
    /// [`Random::new`](super::Random::new) and nothing else, or that can use the memory of `sample`, which is an
    /// earlier sample if there is one. (`epoch` is the number of the epoch; where a sampler draws a sample several
    /// times in one, its upper half counts how often the sample was drawn before.)
    ///
    /// # Errors
    /// As for [`Source::sample`]; `sample` is then any sample, or none.
    fn read(
        &self,
        index: usize,
        epoch: u64,
        sample: &mut Option<(Self::Input, Self::Target)>,
    ) -> Result<(), DataError> {
        let _ = epoch;
        *sample = Some(self.sample(index)?);
        Ok(())
    }

    /// Reads a sample for an epoch into a row of a batch, if it is like the batch's others; whether it is. Else `sample` is it.
    /// Override it in a source that can write there without making a sample, as data sets in memory do. Default: by
    /// [`Source::read`] and [`Sample::write`].
    ///
    /// # Errors
    /// As for [`Source::read`]; the row then holds anything.
    fn read_row(
        &self,
        index: usize,
        epoch: u64,
        sample: &mut Option<(Self::Input, Self::Target)>,
        batch: &mut (<Self::Input as Sample>::Batch, <Self::Target as Sample>::Batch),
        row: usize,
    ) -> Result<bool, DataError> {
        self.read(index, epoch, sample)?;
        let (input, target) = sample.as_ref().ok_or_else(|| DataError::other("the source gave no sample"))?;
        Ok(input.write(&mut batch.0, row) && target.write(&mut batch.1, row))
    }

    /// The target of a sample, which stratified splits and balanced samplers ask for. Override it where it is known
    /// without the input.
    ///
    /// # Errors
    /// As for [`Source::sample`].
    fn target(&self, index: usize) -> Result<Self::Target, DataError> {
        Ok(self.sample(index)?.1)
    }

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An index that is too large is an error.
pub(super) fn check_index(index: usize, count: usize) -> Result<(), DataError> {
    if index < count { Ok(()) } else { Err(DataError::NoSample { index, count }) }
}

/// Puts a copy of a part of a sample into the memory of an earlier one.
pub(super) fn copy_pair<I: Sample, T: Sample>(from: &(I, T), to: &mut Option<(I, T)>) {
    match to {
        Some(to) => to.copy_from(from),
        None => *to = Some(from.clone()),
    }
}

impl<X, Y> Source for Dataset<X, Y>
where
    X: Samples + Send + Sync,
    Y: Samples + Send + Sync,
{
    type Input = X::Sample;
    type Target = Y::Sample;

    fn len(&self) -> usize {
        Dataset::len(self)
    }

    fn sample(&self, index: usize) -> Result<(X::Sample, Y::Sample), DataError> {
        check_index(index, self.len())?;
        Ok((self.inputs.sample(index), self.targets.sample(index)))
    }

    fn read(&self, index: usize, _: u64, sample: &mut Option<(X::Sample, Y::Sample)>) -> Result<(), DataError> {
        let Some((input, target)) = sample else {
            *sample = Some(self.sample(index)?);
            return Ok(());
        };
        check_index(index, self.len())?;
        self.inputs.read(index, input);
        self.targets.read(index, target);
        Ok(())
    }

    fn read_row(
        &self,
        index: usize,
        _: u64,
        sample: &mut Option<(X::Sample, Y::Sample)>,
        (inputs, targets): &mut (X::Batch, Y::Batch),
        row: usize,
    ) -> Result<bool, DataError> {
        check_index(index, self.len())?;
        let written = self.inputs.write(index, inputs, row) && self.targets.write(index, targets, row);
        if !written {
            *sample = Some(self.sample(index)?);
        }
        Ok(written)
    }

    fn target(&self, index: usize) -> Result<Y::Sample, DataError> {
        check_index(index, self.len())?;
        Ok(self.targets.sample(index))
    }
}

impl<I: Sample, T: Sample> Source for Vec<(I, T)> {
    type Input = I;
    type Target = T;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn sample(&self, index: usize) -> Result<(I, T), DataError> {
        check_index(index, self.len())?;
        Ok(self[index].clone())
    }

    fn read(&self, index: usize, _: u64, sample: &mut Option<(I, T)>) -> Result<(), DataError> {
        check_index(index, self.len())?;
        copy_pair(&self[index], sample);
        Ok(())
    }

    fn read_row(
        &self,
        index: usize,
        _: u64,
        sample: &mut Option<(I, T)>,
        (inputs, targets): &mut (I::Batch, T::Batch),
        row: usize,
    ) -> Result<bool, DataError> {
        check_index(index, self.len())?;
        let (input, target) = &self[index];
        let written = input.write(inputs, row) && target.write(targets, row);
        if !written {
            *sample = Some((input.clone(), target.clone()));
        }
        Ok(written)
    }

    fn target(&self, index: usize) -> Result<T, DataError> {
        check_index(index, self.len())?;
        Ok(self[index].1.clone())
    }
}

/// What points to a source is one.
macro_rules! pointers {
    ($([$($lifetime:lifetime)?] $pointer:ty;)*) => {$(
        impl<$($lifetime,)? S: Source + ?Sized> Source for $pointer {
            type Input = S::Input;
            type Target = S::Target;

            fn len(&self) -> usize {
                (**self).len()
            }

            fn sample(&self, index: usize) -> Result<(S::Input, S::Target), DataError> {
                (**self).sample(index)
            }

            fn read(
                &self,
                index: usize,
                epoch: u64,
                sample: &mut Option<(S::Input, S::Target)>,
            ) -> Result<(), DataError> {
                (**self).read(index, epoch, sample)
            }

            fn read_row(
                &self,
                index: usize,
                epoch: u64,
                sample: &mut Option<(S::Input, S::Target)>,
                batch: &mut (<S::Input as Sample>::Batch, <S::Target as Sample>::Batch),
                row: usize,
            ) -> Result<bool, DataError> {
                (**self).read_row(index, epoch, sample, batch, row)
            }

            fn target(&self, index: usize) -> Result<S::Target, DataError> {
                (**self).target(index)
            }
        }
    )*};
}

pointers! {
    ['s] &'s S;
    [] Arc<S>;
    [] Box<S>;
}

/// What a function of a sample gives: the sample, or a `Result` of it.
pub trait IntoSample {
    /// The sample's input.
    type Input: Sample;
    /// The sample's target.
    type Target: Sample;

    /// The sample.
    ///
    /// # Errors
    /// What the function gave.
    fn into_sample(self) -> Result<(Self::Input, Self::Target), DataError>;
}

impl<I: Sample, T: Sample> IntoSample for (I, T) {
    type Input = I;
    type Target = T;

    fn into_sample(self) -> Result<(I, T), DataError> {
        Ok(self)
    }
}

impl<I: Sample, T: Sample> IntoSample for Result<(I, T), DataError> {
    type Input = I;
    type Target = T;

    fn into_sample(self) -> Result<(I, T), DataError> {
        self
    }
}

/// A source of `len` samples that a function makes, each of its index: the sample, or a `Result` of it where it may
/// fail.
///
/// ```
/// use kiln::data::{DataError, Source, source};
/// use ndarray::array;
///
/// let odd = source(100, |index| (array![index as f32], index % 2 == 1));
/// assert_eq!(odd.sample(3)?, (array![3.0], true));
///
/// let parsed = source(2, |index| {
///     let x: f32 = ["1.5", "one"][index].parse().map_err(DataError::other)?;
///     Ok((x, 0))
/// });
/// assert_eq!(parsed.sample(1).unwrap_err().to_string(), "invalid float literal");
/// # Ok::<(), DataError>(())
/// ```
pub fn source<R: IntoSample, F: Fn(usize) -> R + Send + Sync>(len: usize, get: F) -> FromFn<F> {
    FromFn { len, get }
}

/// A source that a function makes: see [`source`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F> {
    len: usize,
    get: F,
}

impl<R: IntoSample, F: Fn(usize) -> R + Send + Sync> Source for FromFn<F> {
    type Input = R::Input;
    type Target = R::Target;

    fn len(&self) -> usize {
        self.len
    }

    fn sample(&self, index: usize) -> Result<(R::Input, R::Target), DataError> {
        check_index(index, self.len)?;
        (self.get)(index).into_sample()
    }
}
