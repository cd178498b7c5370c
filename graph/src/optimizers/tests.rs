//! Optimizers against their definitions, one element at a time in f64: those that `tests/golden` has no cases of, and
//! what all of them do beside their rule.

use std::collections::HashMap;

use super::*;
use crate::interpret::{Tensor, interpret};
use crate::model::Parameter;
use crate::schedules::ExponentialLR;

/// Gradients that change their signs, some of them 0.
fn gradient(step: usize, element: usize) -> f64 {
    let value = ((step * 7 + element * 5) as f64 * 1.7).sin();
    if (step + element).is_multiple_of(5) { 0.0 } else { value * (1.0 + element as f64) }
}

const ELEMENTS: usize = 4;
const BEGIN: [f64; ELEMENTS] = [0.5, -1.0, 2.0, 0.0];

/// The parameter after each step whose gradient is that of `sum(p * gradient)`.
fn run(rule: &dyn Optimizer, steps: usize) -> Vec<[f64; ELEMENTS]> {
    let g = Builder::new("optimizer");
    let given = g.input("gradient", [ELEMENTS]);
    let p = g.state("p", Type::f32([ELEMENTS]));
    let held = Parameter::trained(ndarray::ArrayD::zeros(vec![ELEMENTS]));
    let optimization = Optimization::new("", rule, |_, f| f("p", &held));
    optimization.minimize(&g, (p * given).sum(..));
    let graph = g.finish().unwrap();
    let tensor = |shape: &[usize], values: Vec<f64>| {
        Tensor::<f64>::F(ndarray::ArrayD::from_shape_vec(shape.to_vec(), values).unwrap())
    };
    let mut feeds: HashMap<String, Tensor<f64>> = HashMap::new();
    for input in &graph.inputs {
        let shape = graph.ty(input.node).shape;
        feeds.insert(input.name.clone(), tensor(shape.dims(), vec![0.0; shape.elements()]));
    }
    for (name, shape, value) in optimization.initial_state() {
        feeds.insert(name, tensor(shape.dims(), vec![value.into(); shape.elements()]));
    }
    feeds.insert("p".to_owned(), tensor(&[ELEMENTS], BEGIN.to_vec()));
    let mut after = Vec::new();
    for step in 0..steps {
        let gradients = (0..ELEMENTS).map(|element| gradient(step, element)).collect();
        feeds.insert("gradient".to_owned(), tensor(&[ELEMENTS], gradients));
        let results = interpret(&graph, &feeds).unwrap();
        feeds.extend(results.updates);
        let Tensor::F(p) = &feeds["p"] else { panic!("p is f32") };
        after.push(std::array::from_fn(|element| p[[element]]));
    }
    after
}

/// Holds a rule against its definition, which is called with a step from 1, a gradient, and the element's parameter and
/// states, all 0 at first.
fn check(rule: &dyn Optimizer, definition: impl Fn(f64, f64, &mut f64, &mut [f64; 3])) {
    let found = run(rule, 12);
    for element in 0..ELEMENTS {
        let (mut p, mut states) = (BEGIN[element], [0.0; 3]);
        for (step, found) in found.iter().enumerate() {
            definition((step + 1) as f64, gradient(step, element), &mut p, &mut states);
            // States begin as f32.
            assert!((found[element] - p).abs() <= 1e-6 * (1.0 + p.abs()), "step {step}, {element}: {found:?}, not {p}");
        }
    }
}

#[test]
fn rules_are_their_definitions() {
    check(&Adadelta::new(0.5).rho(0.8).weight_decay(0.1), |_, g, p, [v, u, _]| {
        let g = g + 0.1 * *p;
        *v = 0.8 * *v + 0.2 * g * g;
        let d = (*u + 1e-6).sqrt() / (*v + 1e-6).sqrt() * g;
        *u = 0.8 * *u + 0.2 * d * d;
        *p -= 0.5 * d;
    });
    check(&Lion::new(0.01).betas(0.8, 0.9).weight_decay(0.5), |_, g, p, [m, ..]| {
        *p *= 1.0 - 0.01 * 0.5;
        let direction = 0.8 * *m + 0.2 * g;
        *p -= 0.01 * if direction == 0.0 { 0.0 } else { direction.signum() };
        *m = 0.9 * *m + 0.1 * g;
    });
    check(&Rprop::new(0.05).etas(0.4, 1.5).step_sizes(0.01, 0.2), |t, g, p, [before, size, _]| {
        let size_before = if t == 1.0 { 0.05 } else { *size };
        let same = g * *before;
        let factor = if same > 0.0 {
            1.5
        } else if same < 0.0 {
            0.4
        } else {
            1.0
        };
        *size = (size_before * factor).clamp(0.01, 0.2);
        let g = if same < 0.0 { 0.0 } else { g };
        *p -= *size * if g == 0.0 { 0.0 } else { g.signum() };
        *before = g;
    });
    check(&ASGD::new(0.1).lambd(0.01).alpha(0.5).t0(3.0).weight_decay(0.1), |t, g, p, [eta, ..]| {
        let rate = if t == 1.0 { 0.1 } else { *eta };
        let g = g + 0.1 * *p;
        *p = *p * (1.0 - 0.01 * rate) - rate * g;
        *eta = 0.1 / (1.0 + 0.01 * 0.1 * t).sqrt();
    });
    // The sums of squares begin with a number, and the rate decays.
    check(&Adagrad::new(0.1).lr_decay(0.2).initial_accumulator_value(0.5).maximize(true), |t, g, p, [s, ..]| {
        *s += g * g + if t == 1.0 { 0.5 } else { 0.0 };
        *p += 0.1 / (1.0 + (t - 1.0) * 0.2) * g / (s.sqrt() + 1e-10);
    });
}

/// Climbing is descending on the negated gradient.
#[test]
fn maximize_climbs() {
    fn check<O: Optimizer>(rule: O, climbing: O) {
        let g = Builder::new("both");
        for (name, rule) in [("down", &rule), ("up", &climbing)] {
            let _scope = g.enter(name);
            let (p, given) = (g.state(&g.path("p"), Type::f32([2])), g.named("g").unwrap_or_else(|| g.input("g", [2])));
            let gradient = if name == "down" { -given } else { given };
            rule.apply(&g, &[("p".to_owned(), p)], &[gradient]);
        }
        let graph = g.finish().unwrap();
        let number = |name: &str| match name {
            "mu_product" | "lr" => 0.5,
            "prev" => 0.0,
            _ => 0.7,
        };
        let feed = |input: &crate::graph::Input| {
            let name = input.name.rsplit_once('.').map_or(input.name.as_str(), |(_, last)| last);
            let shape = graph.ty(input.node).shape;
            (input.name.clone(), Tensor::<f64>::F(ndarray::ArrayD::from_elem(shape.dims(), number(name))))
        };
        let results = interpret(&graph, &graph.inputs.iter().map(feed).collect()).unwrap();
        let values = |name: &str| match &results.updates[name] {
            Tensor::F(values) => values.clone(),
            _ => panic!("f32"),
        };
        assert_eq!(values("down.p"), values("up.p"));
        assert_ne!(values("up.p")[[0]], 0.7);
    }
    check(Sgd::new(0.1), Sgd::new(0.1).maximize(true));
    check(Adam::new(0.1), Adam::new(0.1).maximize(true));
    check(AdamW::new(0.1), AdamW::new(0.1).maximize(true));
    check(Adamax::new(0.1), Adamax::new(0.1).maximize(true));
    check(NAdam::new(0.1), NAdam::new(0.1).maximize(true));
    check(RAdam::new(0.1), RAdam::new(0.1).maximize(true));
    check(RMSprop::new(0.1), RMSprop::new(0.1).maximize(true));
    check(Adagrad::new(0.1), Adagrad::new(0.1).maximize(true));
    check(Adadelta::new(0.1), Adadelta::new(0.1).maximize(true));
    check(Lion::new(0.1), Lion::new(0.1).maximize(true));
    check(Rprop::new(0.1), Rprop::new(0.1).maximize(true));
    check(ASGD::new(0.1), ASGD::new(0.1).maximize(true));
}

/// Gradients of several batches make one step; they are clipped when all are there.
#[test]
fn batches_accumulate() {
    fn check(rule: Sgd, clip: impl Fn([f64; ELEMENTS]) -> [f64; ELEMENTS]) {
        let found = run(&rule.accumulate(3), 9);
        let mut expected = BEGIN;
        for (step, found) in found.iter().enumerate() {
            if step % 3 == 2 {
                let sum = |element| (step - 2..=step).map(|step| gradient(step, element)).sum::<f64>() / 3.0;
                let clipped = clip(std::array::from_fn(sum));
                expected = std::array::from_fn(|element| expected[element] - 0.125 * clipped[element]);
            }
            let near = |(found, expected): (&f64, &f64)| (found - expected).abs() <= 1e-6;
            assert!(found.iter().zip(&expected).all(near), "step {step}: {found:?}, not {expected:?}");
        }
    }
    check(Sgd::new(0.125), |g| g);
    check(Sgd::new(0.125).clip_grad_value(0.25), |g| g.map(|g| g.clamp(-0.25, 0.25)));
    check(Sgd::new(0.125).clip_grad_norm(0.5), |g| {
        let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        g.map(|g| g * (0.5 / (norm + 1e-6)).min(1.0))
    });
    check(Sgd::new(0.125).clip_grad_norm(0.5).norm_type(f64::INFINITY).clip_grad_value(1.0), |g| {
        let g = g.map(|g| g.clamp(-1.0, 1.0));
        let norm = g.iter().fold(0.0_f64, |norm, g| norm.max(g.abs()));
        g.map(|g| g * (0.5 / (norm + 1e-6)).min(1.0))
    });
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    fn check(rule: &dyn Optimizer, expected: &str) {
        let g = Builder::new("refused");
        let (weight, bias) = (g.state("fc.weight", Type::f32([2, 2])), g.state("fc.bias", Type::f32([2])));
        let [w, b] = [vec![2, 2], vec![2]].map(|dims| Parameter::trained(ndarray::ArrayD::zeros(dims)));
        let optimization = Optimization::new("opt", rule, |_, f| {
            f("fc.weight", &w);
            f("fc.bias", &b);
        });
        optimization.minimize(&g, (weight + bias).sum(..));
        assert_eq!(g.finish().map(drop).map_err(|error| error.to_string()), Err(expected.to_owned()));
    }
    use crate::schedules::{CyclicLR, OneCycleLR, StepLR};
    check(&Sgd::new(0.1).schedule(StepLR::new(0)), "StepLR: step_size = 0, but must be at least 1");
    check(
        &Adagrad::new(0.1).schedule(OneCycleLR::new(0.1, 9)),
        "the schedule of `opt` changes the momentum, which that does not have: give the schedule `.cycle_momentum(false)`",
    );
    check(&Adam::new(0.1).clip_grad_norm(-1.0), "Adam: clip_grad_norm = -1, but must be a finite number of at least 0");
    check(&Adam::new(0.1).norm_type(0.0), "Adam: norm_type = 0, but must be above 0, or infinity");
    check(&Adam::new(0.1).accumulate(0), "Adam: accumulate = 0, but must be at least 1");
    check(&Adam::new(0.1).ema(1.5), "Adam: ema = 1.5, but must be at least 0 and at most 1");
    check(&Adam::new(0.1).swa(0, 1), "Adam: swa.start = 0, but must be at least 1");
    check(
        &Rprop::new(0.1).schedule(ExponentialLR::new(0.9)),
        "Rprop: lr = 0.1, but is what step sizes begin with: no schedule changes them",
    );
    check(&Rprop::new(0.1).etas(0.5, 1.0), "Rprop: etas.1 = 1, but must be a finite number above 1");
    check(
        &Sgd::new(0.1).group(Select::name("fc"), |rule| rule).group(Select::biases(), |rule| rule.lr(1.0)),
        "group 2 of `opt` (biases) has none of its 2 parameters: no name fits, or a group before has them",
    );
    check(
        &Sgd::new(0.1).group(Select::biases(), |rule| rule.lr(-1.0)),
        "Sgd: lr = -1, but must be a finite number of at least 0",
    );
    check(
        &Sgd::new(0.1).group(Select::biases(), |rule| rule.schedule(CyclicLR::new(0.1, 0.2))),
        "Sgd: group = 1, but must leave clipping, accumulation, averages, schedules and groups to the whole optimizer",
    );
}
