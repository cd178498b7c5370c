//! The settings of a trainer by steps, and building it: here every program is compiled.

use super::{StepTrainer, Steps, graph};
use crate::trainer::{Settings, TrainError, setter};

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

    setter!(threads);
    setter!(seed);
    setter!(check_finite);
    setter!(exact);
    setter!(tune);

    /// Compiles every program.
    ///
    /// # Errors
    /// [`TrainError::Graph`] if layers, losses and optimizers do not go together, [`TrainError::Compile`] if a graph can
    /// not be compiled, [`TrainError::Zero`] for a batch size or a number of threads of 0, [`TrainError::Tuning`] where
    /// [`StepTrainerBuilder::tune`] says so.
    pub fn build(self) -> Result<M::Trainer, TrainError> {
        let StepTrainerBuilder { mut model, settings } = self;
        let mut programs = settings.programs(M::PROGRAMS.len())?;
        programs.take_parameters(&mut model)?;
        let mut classes = Vec::new();
        for (number, signature) in M::PROGRAMS.iter().enumerate() {
            let (graph, of_inputs) = graph(&model, number, settings, settings.batch)?;
            programs.get(signature.name, settings.batch, || Ok(graph))?;
            classes.push(of_inputs);
        }
        // Only now are all states there.
        for optimizer in model.optimizers() {
            programs.fill(optimizer.initial_state())?;
        }
        Ok(StepTrainer { model, settings, programs, classes, labels: Vec::new() }.into())
    }
}
