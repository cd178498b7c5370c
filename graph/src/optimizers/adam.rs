//! Adam.

use ndarray::ArrayD;

use super::{LEARNING_RATE, Optimizer, count_step, initial, moment, penalized, scalar_state};
use crate::build::{Builder, Value};
use crate::graph::Stage;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// Adam, and AMSGrad.
///
/// With gradient `g` (plus `weight_decay * p`; negated with `maximize`) in step `t`:
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
/// `p = p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`. With `amsgrad` the largest `v` so far (without bias
/// correction, as in PyTorch) stands in the place of `v` in the last line.
///
/// * Settings: `lr = 1e-3`, `betas = (0.9, 0.999)`, `eps = 1e-8`, `weight_decay = 0`, `amsgrad = false`,
///   `maximize = false`.
/// * States: `{parameter}.exp_avg`, `{parameter}.exp_avg_sq`, `{parameter}.max_exp_avg_sq` with `amsgrad`, and
///   `optimizer.step`.
/// * Errors: [`InvalidSetting`] for negative values and betas outside `0 <= b < 1`.
/// * Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization"; Reddi et al., "On the Convergence of Adam and
///   Beyond"; PyTorch's `optim.Adam`.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    maximize: bool,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, amsgrad: false, maximize: false }
    }
}

impl Adam {
    /// Adam with the given learning rate and PyTorch's defaults.
    pub fn new(lr: f64) -> Adam {
        Adam { lr, ..Adam::default() }
    }

    /// The learning rate. Default: 1e-3.
    pub fn lr(mut self, lr: f64) -> Adam {
        self.lr = lr;
        self
    }

    /// The parts of the two moments that are kept in each step. Default: 0.9 and 0.999.
    pub fn betas(mut self, first: f64, second: f64) -> Adam {
        self.betas = (first, second);
        self
    }

    /// What keeps the denominator from 0. Default: 1e-8.
    pub fn eps(mut self, eps: f64) -> Adam {
        self.eps = eps;
        self
    }

    /// The factor of the L2 penalty, which enters the gradient. Default: 0.
    pub fn weight_decay(mut self, weight_decay: f64) -> Adam {
        self.weight_decay = weight_decay;
        self
    }

    /// Whether to divide by the largest second moment so far. Default: `false`.
    pub fn amsgrad(mut self, amsgrad: bool) -> Adam {
        self.amsgrad = amsgrad;
        self
    }

    /// Whether to climb. Default: `false`.
    pub fn maximize(mut self, maximize: bool) -> Adam {
        self.maximize = maximize;
        self
    }
}

/// `1 - beta^step` without cancellation.
fn bias_correction(step: Value<'_>, beta: f64) -> Value<'_> {
    if beta == 0.0 {
        return step.graph().scalar(1.0);
    }
    -(step * beta.ln()).expm1()
}

impl Optimizer for Adam {
    fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let _stage = g.stage(Stage::Update);
        if let Err(error) = self.check() {
            g.fail(error.into());
        }
        let (first, second) = self.betas;
        let step = count_step(g);
        let rate = scalar_state(g, LEARNING_RATE) / bias_correction(step, first);
        let scale = bias_correction(step, second).rsqrt();
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            let gradient = penalized(gradient, p, self.maximize, self.weight_decay);
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
            g.update(parameter.1, p - rate * (mean / (square.sqrt() * scale + self.eps)));
        }
    }

    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, ArrayD<f32>)> {
        let moments = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];
        initial(self.lr, true, &moments[..if self.amsgrad { 3 } else { 2 }], parameters)
    }

    fn learning_rate(&self) -> f64 {
        self.lr
    }

    fn check(&self) -> Result<(), InvalidSetting> {
        InvalidSetting::unless_not_negative("Adam", "lr", self.lr)?;
        InvalidSetting::unless_not_negative("Adam", "eps", self.eps)?;
        InvalidSetting::unless_not_negative("Adam", "weight_decay", self.weight_decay)?;
        let rule = "must be at least 0 and below 1";
        let (first, second) = self.betas;
        InvalidSetting::unless((0.0..1.0).contains(&first), "Adam", "betas.0", first, rule)?;
        InvalidSetting::unless((0.0..1.0).contains(&second), "Adam", "betas.1", second, rule)
    }
}
