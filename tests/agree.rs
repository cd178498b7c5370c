//! Random graphs mean the same everywhere: evaluated by the interpreter as they are, printed and parsed, after each
//! pass (bitwise, in f32 and in f64), and compiled.
//!
//! `KILN_SEEDS=1000..9000 cargo test --release --test agree` looks at these; `KILN_SEED=7` looks at one only and prints it.
//! What once disagreed when compiled is kept, made small, under `tests/agree/`.

#[path = "common/errors.rs"]
mod errors;
#[path = "common/planned.rs"]
mod planned;
#[path = "common/random_graphs.rs"]
mod random_graphs;
#[path = "common/shrink.rs"]
mod shrink;

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use kiln_graph::interpret::{Real, Tensor, interpret};
use kiln_graph::passes::{FOR_PLANNING, PIPELINE, Preparation, throughout, unroll};
use kiln_graph::{DType, Graph, Op, Role, Shape, Type, optimize, parse, print, verify};
use kiln_jit::layout::Layout;
use kiln_jit::plan::plan;
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use ndarray::{ArrayD, IxDyn};
use random_graphs::{Case, Random, deep_case, random_case, with_values};

/// The seeds to look at.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let range = |text: String| {
        let (first, end) = text.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    };
    match (std::env::var("KILN_SEED").map(|text| text.parse()), std::env::var("KILN_SEEDS").map(range)) {
        (Ok(Ok(seed)), _) => seed..seed + 1,
        (_, Ok(Some(range))) => range,
        _ => 0..usual,
    }
}

fn verbose() -> bool {
    std::env::var_os("KILN_SEED").is_some()
}

/// Values by name, of outputs and of updates.
type Values<T> = Vec<(String, Tensor<T>)>;

/// The inputs' values by name.
fn feeds<T: Real>(case: &Case) -> HashMap<String, Tensor<T>> {
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
        DType::I32 => Tensor::ints(ty.shape, values.iter().map(|&value| value as i32)),
        DType::Bool => Tensor::bools(ty.shape, values.iter().map(|&value| value != 0.0)),
    }
}

fn evaluate<T: Real>(graph: &Graph, case: &Case) -> Values<T> {
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
fn assert_same<T: Real>(what: &str, before: &Values<T>, after: &Values<T>) {
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

#[test]
fn printed_graphs_parse() {
    for seed in seeds(150) {
        let graph = random_case(seed).graph;
        let text = print(&graph);
        let parsed = parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert_eq!(print(&parsed), text, "seed {seed}");
        // With the inputs first and no scopes, as parsing makes it, a graph comes back as it was.
        assert_eq!(parse(&text).unwrap(), parsed, "seed {seed}");
    }
}

/// A text with a few characters dropped, doubled, swapped or replaced by others that mean something.
fn damaged(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(4) {
        let place = random.below(characters.len());
        match random.below(4) {
            0 => drop(characters.remove(place)),
            1 => characters.insert(place, characters[place]),
            2 => {
                let other = random.below(characters.len());
                characters.swap(place, other);
            }
            _ => {
                characters[place] =
                    random.pick(&['%', '[', ']', '{', ',', '9', '0', '-', '"', '@', '=', ' ', 'f', '.', 'é'])
            }
        }
    }
    characters.into_iter().collect()
}

#[test]
fn damaged_texts_are_refused_or_valid() {
    for seed in seeds(150) {
        let text = print(&random_case(seed).graph);
        let mut random = Random::new(seed);
        for _ in 0..20 {
            let damaged = damaged(&text, &mut random);
            let parsed = failure(|| drop(parse(&damaged).map(|graph| verify(&graph).unwrap())));
            assert_eq!(parsed, None, "seed {seed}:\n{damaged}");
        }
    }
}

#[test]
fn passes_change_no_bit() {
    let mut idle: Vec<&str> = FOR_PLANNING.iter().map(|(name, _)| *name).collect();
    for seed in seeds(150) {
        let case = random_case(seed);
        if verbose() {
            println!("{}", case.graph);
        }
        let single = evaluate::<f32>(&case.graph, &case);
        let double = evaluate::<f64>(&case.graph, &case);
        let check = |what: &str, graph: &Graph| {
            let what = format!("seed {seed}, {what}");
            if let Err(violation) = verify(graph) {
                panic!("{what}: {violation}");
            }
            assert_same(&format!("{what}, f32"), &single, &evaluate(graph, &case));
            assert_same(&format!("{what}, f64"), &double, &evaluate(graph, &case));
        };
        let mut graph = case.graph.clone();
        for round in 0..3 {
            for &(name, pass) in PIPELINE {
                let before = graph.clone();
                let changed = throughout(pass, &mut graph);
                assert_eq!(
                    changed,
                    graph != before,
                    "seed {seed}: {name} in round {round} says whether it changes the graph"
                );
                check(&format!("{name} in round {round}"), &graph);
            }
        }
        check("unroll", &unroll(&graph));
        let optimized = optimize(&case.graph);
        check("optimize", &optimized);
        assert_eq!(print(&optimize(&optimized)), print(&optimized), "seed {seed}: optimizing twice is optimizing once");
        for &(name, pass) in PIPELINE {
            assert!(!throughout(pass, &mut optimized.clone()), "seed {seed}: {name} finds nothing more to do");
        }
        // Graphs are planned as they are, too.
        for (what, mut graph) in [("as it is", case.graph.clone()), ("optimized", optimized)] {
            for &(name, pass) in FOR_PLANNING {
                if let Cow::Owned(new) = prepared(pass, &graph) {
                    check(&format!("{name}, {what}"), &new);
                    idle.retain(|idle| *idle != name);
                    graph = new;
                }
            }
        }
    }
    assert!(seeds(150) != (0..150) || idle.is_empty(), "no random graph gives {idle:?} anything to do");
}

/// Runs a preparation on a graph and on the bodies of its scans.
fn prepared(pass: Preparation, graph: &Graph) -> Cow<'_, Graph> {
    let mut result = pass(graph);
    for number in 0..result.bodies.len() {
        if let Cow::Owned(body) = prepared(pass, &result.bodies[number]) {
            result.to_mut().bodies[number] = body;
        }
    }
    result
}

#[test]
fn every_operation_occurs() {
    let mut missing: Vec<&str> = Op::all().iter().map(Op::mnemonic).collect();
    for seed in 0..2000 {
        let graph = random_case(seed).graph;
        missing.retain(|mnemonic| graph.nodes.iter().all(|node| node.op.mnemonic() != *mnemonic));
        if missing.is_empty() {
            return;
        }
    }
    panic!("no random graph has {missing:?}");
}

/// After so many failures a test stops to look for more.
const FAILURES: usize = 5;

/// The f32 values may be this many times as far from the f64 values as the error analysis says.
const SAFETY: f64 = 2.0;

/// How far each output and then each update may be from its f64 value.
fn tolerances(case: &Case) -> Vec<f64> {
    // Written out, since what a body's nodes may be wrong by is another thing in each step.
    let graph = unroll(&case.graph);
    let errors = errors::errors(&graph, &feeds(case));
    graph.roots().map(|root| SAFETY * errors[root.index()]).collect()
}

/// That values are as close to the f64 values as the tolerances say.
fn assert_close(what: &str, exact: &Values<f64>, found: &Values<f32>, tolerances: &[f64]) {
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

#[test]
fn single_precision_is_close_to_double() {
    let (mut tight, mut all) = (0, 0);
    for seed in seeds(150) {
        let case = random_case(seed);
        let tolerances = tolerances(&case);
        let (single, double) = (evaluate(&case.graph, &case), evaluate(&case.graph, &case));
        assert_close(&format!("seed {seed}"), &double, &single, &tolerances);
        for ((_, exact), tolerance) in double.iter().zip(tolerances).filter(|_| !case.wild) {
            let largest = exact.to_f64().into_iter().map(f64::abs).fold(1e-3, f64::max);
            all += 1;
            tight += usize::from(tolerance < 1e-3 * largest);
        }
    }
    println!("{tight} of {all} results of tame graphs are known to three digits");
    assert!(verbose() || tight * 10 > all * 8, "only {tight} of {all} results are known to three digits");
}

/// The compiled graph. Every call of a kernel is split among the threads, whether that is worth it or not.
fn compile(graph: &Graph) -> Result<Arc<Program>, Box<dyn Error>> {
    let mut plan = plan(graph, &Target::host()?, &HashMap::new())?;
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
            DType::I32 | DType::Bool => values.reverse(),
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
            (Role::State, _) if !set(index) => {}
            (Role::State, DType::F32) => states.write(&input.name, float()?.view())?,
            (Role::State, DType::I32 | DType::Bool) => states.write_i32(&input.name, whole()?.view())?,
        }
    }
    session.run(states)?;
    let result = |ty: Type, float: &dyn Fn() -> ArrayD<f32>, whole: &dyn Fn() -> ArrayD<i32>| match ty.dtype {
        DType::F32 => Tensor::F(float()),
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

/// That the compiled graph agrees with the interpreter, for any number of threads.
fn check_compiled(case: &Case) {
    let tolerances = tolerances(case);
    let exact = evaluate(&case.graph, case);
    for (what, graph) in [("as it is", case.graph.clone()), ("optimized", optimize(&case.graph))] {
        let program = compile(&graph).unwrap_or_else(|error| panic!("{what}: {error}"));
        let alone = run(&program, &graph, case, 1).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_close(what, &exact, &alone, &tolerances);
        let together = run(&program, &graph, case, 2).unwrap_or_else(|error| panic!("{what}, two threads: {error}"));
        assert_same(&format!("{what}, one thread and two"), &alone, &together);
    }
}

/// The message of the panic, if there is one.
fn failure(check: impl FnOnce() + UnwindSafe) -> Option<String> {
    let payload = catch_unwind(check).err()?;
    let text = payload.downcast_ref::<String>().cloned();
    Some(text.or(payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default())
}

/// Checks random cases; panics with those that fail, made small.
fn hunt(seeds: std::ops::Range<u64>, case: fn(u64) -> Case, check: impl Fn(&Case)) {
    let failure_of = |case: &Case| failure(AssertUnwindSafe(|| check(case)));
    let mut failures = Vec::new();
    for seed in seeds {
        let case = case(seed);
        let Some(message) = failure_of(&case) else { continue };
        let small = shrink::shrink(case, |case| failure_of(case).is_some());
        let last = failure_of(&small).unwrap_or_default();
        failures.push(format!("seed {seed}: {message}\nin a small case: {last}\n{}", shrink::describe(&small)));
        if failures.len() == FAILURES {
            break;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn compiled_code_is_close_to_the_interpreter() {
    hunt(seeds(if cfg!(debug_assertions) { 15 } else { 500 }), random_case, check_compiled);
}

/// That a plan for vectors of so many lanes, run by the interpreter of the kernel IR, agrees with the interpreter of graphs.
fn check_planned(case: &Case, lanes: usize, layouts: &HashMap<String, Layout>) {
    let tolerances = tolerances(case);
    let exact = evaluate(&case.graph, case);
    let plan = plan(&case.graph, &Target::with_lanes(lanes), layouts).unwrap_or_else(|error| panic!("{error}"));
    let (outputs, states) = planned::run(&plan, case);
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

#[test]
fn plans_for_any_vectors_are_close_to_the_interpreter() {
    for lanes in [4, 8, 16] {
        let usual = if cfg!(debug_assertions) { 50 } else { 300 };
        hunt(seeds(usual), random_case, |case| check_planned(case, lanes, &HashMap::new()));
    }
}

/// Layouts of all states with their axes the other way round, as another program might have laid them.
fn turned(graph: &Graph) -> HashMap<String, Layout> {
    let states = graph.inputs.iter().filter(|input| input.role == Role::State);
    let turned = |shape: Shape| Layout::dense(shape, &(0..shape.rank()).rev().collect::<Vec<_>>());
    states.map(|input| (input.name.clone(), turned(graph.shape(input.node)))).collect()
}

#[test]
fn plans_take_states_as_they_lie() {
    let usual = if cfg!(debug_assertions) { 50 } else { 300 };
    hunt(seeds(usual), random_case, |case| check_planned(case, 4, &turned(&case.graph)));
}

/// Deep graphs, in which groups far apart are joined.
#[test]
fn deep_graphs_are_close_to_the_interpreter() {
    let usual = if cfg!(debug_assertions) { 10 } else { 300 };
    hunt(seeds(usual), deep_case, |case| {
        check_planned(case, 8, &HashMap::new());
        check_compiled(case);
    });
}

#[test]
fn what_once_disagreed_agrees() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agree");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let graph =
            parse(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            Some(graph.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str()),
            "a graph is named as its file"
        );
        for seed in 0..3 {
            let case = with_values(graph.clone(), seed);
            check_compiled(&case);
            [4, 8, 16].into_iter().for_each(|lanes| check_planned(&case, lanes, &HashMap::new()));
        }
    }
}
