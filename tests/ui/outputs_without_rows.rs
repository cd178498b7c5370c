// A model that gives no rows has no place in a predictor: a build says so where one is made.

use kiln::prelude::*;

model! {
    struct Criterion {
        weight: Parameter([], mean = 1),
    }

    fn forward(output: [N, 4], target: [N, 4]) -> [] {
        mse(output, target) * weight
    }
}

fn main() {
    let _ = Predictor::new(Criterion::init(1)).build();
}
