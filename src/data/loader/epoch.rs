//! The batches of one epoch, in order, whoever makes them. Their order, and which samples make a batch, was decided
//! before.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::batch::{Making, Plan};
use super::workers::Workers;
use super::{BatchOf, Position};
use crate::data::{DataError, Sample, Source};
use crate::distributed::Share;

/// The batches of an epoch: `Ok((inputs, targets))`, or what is wrong with a sample of that batch. Workers start with
/// the first batch that is asked for, and end when this is dropped, each when it is done with its sample.
pub struct Epoch<S: Source + 'static> {
    plan: Option<Arc<Plan<S>>>,
    /// Why there is no order.
    failed: Option<DataError>,
    epoch: u64,
    next: usize,
    end: usize,
    workers: usize,
    prefetch: usize,
    maker: Maker<S>,
}

/// Who makes batches.
enum Maker<S: Source + 'static> {
    Nobody,
    Caller(Making<S>),
    Workers(Workers<S>),
}

impl<S: Source + 'static> Epoch<S> {
    pub(super) fn new(
        plan: Result<Plan<S>, DataError>,
        epoch: u64,
        batches: usize,
        workers: usize,
        prefetch: usize,
    ) -> Epoch<S> {
        let (plan, failed) = match plan {
            Ok(plan) => (Some(Arc::new(plan)), None),
            Err(error) => (None, Some(error)),
        };
        Epoch { plan, failed, epoch, next: 0, end: batches, workers, prefetch, maker: Maker::Nobody }
    }

    /// Goes on with this batch, counted from 0, as if those before it had come; they are not read. Nothing is left
    /// behind the last.
    pub fn skip_to(mut self, batch: u64) -> Epoch<S> {
        self.maker = Maker::Nobody;
        self.next = usize::try_from(batch).unwrap_or(usize::MAX).min(self.end);
        self
    }

    /// Reads nothing but a rank's rows of each batch; all of them for nothing.
    pub(crate) fn share(mut self, share: Option<Share>) -> Epoch<S> {
        // Nobody else has the plan before the first batch.
        if let Some(plan) = self.plan.as_mut().and_then(Arc::get_mut) {
            plan.share = share;
        }
        self
    }

    /// Which batch comes next: what a checkpoint keeps, and [`Loader::at`](super::Loader::at) takes. After the last
    /// batch its number is that of batches.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, batch: self.next as u64 }
    }

    /// The next batch, in memory that is used again for the one after it.
    fn batch(&mut self, plan: &Arc<Plan<S>>, number: usize) -> Result<BatchOf<S>, DataError> {
        if matches!(self.maker, Maker::Nobody) {
            self.maker = match self.workers {
                0 => Maker::Caller(Making::new()),
                count => Maker::Workers(Workers::start(plan, number..self.end, count, self.prefetch)?),
            };
        }
        let (inputs, targets) = match &mut self.maker {
            Maker::Nobody => unreachable!("set above"),
            Maker::Caller(making) => {
                plan.make(number, making, &AtomicBool::new(false))?;
                making.buffers.as_ref()
            }
            Maker::Workers(workers) => workers.next(number)?,
        }
        .ok_or_else(|| DataError::other("a batch without samples"))?;
        let rows = plan.rows(number);
        Ok((S::Input::first(inputs, rows), S::Target::first(targets, rows)))
    }
}

impl<S: Source + 'static> Iterator for Epoch<S> {
    type Item = Result<BatchOf<S>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(plan) = self.plan.clone() else {
            self.next = self.end;
            return self.failed.take().map(Err);
        };
        if self.next == self.end {
            self.maker = Maker::Nobody;
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some(self.batch(&plan, number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self.plan {
            Some(_) => self.end - self.next,
            None => usize::from(self.failed.is_some()),
        };
        (left, Some(left))
    }
}

impl<S: Source + 'static> ExactSizeIterator for Epoch<S> {}

impl<S: Source + 'static> fmt::Debug for Epoch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoch").field("position", &self.position()).field("end", &self.end).finish_non_exhaustive()
    }
}
