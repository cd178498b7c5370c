//! Adam, AdamW, which differs in its weight decay, and their kin: Adamax, NAdam. (RAdam is in `radam.rs`.)

use super::settings::optimizer;
use super::{
    Decay, Kept, LEARNING_RATE, Share, average, bias_correction, check_betas, count_step, moment, scalar_state,
};
use crate::build::{Builder, Value};
use crate::setting::InvalidSetting;

optimizer! {
    /// Adam, and AMSGrad.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`) in step `t`:
    /// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
    /// `p = p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`. With `amsgrad` the largest `v` so far (without
    /// bias correction, as in PyTorch) stands in the place of `v` in the last line. With `decoupled_weight_decay` it is
    /// [`AdamW`].
    ///
    /// * States: `{parameter}.exp_avg`, `{parameter}.exp_avg_sq`, `{parameter}.max_exp_avg_sq` with `amsgrad`, and
    ///   `optimizer.step`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and betas outside `0 <= b < 1`.
    /// * Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization"; Reddi et al., "On the Convergence of Adam
    ///   and Beyond"; PyTorch's `optim.Adam`.
    Adam {
        /// The learning rate.
        lr: number = 1e-3,
        /// The parts of the two moments that are kept in each step.
        betas: pair = (0.9, 0.999),
        /// What keeps the denominator from 0.
        eps: number = 1e-8,
        /// The factor of the L2 penalty, which enters the gradient.
        weight_decay: number = 0.0,
        /// Whether to divide by the largest second moment so far.
        amsgrad: flag = false,
        /// Whether to climb.
        maximize: flag = false,
        /// Whether the weight decay shrinks the parameter by itself, as [`AdamW`]'s, and is no penalty.
        decoupled_weight_decay: flag = false,
    }
}

optimizer! {
    /// Adam with a weight decay of its own.
    ///
    /// In each step `p = p - lr * weight_decay * p`, then that of [`Adam`] without a penalty: the decay does not pass
    /// through the moments.
    ///
    /// * States and errors: those of [`Adam`].
    /// * Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization"; PyTorch's `optim.AdamW`.
    AdamW {
        /// The learning rate.
        lr: number = 1e-3,
        /// The parts of the two moments that are kept in each step.
        betas: pair = (0.9, 0.999),
        /// What keeps the denominator from 0.
        eps: number = 1e-8,
        /// The part of a parameter that a step with a rate of 1 takes away.
        weight_decay: number = 0.01,
        /// Whether to divide by the largest second moment so far.
        amsgrad: flag = false,
        /// Whether to climb.
        maximize: flag = false,
    }
}

/// What [`Adam`] and [`AdamW`] do alike.
macro_rules! adam {
    ($name:ident, $decoupled:expr) => {
        impl $name {
            const HAS_MOMENTUM: bool = true;

            const fn rules(&self) -> Result<(), InvalidSetting> {
                ok!(InvalidSetting::unless_not_negative(stringify!($name), "eps", self.eps));
                ok!(InvalidSetting::unless_not_negative(stringify!($name), "weight_decay", self.weight_decay));
                check_betas(stringify!($name), self.betas)
            }

            fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
                let (first, second) = (Share::momentum(g, self.betas.0), Share::Fixed(self.betas.1));
                let step = count_step(g);
                let lr = scalar_state(g, LEARNING_RATE);
                let rate = lr / bias_correction(step, first);
                let scale = bias_correction(step, second).rsqrt();
                let decoupled: fn(&$name) -> bool = $decoupled;
                let decay = Decay::new(lr, self.maximize, self.weight_decay, decoupled(self));
                for (parameter, &gradient) in parameters.iter().zip(gradients) {
                    let p = g.current(parameter.1);
                    let gradient = decay.gradient(gradient, p);
                    let mean = average(g, parameter, "exp_avg", first, gradient);
                    let mut square = average(g, parameter, "exp_avg_sq", second, gradient.square());
                    if self.amsgrad {
                        let largest = moment(g, parameter, "max_exp_avg_sq");
                        square = g.current(largest).maximum(square);
                        g.update(largest, square);
                    }
                    let p = decay.parameter(p);
                    g.update(parameter.1, p - rate * (mean / (square.sqrt() * scale + self.eps)));
                }
            }

            fn kept(&self) -> Kept {
                let largest = self.amsgrad.then_some(("max_exp_avg_sq", 0.0));
                Kept::counting([("exp_avg", 0.0), ("exp_avg_sq", 0.0)].into_iter().chain(largest))
            }
        }
    };
}

adam!(Adam, |adam| adam.decoupled_weight_decay);
adam!(AdamW, |_| true);

optimizer! {
    /// Adamax: Adam with the largest gradients, which fade, in the place of the second moment.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`) in step `t`: `m = b1 m + (1 - b1) g`,
    /// `u = max(b2 u, |g| + eps)`, `p = p - lr / (1 - b1^t) * m / u`.
    ///
    /// * States: `{parameter}.exp_avg`, `{parameter}.exp_inf`, and `optimizer.step`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and betas outside `0 <= b < 1`.
    /// * Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization"; PyTorch's `optim.Adamax`.
    Adamax {
        /// The learning rate.
        lr: number = 2e-3,
        /// The parts of the moment and of the largest gradient that are kept in each step.
        betas: pair = (0.9, 0.999),
        /// What is added to a gradient's magnitude, so that nothing is divided by 0.
        eps: number = 1e-8,
        /// The factor of the L2 penalty, which enters the gradient.
        weight_decay: number = 0.0,
        /// Whether to climb.
        maximize: flag = false,
    }
}

impl Adamax {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("Adamax", "eps", self.eps));
        ok!(InvalidSetting::unless_not_negative("Adamax", "weight_decay", self.weight_decay));
        check_betas("Adamax", self.betas)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let first = Share::momentum(g, self.betas.0);
        let lr = scalar_state(g, LEARNING_RATE);
        let rate = lr / bias_correction(count_step(g), first);
        let decay = Decay::new(lr, self.maximize, self.weight_decay, false);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = decay.gradient(gradient, p);
            let mean = average(g, parameter, "exp_avg", first, gradient);
            let state = moment(g, parameter, "exp_inf");
            let largest = (g.current(state) * self.betas.1).maximum(gradient.abs() + self.eps);
            g.update(state, largest);
            g.update(parameter.1, p - rate * (mean / largest));
        }
    }

    fn kept(&self) -> Kept {
        Kept::counting([("exp_avg", 0.0), ("exp_inf", 0.0)])
    }
}

optimizer! {
    /// NAdam: Adam with Nesterov's momentum.
    ///
    /// With gradient `g` (plus `weight_decay * p`, unless it is decoupled; negated with `maximize`) in step `t`, and
    /// `mu(t) = b1 (1 - 0.96^(t * momentum_decay) / 2)`, whose product up to `t` is `M`: `m = b1 m + (1 - b1) g`,
    /// `v = b2 v + (1 - b2) g^2`, `d = sqrt(v / (1 - b2^t)) + eps`,
    /// `p = p - lr (1 - mu(t)) / (1 - M) * g / d - lr mu(t + 1) / (1 - M mu(t + 1)) * m / d`.
    ///
    /// * States: `{parameter}.exp_avg`, `{parameter}.exp_avg_sq`, and `optimizer.step`, `optimizer.mu_product`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and betas outside `0 <= b < 1`.
    /// * Source: Dozat, "Incorporating Nesterov Momentum into Adam"; PyTorch's `optim.NAdam`.
    NAdam {
        /// The learning rate.
        lr: number = 2e-3,
        /// The parts of the two moments that are kept in each step.
        betas: pair = (0.9, 0.999),
        /// What keeps the denominator from 0.
        eps: number = 1e-8,
        /// The factor of the L2 penalty, which enters the gradient; with `decoupled_weight_decay` the part of a parameter that
        /// a step with a rate of 1 takes away.
        weight_decay: number = 0.0,
        /// How fast the momentum comes to the first of `betas`, of which it is half at first.
        momentum_decay: number = 4e-3,
        /// Whether the weight decay shrinks the parameter by itself, and is no penalty.
        decoupled_weight_decay: flag = false,
        /// Whether to climb.
        maximize: flag = false,
    }
}

/// The state that holds the product of NAdam's momenta.
const MU_PRODUCT: &str = "optimizer.mu_product";

impl NAdam {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("NAdam", "eps", self.eps));
        ok!(InvalidSetting::unless_not_negative("NAdam", "weight_decay", self.weight_decay));
        ok!(InvalidSetting::unless_not_negative("NAdam", "momentum_decay", self.momentum_decay));
        check_betas("NAdam", self.betas)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let (first, second) = (Share::momentum(g, self.betas.0), Share::Fixed(self.betas.1));
        let step = count_step(g);
        let lr = scalar_state(g, LEARNING_RATE);
        let mu = |step: Value<'g>| first.of(1.0 - (step * (self.momentum_decay * 0.96_f64.ln())).exp() * 0.5);
        let (now, next) = (mu(step), mu(step + 1.0));
        let product = scalar_state(g, MU_PRODUCT);
        let until_now = g.current(product) * now;
        g.update(product, until_now);
        let of_gradient = lr * (1.0 - now) / (1.0 - until_now);
        let of_mean = lr * next / (1.0 - until_now * next);
        let scale = bias_correction(step, second).rsqrt();
        let decay = Decay::new(lr, self.maximize, self.weight_decay, self.decoupled_weight_decay);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = decay.gradient(gradient, p);
            let mean = average(g, parameter, "exp_avg", first, gradient);
            let square = average(g, parameter, "exp_avg_sq", second, gradient.square());
            let direction = of_gradient * gradient + of_mean * mean;
            g.update(parameter.1, decay.parameter(p) - direction / (square.sqrt() * scale + self.eps));
        }
    }

    fn kept(&self) -> Kept {
        Kept::counting([("exp_avg", 0.0), ("exp_avg_sq", 0.0)]).scalar(MU_PRODUCT, 1.0)
    }
}
