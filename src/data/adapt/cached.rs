//! Samples that are kept once they were read. All of them stay: nothing is thrown away, and nothing is read ahead.

use std::fmt;
use std::sync::OnceLock;

use crate::data::source::{Pair, check_index, copy_pair};
use crate::data::{BatchOf, DataError, Sample, Source};

/// A source whose samples stay in memory: see [`SourceExt::cache`](super::SourceExt::cache).
pub struct Cached<S: Source> {
    source: S,
    samples: Box<[OnceLock<Pair<S>>]>,
}

impl<S: Source> Cached<S> {
    pub(super) fn new(source: S) -> Cached<S> {
        let samples = (0..source.len()).map(|_| OnceLock::new()).collect();
        Cached { source, samples }
    }

    /// A sample, which is read if it was not. Two threads may both read it; one of their equal samples is kept.
    fn kept(&self, index: usize) -> Result<&Pair<S>, DataError> {
        check_index(index, self.samples.len())?;
        let place = &self.samples[index];
        match place.get() {
            Some(sample) => Ok(sample),
            None => {
                let sample = self.source.sample(index)?;
                Ok(place.get_or_init(|| sample))
            }
        }
    }
}

impl<S: Source> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("len", &self.samples.len()).finish_non_exhaustive()
    }
}

impl<S: Source> Source for Cached<S> {
    type Input = S::Input;
    type Target = S::Target;

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn sample(&self, index: usize) -> Result<(S::Input, S::Target), DataError> {
        self.kept(index).cloned()
    }

    fn read(&self, index: usize, _: u64, sample: &mut Option<(S::Input, S::Target)>) -> Result<(), DataError> {
        copy_pair(self.kept(index)?, sample);
        Ok(())
    }

    fn read_row(
        &self,
        index: usize,
        _: u64,
        sample: &mut Option<(S::Input, S::Target)>,
        (inputs, targets): &mut BatchOf<S>,
        row: usize,
    ) -> Result<bool, DataError> {
        let kept = self.kept(index)?;
        let written = kept.0.write(inputs, row) && kept.1.write(targets, row);
        if !written {
            copy_pair(kept, sample);
        }
        Ok(written)
    }

    fn target(&self, index: usize) -> Result<S::Target, DataError> {
        check_index(index, self.samples.len())?;
        match self.samples[index].get() {
            Some((_, target)) => Ok(target.clone()),
            None => self.source.target(index),
        }
    }
}
