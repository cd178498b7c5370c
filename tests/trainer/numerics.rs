//! `check_numerics(true)` of trainers and predictors: losses, losses of labels, batch norms; what is left as it was; the
//! texts of reports.

use kiln::fit::{FitError, Progress};
use kiln::graph::Stage;
use kiln::graph::interpret::Cause;
use kiln::numerics::NonFinite;
use kiln::prelude::*;
use ndarray::{Array1, Array2, Array3};

use crate::bits;

const HERE: &str = include_str!("numerics.rs");

model! {
    struct Net {
        fc: Linear(3, 4),
        drop: Dropout(0.5),
        out: Linear(4, 2),
    }

    fn forward(x: [N, 3]) -> [N, 2] {
        let y = drop(fc(x)).tanh();
        out(y)
    }
}

model! {
    struct Roots {
        fc: Linear(3, 2),
    }

    fn forward(x: [N, 3]) -> [N, 2] {
        fc(x)
            .sqrt() // at sqrt
    }
}

#[derive(Model)]
#[model(input = [3])]
struct Normed {
    fc: Linear<3, 4>,
    norm: BatchNorm1d<4>, // at norm
    act: ReLU,
    out: Linear<4, 2>,
}

fn line(marker: &str) -> u32 {
    let mark = format!("// at {marker}");
    HERE.lines().position(|line| line.ends_with(&mark)).expect("a marker") as u32 + 1
}

fn numbers(rows: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, 3), |(row, column)| (row as f32 * 0.7 + column as f32 * 1.3).sin())
}

fn report<T: std::fmt::Debug>(result: Result<T, TrainError>) -> NonFinite {
    match result {
        Err(TrainError::Numerics(report)) => *report,
        other => panic!("{other:?}"),
    }
}

/// The same bits with and without the check; after a bad step all is as before it, random numbers, too.
#[test]
fn a_bad_step_is_taken_back() {
    for threads in [1, 2] {
        let build = |check: bool| {
            let trainer = Trainer::new(Net::init(1), mse(), Adam::default().lr(0.05)).batch(8).threads(threads);
            trainer.check_numerics(check).build().unwrap()
        };
        let (mut plain, mut checked) = (build(false), build(true));
        assert_eq!(plain.plan().to_string(), checked.plan().to_string());
        let (x, y) = (numbers(8), Array2::<f32>::ones((8, 2)));
        let mut bad = y.clone();
        bad[[5, 1]] = 1e30;
        for step in 0..6 {
            if step % 2 == 1 {
                let before = bits(checked.model());
                let found = report(checked.step(&x, &bad));
                assert_eq!(
                    (found.operation, found.stage, found.cause),
                    ("mul", Stage::Forward, Cause::Made),
                    "{found}"
                );
                assert_eq!((found.index.as_slice(), found.sample, found.function), (&[5, 1][..], Some(5), "mse"));
                assert_eq!(bits(checked.model()), before);
                assert!(report(checked.evaluate(&x, &bad)).reaches.contains(&"sum".to_owned()));
            }
            let expected = plain.step(&x, &y).unwrap();
            assert_eq!(checked.step(&x, &y).unwrap().to_bits(), expected.to_bits(), "step {step}");
            assert_eq!(bits(checked.model()), bits(plain.model()));
        }
        // Other sizes, and a run of epochs.
        let few = (x.slice(ndarray::s![..6, ..]), bad.slice(ndarray::s![..6, ..]));
        assert_eq!(report(checked.step(&few.0, &few.1)).sample, Some(5));
    }
}

#[test]
fn predictors_and_trainers_name_the_line_of_the_model() {
    let predictor = Predictor::new(Roots::init(1)).batch(4).threads(1).check_numerics(true).build().unwrap();
    let found = report(predictor.predict(&(numbers(4) * 10.0)));
    assert_eq!((found.operation, found.line.map(|line| line.line)), ("sqrt", Some(line("sqrt"))), "{found}");
    assert!(found.kernel.is_some(), "{found}");

    let trainer = Trainer::new(Normed::init(1), cross_entropy(), Sgd::new(0.1)).batch(8).threads(1);
    let mut trainer = trainer.check_numerics(true).build().unwrap();
    let labels = Array1::from_shape_fn(8, |row| (row % 2) as i32);
    assert!(trainer.step(&numbers(8), &labels).is_ok());
    let found = report(trainer.step(&(numbers(8) * 1e25), &labels));
    assert_eq!((found.layer.as_str(), found.line.map(|line| line.line)), ("norm", Some(line("norm"))), "{found}");
    assert!(trainer.step(&numbers(8), &labels).is_ok());
    // An input that holds one.
    let mut x = numbers(8);
    x[[3, 2]] = f32::NAN;
    let found = report(trainer.step(&x, &labels));
    assert_eq!((found.cause, found.parameter.as_deref(), found.sample), (Cause::Given, Some("x"), Some(3)), "{found}");
}

#[test]
fn losses_are_named() {
    macro_rules! check {
        ($loss:expr, $y:expr, $expected:expr) => {{
            let trainer = Trainer::new(Net::init(1), $loss, Sgd::new(0.1)).batch(4).threads(1);
            let mut trainer = trainer.check_numerics(true).build().unwrap();
            let found = report(trainer.step(&numbers(4), &$y));
            assert_eq!((found.operation, found.function), $expected, "{found}");
            assert!(!found.advice.is_empty(), "{found}");
        }};
    }
    let numbers = |value: f32| Array2::<f32>::from_elem((4, 2), value);
    check!(cross_entropy(), Array1::from_elem(4, -100), ("div", "cross_entropy"));
    check!(mse(), numbers(1e25), ("mul", "mse"));
    check!(l1(), numbers(3e38), ("sum", "l1"));
    check!(kl_div(), numbers(3e38), ("mul", "kl_div"));
    check!(loss_fn(|x, y| (x - y).abs().log() * 0.0 + x.log()), numbers(0.0), ("log", "loss"));
}

model! {
    struct Told {
        fc: Linear(3, 2),
        opt: Adam(fc, lr = 0.1, eps = 0.0),
    }

    step nothing_counts(x: [N, 3], y: [N; i32]) -> loss {
        let loss = cross_entropy(fc(x), y);
        opt.minimize(loss);
    }

    step not_taken(x: [N, 3]) -> loss {
        let y = fc(x) * 0;
        let loss = where(y.gt(0), y.log(), y).sum();
        opt.minimize(loss);
    }

    step nothing_to_do(x: [N, 3]) -> loss {
        let loss = (fc(x) * 0).sum();
        opt.minimize(loss);
    }

    eval logarithm(x: [N, 3]) -> y {
        let y = x.log();
    }

    eval nothing_left(x: [N, 3]) -> y {
        let y = x.masked_fill(x.gt(0), f32::NEG_INFINITY).softmax(1);
    }
}

/// A report without its kernel, whose name the machine has a say in, and of the source the file's name alone.
fn shown(report: &NonFinite) -> String {
    let lines = report.to_string();
    let lines = lines.lines().filter(|line| !line.starts_with("  kernel"));
    let lines = lines.map(|line| if line.starts_with("  at ") { "  at        numerics.rs" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn reports_read_well() {
    let mut told = Told::init(1).trainer().batch(4).threads(1).check_numerics(true).build().unwrap();
    let mut x = Array2::<f32>::ones((4, 3));
    x[[2, 1]] = 0.0;
    let reports = [
        report(told.logarithm(&x)),
        report(told.nothing_left(&x)),
        report(told.nothing_counts(&x, &Array1::from_elem(4, -100))),
        report(told.not_taken(&x)),
        report(told.nothing_to_do(&x)),
    ];
    let found = reports.each_ref().map(shown).join("\n\n") + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trainer/numerics.txt");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "BLESS=1 writes what is there now");
}

/// A run of epochs ends with the report, and the model is that of the step before.
#[test]
fn a_run_of_epochs_ends_with_the_report() {
    let mut y = Array2::<f32>::ones((16, 2));
    y[[9, 0]] = 1e30;
    let data = Dataset::new(numbers(16), y).unwrap();
    let trainer = Trainer::new(Net::init(1), mse(), Sgd::new(0.1)).batch(4).threads(1).check_numerics(true);
    let mut trainer = trainer.build().unwrap();
    match trainer.fit(&data).epochs(1).progress(Progress::Silent).run() {
        Err(FitError::Step { epoch: 0, source, .. }) => assert!(matches!(*source, TrainError::Numerics(_)), "{source}"),
        other => panic!("{other:?}"),
    }
    assert!(bits(trainer.model()).iter().all(|(_, bits)| bits.iter().all(|&bits| f32::from_bits(bits).is_finite())));
}

model! {
    struct Logarithms {
        fc: Linear(3, 2),
    }

    fn forward(x: [N, 3]) -> [N, 2] {
        fc(x.log())
    }
}

/// Of calls that several threads make at once each is told of its own numbers, and those that are right are not disturbed.
#[test]
fn calls_at_once_are_told_of_their_own_numbers() {
    let predictor = Predictor::new(Logarithms::init(1)).batch(4).threads(1).check_numerics(true).build().unwrap();
    let good = numbers(4).abs() + 0.5;
    let expected = predictor.predict(&good).unwrap();
    let start = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (predictor, start, good, expected) = (&predictor, &start, &good, &expected);
            scope.spawn(move || {
                start.wait();
                for call in 0..24 {
                    // Others of two samples compile a program meanwhile.
                    let rows = if call % 5 == 4 { 2 } else { 4 };
                    let mut x = good.slice(ndarray::s![..rows, ..]).to_owned();
                    if (call + thread) % 2 == 0 {
                        let found = predictor.predict(&x).unwrap();
                        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5), "{found}");
                        continue;
                    }
                    let (row, bad) = (call % rows, -((100 * thread + call) as f32));
                    x[[row, thread % 3]] = bad;
                    let found = report(predictor.predict(&x));
                    assert_eq!((found.operation, found.sample), ("log", Some(row)), "{found}");
                    assert_eq!(found.index, [row, thread % 3], "{found}");
                    assert_eq!(found.operands[0].there, Some(bad), "{found}");
                }
            });
        }
    });
}

model! {
    struct Sums {
        keep: Identity,
    }

    fn forward(x: [N, 64, 16]) -> [N, 16] {
        keep(x).transpose(1, 2).sum(2)
    }
}

/// Where sums of the program alone exceed `f32`, and those of its operations one by one do not, no node is blamed: at exactly
/// those magnitudes at which a result is not finite, and not one below.
#[test]
fn sums_in_another_order_are_told_apart() {
    let build = |check: bool| Predictor::new(Sums::init(1)).batch(2).threads(1).check_numerics(check).build().unwrap();
    let (plain, checked) = (build(false), build(true));
    // Terms of one magnitude whose signs change in some rhythm, so that they add up to 0 as a whole.
    let terms = |mask: usize, magnitude: f32| {
        Array3::from_shape_fn((2, 64, 16), |(_, i, _)| {
            if (i & mask).count_ones().is_multiple_of(2) { magnitude } else { -magnitude }
        })
    };
    let is_unexplained = |mask: usize, magnitude: f32| {
        let x = terms(mask, magnitude);
        let is_finite = plain.predict(&x).unwrap().iter().all(|x| x.is_finite());
        match checked.predict(&x) {
            Ok(_) => assert!(is_finite, "{mask} {magnitude}"),
            Err(TrainError::Numerics(_)) => assert!(!is_finite, "{mask} {magnitude}"),
            Err(TrainError::Unexplained(found)) => {
                assert!(!is_finite && found.program == "predict" && found.results == ["prediction"], "{found:?}");
                assert!(found.to_string().contains("computed again, operation by operation, all is finite"), "{found}");
                return true;
            }
            Err(other) => panic!("{other}"),
        }
        false
    };
    // No order exceeds the largest number with terms that small.
    let (small, large) = (f32::MAX / 65.0, 2.5e38);
    let rhythms = [1, 4, 7, 8, 16, 31, 32, 36, 63];
    assert!(rhythms.iter().all(|&mask| !is_unexplained(mask, small)));
    let Some(mask) = rhythms.into_iter().find(|&mask| is_unexplained(mask, large)) else {
        return println!("skipped: this machine's order of sums is that of the definition");
    };
    let [mut below, mut above] = [small.to_bits(), large.to_bits()];
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if is_unexplained(mask, f32::from_bits(middle)) { above = middle } else { below = middle }
    }
    // A power of two of the largest such term is the largest number.
    let most = f32::from_bits(below);
    assert!((1..=5).any(|doublings| most == f32::MAX / (1 << doublings) as f32), "{most}");
}
