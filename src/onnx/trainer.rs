//! Training of a model from a file, whose inputs and outputs have names and types that are known when the program runs.
//! It knows no operator, loss or optimizer.

use std::collections::HashMap;
use std::path::Path;

use kiln_graph::losses::{Loss, TargetRule, Total};
use kiln_graph::optimizers::{Optimization, Optimizer};
use kiln_graph::shape::Sizes;
use kiln_graph::{Builder, DType, Element, Elements, Graph, GraphError, Layer, Mode, Shape, Type, Value};
use kiln_jit::Plan;
use kiln_onnx::OnnxModel;
use ndarray::{ArrayD, ArrayRef, Dimension};

use super::given::{Given, type_of, unknown};
use super::outputs::OnnxOutputs;
use super::predictor::{OnnxRunError, foreign};
use crate::checkpoint::CheckpointError;
use crate::report::Summary;
use crate::trainer::{
    Buffer, EVALUATE, PREDICT, Programs, Schedulers, Settings, TRAIN, TrainError, guard, load, read_target, save,
    setter,
};
use crate::training::{Parts, PartsMut, Training};

/// A loss of one output, whatever its targets are.
trait OutputLoss: Send + Sync {
    fn rule(&self, output: usize, shape: Shape) -> TargetRule;
    fn loss<'g>(&self, g: &'g Builder, output: Value<'g>, target: Value<'g>) -> Value<'g>;
    fn total<'g>(&self, g: &'g Builder, output: Value<'g>, target: Value<'g>) -> Total<'g>;
    fn states(&self) -> Vec<(String, ArrayD<f32>)>;
}

impl<L: Loss + Send + Sync> OutputLoss for L {
    fn rule(&self, output: usize, shape: Shape) -> TargetRule {
        let (ty, classes) = (self.target_type(shape), self.classes(shape));
        TargetRule { ty, output: Some(output), classes, ignored: self.ignored() }
    }

    fn loss<'g>(&self, g: &'g Builder, output: Value<'g>, target: Value<'g>) -> Value<'g> {
        Loss::loss(self, g, output, target)
    }

    fn total<'g>(&self, g: &'g Builder, output: Value<'g>, target: Value<'g>) -> Total<'g> {
        Loss::total(self, g, output, target)
    }

    fn states(&self) -> Vec<(String, ArrayD<f32>)> {
        Loss::states(self)
    }
}

/// The losses of a trainer, each with the name of its output.
type Losses = Vec<(String, Box<dyn OutputLoss>)>;

/// A model of a file in training: as a [`Trainer`](crate::Trainer), for a model that is known when the program runs.
///
/// ```
/// use kiln::onnx::{OnnxModel, OnnxTrainer};
/// use kiln::prelude::*;
/// use ndarray::{Array1, Array4};
///
/// // The network up to the features in front of its last layer, and a new one.
/// let model = OnnxModel::load("examples/data/digits.onnx")?.with_head("parity", "relu3", 2, 0)?;
/// let mut trainer = OnnxTrainer::new(model, Adam::new(0.01)).loss("parity", cross_entropy()).batch(8).build()?;
///
/// let x = Array4::from_shape_fn((8, 1, 8, 8), |(n, _, y, x)| ((n * 7 + y * 3 + x) % 5) as f32);
/// let y = Array1::from_shape_fn(8, |n| (n % 2) as i32);
/// let mut losses = Vec::new();
/// for _ in 0..20 {
///     losses.push(trainer.given("x", &x)?.target("parity", &y)?.step()?);
/// }
/// assert!(losses[19] < losses[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`OnnxModel::set_trained`] says which parameters are trained. The first extent of inputs may be open, as for an
/// [`OnnxPredictor`](super::OnnxPredictor).
pub struct OnnxTrainer {
    model: Box<OnnxModel>,
    losses: Losses,
    optimizer: Box<dyn Optimizer + Send + Sync>,
    settings: Settings,
    programs: Programs,
    schedulers: Schedulers,
    inputs: Vec<(String, Type)>,
    outputs: Vec<String>,
    /// What targets must be, by the number of rows.
    rules: HashMap<usize, Vec<TargetRule>>,
    /// Whether the first axes count samples that have nothing to do with each other.
    independent_rows: bool,
    /// The targets of the current batch, as programs read them.
    targets: Vec<Buffer>,
}

/// The settings of an [`OnnxTrainer`]; made by [`OnnxTrainer::new`].
#[must_use = "a builder does nothing until it is built"]
pub struct OnnxTrainerBuilder {
    model: Box<OnnxModel>,
    losses: Losses,
    optimizer: Box<dyn Optimizer + Send + Sync>,
    settings: Settings,
    independent_rows: bool,
}

impl Training for OnnxTrainer {
    fn parts(&self) -> Parts<'_> {
        Parts(&self.programs, &self.schedulers)
    }

    fn parts_mut(&mut self) -> PartsMut<'_> {
        PartsMut(&mut self.programs, &mut self.schedulers)
    }

    fn batch(&self) -> usize {
        self.settings.batch
    }
}

/// What a graph is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Step,
    Evaluation,
}

/// The loss of one output in a graph, and what its target must be.
struct Compared<'g> {
    output: Value<'g>,
    target: Value<'g>,
    rule: TargetRule,
}

/// The outputs that losses are of, with inputs for their targets.
fn compared<'g>(
    g: &'g Builder,
    model: &OnnxModel,
    losses: &Losses,
    rows: usize,
) -> Result<Vec<Compared<'g>>, TrainError> {
    let results = model.results(g, rows).map_err(foreign)?;
    let each = losses.iter().map(|(name, loss)| {
        // `build()` has seen that there is such an output.
        let position = model.outputs().iter().position(|output| output == name).unwrap_or_default();
        let output = results[position];
        if output.dtype() != DType::F32 {
            let reason = format!("output `{name}` holds {}: losses are of outputs of f32", output.dtype());
            return Err(TrainError::Graph(GraphError::Foreign(reason)));
        }
        let rule = loss.rule(position, output.shape());
        if rule.ty.shape.rank() == 0 || rule.ty.shape.dims().first() != output.shape().dims().first() {
            return Err(TrainError::TargetBatch { output: output.shape(), target: rule.ty.shape });
        }
        Ok(Compared { output, target: g.input_of(&format!("loss.{name}.target"), rule.ty), rule })
    });
    each.collect()
}

fn graph(
    model: &OnnxModel,
    losses: &Losses,
    optimizer: &dyn Optimizer,
    (purpose, rows, seed): (Purpose, usize, u64),
) -> Result<Graph, TrainError> {
    let training = purpose == Purpose::Step;
    let g = Builder::new(if training { TRAIN } else { EVALUATE });
    g.set_mode(if training { Mode::Train } else { Mode::Eval });
    g.set_seed(seed);
    let compared = compared(&g, model, losses, rows)?;
    let mut sum: Option<Value<'_>> = None;
    for (place, ((name, loss), Compared { output, target, .. })) in losses.iter().zip(&compared).enumerate() {
        let _scope = g.enter(&scope(name));
        match purpose {
            Purpose::Step => {
                let value = loss.loss(&g, *output, *target);
                sum = Some(sum.map_or(value, |sum| sum + value));
            }
            Purpose::Evaluation => {
                let total = loss.total(&g, *output, *target);
                for (part, value) in [("sum", total.sum), ("divisor", total.divisor)] {
                    g.output(&format!("{part} {place}"), scalar(part, value)?);
                }
            }
        }
    }
    if training {
        let value = scalar("sum", sum.ok_or(TrainError::NoLoss)?)?;
        optimization(model, optimizer).minimize(&g, value);
        g.output("loss", value);
    }
    guard(&g, &|_| false);
    Ok(g.finish()?)
}

fn scalar<'g>(part: &'static str, value: Value<'g>) -> Result<Value<'g>, TrainError> {
    match value.ty() == Type::f32(Shape::SCALAR) {
        true => Ok(value),
        false => Err(TrainError::LossTotal { part, found: value.ty() }),
    }
}

/// The path of the states of an output's loss.
fn scope(output: &str) -> String {
    format!("loss.{output}")
}

/// That each output has a row for each of so many samples, so that parts can be put together.
fn check_rows(prediction: &Graph, rows: usize) -> Result<(), OnnxRunError> {
    for output in &prediction.outputs {
        let found = prediction.shape(output.node);
        if found.dims().first() != Some(&rows) {
            return Err(OnnxRunError::NoRows { output: output.name.clone(), found, rows });
        }
    }
    Ok(())
}

fn optimization<'a>(model: &'a OnnxModel, rule: &'a dyn Optimizer) -> Optimization<'a> {
    Optimization::new("", rule, |path, f| model.visit(path, f))
}

impl OnnxTrainerBuilder {
    /// The loss of an output, by its name; steps minimize the sum of all losses. A second one of an output replaces the first.
    pub fn loss(mut self, output: impl Into<String>, loss: impl Loss + Send + Sync + 'static) -> Self {
        let output = output.into();
        self.losses.retain(|(other, _)| *other != output);
        self.losses.push((output, Box::new(loss)));
        self
    }

    /// The number of samples in a step; a step may have fewer, but not more. Default 64.
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    /// Whether the first axis of all inputs and outputs counts samples, of which each is computed by itself. Evaluations and
    /// predictions of more than a batch then go in parts of the batch: in the memory of one, by programs that are compiled once.
    /// Default: no, all are computed at once, as a file says nothing of it: of recurrent layers whose first axis is time, or of
    /// softmax over samples, parts have other results.
    pub fn independent_rows(mut self, independent: bool) -> Self {
        self.independent_rows = independent;
        self
    }

    setter!(threads);
    setter!(cached_programs);
    setter!(check_numerics);
    setter!(flush_denormal);
    setter!(seed);
    setter!(exact);
    setter!(memory_limit);
    setter!(precision);
    setter!(tune);

    /// Compiles the training step.
    ///
    /// # Errors
    /// [`OnnxRunError::Model`] for an input whose shape is open or a node that is not computed, [`OnnxRunError::Unknown`]
    /// for a loss of no output, [`OnnxRunError::NoRows`] for an output without a row for each sample where rows are said to be
    /// independent, [`OnnxRunError::Run`].
    pub fn build(self) -> Result<OnnxTrainer, OnnxRunError> {
        let OnnxTrainerBuilder { mut model, losses, optimizer, settings, independent_rows } = self;
        let types = model.input_types()?;
        let inputs: Vec<(String, Type)> =
            model.inputs().iter().map(|input| input.name.clone()).zip(types.iter().copied()).collect();
        let outputs = model.outputs().to_vec();
        if let Some((name, _)) = losses.iter().find(|(name, _)| !outputs.contains(name)) {
            return Err(unknown("output", name, outputs.iter()));
        }
        let mut programs = settings.programs(1, &types)?;
        // What is wrong with the file is said with its own error.
        let prediction = model.predict_graph(settings.batch)?;
        if independent_rows {
            check_rows(&prediction, settings.batch)?;
        }
        programs.take_parameters(&mut *model)?;
        let (sizes, rule) = (Sizes::of_batch(settings.batch), &*optimizer);
        let mut step = |_| graph(&model, &losses, rule, (Purpose::Step, settings.batch, settings.seed));
        programs.get(TRAIN, sizes, &mut step)?;
        let mut of_losses = Vec::new();
        for (output, loss) in &losses {
            of_losses
                .extend(loss.states().into_iter().map(|(name, value)| (format!("{}.{name}", scope(output)), value)));
        }
        let held = [optimization(&model, rule)];
        programs.begin_training(&held, of_losses, vec![TRAIN])?;
        let schedulers = Schedulers::new(&held);
        let targets = Buffer::several(losses.len(), settings.batch);
        let rules = HashMap::new();
        Ok(OnnxTrainer {
            model,
            losses,
            optimizer,
            settings,
            programs,
            schedulers,
            inputs,
            outputs,
            rules,
            independent_rows,
            targets,
        })
    }
}

impl OnnxTrainer {
    /// The settings of a trainer, all at their defaults; [`OnnxTrainerBuilder::build`] compiles it.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(model: OnnxModel, optimizer: impl Optimizer + Send + Sync + 'static) -> OnnxTrainerBuilder {
        let (model, optimizer) = (Box::new(model), Box::new(optimizer));
        OnnxTrainerBuilder {
            model,
            losses: Vec::new(),
            optimizer,
            settings: Settings::default(),
            independent_rows: false,
        }
    }

    /// The names of the inputs with their types; [`Shape::N`] is the number of rows.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Type)> {
        self.inputs.iter().map(|(name, ty)| (name.as_str(), *ty))
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Begins a call, of a model that takes nothing.
    pub fn call<'p>(&mut self) -> OnnxTrainerCall<'_, 'p> {
        let (given, targets) = (Given::new(self.inputs.len()), self.losses.iter().map(|_| None).collect());
        OnnxTrainerCall { trainer: self, given, targets }
    }

    /// Begins a call with the value of an input.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Given`].
    pub fn given<'t, 'p, T: Element, D: Dimension>(
        &'t mut self,
        name: &str,
        value: &'p ArrayRef<T, D>,
    ) -> Result<OnnxTrainerCall<'t, 'p>, OnnxRunError> {
        self.call().given(name, value)
    }

    /// Finds out what targets must be for so many rows, once.
    fn make_rules(&mut self, rows: usize) -> Result<(), TrainError> {
        if !self.rules.contains_key(&rows) {
            let g = Builder::new(EVALUATE);
            let rules = compared(&g, &self.model, &self.losses, rows)?.into_iter().map(|one| one.rule).collect();
            self.rules.insert(rows, rules);
        }
        Ok(())
    }

    /// How many rows are computed at once.
    fn rows_at_once(&self, rows: usize) -> usize {
        if self.independent_rows { rows.min(self.settings.batch) } else { rows }
    }

    /// Sets the learning rate of all parameters from the next step on; with a schedule, the rate that it changes.
    ///
    /// # Errors
    /// [`TrainError::LearningRate`] for a negative number, NaN or infinity.
    pub fn set_learning_rate(&mut self, rate: f32) -> Result<(), TrainError> {
        self.schedulers.set_rate("", None, rate)
    }

    /// As [`OnnxTrainer::set_learning_rate`], of one group of parameters, counted from 1 (0: those in no group).
    ///
    /// # Errors
    /// Also [`TrainError::UnknownGroup`].
    pub fn set_group_learning_rate(&mut self, group: usize, rate: f32) -> Result<(), TrainError> {
        self.schedulers.set_rate("", Some(group), rate)
    }

    /// The learning rate of the next step, as the schedule says; that of the parameters in no group.
    pub fn learning_rate(&self) -> f32 {
        self.schedulers.rate("").unwrap_or_default()
    }

    /// Whether predictions, evaluations, the model and files have the averages of the parameters that the optimizer keeps
    /// (`.ema(..)`, `.swa(..)`), and not the parameters; see [`Trainer::use_averaged`](crate::Trainer::use_averaged).
    ///
    /// # Errors
    /// [`TrainError::NoAverages`].
    pub fn use_averaged(&mut self, averaged: bool) -> Result<(), TrainError> {
        self.programs.use_averages(averaged)
    }

    /// The gradient of a parameter in the last step, with `keep_gradients` of the optimizer: as
    /// [`Trainer::gradient`](crate::Trainer::gradient).
    pub fn gradient(&self, parameter: &str) -> Option<ArrayD<f32>> {
        let state = optimization(&self.model, &*self.optimizer).gradient(parameter)?;
        self.programs.states().read(&state)
    }

    /// The model with its present parameters.
    pub fn model(&mut self) -> &OnnxModel {
        self.programs.read_parameters(&mut *self.model);
        &self.model
    }

    /// The model with its present parameters.
    pub fn into_model(mut self) -> OnnxModel {
        self.programs.read_parameters(&mut *self.model);
        *self.model
    }

    /// Writes all that the training goes on from: as [`Trainer::save`](crate::Trainer::save).
    ///
    /// # Errors
    /// [`CheckpointError::Write`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        save(path.as_ref(), &self.programs, &self.schedulers)
    }

    /// Goes on from what [`OnnxTrainer::save`] wrote, for the same model, optimizer and groups.
    ///
    /// # Errors
    /// [`CheckpointError`]; all is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        load(path.as_ref(), &mut self.programs, &mut self.schedulers).map(|_| ())
    }

    /// The plan of the training step of a full batch: kernels, memory and FLOPs; it prints. Of kernels it has names, buffers and
    /// grids: what they compute went when there was code ([`Plan::for_running`]).
    pub fn plan(&self) -> &Plan {
        let sizes = Sizes::of_batch(self.settings.batch);
        self.programs.plan(TRAIN, sizes).expect("build() compiles this program")
    }

    /// A table of the nodes with parameters, their output shapes and FLOPs, and the planned memory of a step; it prints.
    ///
    /// # Errors
    /// [`TrainError::Graph`].
    pub fn summary(&self) -> Result<Summary, TrainError> {
        let graph = |samples: usize| self.model.predict_graph(samples);
        let one = graph(1).map_err(|error| TrainError::Graph(GraphError::Foreign(error.to_string())))?;
        // Of a file that takes so many samples and no more, no axis follows them.
        let [two, three] = [2, 3].map(|samples| graph(samples).unwrap_or_else(|_| one.clone()));
        let first = self.inputs.first().map_or(Shape::SCALAR, |(_, ty)| ty.shape);
        let sizes = Sizes::of_batch(self.settings.batch);
        Ok(Summary::of_graphs(&[one, two, three], &*self.model, first, sizes, Some(self.plan()), None))
    }
}

/// A call of an [`OnnxTrainer`], with the values that it has been given.
#[must_use = "a call does nothing until it runs"]
pub struct OnnxTrainerCall<'t, 'p> {
    trainer: &'t mut OnnxTrainer,
    given: Given<'p>,
    targets: Vec<Option<Elements<'p>>>,
}

impl<'p> OnnxTrainerCall<'_, 'p> {
    /// With the value of an input.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Given`].
    pub fn given<T: Element, D: Dimension>(self, name: &str, value: &'p ArrayRef<T, D>) -> Result<Self, OnnxRunError> {
        self.given_elements(name, T::elements(value.view().into_dyn()))
    }

    /// As [`OnnxTrainerCall::given`], of elements whose type is known when the program runs.
    ///
    /// # Errors
    /// As for [`OnnxTrainerCall::given`].
    pub fn given_elements(mut self, name: &str, value: Elements<'p>) -> Result<Self, OnnxRunError> {
        self.given.set(&self.trainer.inputs, name, value)?;
        Ok(self)
    }

    /// With the target of an output's loss: numbers, or classes as i32, as the loss says.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`] for an output without a loss.
    pub fn target<T: Element, D: Dimension>(
        self,
        output: &str,
        value: &'p ArrayRef<T, D>,
    ) -> Result<Self, OnnxRunError> {
        self.target_elements(output, T::elements(value.view().into_dyn()))
    }

    /// As [`OnnxTrainerCall::target`], of elements whose type is known when the program runs.
    ///
    /// # Errors
    /// As for [`OnnxTrainerCall::target`].
    pub fn target_elements(mut self, output: &str, value: Elements<'p>) -> Result<Self, OnnxRunError> {
        let losses = &self.trainer.losses;
        let Some(place) = losses.iter().position(|(name, _)| name == output) else {
            return Err(unknown("loss of an output", output, losses.iter().map(|(name, _)| name)));
        };
        self.targets[place] = Some(value);
        Ok(self)
    }

    /// Trains on the batch; the loss before the update.
    ///
    /// # Errors
    /// [`OnnxRunError::Missing`] and [`OnnxRunError::MissingTarget`]; [`OnnxRunError::Given`] for inputs of several numbers of
    /// rows; [`OnnxRunError::Target`]; [`OnnxRunError::Run`]. The model is then as it was.
    pub fn step(self) -> Result<f32, OnnxRunError> {
        self.compare(Purpose::Step)
    }

    /// The mean loss of the samples, which layers compute as in evaluation; the model does not change. More samples than the
    /// trainer's batch are computed in parts of so many; the mean is that of all, whatever the parts.
    ///
    /// # Errors
    /// As for [`OnnxTrainerCall::step`].
    pub fn loss(self) -> Result<f32, OnnxRunError> {
        self.compare(Purpose::Evaluation)
    }

    fn compare(self, purpose: Purpose) -> Result<f32, OnnxRunError> {
        let OnnxTrainerCall { trainer, given, targets } = self;
        let (training, batch) = (purpose == Purpose::Step, trainer.settings.batch);
        let free = given.rows(&trainer.inputs)?;
        let rows = free.unwrap_or(batch);
        if training && rows > batch {
            return Err(TrainError::BatchTooLarge { batch, found: rows }.into());
        }
        let at_once = trainer.rows_at_once(rows);
        trainer.make_rules(rows)?;
        for (place, target) in targets.iter().enumerate() {
            let rule = trainer.rules[&rows][place];
            let output = || trainer.losses[place].0.clone();
            let Some(target) = target else {
                return Err(OnnxRunError::MissingTarget { output: output(), expected: rule.ty });
            };
            let found = type_of(target);
            if found != rule.ty {
                return Err(OnnxRunError::Target { output: output(), expected: rule.ty, found });
            }
            read_target(target, rule, &mut trainer.targets[place])?;
        }
        let OnnxTrainer { model, losses, optimizer, settings, programs, schedulers, inputs, rules, targets, .. } =
            trainer;
        if training {
            schedulers.hand_over(&[0], programs.states_mut()).map_err(TrainError::from)?;
        }
        let name = if training { TRAIN } else { EVALUATE };
        // Of each loss its sum, and what its mean divides by; of a step only the loss.
        let mut sums = vec![0.0f64; if training { 1 } else { 2 * losses.len() }];
        for start in (0..rows).step_by(at_once) {
            let part = start..rows.min(start + at_once);
            let mut graph = |_| graph(model, losses, &**optimizer, (purpose, part.len(), settings.seed));
            let (program, states) = programs.get(name, Sizes::of_batch(part.len()), &mut graph)?;
            given.write(inputs, program, part.clone())?;
            for (place, target) in targets.iter().enumerate() {
                // Of all samples at once an output may have more rows than there are samples.
                let end = if part.len() == rows { rules[&rows][place].ty.shape.dim(0) } else { part.end };
                target.write(program, inputs.len() + place, part.start, end)?;
            }
            program.run(states)?;
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(program.session().scalar(place));
            }
        }
        if training {
            schedulers.advance(&[0]);
            return Ok(sums[0] as f32);
        }
        Ok(sums.chunks(2).map(|of_loss| of_loss[0] / of_loss[1]).sum::<f64>() as f32)
    }

    /// Computes the outputs, as in evaluation; with [`OnnxTrainerBuilder::independent_rows`] more samples than the trainer's
    /// batch in parts of so many.
    ///
    /// # Errors
    /// As for [`OnnxCall::run`](super::OnnxCall::run).
    pub fn run(self) -> Result<OnnxOutputs, OnnxRunError> {
        let OnnxTrainerCall { trainer, given, .. } = self;
        let free = given.rows(&trainer.inputs)?;
        let rows = free.unwrap_or(trainer.settings.batch);
        let at_once = trainer.rows_at_once(rows);
        let OnnxTrainer { model, programs, inputs, outputs, .. } = trainer;
        let mut parts = Vec::new();
        for start in (0..rows).step_by(at_once) {
            let part = start..rows.min(start + at_once);
            let mut graph = |_| model.predict_graph(part.len()).map_err(foreign);
            let (program, states) = programs.get(PREDICT, Sizes::of_batch(part.len()), &mut graph)?;
            given.write(inputs, program, part)?;
            program.run(states)?;
            parts.push(OnnxOutputs::read(program, outputs));
        }
        Ok(OnnxOutputs::joined(parts))
    }
}
