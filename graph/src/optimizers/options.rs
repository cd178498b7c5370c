//! What every optimizer does beside its rule, if asked to: clipping, accumulation, averages, a schedule. Knows no
//! optimizer.

use std::sync::Arc;

use super::Averaging;
use crate::schedules::Schedule;
use crate::setting::InvalidSetting;

/// What an optimizer does beside its rule; its own methods set it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest norm of all gradients together.
    pub clip_grad_norm: Option<f64>,
    /// Which norm that is: `p` of `(sum |g|^p)^(1/p)`, or infinity for the largest magnitude.
    pub norm_type: f64,
    /// The largest magnitude of an element of a gradient.
    pub clip_grad_value: Option<f64>,
    /// The number of batches whose gradients make one step.
    pub accumulate: u32,
    /// Whether the gradients of each step are kept.
    pub keep_gradients: bool,
    /// Which averages of the parameters are kept.
    pub averaging: Option<Averaging>,
    /// What changes the rate from step to step.
    pub schedule: Option<Arc<dyn Schedule>>,
}

impl PartialEq for Options {
    /// Schedules are equal if they are the same one.
    fn eq(&self, other: &Options) -> bool {
        let schedules = match (&self.schedule, &other.schedule) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        schedules
            && self.clip_grad_norm == other.clip_grad_norm
            && self.norm_type == other.norm_type
            && self.clip_grad_value == other.clip_grad_value
            && self.accumulate == other.accumulate
            && self.keep_gradients == other.keep_gradients
            && self.averaging == other.averaging
    }
}

impl Options {
    /// Nothing beside the rule.
    pub const NONE: Options = Options {
        clip_grad_norm: None,
        norm_type: 2.0,
        clip_grad_value: None,
        accumulate: 1,
        keep_gradients: false,
        averaging: None,
        schedule: None,
    };

    /// Whether the schedule changes the momentum.
    pub fn cycles_momentum(&self) -> bool {
        self.schedule.as_ref().is_some_and(|schedule| schedule.momentum(0).is_some())
    }

    /// Whether they are in their range, but for the schedule's settings.
    pub(super) const fn check(&self, owner: &'static str) -> Result<(), InvalidSetting> {
        if let Some(norm) = self.clip_grad_norm {
            ok!(InvalidSetting::unless_not_negative(owner, "clip_grad_norm", norm));
        }
        let norm = self.norm_type;
        ok!(InvalidSetting::unless(norm > 0.0, owner, "norm_type", norm, "must be above 0, or infinity"));
        if let Some(value) = self.clip_grad_value {
            ok!(InvalidSetting::unless_not_negative(owner, "clip_grad_value", value));
        }
        let batches = self.accumulate as f64;
        ok!(InvalidSetting::unless(self.accumulate > 0, owner, "accumulate", batches, "must be at least 1"));
        match &self.averaging {
            Some(averaging) => averaging.check(owner),
            None => Ok(()),
        }
    }
}

/// The methods of an optimizer that set its options and its groups.
macro_rules! option_setters {
    ($name:ident) => {
        /// Scales the gradients of all parameters of this optimizer together so that their norm is at most `max_norm`:
        /// `g = g * min(1, max_norm / (norm + 1e-6))`, PyTorch's `clip_grad_norm_` between `backward()` and `step()`.
        /// The norm is that of [`norm_type`](Self::norm_type). Default: no clipping.
        pub const fn clip_grad_norm(mut self, max_norm: f64) -> $name {
            self.options.clip_grad_norm = Some(max_norm);
            self
        }

        /// Which norm [`clip_grad_norm`](Self::clip_grad_norm) looks at: `p` of `(sum |g|^p)^(1/p)`, or
        /// `f64::INFINITY` for the largest magnitude. Default: `2.0`.
        pub const fn norm_type(mut self, norm_type: f64) -> $name {
            self.options.norm_type = norm_type;
            self
        }

        /// Puts each element of a gradient between `-clip_value` and `clip_value`, PyTorch's `clip_grad_value_`; with
        /// [`clip_grad_norm`](Self::clip_grad_norm), before that. Default: no clipping.
        pub const fn clip_grad_value(mut self, clip_value: f64) -> $name {
            self.options.clip_grad_value = Some(clip_value);
            self
        }

        /// Makes one step of the mean gradient of so many batches: parameters change in every `batches`-th call, and
        /// schedules count these. It is PyTorch's `(loss / batches).backward()` with a `step()` and `zero_grad()` after every
        /// `batches`-th. Default: 1.
        pub const fn accumulate(mut self, batches: u32) -> $name {
            self.options.accumulate = batches;
            self
        }

        /// Keeps the gradients of each step beside the parameters, as states `fc.weight.gradient`, PyTorch's `p.grad` after
        /// `backward()`: before clipping, and with [`accumulate`](Self::accumulate) their means. A trainer's `gradient("fc.weight")`
        /// gives one, logs for TensorBoard have their histograms, checkpoints hold them. It takes the memory of the parameters
        /// once more, and the time to write it. Default: `false`.
        pub const fn keep_gradients(mut self, keep: bool) -> $name {
            self.options.keep_gradients = keep;
            self
        }

        /// Keeps an exponential average of the parameters, `a = decay * a + (1 - decay) * p` after each step, which begins
        /// with the parameters after the first: PyTorch's `AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))`.
        /// A trainer's `use_averaged(true)` evaluates, predicts and saves with it. Default: none is kept.
        pub const fn ema(mut self, decay: f64) -> $name {
            self.options.averaging = Some($crate::optimizers::Averaging::Ema { decay });
            self
        }

        /// Keeps the mean of the parameters after the steps `start`, `start + every`, and so on, counted from 1: PyTorch's
        /// `AveragedModel(model)` with `update_parameters(model)` after these. A trainer's `use_averaged(true)`
        /// evaluates, predicts and saves with it. Default: none is kept.
        pub const fn swa(mut self, start: u32, every: u32) -> $name {
            self.options.averaging = Some($crate::optimizers::Averaging::Swa { start, every });
            self
        }

        /// Lets a schedule change the rate (and the momentum, if it says one) from step to step. Default: the rate stays.
        pub fn schedule(mut self, schedule: impl $crate::schedules::Schedule + 'static) -> $name {
            self.options.schedule = Some(std::sync::Arc::new(schedule));
            self
        }

        /// Gives the parameters that `select` selects, and no group before, settings of their own: those so far, changed by
        /// `rule`. So say this last. PyTorch's `[{"params": .., "weight_decay": 0}, ..]`. Clipping, accumulation, averages
        /// and schedules are the whole optimizer's.
        pub fn group(mut self, select: $crate::optimizers::Select, rule: impl FnOnce($name) -> $name) -> $name {
            let own = $name { options: $crate::optimizers::Options::NONE, groups: Vec::new(), ..self.clone() };
            self.groups.push($crate::optimizers::Group::new(select, rule(own)));
            self
        }

        /// Gives the parameters that `select` selects, and no group before, an optimizer of their own, with its rate:
        /// `Muon::new(0.02).others(Select::not_matrices(), AdamW::new(3e-4))`. Clipping, accumulation, averages and
        /// schedules are the whole optimizer's.
        pub fn others(
            mut self,
            select: $crate::optimizers::Select,
            rule: impl $crate::optimizers::Optimizer + Send + Sync + 'static,
        ) -> $name {
            self.groups.push($crate::optimizers::Group::under(select, rule));
            self
        }
    };
}

pub(super) use option_setters;
