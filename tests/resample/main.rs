//! Layers that change spatial extents, against their definitions written out as loops: in f64 by the interpreter, and in
//! f32 compiled. All of them are linear in their input (a maximum is, where it does not change its mind), so that with
//! `y = f(x)` and the gradient `x'` of `sum(y y')` the sums of `x x'` and of `y y'` are equal.

mod convolution;
mod padding;
mod pooling;
mod rearrange;
mod upsampling;

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::{Builder, Graph, Shape, Value, optimize};
use kiln_jit::{CompileOptions, Program, Session, States};
use kiln_rt::Pool;
use kiln_rt::random::uniform;
use ndarray::{ArrayD, IxDyn};

/// A tensor of reals.
#[derive(Clone, Debug)]
struct Reals {
    shape: Shape,
    values: Vec<f64>,
}

impl Reals {
    /// Numbers from -1 to 1 that the stream decides.
    fn random(shape: Shape, stream: u32) -> Reals {
        let number = |place: usize| f64::from(2.0 * uniform(11, 0, stream, place as u64) - 1.0);
        Reals { shape, values: (0..shape.elements()).map(number).collect() }
    }

    /// A tensor whose elements a function of their indices gives.
    fn of(shape: Shape, mut element: impl FnMut(&[usize]) -> f64) -> Reals {
        Reals { shape, values: indices(shape).into_iter().map(|index| element(&index)).collect() }
    }

    fn at(&self, index: &[usize]) -> f64 {
        self.values[self.place(index)]
    }

    fn place(&self, index: &[usize]) -> usize {
        index.iter().zip(self.shape.dims()).fold(0, |place, (i, extent)| place * extent + i)
    }
}

/// All indices of a tensor, in row-major order.
fn indices(shape: Shape) -> Vec<Vec<usize>> {
    shape.dims().iter().fold(vec![Vec::new()], |found, &extent| {
        let with = |index: &Vec<usize>, i: usize| index.iter().copied().chain([i]).collect::<Vec<usize>>();
        found.iter().flat_map(|index| (0..extent).map(|i| with(index, i)).collect::<Vec<_>>()).collect()
    })
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The inputs by name.
type Inputs = Vec<(&'static str, Reals)>;

/// That a function of inputs gives what is expected, and that the gradient in each of `linear` fits; `compiled` as well
/// where it is told.
fn check(
    case: &str,
    inputs: &Inputs,
    linear: &[&str],
    compiled: bool,
    function: impl for<'g> Fn(&'g Builder, &HashMap<&str, Value<'g>>) -> Value<'g>,
    expected: &Reals,
) {
    let g = Builder::new("case");
    let given: HashMap<&str, Value<'_>> =
        inputs.iter().map(|(name, reals)| (*name, g.input(name, reals.shape))).collect();
    let y = function(&g, &given);
    assert_eq!(y.shape(), expected.shape, "{case}: the shape");
    let cotangent = Reals::random(expected.shape, 99);
    let loss = (y * g.input("cotangent", cotangent.shape)).sum(..);
    let of: Vec<Value<'_>> = linear.iter().map(|name| given[name]).collect();
    let gradients = g.gradients_of(loss, &of).unwrap_or_else(|error| panic!("{case}: {error}"));
    g.output("y", y);
    linear.iter().zip(&gradients).for_each(|(name, gradient)| g.output(name, *gradient));
    let graph = g.finish().unwrap_or_else(|error| panic!("{case}: {error}"));

    let mut all = inputs.clone();
    all.push(("cotangent", cotangent.clone()));
    let engines: &[(&str, f64, Run)] = &[("interpreted", 1e-9, interpreted), ("compiled", 1e-4, self::compiled)];
    for (engine, tolerance, run) in &engines[..1 + usize::from(compiled)] {
        let results = run(&graph, &all);
        let close = |what: &str, found: f64, expected: f64| {
            let error = (found - expected).abs();
            assert!(error <= tolerance * (1.0 + expected.abs()), "{case}, {engine}: {what} is {found}, not {expected}");
        };
        for (place, (&found, &expected)) in results["y"].iter().zip(&expected.values).enumerate() {
            close(&format!("element {place}"), found, expected);
        }
        for (name, reals) in inputs.iter().filter(|(name, _)| linear.contains(name)) {
            let expected = dot(&expected.values, &cotangent.values);
            close(&format!("{name} {name}'"), dot(&reals.values, &results[*name]), expected);
        }
    }
}

/// Runs a graph, and gives its outputs by name.
type Run = fn(&Graph, &Inputs) -> HashMap<String, Vec<f64>>;

fn interpreted(graph: &Graph, inputs: &Inputs) -> HashMap<String, Vec<f64>> {
    let tensor = |reals: &Reals| Tensor::<f64>::floats(reals.shape, reals.values.iter().copied());
    let feeds = inputs.iter().map(|(name, reals)| (name.to_string(), tensor(reals))).collect();
    let results = interpret(graph, &feeds).expect("all inputs are given");
    results.outputs.into_iter().map(|(name, tensor)| (name, tensor.to_f64())).collect()
}

fn compiled(graph: &Graph, inputs: &Inputs) -> HashMap<String, Vec<f64>> {
    let program = Program::compile(&optimize(graph), &CompileOptions::default()).expect("the graph is valid");
    let mut states = States::new();
    let mut session =
        Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(1))).expect("there are no states");
    for (name, reals) in inputs {
        // What the graph does not need was taken out.
        let Some(input) = session.program().input(name) else { continue };
        let values = reals.values.iter().map(|&value| value as f32).collect();
        let array = ArrayD::from_shape_vec(IxDyn(reals.shape.dims()), values).expect("one value for each element");
        session.write_input_f32(input, array.view()).expect("the shapes are the graph's");
    }
    session.run(&mut states).expect("the graph has no states");
    let output =
        |name: &str, place: usize| (name.to_string(), session.output(place).mapv(f64::from).into_iter().collect());
    graph.outputs.iter().enumerate().map(|(place, output_)| output(&output_.name, place)).collect()
}
