//! One predictor, many threads: the bits of one thread, one copy of the weights, an arena for each call at once, what is
//! compiled once, and calls that fail.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;

use kiln::graph::model::{InputArray, Parameter, Path};
use kiln::graph::{Builder, Value};
use kiln::prelude::*;
use kiln::runtime::threads::Pool;
use ndarray::{Array2, Array4, ArrayD, ArrayViewD, array};

/// That a predictor of any model may be shared: this compiles.
#[allow(dead_code)]
fn predictors_are_shared<M: Model + Send + Sync>() {
    fn shared<T: Send + Sync>() {}
    shared::<Predictor<M>>();
    shared::<Arc<Predictor<M>>>();
}

model! {
    // Weights are packed and transformed, factors of the norm computed, before the first prediction.
    struct Images {
        conv: Conv2d(3, 16, 3, padding = 1),
        norm: BatchNorm2d(16),
        act: ReLU,
        wide: Conv2d(16, 16, 3, padding = 1),
        flatten: Flatten,
        fc: Linear(16 * 8 * 8, 10),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 10] {
        fc(flatten(act(wide(act(norm(conv(x)))))))
    }
}

model! {
    struct Words { table: Embedding(50, 8), gru: GRU(8, 12, batch_first = true), out: Linear(12, 3) }

    fn forward(words: [N, T; i32]) -> ([N, T, 3], [N, T; i32]) {
        let (y, _) = gru(table(words));
        let scores = out(y);
        (scores, scores.argmax(2))
    }
}

fn images(rows: usize, number: usize) -> Array4<f32> {
    Array4::from_shape_fn((rows, 3, 8, 8), |(n, c, y, x)| ((number * 977 + n * 192 + c * 64 + y * 8 + x) as f32).sin())
}

fn words(rows: usize, length: usize, number: usize) -> Array2<i32> {
    Array2::from_shape_fn((rows, length), |(n, t)| ((number * 31 + n * 7 + t * 3) % 50) as i32)
}

fn bits(values: &ArrayD<f32>) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Calls a function with the number of each of so many threads, all at once.
fn at_once(threads: usize, call: impl Fn(usize) + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let (start, call) = (&start, &call);
            scope.spawn(move || {
                start.wait();
                call(number);
            });
        }
    });
}

#[test]
fn many_threads_give_the_bits_of_one() {
    // Parts of a batch, a whole one, and more than one.
    const ROWS: [usize; 4] = [4, 1, 9, 3];
    let mut alone = Trainer::new(Images::init(3), cross_entropy(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let expected: Vec<Vec<u32>> =
        (0..8).map(|number| bits(&alone.predict(&images(ROWS[number % 4], number)).unwrap())).collect();
    for (threads, calls, kept) in [(1, 8, 16), (2, 8, 16), (1, 1, 16), (3, 2, 1), (2, 3, 0)] {
        let builder = Predictor::new(Images::init(3)).batch(4).threads(threads).concurrent_calls(calls);
        let predictor = builder.cached_programs(kept).build().unwrap();
        at_once(8, |thread| {
            for call in 0..6 {
                let number = (thread + call) % 8;
                let found = predictor.predict(&images(ROWS[number % 4], number)).unwrap();
                assert_eq!(
                    bits(&found),
                    expected[number],
                    "call {call}, {threads} threads, {calls} calls, {kept} kept"
                );
            }
        });
        let report = predictor.cached_programs();
        assert!(report.arenas <= calls && report.others() <= kept.max(1), "{report}");
    }
}

#[test]
fn sizes_are_compiled_once_and_outputs_are_those_of_their_call() {
    let single = || Predictor::new(Words::init(1)).batch(4).extent("T", 5).threads(1);
    let alone = single().build().unwrap();
    let lengths = [5, 2, 7, 5, 3, 2, 7, 3];
    let expected: Vec<_> = (0..8).map(|number| alone.predict(&words(4, lengths[number], number)).unwrap()).collect();
    let predictor = single().concurrent_calls(8).build().unwrap();
    for _ in 0..3 {
        at_once(8, |number| {
            let (scores, best) = predictor.predict(&words(4, lengths[number], number)).unwrap();
            assert_eq!((bits(&scores), &best), (bits(&expected[number].0), &expected[number].1));
        });
    }
    let mut uses: Vec<(String, u64)> = Vec::new();
    for program in predictor.cached_programs().programs {
        uses.push((program.sizes.to_string(), program.uses));
    }
    uses.sort();
    assert_eq!(uses, [2, 3, 5, 7].map(|length| (format!("N = 4, T = {length}"), 6)));
}

/// Samples that are read only when as many calls as a barrier is for have the memory to compute in.
struct Together<'b>(Array4<f32>, &'b Barrier);

impl InputArray<f32> for Together<'_> {
    fn elements_of(&self) -> ArrayViewD<'_, f32> {
        self.1.wait();
        self.0.view().into_dyn()
    }
}

#[test]
fn calls_at_once_take_an_arena_each_and_share_the_weights() {
    let builder = || Predictor::new(Images::init(3)).batch(4).threads(1);
    let predictor = builder().concurrent_calls(8).build().unwrap();
    let alone = predictor.cached_programs();
    let program = &alone.programs[0];
    // Weights in the order in which kernels read them, and what the norm makes of its statistics.
    assert!(alone.arenas == 1 && program.bytes > 0 && program.kept_bytes > 16 * 16 * 9 * 4, "{alone:?}");
    assert_eq!(program.bytes + program.kept_bytes, predictor.plan().arena_bytes);
    let barrier = Barrier::new(8);
    let expected = bits(&predictor.predict(&images(4, 1)).unwrap());
    for _ in 0..3 {
        at_once(8, |_| {
            let found = predictor.predict(&Together(images(4, 1), &barrier)).unwrap();
            assert_eq!(bits(&found), expected);
        });
    }
    let report = predictor.cached_programs();
    assert_eq!((report.arenas, report.bytes()), (8, 8 * program.bytes + program.kept_bytes));
    assert!(report.to_string().contains("memory for all"), "{report}");
}

/// Counts its calls, in evaluation, too.
#[derive(Clone)]
struct Counting {
    calls: Parameter,
}

impl Layer for Counting {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let calls = g.parameter_state("calls", &self.calls);
        g.update(calls, calls + 1.0);
        x + calls
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        path.enter("calls", |path| f(path.as_str(), &self.calls));
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        path.enter("calls", |path| f(path.as_str(), &mut self.calls));
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), "Counting");
    }
}

impl Model for Counting {
    type Input = f32;
    type Output = f32;
    const INPUT: Shape = Shape::new(&[Shape::N]);
    const OUTPUT: Shape = Shape::new(&[Shape::N]);

    fn new(_: &mut kiln::graph::model::Init) -> Counting {
        Counting { calls: Parameter::buffer(ndarray::arr0(0.0).into_dyn()) }
    }
}

#[test]
fn predictions_that_update_states_come_one_after_the_other() {
    let predictor = Predictor::new(Counting::init(0)).batch(1).concurrent_calls(8).build().unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    at_once(8, |_| {
        for _ in 0..10 {
            let counted = predictor.predict(&array![0.0_f32]).unwrap();
            seen.lock().unwrap().push(counted[[0]] as usize);
        }
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..80).collect::<Vec<_>>());
    assert_eq!(predictor.into_model().calls.value[[]], 80.0);
}

/// Samples of which the second reading panics: the first one is the check.
struct Panicking(Array4<f32>, Cell<usize>);

impl InputArray<f32> for Panicking {
    fn elements_of(&self) -> ArrayViewD<'_, f32> {
        self.1.set(self.1.get() + 1);
        assert!(self.1.get() < 2, "the samples are gone");
        self.0.view().into_dyn()
    }
}

#[test]
fn calls_that_fail_give_their_memory_back() {
    let predictor = Predictor::new(Images::init(3)).batch(4).threads(1).concurrent_calls(1).build().unwrap();
    let expected = predictor.predict(&images(4, 1)).unwrap();
    for _ in 0..2 {
        let panicking = Panicking(images(4, 1), Cell::new(0));
        catch_unwind(AssertUnwindSafe(|| predictor.predict(&panicking))).expect_err("it panics");
        assert_eq!(predictor.predict(&images(4, 1)).unwrap(), expected);
    }
    let indices = Predictor::new(Words::init(1)).batch(2).extent("T", 3).concurrent_calls(1).build().unwrap();
    let error = indices.predict(&array![[1, 2, 50], [0, 0, 0]]).unwrap_err();
    assert!(matches!(error, TrainError::Index(_)), "{error}");
    assert!(indices.predict(&array![[1, 2, 49], [0, 0, 0]]).is_ok());
    assert_eq!(indices.cached_programs().arenas, 1);
}

#[test]
fn arrays_that_are_there_take_the_results() {
    let predictor = Predictor::new(Images::init(3)).batch(4).build().unwrap();
    for rows in [4, 1, 9] {
        let expected = predictor.predict(&images(rows, 1)).unwrap();
        let mut out = ArrayD::from_elem(vec![rows, 10], f32::NAN);
        predictor.predict_into(&images(rows, 1), &mut out).unwrap();
        assert_eq!(bits(&out), bits(&expected));
    }
    let words = words(2, 3, 0);
    let indices = Predictor::new(Words::init(1)).batch(2).extent("T", 3).build().unwrap();
    let mut out = indices.predict(&words).unwrap();
    let expected = out.clone();
    out.0.fill(0.0);
    out.1.fill(-1);
    indices.predict_into(&words, &mut out).unwrap();
    assert_eq!(out, expected);

    let refused = |error: TrainError| error.to_string();
    let mut short = ArrayD::zeros(vec![3, 10]);
    assert_eq!(
        refused(predictor.predict_into(&images(4, 1), &mut short).unwrap_err()),
        "the output `output` has the shape [4, 10], but the array for it has the shape [3, 10]"
    );
    out.1 = ArrayD::zeros(vec![2, 4]);
    assert_eq!(
        refused(indices.predict_into(&words, &mut out).unwrap_err()),
        "the output `output1` has the shape [2, 3], but the array for it has the shape [2, 4]"
    );
}

#[test]
fn settings_that_can_not_be_are_refused() {
    let error = Predictor::new(Images::init(3)).concurrent_calls(0).build().map(drop).unwrap_err();
    assert_eq!(error.to_string(), "concurrent_calls should be at least 1, but is 0");
}

#[test]
fn models_are_read_by_many_while_others_predict() {
    let model = Images::init(3);
    let expected = model.fc.weight.value.clone();
    let predictor = Predictor::new(model).batch(4).build().unwrap();
    at_once(4, |thread| {
        predictor.predict(&images(1 + thread, 0)).unwrap();
        assert_eq!(predictor.model().fc.weight.value, expected);
        predictor.summary().unwrap();
        predictor.predict(&images(2 * thread + 5, 0)).unwrap();
    });
    predictor.profile().unwrap();
    assert_eq!(predictor.into_model().fc.weight.value, expected);
}

/// However many predictors and trainers there are, those of as many threads share one pool, which ends with the last of them.
#[test]
fn all_of_as_many_threads_share_one_pool() {
    // So many threads are asked for by no other test of this program.
    const THREADS: usize = 5;
    let predictor = || Predictor::new(Images::init(3)).batch(4).threads(THREADS).build().unwrap();
    let alone = Predictor::new(Images::init(3)).batch(4).threads(1).build().unwrap();
    let expected = bits(&alone.predict(&images(4, 1)).unwrap());
    let pool = Pool::shared(THREADS);
    let holders = || Arc::strong_count(&pool) - 1;
    assert_eq!(holders(), 0);
    let mut trainer =
        Trainer::new(Images::init(3), cross_entropy(), Sgd::new(0.1)).batch(4).threads(THREADS).build().unwrap();
    let of_trainer = holders();
    let predictors: Vec<_> = (0..8).map(|_| predictor()).collect();
    assert!(of_trainer > 0 && holders() >= of_trainer + predictors.len(), "{} hold the pool", holders());
    at_once(8, |number| assert_eq!(bits(&predictors[number].predict(&images(4, 1)).unwrap()), expected));
    trainer.step(&images(4, 1), &[0, 1, 2, 3]).unwrap();
    drop((trainer, predictors));
    assert_eq!(holders(), 0);
}
