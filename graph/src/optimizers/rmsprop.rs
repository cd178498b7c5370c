//! RMSprop.

use super::settings::optimizer;
use super::{Kept, LEARNING_RATE, Share, average, cycles_momentum, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// RMSprop, with momentum, and centred.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`): `v = alpha v + (1 - alpha) g^2`,
    /// `d = g / (sqrt(v) + eps)`, `p = p - lr * d`. With `centered` also `a = alpha a + (1 - alpha) g`, and `v - a^2`
    /// stands under the root; with a momentum `b = momentum * b + d`, `p = p - lr * b`.
    ///
    /// * States: `{parameter}.square_avg`, `{parameter}.momentum_buffer` with a momentum, `{parameter}.grad_avg` with
    ///   `centered`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values.
    /// * Source: Tieleman and Hinton's lecture 6.5, "rmsprop"; Graves, "Generating Sequences With Recurrent Neural
    ///   Networks" (centred); PyTorch's `optim.RMSprop`.
    RMSprop {
        /// The learning rate.
        lr: number = 1e-2,
        /// The part of the averages that is kept in each step.
        alpha: number = 0.99,
        /// What keeps the denominator from 0.
        eps: number = 1e-8,
        /// The factor of the L2 penalty, which enters the gradient.
        weight_decay: number = 0.0,
        /// The part of the last step's direction that is kept.
        momentum: number = 0.0,
        /// Whether to divide by the deviation from the gradient's average.
        centered: flag = false,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl RMSprop {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("RMSprop", "alpha", self.alpha));
        ok!(InvalidSetting::unless_not_negative("RMSprop", "eps", self.eps));
        ok!(InvalidSetting::unless_not_negative("RMSprop", "weight_decay", self.weight_decay));
        InvalidSetting::unless_not_negative("RMSprop", "momentum", self.momentum)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let rate = scalar_state(g, LEARNING_RATE);
        let (kept, momentum) = (Share::Fixed(self.alpha), Share::momentum(g, self.momentum));
        let moves = self.momentum > 0.0 || cycles_momentum(g);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let mut square = average(g, parameter, "square_avg", kept, gradient.square());
            if self.centered {
                square = square - average(g, parameter, "grad_avg", kept, gradient).square();
            }
            let mut direction = gradient / (square.sqrt() + self.eps);
            if moves {
                let buffer = moment(g, parameter, "momentum_buffer");
                direction = momentum.of(g.current(buffer)) + direction;
                g.update(buffer, direction);
            }
            g.update(parameter.1, p - rate * direction);
        }
    }

    fn kept(&self) -> Kept {
        let moves = self.momentum > 0.0 || self.options.cycles_momentum();
        let kept = [(true, "square_avg"), (self.centered, "grad_avg"), (moves, "momentum_buffer")];
        Kept::new(None, kept.into_iter().filter(|(there, _)| *there).map(|(_, name)| (name, 0.0)))
    }
}
