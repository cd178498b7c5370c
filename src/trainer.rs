//! Training a model: one compiled program does forward, loss, backward and update. The trainer checks what users give
//! it, and calls compiled programs; it knows no operation and no kernel.

mod builder;
mod error;
mod evaluation;
mod given;
mod graphs;
mod hints;
mod inputs;
mod metric;
mod outputs;
mod planning;
mod prediction;
mod programs;
mod saved;
mod schedulers;
mod shards;
mod sizes;
mod statistics;
mod step_loss;
mod targets;

use std::fmt;
use std::path::Path;

use kiln_graph::losses::Criterion;
use kiln_graph::model::{Inputs, OutputTypes};
use kiln_graph::optimizers::Optimizer;
use kiln_graph::shape::Sizes;
use kiln_graph::{Graph, Mode, Model, Parameters, Shape, Type};
use kiln_jit::Plan;
use ndarray::{ArrayD, ArrayView, ArrayViewD};

pub use builder::TrainerBuilder;
pub(crate) use builder::{Settings, setter};
pub use error::TrainError;
use evaluation::{Evaluated, Sums};
pub use evaluation::{Evaluation, OutputEvaluation};
pub use given::BatchTargets;
pub(crate) use given::Buffer;
#[cfg(feature = "onnx")]
pub(crate) use given::read_elements as read_target;
use given::write_targets;
use graphs::optimization;
pub use graphs::{evaluate_graph, train_graph};
pub(crate) use graphs::{guard, shard, step_graph};
#[cfg(feature = "onnx")]
pub(crate) use inputs::write_part;
pub(crate) use inputs::{check as check_inputs, has_rows, write as write_inputs};
use metric::Metric;
use outputs::predict;
pub(crate) use outputs::read_outputs;
pub use planning::initial_states;
pub(crate) use planning::{keeps, layouts, plan_graph, read_parameters, take_parameters, take_parameters_by};
pub use prediction::predict_graph;
#[cfg(feature = "onnx")]
pub use prediction::predict_graph_with_wholes;
pub(crate) use prediction::{forward, output_names};
#[cfg(feature = "onnx")]
pub(crate) use programs::EVALUATE;
pub use programs::OUTSIDE;
pub(crate) use programs::{Compiled, OfGraph, OwnValues, PART, PREDICT, Programs, TRAIN};
pub(crate) use saved::{encode, load, load_bytes, save};
pub(crate) use schedulers::Schedulers;
pub(crate) use shards::{Exchange, Shards, Timeline};
#[cfg(feature = "onnx")]
pub(crate) use sizes::Extents;
pub(crate) use sizes::differs;
pub(crate) use statistics::{update_bn, update_bn_batches};
pub use step_loss::StepLoss;
pub use targets::{Label, TargetElement, Targets};
pub(crate) use targets::{Rules, check_finite};

use crate::checkpoint::CheckpointError;
use crate::history::History;
use crate::metrics::Metrics;
use crate::report::{CachedPrograms, DrawError, Drawing, Facts, Profile, Report, Summary, Tuning};
use crate::training::{Parts, PartsMut, Training};

/// A model in training, with everything compiled and all memory planned.
///
/// ```
/// use kiln::prelude::*;
/// use ndarray::{Array1, Array2};
///
/// #[derive(Model)]
/// #[model(input = [2])]
/// struct Xor {
///     hidden: Linear<2, 16>,
///     act: Tanh,
///     out: Linear<16, 2>,
/// }
///
/// let x = ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let y = [0, 1, 1, 0];
/// let mut trainer = Trainer::new(Xor::init(1), cross_entropy(), Adam::default().lr(0.05)).batch(4).build()?;
/// let first = trainer.step(&x, &y)?;
/// for _ in 0..200 {
///     trainer.step(&x, &y)?;
/// }
/// assert!(trainer.step(&x, &y)? < first / 10.0);
/// assert_eq!(trainer.evaluate(&x, &y)?.accuracy, Some(1.0));
/// # Ok::<(), TrainError>(())
/// ```
///
/// A model of several inputs and outputs takes tuples: a loss for each output (`()` for none), or
/// [one of all](crate::losses::joint_loss_fn), and as many targets.
///
/// ```
/// use kiln::prelude::*;
/// use ndarray::{Array1, Array2};
///
/// model! {
///     struct Placeholder {
///         scores: Linear(3, 4),
///         place: Linear(3, 2),
///     }
///
///     fn forward(image: [N, 3], shift: [N, 2]) -> ([N, 4], [N, 2]) {
///         (scores(image), place(image) + shift)
///     }
/// }
///
/// let (image, shift) = (Array2::<f32>::ones((4, 3)), Array2::<f32>::zeros((4, 2)));
/// let (labels, places) = (Array1::from_elem(4, 2), Array2::<f32>::ones((4, 2)));
/// let losses = (cross_entropy(), mse().weighted(0.5));
/// let mut trainer = Trainer::new(Placeholder::init(0), losses, Adam::default()).batch(4).build()?;
/// trainer.step((&image, &shift), (&labels, &places))?;
/// let evaluation = trainer.evaluate((&image, &shift), (&labels, &places))?;
/// assert_eq!(evaluation.outputs[0].name, "scores");
/// assert!(evaluation.outputs[0].loss.unwrap() < evaluation.loss);
/// let (scores, place) = trainer.predict((&image, &shift))?;
/// assert_eq!((scores.dim()[1], place.dim()[1]), (4, 2));
/// # Ok::<(), TrainError>(())
/// ```
pub struct Trainer<M: Model, L: Criterion<M::Output>, O: Optimizer> {
    /// Apart, as are the models of all that takes one: a model of many layers is not small.
    model: Box<M>,
    loss: L,
    optimizer: O,
    metrics: Vec<Metric>,
    settings: Settings,
    programs: Programs,
    schedulers: Schedulers,
    /// The targets of the current batch, as programs read them.
    targets: Vec<Buffer>,
}

impl<M: Model, L: Criterion<M::Output>, O: Optimizer> fmt::Debug for Trainer<M, L, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<M: Model, L: Criterion<M::Output>, O: Optimizer> Training for Trainer<M, L, O> {
    fn parts(&self) -> Parts<'_> {
        Parts(&self.programs, &self.schedulers)
    }

    fn parts_mut(&mut self) -> PartsMut<'_> {
        PartsMut(&mut self.programs, &mut self.schedulers)
    }

    fn batch(&self) -> usize {
        self.settings.batch
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        let (sizes, plan) = (self.settings.usual(M::INPUTS), self.plan());
        if let Ok(summary) = Summary::new(&*self.model, sizes, Some(plan), self.programs.plan(PREDICT, sizes)) {
            facts.add_summary(&summary);
        }
        facts.add_plan(plan);
        self.model.each_parameter(&mut |name, _| facts.parameters.push(name.to_owned()));
        if let Ok(graph) = self.graph() {
            facts.set_graph(Drawing::new(&graph).plan(plan).layers("", &*self.model).html());
            facts.program = Some(graph);
        }
        facts
    }
}

impl<M: Model, L: Criterion<M::Output>, O: Optimizer> Trainer<M, L, O> {
    /// The settings of a trainer, all at their defaults; [`TrainerBuilder::build`] compiles it.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(model: M, loss: L, optimizer: O) -> TrainerBuilder<M, L, O> {
        TrainerBuilder {
            model: Box::new(model),
            loss,
            optimizer,
            metrics: Vec::new(),
            settings: Settings::default(),
            world: None,
        }
    }

    /// Trains on one batch; the loss before the update.
    ///
    /// `x` holds the samples, `[n, ..]` as the model's input says (`f32`, or `i32` for indices), in any memory layout, a
    /// tuple of arrays for a model of several inputs: `trainer.step((&image, &word), &labels)`; `y` their targets: class labels
    /// `[n]` of any integer type, or numbers of the shape of the output, as the loss says. `n` is at most the batch
    /// size of the trainer. Several losses take a tuple of targets: `(&labels, &boxes)`. The first batch of other sizes compiles a program for these, which is kept as
    /// [`TrainerBuilder::cached_programs`] says. A step of a size that is kept allocates nothing. Where the loss
    /// ignores all labels of the batch it is NaN, and its gradients are 0, as in PyTorch.
    ///
    /// # Errors
    /// [`TrainError::InputShape`] (of several inputs [`TrainError::NamedInputShape`] and [`TrainError::InputBatch`]),
    /// [`TrainError::Extent`], [`TrainError::TargetShape`], [`TrainError::Empty`], [`TrainError::BatchTooLarge`],
    /// [`TrainError::Label`], [`TrainError::Index`], [`TrainError::Outside`], with `check_finite` [`TrainError::NotFinite`], with
    /// `check_numerics` [`TrainError::Numerics`]; the model is then as it was. With `distributed`
    /// [`TrainError::Exchange`].
    pub fn step(&mut self, x: impl Inputs<M::Input>, y: impl BatchTargets<L::Target>) -> Result<f32, TrainError> {
        Ok(self.step_of_epoch(x, y)?.loss())
    }

    /// [`Trainer::step`], with what its loss weighs among those of an epoch.
    pub(crate) fn step_of_epoch(
        &mut self,
        x: impl Inputs<M::Input>,
        y: impl BatchTargets<L::Target>,
    ) -> Result<StepLoss, TrainError> {
        let sizes = inputs::check::<M>(&x, &self.settings)?;
        let rows = sizes.batch();
        if rows > self.settings.batch {
            return Err(TrainError::BatchTooLarge { batch: self.settings.batch, found: rows });
        }
        self.read_targets(y, sizes)?;
        let (seed, sharding) = (self.settings.seed, self.settings.sharding);
        let Trainer { model, loss, optimizer, programs, targets, schedulers, .. } = self;
        let mut graph = |sizes: Sizes| step_graph(&**model, loss, optimizer, sizes, (seed, sharding));
        programs.each_shard((TRAIN, Mode::Train), sizes, &mut graph, &mut |program, rows| {
            inputs::write::<M>(program, &x, rows.clone())?;
            write_targets(program, M::INPUTS.len(), targets, rows)
        })?;
        schedulers.hand_over(&[0], programs.states_mut())?;
        let program = programs.run_step((TRAIN, Mode::Train), sizes, &mut graph)?;
        schedulers.advance(&[0]);
        Ok(StepLoss::of(program))
    }

    /// The mean loss, and for class labels the accuracy, of any number of samples; the model does not change. They are taken in
    /// batches of the trainer's size; a smaller last one is a program of its own, kept as
    /// [`TrainerBuilder::cached_programs`] says. With [`TrainerBuilder::distributed`] all ranks ask for the same evaluation, and
    /// each computes its shards' rows of each batch.
    ///
    /// # Errors
    /// As for [`Trainer::step`], except that there may be more samples than the batch size.
    pub fn evaluate(
        &mut self,
        x: impl Inputs<M::Input>,
        y: impl BatchTargets<L::Target>,
    ) -> Result<Evaluation, TrainError> {
        self.evaluate_with(x, y, &mut Metrics::default())
    }

    /// [`Trainer::evaluate`], adding what is predicted to metrics, too: one pass over the samples does for all.
    ///
    /// ```
    /// use kiln::metrics::Metrics;
    /// use kiln::prelude::*;
    /// # use ndarray::{Array1, Array2};
    /// # #[derive(Model)]
    /// # #[model(input = [4])]
    /// # struct Net { fc: Linear<4, 3> }
    ///
    /// let (x, y) = (Array2::<f32>::ones((8, 4)), Array1::from_iter((0..8).map(|i| i % 3)));
    /// let mut trainer = Trainer::new(Net::init(0), cross_entropy(), Adam::default()).batch(4).build()?;
    /// let mut metrics = Metrics::new(["f1", "auroc"])?;
    /// trainer.evaluate_with(&x, &y, &mut metrics)?;
    /// assert_eq!(metrics.figures().map(|(name, _)| name).collect::<Vec<_>>(), ["f1", "auroc"]);
    /// # Ok::<(), TrainError>(())
    /// ```
    ///
    /// # Errors
    /// Also [`TrainError::Metric`]; what the metrics have seen is then of no use.
    pub fn evaluate_with(
        &mut self,
        x: impl Inputs<M::Input>,
        y: impl BatchTargets<L::Target>,
        metrics: &mut Metrics,
    ) -> Result<Evaluation, TrainError> {
        let sums = self.add_evaluation(None, x, y, metrics)?;
        self.finish_evaluation(sums)
    }

    /// [`Trainer::evaluate`] of data that comes in batches, such as those of a [`Loader`](crate::data::Loader): the figures are those of all
    /// samples together.
    ///
    /// # Errors
    /// The first error among the batches; those of [`Trainer::evaluate`]; [`TrainError::Empty`] where there is no batch.
    pub fn evaluate_batches<X, Y, E: From<TrainError>>(
        &mut self,
        batches: impl IntoIterator<Item = Result<(X, Y), E>>,
    ) -> Result<Evaluation, E>
    where
        for<'x> &'x X: Inputs<M::Input>,
        for<'y> &'y Y: BatchTargets<L::Target>,
    {
        self.evaluate_batches_with(batches, &mut Metrics::default())
    }

    /// [`Trainer::evaluate_batches`] and [`Trainer::evaluate_with`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn evaluate_batches_with<X, Y, E: From<TrainError>>(
        &mut self,
        batches: impl IntoIterator<Item = Result<(X, Y), E>>,
        metrics: &mut Metrics,
    ) -> Result<Evaluation, E>
    where
        for<'x> &'x X: Inputs<M::Input>,
        for<'y> &'y Y: BatchTargets<L::Target>,
    {
        let mut sums = None;
        for batch in batches {
            let (x, y) = batch?;
            sums = Some(self.add_evaluation(sums, &x, &y, metrics)?);
        }
        let sums = sums.ok_or(TrainError::Empty { found: vec![0] })?;
        Ok(self.finish_evaluation(sums)?)
    }

    /// What was added up of all samples: over the shards of all ranks, where they were dealt out.
    fn finish_evaluation(&self, mut sums: Vec<Sums>) -> Result<Evaluation, TrainError> {
        let mut all = sums.pop().expect("there are sums of one shard, at least");
        if let Some(shards) = self.programs.shards().filter(|_| !all.told) {
            sums.push(all.clone());
            all.take(&shards.totals(sums.iter().map(Sums::totals).collect())?);
        }
        Ok(all.finish(output_names::<M>(), &self.loss.parts(), &self.metrics))
    }

    /// Adds the evaluation of some samples to that of others.
    fn add_evaluation(
        &mut self,
        sums: Option<Vec<Sums>>,
        x: impl Inputs<M::Input>,
        y: impl BatchTargets<L::Target>,
        metrics: &mut Metrics,
    ) -> Result<Vec<Sums>, TrainError> {
        let sizes = inputs::check::<M>(&x, &self.settings)?;
        self.read_targets(y, sizes)?;
        let all = |output: usize| Type { shape: sizes.shape(M::OUTPUTS[output].shape), ..M::OUTPUTS[output] };
        let losses = self.loss.parts().len();
        let told = !metrics.is_empty();
        let shards = self.programs.shards().filter(|_| !told).map(|shards| (shards.own(), shards.count()));
        let (own, shards) = shards.unwrap_or((0..1, 1));
        let new = || vec![Sums::new(losses, self.metrics.len(), &self.targets, M::OUTPUTS, (&all, told)); own.len()];
        let mut sums = sums.unwrap_or_else(new);
        let names = if told { sums[0].outputs(&output_names::<M>()) } else { Vec::new() };
        metrics.check(&names)?;
        let evaluated = Evaluated {
            sizes,
            batch: self.settings.batch,
            graph: &mut |sizes| evaluate_graph(&*self.model, &self.loss, &self.metrics, sizes),
            write: &mut |program, part| inputs::write::<M>(program, &x, part),
            inputs: M::INPUTS.len(),
            targets: &self.targets,
        };
        evaluation::add(&mut self.programs, &mut sums, (own, shards), evaluated, (metrics, &names))?;
        Ok(sums)
    }

    /// The model's output for any number of samples, `[n, ..]`, an array of its element type; a tuple of arrays for several outputs; layers behave as in evaluation. Batches are taken as by
    /// [`Trainer::evaluate`].
    ///
    /// # Errors
    /// [`TrainError::InputShape`] (as for [`Trainer::step`]), [`TrainError::Empty`],
    /// [`TrainError::OutOfMemory`], and with `check_finite` [`TrainError::NotFinite`].
    pub fn predict(&mut self, x: impl Inputs<M::Input>) -> Result<<M::Output as OutputTypes>::Arrays, TrainError> {
        predict(&mut self.programs, &*self.model, &self.settings, x)
    }

    /// Sets the learning rate of all parameters from the next step on; with a schedule, the rate that it changes.
    ///
    /// # Errors
    /// [`TrainError::LearningRate`] for a negative number, NaN or infinity.
    pub fn set_learning_rate(&mut self, rate: f32) -> Result<(), TrainError> {
        self.schedulers.set_rate("", None, rate)
    }

    /// As [`Trainer::set_learning_rate`], of one group of parameters: 1 is the first that the optimizer was given, 0 that of
    /// the parameters in no other.
    ///
    /// # Errors
    /// Also [`TrainError::UnknownGroup`].
    pub fn set_group_learning_rate(&mut self, group: usize, rate: f32) -> Result<(), TrainError> {
        self.schedulers.set_rate("", Some(group), rate)
    }

    /// The gradient of a parameter in the last step, by the parameter's name, with `keep_gradients` of the optimizer:
    /// `Adam::default().keep_gradients(true)`. PyTorch's `fc.weight.grad` after `backward()`, before clipping. Nothing for
    /// another name, or where the loss does not depend on the parameter; zeros before the first step.
    pub fn gradient(&self, parameter: &str) -> Option<ArrayD<f32>> {
        let state = optimization(&*self.model, &self.optimizer).gradient(parameter)?;
        self.programs.states().read(&state)
    }

    /// The learning rate of the next step, as the schedule says; that of the parameters in no group.
    pub fn learning_rate(&self) -> f32 {
        self.schedulers.rate("").unwrap_or_default()
    }

    /// Reports a metric, such as the loss of an evaluation, to the optimizer's
    /// [`ReduceLROnPlateau`](crate::schedules::ReduceLROnPlateau).
    ///
    /// # Errors
    /// [`TrainError::NoPlateau`] where the optimizer has none.
    pub fn report_metric(&mut self, metric: impl Into<f64>) -> Result<(), TrainError> {
        self.schedulers.report_metric("", metric.into())
    }

    /// Whether evaluations, predictions and [`Trainer::model`] take the averages of the parameters that the optimizer keeps
    /// (`.ema(..)`, `.swa(..)`), and not the parameters. Training goes on with the parameters, and running statistics of batch norms
    /// are the present ones, in any case.
    ///
    /// # Errors
    /// [`TrainError::NoAverages`] where the optimizer keeps none.
    pub fn use_averaged(&mut self, averaged: bool) -> Result<(), TrainError> {
        self.programs.use_averages(averaged)
    }

    /// Takes the running statistics of all batch norms anew, of any number of samples: each becomes the mean of those of the
    /// batches, of the trainer's size and a smaller last one. It is PyTorch's `update_bn(loader, model)`, for parameters that
    /// the statistics of the training do not go with: after [`Trainer::use_averaged`], the averages. Layers behave as in
    /// training; no parameter changes. What is trained on moves the statistics on with it, as ever.
    ///
    /// # Errors
    /// As for [`Trainer::predict`]; [`TrainError::Graph`] for a last batch of one value for each channel. All is then as it
    /// was.
    pub fn update_bn(&mut self, x: impl Inputs<M::Input>) -> Result<(), TrainError> {
        update_bn(&mut self.programs, &*self.model, &self.settings, x)
    }

    /// [`Trainer::update_bn`] of samples that come in batches, such as those of a [`Loader`](crate::data::Loader).
    ///
    /// # Errors
    /// The first error among the batches; those of [`Trainer::update_bn`].
    pub fn update_bn_batches<X, E: From<TrainError>>(
        &mut self,
        batches: impl IntoIterator<Item = Result<X, E>>,
    ) -> Result<(), E>
    where
        for<'x> &'x X: Inputs<M::Input>,
    {
        update_bn_batches(&mut self.programs, &*self.model, &self.settings, batches)
    }

    /// Writes all that the training goes on from to a safetensors file, on each rank that calls it: parameters, what the optimizer keeps, averages,
    /// where the schedule stands, and what random numbers follow. [`Trainer::load`] of a trainer that was built the same way
    /// goes on as if there had been no break. For the network alone there is `trainer.model().save(path)`, which PyTorch
    /// reads.
    ///
    /// # Errors
    /// [`CheckpointError::Write`], [`CheckpointError::Between`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        saved::save(path.as_ref(), &self.programs, &self.schedulers)
    }

    /// Goes on from what [`Trainer::save`] wrote, for the same model, optimizer and groups. (Rates that a schedule gives are
    /// those of this trainer's own.)
    ///
    /// # Errors
    /// [`CheckpointError`]; all is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        saved::load(path.as_ref(), &mut self.programs, &mut self.schedulers).map(|_| ())
    }

    /// The model with its present parameters, which are copied from the compiled programs' memory.
    pub fn model(&mut self) -> &M {
        self.programs.read_parameters(&mut *self.model);
        &self.model
    }

    /// The model with its present parameters.
    pub fn into_model(mut self) -> M {
        self.programs.read_parameters(&mut *self.model);
        *self.model
    }

    /// The plan of the training step of a full batch: kernels, memory and FLOPs; it prints. Of kernels it has names, buffers and
    /// grids: what they compute went when there was code ([`Plan::for_running`]).
    pub fn plan(&self) -> &Plan {
        self.programs.plan(TRAIN, self.step_sizes()).expect("build() compiles this program")
    }

    /// Writes a drawing of the training step of a full batch, forward and backward side by side, as one HTML file: see
    /// [`Drawing`].
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn graph_html(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let graph = self.drawn()?;
        Drawing::new(&graph).plan(self.plan()).layers("", &*self.model).save_html(path)
    }

    /// Writes the drawing for Graphviz: `dot -Tsvg step.dot > step.svg`.
    ///
    /// # Errors
    /// [`DrawError::Write`].
    pub fn graph_dot(&self, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let graph = self.drawn()?;
        Drawing::new(&graph).layers("", &*self.model).save_dot(path)
    }

    /// A report of a training with this trainer: what was measured, with the model's layers, memory and graph. With the time of
    /// each kernel: `.profile(&trainer.profile()?)`.
    pub fn report(&self, history: &History) -> Report {
        history.report().facts(self.facts())
    }

    /// Times each kernel of the training step of a full batch: its operations and layers, its speed, and what part of the
    /// machine's measured limit that is. It prints as a table, and [`Profile::save_trace`] writes a trace for viewers. Takes
    /// about a second; the model is afterwards what it was before. Of several ranks, all do it at once, and it shows what goes
    /// between them beside the computation.
    ///
    /// # Errors
    /// [`TrainError::Profile`].
    pub fn profile(&mut self) -> Result<Profile, TrainError> {
        let of_first = self.graph()?;
        if self.programs.shards().is_some() {
            let (sizes, seed, sharding) = (self.settings.usual(M::INPUTS), self.settings.seed, self.settings.sharding);
            let Trainer { model, loss, optimizer, programs, .. } = self;
            let mut graph = |sizes: Sizes| step_graph(&**model, loss, optimizer, sizes, (seed, sharding));
            return programs.profile_step((TRAIN, sizes), &mut graph, &of_first);
        }
        let (program, states) = self.programs.get(TRAIN, self.step_sizes(), &mut |_| Ok(of_first.clone()))?;
        program.profile(states, &of_first)
    }

    /// What is kept compiled: for which sizes, in how much memory, and how often it has run; it prints as a table. The bound
    /// is [`TrainerBuilder::cached_programs`]'s.
    pub fn cached_programs(&self) -> CachedPrograms {
        self.programs.cached()
    }

    /// What [`TrainerBuilder::tune`] has measured and chosen, program by program; it prints as a table. Nothing where the trainer
    /// was built without it.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.programs.tuning()
    }

    /// The sizes of a full step: of this rank's first shard, where batches have shards.
    fn step_sizes(&self) -> Sizes {
        self.programs.of_shard(self.settings.usual(M::INPUTS))
    }

    /// The graph of the training step of a full batch.
    fn graph(&self) -> Result<Graph, TrainError> {
        let (seed, sharding) = (self.settings.seed, self.settings.sharding);
        step_graph(&*self.model, &self.loss, &self.optimizer, self.step_sizes(), (seed, sharding))
    }

    /// The same as it is drawn, without the outputs that epochs add up.
    fn drawn(&self) -> Result<Graph, TrainError> {
        let mut graph = self.graph()?;
        graph.outputs.retain(|output| !output.name.starts_with(PART));
        Ok(graph)
    }

    /// A table of the layers, their output shapes, parameters and FLOPs, and the planned memory for training and
    /// inference at this batch size; it prints. (The inference program is compiled if it was not yet.)
    ///
    /// # Errors
    /// [`TrainError::Compile`].
    pub fn summary(&mut self) -> Result<Summary, TrainError> {
        let sizes = self.settings.usual(M::INPUTS);
        self.programs.get(PREDICT, sizes, &mut |sizes| predict_graph(&*self.model, sizes))?;
        let inference = self.programs.plan(PREDICT, sizes);
        Summary::new(&*self.model, sizes, Some(self.plan()), inference)
    }

    /// Checks the targets of samples of these sizes and copies them to where a program can read them.
    fn read_targets(&mut self, y: impl BatchTargets<L::Target>, sizes: Sizes) -> Result<(), TrainError> {
        let Trainer { loss, targets, settings, .. } = self;
        y.each(&mut |place, given| {
            let rule = loss.target(place, &|output| sizes.shape(M::OUTPUTS[output].shape));
            let Some(rule) = rule else { return Ok(()) };
            match given::read(given, rule, settings.check_finite, &mut targets[place]) {
                Err(error) if L::TARGETS > 1 => Err(of_target(error, (place, rule.output), &output_names::<M>())),
                read => read,
            }
        })
    }
}

/// An error of one of several targets, which belongs to an output, if any.
fn of_target(error: TrainError, (place, output): (usize, Option<usize>), outputs: &[String]) -> TrainError {
    let name = output.and_then(|output| outputs.get(output).cloned());
    TrainError::Target { target: name.unwrap_or_else(|| format!("target {place}")), error: Box::new(error) }
}

/// Targets as a tensor of the given shape.
pub(crate) fn view<T>(targets: &[T], shape: Shape) -> ArrayViewD<'_, T> {
    ArrayView::from_shape(shape.dims(), targets).expect("as many targets as their shape says")
}
