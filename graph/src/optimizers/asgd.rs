//! Averaged stochastic gradient descent. Averages beside another rule are `averages.rs`'s.

use super::settings::optimizer;
use super::{Kept, LEARNING_RATE, count_step, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// Averaged stochastic gradient descent.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`) in step `t`: `p = p (1 - lambd e) - e g`,
    /// `a = a + m (p - a)`, then `e = lr / (1 + lambd lr t)^alpha` and `m = 1 / max(1, t - t0)` for the next step; they begin
    /// with `lr` and 1.
    ///
    /// * States: `{parameter}.ax`, the averages, and `optimizer.eta`, `optimizer.mu`, `optimizer.step`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values.
    /// * Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging"; PyTorch's `optim.ASGD`.
    ASGD {
        /// The learning rate.
        lr: number = 1e-2,
        /// The decay of the parameters, and of the rate.
        lambd: number = 1e-4,
        /// The power of the rate's decay.
        alpha: number = 0.75,
        /// The step from which on parameters are averaged.
        t0: number = 1e6,
        /// The factor of the L2 penalty, which enters the gradient.
        weight_decay: number = 0.0,
        /// Whether to climb.
        maximize: flag = false,
    }
}

/// The state that holds the decayed rate.
const ETA: &str = "optimizer.eta";
/// The state that holds the weight of the present parameters in the average.
const MU: &str = "optimizer.mu";

impl ASGD {
    const HAS_MOMENTUM: bool = false;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("ASGD", "lambd", self.lambd));
        ok!(InvalidSetting::unless_not_negative("ASGD", "alpha", self.alpha));
        ok!(InvalidSetting::unless_not_negative("ASGD", "t0", self.t0));
        InvalidSetting::unless_not_negative("ASGD", "weight_decay", self.weight_decay)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let (lr, step) = (scalar_state(g, LEARNING_RATE), count_step(g));
        let (eta, mu) = (scalar_state(g, ETA), scalar_state(g, MU));
        let (rate, weight) = (g.current(eta), g.current(mu));
        let kept = 1.0 - rate * self.lambd;
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
            let next = p * kept - rate * gradient;
            let state = moment(g, parameter, "ax");
            // With a weight of 1 the average is the parameter, to the last bit.
            g.update(state, g.current(state) * (1.0 - weight) + next * weight);
            g.update(parameter.1, next);
        }
        g.update(eta, lr / (lr * step * self.lambd + 1.0).pow(self.alpha));
        g.update(mu, (step - self.t0).maximum(1.0).reciprocal());
    }

    fn kept(&self) -> Kept {
        Kept::counting([("ax", 0.0)]).scalar(ETA, self.lr as f32).scalar(MU, 1.0)
    }
}
