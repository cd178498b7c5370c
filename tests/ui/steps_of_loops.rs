//! Loops in steps of 0, which would not end, and below.

use kiln::prelude::*;

const NONE: usize = 0;

model! {
    struct Written {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let mut y = fc(x);
        for i in (0..8).step_by(0) {
            y = y + i;
        }
        y
    }
}

model! {
    struct Named {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let mut y = fc(x);
        for (i, k) in (0..8).step_by(NONE).enumerate() {
            y = y + i * k;
        }
        y
    }
}

model! {
    struct Down {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        let mut y = fc(x);
        for i in (8..0).step_by(-1) {
            y = y + i;
        }
        y
    }
}

fn main() {}
