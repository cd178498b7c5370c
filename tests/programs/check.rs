//! What holds for every program: results are those of the interpreter in f64, as near as f32 comes to them, for any
//! batch size; the bits are the same for any number of threads and after saving and loading; steps follow the
//! interpreter's.

use std::collections::HashMap;
use std::ops::{DerefMut, Range};
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln::graph::interpret::{Real, Results, Tensor, interpret};
use kiln::graph::optimizers::Optimization;
use kiln::graph::{Builder, DType, Graph, NodeId, Type};
use kiln::prelude::*;
use kiln::steps::StepTrainer;
use kiln::{Targets, TrainError};
use ndarray::{Array1, ArrayD, Axis, IxDyn, Slice};

use crate::errors::errors;
use crate::folder::Folder;
use crate::program::Program;
use crate::random::Random;
use crate::words::{LONGEST, WORDS};

/// How many times as far from the exact value as the analysis of errors says a value may be.
const SAFETY: f64 = 2.0;
/// How many times as far as was seen of the interpreter a value may be, beside the roundings of the last operations.
const SEEN: f64 = 32.0;

/// By what part of themselves inputs are moved to see how far results go: some roundings.
const MOVED: f64 = 4.0 * f32::EPSILON as f64;

/// Values by name: in f64, as the interpreter has them that rounds to f32, and of trainings whose every value is moved a little before
/// each step. What a step updates, each of them updates by itself: so they part as fast as trainings do that round in other
/// places, also where small differences grow from step to step.
#[derive(Default)]
struct Feeds {
    exact: HashMap<String, Tensor<f64>>,
    rounded: HashMap<String, Tensor<f32>>,
    moved: [HashMap<String, Tensor<f64>>; 2],
}

impl Feeds {
    fn insert(&mut self, name: &str, value: Tensor<f64>) {
        let rounded = match &value {
            Tensor::F(values) => Tensor::F(values.mapv(|x| x as f32)),
            Tensor::H(values) => Tensor::H(values.clone()),
            Tensor::I(values) => Tensor::I(values.clone()),
            Tensor::U(values) => Tensor::U(values.clone()),
            Tensor::S(values) => Tensor::S(values.clone()),
            Tensor::B(values) => Tensor::B(values.clone()),
        };
        self.moved.iter_mut().for_each(|moved| _ = moved.insert(name.to_owned(), value.clone()));
        self.exact.insert(name.to_owned(), value);
        self.rounded.insert(name.to_owned(), rounded);
    }
}

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

/// What a model takes of some samples.
pub trait Given: Clone {
    /// Of samples of these extents.
    fn draw(random: &mut Random, rows: usize, extents: &[usize], scale: f32) -> Self;
    fn rows(&self, range: Range<usize>) -> Self;
    /// The same samples with other free extents, if there are any.
    fn shorter(&self) -> Self;
    /// For each input.
    fn tensors(&self) -> Vec<Tensor<f64>>;
}

impl Given for ArrayD<f32> {
    fn draw(random: &mut Random, rows: usize, extents: &[usize], scale: f32) -> Self {
        ArrayD::from_shape_simple_fn(IxDyn(&[&[rows], extents].concat()), || scale * random.number())
    }

    fn rows(&self, range: Range<usize>) -> Self {
        Rows::rows(self, range)
    }

    fn shorter(&self) -> Self {
        self.clone()
    }

    fn tensors(&self) -> Vec<Tensor<f64>> {
        vec![self.tensor()]
    }
}

/// Numbers, and words.
impl Given for (ArrayD<f32>, ArrayD<i32>) {
    fn draw(random: &mut Random, rows: usize, extents: &[usize], scale: f32) -> Self {
        let x = Given::draw(random, rows, extents, scale);
        let length = 1 + random.below(LONGEST);
        (x, ArrayD::from_shape_simple_fn(IxDyn(&[rows, length]), || random.below(WORDS) as i32))
    }

    fn rows(&self, range: Range<usize>) -> Self {
        let words = self.1.slice_axis(Axis(0), Slice::from(range.clone())).to_owned();
        (Given::rows(&self.0, range), words)
    }

    fn shorter(&self) -> Self {
        let length = self.1.len_of(Axis(1)).div_ceil(2);
        (self.0.clone(), self.1.slice_axis(Axis(1), Slice::from(..length)).to_owned())
    }

    fn tensors(&self) -> Vec<Tensor<f64>> {
        vec![self.0.tensor(), Tensor::I(self.1.clone())]
    }
}

/// The type with the extents of a tensor.
fn sized(ty: Type, tensor: &Tensor<f64>) -> Type {
    Type { shape: tensor.ty().shape, ..ty }
}

/// What a graph gives in f64: for each output and each updated state.
struct Exact(HashMap<String, Known>);

/// Values in f64, and how far f32 may be from them.
#[derive(Clone)]
struct Known {
    values: Vec<f64>,
    /// As the analysis of errors says.
    bound: f64,
    /// Whether roundings may turn a comparison, as far as the analysis knows.
    turns: bool,
    /// As seen: how far the interpreter was from them with roundings to f32, and with inputs that were moved a little.
    seen: f64,
    /// Whether the interpreter left the range of f32 on the way to them: then they may become anything, NaN as well.
    left: bool,
}

impl Exact {
    /// Evaluates a graph. Inputs that `feeds` does not name are zeros; what is updated goes into `feeds`.
    fn of(graph: &Graph, feeds: &mut Feeds) -> Exact {
        for input in &graph.inputs {
            let Type { dtype, shape } = graph.ty(input.node);
            if !feeds.exact.contains_key(&input.name) {
                let zeros = match dtype {
                    DType::F32 => Tensor::floats(shape, vec![0.0; shape.elements()]),
                    DType::Bf16 | DType::U8 | DType::I8 => {
                        unreachable!("no input or result of a whole graph is narrow")
                    }
                    DType::I32 => Tensor::ints(shape, vec![0; shape.elements()]),
                    DType::Bool => Tensor::bools(shape, vec![false; shape.elements()]),
                };
                feeds.insert(&input.name, zeros);
            }
        }
        // What a loop does to errors is not analysed.
        let bounds = match graph.bodies.is_empty() {
            true => errors(graph, &feeds.exact),
            false => vec![f64::INFINITY; graph.nodes.len()],
        };
        let results = interpret(graph, &feeds.exact).expect("a graph with all its feeds");
        let mut all = HashMap::new();
        let mut keep = |name: &str, value: &Tensor<f64>, node: NodeId| {
            let bound = SAFETY * bounds[node.index()];
            let known = Known { values: value.to_f64(), bound, turns: bound.is_infinite(), seen: 0.0, left: false };
            all.insert(name.to_owned(), known);
        };
        for output in &graph.outputs {
            keep(&output.name, &results.outputs[&output.name], output.node);
        }
        for update in &graph.updates {
            let name = &graph.inputs[update.input].name;
            keep(name, &results.updates[name], update.node);
        }
        let mut exact = Exact(all);
        let rounded = interpret(graph, &feeds.rounded).expect("the same feeds");
        exact.see(&rounded);
        let mut random = Random::new(1);
        for moved in &mut feeds.moved {
            move_all(graph, moved, &mut random);
            let results = interpret(graph, moved).expect("the same feeds");
            exact.see(&results);
            moved.extend(results.updates);
        }
        feeds.exact.extend(results.updates);
        feeds.rounded.extend(rounded.updates);
        exact
    }

    /// Takes note of how far other results are from the exact ones.
    fn see<T: Real>(&mut self, results: &Results<T>) {
        for (name, value) in results.outputs.iter().chain(&results.updates) {
            let known = self.0.get_mut(name).expect("a result of the same graph");
            let away = known.values.iter().zip(value.to_f64()).map(|(x, y)| (x - y).abs());
            known.left |= away.clone().zip(&known.values).any(|(away, x)| x.is_finite() && !away.is_finite());
            known.seen = away.filter(|away| !away.is_nan()).fold(known.seen, f64::max);
        }
    }

    /// That the values are as near as they may be.
    fn check<'a>(&self, what: &str, name: &str, found: impl IntoIterator<Item = &'a f32>) {
        let found: Vec<f64> = found.into_iter().map(|&value| f64::from(value)).collect();
        near(&ONCE, &format!("{what}: {name}"), &self.0[name], &found);
    }

    /// That the loss of a later step is as near as it may be: the analysis does not know how far the states are from the
    /// exact ones; what was seen of other trainings does.
    fn check_later(&self, found: f32) {
        let mut known = Known { bound: f64::INFINITY, ..self.0["loss"].clone() };
        // A training that has left the range of f64 left that of f32 before.
        known.left |= known.values[0].is_infinite();
        near(&LATER, "a later step", &known, &[f64::from(found)]);
    }
}

/// Makes the inputs not quite what they are: what that does to the results, roundings on the way do as well, also where
/// they turn a comparison.
fn move_all(graph: &Graph, feeds: &mut HashMap<String, Tensor<f64>>, random: &mut Random) {
    // In the order of the inputs, so that it is the same whenever it is looked at.
    for input in &graph.inputs {
        if let Some(Tensor::F(values)) = feeds.get_mut(&input.name) {
            values.mapv_inplace(|x| x * (1.0 + f64::from(random.number()) * MOVED));
        }
    }
}

/// How often something was looked at, so that a run in which next to nothing could be compared fails.
pub struct Compared {
    /// Results that there were.
    pub results: AtomicUsize,
    /// Those of them that could be compared to three digits.
    pub to_digits: AtomicUsize,
    /// Those of them of which a comparison turned.
    pub turned: AtomicUsize,
}

impl Compared {
    const fn new() -> Compared {
        Compared { results: AtomicUsize::new(0), to_digits: AtomicUsize::new(0), turned: AtomicUsize::new(0) }
    }
}

/// Of predictions, first steps and evaluations.
pub static ONCE: Compared = Compared::new();
/// Of losses of later steps, whose states come from steps that rounded.
pub static LATER: Compared = Compared::new();

fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()))
}

fn near(compared: &Compared, what: &str, exact: &Known, found: &[f64]) {
    let Known { values: exact, bound, turns, seen, left } = exact;
    assert_eq!(found.len(), exact.len(), "{what}");
    compared.results.fetch_add(1, Ordering::Relaxed);
    let largest = largest(exact);
    // What leaves the range of f32 may become anything.
    if *left || largest > 1e30 {
        return;
    }
    let far = |most: f64| {
        let near = move |x: f64, y: f64| x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= most;
        exact.iter().zip(found).enumerate().filter(move |(_, (x, y))| !near(**x, **y))
    };
    // The analysis adds up what mostly cancels, and gives up where a comparison could turn.
    let most = bound.min(SEEN * seen + 1e-5 * largest + 1e-6);
    compared.to_digits.fetch_add(usize::from(most <= 1e-3 * largest + 1e-4), Ordering::Relaxed);
    let Some(first) = far(most).next() else { return };
    let text = format!(
        "{what}: {first:?} of exact and found, which is more than {most:e} away ({bound:e} by analysis, {seen:e} was \
         seen)"
    );
    // Numbers that are equal but for roundings, such as those of a layer norm over two values, are compared by these.
    assert!(*turns && far(0.3 * largest + 0.01).count() <= exact.len() / 4, "{text}");
    println!("{text}: a comparison turned");
    compared.turned.fetch_add(1, Ordering::Relaxed);
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
    let mut feeds = Feeds::default();
    model.each_parameter(&mut |name, parameter| {
        let values = parameter.value.iter().map(|&value| f64::from(value));
        let tensor = match parameter.kind {
            Kind::Counter => return,
            _ => Tensor::floats(parameter.shape(), values),
        };
        feeds.insert(name, tensor);
    });
    feeds
}

fn feed_initial(feeds: &mut Feeds, states: Vec<(String, Shape, f32)>) {
    for (name, shape, value) in states {
        feeds.insert(&name, Tensor::floats(shape, vec![f64::from(value); shape.elements()]));
    }
}

/// What is drawn for a program: the sizes, and the samples.
struct Drawn<X, Y> {
    rows: usize,
    batch: usize,
    x: X,
    y: Y,
}

impl<X: Given, Y: Rows> Drawn<X, Y> {
    fn new(program: &Program, input: &[usize], outputs: usize) -> Drawn<X, Y> {
        let mut random = Random::new(program.seed ^ 0xd1ce);
        let least = if program.takes_one() { 1 } else { 2 };
        let rows = least + random.below(10 - least);
        let batch = 1 + random.below(9);
        let scale = if random.chance(20) { 4.0 } else { 1.0 };
        let x = X::draw(&mut random, rows, input, scale);
        Drawn { rows, batch, x, y: Y::draw(&mut random, rows, outputs) }
    }
}

/// A model with a loss and an optimizer of a trainer.
pub fn trained<M, L, O, X, Y>(program: &Program, make: impl Fn(u64) -> M, loss: L, rule: O)
where
    M: Model<Output = f32>,
    L: Loss + Clone,
    L::Target: kiln::TargetElement,
    O: Optimizer + Clone,
    X: Given,
    for<'x> &'x X: kiln::Inputs<M::Input>,
    Y: Rows + Targets<L::Target>,
{
    let seed = program.seed;
    let Drawn { rows, batch, x, y } = Drawn::<X, Y>::new(program, &M::INPUTS[0].shape.dims()[1..], M::OUTPUT.dim(1));
    let graph = |mode: Mode, model: &M, x: &[Tensor<f64>]| {
        let g = Builder::new("exact");
        g.set_mode(mode);
        let inputs = M::INPUT_NAMES.iter().zip(M::INPUTS).zip(x);
        let inputs: Vec<_> = inputs.map(|((name, ty), x)| g.input_of(name, sized(*ty, x))).collect();
        let prediction = model.forward_all(&g, &inputs)[0];
        g.output("prediction", prediction);
        let target = g.input_of("y", loss.target_type(prediction.shape()));
        let value = loss.loss(&g, prediction, target);
        if mode == Mode::Train {
            Optimization::new("", &rule, |path, f| model.visit(path, f)).minimize(&g, value);
        }
        g.output("loss", value);
        g.finish().expect("a graph of a model that compiles")
    };
    let exact = |mode: Mode, model: &M, feeds: &mut Feeds, x: &X, y: &Y| {
        let x = x.tensors();
        let graph = graph(mode, model, &x);
        M::INPUT_NAMES.iter().zip(x).for_each(|(name, x)| feeds.insert(name, x));
        feeds.insert("y", y.tensor());
        for (name, values) in loss.states() {
            feeds.insert(&name, Tensor::F(values.mapv(f64::from)));
        }
        Exact::of(&graph, feeds)
    };
    let trainer = |batch: usize, threads: usize| {
        Trainer::new(make(seed), loss.clone(), rule.clone()).batch(batch).threads(threads).build().expect("it compiles")
    };

    // Predictions, in parts, for any number of threads.
    let model = make(seed);
    let expected = exact(Mode::Eval, &model, &mut feeds(&model), &x, &y);
    let predict = |batch: usize, threads: usize| {
        let predictor = Predictor::new(make(seed)).batch(batch).threads(threads).build().expect("it compiles");
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
    for (count, x) in [(fewer, x.shorter()), (rows, x.clone())] {
        let (x, y) = (x.rows(0..count), y.rows(0..count));
        let expected = exact(Mode::Train, &model, &mut of_exact, &x, &y);
        let found = one.step(&x, &y).expect("a step");
        same_bits("losses of two threads", &[found], &[two.step(&x, &y).expect("a step")]);
        expected.check_later(found);
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
    let all = &expected.0["loss"];
    let rounded = 1e-6 * all.values[0].abs();
    let (values, bound) = (vec![all.values[0] / scale], all.bound / scale + rounded);
    let each = Known { values, bound, seen: all.seen / scale + rounded, turns: all.turns, left: all.left };
    near(&ONCE, "evaluation in parts", &each, &[f64::from(evaluation.loss)]);
    let predicted = one.predict(&x).expect("a prediction");
    expected.check("prediction after training", "prediction", &predicted);
    let in_parts = parts.predict(&x).expect("a prediction");
    expected.check("prediction from a file in parts", "prediction", &in_parts);
}

/// A model with a `step` that takes samples and targets and an `eval` that takes samples.
pub fn stepped<M, X, Y>(
    program: &Program,
    make: impl Fn(u64) -> M,
    fit: impl Fn(&mut M::Trainer, &X, &Y) -> Result<(f32, ArrayD<f32>), TrainError>,
    apply: impl Fn(&mut M::Trainer, &X) -> Result<ArrayD<f32>, TrainError>,
) where
    M: Steps,
    M::Trainer: DerefMut<Target = StepTrainer<M>>,
    X: Given,
    Y: Rows,
{
    let Drawn { rows, batch, x, y } = Drawn::<X, Y>::new(program, &program.input, program.outputs);
    let result = format!("v{}", program.steps.len());
    let exact = |number: usize, model: &M, feeds: &mut Feeds, x: &X, y: &Y| {
        let signature = &M::PROGRAMS[number];
        let (tensors, rows) = (x.tensors().into_iter().chain([y.tensor()]), x.tensors()[0].ty().shape.dim(0));
        let g = Builder::new(signature.name);
        g.set_mode(signature.mode);
        let mut inputs = Vec::new();
        for (taken, tensor) in signature.inputs.iter().zip(tensors) {
            inputs.push(g.input_of(taken.name, sized(taken.ty, &tensor)));
            feeds.insert(taken.name, tensor);
        }
        model.program(number, &g, rows, &inputs);
        let graph = g.finish().expect("a graph of a program that compiles");
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
    for (count, x) in [(fewer, x.shorter()), (rows, x.clone())] {
        let (x, y) = (x.rows(0..count), y.rows(0..count));
        let expected = exact(0, &model, &mut of_exact, &x, &y);
        let (loss, values) = fit(&mut one, &x, &y).expect("a step");
        let (other, others) = fit(&mut two, &x, &y).expect("a step");
        same_bits("loss by two threads", &[loss], &[other]);
        same_bits("results by two threads", &values, &others);
        expected.check_later(loss);
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
        let all = &expected.0[&result];
        let values = all.values[range.start * width..range.end * width].to_vec();
        let found: Vec<f64> = found.iter().map(|&value| f64::from(value)).collect();
        near(&ONCE, "eval from a file in parts", &Known { values, ..all.clone() }, &found);
    }
}

/// What a module of `source.rs` calls: the program of a seed, for targets that are numbers or class labels, of one input or with
/// words, too. Which of them `written.rs` has is up to its seeds.
macro_rules! checks {
    ($($name:ident, $steps:ident: $input:ty, $given:ty, $target:ty, $rows:ty;)*) => {$(
        #[allow(dead_code)]
        pub fn $name<M, L, O>(seed: u64, make: impl Fn(u64) -> M, loss: L, rule: O)
        where
            M: Model<Input = $input, Output = f32>,
            L: Loss<Target = $target> + Clone,
            O: Optimizer + Clone,
        {
            trained::<M, L, O, $given, $rows>(&Program::random(seed, None, usize::MAX), make, loss, rule);
        }

        #[allow(dead_code)]
        pub fn $steps<M: Steps>(seed: u64, make: fn(u64) -> M, fit: Fit<M, $given, $rows>, apply: Apply<M, $given>)
        where
            M::Trainer: DerefMut<Target = StepTrainer<M>>,
        {
            stepped(&Program::random(seed, None, usize::MAX), make, fit, apply);
        }
    )*};
}

checks! {
    values, steps_of_values: f32, ArrayD<f32>, f32, ArrayD<f32>;
    labels, steps_of_labels: f32, ArrayD<f32>, i32, Array1<i32>;
    values_with_words, steps_of_values_with_words: (f32, i32), (ArrayD<f32>, ArrayD<i32>), f32, ArrayD<f32>;
    labels_with_words, steps_of_labels_with_words: (f32, i32), (ArrayD<f32>, ArrayD<i32>), i32, Array1<i32>;
}

type Fit<M, X, Y> = fn(&mut <M as Steps>::Trainer, &X, &Y) -> Result<(f32, ArrayD<f32>), TrainError>;
type Apply<M, X> = fn(&mut <M as Steps>::Trainer, &X) -> Result<ArrayD<f32>, TrainError>;
