//! What is written by habit of Python or of Rust in a body.

use kiln::prelude::*;

model! {
    struct Returns {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let y = fc(x);
        return y.relu();
    }
}

model! {
    struct Semicolon {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let y = fc(x);
        fc(y);
    }
}

model! {
    struct OfMethod {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x).relu();
    }
}

model! {
    struct Targets {
        fc: Linear(8, 8),
        online: Linear(8, 8),
    }

    step follow() {
        fc.copy_from(online.parameters());
    }
}

model! {
    struct Borrows {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let y = fc(&x);
        let twice = |x| fc(fc(x));
        let (n, c) = fc(x).size();
        let z = x.shape();
        for i in (0..8).rev().step_by(2) {
            y = y + i;
        }
        F::relu(y) + F.relu(x) + tensor(2.0) + other::relu_of(x)
    }
}

model! {
    struct Layers {
        fc: nn.Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x)
    }
}

model! {
    struct Parts {
        fc: Linear(8, 8),
        opt: Adam(fc.parameters(), lr = 1e-3),
    }

    step fit(x: [N, 8]) -> loss {
        let loss = fc(x).mean();
        opt.minimize(loss);
    }
}

fn main() {}
