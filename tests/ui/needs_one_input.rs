use kiln::prelude::*;

model! {
    struct Two {
        left: Linear(3, 8),
        right: Linear(4, 8),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 8] {
        left(x) + right(y)
    }
}

// What a layer that is applied to one value has.
const INPUT: Shape = Two::INPUT;

fn main() {}
