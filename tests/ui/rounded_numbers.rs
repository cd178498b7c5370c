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

model! {
    struct NamedOfCounter {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..4 {
            let half = i / 2;
            x = fc(x) * half;
        }
        x
    }
}

model! {
    struct NamedOfName {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for i in 0..4 {
            let half = i / 2;
            let more = half + 1;
            x = fc(x).clamp(0, more);
        }
        x
    }
}

model! {
    struct Changing {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut scale = 9;
        for _ in 0..4 {
            x = fc(x) * scale;
            scale = scale / 3;
        }
        x
    }
}

model! {
    struct Divided {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut scale = 9;
        for _ in 0..4 {
            x = fc(x) * tensor([scale, 1, 1, 1]);
            scale /= 3;
        }
        x
    }
}

model! {
    struct OneOfTwo {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let (a, b) = (1 / WIDTH, 3);
        fc(x) * a * b
    }
}

model! {
    struct OfExtent {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, T, 4]) -> [N, T, 4] {
        let part = T / WIDTH;
        fc(x) * part
    }
}

model! {
    struct BecomesATensor {
        fc: Linear(4, 4),
    }

    fn scaled(x: [N, 4], scale: []) -> [N, 4] {
        x * scale
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut scale = 1 / 2;
        scale = scale * fc(x);
        scaled(scale, 1 / 2)
    }
}

fn main() {}
