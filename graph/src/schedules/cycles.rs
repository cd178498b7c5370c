//! Schedules that go up and down: cosines and cycles, some of them with the momentum. Which of an optimizer's numbers
//! the momentum is, is not known here.

use std::f64::consts::PI;

use super::{Schedule, check_part, check_steps};
use crate::setting::InvalidSetting;

/// Half a wave of a cosine from the rate to `eta_min` in `T_max` steps, and back in as many, and so on:
/// `eta_min + (lr - eta_min) (1 + cos(pi step / T_max)) / 2`.
///
/// * Default: `eta_min = 0`.
/// * Errors: a `T_max` of 0, a negative or infinite `eta_min`.
/// * Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts"; PyTorch's
///   `lr_scheduler.CosineAnnealingLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct CosineAnnealingLR {
    t_max: u64,
    eta_min: f64,
}

impl CosineAnnealingLR {
    /// To 0 in `t_max` steps.
    pub const fn new(t_max: u64) -> CosineAnnealingLR {
        CosineAnnealingLR { t_max, eta_min: 0.0 }
    }

    /// The smallest rate. Default: 0.
    pub const fn eta_min(mut self, eta_min: f64) -> CosineAnnealingLR {
        self.eta_min = eta_min;
        self
    }
}

/// A point of the falling half of a cosine's wave, from `from` at 0 to `to` at 1.
fn cosine(from: f64, to: f64, part: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * part).cos()) / 2.0
}

impl Schedule for CosineAnnealingLR {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let length = self.t_max.max(1);
        cosine(lr, self.eta_min, (step % length.saturating_mul(2)) as f64 / length as f64)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        check_steps("CosineAnnealingLR", "T_max", self.t_max)?;
        InvalidSetting::unless_not_negative("CosineAnnealingLR", "eta_min", self.eta_min)
    }
}

/// Half a wave of a cosine from the rate to `eta_min` in `T_0` steps, then from the rate again in `T_mult` times as many,
/// and so on.
///
/// * Defaults: `T_mult = 1`, `eta_min = 0`.
/// * Errors: a `T_0` or `T_mult` of 0, a negative or infinite `eta_min`.
/// * Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts"; PyTorch's
///   `lr_scheduler.CosineAnnealingWarmRestarts`.
#[derive(Clone, Debug, PartialEq)]
pub struct CosineAnnealingWarmRestarts {
    t_0: u64,
    t_mult: u64,
    eta_min: f64,
}

impl CosineAnnealingWarmRestarts {
    /// To 0 in `t_0` steps, again and again.
    pub const fn new(t_0: u64) -> CosineAnnealingWarmRestarts {
        CosineAnnealingWarmRestarts { t_0, t_mult: 1, eta_min: 0.0 }
    }

    /// How many times as long as the one before each wave is. Default: 1.
    pub const fn t_mult(mut self, t_mult: u64) -> CosineAnnealingWarmRestarts {
        self.t_mult = t_mult;
        self
    }

    /// The smallest rate. Default: 0.
    pub const fn eta_min(mut self, eta_min: f64) -> CosineAnnealingWarmRestarts {
        self.eta_min = eta_min;
        self
    }
}

impl Schedule for CosineAnnealingWarmRestarts {
    fn rate(&self, step: u64, lr: f64) -> f64 {
        let (mut left, mut length) = (step, self.t_0.max(1));
        if self.t_mult <= 1 {
            left %= length;
        }
        while left >= length {
            left -= length;
            length = length.saturating_mul(self.t_mult);
        }
        cosine(lr, self.eta_min, left as f64 / length as f64)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        check_steps("CosineAnnealingWarmRestarts", "T_0", self.t_0)?;
        check_steps("CosineAnnealingWarmRestarts", "T_mult", self.t_mult)?;
        InvalidSetting::unless_not_negative("CosineAnnealingWarmRestarts", "eta_min", self.eta_min)
    }
}

/// How a rate goes from one value to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anneal {
    /// As half a wave of a cosine.
    #[default]
    Cos,
    /// In a straight line.
    Linear,
}

impl Anneal {
    fn at(self, from: f64, to: f64, part: f64) -> f64 {
        match self {
            Anneal::Cos => cosine(from, to, part),
            Anneal::Linear => from + (to - from) * part,
        }
    }
}

/// One cycle: from `max_lr / div_factor` up to `max_lr`, and down to `1 / final_div_factor` of what it began with, while the
/// momentum goes down and up. The optimizer's own rate does not matter. After `total_steps` the last values stay. (PyTorch
/// raises an error there.)
///
/// * Defaults: `pct_start = 0.3`, `anneal_strategy = Cos`, `cycle_momentum = true`, `base_momentum = 0.85`,
///   `max_momentum = 0.95`, `div_factor = 25`, `final_div_factor = 1e4`, `three_phase = false`.
/// * Errors: no steps, `pct_start` outside 0 to 1, momenta outside 0 to below 1, negative or infinite numbers, divisors of 0; at
///   `build()` a cycle of the momentum for an optimizer that has none.
/// * Source: Smith and Topin, "Super-Convergence"; PyTorch's `lr_scheduler.OneCycleLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct OneCycleLR {
    max_lr: f64,
    total_steps: u64,
    pct_start: f64,
    anneal_strategy: Anneal,
    cycle_momentum: bool,
    base_momentum: f64,
    max_momentum: f64,
    div_factor: f64,
    final_div_factor: f64,
    three_phase: bool,
}

/// That the momenta of a cycle are momenta.
fn check_momenta(owner: &'static str, base: f64, max: f64) -> Result<(), InvalidSetting> {
    let rule = "must be at least 0 and below 1";
    InvalidSetting::unless((0.0..1.0).contains(&base), owner, "base_momentum", base, rule)?;
    InvalidSetting::unless((0.0..1.0).contains(&max), owner, "max_momentum", max, rule)
}

impl OneCycleLR {
    /// One cycle of so many steps (PyTorch's `epochs * steps_per_epoch`), up to the rate `max_lr`.
    pub const fn new(max_lr: f64, total_steps: u64) -> OneCycleLR {
        OneCycleLR {
            max_lr,
            total_steps,
            pct_start: 0.3,
            anneal_strategy: Anneal::Cos,
            cycle_momentum: true,
            base_momentum: 0.85,
            max_momentum: 0.95,
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }

    /// The part of the cycle in which the rate goes up. Default: 0.3.
    pub const fn pct_start(mut self, pct_start: f64) -> OneCycleLR {
        self.pct_start = pct_start;
        self
    }

    /// How rates and momenta go from one value to another. Default: as a cosine.
    pub const fn anneal_strategy(mut self, anneal_strategy: Anneal) -> OneCycleLR {
        self.anneal_strategy = anneal_strategy;
        self
    }

    /// The momentum (Adam's first beta) at the highest rate. Default: 0.85.
    pub const fn base_momentum(mut self, momentum: f64) -> OneCycleLR {
        self.base_momentum = momentum;
        self
    }

    /// The momentum (Adam's first beta) at the lowest rate. Default: 0.95.
    pub const fn max_momentum(mut self, momentum: f64) -> OneCycleLR {
        self.max_momentum = momentum;
        self
    }

    /// Whether the momentum goes with the rate; else it stays as it is. Default: `true`.
    pub const fn cycle_momentum(mut self, cycle: bool) -> OneCycleLR {
        self.cycle_momentum = cycle;
        self
    }

    /// What `max_lr` is divided by for the first step. Default: 25.
    pub const fn div_factor(mut self, div_factor: f64) -> OneCycleLR {
        self.div_factor = div_factor;
        self
    }

    /// What the first step's rate is divided by for the last one. Default: 1e4.
    pub const fn final_div_factor(mut self, final_div_factor: f64) -> OneCycleLR {
        self.final_div_factor = final_div_factor;
        self
    }

    /// Whether the rate goes down to the first step's as it went up, and to the last one only then. Default: `false`.
    pub const fn three_phase(mut self, three_phase: bool) -> OneCycleLR {
        self.three_phase = three_phase;
        self
    }

    /// What a step has between `low`, `high` and `end`: one goes from low to high, from high to `down` and, in a third phase,
    /// to the end.
    fn at(&self, step: u64, low: f64, high: f64, end: f64) -> f64 {
        let total = self.total_steps as f64;
        let (step, last) = ((step as f64).min(total - 1.0), total - 1.0);
        let first = self.pct_start * total - 1.0;
        let three = [(first, low, high), (2.0 * first, high, low), (last, low, end)];
        let two = [(first, low, high), (last, high, end)];
        let phases = if self.three_phase { &three[..] } else { &two[..] };
        let mut begin = 0.0;
        for (number, &(until, from, to)) in phases.iter().enumerate() {
            if step <= until || number + 1 == phases.len() {
                let part = if until > begin { (step - begin) / (until - begin) } else { 1.0 };
                return self.anneal_strategy.at(from, to, part);
            }
            begin = until;
        }
        end
    }
}

impl Schedule for OneCycleLR {
    fn rate(&self, step: u64, _: f64) -> f64 {
        let initial = self.max_lr / self.div_factor;
        self.at(step, initial, self.max_lr, initial / self.final_div_factor)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (base, max) = (self.base_momentum, self.max_momentum);
        self.cycle_momentum.then(|| self.at(step, max, base, max))
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let owner = "OneCycleLR";
        check_steps(owner, "total_steps", self.total_steps)?;
        InvalidSetting::unless_not_negative(owner, "max_lr", self.max_lr)?;
        check_part(owner, "pct_start", self.pct_start)?;
        check_momenta(owner, self.base_momentum, self.max_momentum)?;
        let (first, last, rule) = (self.div_factor, self.final_div_factor, "must be above 0");
        InvalidSetting::unless(first > 0.0, owner, "div_factor", first, rule)?;
        InvalidSetting::unless(last > 0.0, owner, "final_div_factor", last, rule)
    }
}

/// How the height of [`CyclicLR`]'s cycles changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CyclicMode {
    /// It stays.
    #[default]
    Triangular,
    /// It is halved after each cycle.
    Triangular2,
    /// It is `gamma^step`.
    ExpRange {
        /// The factor of each step.
        gamma: f64,
    },
}

/// Cycles between `base_lr` and `max_lr`, in straight lines, while the momentum goes the other way. The optimizer's own rate
/// does not matter.
///
/// * Defaults: `step_size_up = 2000`, `step_size_down` as many, `mode = Triangular`, `cycle_momentum = true`,
///   `base_momentum = 0.8`, `max_momentum = 0.9`.
/// * Errors: a way up or down of no steps, negative or infinite rates, momenta outside 0 to below 1; at `build()` a cycle of the
///   momentum for an optimizer that has none.
/// * Source: Smith, "Cyclical Learning Rates for Training Neural Networks"; PyTorch's `lr_scheduler.CyclicLR`.
#[derive(Clone, Debug, PartialEq)]
pub struct CyclicLR {
    base_lr: f64,
    max_lr: f64,
    step_size_up: u64,
    step_size_down: Option<u64>,
    mode: CyclicMode,
    cycle_momentum: bool,
    base_momentum: f64,
    max_momentum: f64,
}

impl CyclicLR {
    /// Cycles between two rates.
    pub const fn new(base_lr: f64, max_lr: f64) -> CyclicLR {
        CyclicLR {
            base_lr,
            max_lr,
            step_size_up: 2000,
            step_size_down: None,
            mode: CyclicMode::Triangular,
            cycle_momentum: true,
            base_momentum: 0.8,
            max_momentum: 0.9,
        }
    }

    /// The number of steps in which the rate goes up. Default: 2000.
    pub const fn step_size_up(mut self, steps: u64) -> CyclicLR {
        self.step_size_up = steps;
        self
    }

    /// The number of steps in which the rate goes down. Default: as many as it goes up.
    pub const fn step_size_down(mut self, steps: u64) -> CyclicLR {
        self.step_size_down = Some(steps);
        self
    }

    /// How the height of the cycles changes. Default: it stays.
    pub const fn mode(mut self, mode: CyclicMode) -> CyclicLR {
        self.mode = mode;
        self
    }

    /// The momentum (Adam's first beta) at the highest rate. Default: 0.8.
    pub const fn base_momentum(mut self, momentum: f64) -> CyclicLR {
        self.base_momentum = momentum;
        self
    }

    /// The momentum (Adam's first beta) at the lowest rate. Default: 0.9.
    pub const fn max_momentum(mut self, momentum: f64) -> CyclicLR {
        self.max_momentum = momentum;
        self
    }

    /// Whether the momentum goes with the rate; else it stays as it is. Default: `true`.
    pub const fn cycle_momentum(mut self, cycle: bool) -> CyclicLR {
        self.cycle_momentum = cycle;
        self
    }

    fn down(&self) -> u64 {
        self.step_size_down.unwrap_or(self.step_size_up)
    }

    /// How high above the base a step is: from 0 to 1.
    fn height(&self, step: u64) -> f64 {
        let (up, down) = (self.step_size_up, self.down());
        let whole = up.saturating_add(down).max(1);
        let (cycle, place) = (step / whole, step % whole);
        let part = if place <= up { place as f64 / up as f64 } else { (whole - place) as f64 / down as f64 };
        part * match self.mode {
            CyclicMode::Triangular => 1.0,
            CyclicMode::Triangular2 => 0.5_f64.powf(cycle as f64),
            CyclicMode::ExpRange { gamma } => gamma.powf(step as f64),
        }
    }
}

impl Schedule for CyclicLR {
    fn rate(&self, step: u64, _: f64) -> f64 {
        self.base_lr + (self.max_lr - self.base_lr) * self.height(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        let (base, max) = (self.base_momentum, self.max_momentum);
        self.cycle_momentum.then(|| max - (max - base) * self.height(step))
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let owner = "CyclicLR";
        InvalidSetting::unless_not_negative(owner, "base_lr", self.base_lr)?;
        InvalidSetting::unless_not_negative(owner, "max_lr", self.max_lr)?;
        check_steps(owner, "step_size_up", self.step_size_up)?;
        check_steps(owner, "step_size_down", self.down())?;
        if let CyclicMode::ExpRange { gamma } = self.mode {
            check_part(owner, "gamma", gamma)?;
        }
        check_momenta(owner, self.base_momentum, self.max_momentum)
    }
}
