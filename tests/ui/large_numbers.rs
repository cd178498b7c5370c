//! Whole numbers that are too large for the number beside them.

use kiln::prelude::*;

const COUNT: i32 = 3;

model! {
    struct Large {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (COUNT - 3000000000)
    }
}

fn main() {}
