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

model! {
    struct One {
        fc: Linear(3, 2),
    }

    fn forward(x: [N, 3]) -> [N, 2] {
        fc(x)
    }
}

fn predict(two: &mut Predictor<Two>, image: Array2<f32>, word: Array1<i32>) {
    let _ = two.predict((&image, &word));
    let _ = two.predict(&image);
}

fn elements(one: One, x: Array2<f64>, y: Array2<f64>) {
    let mut trainer = Trainer::new(one, mse(), Adam::default()).build().unwrap();
    let _ = trainer.predict(&x);
    let x = x.mapv(|x| x as f32);
    let _ = trainer.step(&x, &y);
}

fn labels(one: One, x: Array2<f32>, y: Array1<f32>) {
    let mut trainer = Trainer::new(one, cross_entropy(), Adam::default()).build().unwrap();
    let _ = trainer.step(&x, &y);
}

fn no_array(two: &mut Predictor<Two>, image: Array2<f32>) {
    let _ = two.predict((&image, "one"));
}

fn main() {}
