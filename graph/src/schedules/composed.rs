//! Schedules made of others: one after the other, all at once, slower. Of its parts it knows that they are schedules,
//! and which of them wait for a metric.

use std::sync::Arc;

use super::{ReduceLROnPlateau, Schedule, check_steps};
use crate::setting::InvalidSetting;

/// One schedule after the other: each begins anew, with the optimizer's own rate, at its milestone.
///
/// ```
/// # use kiln_graph::schedules::{CosineAnnealingLR, LinearLR, SequentialLR};
/// // PyTorch's SequentialLR(optimizer, [LinearLR(..), CosineAnnealingLR(..)], milestones=[100])
/// let schedule = SequentialLR::new(LinearLR::new(100)).then(100, CosineAnnealingLR::new(900));
/// ```
///
/// * Errors: milestones that do not grow; a [`ReduceLROnPlateau`] among the schedules; schedules of which some say a momentum
///   and others do not.
/// * Source: PyTorch's `lr_scheduler.SequentialLR`.
#[derive(Clone, Debug)]
pub struct SequentialLR {
    /// Each with the step in which it begins.
    parts: Vec<(u64, Arc<dyn Schedule>)>,
}

impl SequentialLR {
    /// What comes first.
    pub fn new(first: impl Schedule + 'static) -> SequentialLR {
        SequentialLR { parts: vec![(0, Arc::new(first))] }
    }

    /// What comes next, from the step `milestone` on.
    pub fn then(mut self, milestone: u64, next: impl Schedule + 'static) -> SequentialLR {
        self.parts.push((milestone, Arc::new(next)));
        self
    }

    /// The schedule of a step, and the step in it.
    fn at(&self, step: u64) -> (u64, &dyn Schedule) {
        let part = self.parts.iter().rev().find(|(begin, _)| *begin <= step).unwrap_or(&self.parts[0]);
        (step - part.0, &*part.1)
    }
}

impl Schedule for SequentialLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let (step, schedule) = self.at(step);
        schedule.rate(step, lr)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (step, schedule) = self.at(step);
        schedule.momentum(step)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let owner = "SequentialLR";
        let says_momentum = self.momentum(0).is_some();
        for (number, (milestone, schedule)) in self.parts.iter().enumerate() {
            schedule.check()?;
            let number = number as f64;
            let reports = schedule.plateau().is_some();
            InvalidSetting::unless(!reports, owner, "schedule", number, "must not be a ReduceLROnPlateau")?;
            let alike = schedule.momentum(0).is_some() == says_momentum;
            let rule = "must change the momentum if the first schedule does, and leave it otherwise";
            InvalidSetting::unless(alike, owner, "schedule", number, rule)?;
            let milestone = *milestone as f64;
            let later = number == 0.0 || milestone > self.parts[number as usize - 1].0 as f64;
            InvalidSetting::unless(later, owner, "milestone", milestone, "must be above the one before")?;
        }
        Ok(())
    }
}

/// Several schedules at once: each is given the rate that those before it make of the optimizer's own, so that factors
/// multiply.
///
/// PyTorch's lets each go on from the rate of the step before, which is the same for factors, and for a cosine down to 0 within
/// its `T_max` steps; behind these PyTorch's cosine comes back up to its own rate whatever the others say, this one to theirs.
/// So does PyTorch's `LambdaLR` in each step, `CosineAnnealingWarmRestarts` too, which here are factors of what comes before.
///
/// * Errors: those of the schedules; more than one of them with a momentum, or with a plateau.
/// * Source: PyTorch's `lr_scheduler.ChainedScheduler`.
#[derive(Clone, Debug)]
pub struct ChainedScheduler {
    parts: Vec<Arc<dyn Schedule>>,
}

impl ChainedScheduler {
    /// What comes first.
    pub fn new(first: impl Schedule + 'static) -> ChainedScheduler {
        ChainedScheduler { parts: vec![Arc::new(first)] }
    }

    /// What is applied to its rate.
    pub fn and(mut self, next: impl Schedule + 'static) -> ChainedScheduler {
        self.parts.push(Arc::new(next));
        self
    }
}

impl Schedule for ChainedScheduler {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        self.parts.iter().fold(lr, |lr, schedule| schedule.rate(step, lr))
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.parts.iter().find_map(|schedule| schedule.momentum(step))
    }

    fn plateau(&self) -> Option<&ReduceLROnPlateau> {
        self.parts.iter().find_map(|schedule| schedule.plateau())
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let count = |holds: &dyn Fn(&dyn Schedule) -> bool| self.parts.iter().filter(|part| holds(&***part)).count();
        let rule = "may be one at most";
        let (momenta, plateaus) = (count(&|part| part.momentum(0).is_some()), count(&|part| part.plateau().is_some()));
        InvalidSetting::unless(momenta <= 1, "ChainedScheduler", "schedules of a momentum", momenta as f64, rule)?;
        InvalidSetting::unless(plateaus <= 1, "ChainedScheduler", "schedules by a metric", plateaus as f64, rule)?;
        self.parts.iter().try_for_each(|part| part.check())
    }
}

/// A schedule that goes on once in so many steps; [`Schedule::every`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Every<S> {
    schedule: S,
    steps: u64,
}

impl<S: Schedule> Every<S> {
    /// The schedule, a step of which takes so many.
    pub(super) fn new(schedule: S, steps: u64) -> Every<S> {
        Every { schedule, steps }
    }
}

impl<S: Schedule> Schedule for Every<S> {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        self.schedule.rate(step / self.steps.max(1), lr)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        self.schedule.momentum(step / self.steps.max(1))
    }

    fn plateau(&self) -> Option<&ReduceLROnPlateau> {
        self.schedule.plateau()
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        check_steps("every", "steps", self.steps)?;
        self.schedule.check()
    }
}
