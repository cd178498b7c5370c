//! Two sources as one: one after the other, or side by side. What the samples are does not matter, only that they fit
//! one another.

use crate::data::samples::same;
use crate::data::source::check_index;
use crate::data::{BatchOf, DataError, Source};

/// The samples of two sources, one after the other: see [`SourceExt::concat`](super::SourceExt::concat).
#[derive(Clone, Debug)]
pub struct Concat<A, B> {
    first: A,
    second: B,
}

impl<A: Source, B: Source> Concat<A, B> {
    pub(super) fn new(first: A, second: B) -> Concat<A, B> {
        Concat { first, second }
    }

    /// The index in the second source, if it is that one's.
    fn in_second(&self, index: usize) -> Result<Option<usize>, DataError> {
        check_index(index, self.first.len() + self.second.len())?;
        Ok(index.checked_sub(self.first.len()))
    }
}

impl<A: Source, B: Source<Input = A::Input, Target = A::Target>> Source for Concat<A, B> {
    type Input = A::Input;
    type Target = A::Target;

    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn sample(&self, index: usize) -> Result<(A::Input, A::Target), DataError> {
        match self.in_second(index)? {
            None => self.first.sample(index),
            Some(index) => self.second.sample(index),
        }
    }

    fn read(&self, index: usize, epoch: u64, sample: &mut Option<(A::Input, A::Target)>) -> Result<(), DataError> {
        match self.in_second(index)? {
            None => self.first.read(index, epoch, sample),
            Some(index) => self.second.read(index, epoch, sample),
        }
    }

    fn read_row(
        &self,
        index: usize,
        epoch: u64,
        sample: &mut Option<(A::Input, A::Target)>,
        batch: &mut BatchOf<A>,
        row: usize,
    ) -> Result<bool, DataError> {
        match self.in_second(index)? {
            None => self.first.read_row(index, epoch, sample, batch, row),
            Some(index) => self.second.read_row(index, epoch, sample, batch, row),
        }
    }

    fn target(&self, index: usize) -> Result<A::Target, DataError> {
        match self.in_second(index)? {
            None => self.first.target(index),
            Some(index) => self.second.target(index),
        }
    }
}

/// The samples of two sources, side by side: see [`SourceExt::zip`](super::SourceExt::zip).
#[derive(Clone, Debug)]
pub struct Zip<A, B> {
    first: A,
    second: B,
}

impl<A: Source, B: Source> Zip<A, B> {
    pub(super) fn new(first: A, second: B) -> Result<Zip<A, B>, DataError> {
        same(first.len(), second.len())?;
        Ok(Zip { first, second })
    }
}

impl<A: Source, B: Source> Source for Zip<A, B> {
    type Input = (A::Input, B::Input);
    type Target = (A::Target, B::Target);

    fn len(&self) -> usize {
        self.first.len()
    }

    fn sample(&self, index: usize) -> Result<(Self::Input, Self::Target), DataError> {
        let ((a, s), (b, t)) = (self.first.sample(index)?, self.second.sample(index)?);
        Ok(((a, b), (s, t)))
    }

    fn read(
        &self,
        index: usize,
        epoch: u64,
        sample: &mut Option<(Self::Input, Self::Target)>,
    ) -> Result<(), DataError> {
        let (mut first, mut second) = match sample.take() {
            Some(((a, b), (s, t))) => (Some((a, s)), Some((b, t))),
            None => (None, None),
        };
        self.first.read(index, epoch, &mut first)?;
        self.second.read(index, epoch, &mut second)?;
        *sample = first.zip(second).map(|((a, s), (b, t))| ((a, b), (s, t)));
        Ok(())
    }

    fn target(&self, index: usize) -> Result<Self::Target, DataError> {
        Ok((self.first.target(index)?, self.second.target(index)?))
    }
}
