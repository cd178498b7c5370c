//! Metrics against scikit-learn's figures, in batches of any size and order; what they say to wrong input.

#[path = "metrics/figures.rs"]
mod figures;

use kiln::metrics::{
    Accuracy, Auroc, Average, ConfusionMatrix, F1Score, MeanAbsoluteError, MeanSquaredError, Metric, MetricError,
    MetricTargets, Perplexity, Precision, R2Score, Recall,
};
use ndarray::{Array1, Array2, Array3, Axis, array, concatenate, s};

/// Scores in eighths, so that some are equal, and labels: those that the figures were computed for.
fn case(classes: usize, samples: usize, seed: u64) -> (Array2<f32>, Array1<i32>) {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let scores = Array2::from_shape_simple_fn((samples, classes), || next(16) as f32 / 8.0);
    (scores, Array1::from_shape_simple_fn(samples, || next(classes as u64) as i32))
}

fn of_classes() -> Vec<Box<dyn Metric>> {
    vec![
        Box::new(Accuracy::new()),
        Box::new(Precision::new()),
        Box::new(Precision::new().average(Average::Micro)),
        Box::new(Precision::new().average(Average::Weighted)),
        Box::new(Recall::new()),
        Box::new(Recall::new().average(Average::Micro)),
        Box::new(Recall::new().average(Average::Weighted)),
        Box::new(F1Score::new()),
        Box::new(F1Score::new().average(Average::Micro)),
        Box::new(F1Score::new().average(Average::Weighted)),
        Box::new(Accuracy::new().top_k(2)),
        Box::new(Auroc::new()),
        Box::new(Perplexity::new()),
        Box::new(ConfusionMatrix::new()),
    ]
}

fn of_numbers() -> Vec<Box<dyn Metric>> {
    vec![Box::new(MeanAbsoluteError::new()), Box::new(MeanSquaredError::new()), Box::new(R2Score::new())]
}

/// Both sides sum in `f64`, in other orders.
fn assert_near(found: Option<f64>, expected: f64, what: &str) {
    let found = found.unwrap_or(f64::NAN);
    assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{what}: {found}, expected {expected}");
}

/// Whole, in batches of 1, 3 and 16, each in order and from the last to the first.
fn check<'a, T: Clone>(
    metric: &mut dyn Metric,
    (scores, targets): (&Array2<f32>, &'a ndarray::ArrayD<T>),
    (name, expected): (&str, f64),
) where
    MetricTargets<'a>: From<ndarray::ArrayViewD<'a, T>>,
{
    assert_eq!(metric.name(), name);
    for (size, reversed) in [(usize::MAX, false), (1, false), (3, false), (3, true), (16, true)] {
        metric.reset();
        assert_eq!(metric.compute(), None, "{name} of nothing");
        let starts: Vec<usize> = (0..scores.nrows()).step_by(size).collect();
        let starts: Vec<usize> = if reversed { starts.into_iter().rev().collect() } else { starts };
        for start in starts {
            let end = start.saturating_add(size).min(scores.nrows());
            let targets = targets.slice_axis(Axis(0), (start..end).into());
            metric.add(scores.slice(s![start..end, ..]).into_dyn(), &targets.into()).unwrap();
        }
        assert_near(metric.compute(), expected, &format!("{name} in batches of {size}"));
    }
}

#[test]
fn figures_are_scikit_learns() {
    for (classes, samples, seed, expected) in figures::CLASSES {
        let (scores, labels) = case(classes, samples, seed);
        for (metric, expected) in of_classes().iter_mut().zip(expected) {
            check(metric.as_mut(), (&scores, &labels.clone().into_dyn()), expected);
        }
    }
    for (samples, outputs, seed, expected) in figures::NUMBERS {
        let (predictions, _) = case(outputs, samples, seed);
        let targets = case(outputs, samples, seed + 100).0 * 3.0 - 1.0;
        for (metric, expected) in of_numbers().iter_mut().zip(expected) {
            check(metric.as_mut(), (&predictions, &targets.clone().into_dyn()), expected);
        }
    }
}

#[test]
fn accumulators_of_parts_are_merged() {
    let (scores, labels) = case(3, 60, 11);
    let numbers = case(3, 60, 12).0;
    let parts = [0..7, 7..7, 7..40, 40..60];
    macro_rules! check_merge {
        ($new:expr, $targets:expr $(, $unwrap:ident)?) => {{
            let fed = |range: std::ops::Range<usize>| {
                let mut metric = $new;
                metric.update(&scores.slice(s![range.clone(), ..]), &$targets.slice_axis(Axis(0), range.into())).unwrap();
                metric
            };
            for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
                let mut all = $new;
                for part in order {
                    all.merge(&fed(parts[part].clone()))$(.$unwrap())?;
                }
                assert_near(all.compute(), fed(0..60).compute().unwrap(), &all.name());
            }
        }};
    }
    check_merge!(Accuracy::new(), labels);
    check_merge!(Precision::new(), labels, unwrap);
    check_merge!(Recall::new().average(Average::Weighted), labels, unwrap);
    check_merge!(F1Score::new().average(Average::Micro), labels, unwrap);
    check_merge!(ConfusionMatrix::new(), labels, unwrap);
    check_merge!(Auroc::new(), labels, unwrap);
    check_merge!(Perplexity::new(), labels);
    check_merge!(MeanAbsoluteError::new(), numbers);
    check_merge!(MeanSquaredError::new(), numbers);
    check_merge!(R2Score::new(), numbers, unwrap);
    let error = MetricError::Count { metric: "R2Score", expected: 3, found: 1 };
    let mut of_three = R2Score::new();
    of_three.update(&scores, &numbers).unwrap();
    let mut of_one = R2Score::new();
    of_one.update(&array![1.0, 2.0], &array![1.0f32, 2.0]).unwrap();
    assert_eq!(of_three.merge(&of_one), Err(error));
}

#[test]
fn labels_that_are_ignored_change_nothing() {
    let (scores, labels) = case(3, 40, 13);
    let both = concatenate![Axis(0), scores, scores.slice(s![..9, ..])];
    let with = concatenate![Axis(0), labels, Array1::from_elem(9, -100)];
    macro_rules! check_ignored {
        ($($new:expr),*) => {$({
            let (mut metric, mut ignoring) = ($new, $new.ignore_index(-100));
            metric.update(&scores, &labels).unwrap();
            ignoring.update(&both, &with).unwrap();
            assert_near(ignoring.compute(), metric.compute().unwrap(), &metric.name());
            let error = metric.update(&both, &with).unwrap_err();
            assert!(matches!(error, MetricError::Label { label: -100, classes: 3, .. }), "{error}");
            ignoring.reset();
            ignoring.update(&scores, &Array1::from_elem(40, -100)).unwrap();
            assert_eq!(ignoring.compute(), None);
        })*};
    }
    check_ignored!(Accuracy::new(), Precision::new(), Recall::new(), F1Score::new(), ConfusionMatrix::new());
    check_ignored!(Auroc::new(), Perplexity::new());
}

#[test]
fn classes_lie_on_axis_1() {
    let (scores, labels) = case(3, 24, 14);
    let deep = scores.clone().into_shape_with_order((4, 6, 3)).unwrap().permuted_axes([0, 2, 1]);
    let deep: Array3<f32> = deep.as_standard_layout().into_owned();
    let (mut flat, mut of_pixels) = (of_classes(), of_classes());
    for (flat, of_pixels) in flat.iter_mut().zip(&mut of_pixels) {
        flat.add(scores.view().into_dyn(), &(&labels).into()).unwrap();
        let labels = labels.clone().into_shape_with_order((4, 6)).unwrap();
        of_pixels.add(deep.view().into_dyn(), &(&labels).into()).unwrap();
        assert_eq!(flat.compute(), of_pixels.compute(), "{}", flat.name());
    }
}

#[test]
fn auroc_counts_ties_half_and_needs_both_classes() {
    let check = |scores: &[f32], labels: &[i32], expected: Option<f64>| {
        let mut auroc = Auroc::new();
        auroc.update(&Array1::from(scores.to_vec()), &Array1::from(labels.to_vec())).unwrap();
        assert_eq!(auroc.compute(), expected, "{scores:?} {labels:?}");
    };
    check(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1], Some(0.75));
    check(&[0.5, 0.5], &[0, 1], Some(0.5));
    check(&[0.0, -0.0, 1.0], &[0, 1, 1], Some(0.75));
    check(&[0.2, 0.5, 0.5, 0.9], &[1, 0, 1, 0], Some(0.125));
    check(&[f32::NEG_INFINITY, f32::INFINITY], &[0, 1], Some(1.0));
    check(&[0.1, 0.2], &[1, 1], None);
    check(&[], &[], None);
}

#[test]
fn each_class_has_its_figure() {
    // scikit-learn 1.9.1: precision_recall_fscore_support([0, 1, 1, 2], [0, 1, 0, 0], zero_division=0).
    let scores = array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
    let labels = array![0, 1, 1, 2];
    let (mut precision, mut recall, mut f1) = (Precision::new(), Recall::new(), F1Score::new());
    precision.update(&scores, &labels).unwrap();
    recall.update(&scores, &labels).unwrap();
    f1.update(&scores, &labels).unwrap();
    assert_eq!(precision.per_class(), [1.0 / 3.0, 1.0, 0.0]);
    assert_eq!(recall.per_class(), [1.0, 0.5, 0.0]);
    assert_eq!(f1.per_class(), [0.5, 2.0 / 3.0, 0.0]);
    let mut matrix = ConfusionMatrix::new().class_names(["cat", "dog"]);
    matrix.update(&scores, &labels).unwrap();
    let table = [
        "true \\ predicted  cat  dog  2",
        "             cat    1    0  0",
        "             dog    1    1  0",
        "               2    1    0  0",
        "",
    ];
    assert_eq!(matrix.to_string(), table.join("\n"));
}

#[test]
fn constant_targets_have_an_r2() {
    let check = |predictions: [f32; 2], targets: [f32; 2], expected: f64| {
        let mut r2 = R2Score::new();
        r2.update(&Array1::from(predictions.to_vec()), &Array1::from(targets.to_vec())).unwrap();
        assert_eq!(r2.compute(), Some(expected));
    };
    check([1.0, 1.0], [1.0, 1.0], 1.0);
    check([1.0, 2.0], [1.0, 1.0], 0.0);
    let mut r2 = R2Score::new();
    r2.update(&array![1.0], &array![1.0f32]).unwrap();
    assert_eq!(r2.compute(), None, "of one sample");
}

#[test]
fn what_does_not_fit_is_named_and_nothing_is_added() {
    let (scores, labels) = case(3, 8, 15);
    let numbers = scores.clone();
    for mut metric in of_classes() {
        metric.add(scores.view().into_dyn(), &(&labels).into()).unwrap();
        let before = metric.compute();
        let check = |metric: &mut dyn Metric, scores: &Array2<f32>, targets: MetricTargets<'_>, expected: &str| {
            let error = metric.add(scores.view().into_dyn(), &targets).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        let short = labels.slice(s![..5]);
        let mut wrong = labels.clone();
        wrong[7] = 3;
        let metric = metric.as_mut();
        check(metric, &scores, (&numbers).into(), "takes labels (i32) as targets, found numbers (f32)");
        check(metric, &scores, (&short).into(), "of [n, classes, ..] and [n, ..], found [8, 3] and [5]");
        check(metric, &scores, (&wrong).into(), "the label 3, expected 0 to 2 as there are 3 classes");
        if metric.name() != "perplexity" {
            check(metric, &(&scores * f32::NAN), (&labels).into(), "found NaN");
        }
        if !["accuracy", "top_2_accuracy", "perplexity"].contains(&metric.name().as_str()) {
            let more = concatenate![Axis(1), scores, scores];
            check(metric, &more, (&labels).into(), "has seen 3 classes or outputs before, found 6");
        }
        assert_eq!(metric.compute(), before);
    }
    for mut metric in of_numbers() {
        let error = metric.add(scores.view().into_dyn(), &(&labels).into()).unwrap_err().to_string();
        assert!(error.contains("takes numbers (f32) as targets, found labels (i32)"), "{error}");
        let few = numbers.slice(s![..5, ..]);
        let error = metric.add(scores.view().into_dyn(), &(&few).into()).unwrap_err().to_string();
        assert!(error.contains("of one shape, found [8, 3] and [5, 3]"), "{error}");
        assert_eq!(metric.compute(), None);
    }
}
