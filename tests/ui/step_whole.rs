//! Programs that apply the model itself where there is none, to what it does not take, or without an end.

use kiln::prelude::*;

model! {
    struct NoForward {
        fc: Linear(4, 4),
    }

    eval apply(x: [N, 4]) -> (y, z) {
        let y = self(x);
        let z = self.fc(x);
    }
}

model! {
    struct Shapes {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        fc(x)
    }

    eval twice(x: [N, 4]) -> y {
        let y = self(self(x));
    }

    eval labels(x: [N, 4; i32]) -> y {
        let y = forward(x);
    }
}

model! {
    struct Counts {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], mask: [N, 4]) -> ([N, 4], [N, 4]) {
        (fc(x), fc(x) * mask)
    }

    eval one_input(x: [N, 4]) -> y {
        let (y, _) = self(x);
    }

    eval one_result(x: [N, 4]) -> y {
        let y = self(x, x);
    }

    eval numbers(x: [N, 4]) -> y {
        let (y, _) = self(x, 1.0);
    }
}

model! {
    struct Circle {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        again(fc(x))
    }

    fn again(x) {
        self(x)
    }

    eval apply(x: [N, 4]) -> y {
        let y = self(x);
    }
}

model! {
    struct Cut {
        fc: Linear(4, 4),
        opt: Adam(fc),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).detach()
    }

    step fit(x: [N, 4], y: [N, 4]) -> loss {
        let loss = mse(self(x), y);
        opt.minimize(loss);
    }
}

fn main() {
    _ = (Shapes::init(0).trainer(), Circle::init(0).trainer());
}
