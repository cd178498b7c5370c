// The number of samples in extents: what can be told of it, and what can not.

use kiln::prelude::*;

model! {
    struct Stacked {
        fc: Linear(4, 3),
    }

    step update(x: [2 * N, 4]) -> loss {
        let loss = fc(x).mean();
    }
}

model! {
    struct Square {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4], same: [N, N; bool]) -> [N, 3] {
        fc(x)
    }
}

model! {
    struct Doubled {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        fc(cat((x, x)))
    }
}

model! {
    struct Merged {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, LENGTH, 4]) -> [N, LENGTH, 3] {
        fc(x.view(-1, 4)).view(N, LENGTH, 3)
    }
}

model! {
    struct Flat {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, T, 4]) -> [N, T, 3] {
        fc(x.flatten(0, 1))
    }
}

model! {
    struct Shifted {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, T + 1, 4]) -> [N, T + 1, 3] {
        fc(x.flatten(0, 1)).view(N, T + 1, 3)
    }
}

model! {
    struct Declared {
        fc: Linear(4, 3),
    }

    fn forward(x: [N * T, 4]) -> [N * T, 3] {
        fc(x)
    }
}

model! {
    struct Places {
        fc: Linear(4, 3),
    }

    step update(x: [N, 4], y: [S * T, 4]) -> loss {
        let loss = fc(x).mean() + fc(y).mean();
    }
}

model! {
    struct Rounds {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let mut y = fc(x);
        for i in 0..2 * N {
            y = y * 2;
        }
        y
    }
}

model! {
    struct Thirds {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        let (a, b, c) = fc(cat((x, x))).chunk(3);
        a
    }
}

fn main() {}
