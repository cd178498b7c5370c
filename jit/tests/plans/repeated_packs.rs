//! Weights are copied once for all that read them, and again once they have changed.

use std::collections::HashMap;

use kiln_graph::{Builder, Graph, Type, Value};
use kiln_jit::Target;
use kiln_jit::kernel::Access;
use kiln_jit::plan::{Location, Plan, plan};

use crate::cases::conv;
use crate::run::check;

type Network = for<'g> fn(&'g Builder, Value<'g>) -> Value<'g>;

/// What is applied, the graph of each, and how often the weight is copied.
const CASES: [(&str, Network, usize); 6] = [
    ("a product", |g, x| product(x, weight(g, [128, 128])), 1),
    ("two products", |g, x| twice(x, weight(g, [128, 128]), product), 1),
    ("a product, before and after an update", |g, x| around_update(g, x, weight(g, [128, 128]), product), 2),
    ("a convolution", |g, x| convolution(x, weight(g, [16, 16, 3, 3])), 1),
    ("two convolutions", |g, x| twice(x, weight(g, [16, 16, 3, 3]), convolution), 1),
    (
        "a convolution, before and after an update",
        |g, x| around_update(g, x, weight(g, [16, 16, 3, 3]), convolution),
        2,
    ),
];

fn weight<'g, const R: usize>(g: &'g Builder, shape: [usize; R]) -> Value<'g> {
    g.state("w", Type::f32(shape))
}

fn product<'g>(x: Value<'g>, w: Value<'g>) -> Value<'g> {
    x.reshape([64, 128]).matmul(w).reshape([2, 16, 16, 16])
}

fn convolution<'g>(x: Value<'g>, w: Value<'g>) -> Value<'g> {
    x.conv(w, conv(1, 1, 1))
}

fn twice<'g>(x: Value<'g>, w: Value<'g>, layer: fn(Value<'g>, Value<'g>) -> Value<'g>) -> Value<'g> {
    layer(layer(x, w).relu(), w)
}

fn around_update<'g>(
    g: &'g Builder,
    x: Value<'g>,
    w: Value<'g>,
    layer: fn(Value<'g>, Value<'g>) -> Value<'g>,
) -> Value<'g> {
    let before = layer(x, w);
    g.update(w, w * 0.5 + before.mean([0, 1, 2, 3]));
    layer(before.relu(), g.current(w))
}

fn graph(network: Network) -> Graph {
    let g = Builder::new("repeated");
    let x = g.input("x", [2, 16, 16, 16]);
    g.output("y", network(&g, x));
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

/// The calls that read nothing but the state and write memory of their own.
fn copies(plan: &Plan) -> usize {
    let is_state = |slot: usize| matches!(plan.slots[slot].location, Location::State { .. });
    let copy = |call: &&kiln_jit::plan::Call| {
        let buffers = &plan.kernels[call.kernel].buffers;
        let reads = buffers.iter().any(|buffer| buffer.access == Access::Read);
        reads && buffers.iter().zip(&call.arguments).all(|(b, &slot)| (b.access == Access::Read) == is_state(slot))
    };
    plan.calls.iter().filter(copy).count()
}

#[test]
fn weights_are_copied_once_while_they_stay() {
    for (name, network, expected) in CASES {
        let graph = graph(network);
        let plan = plan(&graph, &Target::with_lanes(8), &HashMap::new()).expect("a plan");
        assert_eq!(copies(&plan), expected, "{name}\n{plan}");
        check(name, &graph);
    }
}
