//! What an evaluation says does not depend on the batch size: each loss, with everything that its mean divides by, against
//! one pass over all samples in f64.

use kiln::graph::{Builder, Type, Value};
use kiln::losses::{Total, soft_cross_entropy};
use kiln::prelude::*;
use kiln::random;
use ndarray::{Array4, ArrayD, Axis};

const CLASSES: usize = 4;

/// Scores of four classes for each of the pixels.
#[derive(Model)]
#[model(input = [2, 3, 2])]
struct Pixels(Conv2d<2, CLASSES, 1>);

/// A stream of numbers.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 += 1;
        random::bits(99, 0, 1, self.0) as usize % bound
    }

    fn uniform(&mut self) -> f32 {
        self.0 += 1;
        random::uniform(99, 0, 2, self.0)
    }

    fn array(&mut self, shape: &[usize]) -> ArrayD<f32> {
        ArrayD::from_shape_simple_fn(shape, || 4.0 * self.uniform() - 2.0)
    }
}

/// The exact sum and divisor for scores `[n, classes, ..]`.
type Oracle<'a> = dyn Fn(&ArrayD<f32>) -> (f64, f64) + 'a;

fn check<L: Loss>(
    case: &str,
    loss: impl Fn() -> L,
    x: &Array4<f32>,
    y: &impl kiln::Targets<L::Target>,
    accuracy: Option<f64>,
    oracle: &Oracle<'_>,
) where
    L::Target: kiln::TargetElement,
{
    for batch in [1, 2, 3, x.len_of(Axis(0)) + 1] {
        let mut trainer =
            Trainer::new(Pixels::init(3), loss(), Sgd::new(0.1)).batch(batch).threads(1).build().expect(case);
        let found = trainer.evaluate(x, y).expect(case);
        let (sum, divisor) = oracle(&trainer.predict(x).expect(case));
        let expected = sum / divisor;
        let near = (f64::from(found.loss) - expected).abs() <= 1e-5 * expected.abs();
        assert!(near || (expected.is_nan() && found.loss.is_nan()), "{case}, batch {batch}: {found:?}, not {expected}");
        assert_eq!(found.accuracy.is_some(), accuracy.is_some(), "{case}, batch {batch}");
        assert!((found.accuracy.unwrap_or(0.0) - accuracy.unwrap_or(0.0)).abs() < 1e-12, "{case}, batch {batch}");
    }
}

/// The scores of each pixel in f64, in the order of the labels.
fn pixels(scores: &ArrayD<f32>) -> Vec<Vec<f64>> {
    scores.lanes(Axis(1)).into_iter().map(|lane| lane.iter().map(|&score| f64::from(score)).collect()).collect()
}

fn log_softmax(scores: &[f64]) -> Vec<f64> {
    let total = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
    scores.iter().map(|score| score - total).collect()
}

/// Cross entropies with random weights, smoothing, labels and ignored labels, up to all of them.
#[test]
fn classes_weights_and_ignored_labels_do_not_depend_on_the_batch_size() {
    let mut draw = Draw(0);
    let mut scores = Trainer::new(Pixels::init(3), mse(), Sgd::new(0.1)).batch(64).threads(1).build().unwrap();
    for number in 0..16 {
        let rows = 1 + draw.below(7);
        let x = draw.array(&[rows, 2, 3, 2]).into_dimensionality().unwrap();
        let ignored = [-100, 1][number % 2];
        let share = [0, 1, 3, 4][number / 2 % 4];
        let y = ArrayD::from_shape_simple_fn(vec![rows, 3, 2], || {
            if draw.below(4) < share { ignored } else { draw.below(CLASSES) as i32 }
        });
        let weights: Vec<f32> = (0..CLASSES).map(|_| [0.0, draw.uniform(), 3.0][draw.below(3)]).collect();
        let weights = (draw.below(3) > 0).then_some(weights);
        let smoothing = [0.0, 0.2][draw.below(2)];
        let reduction = if number % 5 == 4 { Reduction::Sum } else { Reduction::Mean };
        let loss = || {
            let loss = cross_entropy().label_smoothing(smoothing).ignore_index(ignored).reduction(reduction);
            weights.iter().fold(loss, |loss, weights| loss.weight(weights))
        };
        let oracle = |scores: &ArrayD<f32>| {
            let (mut sum, mut divisor) = (0.0, 0.0);
            for (scores, &label) in pixels(scores).iter().zip(&y).filter(|(_, label)| **label != ignored) {
                let weight = |class: usize| weights.as_ref().map_or(1.0, |weights| f64::from(weights[class]));
                let logs = log_softmax(scores);
                let even: f64 = (0..CLASSES).map(|class| weight(class) * logs[class]).sum();
                let label = label as usize;
                sum -= (1.0 - smoothing) * weight(label) * logs[label] + smoothing / CLASSES as f64 * even;
                divisor += weight(label);
            }
            (sum, if reduction == Reduction::Sum { rows as f64 } else { divisor })
        };
        let found = pixels(&scores.predict(&x).unwrap());
        let best = |scores: &[f64]| (0..CLASSES).fold(0, |best, at| if scores[at] > scores[best] { at } else { best });
        let counted: Vec<bool> = found
            .iter()
            .zip(&y)
            .filter(|(_, label)| **label != ignored)
            .map(|(scores, &label)| best(scores) == label as usize)
            .collect();
        let right = counted.iter().filter(|right| **right).count();
        let accuracy = (!counted.is_empty()).then(|| right as f64 / counted.len() as f64);
        check(&format!("case {number}"), loss, &x, &y, accuracy, &oracle);
    }
}

#[test]
fn losses_of_numbers_do_not_depend_on_the_batch_size() {
    let mut draw = Draw(1000);
    let x = draw.array(&[7, 2, 3, 2]).into_dimensionality().unwrap();
    let y = draw.array(&[7, CLASSES, 3, 2]).mapv(|value| (value + 2.0) / 4.0);
    let over = |scores: &ArrayD<f32>, loss: &dyn Fn(f64, f64) -> f64| -> f64 {
        scores.iter().zip(&y).map(|(&score, &target)| loss(f64::from(score), f64::from(target))).sum()
    };
    let elements = y.len() as f64;
    for reduction in [Reduction::Mean, Reduction::Sum] {
        let divisor = if reduction == Reduction::Mean { elements } else { 7.0 };
        let case = |name: &str| format!("{name} {reduction:?}");
        let squares = |scores: &ArrayD<f32>| (over(scores, &|score, target| (score - target).powi(2)), divisor);
        check(&case("mse"), || mse().reduction(reduction), &x, &y, None, &squares);
        let distances = |scores: &ArrayD<f32>| (over(scores, &|score, target| (score - target).abs()), divisor);
        check(&case("l1"), || l1().reduction(reduction), &x, &y, None, &distances);

        let weight = ArrayD::from_shape_fn(vec![CLASSES, 1, 1], |at| at[0] as f32);
        let binary = |scores: &ArrayD<f32>| {
            let one = |((at, &score), &target): ((ndarray::IxDyn, &f32), &f32)| {
                let (score, target) = (f64::from(score), f64::from(target));
                let log_sigmoid = |v: f64| -(-v).exp().ln_1p();
                -(at[1] as f64) * (3.0 * target * log_sigmoid(score) + (1.0 - target) * log_sigmoid(-score))
            };
            (scores.indexed_iter().zip(&y).map(one).sum(), divisor)
        };
        let loss = || {
            let loss = bce_with_logits().weight(weight.clone()).pos_weight(ArrayD::from_elem(vec![], 3.0));
            loss.reduction(reduction)
        };
        check(&case("bce_with_logits"), loss, &x, &y, None, &binary);

        let weights = [0.5, 0.0, 2.0, 1.0];
        let soft = |scores: &ArrayD<f32>| {
            let targets = pixels(&y);
            let one = |(scores, targets): (Vec<f64>, Vec<f64>)| {
                let logs = log_softmax(&scores);
                -(0..CLASSES).map(|class| f64::from(weights[class]) * targets[class] * logs[class]).sum::<f64>()
            };
            let divisor = if reduction == Reduction::Mean { elements / CLASSES as f64 } else { 7.0 };
            (pixels(scores).into_iter().zip(targets).map(one).sum(), divisor)
        };
        check(&case("soft"), || soft_cross_entropy().weight(&weights).reduction(reduction), &x, &y, None, &soft);
    }
}

/// A loss that compares elements, against its formula; the reductions that it has.
fn check_elements<L: Loss<Target = f32>>(
    name: &str,
    loss: impl Fn(Reduction) -> L,
    x: &Array4<f32>,
    y: &ArrayD<f32>,
    formula: &dyn Fn(f64, f64) -> f64,
) {
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::BatchMean] {
        let divisor = if reduction == Reduction::Mean { y.len() } else { y.len_of(Axis(0)) } as f64;
        let oracle = |scores: &ArrayD<f32>| {
            let pairs = scores.iter().zip(y);
            (pairs.map(|(&score, &target)| formula(f64::from(score), f64::from(target))).sum(), divisor)
        };
        check(&format!("{name} {reduction:?}"), || loss(reduction), x, y, None, &oracle);
    }
}

#[test]
fn losses_of_elements_do_not_depend_on_the_batch_size() {
    let mut draw = Draw(3000);
    let x = draw.array(&[5, 2, 3, 2]).into_dimensionality().unwrap();
    let y = draw.array(&[5, CLASSES, 3, 2]).mapv(|value| (value + 2.0) / 2.0);
    let signs = y.mapv(|value| if value > 1.0 { 1.0 } else { -1.0 });
    let near = |distance: f64, turn: f64| distance.min(turn) * (distance - distance.min(turn) / 2.0);
    check_elements("huber", |r| huber().delta(0.5).reduction(r), &x, &y, &|x, t| near((x - t).abs(), 0.5));
    check_elements("smooth_l1", |r| smooth_l1().beta(0.5).reduction(r), &x, &y, &|x, t| near((x - t).abs(), 0.5) / 0.5);
    check_elements("kl_div", |r| kl_div().reduction(r), &x, &y, &|x, t| t * (t.ln() - x));
    check_elements("kl_div of logs", |r| kl_div().log_target(true).reduction(r), &x, &y, &|x, t| t.exp() * (t - x));
    check_elements("poisson_nll", |r| poisson_nll().reduction(r), &x, &y, &|x, t| x.exp() - t * x);
    check_elements("soft_margin", |r| soft_margin().reduction(r), &x, &signs, &|x, t| (-t * x).exp().ln_1p());
    check_elements("hinge_embedding", |r| hinge_embedding().reduction(r), &x, &signs, &|x, t| {
        if t > 0.0 { x } else { (1.0 - x).max(0.0) }
    });
    let charbonnier = |x: f64, t: f64| ((x - t).powi(2) + 1e-3).sqrt();
    check("a function", || loss_fn(|x, t| ((x - t).square() + 1e-3).sqrt()), &x, &y, None, &|scores| {
        let pairs = scores.iter().zip(&y);
        (pairs.map(|(&score, &target)| charbonnier(f64::from(score), f64::from(target))).sum(), y.len() as f64)
    });
    check("a function that gives a mean", || loss_fn(|x, t| (x - t).square().mean(..)), &x, &y, None, &|scores| {
        let square = |(&score, &target): (&f32, &f32)| f64::from(score - target).powi(2);
        (scores.iter().zip(&y).map(square).sum(), y.len() as f64)
    });
}

/// Scores of four classes for each sample.
#[derive(Model)]
#[model(input = [3])]
struct Rows(Linear<3, CLASSES>);

/// Losses whose divisor is not the number of elements: weights of classes, samples, lists of classes.
#[test]
fn losses_of_classes_do_not_depend_on_the_batch_size() {
    fn check<L: Loss>(name: &str, loss: impl Fn() -> L, y: &impl kiln::Targets<L::Target>, oracle: &Oracle<'_>)
    where
        L::Target: kiln::TargetElement,
    {
        let x = ndarray::Array2::from_shape_fn((5, 3), |(i, j)| ((i * 3 + j) as f32).sin());
        for batch in [1, 2, 6] {
            let mut trainer =
                Trainer::new(Rows::init(3), loss(), Sgd::new(0.1)).batch(batch).threads(1).build().expect(name);
            let found = trainer.evaluate(&x, y).expect(name);
            let (sum, divisor) = oracle(&trainer.predict(&x).expect(name));
            let expected = sum / divisor;
            assert!((f64::from(found.loss) - expected).abs() <= 1e-5 * expected.abs(), "{name}: {found:?}, {expected}");
        }
        let mut trainer = Trainer::new(Rows::init(3), loss(), Sgd::new(0.05)).batch(5).threads(1).build().expect(name);
        let first = trainer.step(&x, y).expect(name);
        assert!((0..20).map(|_| trainer.step(&x, y).expect(name)).last() < Some(first), "{name}: nothing is learnt");
    }
    let labels = [0, 3, 3, 1, -7];
    let weights = [0.5, 1.0, 2.0, 3.0];
    let counted = || labels.iter().map(|&label| label as usize).enumerate().filter(|(_, label)| *label < CLASSES);
    let of = |scores: &ArrayD<f32>, row: usize, class: usize| f64::from(scores[[row, class]]);
    check("nll", || nll().weight(&weights.map(|w| w as f32)).ignore_index(-7), &labels, &|scores| {
        let one = |(row, class): (usize, usize)| -weights[class] * of(scores, row, class);
        (counted().map(one).sum(), counted().map(|(_, class)| weights[class]).sum())
    });
    let classes = [0, 3, 3, 1, 2];
    check("multi_margin", || multi_margin().p(2).margin(0.5), &classes, &|scores| {
        let one = |row: usize, class: usize, other: usize| {
            (0.5 - of(scores, row, class) + of(scores, row, other)).max(0.0).powi(2) / CLASSES as f64
        };
        let others = |row: usize| (0..CLASSES).filter(move |other| *other != classes[row] as usize);
        let sum = (0..5).map(|row| others(row).map(|other| one(row, classes[row] as usize, other)).sum::<f64>()).sum();
        (sum, 5.0)
    });
    let lists = ndarray::arr2(&[[1, 2, -1, 0], [0, -1, -1, -1], [-1, 1, 2, 3], [0, 1, 2, 3], [3, 0, 1, -1]]);
    check("multilabel_margin", multilabel_margin, &lists, &|scores| {
        let mut sum = 0.0;
        for (row, list) in lists.rows().into_iter().enumerate() {
            let named: Vec<usize> = list.iter().take_while(|label| **label >= 0).map(|label| *label as usize).collect();
            for &class in &named {
                for other in (0..CLASSES).filter(|other| !named.contains(other)) {
                    sum += (1.0 - of(scores, row, class) + of(scores, row, other)).max(0.0) / CLASSES as f64;
                }
            }
        }
        (sum, 5.0)
    });
}

/// A loss of a user's own, `(x - t)^2` of the pixels whose target is positive: by what the trait gives, or saying what it
/// divides by.
struct Positive {
    says: bool,
}

impl Positive {
    fn parts<'g>(&self, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        let counts = target.gt(0.0);
        let losses = counts.select((prediction - target).square(), 0.0);
        Total { sum: losses.sum(..), divisor: counts.convert(kiln::graph::DType::F32).sum(..) }
    }
}

impl Loss for Positive {
    type Target = f32;

    fn target_type(&self, prediction: Shape) -> Type {
        Type::f32(prediction)
    }

    fn loss<'g>(&self, _: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        if self.says { self.parts(prediction, target).mean() } else { (prediction - target).square().mean(..) }
    }

    fn total<'g>(&self, g: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        match self.says {
            true => self.parts(prediction, target),
            // What the trait does by itself.
            false => Total::of_samples(self.loss(g, prediction, target), prediction.shape().dim(0), self.averages()),
        }
    }
}

/// One that says nothing but its mean.
struct Plain;

impl Loss for Plain {
    type Target = f32;

    fn target_type(&self, prediction: Shape) -> Type {
        Type::f32(prediction)
    }

    fn loss<'g>(&self, _: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        (prediction - target).square().mean(..)
    }
}

#[test]
fn losses_of_users_are_evaluated_rightly_too() {
    let mut draw = Draw(2000);
    let x = draw.array(&[5, 2, 3, 2]).into_dimensionality().unwrap();
    let mut y = draw.array(&[5, CLASSES, 3, 2]);
    // A sample of which nothing counts.
    y.index_axis_mut(Axis(0), 1).fill(-1.0);
    let parts = |scores: &ArrayD<f32>, counts: &dyn Fn(f32) -> bool| {
        let pairs: Vec<_> = scores.iter().zip(&y).filter(|(_, target)| counts(**target)).collect();
        let square = |&(&score, &target): &(&f32, &f32)| (f64::from(score) - f64::from(target)).powi(2);
        (pairs.iter().map(square).sum::<f64>(), pairs.len() as f64)
    };
    check("plain", || Plain, &x, &y, None, &|scores| parts(scores, &|_| true));
    check("not said", || Positive { says: false }, &x, &y, None, &|scores| parts(scores, &|_| true));
    check("said", || Positive { says: true }, &x, &y, None, &|scores| parts(scores, &|target| target > 0.0));
}

/// One whose total is no scalar.
struct Unreduced;

impl Loss for Unreduced {
    type Target = f32;

    fn target_type(&self, prediction: Shape) -> Type {
        Type::f32(prediction)
    }

    fn loss<'g>(&self, _: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Value<'g> {
        (prediction - target).square().mean(..)
    }

    fn total<'g>(&self, _: &'g Builder, prediction: Value<'g>, target: Value<'g>) -> Total<'g> {
        Total::of_count((prediction - target).square(), 24)
    }
}

#[test]
fn a_total_that_is_no_scalar_is_refused() {
    let mut trainer = Trainer::new(Pixels::init(3), Unreduced, Sgd::new(0.1)).batch(2).threads(1).build().unwrap();
    let error = trainer.evaluate(&Array4::<f32>::ones((2, 2, 3, 2)), &Array4::<f32>::ones((2, 4, 3, 2))).unwrap_err();
    let expected = "the sum of the loss's `total` should be an f32 scalar, but is f32[2,4,3,2]: reduce it with sum";
    assert_eq!(error.to_string(), expected);
}

/// A batch whose labels are all ignored has no mean, as in PyTorch, and changes nothing.
#[test]
fn a_batch_of_ignored_labels_trains_nothing() {
    let x = Array4::<f32>::ones((2, 2, 3, 2));
    let y = ArrayD::from_elem(vec![2, 3, 2], -100);
    for smoothing in [0.0, 0.1] {
        let loss = cross_entropy().weight(&[1.0, 2.0, 0.0, 1.0]).label_smoothing(smoothing);
        let mut trainer = Trainer::new(Pixels::init(3), loss, Sgd::new(0.1)).batch(2).threads(1).build().unwrap();
        let before = crate::bits(trainer.model());
        assert!(trainer.step(&x, &y).unwrap().is_nan());
        assert_eq!(crate::bits(trainer.model()), before, "smoothing {smoothing}");
        let evaluation = trainer.evaluate(&x, &y).unwrap();
        assert!(evaluation.loss.is_nan() && evaluation.accuracy.is_none(), "{evaluation:?}");
    }
}

#[derive(Model)]
#[model(input = [3])]
struct One(Linear<3, 1>, Flatten);

model! {
    struct Scalars { fc: Linear(3, 1) }
    fn forward(x: [N, 3]) -> [N] { fc(x).squeeze(1) }
}

/// What a loss can not go with is told when the trainer is built.
#[test]
fn losses_that_do_not_fit_the_output_are_refused() {
    let build = |result: Result<(), TrainError>, expected: &str| {
        assert_eq!(result.expect_err(expected).to_string(), expected);
    };
    let weighted = |count: usize| cross_entropy().weight(&vec![1.0; count]);
    build(
        Trainer::new(Pixels::init(3), weighted(3), Sgd::new(0.1)).batch(2).build().map(|_| ()),
        "cross_entropy: `weight` has the shape [3], but the prediction has 4 classes: give one weight for each",
    );
    build(
        Trainer::new(Pixels::init(3), soft_cross_entropy().weight(&[]), Sgd::new(0.1)).batch(2).build().map(|_| ()),
        "cross_entropy: `weight` has the shape [0], but the prediction has 4 classes: give one weight for each",
    );
    let pos_weight = bce_with_logits().pos_weight(ArrayD::ones(vec![3]));
    build(
        Trainer::new(One::init(3), pos_weight, Sgd::new(0.1)).batch(2).build().map(|_| ()),
        "bce_with_logits: `pos_weight` has the shape [3], which does not broadcast to that of the prediction, [2, 1]",
    );
    build(
        Trainer::new(Scalars::init(3), cross_entropy(), Sgd::new(0.1)).batch(2).build().map(|_| ()),
        "the model's output of the shape [2] takes targets of the shape [], not one or more for each sample: give it \
         another axis (of classes, for cross entropy)",
    );
}

/// Metrics are means over all data, whatever the batch size; they may be masks, and read labels.
#[test]
fn metrics_are_functions_of_a_users_own() {
    let x = ndarray::Array2::from_shape_fn((7, 3), |(i, j)| ((i * 3 + j) as f32).cos());
    let labels = [0, 1, 2, 3, 0, 1, -100];
    for batch in [1, 3, 8] {
        let mut trainer = Trainer::new(Rows::init(5), cross_entropy(), Sgd::new(0.1))
            .batch(batch)
            .threads(1)
            .metric("right", |_, _| unreachable!("it is replaced"))
            .metric("right", |scores, labels| scores.argmax(1).eq(labels))
            .metric("largest", |scores, _| scores.amax(1))
            .metric("mean", |scores, _| scores.mean(..))
            .build()
            .unwrap();
        let found = trainer.evaluate(&x, &labels).unwrap();
        let scores = trainer.predict(&x).unwrap();
        let largest: Vec<f32> =
            scores.lanes(Axis(1)).into_iter().map(|lane| lane.fold(f32::NEG_INFINITY, |a, &b| a.max(b))).collect();
        let near = |name: &str, expected: f32| {
            let found = found.metric(name).expect(name);
            assert!((found - expected).abs() < 1e-5, "{name}, batch {batch}: {found}, not {expected}");
        };
        // The accuracy leaves the ignored label out, a function does not.
        near("right", found.accuracy.unwrap() as f32 * 6.0 / 7.0);
        near("largest", largest.iter().sum::<f32>() / 7.0);
        near("mean", scores.mean().unwrap());
        assert_eq!(found.metric("other"), None);
        assert_eq!(
            found.metrics.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["right", "largest", "mean"]
        );
    }
}

/// Targets of any extents, and classes that are checked.
#[test]
fn functions_take_targets_of_their_own() {
    let x = ndarray::Array2::from_shape_fn((4, 3), |(i, j)| ((i * 3 + j) as f32).cos());
    let picked = loss_fn(|scores, places| -scores.gather(1, places).mean(1)).target::<i32>(&[2]);
    let mut trainer = Trainer::new(Rows::init(5), picked, Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let y = ndarray::arr2(&[[0, 1], [1, 1], [3, 0], [2, 2]]);
    let first = trainer.step(&x, &y).unwrap();
    assert!(trainer.step(&x, &y).unwrap() < first);
    assert!(trainer.evaluate(&x, &y).unwrap().accuracy.is_none(), "these are no labels");
    assert_eq!(
        trainer.step(&x, &[0, 1, 2, 3]).unwrap_err().to_string(),
        "the targets should have the shape [4, 2], but have the shape [4]"
    );

    let likelihood = loss_fn(|scores, labels| -scores.log_softmax(1).gather(1, labels.unsqueeze(1))).of_classes();
    let mut trainer = Trainer::new(Rows::init(5), likelihood, Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let mut usual = Trainer::new(Rows::init(5), cross_entropy(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let (found, expected) = (trainer.step(&x, &[0, 1, 2, 3]).unwrap(), usual.step(&x, &[0, 1, 2, 3]).unwrap());
    assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    assert_eq!(
        trainer.evaluate(&x, &[0, 1, 2, 3]).unwrap().accuracy,
        usual.evaluate(&x, &[0, 1, 2, 3]).unwrap().accuracy
    );
    assert_eq!(
        trainer.step(&x, &[0, 1, 2, 4]).unwrap_err().to_string(),
        "label 4 at [3] is out of range: the model has 4 classes, 0 to 3"
    );
    let masks = loss_fn(|scores, target| scores.gt(target));
    let error = Trainer::new(Rows::init(5), masks, Sgd::new(0.1)).batch(4).build().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("gradients are taken of an f32 scalar, but the loss is bool"), "{error}");
}
