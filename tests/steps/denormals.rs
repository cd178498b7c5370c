//! Denormal numbers count as 0 while programs run, on all threads and by every emitter, unless they are asked for; the mode of
//! the thread that calls is what it was. (Processors without such a mode keep them: nothing is tested there.)
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::hint::black_box;
use std::sync::Arc;

use kiln::graph::{Builder, Value};
use kiln::jit::emit::EmitterKind;
use kiln::jit::plan::plan;
use kiln::jit::{Program, Session, States, Target};
use kiln::prelude::*;
use kiln::runtime::Pool;
use ndarray::{Array1, Array2, ArrayD};

const TINY: f32 = 1e-40;

/// Whether this thread flushes; by an operation that the compiler can not do beforehand.
fn flushes() -> bool {
    black_box(1e-30f32) * black_box(1e-10f32) == 0.0
}

model! {
    struct Net { fc: Linear(64, 64, bias = false), opt: Sgd(fc, lr = 0.0) }

    step fit(x: [N, 64]) -> loss {
        let loss = fc(x).sum();
        opt.minimize(loss);
    }

    eval run(x: [N, 64]) -> (y, scaled) {
        let y = fc(x);
        let scaled = y * 2.0;
    }
}

model! {
    #[model(input = [64])]
    struct Forward { fc: Linear(64, 64, bias = false) }
}

#[test]
fn weights_below_the_smallest_number_count_as_zero_unless_they_are_asked_for() {
    for (flush, threads) in [(true, 1), (true, 3), (false, 1), (false, 3)] {
        let tiny = Array2::from_elem((64, 64), TINY);
        let x = Array2::<f32>::ones((512, 64));
        let expected = if flush { 0.0 } else { 64.0 * TINY };
        let check = |what: &str, found: &ArrayD<f32>, expected: f32| {
            let close = |found: &f32| (found - expected).abs() <= 1e-3 * expected;
            assert!(found.iter().all(close), "{what}, flush {flush}, {threads} threads: {found}, not {expected}");
            assert!(!flushes(), "{what}");
        };
        let mut net = Net::init(0);
        net.fc.weight.set(&tiny).unwrap();
        let mut net = net.trainer().batch(512).threads(threads).flush_denormal(flush).build().unwrap();
        let (y, scaled) = net.run(&x).unwrap();
        check("eval", &y, expected);
        check("eval", &scaled, 2.0 * expected);
        // What is only kept, not computed with, stays.
        assert!(net.model().fc.weight.value.iter().all(|&weight| weight == TINY));

        let forward = || {
            let mut model = Forward::init(0);
            model.fc.weight.set(&tiny).unwrap();
            model
        };
        let predictor = Predictor::new(forward()).batch(512).threads(threads).flush_denormal(flush).build().unwrap();
        check("predict", &predictor.predict(&x).unwrap(), expected);
        let trainer = Trainer::new(forward(), mse(), Sgd::new(0.0)).batch(512).threads(threads).flush_denormal(flush);
        let mut trainer = trainer.build().unwrap();
        check("predict", &trainer.predict(&x).unwrap(), expected);
        let huge = Array2::from_elem((512, 64), 0.0);
        check("evaluate", &ArrayD::from_elem(vec![], trainer.evaluate(&x, &huge).unwrap().loss), 0.0);
    }
}

/// A moment that decays ends at 0, not at a number that costs time for good.
#[test]
fn moments_decay_to_zero() {
    for (flush, threads) in [(true, 1), (true, 2), (false, 1)] {
        let g = Builder::new("decay");
        let moment = g.state("moment", kiln::graph::Type::f32([100_000]));
        g.update(moment, moment * 0.9);
        let graph = kiln::graph::optimize(&g.finish().unwrap());
        let program = Program::compile(&graph, &Default::default()).unwrap();
        let mut states = States::new();
        let mut session = Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(threads))).unwrap();
        session.set_flush_denormal(flush);
        states.write("moment", ArrayD::from_elem(vec![100_000], 1e-30).view()).unwrap();
        for _ in 0..400 {
            session.run(&mut states).unwrap();
        }
        let zeros = states.read("moment").unwrap().iter().filter(|&&moment| moment == 0.0).count();
        assert_eq!(zeros, if flush { 100_000 } else { 0 }, "flush {flush}, {threads} threads");
        assert!(!flushes());
    }
}

/// What a function of numbers gives, by an emitter.
fn bits(
    emitter: EmitterKind,
    flush: bool,
    values: &[f32],
    function: impl for<'g> Fn(Value<'g>, Value<'g>) -> Value<'g>,
) -> Vec<u32> {
    let g = Builder::new("elementwise");
    let (a, b) = (g.input("a", [values.len()]), g.input("b", [values.len()]));
    g.output("y", function(a, b));
    let graph = kiln::graph::optimize(&g.finish().unwrap());
    let target = Target::with_lanes(emitter.lanes());
    let program = Program::from_plan(plan(&graph, &target, &Default::default()).unwrap()).unwrap();
    let mut states = States::new();
    let mut session = Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(1))).unwrap();
    session.set_flush_denormal(flush);
    session.write_input_f32(0, Array1::from(values.to_vec()).into_dyn().view()).unwrap();
    session.write_input_f32(1, Array1::from_iter(values.iter().rev().copied()).into_dyn().view()).unwrap();
    session.run(&mut states).unwrap();
    session.output(0).iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_emitter_flushes_the_same() {
    let values = [
        TINY,
        -TINY,
        1.1e-38,
        -1.1e-38,
        1.2e-38,
        -1.2e-38,
        0.0,
        -0.0,
        1.0,
        -1.0,
        1e-30,
        -1e-30,
        3e38,
        f32::INFINITY,
        1e-45,
        -1e-45,
        0.5,
        -3.0,
        1e-20,
    ];
    type Function = for<'g> fn(Value<'g>, Value<'g>) -> Value<'g>;
    let functions: [(&str, Function); 12] = [
        ("add", |a, b| a + b),
        ("sub", |a, b| a - b),
        ("mul", |a, b| a * b),
        ("div", |a, b| a / b),
        ("max", |a, b| a.maximum(b)),
        ("min", |a, b| a.minimum(b)),
        ("relu", |a, _| a.relu()),
        ("abs", |a, _| a.abs()),
        ("sqrt", |a, _| a.abs().sqrt()),
        ("exp", |a, _| a.exp()),
        ("tanh", |a, _| a.tanh()),
        ("log", |a, _| a.abs().log()),
    ];
    let here: Vec<EmitterKind> = EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here()).collect();
    for (name, function) in functions {
        for flush in [true, false] {
            let first = bits(here[0], flush, &values, function);
            for &emitter in &here[1..] {
                assert_eq!(bits(emitter, flush, &values, function), first, "{name} by {emitter}, flush {flush}");
            }
        }
    }
}
