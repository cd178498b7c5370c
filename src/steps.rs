//! Training programs of a model's own: the `step` and `eval` blocks of `model!`. Each is one compiled program; all
//! share parameters, running statistics and optimizer states. Checks what users give them; knows no operation and no
//! kernel.
//!
//! The macro implements [`Steps`] and writes a trainer with a method for each program around a [`StepTrainer`].

mod builder;
mod call;
mod reports;
mod results;
mod rows;

use std::fmt;
use std::path::Path;

use kiln_graph::model::Inputs;
use kiln_graph::optimizers::Optimization;
use kiln_graph::shape::Sizes;
#[cfg(feature = "onnx")]
use kiln_graph::whole::Noted;
use kiln_graph::{Builder, Classes, Graph, Mode, Model, Parameters, Type, Value};
use kiln_jit::Plan;
use ndarray::ArrayD;

pub use builder::StepTrainerBuilder;
pub use call::Call;
pub use results::{Kind, ResultValue, Results, Returned, check_result, kind};

use crate::checkpoint::CheckpointError;
use crate::report::{Drawing, Facts};
use crate::trainer::{
    Programs, Schedulers, Settings, TrainError, guard, has_rows, load, save, shard, update_bn, update_bn_batches,
};
use crate::training::{Parts, PartsMut, Training};

/// A model with programs of its own. `model!` implements it for a model with a `step` or an `eval`.
pub trait Steps: Parameters + Sized {
    /// What the programs are called and take, in order of declaration.
    const PROGRAMS: &'static [Signature];

    /// The trainer with a method for each program.
    type Trainer: From<StepTrainer<Self>>;

    /// Builds the program with the given number for so many samples from its inputs, and names its outputs.
    fn program<'g>(&self, number: usize, g: &'g Builder, batch: usize, inputs: &[Value<'g>]);

    /// The optimizers among the fields, each with the parameters that it trains.
    fn optimizers(&self) -> Vec<Optimization<'_>>;

    /// The settings of a trainer, all at their defaults; [`StepTrainerBuilder::build`] compiles every program.
    fn trainer(self) -> StepTrainerBuilder<Self> {
        StepTrainerBuilder { model: Box::new(self), settings: Settings::default(), world: None }
    }
}

/// What one program is called and takes.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name: `update_d`.
    pub name: &'static str,
    /// [`Mode::Train`] for a `step`, [`Mode::Eval`] for an `eval`.
    pub mode: Mode,
    /// What it takes, in order.
    pub inputs: &'static [Taken],
}

/// One input of a program.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Its name: `real`.
    pub name: &'static str,
    /// What it holds, and its shape. Where the batch axis [`Shape::N`](kiln_graph::Shape::N) comes first, it holds something of
    /// each sample; else it is the same for all.
    pub ty: Type,
}

/// A model in training by its own programs, with everything compiled and all memory planned.
///
/// What `model!` declares for a model `Gan` is a `GanTrainer`, which has a method for each program and everything of this
/// type:
///
/// ```
/// use kiln::prelude::*;
/// use ndarray::Array2;
///
/// model! {
///     struct Line {
///         fc: Linear(1, 1),
///         opt: Sgd(fc, lr = 0.1),
///     }
///
///     step fit(x: [N, 1], y: [N, 1]) -> loss {
///         let loss = mse(fc(x), y);
///         opt.minimize(loss);
///     }
///
///     eval apply(x: [N, 1]) -> y {
///         let y = fc(x);
///     }
/// }
///
/// let mut line = Line::init(1).trainer().batch(4).threads(1).build()?;
/// let x = ndarray::array![[-1.0], [0.0], [1.0], [2.0]];
/// let y = x.mapv(|x| 3.0 * x - 1.0);
/// for _ in 0..200 {
///     line.fit(&x, &y)?;
/// }
/// line.set_learning_rate("opt", 0.01)?;
/// assert!(line.fit(&x, &y)? < 1e-4);
/// assert!((line.apply(&x)?[[3, 0]] - 5.0).abs() < 0.1);
/// assert!(line.plan("apply")?.flops() < line.plan("fit")?.flops());
/// # Ok::<(), TrainError>(())
/// ```
pub struct StepTrainer<M: Steps> {
    model: Box<M>,
    settings: Settings,
    programs: Programs,
    schedulers: Schedulers,
    /// For each program, the optimizers that it steps.
    stepped: Vec<Vec<usize>>,
    /// For each input of each program, what labels may be.
    classes: Vec<Vec<Option<Classes>>>,
    /// For each result of each step, the axis of rows, where it has one and batches have shards.
    axes: Vec<Vec<Option<usize>>>,
    /// The labels of the current call, as programs read them.
    labels: Vec<i32>,
}

impl<M: Steps> StepTrainer<M> {
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

    /// The plan of a program for a full batch: kernels, memory and FLOPs; it prints.
    ///
    /// # Errors
    /// [`TrainError::UnknownProgram`]; [`TrainError::Graph`] for a program that can not do with so few samples.
    pub fn plan(&self, program: &str) -> Result<&Plan, TrainError> {
        let signature = M::PROGRAMS.iter().find(|signature| signature.name == program);
        let sizes = signature.map(|signature| self.usual(signature));
        match sizes.and_then(|sizes| self.programs.plan(program, sizes)) {
            Some(plan) => Ok(plan),
            // Every program was compiled whose graph can be built.
            None => Err(self.graph(program).err().unwrap_or_else(|| Self::unknown(program))),
        }
    }

    /// The sizes that `build()` compiles a program for: a step's of this rank's first shard, where batches have shards.
    fn usual(&self, signature: &Signature) -> Sizes {
        let sizes = usual(signature, self.settings);
        if signature.mode == Mode::Train { self.programs.of_shard(sizes) } else { sizes }
    }

    fn unknown(program: &str) -> TrainError {
        let known = M::PROGRAMS.iter().map(|signature| signature.name.to_owned()).collect();
        TrainError::UnknownProgram { found: program.to_owned(), known }
    }

    /// Sets the learning rate of an optimizer, by the name of its field, from its next step on; with a schedule, the rate
    /// that it changes.
    ///
    /// # Errors
    /// [`TrainError::UnknownOptimizer`]; [`TrainError::LearningRate`] for a negative number, NaN or infinity.
    pub fn set_learning_rate(&mut self, optimizer: &str, rate: f32) -> Result<(), TrainError> {
        self.schedulers.set_rate(optimizer, None, rate)
    }

    /// As [`StepTrainer::set_learning_rate`], of one group of the optimizer's parameters: 1 is the first that it was given, 0
    /// that of the parameters in no other.
    ///
    /// # Errors
    /// Also [`TrainError::UnknownGroup`].
    pub fn set_group_learning_rate(&mut self, optimizer: &str, group: usize, rate: f32) -> Result<(), TrainError> {
        self.schedulers.set_rate(optimizer, Some(group), rate)
    }

    /// The learning rate of an optimizer's next step, by the name of its field, as the schedule says; nothing if no program
    /// uses the optimizer.
    ///
    /// # Errors
    /// [`TrainError::UnknownOptimizer`].
    pub fn learning_rate(&self, optimizer: &str) -> Result<Option<f32>, TrainError> {
        let rate = self.schedulers.rate(optimizer)?;
        let number = self.model.optimizers().iter().position(|known| known.name() == optimizer);
        let is_stepped = number.is_some_and(|number| self.stepped.iter().any(|stepped| stepped.contains(&number)));
        Ok(is_stepped.then_some(rate))
    }

    /// The gradient of a parameter in its last step, by the parameter's name, where its optimizer has
    /// `keep_gradients = true`; of several optimizers that of the first. See [`Trainer::gradient`](crate::Trainer::gradient).
    pub fn gradient(&self, parameter: &str) -> Option<ArrayD<f32>> {
        let optimizers = self.model.optimizers();
        let mut kept = optimizers.iter().filter_map(|optimizer| optimizer.gradient(parameter));
        kept.find_map(|state| self.programs.states().read(&state))
    }

    /// Reports a metric, such as the loss of an evaluation, to the
    /// [`ReduceLROnPlateau`](crate::schedules::ReduceLROnPlateau) of an optimizer, by the name of its field.
    ///
    /// # Errors
    /// [`TrainError::UnknownOptimizer`]; [`TrainError::NoPlateau`] where the optimizer has none.
    pub fn report_metric(&mut self, optimizer: &str, metric: impl Into<f64>) -> Result<(), TrainError> {
        self.schedulers.report_metric(optimizer, metric.into())
    }

    /// Whether each `eval` and [`StepTrainer::model`] take the averages of the parameters that optimizers keep
    /// (`ema = ..`, `swa = ..`), and not the parameters; see [`Trainer::use_averaged`](crate::Trainer::use_averaged).
    ///
    /// # Errors
    /// [`TrainError::NoAverages`] where no optimizer keeps any.
    pub fn use_averaged(&mut self, averaged: bool) -> Result<(), TrainError> {
        self.programs.use_averages(averaged)
    }

    /// Writes all that the training goes on from to a safetensors file; see [`Trainer::save`](crate::Trainer::save).
    ///
    /// # Errors
    /// [`CheckpointError::Write`], [`CheckpointError::Between`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        save(path.as_ref(), &self.programs, &self.schedulers)
    }

    /// Goes on from what [`StepTrainer::save`] wrote; see [`Trainer::load`](crate::Trainer::load).
    ///
    /// # Errors
    /// [`CheckpointError`]; all is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        load(path.as_ref(), &mut self.programs, &mut self.schedulers).map(|_| ())
    }
}

impl<M: Steps + Model> StepTrainer<M> {
    /// Takes the running statistics of all batch norms anew, of what the model's `forward` takes, any number of samples; see
    /// [`Trainer::update_bn`](crate::Trainer::update_bn).
    ///
    /// # Errors
    /// As there.
    pub fn update_bn(&mut self, x: impl Inputs<M::Input>) -> Result<(), TrainError> {
        update_bn(&mut self.programs, &*self.model, &self.settings, x)
    }

    /// [`StepTrainer::update_bn`] of samples that come in batches.
    ///
    /// # Errors
    /// The first error among the batches; those of [`StepTrainer::update_bn`].
    pub fn update_bn_batches<X, E: From<TrainError>>(
        &mut self,
        batches: impl IntoIterator<Item = Result<X, E>>,
    ) -> Result<(), E>
    where
        for<'x> &'x X: Inputs<M::Input>,
    {
        update_bn_batches(&mut self.programs, &*self.model, &self.settings, batches)
    }
}

impl<M: Steps> fmt::Debug for StepTrainer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepTrainer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<M: Steps> Training for StepTrainer<M> {
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
        self.model.each_parameter(&mut |name, _| facts.parameters.push(name.to_owned()));
        let train = M::PROGRAMS.iter().find(|signature| signature.mode == Mode::Train);
        let Some(name) = train.map(|signature| signature.name) else { return facts };
        if let (Ok(plan), Ok((_, graph))) = (self.plan(name), self.graph(name)) {
            facts.add_plan(plan);
            facts.set_graph(Drawing::new(&graph).plan(plan).layers("", &*self.model).html());
            facts.program = Some(graph);
        }
        facts
    }
}

/// The types of all inputs of all programs.
fn taken(programs: &[Signature]) -> Vec<Type> {
    programs.iter().flat_map(types).collect()
}

fn types(signature: &Signature) -> Vec<Type> {
    signature.inputs.iter().map(|taken| taken.ty).collect()
}

/// The sizes that `build()` compiles a program for.
fn usual(signature: &Signature, settings: Settings) -> Sizes {
    settings.usual(&types(signature))
}

/// The graph of a program for some sizes, and what the labels among its inputs may be; `axes` are those of
/// [`rows::axes`] where batches have shards.
fn graph<M: Steps>(
    model: &M,
    number: usize,
    Settings { seed, sharding, .. }: Settings,
    axes: &[Option<usize>],
    sizes: Sizes,
) -> Result<(Graph, Vec<Option<Classes>>), TrainError> {
    let g = Builder::new(M::PROGRAMS[number].name);
    g.set_seed(seed);
    if M::PROGRAMS[number].mode == Mode::Train {
        shard(&g, sharding);
    }
    let inputs = compute(&g, model, number, sizes);
    guard(&g, &|result| axes.get(result).is_some_and(Option::is_some));
    let classes = inputs.iter().map(|input| g.classes(*input)).collect();
    Ok((g.finish()?, classes))
}

/// The graph of an `eval`, and what its values are as a whole.
#[cfg(feature = "onnx")]
pub(crate) fn eval_graph_with_wholes<M: Steps>(
    model: &M,
    number: usize,
    sizes: Sizes,
) -> Result<(Graph, Vec<Noted>), TrainError> {
    let g = Builder::new(M::PROGRAMS[number].name);
    g.keep_wholes();
    compute(&g, model, number, sizes);
    let wholes = g.take_wholes();
    Ok((g.finish()?, wholes))
}

/// Builds what a program computes of its inputs, which it gives.
fn compute<'g, M: Steps>(g: &'g Builder, model: &M, number: usize, sizes: Sizes) -> Vec<Value<'g>> {
    let signature = &M::PROGRAMS[number];
    g.set_mode(signature.mode);
    let inputs = inputs(g, signature.inputs, sizes);
    model.program(number, g, sizes.batch(), &inputs);
    inputs
}

fn inputs<'g>(g: &'g Builder, taken: &[Taken], sizes: Sizes) -> Vec<Value<'g>> {
    let input = |taken: &Taken| {
        let Type { dtype, shape } = taken.ty;
        let input = g.input_of(taken.name, Type { dtype, shape: sizes.shape(shape) });
        if !has_rows(shape) {
            g.set_common(input);
        }
        input
    };
    taken.iter().map(input).collect()
}
