//! Adam, and AdamW, which differs in its weight decay.

use super::{LEARNING_RATE, Optimizer, count_step, initial, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::graph::Stage;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// The settings of both.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    maximize: bool,
}

/// What the weight decay shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decay {
    /// Nothing by itself: it is a penalty, whose gradient adds to the loss's.
    Penalty,
    /// The parameter, apart from the gradient.
    Decoupled,
}

/// `1 - beta^step` without cancellation.
fn bias_correction(step: Value<'_>, beta: f64) -> Value<'_> {
    if beta == 0.0 {
        return step.graph().scalar(1.0);
    }
    -(step * beta.ln()).expm1()
}

impl Settings {
    fn apply<'g>(&self, decay: Decay, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let _stage = g.stage(Stage::Update);
        let (first, second) = self.betas;
        let step = count_step(g);
        let lr = scalar_state(g, LEARNING_RATE);
        let rate = lr / bias_correction(step, first);
        let scale = bias_correction(step, second).rsqrt();
        let penalty = if decay == Decay::Penalty { self.weight_decay } else { 0.0 };
        let kept = (decay == Decay::Decoupled && self.weight_decay > 0.0).then(|| 1.0 - lr * self.weight_decay);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, penalty);
            let average = |name, kept: f64, next: Value<'g>| {
                let state = moment(g, parameter, name);
                let average = g.current(state) * kept + next * (1.0 - kept);
                g.update(state, average);
                average
            };
            let mean = average("exp_avg", first, gradient);
            let mut square = average("exp_avg_sq", second, gradient.square());
            if self.amsgrad {
                let largest = moment(g, parameter, "max_exp_avg_sq");
                square = g.current(largest).maximum(square);
                g.update(largest, square);
            }
            let p = kept.map_or(p, |kept| p * kept);
            g.update(parameter.1, p - rate * (mean / (square.sqrt() * scale + self.eps)));
        }
    }

    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
        let moments = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];
        initial(self.lr, true, &moments[..if self.amsgrad { 3 } else { 2 }], parameters)
    }

    const fn check(&self, owner: &'static str) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative(owner, "lr", self.lr));
        ok!(InvalidSetting::unless_not_negative(owner, "eps", self.eps));
        ok!(InvalidSetting::unless_not_negative(owner, "weight_decay", self.weight_decay));
        let rule = "must be at least 0 and below 1";
        let (first, second) = self.betas;
        ok!(InvalidSetting::unless(first >= 0.0 && first < 1.0, owner, "betas.0", first, rule));
        InvalidSetting::unless(second >= 0.0 && second < 1.0, owner, "betas.1", second, rule)
    }
}

/// Declares an optimizer with these settings.
macro_rules! adams {
    ($($(#[$doc:meta])* $name:ident, $decay:ident, $weight_decay:literal, $(#[$decay_doc:meta])*;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            settings: Settings,
        }

        impl Default for $name {
            fn default() -> $name {
                $name::DEFAULT
            }
        }

        impl $name {
            /// PyTorch's defaults.
            pub const DEFAULT: $name = $name {
                settings: Settings {
                    lr: 1e-3,
                    betas: (0.9, 0.999),
                    eps: 1e-8,
                    weight_decay: $weight_decay,
                    amsgrad: false,
                    maximize: false,
                },
            };

            #[doc = concat!(stringify!($name), " with the given learning rate and PyTorch's defaults.")]
            pub const fn new(lr: f64) -> $name {
                $name::DEFAULT.lr(lr)
            }

            /// The learning rate. Default: 1e-3.
            pub const fn lr(mut self, lr: f64) -> $name {
                self.settings.lr = lr;
                self
            }

            /// The parts of the two moments that are kept in each step. Default: 0.9 and 0.999.
            pub const fn betas(mut self, first: f64, second: f64) -> $name {
                self.settings.betas = (first, second);
                self
            }

            /// What keeps the denominator from 0. Default: 1e-8.
            pub const fn eps(mut self, eps: f64) -> $name {
                self.settings.eps = eps;
                self
            }

            $(#[$decay_doc])*
            pub const fn weight_decay(mut self, weight_decay: f64) -> $name {
                self.settings.weight_decay = weight_decay;
                self
            }

            /// Whether to divide by the largest second moment so far. Default: `false`.
            pub const fn amsgrad(mut self, amsgrad: bool) -> $name {
                self.settings.amsgrad = amsgrad;
                self
            }

            /// Whether to climb. Default: `false`.
            pub const fn maximize(mut self, maximize: bool) -> $name {
                self.settings.maximize = maximize;
                self
            }

            /// Whether the settings are in their range, as [`Optimizer::check`], also in constants.
            ///
            /// # Errors
            /// The first setting that is not.
            pub const fn check(&self) -> Result<(), InvalidSetting> {
                self.settings.check(stringify!($name))
            }
        }

        impl Optimizer for $name {
            fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
                if let Err(error) = self.check() {
                    g.fail(error.into());
                }
                self.settings.apply(Decay::$decay, g, parameters, gradients);
            }

            fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
                self.settings.initial_state(parameters)
            }

            fn learning_rate(&self) -> f64 {
                self.settings.lr
            }

            fn check(&self) -> Result<(), InvalidSetting> {
                $name::check(self)
            }
        }
    )*};
}

adams! {
    /// Adam, and AMSGrad.
    ///
    /// With gradient `g` (plus `weight_decay * p`; negated with `maximize`) in step `t`:
    /// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
    /// `p = p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`. With `amsgrad` the largest `v` so far (without
    /// bias correction, as in PyTorch) stands in the place of `v` in the last line.
    ///
    /// * Settings: `lr = 1e-3`, `betas = (0.9, 0.999)`, `eps = 1e-8`, `weight_decay = 0`, `amsgrad = false`,
    ///   `maximize = false`.
    /// * States: `{parameter}.exp_avg`, `{parameter}.exp_avg_sq`, `{parameter}.max_exp_avg_sq` with `amsgrad`, and
    ///   `optimizer.step`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and betas outside `0 <= b < 1`.
    /// * Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization"; Reddi et al., "On the Convergence of Adam
    ///   and Beyond"; PyTorch's `optim.Adam`.
    Adam, Penalty, 0.0,
    /// The factor of the L2 penalty, which enters the gradient. Default: 0.
    ;
    /// Adam with a weight decay of its own.
    ///
    /// In each step `p = p - lr * weight_decay * p`, then that of [`Adam`] without a penalty: the decay does not pass
    /// through the moments.
    ///
    /// * Settings: `lr = 1e-3`, `betas = (0.9, 0.999)`, `eps = 1e-8`, `weight_decay = 0.01`, `amsgrad = false`,
    ///   `maximize = false`.
    /// * States and errors: those of [`Adam`].
    /// * Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization"; PyTorch's `optim.AdamW`.
    AdamW, Decoupled, 0.01,
    /// The part of a parameter that a step with a rate of 1 takes away. Default: 0.01.
    ;
}
