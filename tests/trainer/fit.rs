//! `fit`: what it does is what a loop of one's own does, bit by bit; stopping, hooks, figures; and what it goes on from after
//! a break at any step.

use std::cell::Cell;

use kiln::checkpoints::{Every, Goal};
use kiln::data::{DataError, EpochRequest};
use kiln::fit::Progress;
use kiln::prelude::*;
use ndarray::{ArcArray1, ArcArray2, Array1, Array2, ArrayD};

use crate::folder::Folder;

#[derive(Model)]
#[model(input = [6])]
struct Net {
    fc1: Linear<6, 8>,
    norm: BatchNorm1d<8>,
    act: ReLU,
    #[model(p = 0.2)]
    drop: Dropout,
    fc2: Linear<8, 3>,
}

type NetTrainer = Trainer<Net, CrossEntropy, Adam>;

fn data(count: usize) -> Dataset<Array2<f32>, Array1<i32>> {
    let x = Array2::from_shape_fn((count, 6), |(i, j)| ((i * 7 + j * 13) as f32).sin());
    let y = x.rows().into_iter().map(|row| i32::from(row[0] > row[1]) + i32::from(row[2] > row[3])).collect();
    Dataset::new(x, y).unwrap()
}

/// A trainer of which everything that can be kept is in use.
fn trainer(threads: usize) -> NetTrainer {
    let schedule = ChainedScheduler::new(LinearLR::new(7)).and(ReduceLROnPlateau::new().patience(0));
    let adam = Adam::new(0.01).clip_grad_norm(0.5).accumulate(2).ema(0.5).schedule(schedule);
    Trainer::new(Net::init(1), cross_entropy(), adam).batch(8).threads(threads).seed(3).build().unwrap()
}

/// All bits of a model, and of what it predicts with averages.
fn bits(trainer: &mut NetTrainer) -> Vec<u32> {
    let mut all = Vec::new();
    for averaged in [false, true] {
        trainer.use_averaged(averaged).unwrap();
        let predicted = trainer.predict(&data(5).images()).unwrap();
        all.extend(predicted.iter().map(|number| number.to_bits()));
        trainer.model().each_parameter(&mut |_, parameter| all.extend(parameter.value.iter().map(|x| x.to_bits())));
    }
    trainer.use_averaged(false).unwrap();
    all.push(trainer.learning_rate().to_bits());
    all
}

/// A history but for the time that epochs took.
fn figures(history: &History) -> Vec<(String, Vec<(u64, u64)>)> {
    let curves = history.curves().iter().filter(|curve| !["seconds", "samples_per_second"].contains(&&*curve.name));
    let points = |curve: &kiln::Curve| curve.points.iter().map(|p| (p.step, p.value.to_bits())).collect();
    curves.map(|curve| (curve.name.clone(), points(curve))).collect()
}

#[test]
fn it_is_a_loop_of_ones_own() {
    let (train, valid) = data(45).split_at(29);
    let mut fitted = trainer(2);
    let history = fitted.fit(&train).epochs(3).validate(&valid).progress(Progress::Silent).run().unwrap();
    let mut own = trainer(1);
    let (mut losses, mut means, mut accuracies) = (Vec::new(), Vec::new(), Vec::new());
    for epoch in 0..3 {
        let mut sum = 0.0;
        for (x, y) in train.batches(8).shuffled(epoch) {
            let loss = own.step(&x, &y).unwrap();
            losses.push(f64::from(loss));
            sum += f64::from(loss) * y.len() as f64;
        }
        means.push(sum / 29.0);
        let found = own.evaluate(&valid.images(), &valid.labels()).unwrap();
        accuracies.push(found.accuracy.unwrap());
        own.report_metric(found.loss).unwrap();
    }
    assert_eq!(bits(&mut fitted), bits(&mut own));
    let values = |name: &str| history.curve(name).iter().map(|point| point.value).collect::<Vec<_>>();
    assert_eq!(values("step.loss"), losses);
    assert_eq!(values("train.loss"), means);
    assert_eq!(values("accuracy"), accuracies);
    assert_eq!(history.curve("valid.loss").iter().map(|point| point.step).collect::<Vec<_>>(), [4, 8, 12]);
    let table = history.to_string();
    assert!(table.lines().count() == 4 && table.contains("valid.accuracy"), "{table}");
}

/// Whatever the step at which a training breaks off, and however often checkpoints are written: it ends with the same bits
/// and the same figures, on another number of threads.
#[test]
fn it_goes_on_from_any_step() {
    let (train, valid) = data(45).split_at(29);
    let folder = Folder::new("fit-resume");
    for (number, every) in [Every::Epochs(1), Every::Steps(1), Every::Steps(3)].into_iter().enumerate() {
        let mut whole = trainer(1);
        let stopping = || EarlyStopping::new("loss").patience(5).restore_best();
        let expected = whole.fit(&train).epochs(4).validate(&valid).early_stopping(stopping());
        let expected = expected.progress(Progress::Silent).run().unwrap();
        for breaks in [1, 2, 3, 4, 5, 8, 11, 12, 15] {
            let path = folder.0.join(format!("{number}-{breaks}"));
            let checkpoints = || Checkpoints::new(&path).every(every).keep(2).best("accuracy");
            let mut broken = trainer(1);
            let steps = Cell::new(0);
            let step = |trainer: &mut NetTrainer, (x, y): &(ArcArray2<f32>, ArcArray1<i32>)| {
                steps.set(steps.get() + 1);
                // Refused: so many targets are not asked for.
                if steps.get() > breaks { trainer.step(x, &[0; 3]) } else { trainer.step(x, y) }
            };
            let error = kiln::fit(&mut broken, &train, step).epochs(4).validate(&valid).early_stopping(stopping());
            let error = error.checkpoint(checkpoints()).progress(Progress::Silent).run().unwrap_err();
            assert!(matches!(error, FitError::Step { .. }), "{error}");
            let mut other = trainer(2);
            let fit = other.fit(&train).epochs(4).validate(&valid).early_stopping(stopping());
            let fit = fit.checkpoint(checkpoints()).resume().progress(Progress::Silent);
            let history = fit.run().unwrap();
            assert_eq!(figures(&history), figures(&expected), "{every:?}, broken at {breaks}");
            assert_eq!(bits(&mut other), bits(&mut whole), "{every:?}, broken at {breaks}");
            // Once it is done there is nothing left to do, wherever it broke off.
            if breaks % 4 != 0 {
                continue;
            }
            let mut done = trainer(1);
            let again = done.fit(&train).epochs(4).validate(&valid).early_stopping(stopping());
            let again = again.checkpoint(checkpoints()).resume().progress(Progress::Silent).run().unwrap();
            assert_eq!(figures(&again), figures(&expected));
        }
    }
}

/// Data of a loader, whatever its workers, is as good as a data set, to validate with, too; and it goes on within an epoch,
/// with another number of workers.
#[test]
fn it_takes_loaders() {
    let (train, valid) = data(45).split_at(29);
    let mut whole = trainer(1);
    let expected = whole.fit(&train).epochs(3).validate(&valid).progress(Progress::Silent).run().unwrap();
    let folder = Folder::new("fit-loader");
    for (workers, later) in [(0, 2), (2, 0), (1, 3)] {
        let path = folder.path(&workers.to_string());
        for (breaks, workers) in [(5, workers), (usize::MAX, later)] {
            let loader = |data: &Dataset<_, _>, size| Loader::new(data.clone()).batch(size).workers(workers);
            let (samples, checks) = (loader(&train, 8).shuffle(0), loader(&valid, 5));
            let mut loaded = trainer(1);
            let count = Cell::new(0);
            let step = |trainer: &mut NetTrainer, (x, y): &(_, ArcArray1<i32>)| {
                count.set(count.get() + 1);
                if count.get() > breaks { trainer.step(x, &[0; 3]) } else { trainer.step(x, y) }
            };
            let fit = kiln::fit(&mut loaded, &samples, step).epochs(3).validate(&checks).progress(Progress::Silent);
            let found = fit.checkpoint(Checkpoints::new(&path).every(Every::Steps(1))).resume().run();
            if breaks == usize::MAX {
                let steps = |history: &History| {
                    let all = figures(history).into_iter();
                    all.filter(|(name, _)| !name.starts_with("valid")).collect::<Vec<_>>()
                };
                let found = found.unwrap();
                assert_eq!(steps(&found), steps(&expected));
                assert_eq!(bits(&mut loaded), bits(&mut whole));
                // Other batches, other roundings.
                for name in ["valid.loss", "valid.accuracy"] {
                    for (found, expected) in found.curve(name).iter().zip(expected.curve(name)) {
                        assert!((found.value - expected.value).abs() <= 1e-6 * expected.value, "{name}");
                    }
                }
            }
        }
    }
}

/// What trains nothing is no training.
#[test]
fn it_needs_a_batch() {
    let [none, few] = [0, 5].map(data);
    let fit = |data: &Dataset<Array2<f32>, Array1<i32>>, drop_last: bool| {
        let mut trainer = trainer(1);
        let fit = trainer.fit(data).epochs(2).progress(Progress::Silent);
        if drop_last { fit.drop_last().run() } else { fit.run() }
    };
    let cases = [
        (fit(&none, false), 0, "there is nothing to train on: the data hold no samples"),
        (
            fit(&few, true),
            5,
            "there is nothing to train on: of 5 samples no batch is made, which are 8 each: `.drop_last()` leaves fewer out",
        ),
    ];
    for (result, count, expected) in cases {
        let error = result.unwrap_err();
        assert!(matches!(error, FitError::NothingToTrainOn { samples, batch: 8 } if samples == count), "{error}");
        assert_eq!(error.to_string(), expected);
    }
    fit(&few, false).unwrap();
}

#[test]
fn it_ends_early() {
    let (train, valid) = data(45).split_at(29);
    // At rate 0 nothing changes but running statistics, and a figure of one's own never does: epochs 2, 3 and 4 are no better.
    let fit = |stopping: EarlyStopping, figure: fn(u64) -> f64| {
        let mut trainer = trainer(1);
        let mut epoch = 0;
        let fit = trainer.fit(&train).epochs(20).progress(Progress::Silent).early_stopping(stopping);
        let fit = fit.validate_with(move |_| {
            epoch += 1;
            Ok(vec![("score".to_owned(), figure(epoch))])
        });
        fit.run().map(|history| history.curve("score").len())
    };
    type Case = (EarlyStopping, fn(u64) -> f64, usize);
    let cases: [Case; 7] = [
        (EarlyStopping::new("score"), |_| 1.0, 5),
        (EarlyStopping::new("score").patience(0), |_| 1.0, 2),
        (EarlyStopping::new("score").patience(1), |epoch| epoch as f64, 20),
        (EarlyStopping::new(Goal::smallest("score")).patience(1), |epoch| epoch as f64, 3),
        (EarlyStopping::new("score").patience(1).min_delta(1.5), |epoch| epoch as f64, 20),
        (EarlyStopping::new("score").patience(1).min_delta(2.0), |epoch| epoch as f64, 3),
        (EarlyStopping::new("score").patience(1), |_| f64::NAN, 2),
    ];
    for (number, (stopping, figure, expected)) in cases.into_iter().enumerate() {
        assert_eq!(fit(stopping, figure).unwrap(), expected, "case {number}");
    }
    let error = fit(EarlyStopping::new("acuracy"), |_| 1.0).unwrap_err().to_string();
    assert!(
        error.starts_with("there is no figure `acuracy`: measured are step.loss, train.loss, valid.score"),
        "{error}"
    );

    let mut hooked = trainer(1);
    let mut seen = Vec::new();
    let fit = hooked.fit(&train).epochs(9).validate(&valid).progress(Progress::Silent);
    let fit = fit.on_epoch(|epoch| {
        seen.push((epoch.number(), epoch.step(), epoch.trainer().learning_rate() > 0.0));
        if epoch.number() == 2 {
            epoch.stop();
        }
    });
    fit.run().unwrap();
    assert_eq!(seen, [(1, 4, true), (2, 8, true)]);
}

/// A panic in a user's function leaves the trainer usable.
#[test]
fn a_panic_in_a_hook_leaves_the_trainer_as_it_was() {
    let train = data(16);
    let mut broken = trainer(2);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let fit = broken.fit(&train).epochs(3).progress(Progress::Silent);
        fit.on_epoch(|epoch| assert!(epoch.number() < 2, "two epochs are enough")).run()
    }));
    assert!(caught.is_err());
    let mut whole = trainer(1);
    whole.fit(&train).epochs(2).progress(Progress::Silent).run().unwrap();
    assert_eq!(bits(&mut broken), bits(&mut whole));
}

model! {
    /// Two parts that are trained in turns.
    struct Pair {
        a: Linear(4, 4),
        b: Linear(4, 1),
        first: Adam(a, lr = 0.01),
        second: Sgd(b, lr = 0.1, momentum = 0.9),
    }

    step learn_a(x: [N, 4], y: [N, 1]) -> loss {
        let loss = mse(b(dropout(a(x), p = 0.3)), y);
        first.minimize(loss);
    }

    step learn_b(x: [N, 4], y: [N, 1]) -> loss {
        let loss = mse(b(a(x)), y);
        second.minimize(loss);
    }

    eval apply(x: [N, 4]) -> y {
        let y = b(a(x));
    }
}

#[test]
fn steps_of_ones_own_go_on_too() {
    let x = Array2::from_shape_fn((22, 4), |(i, j)| ((i * 5 + j * 3) as f32).cos());
    let data = Dataset::new(x.clone(), x.slice(ndarray::s![.., ..1]).mapv(|x| x * x)).unwrap();
    let folder = Folder::new("fit-steps");
    let run = |name: Option<&str>, epochs: u64, threads: usize| {
        let mut pair = Pair::init(1).trainer().batch(8).threads(threads).build().unwrap();
        let step = |pair: &mut PairTrainer, (x, y): &(ArcArray2<f32>, ArcArray2<f32>)| {
            Ok([("a", pair.learn_a(x, y)?), ("b", pair.learn_b(x, y)?)])
        };
        let mut fit = kiln::fit(&mut pair, &data, step).epochs(epochs).progress(Progress::Silent);
        if let Some(name) = name {
            fit = fit.checkpoint(folder.0.join(name)).resume();
        }
        let history = fit.run().unwrap();
        let applied: ArrayD<f32> = pair.apply(&x).unwrap_or_default();
        (figures(&history), applied.mapv(f32::to_bits))
    };
    let whole = run(None, 5, 1);
    assert_eq!(
        whole.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["step.a", "step.b", "train.a", "train.b", "learning_rate.first", "learning_rate.second"]
    );
    for part in 1..5 {
        let name = format!("run-{part}");
        run(Some(&name), part, 2);
        assert_eq!(run(Some(&name), 5, 1), whole, "broken after {part} epochs");
    }
}

model! {
    struct Scores { fc: Linear(6, 3) }

    fn forward(x: [N, 6]) -> [N, 3] {
        fc(x)
    }
}

model! {
    struct Both { fc: Linear(6, 3), out: Linear(6, 2) }

    fn forward(x: [N, 6]) -> ([N, 3], [N, 2]) {
        (fc(x), out(x))
    }
}

model! {
    struct Frames { fc: Linear(2, 3) }

    fn forward(x: [N, T, 2]) -> [N, T, 3] {
        fc(x)
    }
}

/// `train.loss` of an epoch in which nothing changes, for some batch sizes, is the loss of an evaluation of the same rows.
fn measures<M, L, X, Y>(name: &str, model: fn(u64) -> M, loss: &dyn Fn() -> L, data: &Dataset<X, Y>)
where
    M: Model,
    L: kiln::losses::Criterion<M::Output>,
    X: kiln::data::Samples,
    Y: kiln::data::Samples,
    for<'x> &'x X: kiln::Inputs<M::Input>,
    for<'y> &'y Y: kiln::BatchTargets<L::Target>,
    for<'x> &'x X::Batch: kiln::Inputs<M::Input>,
    for<'y> &'y Y::Batch: kiln::BatchTargets<L::Target>,
{
    for batch in [1, 2, 3, 7] {
        let mut trainer = Trainer::new(model(1), loss(), Sgd::new(0.0)).batch(batch).threads(1).build().unwrap();
        let expected = f64::from(trainer.evaluate(data.inputs(), data.targets()).unwrap().loss);
        let history = trainer.fit(data).epochs(2).progress(Progress::Silent).run().unwrap();
        for found in history.curve("train.loss") {
            // Sums of some dozens of f32.
            let near = (found.value - expected).abs() <= 2e-6 * expected.abs();
            assert!(near || found.value.is_nan() && expected.is_nan(), "{name}, {batch}: {found:?}, not {expected}");
        }
    }
}

#[test]
fn the_loss_of_an_epoch_is_that_of_its_rows() {
    let x = data(7).inputs().clone();
    let labelled = |labels: [i64; 7]| Dataset::new(x.clone(), Array1::from(labels.to_vec())).unwrap();
    let some = labelled([0, 1, -100, -100, 2, 0, -100]);
    let all = labelled([0, 1, 2, 2, 1, 0, 1]);
    let none = labelled([-100; 7]);
    let weights = [1.0, 5.0, 0.5];
    measures("all count", Scores::init, &cross_entropy, &all);
    measures("some count", Scores::init, &cross_entropy, &some);
    measures("none counts", Scores::init, &cross_entropy, &none);
    measures("weights", Scores::init, &|| cross_entropy().weight(&weights), &some);
    measures("smoothing", Scores::init, &|| cross_entropy().weight(&weights).label_smoothing(0.2), &some);
    measures("nll", Scores::init, &|| nll().weight(&weights).ignore_index(1), &all);
    measures("weighted", Scores::init, &|| cross_entropy().weight(&weights).weighted(0.3), &some);
    measures("sums", Scores::init, &|| cross_entropy().reduction(Reduction::Sum), &some);
    let numbers = Array2::from_shape_fn((7, 3), |(i, j)| ((i * 5 + j) as f32).cos());
    let values = Dataset::new(x.clone(), numbers).unwrap();
    measures("mse", Scores::init, &mse, &values);
    measures("sums of squares", Scores::init, &|| mse().reduction(Reduction::Sum), &values);
    measures("a function", Scores::init, &|| loss_fn(|x, t| (x - t).square()), &values);
    let points = Array2::from_shape_fn((7, 2), |(i, j)| ((i * 3 + j) as f32).cos());
    let labels = some.targets().clone();
    let both = Dataset::new(x.clone(), (labels.clone(), points.clone())).unwrap();
    measures("two outputs", Both::init, &|| (cross_entropy(), mse().weighted(0.5)), &both);
    measures("two of one kind", Both::init, &|| (cross_entropy(), mse().reduction(Reduction::Sum)), &both);
    let first = Dataset::new(x, (labels, Array1::from(vec![0i64, 1, 1, -100, -100, 0, 1]))).unwrap();
    measures("two with labels", Both::init, &|| (cross_entropy(), cross_entropy().weight(&[1.0, 3.0])), &first);
}

/// Batches of several lengths.
struct Lengths(Vec<(ndarray::Array3<f32>, ndarray::Array3<f32>)>);

impl kiln::data::TrainingData for Lengths {
    type Batch = (ndarray::Array3<f32>, ndarray::Array3<f32>);

    fn epoch(&self, _: EpochRequest) -> impl Iterator<Item = Result<(Self::Batch, usize), DataError>> {
        self.0.iter().map(|(x, y)| Ok(((x.clone(), y.clone()), x.shape()[0])))
    }

    fn batches_of(&self, _: EpochRequest) -> u64 {
        self.0.len() as u64
    }

    fn samples(&self) -> usize {
        self.0.iter().map(|(x, _)| x.shape()[0]).sum()
    }
}

/// Rows of several lengths count by their steps.
#[test]
fn the_loss_of_an_epoch_counts_free_extents() {
    let mut trainer =
        Trainer::new(Frames::init(1), mse(), Sgd::new(0.0)).batch(2).threads(1).extent("T", 4).build().unwrap();
    let (mut sum, mut count) = (0.0, 0.0);
    let batch = |length: usize| {
        let x = ndarray::Array3::from_shape_fn((2, length, 2), |(i, j, k)| ((i * 7 + j * 3 + k) as f32).sin());
        let y = ndarray::Array3::from_shape_fn((2, length, 3), |(i, j, k)| ((i + j + k * 5) as f32).cos());
        (x, y)
    };
    for length in [4, 9] {
        let (x, y) = batch(length);
        let weight = (2 * length * 3) as f64;
        sum += f64::from(trainer.evaluate(&x, &y).unwrap().loss) * weight;
        count += weight;
    }
    let batches = Lengths([4, 9].map(batch).to_vec());
    let history = trainer.fit(&batches).progress(Progress::Silent).run().unwrap();
    let found = history.last("train.loss").unwrap().value;
    assert!((found - sum / count).abs() < 1e-6, "{found}, not {}", sum / count);
}
