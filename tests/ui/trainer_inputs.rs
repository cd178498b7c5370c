// What is given to a model of several inputs: as many arrays, of its elements.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

model! {
    struct Two {
        fc: Linear(3, 2),
        table: Embedding(5, 2),
    }

    fn forward(image: [N, 3], word: [N; i32]) -> [N, 2] {
        fc(image) + table(word)
    }
}

fn predict(two: &mut Predictor<Two>, image: Array2<f32>, word: Array1<i32>) {
    let _ = two.predict((&image, &word));
    let _ = two.predict(&image);
}

fn main() {}
