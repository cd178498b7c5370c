//! Models of several outputs in trainers and predictors: losses, targets, evaluations, predictions, mistakes.

use kiln::prelude::*;
use ndarray::{Array1, Array2, ArrayD, Axis, arr1, s};

use crate::bits;

model! {
    /// A digit and its place, and the digit's number for users.
    struct Detector {
        trunk: Linear(3, 8),
        scores: Linear(8, 4),
        place: Linear(8, 2),
    }

    fn forward(image: [N, 3]) -> ([N, 4], [N, 2], [N; i32]) {
        let x = trunk(image).tanh();
        let classes = scores(x);
        (classes, place(x), classes.argmax(1))
    }
}

model! {
    struct Two {
        trunk: Linear(3, 8),
        scores: Linear(8, 4),
        place: Linear(8, 2),
    }

    fn forward(image: [N, 3], shift: [N, 2]) -> ([N, 4], [N, 2]) {
        let x = trunk(image).tanh();
        (scores(x), place(x) + shift)
    }
}

model! {
    struct Coder {
        mean: Linear(3, 2),
        log_variance: Linear(3, 2),
        decoder: Linear(2, 3),
    }

    fn forward(x: [N, 3]) -> ([N, 3], [N, 2], [N, 2]) {
        let (m, v) = (mean(x), log_variance(x));
        (decoder(m + (v * 0.5).exp()), m, v)
    }
}

fn numbers<const C: usize>(rows: usize, phase: f32) -> Array2<f32> {
    Array2::from_shape_fn((rows, C), |(row, column)| (row as f32 * 0.7 + column as f32 * 1.3 + phase).sin())
}

fn labels(rows: usize) -> Array1<u8> {
    Array1::from_iter((0..rows).map(|row| (row * 7 % 4) as u8))
}

/// The mean cross entropy, by its definition.
fn cross_entropy_of(scores: &ArrayD<f32>, labels: &Array1<u8>) -> f64 {
    let of_row = |(scores, label): (ndarray::ArrayViewD<'_, f32>, &u8)| {
        let sum: f64 = scores.iter().map(|score| f64::from(*score).exp()).sum();
        sum.ln() - f64::from(scores[[usize::from(*label)]])
    };
    scores.axis_iter(Axis(0)).zip(labels).map(of_row).sum::<f64>() / labels.len() as f64
}

fn mse_of(found: &ArrayD<f32>, expected: &Array2<f32>) -> f64 {
    found.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / found.len() as f64
}

fn right(scores: &ArrayD<f32>, labels: &Array1<u8>) -> f64 {
    let best = |row: ndarray::ArrayViewD<'_, f32>| (0..4).max_by(|a, b| row[[*a]].total_cmp(&row[[*b]])).unwrap();
    let of_rows = scores.axis_iter(Axis(0)).zip(labels).filter(|(row, label)| best(row.view()) == usize::from(**label));
    of_rows.count() as f64 / labels.len() as f64
}

fn near(found: f32, expected: f64) {
    // Sums of some dozens of f32.
    assert!((f64::from(found) - expected).abs() < 1e-5, "{found}, expected {expected}");
}

/// The losses are those of the predictions by their definitions, and what a step gives is their sum.
#[test]
fn each_output_has_its_loss() {
    let (x, labels, places) = (numbers::<3>(11, 0.0), labels(11), numbers::<2>(11, 0.5));
    let losses = (cross_entropy(), mse().weighted(0.25), ());
    let mut trainer = Trainer::new(Detector::init(3), losses, Adam::default().lr(0.05))
        .batch(8)
        .threads(1)
        .joint_metric("far", |[_, place, _], [_, target, _]| (place - target).abs().gt(0.5))
        .build()
        .unwrap();
    let mut first = None;
    for steps in 0..40 {
        let (scores, place, best) = trainer.predict(&x).unwrap();
        let (entropy, squares) = (cross_entropy_of(&scores, &labels), 0.25 * mse_of(&place, &places));
        let evaluation = trainer.evaluate(&x, (&labels, &places, ())).unwrap();
        near(evaluation.loss, entropy + squares);
        first.get_or_insert(evaluation.loss);
        let names: Vec<&str> = evaluation.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["classes", "place", "output2"]);
        near(evaluation.outputs[0].loss.unwrap(), entropy);
        near(evaluation.output("place").unwrap().loss.unwrap(), squares);
        assert_eq!(evaluation.output("output2").unwrap().loss, None);
        let accuracy = Some(right(&scores, &labels));
        assert_eq!((evaluation.accuracy, evaluation.output("classes").unwrap().accuracy), (accuracy, accuracy));
        assert_eq!(evaluation.output("place").unwrap().accuracy, None);
        let far = place.iter().zip(&places).filter(|(a, b)| (*a - *b).abs() > 0.5).count();
        near(evaluation.metric("far").unwrap(), far as f64 / 22.0);
        let expected: Vec<i32> = best.iter().copied().collect();
        let classes =
            scores.axis_iter(Axis(0)).map(|row| (0..4).max_by(|a, b| row[[*a]].total_cmp(&row[[*b]])).unwrap() as i32);
        assert_eq!(classes.collect::<Vec<_>>(), expected);

        let rows = if steps % 3 == 0 { 5 } else { 8 };
        let (some, of_some) = (labels.slice(s![..rows]).to_owned(), places.slice(s![..rows, ..]).to_owned());
        let (scores, place, _) = trainer.predict(&x.slice(s![..rows, ..])).unwrap();
        let loss = trainer.step(&x.slice(s![..rows, ..]), (&some, &of_some, ())).unwrap();
        near(loss, cross_entropy_of(&scores, &some) + 0.25 * mse_of(&place, &of_some));
    }
    assert!(trainer.evaluate(&x, (&labels, &places, ())).unwrap().loss < first.unwrap());
    let expected = trainer.predict(&x).unwrap();
    let predictor = Predictor::new(trainer.into_model()).batch(4).threads(1).build().unwrap();
    assert_eq!(predictor.predict(&x).unwrap(), expected);
    assert_eq!(predictor.summary().unwrap().layers.len(), 3);
}

/// One function of all outputs trains as a loss for each.
#[test]
fn a_function_of_all_outputs_is_a_loss() {
    let (x, shift) = (numbers::<3>(8, 0.0), numbers::<2>(8, 2.0));
    let (labels, places) = (labels(8), numbers::<2>(8, 0.5));
    let joint = joint_loss_fn(|[scores, place], [labels, target]| {
        let entropy = -scores.log_softmax(1).gather(1, labels.unsqueeze(1)).mean(..);
        entropy + (place - target).square().mean(..) * 0.5
    });
    let joint = joint.targets::<(i32, f32)>([JointTarget::Classes(0), JointTarget::Like(1)]);
    let sgd = || Sgd::new(0.1).momentum(0.9);
    let mut of_all = Trainer::new(Two::init(1), joint, sgd()).batch(8).threads(1).build().unwrap();
    let each = (cross_entropy(), mse().weighted(0.5));
    let mut of_each = Trainer::new(Two::init(1), each, sgd()).batch(8).threads(1).build().unwrap();
    for _ in 0..10 {
        let expected = of_each.step((&x, &shift), (&labels, &places)).unwrap();
        near(of_all.step((&x, &shift), (&labels, &places)).unwrap(), expected.into());
    }
    let (all, each) =
        [of_all.evaluate((&x, &shift), (&labels, &places)), of_each.evaluate((&x, &shift), (&labels, &places))].into();
    let (all, each) = (all.unwrap(), each.unwrap());
    near(all.loss, each.loss.into());
    assert_eq!(all.accuracy, each.accuracy);
    assert_eq!(all.outputs[0].loss, None);
    assert!(each.outputs.iter().all(|output| output.loss.is_some()));
}

/// Labels that do not count are allowed where the function passes over them, and count for no accuracy.
#[test]
fn a_function_of_all_outputs_passes_over_labels() {
    let (x, shift) = (numbers::<3>(8, 0.0), numbers::<2>(8, 2.0));
    let (mut labels, places) = (labels(8).mapv(i64::from), numbers::<2>(8, 0.5));
    (labels[1], labels[6]) = (-100, -100);
    let joint = joint_loss_fn(|[scores, place], [labels, target]| {
        let counts = labels.ne(-100).convert(kiln::graph::DType::F32);
        let entropy = -scores.log_softmax(1).gather(1, labels.maximum(0).unsqueeze(1)).squeeze(1) * counts;
        entropy.sum(..) / counts.sum(..) + (place - target).square().mean(..) * 0.5
    });
    let joint = joint.targets::<(i32, f32)>([JointTarget::ClassesOr(0, -100), JointTarget::Like(1)]);
    let mut of_all = Trainer::new(Two::init(1), joint, Sgd::new(0.1)).batch(8).threads(1).build().unwrap();
    let each = (cross_entropy(), mse().weighted(0.5));
    let mut of_each = Trainer::new(Two::init(1), each, Sgd::new(0.1)).batch(8).threads(1).build().unwrap();
    for _ in 0..5 {
        let expected = of_each.step((&x, &shift), (&labels, &places)).unwrap();
        near(of_all.step((&x, &shift), (&labels, &places)).unwrap(), expected.into());
    }
    let accuracy = of_each.evaluate((&x, &shift), (&labels, &places)).unwrap().accuracy;
    assert_eq!(of_all.evaluate((&x, &shift), (&labels, &places)).unwrap().accuracy, accuracy);
    labels[2] = -1;
    let error = of_all.step((&x, &shift), (&labels, &places)).unwrap_err().to_string();
    assert!(error.starts_with("the targets of `scores`: label -1 at [2] is out of range"), "{error}");
}

/// A variational bound reads three outputs and one target.
#[test]
fn a_loss_reads_several_outputs_and_one_target() {
    let x = numbers::<3>(8, 0.0);
    let elbo = joint_loss_fn(|[image, mean, log_variance], [target]| {
        let divergence = (mean.square() + log_variance.exp() - log_variance - 1.0).sum(1) * 0.05;
        (image - target).square().sum(1) + divergence
    });
    let mut trainer = Trainer::new(Coder::init(0), elbo, Adam::default().lr(0.05)).batch(8).threads(1).build().unwrap();
    let of_predictions = |trainer: &mut Trainer<Coder, _, Adam>| {
        let (image, mean, log_variance) = trainer.predict(&x).unwrap();
        let terms = mean.iter().zip(&log_variance).map(|(m, v)| f64::from(m * m + v.exp() - v - 1.0));
        (3.0 * 8.0 * mse_of(&image, &x) + 0.05 * terms.sum::<f64>()) / 8.0
    };
    let first = trainer.step(&x, &x).unwrap();
    for _ in 0..100 {
        let expected = of_predictions(&mut trainer);
        near(trainer.step(&x, &x).unwrap(), expected);
    }
    assert!(trainer.evaluate(&x, &x).unwrap().loss < first / 3.0);
}

/// Targets without an output, weights of samples: a sample of weight 0 changes nothing.
#[test]
fn a_target_may_have_no_output() {
    let weighted = || {
        let loss = joint_loss_fn(|[scores, place], [labels, target, weight]| {
            let entropy = -scores.log_softmax(1).gather(1, labels.unsqueeze(1)).squeeze(1);
            (entropy + (place - target).square().mean(1)) * weight
        });
        loss.targets::<(i32, f32, f32)>([
            JointTarget::Classes(0),
            JointTarget::Like(1),
            JointTarget::Extents(Shape::SCALAR),
        ])
    };
    let train = |last: f32| {
        let mut trainer = Trainer::new(Two::init(1), weighted(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
        let (mut x, shift) = (numbers::<3>(4, 0.0), numbers::<2>(4, 2.0));
        x.row_mut(3).fill(last);
        let targets = (labels(4), numbers::<2>(4, 0.5), arr1(&[1.0f32, 2.0, 0.5, 0.0]));
        let loss = trainer.step((&x, &shift), &targets).unwrap();
        (loss.to_bits(), bits(trainer.model()))
    };
    assert_eq!(train(0.0), train(5.0));
    let wrong = joint_loss_fn(|[a, b], [target]| a.sum(1) + b.sum(1) - target.sum(1));
    let wrong = wrong.targets::<f32>([JointTarget::Like(2)]);
    let error = Trainer::new(Two::init(1), wrong, Sgd::new(0.1)).build().err().unwrap();
    assert_eq!(error.to_string(), "target 0 of the loss is that of output 2, but the loss takes 2 outputs: 0 to 1");
}

/// Batches of a data set of tuples are given as they come; weights of classes belong to their own loss.
#[test]
fn batches_of_tuples_train() {
    let (x, shift) = (numbers::<3>(40, 0.0), numbers::<2>(40, 2.0));
    let data = Dataset::new((x, shift), (labels(40), numbers::<2>(40, 0.5))).unwrap();
    let losses = (cross_entropy().weight(&[1.0, 2.0, 1.0, 0.5]), mse());
    let mut trainer = Trainer::new(Two::init(1), losses, Adam::default().lr(0.02)).batch(8).threads(1).build().unwrap();
    let first = trainer.evaluate(data.inputs(), data.targets()).unwrap();
    for epoch in 0..20 {
        for (x, y) in data.batches(8).shuffled(epoch) {
            trainer.step(&x, &y).unwrap();
        }
    }
    let last = trainer.evaluate(data.inputs(), data.targets()).unwrap();
    for (first, last) in first.outputs.iter().zip(&last.outputs) {
        assert!(last.loss < first.loss, "{first:?}, {last:?}");
    }
}

#[test]
fn mistakes_name_the_output_and_leave_the_model() {
    let losses = (cross_entropy(), mse());
    let mut trainer =
        Trainer::new(Two::init(1), losses, Sgd::new(0.1)).batch(4).threads(1).check_finite(true).build().unwrap();
    let before = bits(trainer.model());
    let mut check = |labels: Array1<u8>, places: Array2<f32>, expected: &str| {
        let x = (numbers::<3>(4, 0.0), numbers::<2>(4, 2.0));
        let errors = [trainer.step(&x, (&labels, &places)), trainer.evaluate(&x, (&labels, &places)).map(|_| 0.0)];
        for error in errors.map(|error| error.unwrap_err().to_string()) {
            assert_eq!(error, expected);
        }
        assert_eq!(bits(trainer.model()), before);
    };
    let good = || (labels(4), numbers::<2>(4, 0.0));
    check(
        good().0,
        numbers::<2>(3, 0.0),
        "the targets of `output1`: the targets should have the shape [4, 2], but have the shape [3, 2]",
    );
    check(
        arr1(&[0, 1, 4, 2]),
        good().1,
        "the targets of `scores`: label 4 at [2] is out of range: the model has 4 classes, 0 to 3",
    );
    let mut nan = good().1;
    nan[[1, 1]] = f32::NAN;
    check(good().0, nan, "the targets of `output1`: the target holds NaN at [1, 1]; expected finite numbers");
    let error = Trainer::new(Two::init(1), ((), ()), Sgd::new(0.1)).build().err().unwrap();
    assert_eq!(
        error.to_string(),
        "no output of the model has a loss: give one for an output at least, `(cross_entropy(), ())`"
    );
}
