//! Schedules: learning rates (and momenta) as plain functions of the step. PyTorch's `torch.optim.lr_scheduler`, under
//! its names and with its defaults. A schedule is given to an optimizer, `Adam::new(1e-3).schedule(..)`; nothing is
//! compiled anew when a rate changes. Knows no graph and no optimizer.
//!
//! Where PyTorch's user calls `scheduler.step()`, a trainer counts the optimizer's steps by itself. A schedule that
//! goes by epochs is told how many steps make one: [`Schedule::every`].
//!
//! ```
//! use kiln_graph::schedules::{CosineAnnealingLR, LinearLR, Schedule, SequentialLR};
//!
//! // Warm up for 100 steps, then a cosine of 900.
//! let warm_up = LinearLR::new(100).start_factor(0.01);
//! let schedule = SequentialLR::new(warm_up).then(100, CosineAnnealingLR::new(900));
//! let rates = [0, 50, 100, 550, 1000].map(|step| schedule.rate(step, 1.0));
//! for (rate, expected) in rates.into_iter().zip([0.01, 0.505, 1.0, 0.5, 0.0]) {
//!     assert!((rate - expected).abs() < 1e-12);
//! }
//! ```

mod composed;
mod cycles;
mod decays;
mod plateau;
mod scheduler;

use std::fmt;

pub use composed::{ChainedScheduler, Every, SequentialLR};
pub use cycles::{Anneal, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, CyclicMode, OneCycleLR};
pub use decays::{ConstantLR, ExponentialLR, LambdaLR, LinearLR, MultiStepLR, MultiplicativeLR, PolynomialLR, StepLR};
pub use plateau::{PlateauMode, ReduceLROnPlateau, ThresholdMode};
pub use scheduler::Scheduler;

use crate::setting::InvalidSetting;

/// A learning rate as a function of the step.
///
/// One of your own is a function, [`LambdaLR`], or implements this.
pub trait Schedule: fmt::Debug + Send + Sync {
    /// The rate in a step, counted from 0, of an optimizer (or a group of parameters) whose own rate is `lr`.
    fn rate(&self, step: u64, lr: f64) -> f64;

    /// The momentum (Adam's first beta) in a step; nothing, in any step, where the optimizer's own stays.
    fn momentum(&self, step: u64) -> Option<f64> {
        let _ = step;
        None
    }

    /// What lowers the rate by a metric that the user reports; [`Schedule::rate`] is then given a rate that is lowered already.
    fn plateau(&self) -> Option<&ReduceLROnPlateau> {
        None
    }

    /// Whether the settings are in their range.
    ///
    /// # Errors
    /// The first setting that is not.
    fn check(&self) -> Result<(), InvalidSetting>;

    /// This schedule, but going on only once in so many steps: `StepLR::new(30).every(batches)` counts epochs of `batches`
    /// batches.
    fn every(self, steps: u64) -> Every<Self>
    where
        Self: Sized,
    {
        Every::new(self, steps)
    }
}

/// That a number of steps is not 0.
const fn check_steps(owner: &'static str, setting: &'static str, steps: u64) -> Result<(), InvalidSetting> {
    InvalidSetting::unless(steps > 0, owner, setting, steps as f64, "must be at least 1")
}

/// That a number is from 0 to 1.
const fn check_part(owner: &'static str, setting: &'static str, part: f64) -> Result<(), InvalidSetting> {
    let holds = part >= 0.0 && part <= 1.0;
    InvalidSetting::unless(holds, owner, setting, part, "must be at least 0 and at most 1")
}

#[cfg(test)]
mod tests;
