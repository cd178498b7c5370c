//! Batch norms behind contractions.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::layers::batch_norm::{Statistics, batch_norm};
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::{Builder, Graph, Type, Value};
use kiln_jit::plan::{Plan, plan};
use kiln_jit::{CompileOptions, Program, Session, States, Target};
use kiln_rt::Pool;

use crate::run::{check_plan, feeds, run};

const STATISTICS: Statistics = Statistics { eps: 1e-5, momentum: Some(0.1) };

/// A target whose second-level cache holds next to nothing, so that every tensor is worth it.
fn target(lanes: usize) -> Target {
    Target { l2_bytes: 1024, ..Target::with_lanes(lanes) }
}

fn planned(graph: &Graph, lanes: usize) -> Plan {
    plan(graph, &target(lanes), &HashMap::new()).expect("a plan")
}

/// A convolution of `x` with new weights.
fn convolved<'g>(g: &'g Builder, x: Value<'g>, to: usize, kernel: usize, stride: usize) -> Value<'g> {
    let spatial = x.shape().rank() - 2;
    let mut shape = vec![to, x.shape().dim(1)];
    shape.resize(2 + spatial, kernel);
    let weight = g.state("w", Type::f32(&shape[..]));
    let mut sliding = Sliding::unit(spatial);
    for axis in 0..spatial {
        sliding.stride[axis] = stride;
        sliding.padding[axis] = (kernel / 2, kernel / 2);
    }
    x.conv(weight, Convolution { sliding, groups: 1 })
}

/// A batch norm with its gradient.
fn trained<'g>(g: &'g Builder, x: Value<'g>) {
    let channels = [x.shape().dim(1)];
    let [weight, bias] = ["weight", "bias"].map(|name| g.state(name, Type::f32(channels)));
    let y = batch_norm(x, Some(weight), Some(bias), None, STATISTICS).relu();
    let [dweight, dbias] = g.gradients((y * y).sum(..), [weight, bias]).expect("gradients");
    for (name, value) in [("y", y), ("dweight", dweight), ("dbias", dbias)] {
        g.output(name, value);
    }
}

type Case = (&'static str, fn(&Builder));

const CASES: &[Case] = &[
    ("3 x 3, by Winograd", |g| trained(g, convolved(g, g.input("x", [4, 16, 8, 8]), 16, 3, 1))),
    ("3 x 3, odd extents", |g| trained(g, convolved(g, g.input("x", [3, 8, 7, 9]), 16, 3, 1))),
    ("3 x 3 of many channels", |g| trained(g, convolved(g, g.input("x", [3, 32, 4, 4]), 64, 3, 1))),
    ("5 x 5 of one channel", |g| trained(g, convolved(g, g.input("x", [4, 1, 9, 9]), 20, 5, 1))),
    ("1 x 1, stride 2", |g| trained(g, convolved(g, g.input("x", [4, 24, 8, 8]), 40, 1, 2))),
    ("one image", |g| trained(g, convolved(g, g.input("x", [1, 8, 12, 12]), 16, 3, 1))),
    ("of linear features", |g| {
        let (x, weight) = (g.input("x", [48, 24]), g.state("w", Type::f32([24, 48])));
        let bias = g.state("b", Type::f32([48]));
        trained(g, x.matmul(weight) + bias);
    }),
    ("with a bias, and a residual that is added before", |g| {
        let x = g.input("x", [4, 16, 8, 8]);
        let bias = g.state("b", Type::f32([16, 1, 1]));
        trained(g, convolved(g, x, 16, 3, 1) + bias + x);
    }),
    ("of a tensor that something else reads, too", |g| {
        let y = convolved(g, g.input("x", [4, 16, 8, 8]), 16, 3, 1);
        g.output("sum", y.sum(1));
        trained(g, y);
    }),
    ("3-d", |g| trained(g, convolved(g, g.input("x", [2, 4, 4, 5, 6]), 24, 3, 1))),
    ("1-d", |g| trained(g, convolved(g, g.input("x", [4, 8, 40]), 16, 5, 1))),
    ("what is no contraction keeps its pass", |g| trained(g, g.input("x", [8, 16, 8, 8]).relu())),
];

#[test]
fn moments_agree_with_the_interpreter() {
    for (name, build) in CASES {
        let g = Builder::new(*name);
        build(&g);
        let graph = kiln_graph::optimize(&g.finish().unwrap_or_else(|error| panic!("{name}: {error}")));
        for lanes in [4, 8, 16] {
            check_plan(&format!("{name} at {lanes} lanes"), &graph, &planned(&graph, lanes));
        }
    }
}

/// The variance of numbers that are far from 0 beside their differences: as exact as the numbers are.
#[test]
fn a_large_mean_costs_no_digits() {
    let g = Builder::new("far");
    let x = g.input("x", [8, 16, 8, 8]);
    let y = convolved(&g, x, 16, 3, 1) * 0.01 + 1000.0;
    let z = batch_norm(y, None, None, None, Statistics { eps: 1e-12, ..STATISTICS });
    g.output("z", z);
    let graph = kiln_graph::optimize(&g.finish().expect("a graph"));
    let feeds = feeds(&graph);
    let shape = |name: &String| {
        let input = graph.inputs.iter().find(|input| input.name == *name).expect("an input");
        graph.ty(input.node).shape
    };
    let exact =
        feeds.iter().map(|(name, tensor)| (name.clone(), Tensor::floats(shape(name), tensor.to_f64()))).collect();
    let expected = interpret::<f64>(&graph, &exact).expect("the reference").outputs["z"].to_f64();
    let plan = planned(&graph, 8);
    let found = &run(&plan, &feeds).outputs["z"];
    for (&word, want) in found.iter().zip(expected) {
        // A number near 1000 is rounded to 3e-5, a deviation here is about 0.5.
        assert!((f64::from(f32::from_bits(word)) - want).abs() < 3e-4, "{} is not {want}", f32::from_bits(word));
    }
}

/// The outputs of a run on so many threads.
fn outcome(program: &Arc<Program>, feeds: &HashMap<String, Tensor<f32>>, threads: usize) -> Vec<Vec<f32>> {
    let mut states = States::new();
    let mut session = Session::new(program.clone(), &mut states, Arc::new(Pool::new(threads))).expect("a session");
    for (name, tensor) in feeds {
        let Tensor::F(values) = tensor else { unreachable!("all inputs are f32") };
        match program.input(name).filter(|_| states.ty(name).is_none()) {
            Some(input) => session.write_input_f32(input, values.view()).expect("the input"),
            None => states.write(name, values.view()).expect("the state"),
        }
    }
    session.run(&mut states).expect("a run");
    (0..program.plan().outputs.len()).map(|number| session.output(number).iter().copied().collect()).collect()
}

/// As native code, by the emitter that is asked for: the same bits on any number of threads.
#[test]
fn any_number_of_threads_gives_the_same_moments() {
    for (name, build) in CASES {
        let g = Builder::new(*name);
        build(&g);
        let graph = kiln_graph::optimize(&g.finish().unwrap_or_else(|error| panic!("{name}: {error}")));
        let feeds = feeds(&graph);
        let target = Target { l2_bytes: 1024, ..Target::host().expect("a target") };
        let options = CompileOptions { target: Some(target), ..CompileOptions::default() };
        let program = Arc::new(Program::compile(&graph, &options).expect("a program"));
        let alone = outcome(&program, &feeds, 1);
        let bits = |all: &[Vec<f32>]| -> Vec<u32> { all.iter().flatten().map(|number| number.to_bits()).collect() };
        for threads in [2, 3, 5] {
            assert!(bits(&alone) == bits(&outcome(&program, &feeds, threads)), "{name} on {threads} threads");
        }
        let expected = interpret::<f32>(&graph, &feeds).expect("the reference");
        for (output, found) in program.plan().outputs.iter().zip(&alone) {
            let expected = expected.outputs[&output.name].to_f64();
            let scale = expected.iter().fold(1.0f64, |most, number| most.max(number.abs()));
            for (&have, want) in found.iter().zip(expected) {
                // As in `check_plan`.
                assert!((f64::from(have) - want).abs() <= 2e-5 * scale, "{name}: {} {have}, not {want}", output.name);
            }
        }
    }
}

/// Sums that are taken in blocks of depth reach the epilogue once, when they are whole.
#[test]
fn moments_of_deep_sums_are_right() {
    const EXTENT: usize = 768;
    let g = Builder::new("deep");
    let y = g.input("x", [EXTENT, 2100]).matmul(g.state("w", Type::f32([2100, EXTENT])));
    g.output("z", batch_norm(y, None, None, None, STATISTICS));
    g.output("y", y);
    let graph = kiln_graph::optimize(&g.finish().expect("a graph"));
    let feeds = feeds(&graph);
    // The caches are given, as what is blocked hangs on them: with 48 KiB of the first level 2,100 are one block.
    let lanes = Target::host().expect("a target").lanes;
    let target = Target { l1_bytes: 32 << 10, l2_bytes: 512 << 10, ..Target::with_lanes(lanes) };
    let options = CompileOptions { target: Some(target), ..CompileOptions::default() };
    let program = Arc::new(Program::compile(&graph, &options).expect("a program"));
    let is_deep = program.plan().kernels.iter().any(|kernel| kernel.to_string().contains("prefetch "));
    assert!(target.lanes != 8 || is_deep, "{}", program.plan());
    let [z, y] = &outcome(&program, &feeds, 2)[..] else { unreachable!("two outputs") };
    for column in 0..EXTENT {
        let values = || y.iter().skip(column).step_by(EXTENT).map(|&value| f64::from(value));
        let mean = values().sum::<f64>() / EXTENT as f64;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / EXTENT as f64;
        for (row, value) in values().enumerate() {
            let (found, want) = (z[row * EXTENT + column], (value - mean) / (variance + 1e-5).sqrt());
            assert!((f64::from(found) - want).abs() < 1e-5, "row {row}, column {column}: {found}, not {want}");
        }
    }
}
