//! Operators of Python, and constants that are no tensors.

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

fn main() {}
