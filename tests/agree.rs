//! Random graphs mean the same everywhere: evaluated by the interpreter as they are, printed and parsed, after each
//! pass (bitwise, in f32 and in f64), and compiled.
//!
//! `KILN_SEEDS=1000..9000 cargo test --release --test agree` looks at these; `KILN_SEED=7` looks at one only and prints it.
//! What once disagreed when compiled is kept, made small, under `tests/agree/`.

#[path = "common/differential.rs"]
mod differential;
#[path = "common/errors.rs"]
mod errors;
#[path = "../fuzz/entries/graphs.rs"]
mod fuzzed;
#[path = "common/mutants.rs"]
mod mutants;
#[path = "common/planned.rs"]
mod planned;
#[path = "common/random_graphs.rs"]
mod random_graphs;
#[path = "common/shrink.rs"]
mod shrink;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::path::Path;

use differential::{assert_close, assert_same, check_compiled, check_least, check_planned, evaluate, tolerances};
use kiln_graph::passes::{FOR_PLANNING, PIPELINE, Preparation, throughout, unroll};
use kiln_graph::{Graph, Op, Role, Shape, optimize, parse, print, verify};
use kiln_jit::layout::Layout;
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
    // What shards bring together has tests of its own (`tests/distributed.rs`): a program alone does not run it.
    let mut missing: Vec<&str> = Op::all().iter().map(Op::mnemonic).filter(|op| *op != "exchange").collect();
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

#[test]
fn plans_for_any_vectors_are_close_to_the_interpreter() {
    for lanes in [4, 8, 16] {
        let usual = if cfg!(debug_assertions) { 50 } else { 300 };
        hunt(seeds(usual), random_case, |case| check_planned(case, lanes, &HashMap::new()));
    }
}

#[test]
fn plans_with_the_least_memory_are_close_to_the_interpreter() {
    let usual = if cfg!(debug_assertions) { 50 } else { 300 };
    let saved = Cell::new(0);
    hunt(seeds(usual), random_case, |case| saved.set(saved.get() + usize::from(check_least(case, 8))));
    hunt(seeds(usual / 10), deep_case, |case| saved.set(saved.get() + usize::from(check_least(case, 16))));
    println!("{} plans took less memory than usual", saved.get());
    assert!(verbose() || saved.get() > 0, "nothing was computed again");
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

/// A bounded run of the fuzz targets that make graphs.
#[test]
fn graphs_near_known_ones_are_refused_or_agree() {
    mutants::check(&mutants::seeds(&["tests/agree"]), 300, fuzzed::text);
    let usual = if cfg!(debug_assertions) { 8 } else { 300 };
    mutants::check(&mutants::seeds(&["fuzz/seeds/graph"]), usual, fuzzed::graph);
}
