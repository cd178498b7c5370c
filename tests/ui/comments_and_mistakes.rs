//! Mistakes of which comments are no part.

use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = fc(x) + x // residual
            * 2.0;
        let z = (y // inner
            + 1.0);
        let w = z.relu()
        w
    }
}

model! {
    struct Divided {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = fc(x) // 2;
    }
}

fn main() {}
