//! What the fusion promises: the calls that each small graph becomes, without copies into layouts and partial sums.

use std::collections::HashMap;

use kiln_graph::layers::batch_norm::{Statistics, batch_norm};
use kiln_graph::optimizers::{Adam, Optimizer};
use kiln_graph::{Builder, Type};
use kiln_jit::Target;
use kiln_jit::plan::{Plan, plan};

use crate::cases::{conv, side_by_side, window};

fn planned(build: fn(&Builder)) -> Plan {
    let g = Builder::new("promise");
    build(&g);
    let graph = kiln_graph::optimize(&g.finish().expect("a graph"));
    plan(&graph, &Target::with_lanes(4), &HashMap::new()).expect("a plan")
}

/// The labels of the calls that compute results.
fn calls(plan: &Plan) -> Vec<&str> {
    plan.calls.iter().map(|call| call.label.as_str()).filter(|label| !label.contains(" for ")).collect()
}

/// A name, what is built under it, and the calls that it becomes.
type Promise = (&'static str, fn(&Builder), &'static [&'static str]);

const PROMISES: &[Promise] = &[
    (
        "bias and activation are the epilogue of a product",
        |g| {
            let x = g.input("x", [16, 24]);
            let w = g.state("w", Type::f32([40, 24]));
            let b = g.state("b", Type::f32([40]));
            g.output("y", (x.matmul(w.transpose(0, 1)) + b).relu());
        },
        &["dot add le select"],
    ),
    (
        "so is a residual",
        |g| {
            let x = g.input("x", [2, 8, 6, 6]);
            let w = g.state("w", Type::f32([8, 8, 3, 3]));
            g.output("y", (x.conv(w, conv(1, 1, 1)) + x).relu());
        },
        &["conv add le select"],
    ),
    (
        "a chain is one kernel, and a value that two chains need is computed twice if it is cheap",
        |g| {
            let x = g.input("x", [64, 64]);
            let y = x + 1.0;
            g.output("a", (y * y).sqrt());
            g.output("b", (y * 3.0).exp().sum(0));
        },
        &["add mul sqrt", "add mul exp sum"],
    ),
    (
        "an expensive value is stored once",
        |g| {
            let x = g.input("x", [64, 64]);
            let y = x.exp();
            g.output("a", y.sum(0));
            g.output("b", y.amax(1));
        },
        &["exp", "sum", "amax"],
    ),
    (
        "the results of one space come from one kernel",
        |g| {
            let x = g.input("x", [64, 64]);
            g.output("a", x.sigmoid());
            g.output("b", x.tanh() * 2.0);
        },
        &["sigmoid tanh mul"],
    ),
    (
        "a reduction takes what follows it",
        |g| {
            let x = g.input("x", [64, 64]);
            g.output("loss", (x * x).mean([0, 1]).sqrt());
        },
        &["mul sum mul sqrt"],
    ),
    (
        "reductions of one space that read the same tensor are one kernel, and so is what follows them",
        |g| {
            let x = g.input("x", [64, 64]);
            let mean = x.mean(0);
            g.output("mean", mean);
            g.output("variance", (x * x).mean(0) - mean * mean);
            g.output("rows", x.sum(1));
        },
        &["sum mul sum mul sub", "sum"],
    ),
    (
        "a reduction does not wait for one that needs it",
        |g| {
            let x = g.input("x", [64, 64]);
            let mean = x.mean(0);
            g.output("variance", (x - mean.unsqueeze(0)).square().mean(0));
            g.output("mean", mean);
        },
        &["sum mul", "sub mul sum mul"],
    ),
    (
        "batch normalization in training: the origin, both moments, the result; both sums of the gradient, the gradient",
        |g| {
            let x = g.state("x", Type::f32([16, 32, 8, 8]));
            let [weight, bias] = ["weight", "bias"].map(|name| g.state(name, Type::f32([32])));
            let statistics = Statistics { eps: 1e-5, momentum: Some(0.1) };
            let y = batch_norm(x, Some(weight), Some(bias), None, statistics).relu();
            let [dx, dweight, dbias] = g.gradients((y * y).sum(..), [x, weight, bias]).expect("gradients");
            g.output("dx", dx);
            g.output("dweight", dweight);
            g.output("dbias", dbias);
        },
        &["sum mul", "sub sum mul sum mul etc", "sub mul add le select etc", "sub sum mul sum neg etc", "sub mul add"],
    ),
    (
        "with a pool behind it nothing is stored between the convolution and the pool's result",
        |g| {
            let x = g.state("x", Type::f32([16, 32, 8, 8]));
            let w = g.state("w", Type::f32([32, 32, 3, 3]));
            let statistics = Statistics { eps: 1e-5, momentum: Some(0.1) };
            let y = batch_norm(x.conv(w, conv(1, 1, 1)), None, None, None, statistics).relu();
            let y = y.max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false));
            let [dw] = g.gradients((y * y).sum(..), [w]).expect("a gradient");
            g.output("dw", dw);
        },
        &[
            "conv",
            "sum mul",
            "sub sum mul sum mul etc",
            "sub mul add le select etc",
            "sub mul add le select window_max_grad",
            "sub sum mul sum neg etc",
            "sub mul add",
            "conv_grad_weight",
        ],
    ),
    (
        "a step of Adam is a kernel of scalars and one for the parameter",
        |g| {
            let w = g.state("w", Type::f32([64, 64]));
            let gradient = g.input("gradient", [64, 64]);
            Adam::default().weight_decay(0.01).amsgrad(true).apply(g, &[("w".to_owned(), w)], &[gradient]);
        },
        &["add mul expm1 neg div etc", "mul add mul add mul etc"],
    ),
    (
        "the backward pass of a layer is a product with the mask behind it for each gradient",
        |g| {
            let x = g.input("x", [16, 24]);
            let v = g.state("v", Type::f32([24, 24]));
            let w = g.state("w", Type::f32([24, 40]));
            let upstream = g.input("upstream", [16, 40]);
            let loss = (x.matmul(v).relu().matmul(w) * upstream).sum([0, 1]);
            let [dv, dw] = g.gradients(loss, [v, w]).expect("gradients");
            g.output("dv", dv);
            g.output("dw", dw);
        },
        &["dot le select", "dot", "le dot select", "dot"],
    ),
    (
        "a pool's gradient takes the rectifier's mask",
        |g| {
            let x = g.state("x", Type::f32([2, 8, 6, 6]));
            let pooled = x.relu().max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false));
            let [dx] = g.gradients((pooled * g.input("upstream", [2, 8, 3, 3])).sum(..), [x]).expect("a gradient");
            g.output("dx", dx);
        },
        &["le select", "le window_max_grad select"],
    ),
    (
        "where the pool's result is there the mask is taken from it, in front of the pool's gradient",
        |g| {
            let x = g.state("x", Type::f32([2, 8, 6, 6]));
            let pooled = x.relu().max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false));
            let [dx] = g.gradients((pooled * pooled).sum(..), [x]).expect("a gradient");
            g.output("pooled", pooled);
            g.output("dx", dx);
        },
        &["le select window_max add le select", "le select window_max_grad"],
    ),
    (
        "a pool computes a normalized and rectified value from what is there anyway",
        |g| {
            let x = g.state("x", Type::f32([4, 8, 6, 6]));
            let w = g.state("w", Type::f32([8, 8, 3, 3]));
            let centred = x.conv(w, conv(1, 1, 1)) - 1.0;
            let scale = centred.square().mean([0, 2, 3]).rsqrt().reshape([8, 1, 1]);
            g.output("y", (centred * scale).relu().max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false)));
        },
        &["conv add", "mul sum div rsqrt", "mul le select window_max"],
    ),
    (
        "behind a contraction that nothing else needs it is the epilogue, which the pool reads",
        |g| {
            let x = g.state("x", Type::f32([4, 8, 6, 6]));
            let w = g.state("w", Type::f32([8, 8, 3, 3]));
            let y = (x.conv(w, conv(1, 1, 1)) * 2.0).relu();
            g.output("y", y.max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false)));
        },
        &["conv mul le select", "window_max"],
    ),
    (
        "heads are computed where they are put side by side",
        |g| {
            let looks = g.input("looks", [2, 3, 8, 8]);
            let values = g.input("values", [2, 3, 8, 4]);
            let w = g.state("w", Type::f32([12, 5]));
            g.output("y", looks.matmul(values).transpose(1, 2).reshape([16, 12]).matmul(w));
        },
        &["dot", "dot"],
    ),
    (
        "so are parts of a concatenation, whatever their axes are, and what is no product is copied",
        |g| {
            let [a, b] = ["a", "b"].map(|name| g.input(name, [2, 3, 8, 4]));
            let c = g.input("c", [2, 8, 12]);
            let x = g.input("x", [2, 3, 4, 4]);
            let turned = x.matmul(b.transpose(2, 3)).permute(&[0, 3, 1, 2]).reshape([2, 8, 12]);
            let all = g.concat(&[side_by_side(a.matmul(x)), c, turned], -1);
            g.output("y", all.reshape([16, 36]).matmul(g.state("w", Type::f32([36, 5]))));
        },
        &["dot", "dot", "concat", "dot"],
    ),
    (
        "what is read elsewhere, too, is copied, and so are short rows",
        |g| {
            let [a, b] = ["a", "b"].map(|name| g.input(name, [8, 4]));
            let [u, v] = [4, 2].map(|columns| g.state(&format!("w{columns}"), Type::f32([4, columns])));
            let y = a.matmul(u);
            g.output("y", g.concat(&[y, b.matmul(v)], 1).matmul(g.state("w", Type::f32([6, 6]))));
            g.output("z", y.exp().sum(1));
        },
        &["dot", "dot", "concat", "concat", "dot", "exp sum"],
    ),
];

#[test]
fn fusion_keeps_its_promises() {
    let mut wrong = Vec::new();
    for (name, build, expected) in PROMISES {
        let plan = planned(*build);
        if calls(&plan) != *expected {
            wrong.push(format!("{name}:\n{:#?}\n{plan}", calls(&plan)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The memory of a chain that nothing can fuse is that of the two values that are alive at a time, and less where a result
/// takes its operand's place.
#[test]
fn memory_is_shared_over_time() {
    let plan = planned(|g| {
        let mut x = g.input("x", [32, 32]);
        for _ in 0..6 {
            let rows = x.sum_keep(1);
            x = (x * rows).exp();
        }
        g.output("y", x);
    });
    let tensor = 4 * 32 * 32;
    assert!(plan.arena_bytes <= 3 * tensor + 1024, "{plan}");
}

#[test]
fn states_are_updated_in_place() {
    let plan = planned(|g| {
        let w = g.state("w", Type::f32([64, 64]));
        let gradient = g.input("gradient", [64, 64]);
        g.update(w, w - gradient * 0.1);
    });
    assert_eq!(plan.calls.len(), 1, "{plan}");
    assert_eq!(plan.arena_bytes, 4 * 64 * 64, "{plan}");
}
