//! Samples that a function makes of others. Nothing is kept: what the function gives is made anew for each read.

use std::fmt;

use crate::data::source::Pair;
use crate::data::{DataError, IntoSample, Source};

/// A source whose samples a function has changed: see [`SourceExt::map`](super::SourceExt::map).
#[derive(Clone)]
pub struct Map<S, F> {
    source: S,
    f: F,
}

impl<S: Source, F> Map<S, F> {
    pub(super) fn new(source: S, f: F) -> Map<S, F> {
        Map { source, f }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Map<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<S: Source, R: IntoSample, F: Fn(Pair<S>) -> R + Send + Sync> Source for Map<S, F> {
    type Input = R::Input;
    type Target = R::Target;

    fn len(&self) -> usize {
        self.source.len()
    }

    fn sample(&self, index: usize) -> Result<(R::Input, R::Target), DataError> {
        (self.f)(self.source.sample(index)?).into_sample()
    }

    fn read(&self, index: usize, epoch: u64, sample: &mut Option<(R::Input, R::Target)>) -> Result<(), DataError> {
        let mut from = None;
        self.source.read(index, epoch, &mut from)?;
        // `read` gives a sample, or an error.
        if let Some(from) = from {
            *sample = Some((self.f)(from).into_sample()?);
        }
        Ok(())
    }
}
