//! Masks and whole numbers where they are no numbers, numbers that are no tensors, and operators of Rust and Python.

use kiln::prelude::*;

model! {
    struct Masks {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        fc(x) * (m + m)
    }
}

model! {
    struct Halved {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4; i32] {
        where(fc(x) > 0, k * 0.5, k)
    }
}

model! {
    struct Powers {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        fc(x) * k.exp()
    }
}

model! {
    struct Rounded {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (1 / 2)
    }
}

model! {
    struct Bare {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * [1.0, 2.0, 3.0, 4.0]
    }
}

model! {
    struct Tensors {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor([x, x])
    }
}

model! {
    struct Repeated {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor([0.5; 4])
    }
}

model! {
    struct Ragged {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor([[1.0, 2.0], [3.0]])
    }
}

model! {
    struct Empty {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor([])
    }
}

model! {
    struct Arguments {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor(1.0, 2.0)
    }
}

model! {
    struct Remainders {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        where(k % 2 == 0, fc(x), x)
    }
}

model! {
    struct Bits {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        where(k & 1, fc(x), x)
    }
}

model! {
    struct Both {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        where(x > 0 && x < 1, fc(x), x)
    }
}

model! {
    struct Either {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(m ^ (x < 1), fc(x), x)
    }
}

model! {
    struct Quotients {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (3 * (1 / 2 / 2))
    }
}

model! {
    struct Powered {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).pow(-1 / 2)
    }
}

model! {
    struct Local {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let third = (3 - 2) / 3;
        let whole = 4 / 2;
        fc(x) * whole * third
    }
}

const WIDTH: usize = 4;

model! {
    struct Signed {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (WIDTH / -2)
    }
}

model! {
    struct Below {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        if WIDTH > -1 { fc(x) } else { x }
    }
}

model! {
    struct Renamed {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let third = 1 / 3;
        let more = 4 / 2;
        more = 2 * third;
        fc(x) * more
    }
}

fn main() {}
