use kiln::prelude::*;
use kiln::Predictor;

model! {
    struct Two {
        left: Linear(3, 8),
        right: Linear(4, 8),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 8] {
        left(x) + right(y)
    }
}

fn main() {
    _ = Predictor::new(Two::init(0)).build();
}
