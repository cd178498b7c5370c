//! What optimizers are told to do beside their rule: each mistake is told at its optimizer, or on the option's value.

use kiln::prelude::*;

model! {
    struct Refused {
        fc: Linear(4, 4),
        norm: Sgd(fc, clip_grad_norm = -1.0),
        kind: Adam(fc, clip_grad_norm = 1.0, norm_type = 0),
        value: AdamW(fc, clip_grad_value = f64::NAN),
        batches: NAdam(fc, accumulate = 0),
        average: RAdam(fc, ema = 1.5),
        begin: Adamax(fc, swa = (0, 10)),
        etas: Rprop(fc, etas = (0.5, 0.9)),
        rho: Adadelta(fc, rho = 1.5),
        sum: Adagrad(fc, initial_accumulator_value = -1),
        lion: Lion(fc, betas = (0.9, 1.0)),
        averaged: ASGD(fc, alpha = -0.75),
        right: Lion(fc, clip_grad_norm = 0, clip_grad_value = 1, accumulate = 2, swa = (5, 1)),
    }

    step fit(x: [N, 4]) {
        let loss = fc(x).mean();
        norm.minimize(loss);
        kind.minimize(loss);
        value.minimize(loss);
        batches.minimize(loss);
        average.minimize(loss);
        begin.minimize(loss);
        etas.minimize(loss);
        rho.minimize(loss);
        sum.minimize(loss);
        lion.minimize(loss);
        averaged.minimize(loss);
        right.minimize(loss);
    }
}

fn main() {}
