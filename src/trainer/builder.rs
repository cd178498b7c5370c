//! The settings of a trainer and of a predictor, and building them: here everything is compiled.

use std::sync::Arc;

use kiln_graph::Model;
use kiln_graph::losses::Loss;
use kiln_graph::optimizers::Optimizer;
use kiln_runtime::Pool;

use super::Trainer;
use super::error::TrainError;
use super::programs::{Programs, TRAIN, optimization, train_graph};
use super::targets::TargetElement;

/// The setters that several builders have, each of a field of its [`Settings`].
macro_rules! setter {
    (threads) => {
        /// The number of threads. Default: the environment variable `KILN_THREADS`, else the number of cores. Results do
        /// not depend on it.
        pub fn threads(mut self, threads: usize) -> Self {
            self.settings.threads = Some(threads);
            self
        }
    };
    (seed) => {
        /// The seed of what layers draw in training, such as the elements that [`Dropout`](crate::layers::Dropout) drops.
        /// Default 0. The same seed gives the same draws in the same steps.
        pub fn seed(mut self, seed: u64) -> Self {
            self.settings.seed = seed;
            self
        }
    };
    (check_finite) => {
        /// Whether what is given is searched for NaN and infinity before each call, which then fails with
        /// [`TrainError::NotFinite`](crate::TrainError::NotFinite). Default: no.
        pub fn check_finite(mut self, check: bool) -> Self {
            self.settings.check_finite = check;
            self
        }
    };
}

pub(crate) use setter;

/// What trainers and predictors have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub batch: usize,
    pub threads: Option<usize>,
    pub check_finite: bool,
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { batch: 64, threads: None, check_finite: false, seed: 0 }
    }
}

impl Settings {
    /// The programs, none of them compiled yet.
    pub fn programs(&self) -> Result<Programs, TrainError> {
        if self.batch == 0 {
            return Err(TrainError::Zero { setting: "batch" });
        }
        if self.threads == Some(0) {
            return Err(TrainError::Zero { setting: "threads" });
        }
        let pool = match self.threads {
            Some(threads) => Pool::new(threads),
            None => Pool::from_environment(),
        };
        Ok(Programs::new(Arc::new(pool)))
    }
}

/// The settings of a [`Trainer`]; made by [`Trainer::new`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct TrainerBuilder<M, L, O> {
    pub(super) model: M,
    pub(super) loss: L,
    pub(super) optimizer: O,
    pub(super) settings: Settings,
}

impl<M: Model, L: Loss, O: Optimizer> TrainerBuilder<M, L, O>
where
    L::Target: TargetElement,
{
    /// The number of samples in a step; a step may have fewer, but not more. Default 64.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    setter!(threads);
    setter!(check_finite);
    setter!(seed);

    /// Compiles the training step.
    ///
    /// # Errors
    /// [`TrainError::Graph`] if model, loss and optimizer do not go together, [`TrainError::Compile`] if the graph can
    /// not be compiled, [`TrainError::Zero`] for a batch size or a number of threads of 0.
    pub fn build(self) -> Result<Trainer<M, L, O>, TrainError> {
        let TrainerBuilder { model, loss, optimizer, settings } = self;
        let mut programs = settings.programs()?;
        let Settings { batch, seed, .. } = settings;
        programs.get(TRAIN, batch, || train_graph(&model, &loss, &optimizer, batch, seed))?;
        programs.write_parameters(&model)?;
        programs.fill(optimization(&model, &optimizer).initial_state())?;
        for (name, value) in loss.states() {
            programs.initialise(&name, value.view())?;
        }
        Ok(Trainer { model, loss, optimizer, settings, programs, targets: Vec::with_capacity(settings.batch) })
    }
}
