//! Deep graphs: they are planned and compiled in a thread of little stack, in a time that grows with their depth.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kiln_graph::{Builder, Graph, Op, Type, Value, optimize, parse, print};
use kiln_jit::plan::plan;
use kiln_jit::{CompileOptions, Program, Target};

use crate::run::check;

/// So much stack the threads of these tests have.
const STACK: usize = 512 << 10;

/// Runs a function in a thread of little stack.
fn with_little_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run).expect("a thread");
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

/// One step of a chain of values of one shape.
type Step = for<'g> fn(&'g Builder, Value<'g>, usize) -> Value<'g>;

/// A chain of so many steps, and the gradient of the sum of its squares, if it is asked for.
fn chain(step: Step, steps: usize, gradient: bool) -> Graph {
    let g = Builder::new("chain");
    let w = g.state("w", Type::f32([4]));
    let mut x = g.input("x", [2, 4]) * w;
    for number in 0..steps {
        x = step(&g, x, number);
    }
    let loss = (x * x).sum(..);
    g.output("loss", loss);
    if gradient {
        g.update(w, w - g.gradient(loss, w) * 0.1);
    }
    g.finish().expect("a chain")
}

/// Steps of a few elementwise operations or views.
const STEPS: &[(&str, Step)] = &[
    ("scaled", |_, x, _| x * 0.9999),
    ("tanh", |_, x, _| x.tanh()),
    ("residual", |_, x, _| (x * 0.5).tanh() + x * 0.5),
    ("selected", |_, x, _| x.gt(0.25).select(x * 0.5, x)),
    ("turned", |_, x, n| if n % 2 == 0 { x.transpose(0, 1) } else { x.reverse([0]) }),
    ("reshaped", |_, x, n| if n % 2 == 0 { x.transpose(0, 1).reshape([8]) * 1.5 } else { x.reshape([2, 4]) }),
    ("scattered", |g, x, n| {
        let index = g.iota(x.shape(), 0);
        let extent = x.shape().dim(0);
        if n % 4 == 0 { g.apply(Op::ScatterAdd { axis: 0, extent }, &[index, x]) } else { x * 0.5 }
    }),
];

/// Plans and compiles a graph, prints and parses it, and evaluates it by the interpreter.
fn go_through(name: &str, graph: &Graph, values: bool) {
    let text = print(graph);
    assert_eq!(parse(&text).map(|parsed| print(&parsed)).as_ref(), Ok(&text), "{name}");
    let graph = optimize(graph);
    let planned = CompileOptions::default().plan(&graph).unwrap_or_else(|error| panic!("{name}: {error}"));
    Program::from_plan(planned).unwrap_or_else(|error| panic!("{name}: {error}"));
    if values {
        check(name, &graph);
    }
}

#[test]
fn chains_are_compiled_with_little_stack() {
    // A debug build needs more stack for each step of a walk, and more time.
    let few = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    for &(name, step) in STEPS {
        with_little_stack(|| go_through(name, &chain(step, few, false), false));
        with_little_stack(|| go_through(name, &chain(step, few / 2, true), false));
    }
    with_little_stack(|| go_through("tanh", &chain(|_, x, _| x.tanh(), 20_000, false), false));
}

#[test]
fn layers_are_compiled_with_little_stack() {
    with_little_stack(|| {
        let g = Builder::new("layers");
        let mut x = g.input("x", [4, 8]);
        let weights: Vec<Value> = (0..2_000).map(|number| g.state(&format!("{number}.w"), Type::f32([8, 8]))).collect();
        for &weight in &weights {
            x = x.matmul(weight).tanh();
        }
        let loss = x.square().mean(..);
        for (&weight, gradient) in weights.iter().zip(g.gradients_of(loss, &weights).expect("gradients")) {
            g.update(weight, weight - gradient * 0.1);
        }
        go_through("layers", &g.finish().expect("layers"), false);
    });
}

/// Chains that are longer than a kernel computes at once.
#[test]
fn long_chains_agree_with_the_interpreter() {
    for &(name, step) in STEPS {
        for gradient in [false, true] {
            go_through(name, &chain(step, 300, gradient), true);
        }
    }
}

/// The shortest of a few times that planning a chain takes.
fn time_of(steps: usize) -> Duration {
    let graph = optimize(&chain(|_, x, _| (x * 0.5).tanh() + x * 0.5, steps, true));
    let target = Target::with_lanes(8);
    let once = || {
        let start = Instant::now();
        plan(&graph, &target, &HashMap::new()).expect("a plan");
        start.elapsed()
    };
    (0..3).map(|_| once()).min().expect("some times")
}

#[test]
fn planning_takes_time_in_proportion_to_the_depth() {
    let (short, long) = (time_of(100), time_of(1_600));
    // 16 if it is in proportion, 256 if it grows with the square; other programs may run beside this one.
    assert!(long < 64 * short, "{short:?} for 100 steps, {long:?} for 1600");
}
