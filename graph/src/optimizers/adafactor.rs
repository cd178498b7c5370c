//! Adafactor: second moments of matrices as the product of a row and a column. Of a parameter it knows the axes, and
//! not what it is of.

use super::settings::optimizer;
use super::{Decay, Kept, LEARNING_RATE, count_step, moment_name, scalar_state};
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// The distance from 1 to the next f32, PyTorch's `torch.finfo(torch.float32).eps`.
const EPSILON: f64 = f32::EPSILON as f64;

optimizer! {
    /// Adafactor, which keeps a row and a column for each matrix, and no moment of its size.
    ///
    /// With gradient `g` (negated with `maximize`) in step `t`, `b = t^beta2_decay`: the means of `g^2` along the last axis, and
    /// along the last but one, enter `r = r + b (mean - r)` and `c` likewise; `v = r c / max(mean of r, eps.0)`. (Of a
    /// parameter of fewer than two axes `v = v + b (g^2 - v)`.) Then `u = g / sqrt(max(v, eps.0^2))`, and, with `rms` the root
    /// of the mean square, `p = p - lr * weight_decay * p - max(eps.1, rms(p)) min(lr, 1 / sqrt(t)) u / max(1, rms(u) / d)`.
    ///
    /// * States: `{parameter}.row_var` and `{parameter}.col_var`, or `{parameter}.variance`, and `optimizer.step`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values, a `beta2_decay` above 0 and a `d` below 1.
    /// * Source: Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost"; PyTorch's
    ///   `optim.Adafactor`.
    Adafactor {
        /// The learning rate; where it is larger, the step's is `1 / sqrt(t)`.
        lr: number = 1e-2,
        /// The power of the step's number that is the part of a new moment.
        beta2_decay: number = -0.8,
        /// What keeps the moments from 0, and the least root mean square of a parameter that its steps go by.
        eps: pair = (EPSILON, 1e-3),
        /// The largest root mean square of a step before the rate.
        d: number = 1.0,
        /// The part of a parameter that a step with a rate of 1 takes away.
        weight_decay: number = 0.0,
        /// Whether to climb.
        maximize: flag = false,
    }
}

/// The states of a matrix, or of a batch of them; nothing for what is none.
fn factors(shape: Shape) -> Option<[(&'static str, Shape); 2]> {
    let rank = shape.rank();
    (rank > 1).then(|| [("row_var", shape.with(rank - 1, 1)), ("col_var", shape.with(rank - 2, 1))])
}

/// The root of the mean square of all elements.
fn root_mean_square(x: Value<'_>) -> Value<'_> {
    (x.square().sum(..) * (1.0 / x.shape().elements() as f64)).sqrt()
}

impl Adafactor {
    const HAS_MOMENTUM: bool = false;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        let (power, largest) = (self.beta2_decay, self.d);
        let falls = power <= 0.0 && power >= f32::MIN as f64;
        ok!(InvalidSetting::unless(falls, "Adafactor", "beta2_decay", power, "must be a finite number of at most 0"));
        ok!(InvalidSetting::unless_not_negative("Adafactor", "eps.0", self.eps.0));
        ok!(InvalidSetting::unless_not_negative("Adafactor", "eps.1", self.eps.1));
        let holds = largest >= 1.0 && largest <= f32::MAX as f64;
        ok!(InvalidSetting::unless(holds, "Adafactor", "d", largest, "must be a finite number of at least 1"));
        InvalidSetting::unless_not_negative("Adafactor", "weight_decay", self.weight_decay)
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let step = count_step(g);
        let lr = scalar_state(g, LEARNING_RATE);
        let decay = Decay::new(lr, self.maximize, self.weight_decay, true);
        let part = step.pow(self.beta2_decay);
        let rate = lr.minimum(step.rsqrt());
        // The average of a state and what is new in it, which is recorded.
        let averaged = |parameter: &str, name: &str, new: Value<'g>| {
            let state = g.state(&g.path(&moment_name(parameter, name)), Type::f32(new.shape()));
            let before = g.current(state);
            let next = before + (new - before) * part;
            g.update(state, next);
            next
        };
        for ((name, parameter), &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(*parameter);
            let gradient = decay.gradient(gradient, p);
            let variance = match factors(p.shape()) {
                Some([(row, _), (column, _)]) => {
                    let row = averaged(name, row, gradient.square().mean_keep(-1));
                    let column = averaged(name, column, gradient.square().mean_keep(-2));
                    row * column / row.mean_keep(-2).maximum(self.eps.0)
                }
                None => averaged(name, "variance", gradient.square()),
            };
            let step = variance.maximum(self.eps.0 * self.eps.0).rsqrt() * gradient;
            let scale = root_mean_square(p).maximum(self.eps.1) * rate;
            let scale = scale / (root_mean_square(step) * (1.0 / self.d)).maximum(1.0);
            g.update(*parameter, decay.parameter(p) - step * scale);
        }
    }

    fn kept(&self) -> Kept {
        Kept::counting([]).shaped(|shape| match factors(shape) {
            Some(factors) => factors.to_vec(),
            None => vec![("variance", shape)],
        })
    }
}
