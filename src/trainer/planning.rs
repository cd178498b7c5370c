//! What one who keeps compiled programs needs of a model: the plan of a graph, whether a program has memory of its own,
//! and parameters on their way to states and back. It keeps nothing.

use std::collections::HashMap;

use kiln_graph::losses::Criterion;
use kiln_graph::optimizers::Optimizer;
use kiln_graph::shape::{Shape, Sizes};
use kiln_graph::{Graph, Kind, Model, Parameters, Role, counter, optimize};
use kiln_jit::layout::Layout;
use kiln_jit::{CompileError, CompileOptions, Plan, PlanError, StateError, States};
use ndarray::{ArrayD, arr1};

use super::builder::Settings;
use super::error::TrainError;
use super::graphs::optimization;
use super::prediction::output_names;
use super::programs::Compiled;
use crate::tuning::Tuner;

/// What a program may have of its own for what it keeps from run to run: this part of the largest program's memory,
/// those of other sizes than the usual ones together. Unit: the divisor of a number of bytes. A bound on memory, not
/// measured. 2026-11-28.
const KEPT_PART: usize = 8;
/// The same in any case, so that a small model never makes it anew. Unit: bytes. Not measured. 2026-11-29.
const KEPT_BYTES: usize = 1 << 20;

/// The layouts that the states of a graph have already.
pub fn layouts(graph: &Graph, states: &States) -> HashMap<String, Layout> {
    let inputs = graph.inputs.iter().filter(|input| input.role == Role::State);
    inputs.filter_map(|input| Some((input.name.clone(), states.layout(&input.name)?))).collect()
}

/// The plan of a graph, for whose memory there is room; the tuner, if there is one, makes it.
pub fn plan_graph(
    graph: &Graph,
    sizes: Sizes,
    state_layouts: HashMap<String, Layout>,
    settings: &Settings,
    tuner: Option<&mut Tuner>,
) -> Result<Plan, TrainError> {
    let graph = optimize(graph);
    let Settings { exact, memory_limit, .. } = *settings;
    let options = CompileOptions { state_layouts, exact, memory_limit, ..CompileOptions::default() };
    let plan = match tuner {
        Some(tuner) => tuner.plan(&graph, sizes, options),
        None => options.plan(&graph).map_err(TrainError::Compile),
    };
    let plan = plan.map_err(|error| match error {
        TrainError::Compile(CompileError::Plan(PlanError::Memory { limit, least })) => {
            TrainError::MemoryLimit { batch: sizes.batch(), sizes, limit, least }
        }
        error => error,
    })?;
    // A system that has no such memory ends a program that takes it all the same.
    if Vec::<u8>::new().try_reserve_exact(plan.arena_bytes).is_err() {
        return Err(TrainError::Memory { batch: sizes.batch(), sizes, bytes: plan.arena_bytes });
    }
    Ok(plan)
}

/// Whether a program has memory of its own, beside others, for what it keeps from run to run, so that it need not make it anew
/// after another one has run: where that is little.
pub fn keeps<'c>(plan: &Plan, sizes: &Sizes, settings: &Settings, others: impl Iterator<Item = &'c Compiled>) -> bool {
    let others = others.map(|program| program.session().program().plan().peak_bytes());
    let most = others.fold(plan.peak_bytes(), usize::max);
    let sharing = if settings.are_usual(sizes) { 1 } else { settings.cached_programs.max(1) };
    plan.invariant_bytes * sharing <= KEPT_BYTES.max(most / KEPT_PART)
}

/// Moves the model's parameters to states, which those programs share that are compiled from then on.
pub fn take_parameters(states: &mut States, model: &mut impl Parameters) -> Result<(), TrainError> {
    take_parameters_by(states, model, &|states, name, value| states.give(name, value))
}

/// How a state is given its value.
pub type Give<'a> = dyn Fn(&mut States, &str, ArrayD<f32>) -> Result<(), StateError> + 'a;

/// The same, where `give` says how states take the values of all but counters.
pub fn take_parameters_by(states: &mut States, model: &mut impl Parameters, give: &Give<'_>) -> Result<(), TrainError> {
    model.check_shapes()?;
    let mut result = Ok(());
    model.each_parameter_mut(&mut |name, parameter| {
        if result.is_ok() {
            result = match parameter.count() {
                Some(count) => states.give_i32(name, arr1(&counter::digits(count)).into_dyn()),
                None => give(states, name, parameter.take()),
            };
        }
    });
    Ok(result?)
}

/// Brings the model's parameters up to date with states; `value` gives that of a parameter.
pub fn read_parameters(states: &States, model: &mut impl Parameters, value: impl Fn(&str) -> Option<ArrayD<f32>>) {
    model.each_parameter_mut(&mut |name, parameter| {
        if parameter.kind == Kind::Counter {
            let digits = states.read_i32(name).and_then(|digits| digits.as_slice()?.try_into().ok());
            digits.into_iter().for_each(|digits| parameter.set_count(counter::count(digits)));
        } else if let Some(value) = value(name) {
            parameter.value = value.into();
        }
    });
}

/// What the states of a training step hold before the first one, beside the model's parameters and zeros.
pub fn initial_states<M: Model, L: Criterion<M::Output>>(
    model: &M,
    loss: &L,
    optimizer: &impl Optimizer,
) -> Vec<(String, ArrayD<f32>)> {
    let held = optimization(model, optimizer);
    let full = |(name, shape, value): (String, Shape, f32)| (name, ArrayD::from_elem(shape.dims(), value));
    let mut states: Vec<_> = held.initial_state().into_iter().map(full).collect();
    let averages: HashMap<String, String> = held.averages().into_iter().collect();
    model.each_parameter(&mut |name, parameter| {
        let average = averages.get(name).map(|average| (average.clone(), parameter.value.to_owned().into_owned()));
        states.extend(average);
    });
    let names = output_names::<M>();
    states.extend(loss.states(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    states
}
