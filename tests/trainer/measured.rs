//! Metrics, schedules and times in `fit`: what it measures is what accumulators say of predictions.

use std::time::Duration;

use kiln::checkpoints::Every;
use kiln::fit::Progress;
use kiln::metrics::{Accuracy, Auroc, F1Score, Metric, Metrics, Recall};
use kiln::prelude::*;
use ndarray::{Array1, Array2, Array3, Array4};

use crate::folder::Folder;

#[derive(Model)]
#[model(input = [4])]
struct Net {
    fc1: Linear<4, 8>,
    act: Tanh,
    fc2: Linear<8, 3>,
}

fn data(count: usize) -> Dataset<Array2<f32>, Array1<i32>> {
    let x = Array2::from_shape_fn((count, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
    let y = x.rows().into_iter().map(|row| i32::from(row[0] > row[1]) + i32::from(row[2] > row[3])).collect();
    Dataset::new(x, y).unwrap()
}

fn trainer() -> Trainer<Net, CrossEntropy, Sgd> {
    Trainer::new(Net::init(1), cross_entropy(), Sgd::new(0.1)).batch(8).threads(1).build().unwrap()
}

#[test]
fn metrics_are_those_of_the_predictions() {
    let (train, valid) = data(61).split_at(40);
    let mut fitted = trainer();
    let fit = fitted.fit(&train).epochs(3).validate(&valid).evaluate("train", &train).progress(Progress::Silent);
    let metrics = ("f1", Auroc::new(), "top_2_accuracy", Recall::new(), "confusion_matrix", "f1");
    let history = fit.metrics(metrics).early_stopping(EarlyStopping::new("f1").patience(9)).run().unwrap();
    for (group, data) in [("valid", &valid), ("train", &train)] {
        let predicted = fitted.predict(&data.images()).unwrap();
        let expect = |name: &str, metric: &mut dyn Metric| {
            metric.add(predicted.view().into_dyn(), &(&data.labels()).into()).unwrap();
            let found = history.last(&format!("{group}.{name}")).unwrap();
            assert_eq!((found.step, found.value), (15, metric.compute().unwrap()), "{group}.{name}");
        };
        expect("f1", &mut F1Score::new());
        expect("auroc", &mut Auroc::new());
        expect("top_2_accuracy", &mut Accuracy::new().top_k(2));
        expect("recall", &mut Recall::new());
        expect("accuracy", &mut Accuracy::new());
    }
    // The loss of the training set is that of its steps, before each of them.
    let steps: Vec<f64> = history.curve("step.loss")[10..].iter().map(|point| point.value).collect();
    assert_eq!(history.last("train.loss").unwrap().value, steps.iter().map(|loss| loss * 8.0).sum::<f64>() / 40.0);
    let matrix = history.confusion().unwrap().counts();
    assert_eq!((matrix.sum(), matrix.dim()), (21, (3, 3)));
}

#[test]
fn metrics_that_can_not_be_measured_are_errors() {
    let (train, valid) = data(24).split_at(16);
    let check = |metrics: &[&str], expected: &str| {
        let mut trainer = trainer();
        let fit = trainer.fit(&train).validate(&valid).progress(Progress::Silent);
        let error = fit.metrics(metrics.to_vec()).run().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&["f2"], "there is no metric `f2`: there are accuracy, ");
    check(&["top_0_accuracy"], "there is no metric `top_0_accuracy`");
    check(&["mae"], "MeanAbsoluteError takes numbers (f32) as targets, found labels (i32)");
    check(&["boxes.f1"], "the metric `boxes.f1` names no output that has targets of its own: there are `");
    let error = trainer().fit(&train).metrics(["f1"]).progress(Progress::Silent).run().unwrap_err().to_string();
    assert!(error.starts_with("`.metrics(..)` needs data"), "{error}");
}

model! {
    struct Placeholder {
        scores: Linear(4, 3),
        place: Linear(4, 2),
    }

    fn forward(x: [N, 4]) -> ([N, 3], [N, 2]) {
        (scores(x), place(x))
    }
}

#[derive(Model)]
#[model(input = [1, 4, 4])]
struct Pixels {
    conv: Conv2d<1, 3, 1>,
}

#[derive(Model)]
#[model(input = [4])]
struct Single {
    fc: Linear<4, 1>,
}

/// Several outputs, one label a pixel of which some do not count, numbers, two classes by one number.
#[test]
fn metrics_are_of_all_kinds_of_models() {
    let (x, labels) = (data(20).images().to_owned(), data(20).labels().to_owned());
    let place = x.slice(ndarray::s![.., ..2]).to_owned();
    let check = |found: Vec<(&str, f64)>, expected: &[(&str, f64)]| {
        for ((name, value), (expected_name, expected)) in found.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((value - expected).abs() < 1e-6, "{name}: {value}, expected {expected}");
        }
        assert_eq!(found.len(), expected.len());
    };
    let losses = (cross_entropy(), mse());
    let mut two = Trainer::new(Placeholder::init(0), losses, Sgd::new(0.1)).batch(8).threads(1).build().unwrap();
    let mut metrics = Metrics::new(("scores.f1", "place.mse", Accuracy::new().of("scores"))).unwrap();
    let found = two.evaluate_with(&x, (&labels, &place), &mut metrics).unwrap();
    let mut f1 = F1Score::new();
    f1.update(&two.predict(&x).unwrap().0, &labels).unwrap();
    let expected = [
        ("scores.f1", f1.compute().unwrap()),
        ("place.mse", f64::from(found.outputs[1].loss.unwrap())),
        ("scores.accuracy", found.outputs[0].accuracy.unwrap()),
    ];
    check(metrics.figures().collect(), &expected);
    let error = two.evaluate_with(&x, (&labels, &place), &mut Metrics::new(["f1"]).unwrap()).unwrap_err().to_string();
    assert!(error.contains("there are `scores`, `place`; name one"), "{error}");

    let images = Array4::from_shape_fn((5, 1, 4, 4), |(n, _, y, x)| ((n * 16 + y * 4 + x) as f32).sin());
    let pixels = Array3::from_shape_fn(
        (5, 4, 4),
        |(n, y, x)| if (n + y + x) % 4 == 3 { -100 } else { ((n + y + x) % 4) as i32 },
    );
    let mut of_pixels =
        Trainer::new(Pixels::init(0), cross_entropy(), Sgd::new(0.1)).batch(2).threads(1).build().unwrap();
    let mut metrics = Metrics::new(["accuracy", "confusion_matrix"]).unwrap();
    let found = of_pixels.evaluate_with(&images, &pixels, &mut metrics).unwrap();
    let accuracy = found.accuracy.unwrap();
    check(metrics.figures().collect(), &[("accuracy", accuracy), ("confusion_matrix", accuracy)]);
    assert_eq!(
        metrics.confusion().unwrap().counts().sum() as usize,
        pixels.iter().filter(|&&label| label >= 0).count()
    );

    let yes = x.slice(ndarray::s![.., ..1]).mapv(|x| f32::from(x > 0.2));
    let mut binary =
        Trainer::new(Single::init(0), bce_with_logits(), Sgd::new(0.1)).batch(8).threads(1).build().unwrap();
    let mut metrics = Metrics::new(["auroc", "mae", "r2"]).unwrap();
    binary.evaluate_with(&x, &yes, &mut metrics).unwrap();
    let mut auroc = Auroc::new();
    auroc.update(&binary.predict(&x).unwrap(), &yes.mapv(|yes| yes as i32)).unwrap();
    assert_eq!(metrics.figures().next(), Some(("auroc", auroc.compute().unwrap())));
    assert_eq!(metrics.names().collect::<Vec<_>>(), ["auroc", "mae", "r2"]);
}

#[test]
fn a_schedule_of_fit_is_one_of_the_optimizer() {
    let train = data(40);
    let bits = |fit: bool, own: bool| {
        let sgd = Sgd::new(0.1).momentum(0.9);
        let schedule = || StepLR::new(2).gamma(0.5).every(5);
        let sgd = if own { sgd.schedule(schedule()) } else { sgd };
        let mut trainer = Trainer::new(Net::init(1), cross_entropy(), sgd).batch(8).threads(1).build().unwrap();
        let mut fitted = trainer.fit(&train).epochs(6).progress(Progress::Silent);
        if fit {
            fitted = fitted.schedule(schedule());
        }
        let history = fitted.run().unwrap();
        let rates: Vec<f64> = history.curve("learning_rate").iter().map(|point| point.value).collect();
        (trainer.model().fc1.weight.value.mapv(f32::to_bits), rates)
    };
    let expected = bits(false, true);
    assert_eq!(expected.1, [0.1f32, 0.05, 0.05, 0.025, 0.025, 0.0125].map(f64::from));
    assert_eq!(bits(true, false), expected);
    assert_eq!(bits(true, true), expected, "it takes the place of the optimizer's own");
    assert_ne!(bits(false, false), expected);
    let error = trainer().fit(&train).schedule(OneCycleLR::new(0.5, 30)).run().unwrap_err().to_string();
    assert!(error.contains(".cycle_momentum(false)"), "{error}");
}

/// Checkpoints by the clock: one is written when the time is over, after the step that is then done.
#[test]
fn checkpoints_come_by_the_clock() {
    let folder = Folder::new("by-the-clock");
    let train = data(40);
    let run = |every: Duration, pause: Duration, name: &str| {
        let path = folder.path(name);
        let mut trainer = trainer();
        let mut steps = 0;
        let fit = kiln::fit(&mut trainer, &train, |trainer, (x, y)| {
            steps += 1;
            std::thread::sleep(if steps == 3 { pause } else { Duration::ZERO });
            trainer.step(x, y)
        });
        let checkpoints = Checkpoints::new(&path).every(Every::Time(every)).keep(9);
        fit.checkpoint(checkpoints).progress(Progress::Silent).run().unwrap();
        let mut names: Vec<String> =
            std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.ends_with("safetensors"));
        names.sort();
        names
    };
    let files = |steps: &[u64]| steps.iter().map(|step| format!("step-{step:09}.safetensors")).collect::<Vec<_>>();
    assert_eq!(run(Duration::from_secs(3600), Duration::ZERO, "never"), files(&[5]));
    assert_eq!(run(Duration::ZERO, Duration::ZERO, "always"), files(&[1, 2, 3, 4, 5]));
    let found = run(Duration::from_millis(400), Duration::from_millis(450), "once");
    assert!(found.contains(&files(&[3])[0]) && found.contains(&files(&[5])[0]), "{found:?}");
}
