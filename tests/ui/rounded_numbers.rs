//! Quotients of whole numbers beside tensors, which Rust rounds.

use kiln::prelude::*;

const WIDTH: usize = 4;
const HEADS: i32 = 3;

model! {
    struct Constants {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (1 / WIDTH)
    }
}

model! {
    struct Within {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) + 2 * -((HEADS + 1) / HEADS)
    }
}

model! {
    struct Named {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mean = 1 / WIDTH;
        fc(x) * mean
    }
}

model! {
    struct Counted {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..4 {
            x = fc(x) * (i / 2);
        }
        x
    }
}

model! {
    struct Attributes {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).clamp(0.0, 1 / WIDTH)
    }
}

model! {
    struct Written {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).clamp(0, 1 / 2)
    }
}

model! {
    struct Tensors {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor([1, 1 / 2, 1, 1])
    }
}

model! {
    struct Sides {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let scale = 1 / 2;
        if WIDTH > 8 {
            scale = 2;
        }
        fc(x) * scale
    }
}

model! {
    struct OneSide {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let scale = 1;
        if WIDTH > 2 {
            scale = 1 / WIDTH;
        } else {
            scale = 3;
        }
        fc(x) * scale
    }
}

model! {
    struct Columns<const D: usize = 4> {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (1 / D)
    }
}

model! {
    struct Lengths {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, T, 4]) -> [N, T, 4] {
        fc(x) * (1 / T)
    }
}

model! {
    struct Batches {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (1 / N)
    }
}

model! {
    struct Halves {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, T, 4]) -> [N, T, 4] {
        fc(x) / (x.size(1) / 2)
    }
}

fn main() {}
