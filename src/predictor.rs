//! Inference without a trainer: programs with no backward pass, no loss and no optimizer.

use std::path::Path;

use kiln_graph::Model;
use kiln_graph::model::{Inputs, OutputTypes};
use kiln_jit::Plan;

use crate::report::{CachedPrograms, DrawError, Drawing, Profile, Summary, Tuning};
use crate::trainer::{PREDICT, Programs, Settings, TrainError, predict, predict_graph, setter};

/// A model ready to predict, compiled for one batch size.
///
/// ```
/// use kiln::prelude::*;
/// use ndarray::Array2;
///
/// #[derive(Model)]
/// #[model(input = [4])]
/// struct Small {
///     fc: Linear<4, 3>,
/// }
///
/// let mut predictor = Predictor::new(Small::init(0)).batch(1).build()?;
/// let scores = predictor.predict(&Array2::<f32>::ones((1, 4)))?;
/// assert_eq!(scores.shape(), [1, 3]);
/// # Ok::<(), TrainError>(())
/// ```
pub struct Predictor<M: Model> {
    model: Box<M>,
    settings: Settings,
    programs: Programs,
}

/// The settings of a [`Predictor`]; made by [`Predictor::new`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct PredictorBuilder<M> {
    model: Box<M>,
    settings: Settings,
}

impl<M: Model> PredictorBuilder<M> {
    /// The number of samples that are predicted at once; more are taken in parts. Default 64. Fewer, also as the last part, are
    /// a program of their own: see [`PredictorBuilder::cached_programs`]. So a predictor of single samples is built with 1.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    setter!(extent);
    setter!(threads);
    setter!(cached_programs);
    setter!(check_finite);
    setter!(check_numerics);
    setter!(flush_denormal);
    setter!(exact);
    setter!(tune);

    /// Compiles the prediction.
    ///
    /// # Errors
    /// [`TrainError::Compile`], [`TrainError::Zero`], [`TrainError::Environment`]; [`TrainError::Tuning`] where [`PredictorBuilder::tune`] says so.
    pub fn build(self) -> Result<Predictor<M>, TrainError> {
        let PredictorBuilder { mut model, settings } = self;
        let mut programs = settings.programs(1, M::INPUTS.iter().copied())?;
        let sizes = settings.usual(M::INPUTS);
        programs.take_parameters(&mut *model)?;
        programs.get(PREDICT, sizes, || predict_graph(&*model, sizes))?;
        Ok(Predictor { model, settings, programs })
    }
}

impl<M: Model> Predictor<M> {
    /// The settings of a predictor, all at their defaults; [`PredictorBuilder::build`] compiles it.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(model: M) -> PredictorBuilder<M> {
        PredictorBuilder { model: Box::new(model), settings: Settings::default() }
    }

    /// The model's output for any number of samples, `[n, ..]`; those of several inputs are a tuple, `(&image, &word)`. A remainder smaller than the batch size compiles a
    /// program of its own the first time, which is kept as [`PredictorBuilder::cached_programs`] says.
    ///
    /// # Errors
    /// [`TrainError::InputShape`] (of several inputs [`TrainError::NamedInputShape`] and [`TrainError::InputBatch`]),
    /// [`TrainError::Empty`], and with `check_finite` [`TrainError::NotFinite`].
    pub fn predict(&mut self, x: impl Inputs<M::Input>) -> Result<<M::Output as OutputTypes>::Arrays, TrainError> {
        predict(&mut self.programs, &*self.model, &self.settings, x)
    }

    /// The model with its parameters, which are copied from the compiled programs' memory.
    pub fn model(&mut self) -> &M {
        self.programs.read_parameters(&mut *self.model);
        &self.model
    }

    /// The model with its parameters.
    pub fn into_model(mut self) -> M {
        self.programs.read_parameters(&mut *self.model);
        *self.model
    }

    /// The plan of the prediction of a full batch: kernels, memory and FLOPs; it prints.
    pub fn plan(&self) -> &Plan {
        self.programs.plan(PREDICT, self.settings.usual(M::INPUTS)).expect("build() compiles this program")
    }

    /// Writes a drawing of the prediction of a full batch as one HTML file: see [`Drawing`].
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn graph_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let graph = predict_graph(&*self.model, self.settings.usual(M::INPUTS))?;
        Drawing::new(&graph).plan(self.plan()).layers("", &*self.model).save_html(path)
    }

    /// Times each kernel of the prediction of a full batch; see [`Trainer::profile`](crate::Trainer::profile).
    ///
    /// # Errors
    /// [`TrainError::Profile`].
    pub fn profile(&mut self) -> Result<Profile, TrainError> {
        let sizes = self.settings.usual(M::INPUTS);
        let graph = predict_graph(&*self.model, sizes)?;
        let (program, states) = self.programs.get(PREDICT, sizes, || Ok(graph.clone()))?;
        program.profile(states, &graph)
    }

    /// What is kept compiled: for which sizes, in how much memory, and how often it has run; it prints as a table. The bound
    /// is [`PredictorBuilder::cached_programs`]'s.
    pub fn cached_programs(&self) -> CachedPrograms {
        self.programs.cached()
    }

    /// What [`PredictorBuilder::tune`] has chosen; nothing without it.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.programs.tuning()
    }

    /// A table of the layers, their output shapes, parameters and FLOPs, and the planned memory; it prints.
    ///
    /// # Errors
    /// [`TrainError::Graph`].
    pub fn summary(&self) -> Result<Summary, TrainError> {
        Summary::new(&*self.model, self.settings.usual(M::INPUTS), None, Some(self.plan()))
    }
}
