//! Training, evaluating and predicting through the public interface: bad input, batch sizes, threads, determinism.

#[path = "trainer/evaluation.rs"]
mod evaluation;
#[path = "trainer/extents.rs"]
mod extents;
#[path = "trainer/fit.rs"]
mod fit;
#[path = "common/folder.rs"]
mod folder;
#[path = "trainer/full.rs"]
mod full;
#[path = "trainer/inputs.rs"]
mod inputs;
#[path = "trainer/logged.rs"]
mod logged;
#[path = "trainer/measured.rs"]
mod measured;
#[path = "trainer/memory.rs"]
mod memory;
#[path = "trainer/numerics.rs"]
mod numerics;
#[path = "trainer/outputs.rs"]
mod outputs;
#[path = "trainer/panics.rs"]
mod panics;
#[path = "trainer/reported.rs"]
mod reported;
#[path = "trainer/sharing.rs"]
mod sharing;
#[path = "common/small_disk.rs"]
mod small_disk;
#[path = "trainer/summaries.rs"]
mod summaries;
#[path = "trainer/targets.rs"]
mod targets;
#[path = "trainer/training.rs"]
mod training;

use kiln::prelude::*;
use ndarray::{Array1, Array2, Array4, ArrayD, ArrayView1, Axis, arr0, array, s};

use folder::Folder;

#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Small {
    #[model(padding = 1)]
    conv: Conv2d<1, 4, 3>,
    act: ReLU,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc: Linear<64, 3>,
}

#[derive(Model)]
#[model(input = [4])]
struct Regression {
    fc1: Linear<4, 8>,
    act: Tanh,
    fc2: Linear<8, 2>,
}

/// Noise, and a bright row that the class decides.
fn images(count: usize) -> Array4<f32> {
    Array4::from_shape_fn((count, 1, 8, 8), |(n, _, y, x)| {
        ((n * 64 + y * 8 + x) as f32 * 0.37).sin() + f32::from(y as u8 == 2 + (n % 3) as u8)
    })
}

fn labels(count: usize) -> Array1<i32> {
    (0..count as i32).map(|n| n % 3).collect()
}

fn trainer(batch: usize, threads: usize) -> Trainer<Small, CrossEntropy, Adam> {
    Trainer::new(Small::init(1), cross_entropy(), Adam::default()).batch(batch).threads(threads).build().unwrap()
}

/// The bits of all parameters.
fn bits(model: &impl Parameters) -> Vec<(String, Vec<u32>)> {
    let mut all = Vec::new();
    model.each_parameter(&mut |name, parameter| {
        all.push((name.to_string(), parameter.value.iter().map(|value| value.to_bits()).collect()));
    });
    all
}

#[test]
fn training_lowers_the_loss() {
    let (x, y) = (images(16), labels(16));
    let adam = Adam::default().lr(0.02);
    let mut trainer = Trainer::new(Small::init(1), cross_entropy(), adam).batch(16).threads(1).build().unwrap();
    let losses: Vec<f32> = (0..60).map(|_| trainer.step(&x, &y).unwrap()).collect();
    assert!(losses[59] < losses[0] / 2.0, "{losses:?}");
    let evaluation = trainer.evaluate(&x, &y).unwrap();
    assert!(evaluation.loss < losses[59]);
    assert_eq!(evaluation.accuracy, Some(1.0));
    // A prediction and an evaluation change nothing.
    let before = bits(trainer.model());
    trainer.predict(&x).unwrap();
    assert_eq!(bits(&trainer.into_model()), before);
}

/// What a bad call says, after a check that it changed nothing.
fn refused(
    call: impl FnOnce(&mut Trainer<Small, CrossEntropy, Adam>) -> Result<f32, TrainError>,
    expected: &str,
) -> TrainError {
    let mut trainer =
        Trainer::new(Small::init(1), cross_entropy(), Adam::default()).batch(8).check_finite(true).build().unwrap();
    trainer.step(&images(8), &labels(8)).unwrap();
    let before = bits(trainer.model());
    let error = call(&mut trainer).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(bits(trainer.model()), before, "the model changed although {error}");
    error
}

#[test]
fn bad_batches_are_refused() {
    let error = refused(
        |t| t.step(&Array4::zeros((8, 1, 8, 9)), &labels(8)),
        "the model takes samples of the shape [N, 1, 8, 8], but the batch has the shape [8, 1, 8, 9]",
    );
    assert!(
        matches!(error, TrainError::InputShape { expected, found } if expected == Small::INPUT && found == [8, 1, 8, 9])
    );
    refused(
        |t| t.step(&Array2::zeros((8, 64)), &labels(8)),
        "the model takes samples of the shape [N, 1, 8, 8], but the batch has the shape [8, 64]",
    );
    refused(
        |t| t.step(&arr0(1.0), &labels(1)),
        "the model takes samples of the shape [N, 1, 8, 8], but the batch has the shape []",
    );
    let error =
        refused(|t| t.step(&images(8), &labels(7)), "the targets should have the shape [8], but have the shape [7]");
    assert!(matches!(error, TrainError::TargetShape { .. }));
    let error = refused(|t| t.step(&images(0), &labels(0)), "there is no sample: the input has the shape [0, 1, 8, 8]");
    assert!(matches!(error, TrainError::Empty { .. }));
    let error = refused(
        |t| t.step(&images(9), &labels(9)),
        "a step takes at most 8 samples, but got 9; build the trainer with .batch(9)",
    );
    assert!(matches!(error, TrainError::BatchTooLarge { batch: 8, found: 9 }));
}

#[test]
fn labels_out_of_range_are_refused() {
    let check = |label: i64| {
        let expected = format!("label {label} at [5] is out of range: the model has 3 classes, 0 to 2");
        let error = refused(
            |t| {
                let mut y = labels(8).mapv(i64::from);
                y[5] = label;
                t.step(&images(8), &y)
            },
            &expected,
        );
        assert!(
            matches!(error, TrainError::Label { place, found, classes: 3 } if place == [5] && found == i128::from(label))
        );
    };
    check(3);
    check(-1);
    check(i64::from(i32::MAX) + 1 + 2);
    check(i64::MIN);
    refused(
        |t| t.evaluate(&images(20), &vec![9u8; 20]).map(|e| e.loss),
        "label 9 at [0] is out of range: the model has 3 classes, 0 to 2",
    );
}

#[test]
fn the_ignored_label_is_allowed_and_does_not_count() {
    let mut trainer = trainer(8, 1);
    let y = [0, 1, 2, 0, -100, -100, -100, -100];
    let all = trainer.evaluate(&images(8), &y).unwrap();
    let first = trainer.evaluate(&images(8).slice(s![..4, .., .., ..]), &y[..4]).unwrap();
    assert!((all.loss - first.loss).abs() < 1e-6, "{all:?} {first:?}");
    assert_eq!(all.accuracy, first.accuracy);
    trainer.step(&images(8), &y).unwrap();
}

#[test]
fn nan_is_refused_where_asked() {
    let with = |value: f32| {
        let mut x = images(8);
        x[[2, 0, 3, 1]] = value;
        x
    };
    let error = refused(
        |t| t.step(&with(f32::NAN), &labels(8)),
        "the input holds NaN at [2, 0, 3, 1]; expected finite numbers",
    );
    assert!(matches!(error, TrainError::NotFinite { what: "input", index, .. } if index == [2, 0, 3, 1]));
    refused(
        |t| t.step(&with(f32::NEG_INFINITY), &labels(8)),
        "the input holds -inf at [2, 0, 3, 1]; expected finite numbers",
    );
    refused(
        |t| t.predict(&with(f32::INFINITY)).map(|_| 0.0),
        "the input holds inf at [2, 0, 3, 1]; expected finite numbers",
    );
    // Where nobody asked, the loss tells.
    assert!(trainer(8, 1).step(&with(f32::NAN), &labels(8)).unwrap().is_nan());

    let mut regression =
        Trainer::new(Regression::init(1), mse(), Sgd::default()).batch(2).check_finite(true).build().unwrap();
    let error = regression.step(&Array2::zeros((2, 4)), &array![[0.0, 1.0], [f32::NAN, 0.0]]).unwrap_err();
    assert_eq!(error.to_string(), "the target holds NaN at [1, 0]; expected finite numbers");
    let error = regression.step(&Array2::zeros((2, 4)), &Array2::<f32>::zeros((2, 3))).unwrap_err();
    assert_eq!(error.to_string(), "the targets should have the shape [2, 2], but have the shape [2, 3]");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let builder = || Trainer::new(Small::init(1), cross_entropy(), Adam::default());
    let check = |error: Result<Trainer<Small, CrossEntropy, Adam>, TrainError>, expected: &str| {
        assert_eq!(error.expect_err("this should be refused").to_string(), expected);
    };
    check(builder().batch(0).build(), "batch should be at least 1, but is 0");
    check(builder().threads(0).build(), "threads should be at least 1, but is 0");
    let adam = Trainer::new(Small::init(1), cross_entropy(), Adam::default().betas(0.9, 1.5));
    assert!(matches!(adam.build().err(), Some(TrainError::Graph(_))));
    let loss = Trainer::new(Small::init(1), cross_entropy().reduction(Reduction::None), Adam::default());
    assert!(matches!(loss.build().err(), Some(TrainError::Graph(_))));

    let mut trainer = trainer(8, 1);
    for rate in [-1e-3, f32::NAN, f32::INFINITY] {
        let error = trainer.set_learning_rate(rate).unwrap_err();
        assert!(matches!(error, TrainError::LearningRate { .. }), "{error}");
    }
}

/// Settings of optimizers, and whether they are taken: where PyTorch refuses one, or an f32 does not hold it, it is not.
#[test]
fn settings_of_optimizers_are_checked() {
    fn check(optimizer: impl Optimizer, expected: Option<&str>) {
        let found = optimizer.check().map_err(|error| error.to_string());
        assert_eq!(found.err().as_deref(), expected);
    }
    let not_negative = |owner: &str, setting: &str, value: f64| {
        format!("{owner}: {setting} = {value}, but must be a finite number of at least 0")
    };
    for value in [-0.1, f64::NAN, f64::INFINITY, 1e39, f64::NEG_INFINITY] {
        let expected = |owner: &str, setting: &str| not_negative(owner, setting, value);
        check(Sgd::new(value), Some(&expected("Sgd", "lr")));
        check(Sgd::new(0.1).momentum(value), Some(&expected("Sgd", "momentum")));
        check(Sgd::new(0.1).weight_decay(value), Some(&expected("Sgd", "weight_decay")));
        check(Adam::new(value), Some(&expected("Adam", "lr")));
        check(Adam::new(0.1).eps(value), Some(&expected("Adam", "eps")));
        check(AdamW::new(0.1).weight_decay(value), Some(&expected("AdamW", "weight_decay")));
        check(RMSprop::new(value), Some(&expected("RMSprop", "lr")));
        check(RMSprop::new(0.1).alpha(value), Some(&expected("RMSprop", "alpha")));
        check(RMSprop::new(0.1).eps(value), Some(&expected("RMSprop", "eps")));
        check(RMSprop::new(0.1).momentum(value), Some(&expected("RMSprop", "momentum")));
    }
    for value in [-0.1, 1.0, f64::NAN] {
        let expected = |which| format!("AdamW: betas.{which} = {value}, but must be at least 0 and below 1");
        check(AdamW::default().betas(value, 0.9), Some(&expected(0)));
        check(AdamW::default().betas(0.9, value), Some(&expected(1)));
    }
    let damped = Sgd::new(0.1).momentum(0.9).dampening(f64::NAN);
    check(damped, Some("Sgd: dampening = NaN, but must be a finite number"));
    let still = Sgd::new(0.1).nesterov(true);
    check(still, Some("Sgd: momentum = 0, but must be above 0 with `nesterov`"));
    let damped = Sgd::new(0.1).momentum(0.9).dampening(0.1).nesterov(true);
    check(damped, Some("Sgd: dampening = 0.1, but must be 0 with `nesterov`"));
    check(Sgd::new(0.0).momentum(2.0).dampening(-0.5), None);
    check(Adam::new(0.0).betas(0.0, 0.0).eps(0.0), None);
    check(RMSprop::new(0.0).alpha(2.0), None);
}

/// As PyTorch, with a momentum of any size.
#[test]
fn the_momentum_of_a_batch_norm_may_be_any_number() {
    model! {
        struct Norm {
            more: BatchNorm1d(1, momentum = 1.5),
            back: BatchNorm1d(1, momentum = -0.5),
        }

        step run(x: [N, 1]) -> (a, b) {
            let a = more(x);
            let b = back(x);
        }
    }
    let mut trainer = Norm::init(0).trainer().batch(2).threads(1).build().unwrap();
    trainer.run(&array![[1.0], [3.0]]).unwrap();
    // The batch has the mean 2 and the unbiased variance 2; before they are 0 and 1.
    let running = |norm: &BatchNorm1d<1>| {
        let (mean, variance) = (&norm.running().unwrap()[0].value, &norm.running().unwrap()[1].value);
        [mean[[0]], variance[[0]]]
    };
    let model = trainer.model();
    assert_eq!((running(&model.more), running(&model.back)), ([3.0, 2.5], [-1.0, 0.5]));
}

#[test]
fn the_learning_rate_can_be_set_between_steps() {
    let (x, y) = (images(8), labels(8));
    let mut trainer = trainer(8, 1);
    trainer.step(&x, &y).unwrap();
    let before = bits(trainer.model());
    trainer.set_learning_rate(0.0).unwrap();
    trainer.step(&x, &y).unwrap();
    assert_eq!(bits(trainer.model()), before);
    trainer.set_learning_rate(1e-3).unwrap();
    trainer.step(&x, &y).unwrap();
    assert_ne!(bits(trainer.model()), before);
}

#[test]
fn a_smaller_batch_gives_what_a_trainer_of_its_size_gives() {
    let (x, y) = (images(5), labels(5));
    let mut large = trainer(8, 1);
    let mut exact = trainer(5, 1);
    for _ in 0..3 {
        let (a, b) = (large.step(&x, &y).unwrap(), exact.step(&x, &y).unwrap());
        assert!((a - b).abs() <= 1e-5 * b.abs(), "{a} {b}");
    }
    let (a, b) = (large.predict(&x).unwrap(), exact.predict(&x).unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{a} {b}");
    // Optimizer state is shared by all sizes: full batches go on where the small ones ended.
    let mut mixed = trainer(8, 1);
    let losses = [8, 5, 8, 5].map(|n| mixed.step(&images(n), &labels(n)).unwrap());
    assert!(losses[2] < losses[0] && losses[3] < losses[1], "{losses:?}");
}

#[test]
fn any_number_of_samples_is_predicted_and_evaluated() {
    let mut trainer = trainer(8, 1);
    let (x, y) = (images(21), labels(21));
    let scores = trainer.predict(&x).unwrap();
    assert_eq!(scores.shape(), [21, 3]);
    for n in [0, 7, 8, 20] {
        let single = trainer.predict(&x.slice(s![n..n + 1, .., .., ..])).unwrap();
        let batch = scores.index_axis(Axis(0), n);
        assert!(single.iter().zip(&batch).all(|(a, b)| (a - b).abs() < 1e-5), "{n}: {single} {batch}");
    }
    let evaluation = trainer.evaluate(&x, &y).unwrap();
    let rows = scores.outer_iter().zip(&y);
    let loss = |(row, &label): (ndarray::ArrayViewD<'_, f32>, &i32)| {
        row.mapv(|v| f64::from(v).exp()).sum().ln() - f64::from(row[label as usize])
    };
    let expected = rows.map(loss).sum::<f64>() / 21.0;
    assert!((f64::from(evaluation.loss) - expected).abs() < 1e-5, "{evaluation:?} {expected}");
    let summed = Trainer::new(Small::init(1), cross_entropy().reduction(Reduction::Sum), Adam::default());
    let evaluation = summed.batch(8).build().unwrap().evaluate(&x, &y).unwrap();
    assert!((f64::from(evaluation.loss) - expected).abs() < 1e-5, "{evaluation:?} {expected}");
}

#[test]
fn inputs_and_labels_may_be_of_many_types_and_layouts() {
    let (x, y) = (images(8), labels(8));
    let expected = trainer(8, 1).step(&x, &y).unwrap().to_bits();
    let check = |loss: Result<f32, TrainError>| assert_eq!(loss.unwrap().to_bits(), expected);
    check(trainer(8, 1).step(&x.view(), &y.view()));
    check(trainer(8, 1).step(&x.clone().into_dyn(), &y.mapv(i64::from).into_dyn()));
    check(trainer(8, 1).step(&x.to_shared(), &y.mapv(|l| l as usize)));
    check(trainer(8, 1).step(&x, &y.mapv(|l| l as u8).to_vec()));
    check(trainer(8, 1).step(&x, y.as_slice().unwrap()));
    check(trainer(8, 1).step(&x, &ArrayView1::from(&[0, 1, 2, 0, 1, 2, 0, 1])));
    let channels_last = x.view().permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
    check(trainer(8, 1).step(&channels_last.view().permuted_axes([0, 3, 1, 2]), &y));
    let wide = ArrayD::from_shape_fn(vec![8, 1, 8, 16], |i| x[[i[0], i[1], i[2], i[3] / 2]]);
    check(trainer(8, 1).step(&wide.slice(s![.., .., .., ..;2]), &y));
}

#[test]
fn one_and_two_threads_give_the_same_bits() {
    let (x, y) = (images(24), labels(24));
    let run = |threads| {
        let mut trainer = trainer(24, threads);
        let losses: Vec<u32> = (0..5).map(|_| trainer.step(&x, &y).unwrap().to_bits()).collect();
        (losses, bits(&trainer.into_model()))
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn a_seed_decides_everything() {
    let run = |seed: u64| {
        let mut trainer = Trainer::new(Small::init(seed), cross_entropy(), Sgd::default().lr(0.1).momentum(0.9))
            .batch(8)
            .build()
            .unwrap();
        let data = Dataset::new(images(30).into_dyn(), labels(30)).unwrap();
        for (x, y) in data.batches(8).shuffled(seed) {
            trainer.step(&x, &y).unwrap();
        }
        bits(&trainer.into_model())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_saved_model_predicts_the_same_bits() {
    let (x, y) = (images(20), labels(20));
    let mut trainer = trainer(20, 1);
    trainer.step(&x, &y).unwrap();
    let folder = Folder::new("trainer");
    let path = folder.path("small.safetensors");
    trainer.model().save(&path).unwrap();
    let mut fresh = Small::init(99);
    fresh.load(&path).unwrap();
    let predictor = Predictor::new(fresh).batch(20).build().unwrap();
    let same = |a: ArrayD<f32>, b: ArrayD<f32>| a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(same(trainer.predict(&x).unwrap(), predictor.predict(&x).unwrap()));
}

fn copy(model: &Small) -> Small {
    let mut values = Vec::new();
    model.visit(&mut Path::new(), &mut |_, parameter| values.push(parameter.value.clone()));
    let (mut copy, mut values) = (Small::init(99), values.into_iter());
    copy.visit_mut(&mut Path::new(), &mut |_, parameter| parameter.value = values.next().unwrap());
    copy
}

/// Predictions keep what they make of the parameters; whatever changes these is seen.
#[test]
fn predictions_follow_the_training() {
    let (x, y) = (images(20), labels(20));
    let adam = Adam::default().lr(0.01);
    let mut trainer = Trainer::new(Small::init(1), cross_entropy(), adam).batch(16).threads(2).build().unwrap();
    let mut before = ArrayD::zeros(vec![20, 3]);
    for step in 0..5 {
        let rows = if step % 2 == 0 { 16 } else { 5 };
        trainer.step(&x.slice(s![..rows, .., .., ..]), &y.slice(s![..rows])).unwrap();
        // Programs of 16 and of 4 samples.
        let found = trainer.predict(&x).unwrap();
        assert_ne!(found, before);
        assert_eq!(trainer.predict(&x).unwrap(), found);
        let evaluation = trainer.evaluate(&x, &y).unwrap();
        assert_eq!(trainer.evaluate(&x, &y).unwrap(), evaluation);
        let adam = Adam::default();
        let mut other = Trainer::new(copy(trainer.model()), cross_entropy(), adam).batch(16).build().unwrap();
        assert_eq!(other.evaluate(&x, &y).unwrap(), evaluation);
        let predictor = Predictor::new(copy(trainer.model())).batch(16).build().unwrap();
        assert_eq!(predictor.predict(&x).unwrap(), found);
        before = found;
    }
}

#[test]
fn numbers_are_targets_of_regression() {
    let x = Array2::from_shape_fn((12, 4), |(i, j)| ((i * 4 + j) as f32 * 0.7).sin());
    let y = Array2::from_shape_fn((12, 2), |(i, j)| x[[i, j]] * x[[i, j + 1]]);
    let mut trainer = Trainer::new(Regression::init(3), mse(), Adam::default().lr(0.02)).batch(12).build().unwrap();
    let first = trainer.step(&x, &y).unwrap();
    for _ in 0..100 {
        trainer.step(&x, &y).unwrap();
    }
    let evaluation = trainer.evaluate(&x, &y).unwrap();
    assert!(evaluation.loss < first / 10.0, "{first} {evaluation:?}");
    assert_eq!(evaluation.accuracy, None);

    let y = y.mapv(|v| f32::from(v > 0.0));
    let mut trainer = Trainer::new(Regression::init(3), bce_with_logits(), Adam::default()).batch(12).build().unwrap();
    let first = trainer.step(&x, &y).unwrap();
    assert!((first - std::f32::consts::LN_2).abs() < 0.2, "{first}");
}

/// Services train and predict on threads of their own.
#[test]
fn trainers_and_predictors_can_be_sent() {
    fn sent<T: Send>(_: &T) {}
    sent(&trainer(1, 1));
    sent(&Predictor::new(Small::init(1)).batch(1).build().unwrap());
}

#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Normalized {
    #[model(padding = 1)]
    conv: Conv2d<1, 4, 3>,
    norm: BatchNorm2d<4>,
    act: ReLU,
    flatten: Flatten,
    fc: Linear<256, 3>,
    #[model(momentum = None)]
    last: BatchNorm1d<3>,
}

fn normalized(batch: usize) -> Trainer<Normalized, CrossEntropy, Adam> {
    Trainer::new(Normalized::init(1), cross_entropy(), Adam::default().lr(0.02)).batch(batch).build().unwrap()
}

/// The values of a parameter.
fn values(model: &impl Layer, wanted: &str) -> Vec<f32> {
    let mut all = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        if name == wanted {
            all.extend(parameter.value.iter());
        }
    });
    all
}

#[test]
fn batch_norm_keeps_the_statistics_of_the_batches() {
    let (x, y) = (images(16), labels(16));
    let mut trainer = normalized(16);
    // What the first batch is after the convolution, in f64.
    let model = Normalized::init(1);
    let [weight, bias] = ["conv.weight", "conv.bias"].map(|name| values(&model, name));
    let mut outputs = vec![Vec::new(); 4];
    for (n, channel, row, column) in ndarray::indices((16, 4, 8, 8)) {
        let mut sum = f64::from(bias[channel]);
        for (u, v) in ndarray::indices((3, 3)) {
            let (row, column) = ((row + u).wrapping_sub(1), (column + v).wrapping_sub(1));
            let pixel = x.get((n, 0, row, column)).copied().unwrap_or(0.0);
            sum += f64::from(weight[channel * 9 + u * 3 + v]) * f64::from(pixel);
        }
        outputs[channel].push(sum);
    }
    trainer.step(&x, &y).unwrap();
    let [means, variances] = ["norm.running_mean", "norm.running_var"].map(|name| values(trainer.model(), name));
    for (channel, outputs) in outputs.iter().enumerate() {
        let count = outputs.len() as f64;
        let mean = outputs.iter().sum::<f64>() / count;
        let variance = outputs.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        assert!((f64::from(means[channel]) - 0.1 * mean).abs() < 1e-5, "{means:?} {mean}");
        assert!((f64::from(variances[channel]) - (0.9 + 0.1 * variance)).abs() < 1e-5, "{variances:?} {variance}");
    }

    let losses: Vec<f32> = (0..40).map(|_| trainer.step(&x, &y).unwrap()).collect();
    assert!(losses[39] < losses[0] / 2.0, "{losses:?}");
    assert_eq!(values(trainer.model(), "norm.num_batches_tracked"), [41.0]);
    // Evaluation takes the running statistics: a sample's scores do not depend on its companions, and nothing changes.
    let before = bits(trainer.model());
    assert_eq!(trainer.evaluate(&x, &y).unwrap().accuracy, Some(1.0));
    let together = trainer.predict(&x).unwrap();
    let alone = trainer.predict(&x.slice(s![3..4, .., .., ..]).to_owned()).unwrap();
    for (alone, together) in alone.iter().zip(together.index_axis(Axis(0), 3)) {
        assert!((alone - together).abs() < 1e-5, "{alone} {together}");
    }
    assert_eq!(bits(trainer.model()), before);

    // Running statistics are no parameters.
    assert_eq!(trainer.summary().unwrap().parameters(), 40 + 8 + 771 + 6);

    // A file holds the statistics, the number of batches as PyTorch's i64.
    let folder = Folder::new("trainer-norm");
    let path = folder.path("normalized.safetensors");
    trainer.model().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let count = file.tensor("last.num_batches_tracked").unwrap();
    assert_eq!(
        (count.dtype(), count.shape(), count.data()),
        (safetensors::Dtype::I64, &[][..], &41i64.to_le_bytes()[..])
    );
    let mut loaded = Normalized::init(2);
    loaded.load(&path).unwrap();
    assert_eq!(bits(&loaded), before);
    let predictor = Predictor::new(loaded).batch(16).build().unwrap();
    assert_eq!(predictor.predict(&x).unwrap(), together);
}

#[test]
fn one_value_for_each_channel_is_no_batch() {
    let (x, y) = (images(1), labels(1));
    let mut trainer = normalized(8);
    trainer.step(&images(8), &labels(8)).unwrap();
    let before = bits(trainer.model());
    let error = trainer.step(&x, &y).unwrap_err();
    let expected = "in layer last: it needs two or more values for each channel to normalize a batch, but its input has shape \
                    [1, 3]: make the batch larger (`.batch(..)` of the builder), or, where it is the last one of the data, \
                    leave it out (`batches(..).drop_last()`)";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert_eq!(bits(trainer.model()), before);
    trainer.evaluate(&x, &y).unwrap();
    // The way out that it names.
    let data = Dataset::new(images(17).into_dyn(), labels(17)).unwrap();
    for (x, y) in data.batches(8).drop_last() {
        trainer.step(&x, &y).unwrap();
    }
}
