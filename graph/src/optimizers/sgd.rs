//! Stochastic gradient descent.

use super::{LEARNING_RATE, Optimizer, count_step, initial, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::graph::Stage;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// Stochastic gradient descent with momentum.
///
/// With gradient `g` (plus `weight_decay * p`; negated with `maximize`): `b = momentum * b + (1 - dampening) * g` (in
/// the first step `b = g`), then `p = p - lr * b`, with `nesterov` `p = p - lr * (g + momentum * b)`.
///
/// * Settings: `lr = 1e-3`, `momentum = 0`, `dampening = 0`, `weight_decay = 0`, `nesterov = false`,
///   `maximize = false`.
/// * States: `{parameter}.momentum_buffer` with a momentum, `optimizer.step` with a dampening too.
/// * Errors: [`InvalidSetting`] for negative or infinite values, and for `nesterov` without momentum or with dampening.
/// * Source: PyTorch's `optim.SGD`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
}

impl Default for Sgd {
    fn default() -> Sgd {
        Sgd::DEFAULT
    }
}

impl Sgd {
    /// PyTorch's defaults.
    pub const DEFAULT: Sgd =
        Sgd { lr: 1e-3, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };

    /// Plain gradient descent with the given learning rate.
    pub const fn new(lr: f64) -> Sgd {
        Sgd { lr, ..Sgd::DEFAULT }
    }

    /// The learning rate. Default: 1e-3.
    pub const fn lr(mut self, lr: f64) -> Sgd {
        self.lr = lr;
        self
    }

    /// The part of the last step's direction that is kept. Default: 0.
    pub const fn momentum(mut self, momentum: f64) -> Sgd {
        self.momentum = momentum;
        self
    }

    /// The part of the gradient that does not enter the momentum, from the second step on. Default: 0.
    pub const fn dampening(mut self, dampening: f64) -> Sgd {
        self.dampening = dampening;
        self
    }

    /// The factor of the L2 penalty. Default: 0.
    pub const fn weight_decay(mut self, weight_decay: f64) -> Sgd {
        self.weight_decay = weight_decay;
        self
    }

    /// Whether to step along the momentum that the next step would have. Default: `false`.
    pub const fn nesterov(mut self, nesterov: bool) -> Sgd {
        self.nesterov = nesterov;
        self
    }

    /// Whether to climb. Default: `false`.
    pub const fn maximize(mut self, maximize: bool) -> Sgd {
        self.maximize = maximize;
        self
    }

    /// Whether the first step, which takes the whole gradient, differs from the others.
    fn counts(&self) -> bool {
        self.momentum != 0.0 && self.dampening != 0.0
    }

    /// Whether the settings are in their range, as [`Optimizer::check`], also in constants.
    ///
    /// # Errors
    /// The first setting that is not.
    pub const fn check(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("Sgd", "lr", self.lr));
        ok!(InvalidSetting::unless_not_negative("Sgd", "momentum", self.momentum));
        ok!(InvalidSetting::unless_not_negative("Sgd", "weight_decay", self.weight_decay));
        ok!(InvalidSetting::unless_finite("Sgd", "dampening", self.dampening));
        let has_momentum = !self.nesterov || self.momentum > 0.0;
        ok!(InvalidSetting::unless(has_momentum, "Sgd", "momentum", self.momentum, "must be above 0 with `nesterov`"));
        let undamped = !self.nesterov || self.dampening == 0.0;
        InvalidSetting::unless(undamped, "Sgd", "dampening", self.dampening, "must be 0 with `nesterov`")
    }
}

impl Optimizer for Sgd {
    fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let _stage = g.stage(Stage::Update);
        if let Err(error) = self.check() {
            g.fail(error.into());
        }
        let rate = scalar_state(g, LEARNING_RATE);
        let share = if self.counts() { count_step(g).le(1.0).select(1.0, 1.0 - self.dampening) } else { g.scalar(1.0) };
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let mut direction = gradient;
            if self.momentum != 0.0 {
                let buffer = moment(g, parameter, "momentum_buffer");
                let step = if self.counts() { gradient * share } else { gradient };
                let momentum = g.current(buffer) * self.momentum + step;
                g.update(buffer, momentum);
                direction = if self.nesterov { gradient + momentum * self.momentum } else { momentum };
            }
            g.update(parameter.1, p - rate * direction);
        }
    }

    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
        let moments: &[&str] = if self.momentum != 0.0 { &["momentum_buffer"] } else { &[] };
        initial(self.lr, self.counts(), moments, parameters)
    }

    fn learning_rate(&self) -> f64 {
        self.lr
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        Sgd::check(self)
    }
}
