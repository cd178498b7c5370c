//! The loop around the steps of a training: epochs, validation, early stopping, checkpoints, progress. It calls what is
//! public, and knows no more than a loop of a user's own.

mod attempt;
mod epoch;
mod error;
mod interrupt;
mod logging;
mod progress;
mod stopping;

use std::sync::Arc;

use kiln_graph::Model;
use kiln_graph::losses::Criterion;
use kiln_graph::model::Inputs;
use kiln_graph::optimizers::Optimizer;
use kiln_graph::schedules::Schedule;

pub use epoch::{Epoch, Figures, Validation};
pub use error::FitError;
pub use progress::Progress;
pub use stopping::EarlyStopping;

use crate::checkpoints::Checkpoints;
use crate::data::TrainingData;
use crate::history::History;
use crate::logs::Log;
use crate::metrics::{IntoMetrics, MetricError, Metrics};
use crate::trainer::{BatchTargets, StepLoss, TrainError, Trainer};
use crate::training::Training;

type Validate<'t, T> = Box<dyn FnMut(&mut T, &mut Metrics) -> Result<Vec<(String, f64)>, FitError> + 't>;
/// What is evaluated after each epoch.
struct Evaluated<'t, T> {
    /// What its figures' names begin with.
    group: String,
    /// Whether metrics are measured on it.
    measures: bool,
    evaluate: Validate<'t, T>,
}

/// The step of a [`Trainer`], which gives its loss.
pub type OfTrainer<T, B> = fn(&mut T, &B) -> Result<StepLoss, TrainError>;

type Hook<'t, T> = Box<dyn FnMut(&mut Epoch<'_, T>) + 't>;

/// A training that is about to run: made by [`Trainer::fit`], or [`fit`] for steps of one's own; [`Fit::run`] runs it.
#[must_use = "a training does nothing until it is run"]
pub struct Fit<'t, T, D, S> {
    trainer: &'t mut T,
    data: D,
    step: S,
    epochs: u64,
    shuffle: Option<u64>,
    drop_last: bool,
    validations: Vec<Evaluated<'t, T>>,
    metrics: Result<Metrics, MetricError>,
    schedule: Option<Arc<dyn Schedule>>,
    logs: Vec<Box<dyn Log + 't>>,
    hooks: Vec<Hook<'t, T>>,
    stopping: Option<EarlyStopping>,
    checkpoints: Option<Checkpoints>,
    resume: bool,
    plateau: String,
    progress: Progress,
    /// Whether each of several ranks reads nothing but its rows of a batch.
    shares: bool,
}

impl<M: Model, L: Criterion<M::Output>, O: Optimizer> Trainer<M, L, O> {
    /// Trains on data for some epochs, with everything that a loop of one's own would do:
    ///
    /// ```
    /// use kiln::fit::{EarlyStopping, Progress};
    /// use kiln::prelude::*;
    /// # use ndarray::{Array1, Array2};
    /// # #[derive(Model)]
    /// # #[model(input = [4])]
    /// # struct Net { fc: Linear<4, 3> }
    /// # let folder = std::env::temp_dir().join(format!("kiln-fit-{}", std::process::id()));
    /// # let x = Array2::from_shape_fn((96, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
    /// # let y = Array1::from_iter(x.rows().into_iter().map(|row| i32::from(row[0] > row[1])));
    /// # let (train, valid) = Dataset::new(x, y)?.split(0.8, 1);
    ///
    /// let mut trainer = Trainer::new(Net::init(42), cross_entropy(), Adam::default().lr(0.01)).batch(16).build()?;
    /// let history = trainer
    ///     .fit(&train)
    ///     .epochs(20)
    ///     .validate(&valid)
    ///     .early_stopping(EarlyStopping::new("loss").patience(5))
    ///     .checkpoint(Checkpoints::new(&folder).keep(3).best("accuracy"))
    ///     .on_epoch(|epoch| assert!(epoch.history().last("accuracy").is_some()))
    ///     .progress(Progress::Silent)
    ///     .run()?;
    /// assert_eq!(history.curve("valid.loss").len(), 20);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Batches have the size of the trainer, and come shuffled, in another order each epoch. Of several ranks, each reads its own
    /// rows of a [`Loader`](crate::data::Loader)'s batches. See [`Fit`] for all settings.
    pub fn fit<'t, D, X, Y>(&'t mut self, data: D) -> Fit<'t, Self, D, OfTrainer<Self, (X, Y)>>
    where
        D: TrainingData<Batch = (X, Y)>,
        for<'x> &'x X: Inputs<M::Input>,
        for<'y> &'y Y: BatchTargets<L::Target>,
    {
        Fit { shares: true, ..fit(self, data, |trainer, (x, y)| trainer.step_of_epoch(x, y)) }
    }
}

/// Trains by steps of one's own: those of a model with `step` programs, or several trainers' (a tuple is no training; let the
/// closure own the others). `step` is called with each batch, and gives a loss, or several figures with their names. The figure
/// of an epoch, `train.loss`, is the mean of those of its batches, by samples: what else a loss divides by, such as the
/// labels that are not ignored, such a step does not say. ([`Trainer::fit`] knows it.)
///
/// ```
/// use kiln::fit::Progress;
/// use kiln::prelude::*;
/// use ndarray::Array2;
///
/// model! {
///     struct Line {
///         fc: Linear(1, 1),
///         opt: Sgd(fc, lr = 0.1),
///     }
///
///     step learn(x: [N, 1], y: [N, 1]) -> loss {
///         let loss = mse(fc(x), y);
///         opt.minimize(loss);
///     }
/// }
///
/// let x = Array2::from_shape_fn((64, 1), |(i, _)| i as f32 / 64.0);
/// let data = Dataset::new(x.clone(), x.mapv(|x| 3.0 * x - 1.0))?;
/// let mut line = Line::init(1).trainer().batch(16).build()?;
/// let history = kiln::fit(&mut line, &data, |line, (x, y)| line.learn(x, y)).epochs(50).progress(Progress::Silent).run()?;
/// assert!(history.last("train.loss").is_some_and(|loss| loss.value < 1e-2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fit<'t, T, D, F, S>(trainer: &'t mut T, data: D, step: S) -> Fit<'t, T, D, S>
where
    T: Training,
    D: TrainingData,
    F: Figures,
    S: FnMut(&mut T, &D::Batch) -> Result<F, TrainError>,
{
    Fit {
        trainer,
        data,
        step,
        epochs: 1,
        shuffle: Some(0),
        drop_last: false,
        validations: Vec::new(),
        metrics: Ok(Metrics::default()),
        schedule: None,
        logs: Vec::new(),
        hooks: Vec::new(),
        stopping: None,
        checkpoints: None,
        resume: false,
        plateau: "loss".to_owned(),
        progress: Progress::Auto,
        shares: false,
    }
}

impl<'t, T, D, F, S> Fit<'t, T, D, S>
where
    T: Training,
    D: TrainingData,
    F: Figures,
    S: FnMut(&mut T, &D::Batch) -> Result<F, TrainError>,
{
    /// How many epochs there are, those of a training that is taken up again included. Default 1.
    pub fn epochs(mut self, epochs: u64) -> Self {
        self.epochs = epochs;
        self
    }

    /// The seed of the order of the samples, which is another one in each epoch. Default 0. (Data that orders itself, such as a
    /// loader, does as it was told.)
    pub fn shuffle(mut self, seed: u64) -> Self {
        self.shuffle = Some(seed);
        self
    }

    /// Takes the samples in their own order.
    pub fn in_order(mut self) -> Self {
        self.shuffle = None;
        self
    }

    /// Leaves out the last batch of an epoch where it has fewer samples than the others.
    pub fn drop_last(mut self) -> Self {
        self.drop_last = true;
        self
    }

    /// Evaluates the model on this data after each epoch: figures `valid.loss`, `valid.accuracy` and those of the trainer's
    /// metrics, and of [`Fit::metrics`]. The last call of this and of [`Fit::validate_with`] counts.
    pub fn validate<V: Validation<T> + 't>(self, data: V) -> Self {
        self.evaluate(VALID, data)
    }

    /// Evaluates the model on other data, too, under a name: `.evaluate("train", &train)` gives `train.accuracy` and the metrics of the
    /// training set. (`train.loss` stays that of the steps.)
    pub fn evaluate<V: Validation<T> + 't>(self, name: impl Into<String>, data: V) -> Self {
        let evaluate = Box::new(move |trainer: &mut T, metrics: &mut Metrics| data.evaluate(trainer, metrics));
        self.add_evaluated(Evaluated { group: name.into(), measures: true, evaluate })
    }

    /// Calls a function after each epoch for figures of one's own: `.validate_with(|gan| Ok(vec![("score".into(), score(gan))]))`
    /// gives `valid.score`. The last call of this and of [`Fit::validate`] counts; beside it `.evaluate("held_out", &data)` evaluates
    /// under another name.
    pub fn validate_with(
        self,
        mut validate: impl FnMut(&mut T) -> Result<Vec<(String, f64)>, TrainError> + 't,
    ) -> Self {
        let evaluate = Box::new(move |trainer: &mut T, _: &mut Metrics| Ok(validate(trainer)?));
        self.add_evaluated(Evaluated { group: VALID.to_owned(), measures: false, evaluate })
    }

    fn add_evaluated(mut self, evaluated: Evaluated<'t, T>) -> Self {
        self.validations.retain(|other| other.group != evaluated.group);
        self.validations.push(evaluated);
        self
    }

    /// Measures more than the loss, by names or by accumulators with settings, on all data that is evaluated:
    /// `.metrics(["f1", "auroc"])` or `.metrics(("f1", Accuracy::new().top_k(5)))` give `valid.f1` and so on. [`Metrics`] lists
    /// the names. NaN stands for a figure that is not defined.
    pub fn metrics(mut self, metrics: impl IntoMetrics) -> Self {
        self.metrics = Metrics::new(metrics);
        self
    }

    /// Gives the optimizer (each, where there are several) this schedule in the place of its own, from its first step on; it counts
    /// steps, and `StepLR::new(30).every(batches)` epochs. It is the same as giving it to the optimizer, but for schedules that change
    /// the momentum, which must be.
    pub fn schedule(mut self, schedule: impl Schedule + 'static) -> Self {
        self.schedule = Some(Arc::new(schedule));
        self
    }

    /// Writes what is measured to a log, too: [`JsonLines`](crate::logs::JsonLines), [`Csv`](crate::logs::Csv),
    /// [`TensorBoard`](crate::logs::TensorBoard), or one's own; several for several calls. Where a row can not be written, as on a full
    /// disk, the training goes on and says so; the error is given back at the end.
    pub fn log(mut self, log: impl Log + 't) -> Self {
        self.logs.push(Box::new(log));
        self
    }

    /// Stops where a figure gets no better.
    pub fn early_stopping(mut self, stopping: EarlyStopping) -> Self {
        self.stopping = Some(stopping);
        self
    }

    /// Writes checkpoints: into a folder, `.checkpoint("runs/1")`, or as [`Checkpoints`] say. Ctrl-C (and SIGTERM) then ends the
    /// training after the step that is being done, with a checkpoint. Where one can not be written, as on a full disk, the training
    /// goes on and says so; the error is given back at the end, unless a later one was written.
    pub fn checkpoint(mut self, checkpoints: impl Into<Checkpoints>) -> Self {
        self.checkpoints = Some(checkpoints.into());
        self
    }

    /// Goes on from the newest checkpoint in the folder, if there is one, with the bits of a training that was never
    /// interrupted. Without it, a folder with checkpoints is an error, so that a new training does not replace an old one.
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Calls a function after each epoch, once its figures are there and before its checkpoint is written.
    pub fn on_epoch(mut self, hook: impl FnMut(&mut Epoch<'_, T>) + 't) -> Self {
        self.hooks.push(Box::new(hook));
        self
    }

    /// The figure that [`ReduceLROnPlateau`](crate::schedules::ReduceLROnPlateau) schedules are told after each epoch. Default
    /// `loss`: that of the validation, where there is one.
    pub fn plateau(mut self, figure: impl Into<String>) -> Self {
        self.plateau = figure.into();
        self
    }

    /// What is shown. Default [`Progress::Auto`].
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Trains; what was measured. Of several ranks, those that are left when one dies go on from the newest checkpoint, where
    /// there are checkpoints and the network [can do that](crate::distributed::World::recovers).
    ///
    /// # Errors
    /// [`FitError`]. The trainer stays as it was after the last whole step, and can be used on.
    pub fn run(mut self) -> Result<History, FitError> {
        let mut metrics = std::mem::replace(&mut self.metrics, Ok(Metrics::default()))?;
        if !metrics.is_empty() && !self.validations.iter().any(|evaluated| evaluated.measures) {
            return Err(FitError::NothingToMeasure);
        }
        let mut lost: Option<FitError> = None;
        loop {
            let error = match self.attempt(&mut metrics, &mut lost) {
                Ok(history) => return Ok(history),
                Err(error) => error,
            };
            if let (false, Some(lost)) = (error.is_loss(), lost.take()) {
                // There was nothing to go on from.
                return Err(lost);
            }
            let world = self.trainer.parts().world().cloned();
            let Some(world) = world.filter(|world| world.ranks() > 1) else { return Err(error) };
            if !error.is_loss() {
                // Others may wait for this rank, whose own rows alone were wrong. Where each reads all rows, all of them have
                // most errors, and can be used on.
                match self.shares && error.is_of_rows() {
                    true => world.leave(&error),
                    false => world.note_failure(&error),
                }
                return Err(error);
            }
            if !world.recovers() || self.checkpoints.is_none() || world.recover().is_err() {
                return Err(error);
            }
            self.resume = true;
            lost = Some(error);
        }
    }
}

/// What the names of a validation's figures begin with, and those of the training set.
const VALID: &str = "valid";
const TRAIN: &str = "train";
