//! Training steps of small networks, as the facade builds them: what their plans promise.

use std::collections::HashMap;

use kiln_graph::losses::{Loss, cross_entropy};
use kiln_graph::optimizers::{Adam, Optimizer};
use kiln_graph::passes::{Precision, in_precision};
use kiln_graph::{Builder, Graph, Type, Value};
use kiln_jit::Target;
use kiln_jit::plan::{Plan, plan};

use crate::cases::{conv, window};
use crate::run::{check, feeds, run};

/// A network under construction: its parameters in order.
struct Net<'g> {
    g: &'g Builder,
    parameters: Vec<(String, Value<'g>)>,
}

impl<'g> Net<'g> {
    fn parameter(&mut self, name: &str, shape: &[usize]) -> Value<'g> {
        let value = self.g.state(name, Type::f32(shape));
        self.parameters.push((name.to_owned(), value));
        value
    }

    fn linear(&mut self, name: &str, x: Value<'g>, to: usize) -> Value<'g> {
        let weight = self.parameter(&format!("{name}.weight"), &[to, x.shape().dim(1)]);
        let bias = self.parameter(&format!("{name}.bias"), &[to]);
        x.matmul(weight.transpose(0, 1)) + bias
    }

    fn conv(&mut self, name: &str, x: Value<'g>, to: usize, kernel: usize, padding: usize) -> Value<'g> {
        let weight = self.parameter(&format!("{name}.weight"), &[to, x.shape().dim(1), kernel, kernel]);
        let bias = self.parameter(&format!("{name}.bias"), &[to]);
        x.conv(weight, conv(1, padding, 1)) + bias.reshape([to, 1, 1])
    }
}

/// A training step with cross-entropy and Adam, optimized.
fn train(input: &[usize], build: for<'g> fn(&mut Net<'g>, Value<'g>) -> Value<'g>) -> Graph {
    let g = Builder::new("train");
    let mut net = Net { g: &g, parameters: Vec::new() };
    let prediction = build(&mut net, g.input("x", input));
    let labels = g.input_of("labels", cross_entropy().target_type(prediction.shape()));
    let loss = cross_entropy().loss(&g, prediction, labels);
    let parameters = net.parameters;
    let values: Vec<Value> = parameters.iter().map(|(_, value)| *value).collect();
    let gradients = g.gradients_of(loss, &values).expect("gradients");
    Adam::default().apply(&g, &parameters, &gradients);
    g.output("loss", loss);
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

fn mlp<'g>(net: &mut Net<'g>, x: Value<'g>) -> Value<'g> {
    let x = net.linear("l1", x, 128).relu();
    let x = net.linear("l2", x, 64).relu();
    net.linear("l3", x, 10)
}

fn lenet<'g>(net: &mut Net<'g>, x: Value<'g>) -> Value<'g> {
    let pool = window(&[2, 2], &[2, 2], &[(0, 0); 2], false);
    let x = net.conv("conv1", x, 20, 5, 0).relu().max_window(pool);
    let x = net.conv("conv2", x, 64, 5, 0).relu().max_window(pool);
    let x = net.linear("fc1", x.flatten(1), 128).relu();
    net.linear("fc2", x, 10)
}

fn small<'g>(net: &mut Net<'g>, x: Value<'g>) -> Value<'g> {
    let pool = window(&[2, 2], &[2, 2], &[(0, 0); 2], false);
    let x = net.conv("conv1", x, 6, 3, 1).relu().max_window(pool);
    let x = net.conv("conv2", x, 9, 3, 1).relu().max_window(pool);
    net.linear("fc", x.flatten(1), 10)
}

fn planned(graph: &Graph) -> Plan {
    let plan = plan(graph, &Target::with_lanes(4), &HashMap::new()).expect("a plan");
    if std::env::var_os("SHOW").is_some() {
        println!("{plan}");
    }
    plan
}

#[test]
fn training_steps_agree_with_the_interpreter() {
    check("mlp", &train(&[5, 64], mlp));
    check("small", &train(&[2, 1, 8, 8], small));
}

#[test]
fn mlp_tiny_plan() {
    let plan = planned(&train(&[32, 64], mlp));
    assert!(plan.calls.len() < 40, "{plan}");
}

#[test]
fn lenet_plan() {
    let plan = planned(&train(&[64, 1, 28, 28], lenet));
    assert!(plan.calls.len() < 60, "{plan}");
}

/// Networks in bf16 for machines with tile registers are near what they give in f32, by the kernel interpreter. All tasks are
/// proved to be disjoint, so that the bits are those of any number of threads.
#[test]
fn networks_by_tile_registers() {
    for (name, graph) in [("mlp", train(&[32, 64], mlp)), ("lenet", train(&[4, 1, 28, 28], lenet))] {
        let loss = |outputs: &HashMap<String, Vec<u32>>| f32::from_bits(outputs["loss"][0]);
        let exact = run(&planned(&graph), &feeds(&graph));
        let mixed = in_precision(&graph, Precision::Bf16);
        for lanes in [4, 16] {
            let target = Target { tile_products: Ok(()), ..Target::with_lanes(lanes) };
            let plan = plan(&mixed, &target, &HashMap::new()).expect("a plan");
            assert!(plan.kernels.iter().any(|kernel| !kernel.tiles.is_empty()), "{name} at {lanes} lanes:\n{plan}");
            assert!(plan.to_string().contains("\n  products of bf16 by tile registers"), "{plan}");
            let found = run(&plan, &feeds(&mixed));
            let [found, expected] = [&found, &exact].map(|outcome| loss(&outcome.outputs));
            assert!((found - expected).abs() <= 2e-2 * expected.abs(), "{name}: {found}, not {expected}\n{plan}");
        }
    }
}

/// An image and what is looked up at each of its places, by convolutions, pools, copies and products of one row.
fn one_image() -> Graph {
    let g = Builder::new("predict");
    let mut net = Net { g: &g, parameters: Vec::new() };
    let x = net.conv("conv1", g.input("x", [1, 3, 96, 96]), 32, 3, 1).relu();
    let x = x.max_window(window(&[3, 3], &[2, 2], &[(1, 1); 2], false));
    let x = net.conv("conv2", x, 36, 3, 1).relu();
    let places = g.input_of("places", Type::i32([1, 36, 48, 48]));
    let x = x.flatten(2).gather(2, places.flatten(2)).reshape([1, 36, 48, 48]);
    let x = x.max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false));
    g.output("y", net.linear("fc", x.flatten(1), 512));
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

/// With one image, too, whatever takes long is shared among threads.
#[test]
fn one_image_is_many_tasks() {
    let graph = one_image();
    for lanes in [4, 8, 16] {
        // Caches as large as today's servers have, in which the image stays whole.
        let target = Target { l2_bytes: 2 << 20, ..Target::with_lanes(lanes) };
        let plan = plan(&graph, &target, &HashMap::new()).expect("a plan");
        for call in &plan.calls[plan.prologue..] {
            let long = call.flops > 500_000 || call.bytes > 500_000;
            assert!(!long || call.parallel && plan.kernels[call.kernel].tasks() >= 3, "{lanes} lanes: {plan}");
        }
    }
}
