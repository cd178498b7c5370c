//! Optimizers that treat matrices as such, against PyTorch's figures. The gradients are given: no network trains.

use std::collections::HashMap;

use super::*;
use crate::build::GraphError;
use crate::interpret::{Tensor, interpret};
use crate::model::Parameter;

/// Gradients that change their signs, some of them 0.
fn gradient(step: usize, element: usize) -> f64 {
    let value = ((step * 7 + element * 5) as f64 * 1.7).sin() * (1.0 + element as f64 / 4.0);
    if (step + element).is_multiple_of(5) { 0.0 } else { value }
}

/// Builds a step of `sum(p * gradient)`, of parameters of these shapes.
fn build<'a>(rule: &'a dyn Optimizer, held: &'a [(String, Parameter)], g: &Builder) -> Optimization<'a> {
    let optimization = Optimization::new("", rule, |_, f| held.iter().for_each(|(name, parameter)| f(name, parameter)));
    let terms = held.iter().map(|(name, parameter)| {
        let p = g.state(name, Type::f32(parameter.shape()));
        (p * g.input(&format!("gradient of {name}"), parameter.shape())).sum(..)
    });
    let loss = terms.reduce(|sum, term| sum + term).unwrap();
    optimization.minimize(g, loss);
    optimization
}

fn parameter(name: &str, shape: &[usize]) -> (String, Parameter) {
    (name.to_owned(), Parameter::trained(ndarray::ArrayD::zeros(shape.to_vec())))
}

/// The parameter after five steps is PyTorch's, whose iteration ran in f64.
fn check(rule: &dyn Optimizer, shape: &[usize], expected: &[f64]) {
    let (g, held) = (Builder::new("optimizer"), [parameter("p", shape)]);
    let optimization = build(rule, &held, &g);
    let graph = g.finish().unwrap();
    let tensor =
        |shape: &[usize], values| Tensor::<f64>::F(ndarray::ArrayD::from_shape_vec(shape.to_vec(), values).unwrap());
    let mut feeds: HashMap<String, Tensor<f64>> = HashMap::new();
    for (name, shape, value) in optimization.initial_state() {
        feeds.insert(name, tensor(shape.dims(), vec![value.into(); shape.elements()]));
    }
    for input in &graph.inputs {
        let known = feeds.contains_key(&input.name) || !input.name.contains('.');
        assert!(known, "{} begins with nothing", input.name);
    }
    let count = expected.len();
    feeds.insert("p".to_owned(), tensor(shape, (0..count).map(|element| (element as f64 * 1.3).cos()).collect()));
    for step in 0..5 {
        let gradients = (0..count).map(|element| gradient(step, element)).collect();
        feeds.insert("gradient of p".to_owned(), tensor(shape, gradients));
        feeds.extend(interpret(&graph, &feeds).unwrap().updates);
    }
    let Tensor::F(p) = &feeds["p"] else { panic!("p is f32") };
    for (found, expected) in p.iter().zip(expected) {
        // Rates begin as f32.
        assert!(
            (found - expected).abs() <= 1e-6,
            "{rule:?} {shape:?}: {p:?}, not {expected}",
            rule = rule.learning_rate()
        );
    }
}

#[test]
fn steps_of_matrices_are_those_of_pytorch() {
    check(&Muon::new(0.02), &[3, 2], &[1.018560188, 0.185473358, -0.804984870, -0.683126981, 0.400921499, 0.975925312]);
    check(
        &Muon::new(0.1).nesterov(false).momentum(0.5).weight_decay(0.0).adjust_lr_fn(AdjustLr::MatchRmsAdamW),
        &[2, 4],
        &[1.044735714, 0.146046481, -0.779769780, -0.733406147, 0.422571354, 0.941946829, 0.082446193, -1.036810249],
    );
    check(
        &Muon::new(0.1).ns_steps(3).ns_coefficients(2.0, -1.5, 0.5).adjust_lr_fn(AdjustLr::SpectralUnclamped),
        &[2, 3],
        &[1.131569991, 0.041649240, -0.643214913, -0.701077339, 0.262956633, 0.959652959],
    );
    check(
        &Adafactor::default(),
        &[3, 2],
        &[1.027728542, 0.233967868, -0.852108979, -0.704810667, 0.442261595, 0.976733944],
    );
    check(
        &Adafactor::new(0.6).weight_decay(0.1).maximize(true).d(1.5).eps(0.01, 0.5),
        &[2, 2, 3],
        &[
            -1.773544068,
            1.632452031,
            -0.203729202,
            -2.156177986,
            1.912968980,
            1.185423428,
            -1.207235583,
            1.515046168,
            -0.476971464,
            -1.090026080,
            3.115357511,
            -1.729788017,
        ],
    );
    check(&Adafactor::new(0.05).beta2_decay(-0.5), &[4], &[1.155375818, 0.141806237, -0.845272395, -0.636273244]);
}

/// What is no matrix is told of, or has an optimizer of its own, with its rate and its states.
#[test]
fn what_is_no_matrix_has_another_optimizer() {
    let held = [parameter("fc.weight", &[2, 3]), parameter("fc.bias", &[2])];
    let g = Builder::new("step");
    build(&Muon::new(0.1), &held, &g);
    let error = g.finish().unwrap_err();
    assert!(matches!(&error, GraphError::NoMatrix { parameter, .. } if parameter == "fc.bias"), "{error}");
    let rule = Muon::new(0.1).others(Select::not_matrices(), AdamW::new(0.25));
    let g = Builder::new("step");
    let optimization = build(&rule, &held, &g);
    g.finish().unwrap();
    let rates: Vec<f64> = optimization.rates().into_iter().map(|rate| rate.rate).collect();
    assert_eq!(rates, [0.1, 0.25]);
    let states: Vec<String> = optimization.initial_state().into_iter().map(|(name, ..)| name).collect();
    assert!(states.contains(&"group_1.fc.bias.exp_avg".to_owned()), "{states:?}");
    assert!(states.contains(&"fc.weight.momentum_buffer".to_owned()), "{states:?}");
    // Its settings are looked at, too.
    assert!(Optimizer::check(&Muon::new(0.1).others(Select::not_matrices(), AdamW::new(-1.0))).is_err());
    assert!(Optimizer::check(&Muon::new(0.1).others(Select::biases(), Sgd::new(0.1).accumulate(2))).is_err());
}
