//! Several inputs and outputs together: a loss for each output or one of all, their targets, their predictions.

use kiln::prelude::*;
use ndarray::{Array1, Array2, ArrayD};

model! {
    pub struct Placeholder {
        scores: Linear(3, 4),
        place: Linear(3, 2),
    }

    fn forward(image: [N, 3], shift: [N, 2]) -> ([N, 4], [N, 2], [N; i32]) {
        let classes = scores(image);
        (classes, place(image) + shift, classes.argmax(1))
    }
}

#[test]
fn it_runs() {
    let x = (Array2::<f32>::ones((4, 3)), Array2::<f32>::zeros((4, 2)));
    let (labels, places) = (Array1::from_elem(4, 2u8), Array2::<f32>::ones((4, 2)));
    let losses = (cross_entropy(), mse().weighted(0.5), ());
    let mut trainer = Trainer::new(Placeholder::init(0), losses, Sgd::new(0.1)).batch(4).build().unwrap();
    let first = trainer.step(&x, (&labels, &places, ())).unwrap();
    let evaluation = trainer.evaluate((&x.0, &x.1), (&labels, places.view(), ())).unwrap();
    assert!(evaluation.loss < first);
    let (scores, place, best): (ArrayD<f32>, ArrayD<f32>, ArrayD<i32>) = trainer.predict(&x).unwrap();
    assert_eq!((scores.shape(), place.shape(), best.shape()), (&[4, 4][..], &[4, 2][..], &[4][..]));

    let joint =
        joint_loss_fn(|[scores, place, _], [target]| scores.square().mean(1) + (place - target).square().mean(1));
    let joint = joint.targets::<f32>([JointTarget::Like(1)]);
    let mut trainer = Trainer::new(Placeholder::init(0), joint, Sgd::new(0.1)).batch(4).build().unwrap();
    trainer.step(&x, &places).unwrap();
}
