//! Schedules that multiply the optimizer's rate by a factor of the step. None says a momentum.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{Schedule, check_part, check_steps};
use crate::setting::InvalidSetting;

/// The rate times `factor`, until `total_iters` steps are done.
///
/// * Defaults: `factor = 1/3`, `total_iters = 5`.
/// * Errors: `factor` outside 0 to 1.
/// * Source: PyTorch's `lr_scheduler.ConstantLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantLR {
    factor: f64,
    total_iters: u64,
}

impl ConstantLR {
    /// The rate times 1/3 for so many steps.
    pub const fn new(total_iters: u64) -> ConstantLR {
        ConstantLR { factor: 1.0 / 3.0, total_iters }
    }

    /// The factor. Default: 1/3.
    pub const fn factor(mut self, factor: f64) -> ConstantLR {
        self.factor = factor;
        self
    }
}

impl Default for ConstantLR {
    fn default() -> ConstantLR {
        ConstantLR::new(5)
    }
}

impl Schedule for ConstantLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        if step < self.total_iters { lr * self.factor } else { lr }
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        check_part("ConstantLR", "factor", self.factor)
    }
}

/// The rate times a factor that goes from `start_factor` to `end_factor` in a straight line, in `total_iters` steps: the
/// usual warm-up.
///
/// * Defaults: `start_factor = 1/3`, `end_factor = 1`, `total_iters = 5`.
/// * Errors: `start_factor` of 0 or outside 0 to 1, `end_factor` outside 0 to 1, no steps.
/// * Source: PyTorch's `lr_scheduler.LinearLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearLR {
    start_factor: f64,
    end_factor: f64,
    total_iters: u64,
}

impl LinearLR {
    /// From 1/3 of the rate to all of it, in so many steps.
    pub const fn new(total_iters: u64) -> LinearLR {
        LinearLR { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters }
    }

    /// The factor in the first step. Default: 1/3.
    pub const fn start_factor(mut self, start_factor: f64) -> LinearLR {
        self.start_factor = start_factor;
        self
    }

    /// The factor from step `total_iters` on. Default: 1.
    pub const fn end_factor(mut self, end_factor: f64) -> LinearLR {
        self.end_factor = end_factor;
        self
    }
}

impl Default for LinearLR {
    fn default() -> LinearLR {
        LinearLR::new(5)
    }
}

impl Schedule for LinearLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let part = step.min(self.total_iters) as f64 / self.total_iters as f64;
        lr * (self.start_factor + (self.end_factor - self.start_factor) * part)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let (start, rule) = (self.start_factor, "must be above 0 and at most 1");
        InvalidSetting::unless(start > 0.0 && start <= 1.0, "LinearLR", "start_factor", start, rule)?;
        check_part("LinearLR", "end_factor", self.end_factor)?;
        check_steps("LinearLR", "total_iters", self.total_iters)
    }
}

/// The rate times `gamma^step`.
///
/// * Errors: a negative or infinite `gamma`.
/// * Source: PyTorch's `lr_scheduler.ExponentialLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialLR {
    gamma: f64,
}

impl ExponentialLR {
    /// A factor of `gamma` for each step.
    pub const fn new(gamma: f64) -> ExponentialLR {
        ExponentialLR { gamma }
    }
}

impl Schedule for ExponentialLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        lr * self.gamma.powf(step as f64)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        InvalidSetting::unless_not_negative("ExponentialLR", "gamma", self.gamma)
    }
}

/// The rate times `gamma` after each `step_size` steps.
///
/// * Default: `gamma = 0.1`.
/// * Errors: a negative or infinite `gamma`, a `step_size` of 0.
/// * Source: PyTorch's `lr_scheduler.StepLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct StepLR {
    step_size: u64,
    gamma: f64,
}

impl StepLR {
    /// A tenth of the rate after each `step_size` steps.
    pub const fn new(step_size: u64) -> StepLR {
        StepLR { step_size, gamma: 0.1 }
    }

    /// The factor. Default: 0.1.
    pub const fn gamma(mut self, gamma: f64) -> StepLR {
        self.gamma = gamma;
        self
    }
}

impl Schedule for StepLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        lr * self.gamma.powf((step / self.step_size.max(1)) as f64)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        check_steps("StepLR", "step_size", self.step_size)?;
        InvalidSetting::unless_not_negative("StepLR", "gamma", self.gamma)
    }
}

/// The rate times `gamma` at each of several steps. One that stands twice counts twice.
///
/// * Default: `gamma = 0.1`.
/// * Errors: a negative or infinite `gamma`.
/// * Source: PyTorch's `lr_scheduler.MultiStepLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStepLR {
    milestones: Vec<u64>,
    gamma: f64,
}

impl MultiStepLR {
    /// A tenth of the rate from each of these steps on, in any order.
    pub fn new(milestones: impl IntoIterator<Item = u64>) -> MultiStepLR {
        MultiStepLR { milestones: milestones.into_iter().collect(), gamma: 0.1 }
    }

    /// The factor. Default: 0.1.
    pub fn gamma(mut self, gamma: f64) -> MultiStepLR {
        self.gamma = gamma;
        self
    }
}

impl Schedule for MultiStepLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let passed = self.milestones.iter().filter(|&&milestone| milestone <= step).count();
        lr * self.gamma.powf(passed as f64)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        InvalidSetting::unless_not_negative("MultiStepLR", "gamma", self.gamma)
    }
}

/// The rate times `(1 - step / total_iters)^power`; 0 from step `total_iters` on.
///
/// * Defaults: `total_iters = 5`, `power = 1`.
/// * Errors: a negative or infinite `power`, no steps.
/// * Source: PyTorch's `lr_scheduler.PolynomialLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct PolynomialLR {
    total_iters: u64,
    power: f64,
}

impl PolynomialLR {
    /// A straight line to 0 in so many steps.
    pub const fn new(total_iters: u64) -> PolynomialLR {
        PolynomialLR { total_iters, power: 1.0 }
    }

    /// The power. Default: 1.
    pub const fn power(mut self, power: f64) -> PolynomialLR {
        self.power = power;
        self
    }
}

impl Default for PolynomialLR {
    fn default() -> PolynomialLR {
        PolynomialLR::new(5)
    }
}

impl Schedule for PolynomialLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let left = 1.0 - step.min(self.total_iters) as f64 / self.total_iters as f64;
        lr * left.powf(self.power)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        check_steps("PolynomialLR", "total_iters", self.total_iters)?;
        InvalidSetting::unless_not_negative("PolynomialLR", "power", self.power)
    }
}

/// The rate times what a function gives for the step.
///
/// What it gives is the user's: a rate that is negative or not finite trains no network, but is no error.
///
/// * Source: PyTorch's `lr_scheduler.LambdaLR`.
#[derive(Clone)]
pub struct LambdaLR<F>(F);

impl<F: Fn(u64) -> f64 + Send + Sync> LambdaLR<F> {
    /// The factor of each step, counted from 0. `LambdaLR::new(|step| 0.95_f64.powf(step as f64))`
    pub const fn new(factor: F) -> LambdaLR<F> {
        LambdaLR(factor)
    }
}

impl<F> fmt::Debug for LambdaLR<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LambdaLR")
    }
}

impl<F: Fn(u64) -> f64 + Send + Sync> Schedule for LambdaLR<F> {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        lr * (self.0)(step)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        Ok(())
    }
}

/// The rate of the step before times what a function gives for the step: `lr_t = lr_{t-1} * factor(t)`, and `lr_0 = lr`.
///
/// What it gives is the user's, as of [`LambdaLR`].
///
/// * Source: PyTorch's `lr_scheduler.MultiplicativeLR`.
pub struct MultiplicativeLR<F> {
    factor: F,
    /// A step, and the product of the factors up to it, from which the next ones are computed.
    known: Mutex<(u64, f64)>,
}

impl<F: Fn(u64) -> f64 + Send + Sync> MultiplicativeLR<F> {
    /// The factor of each step, counted from 1. `MultiplicativeLR::new(|step| if step < 100 { 1.0 } else { 0.95 })`
    pub const fn new(factor: F) -> MultiplicativeLR<F> {
        MultiplicativeLR { factor, known: Mutex::new((0, 1.0)) }
    }
}

impl<F: Clone> Clone for MultiplicativeLR<F> {
    fn clone(&self) -> MultiplicativeLR<F> {
        MultiplicativeLR { factor: self.factor.clone(), known: Mutex::new((0, 1.0)) }
    }
}

impl<F> fmt::Debug for MultiplicativeLR<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MultiplicativeLR")
    }
}

impl<F: Fn(u64) -> f64 + Send + Sync> Schedule for MultiplicativeLR<F> {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, mut product) = if known.0 <= step { *known } else { (0, 1.0) };
        // Factors are multiplied in one order, so that a rate has the same bits whatever was asked for before.
        for step in done + 1..=step {
            product *= (self.factor)(step);
        }
        *known = (step, product);
        lr * product
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        Ok(())
    }
}
