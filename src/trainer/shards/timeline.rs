//! When what happened in one step: each call of each shard's program, and each bucket on its way beside them. It knows
//! sessions and buckets; it shows nothing.

use std::ops::Range;
use std::time::{Duration, Instant};

use kiln_jit::{RunError, Session, States};

use crate::distributed::Summing;

/// A step, from its first call on.
#[derive(Clone, Debug)]
pub struct Timeline {
    start: Instant,
    /// The shard, the call, and from when to when it ran.
    pub calls: Vec<(usize, usize, Range<Duration>)>,
    /// In the order in which sums were taken.
    pub exchanges: Vec<Exchange>,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub bucket: usize,
    pub bytes: usize,
    /// When it was handed over.
    pub given: Duration,
    /// When the thread beside began with it, and was done.
    pub sent: Range<Duration>,
    /// From when to when the program waited for it.
    pub waited: Range<Duration>,
}

impl Timeline {
    /// It begins now.
    pub fn new() -> Timeline {
        Timeline { start: Instant::now(), calls: Vec::new(), exchanges: Vec::new() }
    }

    /// Runs some calls, one after the other.
    pub(super) fn run(
        &mut self,
        shard: usize,
        session: &mut Session,
        calls: Range<usize>,
        states: &mut States,
    ) -> Result<(), RunError> {
        for (from, to) in session.runnable(calls) {
            let begin = self.start.elapsed();
            session.run_calls(from..to, states)?;
            self.calls.push((shard, from, begin..self.start.elapsed()));
        }
        Ok(())
    }

    /// Takes note of a bucket that was asked for and is here.
    pub(super) fn took(&mut self, bucket: usize, bytes: usize, asked: Instant, summing: &Summing) {
        let since = |time: Instant| time.saturating_duration_since(self.start);
        let [given, begun, ended] = summing.times.map(since);
        let waited = since(asked)..self.start.elapsed();
        self.exchanges.push(Exchange { bucket, bytes, given, sent: begun..ended, waited });
    }

    /// How long it took.
    pub fn seconds(&self) -> f64 {
        let ends = self.calls.iter().map(|(.., time)| time.end);
        ends.max().unwrap_or_default().as_secs_f64()
    }
}
