//! One mistake in a model that takes indices is one error, also where the model is used.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

model! {
    struct Words {
        table: Embedding(100, 16, padding = 0),
        fc: Linear(16, 5),
    }

    fn forward(x: [N, 6; i32]) -> [N, 5] {
        fc(table(x).amax(1))
    }
}

fn main() {
    let (x, y) = (Array2::<i32>::zeros((4, 6)), Array1::<u8>::zeros(4));
    let mut trainer = Trainer::new(Words::init(0), cross_entropy(), Adam::default()).batch(4).build().unwrap();
    trainer.step(&x, &y).unwrap();
    let _ = trainer.predict(&x).unwrap();
}
