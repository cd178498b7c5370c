//! Operators and statements of Python, and constants that are no tensors.

use kiln::prelude::*;

const TABLE: [f32; 300] = [0.5; 300];
const WORD: &str = "mean";

model! {
    struct Negated {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(not m, fc(x), x)
    }
}

model! {
    struct Tilde {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(~m, fc(x), x)
    }
}

model! {
    struct Both {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(m and (x > 0), fc(x), x)
    }
}

model! {
    struct Choice {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        fc(x) if m else x
    }
}

model! {
    struct Last {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x)[..., 0]
    }
}

model! {
    struct Rounded {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = fc(x) // 2
        y
    }
}

model! {
    struct Large {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor(TABLE)
    }
}

model! {
    struct Text {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor(WORD)
    }
}

model! {
    struct Statements {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = x += 1;
        fc(y)
    }
}

model! {
    struct Undeclared {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        y = fc(x);
        y
    }
}

model! {
    struct Typed {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y: Tensor = fc(x);
        y
    }
}

model! {
    struct Names {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y, i = fc(x).max(1);
        y
    }
}

model! {
    struct With {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        with no_grad() {
            fc(x)
        }
    }
}

model! {
    struct Chained {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        where(0 < x < 1, fc(x), x)
    }
}

model! {
    struct Cast {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (x as i32)
    }
}

model! {
    struct Gradients {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * x.grad
    }
}

model! {
    struct Lengths {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) / len(x)
    }
}

model! {
    struct Circles {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * pi
    }
}

model! {
    struct Open {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).masked_fill(x > 0, inf)
    }
}

model! {
    struct Types {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x.to(float32))
    }
}

fn main() {}
