//! Copies of weights that the updates of the weights write, too: made once, and never stale.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::{Builder, Graph, Type, Value};
use kiln_jit::plan::{Plan, plan};
use kiln_jit::{CompileOptions, Program, Session, States, Target};
use kiln_rt::{Pool, random};
use ndarray::ArrayD;

use crate::run::check;

const HIDDEN: usize = 128;

/// A step of two layers over so many rows, the weights of both updated; the weights come first as `features`.
fn step(rows: usize, features: usize) -> Graph {
    let g = Builder::new("step");
    let x = g.input("x", [rows, features]);
    let states: Vec<Value> = [("w", [features, HIDDEN]), ("v", [HIDDEN, features])]
        .map(|(name, shape)| g.state(name, Type::f32(shape)))
        .to_vec();
    let momentum = g.state("m", Type::f32([features, HIDDEN]));
    let y = x.matmul(states[0]).relu().matmul(states[1]);
    let gradients = g.gradients_of((y * y).mean([0, 1]), &states).expect("gradients");
    let moved = momentum * 0.5 + gradients[0];
    g.update(momentum, moved);
    g.update(states[0], states[0] - moved / (moved * moved + 0.1).sqrt() * 0.01);
    g.update(states[1], states[1] - gradients[1] * 0.1);
    // The updated weights are read again, in the same order.
    g.output("y", y + x.matmul(g.current(states[0])).relu().matmul(g.current(states[1])));
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

fn planned(features: usize, l2_bytes: usize) -> Plan {
    let target = Target { l2_bytes, ..Target::with_lanes(8) };
    plan(&step(32, features), &target, &HashMap::new()).expect("a plan")
}

/// The calls of a run that copy.
fn copies(plan: &Plan) -> usize {
    let copies = |call: &&kiln_jit::plan::Call| plan.kernels[call.kernel].name == "pack";
    plan.calls[plan.prologue..].iter().filter(copies).count()
}

#[test]
fn updates_write_the_copies_that_stay_in_the_cache() {
    // (features, bytes of the second-level cache, calls that are kept): 8192 weights of each layer.
    for (features, l2_bytes, kept) in [(64, 1 << 20, 2), (64, 64 << 10, 0), (62, 1 << 20, 1)] {
        let plan = planned(features, l2_bytes);
        assert_eq!(plan.prologue, kept, "{features} features, {l2_bytes} bytes\n{plan}");
        check("a step", &step(32, features));
    }
    let [with, without] = [1 << 20, 64 << 10].map(|l2_bytes| copies(&planned(64, l2_bytes)));
    // Each layer is copied before the run no more, and not after its update.
    assert_eq!(with + 4, without);
}

fn values(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let draw = |index: usize| random::uniform(seed, 0, 0, index as u64) - 0.5;
    ArrayD::from_shape_vec(shape, (0..shape.iter().product()).map(draw).collect()).expect("as many values")
}

fn session(rows: usize, states: &mut States, threads: usize) -> Session {
    let state_layouts = states.names().filter_map(|name| Some((name.to_owned(), states.layout(name)?))).collect();
    let options = CompileOptions { state_layouts, ..CompileOptions::default() };
    let program = Program::compile(&step(rows, 64), &options).expect("a program");
    Session::new(Arc::new(program), states, Arc::new(Pool::new(threads))).expect("a session")
}

fn set(states: &mut States, seed: u64) {
    for (name, shape) in [("w", [64, HIDDEN]), ("v", [HIDDEN, 64]), ("m", [64, HIDDEN])] {
        states.write(name, values(&shape, seed).view()).expect("its shape");
    }
}

/// The bits of a run's output and of the states after it.
fn run(session: &mut Session, rows: usize, states: &mut States) -> Vec<u32> {
    session.write_input_f32(0, values(&[rows, 64], 3).view()).expect("the input");
    session.run(states).expect("a run");
    let after = ["w", "v", "m"].map(|name| states.read(name).expect("a state"));
    session.output(0).iter().chain(after.iter().flatten()).map(|value| value.to_bits()).collect()
}

#[test]
fn copies_that_follow_are_never_stale() {
    let (mut states, mut others) = (States::new(), States::new());
    let mut sessions = [(32, 1), (32, 2), (16, 2)].map(|(rows, threads)| (rows, session(rows, &mut states, threads)));
    session(32, &mut others, 1);
    // Which program runs next, or (3) that the user writes the weights, or (4) runs a program and takes back what it did. Each
    // run agrees with one of a session that has not run before.
    for (number, action) in [3, 0, 0, 0, 1, 1, 0, 2, 2, 4, 0, 1, 3, 1, 3, 0, 4, 2, 0, 0].into_iter().enumerate() {
        if action == 4 {
            let held = states.snapshot();
            run(&mut sessions[0].1, 32, &mut states);
            states.restore(&held);
            continue;
        }
        let Some((rows, kept)) = sessions.get_mut(action) else {
            for states in [&mut states, &mut others] {
                set(states, number as u64);
            }
            continue;
        };
        let expected = run(&mut session(*rows, &mut others, 1), *rows, &mut others);
        assert_eq!(run(kept, *rows, &mut states), expected, "action {number}");
    }
}
