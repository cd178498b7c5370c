//! Why a training came to an end before its time. It knows no remedy but which errors ranks can go on from.

use std::path::PathBuf;

use kiln_graph::InvalidSetting;

use crate::checkpoint::CheckpointError;
use crate::data::DataError;
use crate::distributed::ExchangeError;
use crate::history::History;
use crate::logs::LogError;
use crate::metrics::MetricError;
use crate::trainer::TrainError;

/// Why [`Fit::run`](super::Fit::run) ended early. The trainer is as it was after the last whole step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A step refused its batch.
    #[error("epoch {}, batch {}: {source}", epoch + 1, batch + 1)]
    Step {
        /// The number of the epoch, from 0 on.
        epoch: u64,
        /// The number of its batch, from 0 on.
        batch: u64,
        /// Why.
        source: Box<TrainError>,
    },
    /// The validation failed.
    #[error("the validation of epoch {}: {source}", epoch + 1)]
    Validation {
        /// The number of the epoch, from 0 on.
        epoch: u64,
        /// Why.
        source: Box<TrainError>,
    },
    /// The data could not be read.
    #[error(transparent)]
    Data(DataError),
    /// No checkpoint to go on from, or the last one could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Ranks that train together could not bring their values together.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A log could not be begun, or not all of it could be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A metric that is asked for by a name that none has.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Metrics are asked for, but there is no data that they could be measured on.
    #[error("`.metrics(..)` needs data to measure them on: give it by `.validate(..)` or `.evaluate(..)`")]
    NothingToMeasure,
    /// The data give no batch, so that an epoch would train nothing.
    #[error(
        "there is nothing to train on: {}",
        if *samples == 0 {
            "the data hold no samples".to_owned()
        } else {
            format!("of {samples} samples no batch is made, which are {batch} each: `.drop_last()` leaves fewer out")
        }
    )]
    NothingToTrainOn {
        /// How many samples there are.
        samples: usize,
        /// How many a batch has.
        batch: usize,
    },
    /// The schedule's settings are out of their range.
    #[error(transparent)]
    Schedule(#[from] InvalidSetting),
    /// The schedule changes the momentum, which an optimizer must know when it is compiled.
    #[error(
        "the schedule changes the momentum, too, which an optimizer must know when it is compiled: give the schedule to the \
         optimizer, `Sgd::new(..).schedule(..)`, or let it leave the momentum, `.cycle_momentum(false)`"
    )]
    Momentum,
    /// Ctrl-C, or a SIGTERM; the training is saved.
    #[error("interrupted; saved in {}, from where `.resume()` goes on", path.display())]
    Interrupted {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A checkpoint was written within an epoch of other data: where it stood can not be found again.
    #[error(
        "the checkpoint is of the midst of an epoch with {there} {what}, but there are {here} now: give what it had"
    )]
    OtherData {
        /// What differs.
        what: &'static str,
        /// How many there are now.
        here: usize,
        /// How many there were.
        there: usize,
    },
    /// Nothing was measured under the name that early stopping or the best checkpoint go by.
    #[error("there is no figure `{found}`: measured are {}", known.join(", "))]
    UnknownFigure {
        /// The name.
        found: String,
        /// The names that there are.
        known: Vec<String>,
    },
}

/// An error of a validation, whose epoch the loop knows.
impl From<TrainError> for FitError {
    fn from(error: TrainError) -> FitError {
        FitError::Validation { epoch: 0, source: Box::new(error) }
    }
}

impl FitError {
    /// Of the validation of this epoch.
    pub(super) fn of_epoch(self, epoch: u64) -> FitError {
        match self {
            FitError::Validation { source, .. } => FitError::Validation { epoch, source },
            other => other,
        }
    }

    /// Whether another rank is gone.
    pub(super) fn is_loss(&self) -> bool {
        self.exchange().is_some_and(ExchangeError::is_loss)
    }

    /// What went wrong between ranks, if that did.
    fn exchange(&self) -> Option<&ExchangeError> {
        match self {
            FitError::Step { source, .. } | FitError::Validation { source, .. } => match &**source {
                TrainError::Exchange(error) => Some(error),
                _ => None,
            },
            FitError::Exchange(error) | FitError::Checkpoint(CheckpointError::Exchange(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether it may be one of this rank's rows alone, of which others know nothing.
    pub(super) fn is_of_rows(&self) -> bool {
        match self {
            FitError::Data(_) => true,
            FitError::Step { source, .. } | FitError::Validation { source, .. } => {
                !matches!(**source, TrainError::Exchange(_))
            }
            _ => false,
        }
    }

    pub(super) fn unknown_figure(found: &str, history: &History) -> FitError {
        let known = history.curves().iter().map(|curve| curve.name.clone()).collect();
        FitError::UnknownFigure { found: found.to_owned(), known }
    }
}
