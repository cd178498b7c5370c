//! Settings of optimizers that PyTorch refuses, or that an f32 does not hold: each is told at its optimizer.

use kiln::prelude::*;

const RATE: f64 = 0.1;

model! {
    struct Refused {
        fc: Linear(4, 4),
        rate: Sgd(fc, lr = -RATE),
        momentum: Sgd(fc, lr = RATE, momentum = -0.9),
        decay: Sgd(fc, lr = RATE, weight_decay = -1),
        dampening: Sgd(fc, momentum = 0.9, dampening = f64::NAN),
        nesterov: Sgd(fc, lr = RATE, nesterov = true),
        dampened: Sgd(fc, lr = RATE, momentum = 0.9, dampening = 0.1, nesterov = true),
        infinite: Adam(fc, lr = f64::INFINITY),
        beyond: Adam(fc, lr = 1e39),
        first: Adam(fc, betas = (1, 0.999)),
        second: AdamW(fc, betas = (0.9, -0.1)),
        eps: AdamW(fc, eps = -1e-8),
        unknown: AdamW(fc, weight_decay = f64::NAN),
        alpha: RMSprop(fc, alpha = -0.99),
        r#type: RMSprop(fc, momentum = -1.0),
        computed: Sgd(fc, lr = rate()),
        right: Sgd(fc, lr = 0, momentum = 2, dampening = -0.5),
    }

    step fit(x: [N, 4]) {
        let loss = fc(x).mean();
        rate.minimize(loss);
        momentum.minimize(loss);
        decay.minimize(loss);
        dampening.minimize(loss);
        nesterov.minimize(loss);
        dampened.minimize(loss);
        infinite.minimize(loss);
        beyond.minimize(loss);
        first.minimize(loss);
        second.minimize(loss);
        eps.minimize(loss);
        unknown.minimize(loss);
        alpha.minimize(loss);
        r#type.minimize(loss);
        computed.minimize(loss);
        right.minimize(loss);
    }
}

fn rate() -> f64 {
    0.1
}

model! {
    struct OfConstants<const SAMPLES: usize = 0> {
        fc: Linear(4, 4),
        opt: Adam(fc, lr = 1.0 / SAMPLES as f64),
    }

    step fit(x: [N, 4]) {
        opt.minimize(fc(x).mean());
    }
}

fn main() {}
