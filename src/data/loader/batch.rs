//! Making one batch: reading its samples into its rows. Knows no threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::BatchOf;
use crate::data::source::{Pair, check_index};
use crate::data::{DataError, Sample, Source};
use crate::distributed::Share;

/// Which samples make up the batches of an epoch.
pub struct Plan<S> {
    pub source: Arc<S>,
    pub order: Vec<usize>,
    /// How often each sample of the order came before in it; empty where none comes twice.
    pub repeats: Vec<u32>,
    pub size: usize,
    pub epoch: u64,
    /// Which rows of a batch are read; all of them for nothing.
    pub share: Option<Share>,
}

/// How often each sample came before; nothing where none comes twice. Of indices that are not there it says nothing.
pub fn repeats(order: &[usize], samples: usize) -> Vec<u32> {
    let mut seen = vec![0u32; samples];
    let earlier = |&index: &usize| {
        let Some(count) = seen.get_mut(index) else { return 0 };
        *count += 1;
        *count - 1
    };
    let repeats: Vec<u32> = order.iter().map(earlier).collect();
    if repeats.iter().all(|&count| count == 0) { Vec::new() } else { repeats }
}

/// The memory that making batches takes: used again for each.
pub struct Making<S: Source> {
    pub buffers: Option<BatchOf<S>>,
    sample: Option<Pair<S>>,
}

impl<S: Source> Making<S> {
    pub fn new() -> Making<S> {
        Making { buffers: None, sample: None }
    }
}

impl<S: Source> Plan<S> {
    /// How many samples a batch has.
    pub fn rows(&self, number: usize) -> usize {
        self.size.min(self.order.len().saturating_sub(number.saturating_mul(self.size)))
    }

    /// Makes a batch in the buffers. Where it is told to stop it leaves the batch as it is.
    pub fn make(&self, number: usize, making: &mut Making<S>, stop: &AtomicBool) -> Result<(), DataError> {
        let (start, rows) = (number * self.size, self.rows(number));
        let mut is_first = true;
        for row in (0..rows).filter(|&row| self.share.as_ref().is_none_or(|share| share.reads(row, rows))) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let place = start + row;
            let index = self.order[place];
            let read = || self.put(place, (row, is_first), making);
            let result = catch_unwind(AssertUnwindSafe(read))
                .unwrap_or_else(|panic| Err(DataError::Panicked { message: message(&*panic) }));
            if let Err(error) = result {
                making.sample = None;
                return Err(error.of_sample(index));
            }
            is_first = false;
        }
        Ok(())
    }

    /// Reads one sample into a row; the first one of a batch into new buffers where it does not fit into those that are there.
    fn put(&self, place: usize, (row, is_first): (usize, bool), making: &mut Making<S>) -> Result<(), DataError> {
        let index = self.order[place];
        check_index(index, self.source.len())?;
        let repeated = self.repeats.get(place).copied().unwrap_or_default();
        let epoch = self.epoch | u64::from(repeated) << 32;
        match &mut making.buffers {
            Some(buffers) => {
                if self.source.read_row(index, epoch, &mut making.sample, buffers, row)? {
                    return Ok(());
                }
            }
            None => self.source.read(index, epoch, &mut making.sample)?,
        }
        let (input, target) = making.sample.as_ref().ok_or_else(|| DataError::other("the source gave no sample"))?;
        if let (Some((inputs, targets)), false) = (&making.buffers, is_first) {
            let shown = |input: String, target: String| format!("{input} (target {target})");
            return Err(DataError::Unlike {
                expected: shown(S::Input::shown_of(inputs), S::Target::shown_of(targets)),
                found: shown(input.shown(), target.shown()),
            });
        }
        let (mut inputs, mut targets) = (input.batch(self.size), target.batch(self.size));
        input.write(&mut inputs, row);
        target.write(&mut targets, row);
        making.buffers = Some((inputs, targets));
        Ok(())
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no text").to_owned()
}
