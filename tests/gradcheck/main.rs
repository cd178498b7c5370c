//! Gradient checks: every operation's gradient, and the gradient of its gradient, in f64 against central differences
//! (`rows.rs`, `compositions.rs`, `losses.rs`, `scans.rs`, `attention.rs`), the values that PyTorch gives where there is no derivative
//! (`conventions.rs`), and a loss that holds a gradient (`penalty.rs`).

mod attention;
mod compositions;
mod conventions;
mod digits;
mod edges;
mod functions;
mod layers;
mod losses;
mod penalty;
mod rows;
mod scans;
mod special;

use std::collections::{BTreeSet, HashMap};

use kiln_graph::build::{Builder, Value};
use kiln_graph::graph::{Graph, Type};
use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::op::Op;
use kiln_graph::shape::{DType, Shape};
use kiln_rt::random::{bits, uniform};

/// The elements of an operand.
#[derive(Clone, Copy)]
enum Elements {
    /// Uniform in a range.
    Range(f64, f64),
    /// In random order, 0.1 apart, around 0 but none closer than 0.03 to a multiple of 0.1: no ties, no kinks nearby.
    Apart,
    /// These.
    These(&'static [f64]),
    /// i32 indices: they have no gradient.
    Indices(&'static [i32]),
}

/// An operand of a case.
#[derive(Clone, Copy)]
struct Operand {
    extents: &'static [usize],
    elements: Elements,
}

/// A function of operands, whose gradients are checked.
struct Case {
    name: &'static str,
    operands: Vec<Operand>,
    function: for<'g> fn(&'g Builder, &[Value<'g>]) -> Value<'g>,
}

type Feeds = HashMap<String, Tensor<f64>>;

impl Operand {
    fn ty(&self) -> Type {
        match self.elements {
            Elements::Indices(_) => Type::i32(self.extents),
            Elements::Range(..) | Elements::Apart | Elements::These(_) => Type::f32(self.extents),
        }
    }

    fn tensor(&self, stream: u32) -> Tensor<f64> {
        let shape = Shape::from(self.extents);
        let n = shape.elements();
        let random = |i: usize| f64::from(uniform(7, 0, stream, i as u64));
        match self.elements {
            Elements::Range(low, high) => Tensor::floats(shape, (0..n).map(|i| low + (high - low) * random(i))),
            Elements::Apart => {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by_key(|&i| bits(7, 0, stream, i as u64));
                Tensor::floats(shape, order.into_iter().map(|i| (i as f64 - (n / 2) as f64 + 0.37) * 0.1))
            }
            Elements::These(values) => Tensor::floats(shape, values.iter().copied()),
            Elements::Indices(indices) => Tensor::ints(shape, indices.iter().copied()),
        }
    }
}

/// A graph with the outputs `functional` (a random linear functional of the case's result), `squares` (the sum of the
/// squares of its gradients), and `functional.0..` and `squares.0..`, the gradients of both in the f32 operands.
fn build(case: &Case) -> (Graph, Feeds) {
    let g = Builder::new(case.name);
    let mut feeds = Feeds::new();
    let mut operands = Vec::new();
    for (position, operand) in case.operands.iter().enumerate() {
        let name = format!("x{position}");
        operands.push(g.input_of(&name, operand.ty()));
        feeds.insert(name, operand.tensor(position as u32));
    }
    let result = (case.function)(&g, &operands);
    let shape = result.shape();
    let weight = |i: usize| 2.0 * f64::from(uniform(7, 1, 0, i as u64)) - 1.0;
    feeds.insert("weights".into(), Tensor::floats(shape, (0..shape.elements()).map(weight)));
    let functional = (result * g.input("weights", shape)).sum(..);
    let real: Vec<Value<'_>> = operands.into_iter().filter(|v| v.dtype() == DType::F32).collect();
    let gradients = g.gradients_of(functional, &real).expect(case.name);
    let squares = gradients.iter().fold(g.scalar(0.0), |sum, v| sum + v.square().sum(..));
    let second = g.gradients_of(squares, &real).expect(case.name);
    for (name, value, gradients) in [("functional", functional, gradients), ("squares", squares, second)] {
        g.output(name, value);
        for (position, gradient) in gradients.into_iter().enumerate() {
            g.output(&format!("{name}.{position}"), gradient);
        }
    }
    (g.finish().expect(case.name), feeds)
}

/// The graph with only one of its outputs, and so with the evaluation of only what that needs.
fn only(graph: &Graph, output: &str) -> Graph {
    let mut graph = graph.clone();
    graph.outputs.retain(|o| o.name == output);
    graph
}

fn evaluate(graph: &Graph, feeds: &Feeds, output: &str) -> Vec<f64> {
    interpret(graph, feeds).expect("all inputs are fed").outputs[output].to_f64()
}

/// `(f(x + h d) - f(x - h d)) / 2h` for one operand and a direction.
fn central_difference(graph: &Graph, feeds: &Feeds, output: &str, operand: &str, direction: &[f64]) -> f64 {
    const H: f64 = 1e-5;
    let at = |h: f64| {
        let x = feeds[operand].to_f64();
        let moved = x.iter().zip(direction).map(|(x, d)| x + h * d);
        let mut feeds = feeds.clone();
        feeds.insert(operand.into(), Tensor::floats(feeds[operand].ty().shape, moved));
        evaluate(graph, &feeds, output)[0]
    };
    (at(H) - at(-H)) / (2.0 * H)
}

/// Compares all first derivatives, and the second ones in three random directions for each operand.
fn check(case: &Case) -> Graph {
    let (graph, feeds) = build(case);
    let real = case.operands.iter().enumerate().filter(|(_, operand)| operand.ty().dtype == DType::F32);
    for (gradient, (position, operand)) in real.enumerate() {
        let n = operand.ty().shape.elements();
        let name = format!("x{position}");
        let units = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        let random = |k: u32| (0..n).map(|i| 2.0 * f64::from(uniform(7, 2, k, i as u64)) - 1.0).collect();
        for (output, directions) in [("functional", units), ("squares", (0..3).map(random).collect::<Vec<Vec<f64>>>())]
        {
            let given = evaluate(&graph, &feeds, &format!("{output}.{gradient}"));
            let function = only(&graph, output);
            for direction in directions {
                let expected = central_difference(&function, &feeds, output, &name, &direction);
                let found: f64 = given.iter().zip(&direction).map(|(a, b)| a * b).sum();
                let error = (found - expected).abs();
                assert!(
                    error <= 2e-6 * expected.abs().max(1.0),
                    "{}: the gradient of {output} in {name} along {direction:?} is {found}, but should be {expected}",
                    case.name
                );
            }
        }
    }
    graph
}

#[test]
fn gradients_agree_with_central_differences() {
    let mut seen = BTreeSet::new();
    for case in rows::rows()
        .into_iter()
        .chain(scans::scans())
        .chain(attention::attentions())
        .chain(compositions::compositions())
    {
        seen.extend(check(&case).nodes.iter().map(|node| node.op.mnemonic()));
    }
    let missing: Vec<&str> = Op::all().iter().map(Op::mnemonic).filter(|mnemonic| !seen.contains(mnemonic)).collect();
    assert!(missing.is_empty(), "operations without a row: {missing:?}");
}
