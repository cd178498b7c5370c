//! Whole numbers that meet a number with a fraction, which would be none of theirs.

use kiln::prelude::*;

model! {
    struct Products {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        fc(x) * (k * 0.5).float()
    }
}

model! {
    struct Comparisons {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        where(-1.5 < k, fc(x), x)
    }
}

model! {
    struct Choices {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        fc(x) * where(x > 0.5, k, 1e-3).float()
    }
}

model! {
    /// What is whole is of their kind, and so is what compares with all.
    struct Whole {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], k: [N, 4; i32]) -> [N, 4] {
        where(k * 2.0 - 1 < 1e6, fc(x) * 0.5, x)
    }
}

fn main() {}
