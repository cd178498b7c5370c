//! RAdam: Adam that begins as a momentum, until its second moment is worth something.

use super::settings::optimizer;
use super::{Decay, Kept, LEARNING_RATE, Share, average, bias_correction, check_betas, count_step, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// Rectified Adam.
    ///
    /// With gradient `g` (plus `weight_decay * p`, unless it is decoupled; negated with `maximize`) in step `t`:
    /// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `n = 2 / (1 - b2) - 1`,
    /// `r = n - 2 t b2^t / (1 - b2^t)`. Where `r` is above 5,
    /// `p = p - lr / (1 - b1^t) * m * sqrt((r - 4) (r - 2) n / ((n - 4) (n - 2) r)) / ((sqrt(v) + eps) / sqrt(1 - b2^t))`,
    /// else `p = p - lr / (1 - b1^t) * m`.
    ///
    /// * States: `{parameter}.exp_avg`, `{parameter}.exp_avg_sq`, and `optimizer.step`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and betas outside `0 <= b < 1`.
    /// * Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond"; PyTorch's `optim.RAdam`.
    RAdam {
        /// The learning rate.
        lr: number = 1e-3,
        /// The parts of the two moments that are kept in each step.
        betas: pair = (0.9, 0.999),
        /// What keeps the denominator from 0.
        eps: number = 1e-8,
        /// The factor of the L2 penalty, which enters the gradient; with `decoupled_weight_decay` the part of a parameter that
        /// a step with a rate of 1 takes away.
        weight_decay: number = 0.0,
        /// Whether the weight decay shrinks the parameter by itself, and is no penalty.
        decoupled_weight_decay: flag = false,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl RAdam {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("RAdam", "eps", self.eps));
        ok!(InvalidSetting::unless_not_negative("RAdam", "weight_decay", self.weight_decay));
        check_betas("RAdam", self.betas)
    }

    /// Whether step `t` is rectified, and by what then; nothing if none is.
    fn rectification<'g>(&self, step: Value<'g>) -> Option<[Value<'g>; 2]> {
        let n = 2.0 / (1.0 - self.betas.1) - 1.0;
        if n <= 5.0 {
            return None;
        }
        let r = seen(step, self.betas.1) * 2.0 - 1.0;
        let factor = ((r - 4.0) * (r - 2.0) / r * (n / ((n - 4.0) * (n - 2.0)))).sqrt();
        Some([r.gt(5.0), factor])
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let (first, second) = (Share::momentum(g, self.betas.0), Share::Fixed(self.betas.1));
        let step = count_step(g);
        let lr = scalar_state(g, LEARNING_RATE);
        let rate = lr / bias_correction(step, first);
        let scale = bias_correction(step, second).sqrt();
        let rectification = self.rectification(step);
        let decay = Decay::new(lr, self.maximize, self.weight_decay, self.decoupled_weight_decay);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = decay.gradient(gradient, p);
            let mean = average(g, parameter, "exp_avg", first, gradient);
            let square = average(g, parameter, "exp_avg_sq", second, gradient.square());
            let direction = match rectification {
                Some([holds, factor]) => holds.select(mean * (factor * scale) / (square.sqrt() + self.eps), mean),
                None => mean,
            };
            g.update(parameter.1, decay.parameter(p) - rate * direction);
        }
    }

    fn kept(&self) -> Kept {
        Kept::counting([("exp_avg", 0.0), ("exp_avg_sq", 0.0)])
    }
}

/// `1 / (1 - b) - t b^t / (1 - b^t)`: how many steps back, the present one being 1, the terms of an average that keeps a
/// part `b` lie in the mean after `t` steps. As it stands it is the difference of two numbers that are nearly equal at
/// first. With `x = -ln b`, `y = t x` and `h = 1 / (1 - b) - 1 / x` it is `h + (1 - y / (e^y - 1)) / x`, of which the
/// second term is a series for small `y`.
fn seen(step: Value<'_>, b: f64) -> Value<'_> {
    let x = -b.ln();
    let h = 1.0 / (1.0 - b) - 1.0 / x;
    let y = step * x;
    let z = y * y;
    // Of y / (e^y - 1) = 1 - y/2 + y^2/12 - y^4/720 + ..; the next term is below 6e-10 up to 1.
    let series = z * (1.0 / 47_900_160.0) - 1.0 / 1_209_600.0;
    let series = z * series + 1.0 / 30_240.0;
    let series = z * series - 1.0 / 720.0;
    let series = z * series + 1.0 / 12.0;
    let near = y * (0.5 - y * series);
    let far = 1.0 - y / y.expm1();
    y.lt(1.0).select(near, far) * (1.0 / x) + h
}
