//! The settings of a trainer by steps, and building it: here every program is compiled. What a program does is the
//! model's to say.

use kiln_graph::shape::Sizes;
use kiln_graph::{GraphError, Mode, ShapeError};

use super::{StepTrainer, Steps, graph, rows, taken, types, usual};
use crate::distributed::World;
use crate::trainer::{Schedulers, Settings, TrainError, setter};

/// The settings of a [`StepTrainer`]; made by [`Steps::trainer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct StepTrainerBuilder<M> {
    pub(super) model: Box<M>,
    pub(super) settings: Settings,
    pub(super) world: Option<World>,
}

impl<M: Steps> StepTrainerBuilder<M> {
    /// The number of samples for which every program is compiled at once; a call may have fewer, but not more. Default 64. A
    /// program that is called with fewer is compiled for them then: see [`StepTrainerBuilder::cached_programs`].
    ///
    /// A program that can not do with so few samples, as a batch norm in training can not with one value for each channel, is no
    /// reason not to build the others: calling it gives the error, as long as some program can be compiled.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    setter!(extent);
    setter!(threads);
    setter!(cached_programs);
    setter!(seed);
    setter!(check_finite);
    setter!(check_numerics);
    setter!(flush_denormal);
    setter!(exact);
    setter!(memory_limit);
    setter!(precision);
    setter!(tune);
    setter!(distributed);
    setter!(shards);
    setter!(sync_batch_norm);
    setter!(wire);

    /// Compiles every program.
    ///
    /// # Errors
    /// [`TrainError::Graph`] if layers, losses and optimizers do not go together, [`TrainError::Parameter`] for a parameter of
    /// another shape than its layer's, [`TrainError::Compile`] if a graph can not be compiled, [`TrainError::Memory`],
    /// [`TrainError::Zero`] for a batch size, a number of threads or of shards of 0, [`TrainError::Environment`] for a
    /// `KILN_THREADS` that is no number where no number of threads is set; [`TrainError::UnknownExtent`],
    /// [`TrainError::ZeroExtent`], [`TrainError::Sizes`], [`TrainError::Tuning`], [`TrainError::Exchange`] where the settings
    /// say so.
    pub fn build(self) -> Result<M::Trainer, TrainError> {
        let StepTrainerBuilder { mut model, mut settings, world } = self;
        let shards = settings.distribute(world.as_ref())?;
        settings.checked(&taken(M::PROGRAMS))?;
        for (number, signature) in M::PROGRAMS.iter().enumerate() {
            settings.fit_tables(&types(signature), |settings| {
                graph(&*model, number, *settings, &[], usual(signature, *settings))
            });
        }
        let mut programs = settings.programs(M::PROGRAMS.len(), &taken(M::PROGRAMS))?;
        programs.set_shards(shards);
        programs.take_parameters(&mut *model)?;
        let schedulers = Schedulers::new(&model.optimizers());
        let mut stepped = Vec::new();
        let mut classes = Vec::new();
        let mut refused = Vec::new();
        let mut graphs = Vec::new();
        let mut axes = Vec::new();
        for (number, signature) in M::PROGRAMS.iter().enumerate() {
            let sizes = usual(signature, settings);
            let is_step = signature.mode == Mode::Train;
            let of_shard = if is_step { programs.of_shard_0(sizes) } else { sizes };
            let of_results = rows::axes(&*model, number, settings, of_shard);
            let of_results = match of_results {
                Err(TrainError::Exchange(error)) => return Err(error.into()),
                // What is wrong with the program is told when it is built for training.
                found => found.unwrap_or_default(),
            };
            match graph(&*model, number, settings, &of_results, of_shard) {
                Ok((of_first, of_inputs)) => {
                    stepped.push(schedulers.stepped(of_first.inputs.iter().map(|input| input.name.as_str())));
                    if is_step && programs.shards().is_some() {
                        graphs.push(of_first.clone());
                    }
                    let mut of_first = Some(of_first);
                    let mut build = |sizes: Sizes| match of_first.take_if(|_| sizes == of_shard) {
                        Some(first) => Ok(first),
                        None => Ok(graph(&*model, number, settings, &of_results, sizes)?.0),
                    };
                    programs.each_shard((signature.name, signature.mode), sizes, &mut build, &mut |_, _| Ok(()))?;
                    classes.push(of_inputs);
                }
                Err(error) if takes_more_samples(&error) => {
                    classes.push(vec![None; signature.inputs.len()]);
                    stepped.push(Vec::new());
                    refused.push(error);
                }
                Err(error) => return settings.at(&sizes, Err(error)),
            }
            axes.push(of_results);
        }
        if refused.len() == M::PROGRAMS.len()
            && let Some(error) = refused.into_iter().next()
        {
            return Err(error);
        }
        // Only now are all states there.
        let optimizers = model.optimizers();
        let training = M::PROGRAMS.iter().filter(|signature| signature.mode == Mode::Train);
        programs.begin_training(&optimizers, Vec::new(), training.map(|signature| signature.name).collect())?;
        drop(optimizers);
        programs.agree(&graphs)?;
        Ok(StepTrainer { model, settings, programs, schedulers, stepped, classes, axes, labels: Vec::new() }.into())
    }
}

/// Whether a program would do with more samples in a batch.
fn takes_more_samples(error: &TrainError) -> bool {
    matches!(error, TrainError::Graph(GraphError::Shape { error: ShapeError::OneValue { .. }, .. }))
}
