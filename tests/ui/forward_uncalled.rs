#![deny(warnings)]

use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        fc(x)
    }

    fn double(x) {
        x + x
    }
}

fn main() {}
