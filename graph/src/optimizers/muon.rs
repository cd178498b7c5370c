//! Muon: steps of matrices by their momentum, made orthogonal. What is no matrix is for another rule, and an error
//! here.

use super::settings::optimizer;
use super::{Decay, Kept, LEARNING_RATE, Share, average, scalar_state};
use crate::build::{Builder, GraphError, Value};
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// How [`Muon`]'s rate follows from the extents of a matrix `[A, B]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdjustLr {
    /// Times `sqrt(max(1, A / B))`.
    #[default]
    Original,
    /// Times `0.2 sqrt(max(A, B))`, so that steps are as large as AdamW's and its rates may be taken.
    MatchRmsAdamW,
    /// Times `sqrt(A / B)`.
    SpectralUnclamped,
}

impl AdjustLr {
    fn factor(self, shape: Shape) -> f64 {
        let (a, b) = (shape.dim(0) as f64, shape.dim(1) as f64);
        match self {
            AdjustLr::Original => (a / b).max(1.0).sqrt(),
            AdjustLr::MatchRmsAdamW => 0.2 * a.max(b).sqrt(),
            AdjustLr::SpectralUnclamped => (a / b).sqrt(),
        }
    }
}

optimizer! {
    /// Muon: the momentum of a matrix, made nearly orthogonal, is its step. For the matrices within a network; the others
    /// (biases, norms, usually embeddings and the last layer) have an optimizer of their own:
    /// `Muon::new(0.02).others(Select::not_matrices(), AdamW::new(3e-4))`.
    ///
    /// With gradient `g`: `m = momentum m + (1 - momentum) g`, and `u = m`, or with `nesterov`
    /// `u = momentum m + (1 - momentum) g`. `u` is divided by its norm (by `eps` at least), and becomes, `ns_steps` times with
    /// `ns_coefficients` `(a, b, c)`, `a u + (b u u^T + c (u u^T)^2) u` (of the shorter side's rows). Then
    /// `p = p - lr * weight_decay * p - lr * f * u`, with `f` as `adjust_lr_fn` says.
    ///
    /// It is computed in f32; PyTorch takes bfloat16 for the iteration.
    ///
    /// * States: `{parameter}.momentum_buffer`.
    /// * Errors: [`InvalidSetting`] for negative or infinite values and a momentum outside 0 to 1;
    ///   [`GraphError::NoMatrix`] for a parameter that is no matrix.
    /// * Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"; PyTorch's `optim.Muon`.
    Muon {
        /// The learning rate.
        lr: number = 1e-3,
        /// The part of a parameter that a step with a rate of 1 takes away.
        weight_decay: number = 0.1,
        /// The part of the momentum that is kept in each step.
        momentum: number = 0.95,
        /// Whether the step looks ahead by the gradient.
        nesterov: flag = true,
        /// The polynomial of the iteration.
        ns_coefficients: triple = (3.4445, -4.7750, 2.0315),
        /// What keeps the norm from 0.
        eps: number = 1e-7,
        /// How often the polynomial is taken.
        ns_steps: count = 5,
        /// How the rate follows from a matrix's extents.
        adjust_lr_fn: adjustment = AdjustLr::Original,
    }
}

impl Muon {
    const HAS_MOMENTUM: bool = true;

    const fn rules(&self) -> Result<(), InvalidSetting> {
        ok!(InvalidSetting::unless_not_negative("Muon", "weight_decay", self.weight_decay));
        ok!(InvalidSetting::unless_not_negative("Muon", "eps", self.eps));
        let momentum = self.momentum;
        let holds = momentum >= 0.0 && momentum <= 1.0;
        ok!(InvalidSetting::unless(holds, "Muon", "momentum", momentum, "must be at least 0 and at most 1"));
        let (a, b, c) = self.ns_coefficients;
        ok!(InvalidSetting::unless_finite("Muon", "ns_coefficients.0", a));
        ok!(InvalidSetting::unless_finite("Muon", "ns_coefficients.1", b));
        ok!(InvalidSetting::unless_finite("Muon", "ns_coefficients.2", c));
        InvalidSetting::unless(self.ns_steps < 100, "Muon", "ns_steps", self.ns_steps as f64, "must be below 100")
    }

    fn update<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        let momentum = Share::momentum(g, self.momentum);
        let lr = scalar_state(g, LEARNING_RATE);
        let decay = Decay::new(lr, false, self.weight_decay, true);
        for (parameter, &gradient) in parameters.iter().zip(gradients) {
            let p = g.current(parameter.1);
            if p.shape().rank() != 2 {
                g.fail(GraphError::NoMatrix { parameter: parameter.0.clone(), found: p.shape() });
                continue;
            }
            let mean = average(g, parameter, "momentum_buffer", momentum, gradient);
            let step = if self.nesterov { momentum.of(mean) + momentum.rest_of(gradient) } else { mean };
            let step = self.orthogonal(step) * (lr * self.adjust_lr_fn.factor(p.shape()));
            g.update(parameter.1, decay.parameter(p) - step);
        }
    }

    /// A matrix whose singular values are near 1, of the same singular vectors.
    fn orthogonal<'g>(&self, matrix: Value<'g>) -> Value<'g> {
        let (a, b, c) = self.ns_coefficients;
        let is_tall = matrix.shape().dim(0) > matrix.shape().dim(1);
        let wide = if is_tall { matrix.transpose(0, 1) } else { matrix };
        let mut u = wide * wide.square().sum(..).sqrt().maximum(self.eps).reciprocal();
        for _ in 0..self.ns_steps {
            let gram = u.matmul(u.transpose(0, 1));
            u = u * a + (gram * b + gram.matmul(gram) * c).matmul(u);
        }
        if is_tall { u.transpose(0, 1) } else { u }
    }

    fn kept(&self) -> Kept {
        Kept::new(None, [("momentum_buffer", 0.0)])
    }
}
