//! Losses and targets of models of several outputs: as many as outputs, of outputs that have a gradient.

use kiln::prelude::*;
use ndarray::Array2;

model! {
    struct Detector {
        scores: Linear(3, 4),
        place: Linear(3, 2),
    }

    fn forward(image: [N, 3]) -> ([N, 4], [N, 2], [N; i32]) {
        let classes = scores(image);
        (classes, place(image), classes.argmax(1))
    }
}

fn one_loss() {
    let _ = Trainer::new(Detector::init(0), cross_entropy(), Adam::default());
}

fn too_few_losses() {
    let _ = Trainer::new(Detector::init(0), (cross_entropy(), mse()), Adam::default());
}

fn a_loss_of_indices() {
    let _ = Trainer::new(Detector::init(0), (cross_entropy(), mse(), mse()), Adam::default());
}

fn another_number_of_outputs() {
    let loss = joint_loss_fn(|[scores, place], [target]| (scores.sum(1) + place.sum(1) - target.sum(1)).square());
    let _ = Trainer::new(Detector::init(0), loss, Adam::default());
}

fn targets(mut trainer: Trainer<Detector, (CrossEntropy, Mse, ()), Adam>) {
    let (x, labels, places) = (Array2::<f32>::zeros((2, 3)), [0, 1], Array2::<f32>::zeros((2, 2)));
    trainer.step(&x, (&labels, &places, ())).unwrap();
    trainer.step(&x, (&labels, &labels)).unwrap();
    trainer.step(&x, (&labels, &labels, ())).unwrap();
}

fn main() {}
