#![deny(warnings)]

use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(10, 10),
        spare: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = fc(x);
        fc(x)
    }
}

fn main() {}
