//! A rate that is lowered where a metric no longer gets better. Which metric it is, and when it is reported, is for
//! others to say.

use super::Schedule;
use crate::setting::InvalidSetting;

/// What is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlateauMode {
    /// A smaller metric, such as a loss.
    #[default]
    Min,
    /// A larger metric, such as an accuracy.
    Max,
}

/// What a metric must differ by to be better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThresholdMode {
    /// A part of the best one: below `best (1 - threshold)`, or above `best (1 + threshold)`.
    #[default]
    Rel,
    /// A number: below `best - threshold`, or above `best + threshold`.
    Abs,
}

/// Multiplies the rate by `factor` once a metric has not got better in more than `patience` reports in a row. The trainer's
/// `report_metric` reports it, as PyTorch's `scheduler.step(metric)`, after an epoch for instance. A NaN is not better.
///
/// * Defaults: `mode = Min`, `factor = 0.1`, `patience = 10`, `threshold = 1e-4`, `threshold_mode = Rel`, `cooldown = 0`,
///   `min_lr = 0`, `eps = 1e-8`.
/// * Errors: `factor` of 1 or more, and negative or infinite numbers.
/// * Source: PyTorch's `lr_scheduler.ReduceLROnPlateau`.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceLROnPlateau {
    mode: PlateauMode,
    factor: f64,
    patience: u64,
    threshold: f64,
    threshold_mode: ThresholdMode,
    cooldown: u64,
    min_lr: f64,
    eps: f64,
}

impl Default for ReduceLROnPlateau {
    fn default() -> ReduceLROnPlateau {
        ReduceLROnPlateau::new()
    }
}

impl ReduceLROnPlateau {
    /// PyTorch's defaults.
    pub const fn new() -> ReduceLROnPlateau {
        ReduceLROnPlateau {
            mode: PlateauMode::Min,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
        }
    }

    /// What is better. Default: a smaller metric.
    pub const fn mode(mut self, mode: PlateauMode) -> ReduceLROnPlateau {
        self.mode = mode;
        self
    }

    /// What the rate is multiplied by. Default: 0.1.
    pub const fn factor(mut self, factor: f64) -> ReduceLROnPlateau {
        self.factor = factor;
        self
    }

    /// How many reports in a row may be no better. Default: 10.
    pub const fn patience(mut self, patience: u64) -> ReduceLROnPlateau {
        self.patience = patience;
        self
    }

    /// What a metric must differ by to be better. Default: 1e-4.
    pub const fn threshold(mut self, threshold: f64) -> ReduceLROnPlateau {
        self.threshold = threshold;
        self
    }

    /// Whether the threshold is a part of the best metric, or a number. Default: a part.
    pub const fn threshold_mode(mut self, threshold_mode: ThresholdMode) -> ReduceLROnPlateau {
        self.threshold_mode = threshold_mode;
        self
    }

    /// For how many reports after a reduction none counts as bad. Default: 0.
    pub const fn cooldown(mut self, cooldown: u64) -> ReduceLROnPlateau {
        self.cooldown = cooldown;
        self
    }

    /// The smallest rate. Default: 0.
    pub const fn min_lr(mut self, min_lr: f64) -> ReduceLROnPlateau {
        self.min_lr = min_lr;
        self
    }

    /// A reduction by no more than this is left out. Default: 1e-8.
    pub const fn eps(mut self, eps: f64) -> ReduceLROnPlateau {
        self.eps = eps;
        self
    }

    fn is_better(&self, metric: f64, best: f64) -> bool {
        let threshold = self.threshold;
        match (self.mode, self.threshold_mode) {
            (PlateauMode::Min, ThresholdMode::Rel) => metric < best * (1.0 - threshold),
            (PlateauMode::Min, ThresholdMode::Abs) => metric < best - threshold,
            (PlateauMode::Max, ThresholdMode::Rel) => metric > best * (1.0 + threshold),
            (PlateauMode::Max, ThresholdMode::Abs) => metric > best + threshold,
        }
    }

    /// What a reduction makes of a rate.
    pub(super) fn reduced(&self, rate: f64) -> f64 {
        let lower = (rate * self.factor).max(self.min_lr);
        if rate - lower > self.eps { lower } else { rate }
    }
}

impl Schedule for ReduceLROnPlateau {
    fn rate(&self, _: u64, lr: f64) -> f64 {
        lr
    }

    fn plateau(&self) -> Option<&ReduceLROnPlateau> {
        Some(self)
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        let (owner, factor) = ("ReduceLROnPlateau", self.factor);
        let rule = "must be at least 0 and below 1";
        InvalidSetting::unless((0.0..1.0).contains(&factor), owner, "factor", factor, rule)?;
        InvalidSetting::unless_not_negative(owner, "threshold", self.threshold)?;
        InvalidSetting::unless_not_negative(owner, "min_lr", self.min_lr)?;
        InvalidSetting::unless_not_negative(owner, "eps", self.eps)
    }
}

/// What a [`ReduceLROnPlateau`] knows of the metrics so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Progress {
    pub best: f64,
    pub bad: u64,
    pub cooling: u64,
}

impl Progress {
    /// Before the first metric.
    pub fn new(settings: &ReduceLROnPlateau) -> Progress {
        let best = match settings.mode {
            PlateauMode::Min => f64::INFINITY,
            PlateauMode::Max => f64::NEG_INFINITY,
        };
        Progress { best, bad: 0, cooling: 0 }
    }

    /// Takes a metric; whether the rate is to be reduced.
    pub fn report(&mut self, settings: &ReduceLROnPlateau, metric: f64) -> bool {
        if settings.is_better(metric, self.best) {
            (self.best, self.bad) = (metric, 0);
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            (self.cooling, self.bad) = (self.cooling - 1, 0);
        }
        let reduce = self.bad > settings.patience;
        if reduce {
            (self.cooling, self.bad) = (settings.cooldown, 0);
        }
        reduce
    }
}
