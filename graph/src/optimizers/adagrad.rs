//! Adagrad, and Adadelta, which forgets.

use super::settings::optimizer;
use super::{Kept, LEARNING_RATE, Share, average, count_step, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// Adagrad.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`) in step `t`: `s = s + g^2`,
    /// `p = p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)`.
    ///
    /// * States: `{parameter}.sum`, and `optimizer.step` with `lr_decay`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values.
    /// * Source: Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization"; PyTorch's
    ///   `optim.Adagrad`.
    Adagrad {
        /// The learning rate.
        lr: number = 1e-2,
        /// How fast the rate decays.
        lr_decay: number = 0.0,
        /// The factor of the L2 penalty, which enters the gradient.
        weight_decay: number = 0.0,
        /// What the sums of squares begin with.
        initial_accumulator_value: number = 0.0,
        /// What keeps the denominator from 0.
        eps: number = 1e-10,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl Adagrad {
    const HAS_MOMENTUM: bool = false;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        let initial = self.initial_accumulator_value;
        ok!(InvalidSetting::unless_not_negative("Adagrad", "lr_decay", self.lr_decay));
        ok!(InvalidSetting::unless_not_negative("Adagrad", "weight_decay", self.weight_decay));
        ok!(InvalidSetting::unless_not_negative("Adagrad", "initial_accumulator_value", initial));
        InvalidSetting::unless_not_negative("Adagrad", "eps", self.eps)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let mut rate = scalar_state(g, LEARNING_RATE);
        if self.lr_decay != 0.0 {
            rate = rate / ((count_step(g) - 1.0) * self.lr_decay + 1.0);
        }
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let state = moment(g, parameter, "sum");
            let sum = g.current(state) + gradient.square();
            g.update(state, sum);
            g.update(parameter.1, p - rate * (gradient / (sum.sqrt() + self.eps)));
        }
    }

    fn kept(&self) -> Kept {
        let counter = (self.lr_decay != 0.0).then_some((super::STEP, 0.0));
        Kept::new(counter, [("sum", self.initial_accumulator_value as f32)])
    }
}

optimizer! {
    /// Adadelta.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`): `v = rho v + (1 - rho) g^2`,
    /// `d = sqrt(u + eps) / sqrt(v + eps) * g`, `u = rho u + (1 - rho) d^2`, `p = p - lr * d`.
    ///
    /// * States: `{parameter}.square_avg`, `{parameter}.acc_delta`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and `rho` outside `0 <= rho <= 1`.
    /// * Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method"; PyTorch's `optim.Adadelta`.
    Adadelta {
        /// What scales each step.
        lr: number = 1.0,
        /// The part of the averages that is kept in each step.
        rho: number = 0.9,
        /// What keeps the roots from 0.
        eps: number = 1e-6,
        /// The factor of the L2 penalty, which enters the gradient.
        weight_decay: number = 0.0,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl Adadelta {
    const HAS_MOMENTUM: bool = false;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        let holds = self.rho >= 0.0 && self.rho <= 1.0;
        ok!(InvalidSetting::unless(holds, "Adadelta", "rho", self.rho, "must be at least 0 and at most 1"));
        ok!(InvalidSetting::unless_not_negative("Adadelta", "eps", self.eps));
        InvalidSetting::unless_not_negative("Adadelta", "weight_decay", self.weight_decay)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let rate = scalar_state(g, LEARNING_RATE);
        let kept = Share::Fixed(self.rho);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let square = average(g, parameter, "square_avg", kept, gradient.square());
            let before = g.current(moment(g, parameter, "acc_delta"));
            let delta = (before + self.eps).sqrt() / (square + self.eps).sqrt() * gradient;
            average(g, parameter, "acc_delta", kept, delta.square());
            g.update(parameter.1, p - rate * delta);
        }
    }

    fn kept(&self) -> Kept {
        Kept::new(None, [("square_avg", 0.0), ("acc_delta", 0.0)])
    }
}
