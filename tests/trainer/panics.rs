//! Panics in what users give (arrays, losses, metrics, steps, sources, also on a loader's threads) leave a trainer as it was after
//! its last whole step: it goes on with the bits of one that was never disturbed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kiln::data::source;
use kiln::fit::{FitError, Progress, fit};
use kiln::graph::Value;
use kiln::graph::model::InputArray;
use kiln::prelude::*;
use ndarray::{Array2, ArrayViewD, s};

#[derive(Model)]
#[model(input = [6])]
struct Net {
    fc1: Linear<6, 8>,
    norm: BatchNorm1d<8>,
    #[model(p = 0.2)]
    drop: Dropout,
    fc2: Linear<8, 2>,
}

type NetTrainer = Trainer<Net, LossFn<for<'g> fn(Value<'g>, Value<'g>) -> Value<'g>>, Adam>;

thread_local! {
    /// Whether loss and metric panic, which are called where a program is compiled.
    static BAD: Cell<bool> = const { Cell::new(false) };
}

fn loss<'g>(x: Value<'g>, y: Value<'g>) -> Value<'g> {
    assert!(!BAD.get(), "no loss");
    (x - y).square()
}

fn metric<'g>(x: Value<'g>, y: Value<'g>) -> Value<'g> {
    assert!(!BAD.get(), "no metric");
    (x - y).abs()
}

fn trainer(threads: usize) -> NetTrainer {
    let loss = loss_fn(loss as for<'g> fn(Value<'g>, Value<'g>) -> Value<'g>);
    let builder = Trainer::new(Net::init(1), loss, Adam::new(0.01).accumulate(2)).batch(8).threads(threads).seed(3);
    builder.metric("error", metric).build().unwrap()
}

fn batch(rows: usize, number: usize) -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((rows, 6), |(i, j)| ((number * 97 + i * 7 + j * 13) as f32).sin());
    let y = x.slice(s![.., ..2]).mapv(|x| x * x);
    (x, y)
}

fn step(trainer: &mut NetTrainer, number: usize) {
    let (x, y) = batch(8, number);
    trainer.step(&x, &y).unwrap();
}

fn bits(trainer: &mut NetTrainer) -> Vec<u32> {
    let mut all = Vec::new();
    trainer.model().each_parameter(&mut |_, parameter| all.extend(parameter.value.iter().map(|x| x.to_bits())));
    all.extend(trainer.predict(&batch(11, 9).0).unwrap().iter().map(|number| number.to_bits()));
    all
}

/// Samples that panic when they are read for the second time: the first one is the check.
struct Panicking(Array2<f32>, Cell<usize>);

impl Panicking {
    fn new() -> Panicking {
        Panicking(batch(8, 5).0, Cell::new(0))
    }
}

impl InputArray<f32> for Panicking {
    fn elements_of(&self) -> ArrayViewD<'_, f32> {
        self.1.set(self.1.get() + 1);
        assert!(self.1.get() < 2, "the samples are gone");
        self.0.view().into_dyn()
    }
}

type Disturbance = (&'static str, fn(&mut NetTrainer));

#[test]
fn a_call_that_panics_changes_nothing() {
    let cases: [Disturbance; 7] = [
        ("samples of a step", |trainer| drop(trainer.step(&Panicking::new(), &batch(8, 5).1))),
        ("samples of an evaluation", |trainer| drop(trainer.evaluate(&Panicking::new(), &batch(8, 5).1))),
        ("samples of a prediction", |trainer| drop(trainer.predict(&Panicking::new()))),
        ("the loss", |trainer| drop(trainer.step(&batch(3, 5).0, &batch(3, 5).1))),
        ("the metric", |trainer| drop(trainer.evaluate(&batch(4, 5).0, &batch(4, 5).1))),
        ("an iterator of batches", |trainer| {
            let batches = (0..3).map(|number| if number == 2 { panic!("no batch") } else { Ok(batch(8, number)) });
            drop(trainer.evaluate_batches::<_, _, TrainError>(batches));
        }),
        ("a step of one's own", |trainer| {
            let (x, y) = batch(16, 2);
            let data = Dataset::new(x, y).unwrap();
            let step = |_: &mut NetTrainer, _: &_| -> Result<f32, TrainError> { panic!("no step") };
            drop(fit(trainer, &data, step).progress(Progress::Silent).run());
        }),
    ];
    let mut whole = trainer(1);
    (0..5).for_each(|number| step(&mut whole, number));
    let expected = bits(&mut whole);
    for (what, disturb) in cases {
        let mut broken = trainer(2);
        let steps = |broken: &mut NetTrainer, numbers: std::ops::Range<usize>| {
            numbers.for_each(|number| step(broken, number));
        };
        steps(&mut broken, 0..3);
        // What is compiled is not built again.
        BAD.set(true);
        catch_unwind(AssertUnwindSafe(|| disturb(&mut broken))).expect_err(what);
        BAD.set(false);
        steps(&mut broken, 3..5);
        assert_eq!(bits(&mut broken), expected, "{what}");
        broken.evaluate(&batch(4, 5).0, &batch(4, 5).1).unwrap();
    }
}

#[test]
fn a_source_that_panics_ends_the_fit_after_its_last_whole_batch() {
    let sample = |index: usize| {
        let (x, y) = batch(1, index);
        (x.row(0).to_owned(), y.row(0).to_owned())
    };
    let mut whole = trainer(1);
    let good = Loader::new(source(40, sample)).batch(8);
    for part in good.epoch(0).take(3) {
        let (x, y) = part.unwrap();
        whole.step(&x, &y).unwrap();
    }
    let mut expected = vec![bits(&mut whole)];
    whole.fit(&good).progress(Progress::Silent).run().unwrap();
    expected.push(bits(&mut whole));
    for workers in [0, 1, 3] {
        let mut broken = trainer(2);
        let bad = source(40, move |index| if index == 29 { panic!("no sample {index}") } else { sample(index) });
        let loader = Loader::new(bad).batch(8).workers(workers);
        let error = broken.fit(&loader).progress(Progress::Silent).run().map(drop).unwrap_err();
        assert!(matches!(error, FitError::Data(_)) && error.to_string().contains("no sample 29"), "{error}");
        assert_eq!(bits(&mut broken), expected[0], "{workers} workers");
        broken.fit(&good).progress(Progress::Silent).run().unwrap();
        assert_eq!(bits(&mut broken), expected[1], "{workers} workers");
    }
}
