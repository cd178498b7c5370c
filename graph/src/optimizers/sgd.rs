//! Stochastic gradient descent.

use super::settings::optimizer;
use super::{Kept, LEARNING_RATE, STEP, Share, count_step, cycles_momentum, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// Stochastic gradient descent with momentum.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`): `b = momentum * b + (1 - dampening) * g` (in
    /// the first step `b = g`), then `p = p - lr * b`, with `nesterov` `p = p - lr * (g + momentum * b)`.
    ///
    /// * States: `{parameter}.momentum_buffer` with a momentum, `optimizer.step` with a dampening too.
    /// * Errors: [`InvalidSetting`] for negative or infinite values, and for `nesterov` without momentum or with
    ///   dampening.
    /// * Source: PyTorch's `optim.SGD`.
    Sgd {
        /// The learning rate.
        lr: number = 1e-3,
        /// The part of the last step's direction that is kept.
        momentum: number = 0.0,
        /// The part of the gradient that does not enter the momentum, from the second step on.
        dampening: number = 0.0,
        /// The factor of the L2 penalty.
        weight_decay: number = 0.0,
        /// Whether to step along the momentum that the next step would have.
        nesterov: flag = false,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl Sgd {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("Sgd", "momentum", self.momentum));
        ok!(InvalidSetting::unless_not_negative("Sgd", "weight_decay", self.weight_decay));
        ok!(InvalidSetting::unless_finite("Sgd", "dampening", self.dampening));
        let has_momentum = !self.nesterov || self.momentum > 0.0;
        ok!(InvalidSetting::unless(has_momentum, "Sgd", "momentum", self.momentum, "must be above 0 with `nesterov`"));
        let undamped = !self.nesterov || self.dampening == 0.0;
        InvalidSetting::unless(undamped, "Sgd", "dampening", self.dampening, "must be 0 with `nesterov`")
    }

    /// Whether there is a momentum.
    fn moves(&self) -> bool {
        self.momentum != 0.0 || self.options.cycles_momentum()
    }

    /// Whether the first step, which takes the whole gradient, differs from the others.
    fn counts(&self) -> bool {
        self.moves() && self.dampening != 0.0
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let rate = scalar_state(g, LEARNING_RATE);
        let kept = Share::momentum(g, self.momentum);
        let moves = self.momentum != 0.0 || cycles_momentum(g);
        let counts = moves && self.dampening != 0.0;
        let share = if counts { count_step(g).le(1.0).select(1.0, 1.0 - self.dampening) } else { g.scalar(1.0) };
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let mut direction = gradient;
            if moves {
                let buffer = moment(g, parameter, "momentum_buffer");
                let step = if counts { gradient * share } else { gradient };
                let momentum = kept.of(g.current(buffer)) + step;
                g.update(buffer, momentum);
                direction = if self.nesterov { gradient + kept.of(momentum) } else { momentum };
            }
            g.update(parameter.1, p - rate * direction);
        }
    }

    fn kept(&self) -> Kept {
        let counter = self.counts().then_some((STEP, 0.0));
        Kept::new(counter, self.moves().then_some(("momentum_buffer", 0.0)))
    }
}
