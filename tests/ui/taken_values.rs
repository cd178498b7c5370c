// Parameters take values of their own type, in steps.

use kiln::prelude::*;

model! {
    struct Kinds {
        fc: Linear(4, 4),
        center: Parameter(1, 4, requires_grad = false),
        opt: Sgd(fc),
    }

    step fit(x: [N, 4]) -> loss {
        let y = fc(x);
        fc.copy_from(y);
        y.copy_from(x);
        center.copy_from(0);
        center.copy_from();
        center.lerp_from(y.mean(0));
        let loss = y.mean();
        opt.minimize(loss);
    }

    eval tell(x: [N, 4]) -> y {
        let y = fc(x);
        center.copy_from(y.mean(0));
    }
}

model! {
    struct Shapes {
        fc: Linear(4, 4),
        center: Parameter(1, 4, requires_grad = false),
        opt: Sgd(fc),
    }

    step fit(x: [N, 4]) -> loss {
        let y = fc(x);
        center.copy_from(y);
        let loss = y.mean();
        opt.minimize(loss);
    }
}

model! {
    struct Rates {
        fc: Linear(4, 4),
        opt: Sgd(fc),
    }

    step fit(x: [N, 4]) -> loss {
        let y = fc(x);
        let loss = y.mean();
        opt.minimize(loss);
        fc.bias.lerp_from(y.mean(0), y);
    }
}

fn main() {}
