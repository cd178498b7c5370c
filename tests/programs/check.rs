//! What holds for every program: results are those of the interpreter in f64, for any batch size; the bits are the same for any
//! number of threads and after saving and loading; steps follow the interpreter's.

use std::collections::HashMap;
use std::ops::{DerefMut, Range};
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln::graph::interpret::{Tensor, interpret};
use kiln::graph::optimizers::Optimization;
use kiln::graph::{Builder, DType, Graph, Role, Type};
use kiln::prelude::*;
use kiln::steps::StepTrainer;
use kiln::{Targets, TrainError};
use ndarray::{Array1, ArrayD, Axis, IxDyn, Slice};

use crate::errors::errors;
use crate::folder::Folder;
use crate::program::{Program, Random};

/// How many times as far from the exact value as the analysis of errors says a value may be.
const SAFETY: f64 = 2.0;

/// Values in f64 by name.
type Feeds = HashMap<String, Tensor<f64>>;

/// Targets of some samples.
pub trait Rows: Clone {
    fn draw(random: &mut Random, rows: usize, outputs: usize) -> Self;
    fn rows(&self, range: Range<usize>) -> Self;
    fn tensor(&self) -> Tensor<f64>;
}

impl Rows for ArrayD<f32> {
    fn draw(random: &mut Random, rows: usize, outputs: usize) -> Self {
        ArrayD::from_shape_simple_fn(IxDyn(&[rows, outputs]), || random.number())
    }

    fn rows(&self, range: Range<usize>) -> Self {
        self.slice_axis(Axis(0), Slice::from(range)).to_owned()
    }

    fn tensor(&self) -> Tensor<f64> {
        Tensor::F(self.mapv(f64::from))
    }
}

impl Rows for Array1<i32> {
    fn draw(random: &mut Random, rows: usize, outputs: usize) -> Self {
        Array1::from_shape_simple_fn(rows, || random.below(outputs) as i32)
    }

    fn rows(&self, range: Range<usize>) -> Self {
        self.slice_axis(Axis(0), Slice::from(range)).to_owned()
    }

    fn tensor(&self) -> Tensor<f64> {
        Tensor::I(self.clone().into_dyn())
    }
}

/// What a graph gives in f64: for each output and each updated state the values, and how far f32 may be from them.
struct Exact(HashMap<String, (Vec<f64>, f64)>);

impl Exact {
    /// Evaluates a graph. Inputs that `feeds` does not name are zeros; what is updated goes into `feeds`.
    fn of(graph: &Graph, feeds: &mut Feeds) -> Exact {
        for input in &graph.inputs {
            let Type { dtype, shape } = graph.ty(input.node);
            feeds.entry(input.name.clone()).or_insert_with(|| match dtype {
                DType::F32 => Tensor::floats(shape, vec![0.0; shape.elements()]),
                DType::I32 => Tensor::ints(shape, vec![0; shape.elements()]),
                DType::Bool => Tensor::bools(shape, vec![false; shape.elements()]),
            });
        }
        let bounds = errors(graph, feeds);
        let results = interpret(graph, feeds).expect("a graph with all its feeds");
        let mut all = HashMap::new();
        for output in &graph.outputs {
            all.insert(
                output.name.clone(),
                (results.outputs[&output.name].to_f64(), SAFETY * bounds[output.node.index()]),
            );
        }
        for update in &graph.updates {
            let name = &graph.inputs[update.input].name;
            all.insert(name.clone(), (results.updates[name].to_f64(), SAFETY * bounds[update.node.index()]));
        }
        feeds.extend(results.updates);
        Exact(all)
    }

    /// That the values are as near as the analysis says. What it can not tell, as a comparison could turn, is to be near nonetheless for
    /// most of the elements.
    fn check<'a>(&self, what: &str, name: &str, found: impl IntoIterator<Item = &'a f32>) {
        let (exact, bound) = &self.0[name];
        let found: Vec<f64> = found.into_iter().map(|&value| f64::from(value)).collect();
        assert_eq!(found.len(), exact.len(), "{what}: {name}");
        near(&format!("{what}: {name}"), exact, &found, *bound);
    }
}

/// How many comparisons there were, and how many of them to three digits.
pub static COMPARED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

fn near(what: &str, exact: &[f64], found: &[f64], bound: f64) {
    let largest = exact.iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()));
    // What leaves the range of f32 may become anything.
    if largest > 1e30 {
        return;
    }
    let far = |(x, y): &(&f64, &f64), bound: f64| !(*x == *y || x.is_nan() && y.is_nan() || (*x - *y).abs() <= bound);
    let pairs = || exact.iter().zip(found);
    let three_digits = 1e-3 * largest + 1e-4;
    COMPARED[0].fetch_add(1, Ordering::Relaxed);
    COMPARED[1].fetch_add(usize::from(bound <= three_digits), Ordering::Relaxed);
    if bound.is_finite() {
        let first = pairs().enumerate().find(|(_, pair)| far(pair, bound));
        assert!(first.is_none(), "{what}: {first:?} of exact and found, which is more than {bound:e} away");
    }
    // The analysis adds up what mostly cancels. Where it is infinite, the roundings may turn a comparison: then a few ties decide.
    let usual = if bound.is_finite() { three_digits } else { 0.3 * largest + 0.01 };
    let count = pairs().filter(|pair| far(pair, usual)).count();
    let shown = |values: &[f64]| values[..values.len().min(12)].to_vec();
    assert!(
        count <= exact.len() / 4,
        "{what}: {count} of {} values are further off than {usual:e}:\n{:?}\n{:?}",
        exact.len(),
        shown(exact),
        shown(found)
    );
}

fn same_bits<'a>(what: &str, one: impl IntoIterator<Item = &'a f32>, two: impl IntoIterator<Item = &'a f32>) {
    let bits = |value: &f32| if value.is_nan() { u32::MAX } else { value.to_bits() };
    let (one, two): (Vec<u32>, Vec<u32>) = (one.into_iter().map(bits).collect(), two.into_iter().map(bits).collect());
    assert_eq!(one, two, "{what}");
}

/// All parameters, by name.
fn parameters(model: &impl Parameters) -> Vec<(String, Vec<f32>)> {
    let mut all = Vec::new();
    model.each_parameter(&mut |name, parameter| all.push((name.to_owned(), parameter.value.iter().copied().collect())));
    all
}

fn same_parameters(what: &str, one: &impl Parameters, two: &impl Parameters) {
    for ((name, one), (other, two)) in parameters(one).iter().zip(&parameters(two)) {
        assert_eq!(name, other);
        same_bits(&format!("{what}: {name}"), one, two);
    }
}

/// The parameters as feeds.
fn feeds(model: &impl Parameters) -> Feeds {
    let mut feeds = Feeds::new();
    model.each_parameter(&mut |name, parameter| {
        let values = parameter.value.iter().map(|&value| f64::from(value));
        let tensor = match parameter.kind {
            Kind::Counter => return,
            _ => Tensor::floats(parameter.shape(), values),
        };
        feeds.insert(name.to_owned(), tensor);
    });
    feeds
}

fn feed_initial(feeds: &mut Feeds, states: Vec<(String, Shape, f32)>) {
    for (name, shape, value) in states {
        feeds.insert(name, Tensor::floats(shape, vec![f64::from(value); shape.elements()]));
    }
}

/// What is drawn for a program: the sizes, and the samples.
struct Drawn<Y> {
    rows: usize,
    batch: usize,
    x: ArrayD<f32>,
    y: Y,
}

impl<Y: Rows> Drawn<Y> {
    fn new(program: &Program, input: &[usize], outputs: usize) -> Drawn<Y> {
        let mut random = Random::new(program.seed ^ 0xd1ce);
        let least = if program.takes_one() { 1 } else { 2 };
        let rows = least + random.below(10 - least);
        let batch = 1 + random.below(9);
        let scale = if random.chance(20) { 4.0 } else { 1.0 };
        let x = ArrayD::from_shape_simple_fn(IxDyn(&[&[rows], input].concat()), || scale * random.number());
        Drawn { rows, batch, x, y: Y::draw(&mut random, rows, outputs) }
    }
}

/// A model with a loss and an optimizer of a trainer.
pub fn trained<M, L, O, Y>(program: &Program, make: impl Fn(u64) -> M, loss: L, rule: O)
where
    M: Model<Input = f32>,
    L: Loss + Clone,
    L::Target: kiln::TargetElement,
    O: Optimizer + Clone,
    Y: Rows + Targets<L::Target>,
{
    let seed = program.seed;
    let Drawn { rows, batch, x, y } = Drawn::<Y>::new(program, &M::INPUT.dims()[1..], M::OUTPUT.dim(1));
    let graph = |mode: Mode, model: &M, rows: usize| {
        let g = Builder::new("exact");
        g.set_mode(mode);
        let input = g.input("x", M::INPUT.with(0, rows));
        let prediction = model.forward(&g, input);
        g.output("prediction", prediction);
        let target = g.input_of("y", loss.target_type(prediction.shape()));
        let value = loss.loss(&g, prediction, target);
        if mode == Mode::Train {
            Optimization::new("", &rule, |path, f| model.visit(path, f)).minimize(&g, value);
        }
        g.output("loss", value);
        g.finish().expect("a graph of a model that compiles")
    };
    let exact = |mode: Mode, model: &M, feeds: &mut Feeds, x: &ArrayD<f32>, y: &Y| {
        feeds.insert("x".to_owned(), Tensor::F(x.mapv(f64::from)));
        feeds.insert("y".to_owned(), y.tensor());
        for (name, values) in loss.states() {
            feeds.insert(name, Tensor::F(values.mapv(f64::from)));
        }
        Exact::of(&graph(mode, model, x.shape()[0]), feeds)
    };
    let trainer = |batch: usize, threads: usize| {
        Trainer::new(make(seed), loss.clone(), rule.clone()).batch(batch).threads(threads).build().expect("it compiles")
    };

    // Predictions, in parts, for any number of threads.
    let model = make(seed);
    let expected = exact(Mode::Eval, &model, &mut feeds(&model), &x, &y);
    let predict = |batch: usize, threads: usize| {
        let mut predictor = Predictor::new(make(seed)).batch(batch).threads(threads).build().expect("it compiles");
        predictor.predict(&x).expect("a prediction")
    };
    let alone = predict(batch, 1);
    expected.check("prediction", "prediction", &alone);
    same_bits("prediction by two threads", &alone, &predict(batch, 2));

    // A step, and two more of other sizes.
    let mut of_exact = feeds(&model);
    let optimizer = Optimization::new("", &rule, |path, f| model.visit(path, f));
    feed_initial(&mut of_exact, optimizer.initial_state());
    let expected = exact(Mode::Train, &model, &mut of_exact, &x, &y);
    let (mut one, mut two) = (trainer(rows, 1), trainer(rows, 2));
    let found = one.step(&x, &y).expect("a step");
    expected.check("step", "loss", &[found]);
    same_bits("loss of two threads", &[found], &[two.step(&x, &y).expect("a step")]);
    for (name, values) in parameters(one.model()).iter().filter(|(name, _)| expected.0.contains_key(name)) {
        if !name.ends_with("num_batches_tracked") {
            expected.check("step", name, values);
        }
    }
    let fewer = if program.takes_one() { 1.max(rows - 1) } else { 2.max(rows - 1) };
    for count in [fewer, rows] {
        let (x, y) = (x.rows(0..count), y.rows(0..count));
        let expected = exact(Mode::Train, &model, &mut of_exact, &x, &y);
        let found = one.step(&x, &y).expect("a step");
        same_bits("losses of two threads", &[found], &[two.step(&x, &y).expect("a step")]);
        roughly("a later step", expected.0["loss"].0[0], found);
    }
    same_parameters("parameters by two threads", one.model(), two.model());

    // Evaluation and prediction after training, in parts; and the same bits from a file.
    let mut of_trained = feeds(one.model());
    let expected = exact(Mode::Eval, one.model(), &mut of_trained, &x, &y);
    let folder = Folder::new("programs");
    let file = folder.path("model.safetensors");
    one.model().save(&file).expect("a file");
    let load = |batch: usize| {
        let mut loaded = make(seed + 1_000_000);
        loaded.load(&file).expect("its own file");
        Trainer::new(loaded, loss.clone(), rule.clone()).batch(batch).threads(1).build()
    };
    let mut parts = match load(batch) {
        Ok(parts) => parts,
        // Batch norm does not train with one sample.
        Err(error) if batch == 1 && !program.takes_one() => return drop::<TrainError>(error),
        Err(error) => panic!("{error}"),
    };
    same_parameters("parameters from a file", one.model(), parts.model());
    let again = folder.path("again.safetensors");
    parts.model().save(&again).expect("a file");
    assert_eq!(
        std::fs::read(&file).expect("a file"),
        std::fs::read(&again).expect("a file"),
        "the file of a loaded model"
    );
    let evaluation = parts.evaluate(&x, &y).expect("an evaluation");
    // A loss that is a sum comes back as the sum for each sample.
    let scale = if loss.averages() { 1.0 } else { rows as f64 };
    let (values, bound) = &expected.0["loss"];
    near(
        "evaluation in parts",
        &[values[0] / scale],
        &[f64::from(evaluation.loss)],
        bound / scale + 1e-6 * values[0].abs(),
    );
    let predicted = one.predict(&x).expect("a prediction");
    expected.check("prediction after training", "prediction", &predicted);
    let in_parts = parts.predict(&x).expect("a prediction");
    expected.check("prediction from a file in parts", "prediction", &in_parts);
}

/// That a loss follows the exact one, whose states have no roundings.
fn roughly(what: &str, exact: f64, found: f32) {
    let error = (exact - f64::from(found)).abs();
    // What leaves the range of f32 may become anything.
    let same = exact.is_nan() && found.is_nan() || !exact.is_finite() || exact.abs() > 1e30;
    assert!(same || error <= 0.02 * exact.abs() + 0.02, "{what}: {exact} is the loss, but {found} was found");
}

/// A model with a `step` that takes samples and targets and an `eval` that takes samples.
pub fn stepped<M, Y>(
    program: &Program,
    make: impl Fn(u64) -> M,
    fit: impl Fn(&mut M::Trainer, &ArrayD<f32>, &Y) -> Result<(f32, ArrayD<f32>), TrainError>,
    apply: impl Fn(&mut M::Trainer, &ArrayD<f32>) -> Result<ArrayD<f32>, TrainError>,
) where
    M: Steps,
    M::Trainer: DerefMut<Target = StepTrainer<M>>,
    Y: Rows,
{
    let Drawn { rows, batch, x, y } = Drawn::<Y>::new(program, &program.input, program.outputs);
    let result = format!("v{}", program.steps.len());
    let exact = |number: usize, model: &M, feeds: &mut Feeds, x: &ArrayD<f32>, y: &Y| {
        let signature = &M::PROGRAMS[number];
        let g = Builder::new(signature.name);
        g.set_mode(signature.mode);
        let types = signature.inputs.iter().map(|taken| (taken.name, taken.ty));
        let typed =
            types.map(|(name, Type { dtype, shape })| (name, Type { dtype, shape: shape.with(0, x.shape()[0]) }));
        let inputs: Vec<_> = typed.map(|(name, ty)| g.input_of(name, ty)).collect();
        model.program(number, &g, &inputs);
        let graph = g.finish().expect("a graph of a program that compiles");
        let data: Vec<&str> = graph.inputs.iter().filter(|i| i.role == Role::Data).map(|i| i.name.as_str()).collect();
        feeds.insert(data[0].to_owned(), Tensor::F(x.mapv(f64::from)));
        if data.len() > 1 {
            feeds.insert(data[1].to_owned(), y.tensor());
        }
        Exact::of(&graph, feeds)
    };
    let trainer = |model: M, batch: usize, threads: usize| {
        model.trainer().batch(batch).threads(threads).build().expect("it compiles")
    };
    let model = make(program.seed);
    let mut of_exact = feeds(&model);
    model.optimizers().iter().for_each(|optimizer| feed_initial(&mut of_exact, optimizer.initial_state()));
    let (mut one, mut two) = (trainer(make(program.seed), rows, 1), trainer(make(program.seed), rows, 2));
    let expected = exact(1, &model, &mut feeds(&model), &x, &y);
    let before = apply(&mut one, &x).expect("a prediction");
    expected.check("eval", &result, &before);
    same_bits("eval by two threads", &before, &apply(&mut two, &x).expect("a prediction"));
    let expected = exact(0, &model, &mut of_exact, &x, &y);
    let (loss, values) = fit(&mut one, &x, &y).expect("a step");
    expected.check("step", "loss", &[loss]);
    expected.check("step", &result, &values);
    let (other, others) = fit(&mut two, &x, &y).expect("a step");
    same_bits("loss by two threads", &[loss], &[other]);
    same_bits("results by two threads", &values, &others);
    for (name, values) in parameters(one.model()).iter().filter(|(name, _)| expected.0.contains_key(name)) {
        if !name.ends_with("num_batches_tracked") {
            expected.check("step", name, values);
        }
    }
    let fewer = if program.takes_one() { 1.max(rows - 1) } else { 2.max(rows - 1) };
    for count in [fewer, rows] {
        let (x, y) = (x.rows(0..count), y.rows(0..count));
        let expected = exact(0, &model, &mut of_exact, &x, &y);
        let (loss, values) = fit(&mut one, &x, &y).expect("a step");
        let (other, others) = fit(&mut two, &x, &y).expect("a step");
        same_bits("loss by two threads", &[loss], &[other]);
        same_bits("results by two threads", &values, &others);
        roughly("a later step", expected.0["loss"].0[0], loss);
    }
    same_parameters("parameters by two threads", one.model(), two.model());

    let mut of_trained = feeds(one.model());
    let expected = exact(1, one.model(), &mut of_trained, &x, &y);
    let after = apply(&mut one, &x).expect("a prediction");
    expected.check("eval after training", &result, &after);
    let folder = Folder::new("programs");
    let file = folder.path("model.safetensors");
    one.model().save(&file).expect("a file");
    let mut loaded = make(program.seed + 1_000_000);
    loaded.load(&file).expect("its own file");
    same_parameters("parameters from a file", one.model(), &loaded);
    // In parts of the batch size, whatever the trainer was built for.
    let mut parts = trainer(loaded, rows.max(batch), 1);
    for start in (0..rows).step_by(batch) {
        let range = start..rows.min(start + batch);
        let found = apply(&mut parts, &x.rows(range.clone())).expect("a prediction");
        let width = program.outputs;
        let (values, bound) = &expected.0[&result];
        let found: Vec<f64> = found.iter().map(|&value| f64::from(value)).collect();
        near("eval from a file in parts", &values[range.start * width..range.end * width], &found, *bound);
    }
}

/// What a module of `source.rs` calls: the program of a seed, for targets that are numbers.
pub fn values<M, L, O>(seed: u64, make: impl Fn(u64) -> M, loss: L, rule: O)
where
    M: Model<Input = f32>,
    L: Loss<Target = f32> + Clone,
    O: Optimizer + Clone,
{
    trained::<M, L, O, ArrayD<f32>>(&Program::random(seed, None, usize::MAX), make, loss, rule);
}

/// As [`values`], for class labels.
pub fn labels<M, L, O>(seed: u64, make: impl Fn(u64) -> M, loss: L, rule: O)
where
    M: Model<Input = f32>,
    L: Loss<Target = i32> + Clone,
    O: Optimizer + Clone,
{
    trained::<M, L, O, Array1<i32>>(&Program::random(seed, None, usize::MAX), make, loss, rule);
}

type Fit<M, Y> = fn(&mut <M as Steps>::Trainer, &ArrayD<f32>, &Y) -> Result<(f32, ArrayD<f32>), TrainError>;
type Apply<M> = fn(&mut <M as Steps>::Trainer, &ArrayD<f32>) -> Result<ArrayD<f32>, TrainError>;

/// As [`values`], for a model with steps.
pub fn steps_of_values<M: Steps>(seed: u64, make: fn(u64) -> M, fit: Fit<M, ArrayD<f32>>, apply: Apply<M>)
where
    M::Trainer: DerefMut<Target = StepTrainer<M>>,
{
    stepped(&Program::random(seed, None, usize::MAX), make, fit, apply);
}

/// As [`labels`], for a model with steps.
pub fn steps_of_labels<M: Steps>(seed: u64, make: fn(u64) -> M, fit: Fit<M, Array1<i32>>, apply: Apply<M>)
where
    M::Trainer: DerefMut<Target = StepTrainer<M>>,
{
    stepped(&Program::random(seed, None, usize::MAX), make, fit, apply);
}
