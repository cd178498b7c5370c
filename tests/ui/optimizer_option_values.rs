//! Options of optimizers that are of no kind that the option takes.

use kiln::prelude::*;

model! {
    struct Refused {
        fc: Linear(4, 4),
        half: Sgd(fc, accumulate = 1.5),
        one: Sgd(fc, swa = 5),
        rate: Sgd(fc, schedule = 0.1),
        group: Sgd(fc, groups = Select::biases()),
        slip: Sgd(fc, clip_grad_norms = 1.0),
        missing: LBFGS(fc),
        sparse: SparseAdam(fc),
        coefficients: Muon(fc, ns_coefficients = 1.0),
        word: Muon(fc, adjust_lr_fn = "rms"),
        other: Muon(fc, others = AdamW::new(0.1)),
    }

    step fit(x: [N, 4]) {
        let loss = fc(x).mean();
        half.minimize(loss);
    }
}

fn main() {}
