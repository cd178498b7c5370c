//! RMSprop.

use super::{LEARNING_RATE, Optimizer, initial, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::graph::Stage;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// RMSprop, with momentum, and centred.
///
/// With gradient `g` (plus `weight_decay * p`; negated with `maximize`): `v = alpha v + (1 - alpha) g^2`,
/// `d = g / (sqrt(v) + eps)`, `p = p - lr * d`. With `centered` also `a = alpha a + (1 - alpha) g`, and `v - a^2` stands
/// under the root; with a momentum `b = momentum * b + d`, `p = p - lr * b`.
///
/// * Settings: `lr = 1e-2`, `alpha = 0.99`, `eps = 1e-8`, `weight_decay = 0`, `momentum = 0`, `centered = false`,
///   `maximize = false`.
/// * States: `{parameter}.square_avg`, `{parameter}.momentum_buffer` with a momentum, `{parameter}.grad_avg` with
///   `centered`.
/// * Errors: [`InvalidSetting`] for negative or infinite values.
/// * Source: Tieleman and Hinton's lecture 6.5, "rmsprop"; Graves, "Generating Sequences With Recurrent Neural Networks"
///   (centred); PyTorch's `optim.RMSprop`.
#[derive(Clone, Debug, PartialEq)]
pub struct RMSprop {
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
    maximize: bool,
}

impl Default for RMSprop {
    fn default() -> RMSprop {
        RMSprop::DEFAULT
    }
}

impl RMSprop {
    /// PyTorch's defaults.
    pub const DEFAULT: RMSprop = RMSprop {
        lr: 1e-2,
        alpha: 0.99,
        eps: 1e-8,
        weight_decay: 0.0,
        momentum: 0.0,
        centered: false,
        maximize: false,
    };

    /// RMSprop with the given learning rate and PyTorch's defaults.
    pub const fn new(lr: f64) -> RMSprop {
        RMSprop { lr, ..RMSprop::DEFAULT }
    }

    /// The learning rate. Default: 1e-2.
    pub const fn lr(mut self, lr: f64) -> RMSprop {
        self.lr = lr;
        self
    }

    /// The part of the averages that is kept in each step. Default: 0.99.
    pub const fn alpha(mut self, alpha: f64) -> RMSprop {
        self.alpha = alpha;
        self
    }

    /// What keeps the denominator from 0. Default: 1e-8.
    pub const fn eps(mut self, eps: f64) -> RMSprop {
        self.eps = eps;
        self
    }

    /// The factor of the L2 penalty, which enters the gradient. Default: 0.
    pub const fn weight_decay(mut self, weight_decay: f64) -> RMSprop {
        self.weight_decay = weight_decay;
        self
    }

    /// The part of the last step's direction that is kept. Default: 0.
    pub const fn momentum(mut self, momentum: f64) -> RMSprop {
        self.momentum = momentum;
        self
    }

    /// Whether to divide by the deviation from the gradient's average. Default: `false`.
    pub const fn centered(mut self, centered: bool) -> RMSprop {
        self.centered = centered;
        self
    }

    /// Whether to climb. Default: `false`.
    pub const fn maximize(mut self, maximize: bool) -> RMSprop {
        self.maximize = maximize;
        self
    }

    /// Whether the settings are in their range, as [`Optimizer::check`], also in constants.
    ///
    /// # Errors
    /// The first setting that is not.
    pub const fn check(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("RMSprop", "lr", self.lr));
        ok!(InvalidSetting::unless_not_negative("RMSprop", "alpha", self.alpha));
        ok!(InvalidSetting::unless_not_negative("RMSprop", "eps", self.eps));
        ok!(InvalidSetting::unless_not_negative("RMSprop", "weight_decay", self.weight_decay));
        InvalidSetting::unless_not_negative("RMSprop", "momentum", self.momentum)
    }
}

impl Optimizer for RMSprop {
    fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let _stage = g.stage(Stage::Update);
        if let Err(error) = self.check() {
            g.fail(error.into());
        }
        let rate = scalar_state(g, LEARNING_RATE);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let average = |name, next: Value<'g>| {
                let state = moment(g, parameter, name);
                let average = g.current(state) * self.alpha + next * (1.0 - self.alpha);
                g.update(state, average);
                average
            };
            let mut square = average("square_avg", gradient.square());
            if self.centered {
                square = square - average("grad_avg", gradient).square();
            }
            let mut direction = gradient / (square.sqrt() + self.eps);
            if self.momentum > 0.0 {
                let buffer = moment(g, parameter, "momentum_buffer");
                direction = g.current(buffer) * self.momentum + direction;
                g.update(buffer, direction);
            }
            g.update(parameter.1, p - rate * direction);
        }
    }

    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
        let kept = [(true, "square_avg"), (self.centered, "grad_avg"), (self.momentum > 0.0, "momentum_buffer")];
        let moments: Vec<&str> = kept.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect();
        initial(self.lr, false, &moments, parameters)
    }

    fn learning_rate(&self) -> f64 {
        self.lr
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        RMSprop::check(self)
    }
}
