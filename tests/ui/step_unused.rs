//! Fields that no program needs are warned of.

#![deny(deprecated)]

use kiln::prelude::*;

model! {
    #[model(input = [4])]
    struct Part(Linear(4, 4));
}

model! {
    struct Net {
        fc: Linear(4, 4),
        act: ReLU,
        untrained: Linear(4, 4),
        never: Linear(4, 4),
        part: Part,
        inside: Linear(4, 4),
        opt: Adam((fc, act, inside)),
        idle: Adam(untrained),
        // Nothing to train.
        norm: BatchNorm1d(4, affine = false),
    }

    // Applies `inside`, of which nothing is said.
    fn applied(x: [N, 4]) -> [N, 4] {
        inside(x)
    }

    step update(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(untrained(applied(act(norm(fc(x))))), y);
        let _other = part(x);
        opt.minimize(loss);
    }
}

fn main() {}
