//! Where the optimizers of a trainer stand in their schedules, and handing rates to the states in which programs read
//! them. Knows no program and no model.

use std::sync::Arc;

use kiln_graph::optimizers::{Optimization, Rate};
use kiln_graph::schedules::{Schedule, Scheduler};
use kiln_jit::{StateError, States};
use ndarray::aview0;

use super::error::TrainError;

/// Where each optimizer of a model stands.
pub(crate) struct Schedulers {
    optimizers: Vec<Optimizer>,
}

struct Optimizer {
    name: String,
    scheduler: Scheduler,
    groups: Vec<Group>,
    /// The number of calls that make a step, and of those since the last one.
    accumulates: u32,
    calls: u32,
}

/// A group of parameters, and what was handed over last.
struct Group {
    of: Rate,
    rate: Option<f32>,
    momentum: Option<f32>,
}

impl Schedulers {
    /// Before the first step.
    pub fn new(optimizers: &[Optimization<'_>]) -> Schedulers {
        let optimizer = |optimization: &Optimization<'_>| Optimizer {
            name: optimization.name().to_owned(),
            scheduler: optimization.scheduler(),
            // Programs begin with the rates that the optimizer itself has.
            groups: (optimization.rates().into_iter())
                .map(|of| Group { rate: Some(of.rate as f32), of, momentum: None })
                .collect(),
            accumulates: optimization.accumulates(),
            calls: 0,
        };
        Schedulers { optimizers: optimizers.iter().map(optimizer).collect() }
    }

    /// The optimizers that a program steps which has these states.
    pub fn stepped<'s>(&self, states: impl Iterator<Item = &'s str> + Clone) -> Vec<usize> {
        let steps = |optimizer: &Optimizer| {
            optimizer.groups.iter().any(|group| states.clone().any(|name| name == group.of.state))
        };
        (0..self.optimizers.len()).filter(|&number| steps(&self.optimizers[number])).collect()
    }

    /// Hands over the rates (and momenta) of the coming step of some optimizers, where they differ from those of the last.
    pub fn hand_over(&mut self, optimizers: &[usize], states: &mut States) -> Result<(), StateError> {
        let mut hand = |state: &str, last: &mut Option<f32>, value: f32| {
            // Of an optimizer of several programs one may have groups that another has not.
            if last.map(f32::to_bits) != Some(value.to_bits()) && states.ty(state).is_some() {
                states.write(state, aview0(&value).into_dyn())?;
                *last = Some(value);
            }
            Ok(())
        };
        for &number in optimizers {
            let Optimizer { scheduler, groups, .. } = &mut self.optimizers[number];
            for (group, handed) in groups.iter_mut().enumerate() {
                hand(&handed.of.state, &mut handed.rate, scheduler.rate(group) as f32)?;
                if let (Some(state), Some(momentum)) = (&handed.of.momentum, scheduler.momentum()) {
                    hand(state, &mut handed.momentum, momentum as f32)?;
                }
            }
        }
        Ok(())
    }

    /// Notes that a call has stepped some optimizers.
    pub fn advance(&mut self, optimizers: &[usize]) {
        for &number in optimizers {
            let Optimizer { scheduler, accumulates, calls, .. } = &mut self.optimizers[number];
            *calls += 1;
            if *calls >= *accumulates {
                *calls = 0;
                scheduler.step();
            }
        }
    }

    /// Reports a metric to an optimizer's schedule.
    pub fn report_metric(&mut self, optimizer: &str, metric: f64) -> Result<(), TrainError> {
        let number = self.position(optimizer)?;
        if self.optimizers[number].scheduler.report_metric(metric) {
            return Ok(());
        }
        Err(TrainError::NoPlateau { optimizer: optimizer.to_owned() })
    }

    /// Reports a metric to every schedule that waits for one.
    pub fn report_to_all(&mut self, metric: f64) {
        for optimizer in &mut self.optimizers {
            optimizer.scheduler.report_metric(metric);
        }
    }

    /// The rates of the coming steps, by the names of optimizers.
    pub fn rates(&self) -> impl Iterator<Item = (&str, f32)> {
        self.optimizers.iter().map(|optimizer| (optimizer.name.as_str(), optimizer.scheduler.rate(0) as f32))
    }

    /// Gives every optimizer a schedule, which begins now. (Whether the schedule changes a momentum that programs take as a number:
    /// then nothing is changed.)
    pub fn set_schedule(&mut self, schedule: &Arc<dyn Schedule>) -> bool {
        let groups = self.optimizers.iter().flat_map(|optimizer| &optimizer.groups);
        if schedule.momentum(0).is_some() && groups.into_iter().any(|group| group.of.momentum.is_none()) {
            return false;
        }
        self.optimizers.iter_mut().for_each(|optimizer| optimizer.scheduler.set_schedule(schedule.clone()));
        true
    }

    /// Gives an optimizer, or one group of it, a rate of its own.
    pub fn set_rate(&mut self, optimizer: &str, group: Option<usize>, rate: f32) -> Result<(), TrainError> {
        let number = self.position(optimizer)?;
        let found = &mut self.optimizers[number];
        if !rate.is_finite() || rate < 0.0 {
            return Err(TrainError::LearningRate { found: rate });
        }
        let groups = found.groups.len();
        match group {
            Some(group) if group >= groups => {
                let optimizer = optimizer.to_owned();
                return Err(TrainError::UnknownGroup { optimizer, found: group, last: groups - 1 });
            }
            Some(group) => found.scheduler.set_rate(group, rate.into()),
            None => (0..groups).for_each(|group| found.scheduler.set_rate(group, rate.into())),
        }
        Ok(())
    }

    /// The rate of an optimizer's coming step.
    pub fn rate(&self, optimizer: &str) -> Result<f32, TrainError> {
        Ok(self.optimizers[self.position(optimizer)?].scheduler.rate(0) as f32)
    }

    /// All that changes, by optimizer: its name in files, and numbers.
    pub fn state(&self) -> impl Iterator<Item = (String, Vec<f64>)> {
        self.optimizers.iter().map(|optimizer| {
            let calls = [f64::from(optimizer.calls)];
            (optimizer.file_name(), calls.into_iter().chain(optimizer.scheduler.state()).collect())
        })
    }

    /// Takes what [`Schedulers::state`] gave, of optimizers of the same names and groups.
    pub fn set_state(&mut self, mut state: impl FnMut(&str) -> Option<Vec<f64>>) {
        for optimizer in &mut self.optimizers {
            if let Some((calls, scheduler)) = state(&optimizer.file_name()).as_deref().and_then(<[f64]>::split_first) {
                optimizer.calls = *calls as u32;
                optimizer.scheduler.set_state(scheduler);
            }
            // The states have been written by others.
            optimizer.groups.iter_mut().for_each(|group| (group.rate, group.momentum) = (None, None));
        }
    }

    fn position(&self, name: &str) -> Result<usize, TrainError> {
        self.optimizers.iter().position(|optimizer| optimizer.name == name).ok_or_else(|| {
            TrainError::UnknownOptimizer {
                found: name.to_owned(),
                known: self.optimizers.iter().map(|optimizer| optimizer.name.clone()).collect(),
            }
        })
    }
}

impl Optimizer {
    /// What its numbers are called in a file.
    fn file_name(&self) -> String {
        if self.name.is_empty() { "optimizer.schedule".to_owned() } else { format!("{}.optimizer.schedule", self.name) }
    }
}
