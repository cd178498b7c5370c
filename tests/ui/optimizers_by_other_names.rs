//! Optimizers under names that a macro can not know.

use kiln::optimizers::Adam as Rule;
use kiln::prelude::*;

model! {
    struct Renamed {
        body: Sequential { fc: Linear(4, 4), out: Linear(4, 2) },
        opt: Rule(body, lr = 1e-3),
        other: Rule((body.fc, body.out)),
    }

    step fit(x: [N, 4], y: [N, 2]) -> loss {
        let loss = mse(body.out(body.fc(x)), y);
        opt.minimize(loss);
    }
}

model! {
    struct Elsewhere {
        fc: Linear(4, 2),
        opt: kiln::losses::Adam(fc, lr = 1e-3),
    }

    step fit(x: [N, 4], y: [N, 2]) -> loss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
    }
}

fn main() {}
