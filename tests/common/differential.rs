//! Whether a graph means the same to the interpreter, to compiled code and to plans for other machines. It knows how to look at
//! one case, and chooses none.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use kiln_graph::interpret::{Real, Tensor, interpret};
use kiln_graph::passes::unroll;
use kiln_graph::{DType, Graph, Role, Type, optimize};
use kiln_jit::layout::Layout;
use kiln_jit::plan::{Choices, Plan, PlanError, Wishes, plan, plan_by};
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};

use super::random_graphs::Case;
use super::{errors, planned};

/// Values by name, of outputs and of updates.
pub type Values<T> = Vec<(String, Tensor<T>)>;

/// The inputs' values by name.
pub fn feeds<T: Real>(case: &Case) -> HashMap<String, Tensor<T>> {
    case.graph
        .inputs
        .iter()
        .zip(&case.values)
        .map(|(input, values)| (input.name.clone(), tensor(case.graph.ty(input.node), values)))
        .collect()
}

fn tensor<T: Real>(ty: Type, values: &[f64]) -> Tensor<T> {
    match ty.dtype {
        DType::F32 => Tensor::floats(ty.shape, values.iter().copied()),
        DType::Bf16 => Tensor::halves(ty.shape, values.iter().copied()),
        DType::I32 => Tensor::ints(ty.shape, values.iter().map(|&value| value as i32)),
        DType::U8 | DType::I8 => Tensor::bytes(ty.dtype, ty.shape, values.iter().copied()),
        DType::Bool => Tensor::bools(ty.shape, values.iter().map(|&value| value != 0.0)),
    }
}

pub fn evaluate<T: Real>(graph: &Graph, case: &Case) -> Values<T> {
    let results = interpret(graph, &feeds::<T>(case)).unwrap();
    let mut values: Values<T> = graph
        .outputs
        .iter()
        .map(|output| (format!("output {}", output.name), results.outputs[&output.name].clone()))
        .collect();
    values.extend(graph.updates.iter().map(|update| {
        let name = &graph.inputs[update.input].name;
        (format!("update of {name}"), results.updates[name].clone())
    }));
    values
}

/// That both have the same names in the same order and the same bits; any NaN is like any other.
pub fn assert_same<T: Real>(what: &str, before: &Values<T>, after: &Values<T>) {
    let names = |values: &Values<T>| values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(before), names(after), "{what}");
    for ((name, before), (_, after)) in before.iter().zip(after) {
        assert_eq!(before.ty(), after.ty(), "{what}: {name}");
        for (place, (x, y)) in before.to_f64().into_iter().zip(after.to_f64()).enumerate() {
            assert!(
                x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan(),
                "{what}: {name}, element {place}: {x:?} before, {y:?} after"
            );
        }
    }
}

/// The f32 values may be this many times as far from the f64 values as the error analysis says.
const SAFETY: f64 = 2.0;

/// How far each output and then each update may be from its f64 value.
pub fn tolerances(case: &Case) -> Vec<f64> {
    // Written out, since what a body's nodes may be wrong by is another thing in each step.
    let graph = unroll(&case.graph);
    let errors = errors::errors(&graph, &feeds(case));
    graph.roots().map(|root| SAFETY * errors[root.index()]).collect()
}

/// That values are as close to the f64 values as the tolerances say.
pub fn assert_close(what: &str, exact: &Values<f64>, found: &Values<f32>, tolerances: &[f64]) {
    for (((name, exact), (_, found)), &tolerance) in exact.iter().zip(found).zip(tolerances) {
        assert_eq!(exact.ty(), found.ty(), "{what}: {name}");
        for (place, (x, y)) in exact.to_f64().into_iter().zip(found.to_f64()).enumerate() {
            let same = x == y || x.is_nan() && y.is_nan();
            assert!(
                same || tolerance == f64::INFINITY || (x - y).abs() <= tolerance,
                "{what}: {name}, element {place}: {x:?} in f64, but {y:?}, more than {tolerance:e} away"
            );
        }
    }
}

/// The graph compiled for a target. Every call of a kernel is split among the threads, whether that is worth it or not.
fn compile(graph: &Graph, target: &Target) -> Result<Arc<Program>, Box<dyn Error>> {
    let mut plan = plan(graph, target, &HashMap::new())?;
    plan.calls.iter_mut().for_each(|call| call.parallel = true);
    Ok(Arc::new(Program::from_plan(plan)?))
}

/// What the compiled graph gives, with a pool of so many threads; several times, since a run must not see what one before
/// left, be it of other states.
fn run(program: &Arc<Program>, graph: &Graph, case: &Case, threads: usize) -> Result<Values<f32>, Box<dyn Error>> {
    let mut states = States::new();
    let mut session = Session::new(program.clone(), &mut states, Arc::new(Pool::new(threads)))?;
    // The interpreter has denormal numbers.
    session.set_flush_denormal(false);
    let mut others = case.clone();
    for (input, values) in graph.inputs.iter().zip(&mut others.values).filter(|(input, _)| input.role == Role::State) {
        match graph.ty(input.node).dtype {
            DType::F32 => values.iter_mut().for_each(|value| *value = 0.5 - *value),
            DType::Bf16 | DType::I32 | DType::U8 | DType::I8 | DType::Bool => values.reverse(),
        }
    }
    call(&mut session, &mut states, graph, &others, |_| true)?;
    let first = call(&mut session, &mut states, graph, case, |_| true)?;
    let second = call(&mut session, &mut states, graph, case, |_| true)?;
    assert_same("a first run and a second", &first, &second);
    // What depends on the other states alone is kept from the second run.
    let updated = |input: usize| graph.updates.iter().any(|update| update.input == input);
    let third = call(&mut session, &mut states, graph, case, updated)?;
    assert_same("a first run and one over the same states", &first, &third);
    Ok(first)
}

/// What a session gives once it has the values of the case: data, and the states that are asked for.
fn call(
    session: &mut Session,
    states: &mut States,
    graph: &Graph,
    case: &Case,
    set: impl Fn(usize) -> bool,
) -> Result<Values<f32>, Box<dyn Error>> {
    for (index, (input, values)) in graph.inputs.iter().zip(&case.values).enumerate() {
        let ty = graph.ty(input.node);
        let shape = IxDyn(ty.shape.dims());
        let whole = || ArrayD::from_shape_vec(shape.clone(), values.iter().map(|&value| value as i32).collect());
        let float = || ArrayD::from_shape_vec(shape.clone(), values.iter().map(|&value| value as f32).collect());
        match (input.role, ty.dtype) {
            (Role::Data, DType::F32) => session.write_input_f32(index, float()?.view())?,
            (Role::Data, DType::I32 | DType::Bool) => session.write_input_i32(index, whole()?.view())?,
            (_, DType::Bf16 | DType::U8 | DType::I8) => unreachable!("no input or result of these graphs is narrow"),
            (Role::State, _) if !set(index) => {}
            (Role::State, DType::F32) => states.write(&input.name, float()?.view())?,
            (Role::State, DType::I32 | DType::Bool) => states.write_i32(&input.name, whole()?.view())?,
        }
    }
    session.run(states)?;
    let result = |ty: Type, float: &dyn Fn() -> ArrayD<f32>, whole: &dyn Fn() -> ArrayD<i32>| match ty.dtype {
        DType::F32 => Tensor::F(float()),
        DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no input or result of these graphs is narrow"),
        DType::I32 => Tensor::I(whole()),
        DType::Bool => Tensor::B(whole().mapv(|value| value != 0)),
    };
    let mut values = Vec::new();
    for (index, output) in graph.outputs.iter().enumerate() {
        let float = || session.output(index).to_owned();
        let whole = || session.output_i32(index).to_owned();
        values.push((format!("output {}", output.name), result(graph.ty(output.node), &float, &whole)));
    }
    for update in &graph.updates {
        let name = &graph.inputs[update.input].name;
        let float = || states.read(name).expect("a state of f32");
        let whole = || states.read_i32(name).expect("a state of whole numbers");
        values.push((format!("update of {name}"), result(graph.ty(update.node), &float, &whole)));
    }
    Ok(values)
}

/// That the graph compiled for this machine, by the emitter chosen, agrees with the interpreter, for any number of threads.
pub fn check_compiled(case: &Case) {
    check_compiled_for(case, &Target::host().unwrap_or_else(|error| panic!("{error}")));
}

/// That the graph compiled for a target that runs here agrees with the interpreter, for any number of threads.
pub fn check_compiled_for(case: &Case, target: &Target) {
    let tolerances = tolerances(case);
    let exact = evaluate(&case.graph, case);
    for (what, graph) in [("as it is", case.graph.clone()), ("optimized", optimize(&case.graph))] {
        let program = compile(&graph, target).unwrap_or_else(|error| panic!("{what}: {error}"));
        let alone = run(&program, &graph, case, 1).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_close(what, &exact, &alone, &tolerances);
        let together = run(&program, &graph, case, 2).unwrap_or_else(|error| panic!("{what}, two threads: {error}"));
        assert_same(&format!("{what}, one thread and two"), &alone, &together);
    }
}

/// That a plan for vectors of so many lanes, run by the interpreter of the kernel IR, agrees with the interpreter of graphs.
pub fn check_planned(case: &Case, lanes: usize, layouts: &HashMap<String, Layout>) {
    let plan = plan(&case.graph, &Target::with_lanes(lanes), layouts).unwrap_or_else(|error| panic!("{error}"));
    check_plan(case, lanes, &plan);
}

/// The same of the plan with the least memory, which has as much as an error says; whether that is less than usual.
pub fn check_least(case: &Case, lanes: usize) -> bool {
    let within = |limit: usize| {
        let wishes = Wishes { memory_limit: Some(limit), ..Wishes::default() };
        plan_by(&case.graph, &Target::with_lanes(lanes), &HashMap::new(), &Choices::new(), wishes)
    };
    let usual = within(usize::MAX).unwrap_or_else(|error| panic!("{error}")).peak_bytes();
    let least = match within(usual.min(1)) {
        Ok(plan) => plan.peak_bytes(),
        Err(PlanError::Memory { least, .. }) => least,
        Err(error) => panic!("{error}"),
    };
    let plan = within(least).unwrap_or_else(|error| panic!("{least} bytes were said to do: {error}"));
    assert!(plan.peak_bytes() <= least && least <= usual, "{} bytes, of {least}, usually {usual}", plan.peak_bytes());
    check_plan(case, lanes, &plan);
    least < usual
}

fn check_plan(case: &Case, lanes: usize, plan: &Plan) {
    let tolerances = tolerances(case);
    let exact = evaluate(&case.graph, case);
    let (outputs, states) = planned::run(plan, case);
    for (index, input) in case.graph.inputs.iter().enumerate().filter(|(_, input)| input.role == Role::State) {
        let updated = case.graph.updates.iter().any(|update| update.input == index);
        let same =
            || states[index].iter().zip(&case.values[index]).all(|(x, y)| x.to_bits() == y.to_bits() || x.is_nan());
        assert!(updated || same(), "state {} changes without an update", input.name);
    }
    let updated = case.graph.updates.iter().map(|update| states[update.input].clone());
    let found: Values<f32> = exact
        .iter()
        .zip(outputs.into_iter().chain(updated))
        .map(|((name, exact), found)| (name.clone(), tensor(exact.ty(), &found)))
        .collect();
    assert_close(&format!("{lanes} lanes"), &exact, &found, &tolerances);
}
