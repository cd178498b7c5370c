//! Whole programs: networks that are trained for some steps, pairs of networks trained against each other, and short
//! scripts.

use std::collections::BTreeMap;

use kiln_graph::optimizers::Optimizer;
use kiln_graph::{Builder, Mode, Value};
use ndarray::ArrayD;
use serde_json::Value as Json;

use crate::case::{Array, Attributes, Case, Refusal};
use crate::engine::{Engine, Session};
use crate::graphs::type_of;
use crate::script::{Layers, Object, Script};
use crate::{graphs, losses, optim};

/// The results of a program.
pub fn results(case: &Case, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    if case.attributes.get("net").is_some() {
        train(case, engine)
    } else if case.attributes.get("G").is_some() {
        adversaries(case, engine)
    } else {
        script(case, engine)
    }
}

/// The layers of networks, and the lines of each `forward`, by path.
#[derive(Default)]
struct Networks {
    layers: Layers,
    forwards: BTreeMap<String, Vec<String>>,
}

impl Networks {
    /// Adds the network of the path (none: the only one) by its description.
    fn add(&mut self, path: &str, description: &Json) -> Result<(), Refusal> {
        let unknown = || Refusal::later("a network of another form");
        let layer = |class: &Json, arguments: &Json| {
            Some((class.as_str()?.to_owned(), Attributes(arguments.as_object()?.clone())))
        };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let layers = &mut self.layers;
        if let Some(sequence) = description["sequential"].as_array() {
            for (number, entry) in sequence.iter().enumerate() {
                layers.insert(format!("{prefix}{number}"), layer(&entry[0], &entry[1]).ok_or_else(unknown)?);
            }
        } else if let Some(list) = description["module_list"].as_array() {
            for number in 0..list[0].as_u64().ok_or_else(unknown)? {
                layers.insert(format!("{prefix}l.{number}"), layer(&list[1], &list[2]).ok_or_else(unknown)?);
            }
        } else {
            for entry in description["layers"].as_array().ok_or_else(unknown)? {
                let name = entry[0].as_str().ok_or_else(unknown)?;
                layers.insert(format!("{prefix}{name}"), layer(&entry[1], &entry[2]).ok_or_else(unknown)?);
            }
        }
        if let Some(lines) = description["forward"].as_array() {
            self.forwards.insert(path.into(), strings(lines));
        }
        Ok(())
    }
}

fn strings(lines: &[Json]) -> Vec<String> {
    lines.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// The states of a case by name.
struct Given<'g> {
    /// What is trained.
    parameters: Vec<(String, Value<'g>)>,
    /// What is not.
    buffers: Vec<(String, Value<'g>)>,
}

/// The parameters and buffers of a case as states, and their values.
fn given<'g>(g: &'g Builder, case: &Case) -> (Given<'g>, BTreeMap<String, Array>) {
    let mut values = BTreeMap::new();
    let mut states = |prefix| {
        let given = case.with_prefix(prefix).map(|(name, array)| {
            values.insert(name.to_owned(), graphs::initial(array));
            (name.to_owned(), graphs::state(g, name, array))
        });
        given.collect()
    };
    let given = Given { parameters: states("param."), buffers: states("state.") };
    (given, values)
}

/// The optimizer of a program.
fn optimizer(case: &Case) -> Result<Box<dyn Optimizer>, Refusal> {
    let described = case.attributes.get("optimizer").cloned().unwrap_or_default();
    let arguments = described[1].as_object().cloned().unwrap_or_default();
    optim::optimizer(described[0].as_str().unwrap_or_default(), &Attributes(arguments))
}

/// A fresh run over the given networks.
fn new_script<'g, 's>(
    g: &'g Builder,
    networks: &'s Networks,
    given: &'s Given<'g>,
    optimizer: Option<&'s dyn Optimizer>,
) -> Script<'g, 's> {
    Script {
        g,
        layers: &networks.layers,
        forwards: &networks.forwards,
        parameters: &given.parameters,
        buffers: &given.buffers,
        leaves: Vec::new(),
        optimizer,
        names: BTreeMap::new(),
        gradients: BTreeMap::new(),
        losses: Vec::new(),
        stepped: BTreeMap::new(),
    }
}

fn find<'a>(arrays: &'a BTreeMap<String, Array>, name: &str) -> Result<&'a Array, Refusal> {
    arrays.get(name).ok_or_else(|| Refusal::Case(format!("there is no `{name}`")))
}

/// Adds the states under the names that the case expects.
fn after(case: &Case, session: &Session, results: &mut BTreeMap<String, Array>) {
    for prefix in ["param_after.", "state_after."] {
        for (name, _) in case.with_prefix(prefix) {
            if let Some(state) = session.state(name) {
                results.insert(format!("{prefix}{name}"), state);
            }
        }
    }
}

/// Trains a network on batches `input.0[t]`, `input.1[t]`, and applies it to `input.2`.
fn train(case: &Case, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    let mut networks = Networks::default();
    networks.add("", &case.attributes.0["net"])?;
    let optimizer = optimizer(case)?;
    let criterion = case.attributes.text("loss").unwrap_or_default();
    let (xs, ys) = (find(&case.tensors, "input.0")?, find(&case.tensors, "input.1")?);

    let g = Builder::new("train");
    g.set_mode(Mode::Train);
    let (given, mut states) = given(&g, case);
    let mut script = new_script(&g, &networks, &given, Some(optimizer.as_ref()));
    let x = g.input_of("x", type_of(&xs.at(0)));
    let y = g.input_of("y", type_of(&ys.at(0)));
    let prediction = script.forward("", x)?;
    let loss = losses::apply(criterion, &Attributes::default(), prediction, y, None, None)?;
    script.backward(loss)?;
    g.output("loss", loss);
    g.output("prediction", prediction);
    for (name, &gradient) in &script.gradients {
        g.output(&format!("grad.param.{name}"), gradient);
    }
    script.step("")?;
    states.extend(optim::initial(optimizer.as_ref(), &given.parameters));
    drop(script);
    drop(given);
    let mut session = Session::new(engine, &g.finish()?, states).map_err(Refusal::Error)?;

    let (mut results, mut losses) = (BTreeMap::new(), Vec::new());
    for step in 0..case.attributes.int("steps").unwrap_or(0) as usize {
        let batch = BTreeMap::from([("x".to_owned(), xs.at(step)), ("y".to_owned(), ys.at(step))]);
        let mut outputs = session.run(&batch).map_err(Refusal::Error)?;
        losses.push(find(&outputs, "loss")?.clone());
        if step == 0 {
            results.insert("output.1".to_owned(), find(&outputs, "prediction")?.clone());
            outputs.retain(|name, _| name.starts_with("grad."));
            results.extend(outputs);
        }
    }
    results.insert("output.0".to_owned(), optim::stacked(&losses)?);
    after(case, &session, &mut results);

    let x = find(&case.tensors, "input.2")?;
    let g = Builder::new("evaluate");
    let (given, _) = self::given(&g, case);
    let mut script = new_script(&g, &networks, &given, None);
    let prediction = script.forward("", g.input_of("x", type_of(x)))?;
    g.output("output.2", prediction);
    drop(script);
    let names = given.parameters.iter().chain(&given.buffers).map(|(name, _)| name);
    let states = names.filter_map(|name| Some((name.clone(), session.state(name)?))).collect();
    drop(given);
    let mut session = Session::new(engine, &g.finish()?, states).map_err(Refusal::Error)?;
    results.extend(session.run(&BTreeMap::from([("x".to_owned(), x.clone())])).map_err(Refusal::Error)?);
    Ok(results)
}

/// Trains `G` and `D` by `code`, with `input.real[t]` and `input.source[t]`.
fn adversaries(case: &Case, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    let mut networks = Networks::default();
    for name in ["G", "D"] {
        networks.add(name, &case.attributes.0[name])?;
    }
    let optimizer = optimizer(case)?;
    let (real, source) = (find(&case.tensors, "input.real")?, find(&case.tensors, "input.source")?);
    let code = strings(case.attributes.0["code"].as_array().map(Vec::as_slice).unwrap_or_default());
    let lines: Vec<&str> = code.iter().map(String::as_str).collect();

    let g = Builder::new("adversaries");
    g.set_mode(Mode::Train);
    let (given, mut states) = given(&g, case);
    let mut script = new_script(&g, &networks, &given, Some(optimizer.as_ref()));
    let (real_value, source_value) =
        (g.input_of("real", type_of(&real.at(0))), g.input_of("source", type_of(&source.at(0))));
    for (name, object) in [
        ("G", Object::Layer("G".into())),
        ("D", Object::Layer("D".into())),
        ("opt_G", Object::Optimizer("G".into())),
        ("opt_D", Object::Optimizer("D".into())),
        ("real", Object::Tensor(real_value)),
        ("real_B", Object::Tensor(real_value)),
        ("z", Object::Tensor(source_value)),
        ("real_A", Object::Tensor(source_value)),
        ("l1_weight", Object::Number(case.attributes.f64("l1_weight").unwrap_or(1.0))),
    ] {
        script.names.insert(name.into(), object);
    }
    script.run(&lines)?;
    for (name, output) in [("loss_D", "output.loss_d"), ("loss_G", "output.loss_g")] {
        if let Some(Object::Tensor(loss)) = script.names.get(name) {
            g.output(output, *loss);
        }
    }
    for (name, &gradient) in &script.stepped {
        g.output(&format!("grad.param.{name}"), gradient);
    }
    drop(script);
    for (name, value) in optim::initial(optimizer.as_ref(), &given.parameters) {
        // Each network's optimizer has states of its own, under its name.
        states.extend(["G", "D"].map(|network| (format!("{network}.{name}"), value.clone())));
    }
    drop(given);
    let mut session = Session::new(engine, &g.finish()?, states).map_err(Refusal::Error)?;

    let mut logs: BTreeMap<String, Vec<Array>> = BTreeMap::new();
    for step in 0..case.attributes.int("steps").unwrap_or(0) as usize {
        let batch = BTreeMap::from([("real".to_owned(), real.at(step)), ("source".to_owned(), source.at(step))]);
        for (name, value) in session.run(&batch).map_err(Refusal::Error)? {
            logs.entry(name).or_default().push(value);
        }
    }
    let mut results = BTreeMap::new();
    for (name, steps) in logs {
        results.insert(name, optim::stacked(&steps)?);
    }
    after(case, &session, &mut results);
    Ok(results)
}

/// Runs a short script; leaves without an expected gradient must get none.
fn script(case: &Case, engine: Engine) -> Result<BTreeMap<String, Array>, Refusal> {
    let mut networks = Networks::default();
    for entry in case.attributes.0["layers"].as_array().into_iter().flatten() {
        let arguments = entry[2].as_object().cloned().unwrap_or_default();
        let class = entry[1].as_str().unwrap_or_default().to_owned();
        networks.layers.insert(entry[0].as_str().unwrap_or_default().to_owned(), (class, Attributes(arguments)));
    }
    let code = strings(case.attributes.0["code"].as_array().map(Vec::as_slice).unwrap_or_default());
    let lines: Vec<&str> = code.iter().map(String::as_str).collect();

    let g = Builder::new("script");
    let (given, states) = given(&g, case);
    let mut script = new_script(&g, &networks, &given, None);
    for (name, array) in case.with_prefix("input.") {
        let value = g.input_of(&format!("input.{name}"), type_of(array));
        script.names.insert(name.to_owned(), Object::Tensor(value));
        script.leaves.push((format!("input.{name}"), value));
    }
    for name in networks.layers.keys() {
        script.names.insert(name.clone(), Object::Layer(name.clone()));
    }
    script.run(&lines)?;
    for (name, _) in case.with_prefix("output.") {
        if let Some(Object::Tensor(value)) = script.names.get(name) {
            g.output(&format!("output.{name}"), *value);
        }
    }
    for (name, &gradient) in &script.gradients {
        let leaf = if name.starts_with("input.") { name.clone() } else { format!("param.{name}") };
        g.output(&format!("grad.{leaf}"), gradient);
    }
    drop(script);
    drop(given);
    let mut session = Session::new(engine, &g.finish()?, states).map_err(Refusal::Error)?;
    let results = session.run(&case.tensors).map_err(Refusal::Error)?;
    for (name, gradient) in &results {
        let cut = name.starts_with("grad.") && !case.tensors.contains_key(name);
        if cut && *gradient != Array::Float(ArrayD::zeros(gradient.shape())) {
            return Err(Refusal::Error(format!("{name} is not 0, though no path leads there")));
        }
    }
    Ok(results)
}
