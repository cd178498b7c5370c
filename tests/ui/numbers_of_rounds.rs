//! Loops that change a number of around them: each round is walked through, for none is like the one before.

use kiln::prelude::*;

model! {
    struct Wider {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut width = 4;
        for _ in 0..3 {
            x = fc(x) + x.narrow(1, 0, width);
            width -= 1;
        }
        x
    }
}

fn main() {}
