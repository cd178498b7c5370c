//! Ending a training that gets no better. It knows figures, and neither models nor data.

use std::fs;
use std::path::PathBuf;

use super::FitError;
use crate::checkpoint::CheckpointError;
use crate::checkpoints::{Checkpoints, Goal, Run};
use crate::distributed::{ExchangeError, World};
use crate::files::replace_file;
use crate::training::Training;

/// Ends a training when a figure has not become better for some epochs: `EarlyStopping::new("loss").patience(5)`.
#[derive(Clone, Debug)]
#[must_use = "give it to `Fit::early_stopping`"]
pub struct EarlyStopping {
    goal: Goal,
    patience: u64,
    min_delta: f64,
    restore_best: bool,
}

impl EarlyStopping {
    /// By a figure of the [`History`](crate::History): `"loss"` is that of the validation, where there is one. Which end is better says
    /// [`Goal`].
    pub fn new(goal: impl Into<Goal>) -> EarlyStopping {
        EarlyStopping { goal: goal.into(), patience: 3, min_delta: 0.0, restore_best: false }
    }

    /// How many epochs in a row may be no better than the best. Default 3: the fourth ends the training.
    pub fn patience(mut self, epochs: u64) -> Self {
        self.patience = epochs;
        self
    }

    /// By how much a figure must be better to count as such. Default 0.
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.min_delta = delta;
        self
    }

    /// Puts the state of the best epoch back at the end: its parameters, and all else. Default: the last state stays. (It is
    /// kept in memory, with checkpoints in their folder, too.)
    pub fn restore_best(mut self) -> Self {
        self.restore_best = true;
        self
    }
}

/// How far the patience has come.
pub struct Stopping {
    setting: EarlyStopping,
    best_figure: Option<f64>,
    waited: u64,
    best: Option<Vec<u8>>,
}

/// What a checkpoint remembers.
const BEST: &str = "stopping.best";
const WAITED: &str = "stopping.waited";
/// The file of the best state, in the folder of checkpoints.
const FILE: &str = "early-stopping.safetensors";

impl Stopping {
    /// Of several ranks, those other than the first hear from it what is in its folder.
    ///
    /// # Errors
    /// Those of the network.
    pub fn new(
        setting: EarlyStopping,
        run: &Run,
        checkpoints: Option<&Checkpoints>,
        world: Option<&World>,
    ) -> Result<Stopping, ExchangeError> {
        let best_figure = run.figures.get(BEST).copied();
        let kept = checkpoints.filter(|_| setting.restore_best && best_figure.is_some());
        let reads = world.is_none_or(|world| world.rank() == 0);
        let mut best = kept.filter(|_| reads).and_then(|checkpoints| fs::read(file(checkpoints)).ok());
        if let (Some(world), Some(_)) = (world, kept) {
            let told = world.tell(reads.then(|| Ok(best.take().unwrap_or_default())))?;
            best = told.ok().filter(|bytes| !bytes.is_empty());
        }
        let waited = run.figures.get(WAITED).map_or(0, |&waited| waited as u64);
        Ok(Stopping { setting, best_figure, waited, best })
    }

    /// Whether the patience is over.
    pub fn has_stopped(&self) -> bool {
        self.waited > self.setting.patience
    }

    /// Looks at an epoch's figure; whether the training ends.
    pub fn judge(
        &mut self,
        trainer: &impl Training,
        run: &mut Run,
        checkpoints: Option<&Checkpoints>,
    ) -> Result<bool, FitError> {
        let goal = &self.setting.goal;
        let found = run.history.last(goal.name());
        let figure = found.ok_or_else(|| FitError::unknown_figure(goal.name(), &run.history))?.value;
        if goal.is_better(figure, self.best_figure, self.setting.min_delta) {
            self.best_figure = Some(figure);
            self.waited = 0;
            if self.setting.restore_best {
                self.keep(trainer, checkpoints)?;
            }
        } else {
            self.waited += 1;
        }
        run.figures.extend(self.best_figure.map(|best| (BEST.to_owned(), best)));
        run.figures.insert(WAITED.to_owned(), self.waited as f64);
        Ok(self.has_stopped())
    }

    /// The best state, where it is to be put back.
    pub fn best(self) -> Option<Vec<u8>> {
        self.best
    }

    fn keep(&mut self, trainer: &impl Training, checkpoints: Option<&Checkpoints>) -> Result<(), CheckpointError> {
        let path = checkpoints.map(file).unwrap_or_default();
        let failed = |source| CheckpointError::Write { path: path.clone(), source };
        let parts = trainer.parts();
        let bytes = parts.encode(&parts.own_values()?, Default::default()).map_err(failed)?;
        let writes = parts.world().is_none_or(|world| world.rank() == 0);
        if checkpoints.is_some() && writes {
            replace_file(&path, &bytes).map_err(failed)?;
        }
        self.best = Some(bytes);
        Ok(())
    }
}

fn file(checkpoints: &Checkpoints) -> PathBuf {
    checkpoints.folder().join(FILE)
}
