//! Types that compute with the model's const parameters.

use kiln::prelude::*;

model! {
    struct Wide<const C: usize = 4> {
        fc: Linear(C, 4 * C),
        many: [Linear(C, C); 2 * C],
        blocks: [Sequential { inner: Linear(4 * C, C + 1), act: ReLU }; 2],
    }

    fn forward(x: [N, C]) -> [N, 4 * C] {
        fc(x)
    }
}

fn main() {}
