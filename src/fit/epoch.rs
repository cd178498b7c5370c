//! What goes in and out of a training loop: figures of a step, figures of a validation, and an epoch as hooks see it.

use kiln_graph::Model;
use kiln_graph::losses::Criterion;
use kiln_graph::model::Inputs;
use kiln_graph::optimizers::Optimizer;

use crate::checkpoints::Run;
use crate::data::{Dataset, Samples};
use crate::history::History;
use crate::trainer::{BatchTargets, TrainError, Trainer};

/// What a step gives: a loss, `f32`, or several figures with names, `[("d", d), ("g", g)]`.
pub trait Figures {
    /// Calls `f` with each figure and its name.
    fn each(&self, f: &mut dyn FnMut(&str, f32));
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

/// Data that a trainer of type `T` can be evaluated on.
pub trait Validation<T> {
    /// Figures with their names.
    ///
    /// # Errors
    /// Those of the evaluation.
    fn evaluate(&self, trainer: &mut T) -> Result<Vec<(String, f64)>, TrainError>;
}

impl<M, L, O, X, Y> Validation<Trainer<M, L, O>> for &Dataset<X, Y>
where
    M: Model,
    L: Criterion<M::Output>,
    O: Optimizer,
    X: Samples,
    Y: Samples,
    for<'y> &'y Y: BatchTargets<L::Target>,
    for<'x> &'x X: Inputs<M::Input>,
{
    fn evaluate(&self, trainer: &mut Trainer<M, L, O>) -> Result<Vec<(String, f64)>, TrainError> {
        let found = trainer.evaluate(self.inputs(), self.targets())?;
        let mut figures = vec![("loss".to_owned(), f64::from(found.loss))];
        figures.extend(found.accuracy.map(|accuracy| ("accuracy".to_owned(), accuracy)));
        figures.extend(found.metrics.into_iter().map(|(name, metric)| (name, f64::from(metric))));
        Ok(figures)
    }
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
