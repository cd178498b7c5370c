//! Where an optimizer stands in its schedule. All that it knows can be written down and read again. It counts steps and
//! sets nothing: trainers write the rate.

use std::sync::Arc;

use super::Schedule;
use super::plateau::Progress;

/// A schedule at some step, for the groups of parameters of one optimizer. Trainers have one for each optimizer; by itself
/// it tells what rates would be.
///
/// ```
/// use kiln_graph::schedules::{Scheduler, StepLR};
///
/// let mut scheduler = Scheduler::new(Some(StepLR::new(2)), &[1.0]);
/// let rates: Vec<f64> = (0..5).map(|_| { let rate = scheduler.rate(0); scheduler.step(); rate }).collect();
/// assert_eq!(rates, [1.0, 1.0, 0.1, 0.1, 0.010000000000000002]);
/// ```
#[derive(Clone, Debug)]
pub struct Scheduler {
    schedule: Option<Arc<dyn Schedule>>,
    /// Of each group.
    own: Vec<Own>,
    steps: u64,
    progress: Option<Progress>,
}

/// The rate of a group before the schedule changes it.
#[derive(Clone, Copy, Debug)]
struct Own {
    rate: f64,
    /// What is left of it after reductions.
    scale: f64,
}

impl Scheduler {
    /// Before the first step of an optimizer whose groups have the given rates of their own. Without a schedule they stay.
    pub fn new(schedule: Option<impl Schedule + 'static>, rates: &[f64]) -> Scheduler {
        Scheduler::of(schedule.map(|schedule| Arc::new(schedule) as Arc<dyn Schedule>), rates)
    }

    /// As [`Scheduler::new`], of a schedule that others have, too.
    pub fn of(schedule: Option<Arc<dyn Schedule>>, rates: &[f64]) -> Scheduler {
        let plateau = schedule.as_ref().and_then(|schedule| schedule.plateau());
        let progress = plateau.map(Progress::new);
        let own = rates.iter().map(|&rate| Own { rate, scale: 1.0 }).collect();
        Scheduler { schedule, own, steps: 0, progress }
    }

    /// Gives it another schedule, which begins now, from the rates that the groups have of their own.
    pub fn set_schedule(&mut self, schedule: Arc<dyn Schedule>) {
        self.progress = schedule.plateau().map(Progress::new);
        self.schedule = Some(schedule);
        self.steps = 0;
        self.own.iter_mut().for_each(|own| own.scale = 1.0);
    }

    /// The rate of a group in the present step; 0 if there is no such group.
    pub fn rate(&self, group: usize) -> f64 {
        let Some(own) = self.own.get(group) else { return 0.0 };
        let rate = own.rate * own.scale;
        self.schedule.as_ref().map_or(rate, |schedule| schedule.rate(self.steps, rate))
    }

    /// The momentum in the present step, where the schedule says one.
    pub fn momentum(&self) -> Option<f64> {
        self.schedule.as_ref().and_then(|schedule| schedule.momentum(self.steps))
    }

    /// The number of steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Goes on to the next step.
    pub fn step(&mut self) {
        self.steps += 1;
    }

    /// Reports a metric, such as the loss of an evaluation; whether a schedule goes by it.
    pub fn report_metric(&mut self, metric: f64) -> bool {
        let plateau = self.schedule.as_ref().and_then(|schedule| schedule.plateau());
        let (Some(plateau), Some(progress)) = (plateau, &mut self.progress) else { return false };
        if progress.report(plateau, metric) {
            for own in self.own.iter_mut().filter(|own| own.rate > 0.0) {
                own.scale = plateau.reduced(own.rate * own.scale) / own.rate;
            }
        }
        true
    }

    /// Gives a group another rate of its own, which a schedule changes from then on; what reductions left is forgotten.
    pub fn set_rate(&mut self, group: usize, rate: f64) {
        if let Some(own) = self.own.get_mut(group) {
            *own = Own { rate, scale: 1.0 };
        }
    }

    /// All that changes: steps done; best metric, bad ones, reports to cool down; rate and scale of each group.
    pub fn state(&self) -> Vec<f64> {
        let progress = self.progress.unwrap_or(Progress { best: 0.0, bad: 0, cooling: 0 });
        let counts = [self.steps as f64, progress.best, progress.bad as f64, progress.cooling as f64];
        let groups = self.own.iter().flat_map(|own| [own.rate, own.scale]);
        counts.into_iter().chain(groups).collect()
    }

    /// Takes what [`Scheduler::state`] gave; whether it fits.
    pub fn set_state(&mut self, state: &[f64]) -> bool {
        let [steps, best, bad, cooling, groups @ ..] = state else { return false };
        if groups.len() != 2 * self.own.len() {
            return false;
        }
        self.steps = *steps as u64;
        if let Some(progress) = &mut self.progress {
            *progress = Progress { best: *best, bad: *bad as u64, cooling: *cooling as u64 };
        }
        for (own, group) in self.own.iter_mut().zip(groups.chunks(2)) {
            *own = Own { rate: group[0], scale: group[1] };
        }
        true
    }
}
