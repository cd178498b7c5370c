//! Some samples of a source. Who chose them, and why, is not known here.

use std::fmt;
use std::sync::Arc;

use crate::data::source::check_index;
use crate::data::{BatchOf, DataError, Source};

/// Some samples of a source, which other parts may share: see [`SourceExt::subset`](super::SourceExt::subset). A clone
/// shares it, too.
pub struct Subset<S> {
    source: Arc<S>,
    indices: Arc<[usize]>,
}

impl<S: Source> Subset<S> {
    pub(super) fn new(source: S, indices: Vec<usize>) -> Result<Subset<S>, DataError> {
        let count = source.len();
        indices.iter().try_for_each(|&index| check_index(index, count))?;
        Ok(Subset::known(source, indices))
    }

    /// Of indices that are there.
    pub(super) fn known(source: S, indices: Vec<usize>) -> Subset<S> {
        Subset::shared(&Arc::new(source), indices)
    }

    /// The same, of a source that others share.
    pub(super) fn shared(source: &Arc<S>, indices: Vec<usize>) -> Subset<S> {
        Subset { source: source.clone(), indices: indices.into() }
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The indices in the source.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    fn place(&self, index: usize) -> Result<usize, DataError> {
        check_index(index, self.indices.len())?;
        Ok(self.indices[index])
    }
}

impl<S> Clone for Subset<S> {
    fn clone(&self) -> Subset<S> {
        Subset { source: self.source.clone(), indices: self.indices.clone() }
    }
}

impl<S> fmt::Debug for Subset<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subset").field("len", &self.indices.len()).finish_non_exhaustive()
    }
}

impl<S: Source> Source for Subset<S> {
    type Input = S::Input;
    type Target = S::Target;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn sample(&self, index: usize) -> Result<(S::Input, S::Target), DataError> {
        self.source.sample(self.place(index)?)
    }

    fn read(&self, index: usize, epoch: u64, sample: &mut Option<(S::Input, S::Target)>) -> Result<(), DataError> {
        self.source.read(self.place(index)?, epoch, sample)
    }

    fn read_row(
        &self,
        index: usize,
        epoch: u64,
        sample: &mut Option<(S::Input, S::Target)>,
        batch: &mut BatchOf<S>,
        row: usize,
    ) -> Result<bool, DataError> {
        self.source.read_row(self.place(index)?, epoch, sample, batch, row)
    }

    fn target(&self, index: usize) -> Result<S::Target, DataError> {
        self.source.target(self.place(index)?)
    }
}
