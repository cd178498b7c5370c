//! What can go wrong between ranks. Knows ranks by their numbers.

use std::time::Duration;

/// Why ranks could not bring their values together. After any of these a [`World`](super::World) is of no use any more, on
/// any rank, unless it [recovers](super::World::recover): a training goes on from its last checkpoint in a new run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A message did not come in time.
    #[error(
        "rank {rank} waited {limit:?} for rank {from}, which has stalled or is gone; the limit is `World::set_time_limit`'s"
    )]
    Timeout {
        /// The rank that waited.
        rank: usize,
        /// One that it waited for.
        from: usize,
        /// How long.
        limit: Duration,
    },
    /// Another rank has ended.
    #[error("rank {from} has ended, which rank {rank} waits for")]
    Lost {
        /// The rank that waits.
        rank: usize,
        /// The one that is gone.
        from: usize,
    },
    /// Another rank has given up, and said why.
    #[error("rank {from} has given up, which rank {rank} waits for: {reason}")]
    GivenUp {
        /// The rank that waits.
        rank: usize,
        /// The one that has given up.
        from: usize,
        /// What it said: its error.
        reason: String,
    },
    /// Other ranks were lost, and those that are left go on: what the training holds is of no use.
    #[error("ranks were lost: rank {rank} goes on from a checkpoint, by `Checkpoints::resume`")]
    Regrouped {
        /// The rank.
        rank: usize,
    },
    /// Ranks were started with something that should be the same and is not.
    #[error(
        "{what} is `{expected}` on rank 0 and `{found}` on rank {rank}: all ranks must run the same program on the same data"
    )]
    Differ {
        /// What it is: `shards`, `model`.
        what: String,
        /// On rank 0.
        expected: String,
        /// The first rank that has something else.
        rank: usize,
        /// What it has.
        found: String,
    },
    /// Another rank exchanges something else.
    #[error(
        "rank {from} sent {} where rank {rank} expected {expected} numbers: all ranks ask for the same sums, of the same \
         lengths, in the same order",
        .found.map_or_else(|| "something else".to_owned(), |found| found.to_string())
    )]
    Length {
        /// The rank that was sent something.
        rank: usize,
        /// The one that sent it.
        from: usize,
        /// How many numbers this rank expected of it.
        expected: usize,
        /// How many came; `None` where the network knows only that they were others.
        found: Option<usize>,
    },
    /// Fewer shards than ranks: some ranks would have nothing to do.
    #[error("a batch of {shards} shards can not be computed by {ranks} ranks; say `.shards({ranks})` or more")]
    Shards {
        /// The number of shards of a batch.
        shards: usize,
        /// The number of ranks.
        ranks: usize,
    },
    /// A result of a step of which no shard has a part from one row to another: it has rows along several axes, in another
    /// order, or not as many as the batch has or a multiple of that.
    #[error(
        "the result `{result}` of the step `{program}` does not have the rows of the batch one after another along one axis, \
         so that a shard has no part of it from one row to another: give it as `[N, ..]`, or have one shard"
    )]
    Result {
        /// The step.
        program: &'static str,
        /// The result.
        result: String,
    },
    /// A setting that does not go with several ranks.
    #[error("`{setting}` does not go with shards of a batch (`.shards(..)`, `.distributed(..)`): {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// What the network says.
    #[error("rank {rank}: {reason}")]
    Network {
        /// The rank on which that happened.
        rank: usize,
        /// What it said.
        reason: String,
    },
}

impl ExchangeError {
    /// Whether another rank is gone, dead or by its own will, without which those that are left
    /// [may go on](super::World::recover).
    pub fn is_loss(&self) -> bool {
        matches!(self, ExchangeError::Lost { .. } | ExchangeError::GivenUp { .. })
    }
}
