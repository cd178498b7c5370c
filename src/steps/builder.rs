//! The settings of a trainer by steps, and building it: here every program is compiled.

use super::{StepTrainer, Steps, graph};
use crate::trainer::{Settings, TrainError};

/// The settings of a [`StepTrainer`]; made by [`Steps::trainer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct StepTrainerBuilder<M> {
    pub(super) model: M,
    pub(super) settings: Settings,
}

impl<M: Steps> StepTrainerBuilder<M> {
    /// The number of samples for which every program is compiled at once. A program that is called with another number
    /// is compiled for it then, and kept. Default 64.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    /// The number of threads. Default: the environment variable `KILN_THREADS`, else the number of cores. Results do
    /// not depend on it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = Some(threads);
        self
    }

    /// The seed of what layers draw in training, such as the elements that [`Dropout`](crate::layers::Dropout) drops.
    /// Default 0. The same seed gives the same draws in the same steps.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Whether inputs are searched for NaN and infinity before each call, which then fails with
    /// [`TrainError::NotFinite`]. Default: no.
    pub fn check_finite(mut self, check: bool) -> Self {
        self.settings.check_finite = check;
        self
    }

    /// Compiles every program.
    ///
    /// # Errors
    /// [`TrainError::Graph`] if layers, losses and optimizers do not go together, [`TrainError::Compile`] if a graph can
    /// not be compiled, [`TrainError::Zero`] for a batch size or a number of threads of 0.
    pub fn build(self) -> Result<M::Trainer, TrainError> {
        let StepTrainerBuilder { model, settings } = self;
        let mut programs = settings.programs()?;
        let mut classes = Vec::new();
        for (number, signature) in M::PROGRAMS.iter().enumerate() {
            let (graph, of_inputs) = graph(&model, number, settings, settings.batch)?;
            programs.get(signature.name, settings.batch, || Ok(graph))?;
            classes.push(of_inputs);
        }
        // Only now are all states there.
        programs.write_parameters(&model)?;
        for (name, value) in model.optimizers().iter().flat_map(|optimizer| optimizer.initial_state()) {
            programs.initialise(&name, value.view())?;
        }
        Ok(StepTrainer { model, settings, programs, classes, labels: Vec::new() }.into())
    }
}
