//! What goes in and out of a training loop: figures of a step, figures of a validation, and an epoch as hooks see it.
//! When either is asked for is `attempt.rs`'s.

use kiln_graph::Model;
use kiln_graph::losses::Criterion;
use kiln_graph::model::Inputs;
use kiln_graph::optimizers::Optimizer;

use super::FitError;
use crate::checkpoints::Run;
use crate::data::{Dataset, Loader, Sample, Samples, Source};
use crate::history::History;
use crate::metrics::Metrics;
use crate::trainer::{BatchTargets, Evaluation, StepLoss, Trainer};
use crate::training::Training;

/// What a step gives: a loss, `f32`, or several figures with names, `[("d", d), ("g", g)]`.
pub trait Figures {
    /// Calls `f` with each figure and its name.
    fn each(&self, f: &mut dyn FnMut(&str, f32));

    /// Calls `f` with the name, the sum and the divisor of each part of a figure, of a batch of so many samples. The figure of an
    /// epoch is the sum of its parts, each the sum of sums over that of divisors. Default: a figure is a mean over the samples.
    #[doc(hidden)]
    fn each_part(&self, samples: usize, f: &mut dyn FnMut(&str, f64, f64)) {
        self.each(&mut |name, figure| f(name, f64::from(figure) * samples as f64, samples as f64));
    }
}

impl Figures for StepLoss {
    fn each(&self, f: &mut dyn FnMut(&str, f32)) {
        self.loss().each(f);
    }

    fn each_part(&self, samples: usize, f: &mut dyn FnMut(&str, f64, f64)) {
        self.loss().each(&mut |name, _| StepLoss::each_part(self, samples, &mut |sum, divisor| f(name, sum, divisor)));
    }
}

impl Figures for f32 {
    fn each(&self, f: &mut dyn FnMut(&str, f32)) {
        f("loss", *self);
    }
}

impl<N: AsRef<str>, const COUNT: usize> Figures for [(N, f32); COUNT] {
    fn each(&self, f: &mut dyn FnMut(&str, f32)) {
        self.iter().for_each(|(name, figure)| f(name.as_ref(), *figure));
    }
}

impl<N: AsRef<str>> Figures for Vec<(N, f32)> {
    fn each(&self, f: &mut dyn FnMut(&str, f32)) {
        self.iter().for_each(|(name, figure)| f(name.as_ref(), *figure));
    }
}

/// Data that a trainer of type `T` can be evaluated on: a [`Dataset`], or the first epoch of a [`Loader`].
pub trait Validation<T> {
    /// Figures with their names; what is predicted is added to the metrics.
    ///
    /// # Errors
    /// Those of the evaluation, and of the data.
    fn evaluate(&self, trainer: &mut T, metrics: &mut Metrics) -> Result<Vec<(String, f64)>, FitError>;
}

impl<M, L, O, X, Y> Validation<Trainer<M, L, O>> for &Dataset<X, Y>
where
    M: Model,
    L: Criterion<M::Output>,
    O: Optimizer,
    X: Samples,
    Y: Samples,
    for<'x> &'x X: Inputs<M::Input>,
    for<'y> &'y Y: BatchTargets<L::Target>,
{
    fn evaluate(&self, trainer: &mut Trainer<M, L, O>, metrics: &mut Metrics) -> Result<Vec<(String, f64)>, FitError> {
        Ok(figures(trainer.evaluate_with(self.inputs(), self.targets(), metrics)?))
    }
}

impl<M, L, O, D> Validation<Trainer<M, L, O>> for &Loader<D>
where
    M: Model,
    L: Criterion<M::Output>,
    O: Optimizer,
    D: Source + 'static,
    for<'x> &'x <D::Input as Sample>::Batch: Inputs<M::Input>,
    for<'y> &'y <D::Target as Sample>::Batch: BatchTargets<L::Target>,
{
    fn evaluate(&self, trainer: &mut Trainer<M, L, O>, metrics: &mut Metrics) -> Result<Vec<(String, f64)>, FitError> {
        // Metrics are told of all rows; larger batches are cut into several, of which each has shards.
        let shares = metrics.is_empty() && self.size() <= trainer.batch();
        let share = if shares { trainer.share() } else { None };
        let batches = self.epoch(0).share(share).map(|batch| batch.map_err(FitError::Data));
        Ok(figures(trainer.evaluate_batches_with(batches, metrics)?))
    }
}

/// The figures of an evaluation; those of single outputs where there are several.
fn figures(found: Evaluation) -> Vec<(String, f64)> {
    let mut figures = vec![("loss".to_owned(), f64::from(found.loss))];
    figures.extend(found.accuracy.map(|accuracy| ("accuracy".to_owned(), accuracy)));
    if found.outputs.len() > 1 {
        for output in found.outputs {
            figures.extend(output.loss.map(|loss| (format!("{}.loss", output.name), f64::from(loss))));
            figures.extend(output.accuracy.map(|accuracy| (format!("{}.accuracy", output.name), accuracy)));
        }
    }
    figures.extend(found.metrics.into_iter().map(|(name, metric)| (name, f64::from(metric))));
    figures
}

/// An epoch that is done, as [`Fit::on_epoch`](super::Fit::on_epoch) hands it over.
pub struct Epoch<'e, T> {
    trainer: &'e mut T,
    run: &'e Run,
    stops: bool,
}

impl<'e, T> Epoch<'e, T> {
    pub(super) fn new(trainer: &'e mut T, run: &'e Run) -> Epoch<'e, T> {
        Epoch { trainer, run, stops: false }
    }

    /// The number of epochs that are done, this one included.
    pub fn number(&self) -> u64 {
        self.run.epoch
    }

    /// The number of steps so far.
    pub fn step(&self) -> u64 {
        self.run.step
    }

    /// What was measured so far, this epoch included.
    pub fn history(&self) -> &History {
        &self.run.history
    }

    /// The trainer: to predict, to set a rate, to look at the model.
    pub fn trainer(&mut self) -> &mut T {
        self.trainer
    }

    /// Ends the training after this epoch.
    pub fn stop(&mut self) {
        self.stops = true;
    }

    pub(super) fn stops(&self) -> bool {
        self.stops
    }
}
