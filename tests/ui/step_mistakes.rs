//! Programs and optimizers that say something that is not so.

use kiln::prelude::*;

model! {
    struct Programs {
        fc: Linear(4, 4),
        opt: Adam(fc),
    }

    step nothing(x: [N, 4]) {
        let y = fc(x);
    }

    eval no_result(x: [N, 4]) {
        let y = fc(x);
    }

    eval changes(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
    }

    step unknown_result(x: [N, 4], y: [N, 4]) -> lss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
    }

    step value(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
        loss
    }

    step as_in_pytorch(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(fc(x), y);
        opt.zero_grad();
        opt.step();
    }

    step plan(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse_los(fc(x), y);
        let other = mse(fc(x), y, reduction = "average");
        let third = mse(fc(x), y, weight = y);
        let slope = grad(loss, fc(x));
    }

    step optimizer_as_value(x: [N, 4], x: [N, 4]) -> x {
        let y = fc(x);
    }
}

model! {
    struct Optimizers {
        fc: Linear(4, 4),
        head: Sequential { out: Linear(4, 4) },
        unknown_option: Adam(fc, learning_rate = 1e-3),
        slip: Adam(fc, beta = (0.9, 0.999)),
        kind: Adam(fc, betas = 0.9),
        no_part: Adam(lr = 1e-3),
        other: Adam(gc),
        inside: Adam(fc.weight),
        no_member: Adam(head.inner),
        number: Adam(1e-3),
        torch: SGD(fc),
        missing: Adagrad(fc),
    }

    step update(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(fc(x), y);
    }
}

model! {
    struct NoStep {
        fc: Linear(4, 4),
        opt: Adam(fc),
    }
}

model! {
    struct NoOptimizer {
        fc: Linear(4, 4),
    }

    step update(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
    }
}

fn main() {}
