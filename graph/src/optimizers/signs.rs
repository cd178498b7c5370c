//! Optimizers that go by the signs of gradients: Lion and Rprop.

use super::settings::optimizer;
use super::{Kept, LEARNING_RATE, Share, average, check_betas, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// Lion. (Not one of PyTorch's.)
    ///
    /// With gradient `g` (negated with `maximize`): `p = p - lr * (sign(b1 m + (1 - b1) g) + weight_decay * p)`, then
    /// `m = b2 m + (1 - b2) g`. Rates are some 3 to 10 times smaller than Adam's, weight decays as much larger.
    ///
    /// * States: `{parameter}.exp_avg`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and betas outside `0 <= b < 1`.
    /// * Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", and its implementation.
    Lion {
        /// The learning rate.
        lr: number = 1e-4,
        /// The parts of the moment that are kept for the direction, and in each step.
        betas: pair = (0.9, 0.99),
        /// The part of a parameter that a step with a rate of 1 takes away.
        weight_decay: number = 0.0,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl Lion {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("Lion", "weight_decay", self.weight_decay));
        check_betas("Lion", self.betas)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let (first, second) = (Share::momentum(g, self.betas.0), Share::Fixed(self.betas.1));
        let lr = scalar_state(g, LEARNING_RATE);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, 0.0);
            let mean = g.current(moment(g, parameter, "exp_avg"));
            let direction = (first.of(mean) + first.rest_of(gradient)).sign();
            average(g, parameter, "exp_avg", second, gradient);
            g.update(parameter.1, p - lr * penalized(direction, p, false, self.weight_decay));
        }
    }

    fn kept(&self) -> Kept {
        Kept::new(None, [("exp_avg", 0.0)])
    }
}

optimizer! {
    /// Resilient propagation, for whole batches: each element has a step size of its own.
    ///
    /// With gradient `g` (negated with `maximize`) and that of the step before, `h` (0 at first): the step size `s`, which
    /// begins with `lr`, is multiplied by the second of `etas` where `g h` is above 0, and by the first where it is below,
    /// and kept within `step_sizes`; where it is below 0, `g` becomes 0. Then `p = p - sign(g) s`.
    ///
    /// `lr` is what step sizes begin with, and nothing else: no schedule changes them.
    ///
    /// * States: `{parameter}.prev`, `{parameter}.step_size`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values, `etas` outside `0 < first < 1 < second`, `step_sizes`
    ///   whose first is above the second, and for a schedule.
    /// * Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning"; PyTorch's
    ///   `optim.Rprop`.
    Rprop {
        /// What step sizes begin with.
        lr: number = 1e-2,
        /// What a step size is multiplied by where the gradient's sign has changed, and where it has not.
        etas: pair = (0.5, 1.2),
        /// The smallest and the largest step size.
        step_sizes: pair = (1e-6, 50.0),
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl Rprop {
    const HAS_MOMENTUM: bool = false;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        let ((down, up), (least, most)) = (self.etas, self.step_sizes);
        ok!(InvalidSetting::unless(down > 0.0 && down < 1.0, "Rprop", "etas.0", down, "must be above 0 and below 1"));
        let grows = up > 1.0 && up <= f32::MAX as f64;
        ok!(InvalidSetting::unless(grows, "Rprop", "etas.1", up, "must be a finite number above 1"));
        ok!(InvalidSetting::unless_not_negative("Rprop", "step_sizes.0", least));
        ok!(InvalidSetting::unless_not_negative("Rprop", "step_sizes.1", most));
        ok!(InvalidSetting::unless(least <= most, "Rprop", "step_sizes.0", least, "must be at most step_sizes.1"));
        let fixed = self.options.schedule.is_none();
        InvalidSetting::unless(fixed, "Rprop", "lr", self.lr, "is what step sizes begin with: no schedule changes them")
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let ((down, up), (least, most)) = (self.etas, self.step_sizes);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, 0.0);
            let (before, size) = (moment(g, parameter, "prev"), moment(g, parameter, "step_size"));
            let same = gradient.sign() * g.current(before).sign();
            let factor = same.gt(0.0).select(up, same.lt(0.0).select(down, 1.0));
            let step = (g.current(size) * factor).maximum(least).minimum(most);
            let gradient = same.lt(0.0).select(0.0, gradient);
            g.update(size, step);
            g.update(before, gradient);
            g.update(parameter.1, p - gradient.sign() * step);
        }
    }

    fn kept(&self) -> Kept {
        Kept::new(None, [("prev", 0.0), ("step_size", self.lr as f32)])
    }
}
