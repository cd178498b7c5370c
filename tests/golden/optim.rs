//! The optimizers: parameters are states, and each step's gradients are given.

use std::collections::BTreeMap;

use kiln_graph::optimizers::{
    ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, NAdam, Optimizer, RAdam, RMSprop, Rprop, Sgd,
    clip_grad_norm, clip_grad_value,
};
use kiln_graph::{Builder, Shape, Value};
use ndarray::{ArrayD, Axis, stack};

use crate::case::{Array, Attributes, Case, Refusal};
use crate::engine::{Engine, Session};
use crate::graphs::{Given, type_of};

/// An optimizer of PyTorch's name and arguments.
pub fn optimizer(op: &str, attributes: &Attributes) -> Result<Box<dyn Optimizer>, Refusal> {
    let number = |name: &str, default: f64| attributes.f64(name).unwrap_or(default);
    let part = |name: &str, index: usize, default: f64| {
        let pair = attributes.get(name).and_then(|pair| pair.as_array());
        pair.and_then(|pair| pair[index].as_f64()).unwrap_or(default)
    };
    let beta = |index: usize, default: f64| part("betas", index, default);
    Ok(match op {
        "SGD" => Box::new(
            Sgd::new(number("lr", 1e-3))
                .momentum(number("momentum", 0.0))
                .dampening(number("dampening", 0.0))
                .weight_decay(number("weight_decay", 0.0))
                .nesterov(attributes.flag("nesterov"))
                .maximize(attributes.flag("maximize")),
        ),
        "Adam" => Box::new(
            Adam::new(number("lr", 1e-3))
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.0))
                .amsgrad(attributes.flag("amsgrad"))
                .maximize(attributes.flag("maximize"))
                .decoupled_weight_decay(attributes.flag("decoupled_weight_decay")),
        ),
        "AdamW" => Box::new(
            AdamW::new(number("lr", 1e-3))
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.01))
                .amsgrad(attributes.flag("amsgrad"))
                .maximize(attributes.flag("maximize")),
        ),
        "RMSprop" => Box::new(
            RMSprop::new(number("lr", 1e-2))
                .alpha(number("alpha", 0.99))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.0))
                .momentum(number("momentum", 0.0))
                .centered(attributes.flag("centered"))
                .maximize(attributes.flag("maximize")),
        ),
        "Adagrad" => Box::new(
            Adagrad::new(number("lr", 1e-2))
                .lr_decay(number("lr_decay", 0.0))
                .weight_decay(number("weight_decay", 0.0))
                .initial_accumulator_value(number("initial_accumulator_value", 0.0))
                .eps(number("eps", 1e-10))
                .maximize(attributes.flag("maximize")),
        ),
        "Adadelta" => Box::new(
            Adadelta::new(number("lr", 1.0))
                .rho(number("rho", 0.9))
                .eps(number("eps", 1e-6))
                .weight_decay(number("weight_decay", 0.0))
                .maximize(attributes.flag("maximize")),
        ),
        "Adafactor" => Box::new(
            Adafactor::new(number("lr", 1e-2))
                .beta2_decay(number("beta2_decay", -0.8))
                .eps(part("eps", 0, f64::from(f32::EPSILON)), part("eps", 1, 1e-3))
                .d(number("d", 1.0))
                .weight_decay(number("weight_decay", 0.0))
                .maximize(attributes.flag("maximize")),
        ),
        "ASGD" => Box::new(
            ASGD::new(number("lr", 1e-2))
                .lambd(number("lambd", 1e-4))
                .alpha(number("alpha", 0.75))
                .t0(number("t0", 1e6))
                .weight_decay(number("weight_decay", 0.0))
                .maximize(attributes.flag("maximize")),
        ),
        "Rprop" => Box::new(
            Rprop::new(number("lr", 1e-2))
                .etas(part("etas", 0, 0.5), part("etas", 1, 1.2))
                .step_sizes(part("step_sizes", 0, 1e-6), part("step_sizes", 1, 50.0))
                .maximize(attributes.flag("maximize")),
        ),
        "Adamax" => Box::new(
            Adamax::new(number("lr", 2e-3))
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.0))
                .maximize(attributes.flag("maximize")),
        ),
        "NAdam" => Box::new(
            NAdam::new(number("lr", 2e-3))
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.0))
                .momentum_decay(number("momentum_decay", 4e-3))
                .decoupled_weight_decay(attributes.flag("decoupled_weight_decay"))
                .maximize(attributes.flag("maximize")),
        ),
        "RAdam" => Box::new(
            RAdam::new(number("lr", 1e-3))
                .betas(beta(0, 0.9), beta(1, 0.999))
                .eps(number("eps", 1e-8))
                .weight_decay(number("weight_decay", 0.0))
                .decoupled_weight_decay(attributes.flag("decoupled_weight_decay"))
                .maximize(attributes.flag("maximize")),
        ),
        _ => return Err(Refusal::later(op)),
    })
}

/// `clip_grad_norm_` and `clip_grad_value_`: the clipped inputs, and behind them the norm.
pub fn clip<'g>(op: &str, attributes: &Attributes, given: &Given<'g>) -> Result<Vec<Value<'g>>, Refusal> {
    let gradients = given.inputs();
    let number = |name: &str| attributes.f64(name).ok_or_else(|| Refusal::Case(format!("no {name}")));
    match op {
        "clip_grad_norm_" => {
            let norm_type = match attributes.text("norm_type") {
                Some("inf") => f64::INFINITY,
                _ => number("norm_type")?,
            };
            let g = gradients.first().ok_or_else(|| Refusal::Case("no input".into()))?.graph();
            let (mut clipped, norm) = clip_grad_norm(g, &gradients, number("max_norm")?, norm_type);
            g.output("output.norm", norm);
            clipped.push(norm);
            Ok(clipped)
        }
        _ => Ok(clip_grad_value(&gradients, number("clip_value")?)),
    }
}

/// The states of an optimizer before its first step.
pub fn initial<'g>(optimizer: &dyn Optimizer, parameters: &[(String, Value<'g>)]) -> BTreeMap<String, Array> {
    let shapes: Vec<_> = parameters.iter().map(|(name, value)| (name.clone(), value.shape())).collect();
    let states = optimizer.initial_state(&shapes).into_iter();
    let filled = |shape: Shape, value: f32| Array::Float(ArrayD::from_elem(shape.dims(), f64::from(value)));
    states.map(|(name, shape, value)| (name, filled(shape, value))).collect()
}

/// Stacks one array per step.
pub fn stacked(steps: &[Array]) -> Result<Array, Refusal> {
    let floats: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Array::Float(values) => Some(values.view()),
            Array::Int(_) => None,
        })
        .collect();
    stack(Axis(0), &floats).map(Array::Float).map_err(|error| Refusal::Case(error.to_string()))
}

/// Takes the case's steps and gives the parameters after each, and the states at the end.
pub fn results(case: &Case, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    let optimizer = optimizer(&case.op, &case.attributes)?;
    let g = Builder::new("optimizer");
    let (mut parameters, mut gradients, mut states) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (name, value) in case.with_prefix("param.") {
        parameters.push((name.to_owned(), g.state(name, type_of(value))));
        gradients.push(g.input_of(&format!("grad.param.{name}"), type_of(value)));
        states.insert(name.to_owned(), value.clone());
    }
    optimizer.apply(&g, &parameters, &gradients);
    states.extend(initial(optimizer.as_ref(), &parameters));
    let names: Vec<String> = parameters.into_iter().map(|(name, _)| name).collect();
    let mut session = Session::new(engine, &g.finish()?, states).map_err(Refusal::Error)?;

    let mut after: BTreeMap<String, Vec<Array>> = BTreeMap::new();
    for step in 0..case.attributes.int("steps").unwrap_or(0) as usize {
        let given = case.tensors.iter().filter(|(name, _)| name.starts_with("grad.param."));
        session.run(&given.map(|(name, all)| (name.clone(), all.at(step))).collect()).map_err(Refusal::Error)?;
        for name in &names {
            let value = session.state(name).ok_or_else(|| Refusal::Case(format!("no state {name}")))?;
            after.entry(format!("param_after.{name}")).or_default().push(value);
        }
    }
    let mut results = BTreeMap::new();
    for (name, steps) in after {
        results.insert(name, stacked(&steps)?);
    }
    for (name, _) in case.with_prefix("state_after.") {
        // What all parameters share, PyTorch has for each.
        let shared = name.rsplit_once('.').map(|(_, last)| format!("optimizer.{last}"));
        if let Some(value) = session.state(name).or_else(|| session.state(&shared?)) {
            results.insert(format!("state_after.{name}"), value);
        }
    }
    Ok(results)
}
