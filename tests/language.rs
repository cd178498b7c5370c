//! What a `forward` computes: bodies of every kind against the same computation written with the builder, by the
//! interpreter and compiled; models of several inputs and outputs; functions of a model's own.

use std::collections::HashMap;
use std::sync::Arc;

use kiln::graph::interpret::{Tensor, interpret};
use kiln::graph::layers::linear::linear;
use kiln::graph::{Builder, DType, Graph, Role, Type, Value, functions, optimize};
use kiln::jit::{CompileOptions, Program, Session, States};
use kiln::prelude::*;
use kiln::runtime::Pool;
use kiln::runtime::random::uniform;
use ndarray::{ArrayD, IxDyn};

const ROWS: usize = 5;
const WIDTHS: [usize; 2] = [6, 6];

model! {
    struct Two {
        a: Linear(3, 6),
        b: Linear(4, 6),
    }

    fn forward(x: [N, 3], y: [N, 4]) -> ([N, 6], [N, 2, 6]) {
        let (p, q) = (a(x), b(y));
        (p * q.softmax(1), stack((p, q), 1))
    }
}

model! {
    struct Nested {
        two: Two,
        lists: [Linear(6, 6); 3],
        others: [Linear(6, 6); 3],
    }

    fn forward(x: [N, 3], y: [N, 4]) -> [N, 6] {
        let (sum, both) = two(x, y);
        for (i, (l, o)) in lists.iter().zip(&others).enumerate() {
            sum = mixed(l(sum), o(sum), i);
        }
        for o in others.iter().rev() {
            sum = o(sum).tanh();
        }
        for k in [1, 2, 4] {
            sum = sum / k;
        }
        for k in WIDTHS {
            sum = sum * (k as f64);
        }
        let (first, second) = both.chunk(2, dim = 1);
        (first, second) = (second, first);
        sum + (first - second.square()).squeeze(1)
    }

    fn mixed(a: [N, 6], b: [N, 6], i: usize) -> [N, 6] {
        let scale = 1.0 + (i as f64);
        larger(a * scale, b)
    }

    fn larger(a, b) {
        where(a > b, a, b)
    }
}

model! {
    struct Shapes {
        fc: Linear(12, 12),
    }

    fn forward(x: [N, 12]) -> [N, 12] {
        let image = fc(x).view(N, 3, -1);
        let turned = image.transpose(1, 2).reshape([N, x.size(1)]);
        let padded = image.pad([1, 1], value = 0.5).narrow(2, 1, 4).flatten(1);
        let folded = image.mean(dim = (1, 2), keepdim = true).expand(-1, 3, 4).flip(2).flatten(1);
        let (largest, place) = image.max(2);
        let picked = image.gather(2, place.unsqueeze(2)).squeeze(2);
        let rest = cat((largest, picked, x.narrow(1, 0, 6).clamp(max = 0.2)), dim = -1);
        turned + padded + folded * rest
    }
}

model! {
    struct Functions {
        fc: Linear(12, 12),
    }

    fn forward(x: [N, 12]) -> ([N, 3, 3], [N, 2], [N, 2; i32], [N, 4, 4], [N, 12]) {
        let y = fc(x).view(N, 3, 4);
        let product = einsum("nij,nkj->nik", (y, y.roll(1, dims = 2)));
        let (best, place) = y.flatten(1).topk(2, largest = false);
        let looked = scaled_dot_product_attention(y, y, y, (arange(3).unsqueeze(1) - arange(1, 4)).le(0), scale = 0.5);
        let more = y.bmm(looked.transpose(1, 2)).tril(-1).pad([0, 1, 0, 1]).index_add(2, arange(4), looked.repeat(1, 2, 1).narrow(1, 0, 4));
        let put = x.scatter(1, place, 5).lerp(linspace(0, 1, 12) * x, 0.25);
        (product, best, place, more, put)
    }
}

model! {
    struct Values {
        emb: Embedding(5, 6),
        fc: Linear(6, 4),
        heads: [Linear(4, 6, bias = false); 2],
        scale: Parameter(6, mean = 1, std = 0.5),
        offsets: [Parameter([2, 1, 6], std = 0.02); 2],
        one: Parameter([], mean = 2.5),
    }

    fn forward(x: [N, 6]) -> ([N, 5], [N, 2, 6], [N, 6], [N, 3, 6]) {
        let h = fc(x).tanh();
        let tied = heads[1](h).matmul(emb.weight.transpose(0, 1)) * one;
        for (i, offset) in offsets.iter().enumerate() {
            x = x * scale + offset.select(0, i).squeeze(0);
        }
        let both = stack((x, x - fc.bias.mean()), dim = 1) + offsets[0].view(2, 6);
        let own = heads[0].weight.matmul(fc.weight).amax(0) + x;
        let ends = stack((x, x * 2, x * 3, x * 4), 1);
        own = own.index_select(0, (own.select(1, 2) > 0).int());
        (tied, both, own, cat((ends.slice(1, -2), ends.select(1, -1).unsqueeze(1)), 1) + ends.narrow(1, -4, 3) - ends.slice(1, 0, -1))
    }
}

/// The result of a linear layer by its name.
fn layer<'g>(g: &'g Builder, name: &str, x: Value<'g>, out: usize) -> Value<'g> {
    let width = x.shape().dim(x.shape().rank() - 1);
    let weight = g.state(&format!("{name}.weight"), Type::f32([out, width]));
    linear(x, weight, Some(g.state(&format!("{name}.bias"), Type::f32([out]))))
}

fn two<'g>(g: &'g Builder, path: &str, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
    let (p, q) = (layer(g, &format!("{path}a"), inputs[0], 6), layer(g, &format!("{path}b"), inputs[1], 6));
    vec![p * q.softmax(1), g.concat(&[p.unsqueeze(1), q.unsqueeze(1)], 1)]
}

fn nested<'g>(g: &'g Builder, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
    let results = two(g, "two.", inputs);
    let (mut sum, both) = (results[0], results[1]);
    for i in 0..3 {
        let a = layer(g, &format!("lists.{i}"), sum, 6) * (1.0 + i as f64);
        let b = layer(g, &format!("others.{i}"), sum, 6);
        sum = a.maximum(b);
    }
    for i in (0..3).rev() {
        sum = layer(g, &format!("others.{i}"), sum, 6).tanh();
    }
    sum = sum * (36.0 / 8.0);
    let (first, second) = (both.slice(1, 1..2, 1), both.slice(1, 0..1, 1));
    vec![sum + (first - second * second).reshape([ROWS, 6])]
}

fn shapes<'g>(g: &'g Builder, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
    let x = inputs[0];
    let image = layer(g, "fc", x, 12).reshape([ROWS, 3, 4]);
    let turned = image.permute(&[0, 2, 1]).reshape([ROWS, 12]);
    let folded = image.mean_keep([1, 2]).broadcast_to([ROWS, 3, 4]).reshape([ROWS, 12]);
    let largest = image.amax(2);
    let rest = g.concat(&[largest, largest, x.slice(1, 0..6, 1).minimum(0.2)], 1);
    vec![turned + image.reshape([ROWS, 12]) + folded * rest]
}

fn functions_by_hand<'g>(g: &'g Builder, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
    let x = inputs[0];
    let y = layer(g, "fc", x, 12).reshape([ROWS, 3, 4]);
    let product = y.matmul(functions::roll(y, &[1], &[2]).transpose(1, 2));
    let picked = functions::topk(y.reshape([ROWS, 12]), 2, -1, false);
    let mask = (g.iota([3, 3], 0) - (g.iota([3, 3], 1) + 1)).le(0);
    let scores = mask.select((y * 0.5).matmul(y.transpose(1, 2)), f64::NEG_INFINITY);
    let looked = scores.softmax(-1).matmul(y);
    let more = y.matmul(looked.transpose(1, 2));
    let more = (g.iota([3, 3], 1)).lt(g.iota([3, 3], 0)).select(more, 0.0).pad(&[], &[0, 1, 1], 0.0);
    let more = more + g.concat(&[looked, looked.slice(1, 0..1, 1)], 1);
    let put = functions::scatter(x, 1, picked[1], 5.0);
    let end = x * (g.iota([12], 0).convert(DType::F32) / 11.0);
    vec![product, picked[0], picked[1], more, put + (end - put) * 0.25]
}

fn values_by_hand<'g>(g: &'g Builder, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
    let state = |name: &str, shape: &[usize]| g.state(name, Type::f32(shape));
    let (x, one, table) = (inputs[0], state("one", &[]), state("emb.weight", &[5, 6]));
    let tied = layer(g, "fc", x, 4).tanh().matmul(state("heads.1.weight", &[6, 4]).transpose(0, 1));
    let offsets = [state("offsets.0", &[2, 1, 6]), state("offsets.1", &[2, 1, 6])];
    let scaled = (0..2).fold(x, |x, i| x * state("scale", &[6]) + offsets[i].slice(0, i..i + 1, 1).reshape([6]));
    let lower = scaled - state("fc.bias", &[4]).mean([0]);
    let both = g.concat(&[scaled.unsqueeze(1), lower.unsqueeze(1)], 1) + offsets[0].reshape([2, 6]);
    let own = state("heads.0.weight", &[6, 4]).matmul(state("fc.weight", &[4, 6])).amax(0) + scaled;
    let own = own.take_rows(own.slice(1, 2..3, 1).reshape([ROWS]).gt(0.0).convert(DType::I32));
    let parts: Vec<Value<'g>> = [3.0, 4.0, 4.0].map(|times| scaled.unsqueeze(1) * times).into();
    vec![tied.matmul(table.transpose(0, 1)) * one, both, own, g.concat(&parts, 1)]
}

/// A function of the builder and the inputs.
type Build = for<'g> fn(&'g Builder, &[Value<'g>]) -> Vec<Value<'g>>;

fn graph(inputs: &[Type], build: impl for<'g> Fn(&'g Builder, &[Value<'g>]) -> Vec<Value<'g>>) -> Graph {
    let g = Builder::new("language");
    let values: Vec<Value<'_>> = inputs
        .iter()
        .enumerate()
        .map(|(i, ty)| g.input_of(&format!("input.{i}"), Type { shape: ty.shape.with(0, ROWS), ..*ty }))
        .collect();
    for (i, value) in build(&g, &values).into_iter().enumerate() {
        g.output(&format!("output.{i}"), value);
    }
    g.finish().expect("the types fit")
}

/// Values for all inputs of a graph, the same for the same name.
fn feeds(graph: &Graph) -> HashMap<String, Tensor<f64>> {
    let tensor = |name: &str, ty: Type| {
        let stream = name.bytes().fold(7, |hash: u32, byte| hash.wrapping_mul(31) ^ u32::from(byte));
        let number = |place: usize| f64::from(2.0 * uniform(3, 0, stream, place as u64) - 1.0);
        assert_eq!(ty.dtype, DType::F32);
        Tensor::floats(ty.shape, (0..ty.shape.elements()).map(number))
    };
    graph.inputs.iter().map(|input| (input.name.clone(), tensor(&input.name, graph.ty(input.node)))).collect()
}

fn interpreted(graph: &Graph) -> HashMap<String, Vec<f64>> {
    let results = interpret(graph, &feeds(graph)).expect("every input has a value");
    results.outputs.into_iter().map(|(name, value)| (name, value.to_f64())).collect()
}

fn compiled(graph: &Graph) -> HashMap<String, Vec<f64>> {
    let graph = &optimize(graph);
    let program = Program::compile(graph, &CompileOptions::default()).expect("the graph is compiled");
    let mut states = States::new();
    let mut session = Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(1))).expect("states are new");
    for (name, value) in feeds(graph) {
        let role = graph.inputs.iter().find(|input| input.name == name).map(|input| input.role);
        let numbers = value.to_f64().into_iter().map(|number| number as f32).collect();
        let array = ArrayD::from_shape_vec(IxDyn(value.ty().shape.dims()), numbers).expect("as many as the shape says");
        if role == Some(Role::State) {
            states.write(&name, array.view()).expect("the state is there");
        } else {
            let input = session.program().input(&name).expect("the input is there");
            session.write_input_f32(input, array.view()).expect("the type fits");
        }
    }
    session.run(&mut states).expect("all is there");
    let output = |position: usize, node| match graph.ty(node).dtype {
        DType::I32 => session.output_i32(position).iter().map(|&number| f64::from(number)).collect(),
        _ => session.output(position).iter().map(|&number| f64::from(number)).collect(),
    };
    let outputs = graph.outputs.iter().enumerate();
    outputs.map(|(position, result)| (result.name.clone(), output(position, result.node))).collect()
}

fn check<M: Model>(model: &M, expected: Build) {
    let (found, expected) = (graph(M::INPUTS, |g, inputs| model.forward_all(g, inputs)), graph(M::INPUTS, expected));
    let outputs: Vec<Type> = found.outputs.iter().map(|output| found.ty(output.node)).collect();
    let declared: Vec<Type> = M::OUTPUTS.iter().map(|ty| Type { shape: ty.shape.with(0, ROWS), ..*ty }).collect();
    assert_eq!(outputs, declared);
    let expected = interpreted(&expected);
    for (found, tolerance) in [(interpreted(&found), 1e-12), (compiled(&found), 1e-4)] {
        for (name, expected) in &expected {
            let difference = found[name].iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(difference < tolerance && found[name].len() == expected.len(), "{name}: {difference}");
        }
    }
}

#[test]
fn bodies_compute_what_they_say() {
    check(&Two::init(0), |g, inputs| two(g, "", inputs));
    check(&Nested::init(0), nested);
    check(&Shapes::init(0), shapes);
    check(&Functions::init(0), functions_by_hand);
    check(&Values::init(0), values_by_hand);
}

#[test]
fn a_model_of_several_inputs_refuses_one() {
    let g = Builder::new("one");
    let x = g.input("x", [ROWS, 3]);
    let _ = Two::init(0).forward(&g, x);
    assert_eq!(g.finish().err().map(|error| error.to_string()), Some("it takes 2 inputs, but is applied to 1".into()));
    let g = Builder::new("three");
    let x = g.input("x", [ROWS, 3]);
    let _ = Two::init(0).forward_all(&g, &[x, x, x]);
    assert!(g.finish().is_err());
}

/// Mean and variance of each of the results, which are of some ten thousand numbers.
#[test]
fn random_numbers_have_their_distribution_and_follow_the_seed() {
    let run = |seed: u64| {
        let g = Builder::new("random");
        g.set_seed(seed);
        let x = g.input("x", [200, 100]);
        g.output("rand_like", functions::rand_like(x));
        g.output("randn_like", functions::randn_like(x));
        g.output("bernoulli", functions::bernoulli(x));
        let mut program = kiln::program::Compiled::with_threads(&g.finish().expect("a graph"), 1).expect("a program");
        program.set("x", &ArrayD::from_elem(IxDyn(&[200, 100]), 0.25f32)).expect("an input");
        let mut draws = Vec::new();
        for _ in 0..2 {
            program.run().expect("a run");
            draws.push(["rand_like", "randn_like", "bernoulli"].map(|name| program.get(name).expect("an output")));
        }
        draws
    };
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    let expected = [(0.5, 1.0 / 12.0), (0.0, 1.0), (0.25, 0.1875)];
    for draws in first.iter().chain(&other) {
        for (numbers, (mean, variance)) in draws.iter().zip(expected) {
            let count = numbers.len() as f64;
            let found = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let spread = numbers.iter().map(|&x| (f64::from(x) - found).powi(2)).sum::<f64>() / count;
            // Four standard deviations of the mean, and some of the variance.
            assert!((found - mean).abs() < 4.0 * (variance / count).sqrt(), "mean {found}, not {mean}");
            assert!((spread - variance).abs() < 0.05 * variance, "variance {spread}, not {variance}");
        }
    }
    for place in 0..3 {
        assert_ne!(first[0][place], first[1][place], "each run draws anew");
        assert_ne!(first[0][place], other[0][place], "by the seed");
    }
}

#[test]
fn functions_refuse_what_their_rules_refuse() {
    let g = Builder::new("wrong");
    let x = g.input("x", [2, 3]);
    let _ = functions::reshape(x, &[4, 2]);
    assert_eq!(
        g.finish().err().map(|error| error.to_string()),
        Some("shape [2, 3] has 6 elements, shape [4, 2] has 8".into())
    );
    // Whatever a bias would broadcast to: a layer adds one number for each of its outputs.
    for (input, bias) in [(&[2, 3, 4][..], &[6, 5][..]), (&[2, 3, 4], &[3, 5]), (&[2, 4], &[1]), (&[4], &[2, 5])] {
        let g = Builder::new("wrong");
        let x = g.input("x", Shape::new(input));
        let y = linear(x, g.input("weight", [5, 4]), Some(g.input("bias", Shape::new(bias))));
        g.output("y", y);
        let error = g.finish().expect_err("a bias of another shape").to_string();
        assert!(error.contains("`bias`") && error.contains("[5]"), "{input:?} {bias:?}: {error}");
    }
}

model! {
    /// It has no `forward`: its layers are its lines.
    #[model(input = [4])]
    struct Lines {
        fc: Linear(4, 4),
        act: ReLU,
    }
}

model! {
    struct LinesOfBodies {
        fc: Linear(4, 4),
    }

    fn halved(x) {
        fc(x) * 0.5
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        halved(x)
    }
}

/// What comes behind a model, its loss and its update, is on none of the model's lines.
#[test]
fn lines_end_with_their_model() {
    fn check(model: &impl Model) {
        let g = Builder::new("lines");
        let y = model.forward(&g, g.input("x", [2, 4]));
        let loss = (y * y).mean(..);
        g.output("loss", loss);
        let (y, loss) = (y.id(), loss.id());
        let graph = g.finish().expect("a graph");
        let line = |id| graph.line(graph.node(id).scope).map(|line| line.file);
        assert_eq!((line(y), line(loss)), (Some(file!()), None));
    }
    check(&Lines::init(0));
    check(&LinesOfBodies::init(0));
}
