//! The `.ir` cases under `tests/ir/`: what the text form, the verifier, the differentiator and each pass do to a graph,
//! and what the planner makes of it.
//!
//! A file holds cases; comments before `# run:` say what a case is about:
//!
//! ```text
//! # x * 1 is x.
//! # run: simplify
//! graph f(%x: f32[2]) {
//!   ..
//! }
//! # expect:
//! graph f(%x: f32[2]) {
//!   return %x
//! }
//! ```
//!
//! `# run:` lists steps, separated by commas, that are applied one after the other: `parse` (which prints again), the
//! name of a pass, `row_blocks` (for blocks of two rows), `row_sums` (in two parts), `mix` (for bf16), `optimize`, or
//! `differentiate wrt %a %b` (which adds the gradients of the only output in these values as further outputs). The last step may be one that shows what the graph is compiled to: `plan`, `kernels`, or
//! `choices`, which says how each contraction is computed. Behind it stands what differs from a machine of 8 lanes with
//! 32 KiB and 1 MiB of cache: `lanes=16`, `l1=48K`, `l2=2M`; or `exact`, for ways whose error is that of the definition
//! only. A case in which the text is refused has instead of an expectation `# error: MESSAGE` at the end of the guilty
//! line: `# run: parse` for what the syntax refuses, `# run: verify` for what the verifier refuses.
//!
//! A case without an expectation fails. `BLESS=1 cargo test --test ir` writes what is there now into the files.

#[path = "../examples/support/compiler.rs"]
mod compiler;
#[path = "common/files.rs"]
mod files;
#[path = "common/folder.rs"]
mod folder;
#[path = "ir/kilnc.rs"]
mod kilnc;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use files::files;
use kiln_graph::passes::{FOR_PLANNING, PIPELINE, RowBlocks, mix, row_blocks, row_sums};
use kiln_graph::{Builder, Graph, Value, Violation, optimize, parse, print, text, verify};
use kiln_jit::Target;
use kiln_jit::kernel::parse_all;
use kiln_jit::plan::{Choices, Plan, Wishes, plan_by};

#[test]
fn cases() {
    let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ir");
    let mut failures = Vec::new();
    let mut count = 0;
    for path in files(&root, "ir") {
        let text = fs::read_to_string(&path).unwrap();
        let cases = split(&text);
        count += cases.len();
        let actual: Vec<Case> = cases.iter().map(Case::run).collect();
        for (case, actual) in cases.iter().zip(&actual).filter(|(case, actual)| case != actual) {
            let name = path.strip_prefix(&root).unwrap().display();
            failures.push(format!(
                "--- {name}:{}, expected\n{}\n--- actual\n{}",
                case.line,
                case.write(),
                actual.write()
            ));
        }
        if bless {
            let blessed: Vec<String> = actual.iter().map(Case::write).collect();
            fs::write(&path, blessed.join("\n")).unwrap();
        }
    }
    assert!(count > 0, "no cases under {}", root.display());
    assert!(bless || failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}

#[derive(Clone, Debug, PartialEq)]
struct Case {
    /// Where it starts, counted from 1.
    line: usize,
    /// The comment.
    about: Vec<String>,
    /// The steps.
    run: String,
    /// The graph, without `# error:`.
    graph: String,
    /// What the text is refused with: the line of `graph`, counted from 0, and the message.
    error: Option<(usize, String)>,
    /// What comes out.
    expect: Option<String>,
}

const RUN: &str = "# run: ";
const EXPECT: &str = "# expect:";
const ERROR: &str = "  # error: ";

fn split(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut about = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(run) = line.strip_prefix(RUN) {
            cases.push(Case {
                line: number + 1,
                about: std::mem::take(&mut about),
                run: run.to_string(),
                graph: String::new(),
                error: None,
                expect: None,
            });
            continue;
        }
        match cases.last_mut() {
            _ if line.is_empty() => {}
            Some(case) if line == EXPECT => case.expect = Some(String::new()),
            _ if line.starts_with('#') => about.push(line.to_string()),
            None => panic!("line {}: text outside of a case: {line}", number + 1),
            Some(Case { expect: Some(expect), .. }) => *expect += &format!("{line}\n"),
            Some(case) => {
                let (line, error) = line.split_once(ERROR).map_or((line, None), |(line, error)| (line, Some(error)));
                if let Some(error) = error {
                    case.error = Some((case.graph.lines().count(), error.to_string()));
                }
                case.graph += &format!("{line}\n");
            }
        }
    }
    assert!(about.is_empty(), "a comment without a case: {about:?}");
    cases
}

impl Case {
    /// The case with what really comes out.
    fn run(&self) -> Case {
        let outcome = match self.run.as_str() {
            "verify" => verify_only(&self.graph),
            steps => apply_all(steps, &self.graph),
        };
        let (expect, error) = match outcome {
            Ok(text) => (Some(text), None),
            Err((line, message)) => (None, Some((line.min(self.graph.lines().count().saturating_sub(1)), message))),
        };
        Case { expect, error, ..self.clone() }
    }

    fn write(&self) -> String {
        let mut text = String::new();
        for line in &self.about {
            text += &format!("{line}\n");
        }
        text += &format!("{RUN}{}\n", self.run);
        for (number, line) in self.graph.lines().enumerate() {
            text += line;
            if let Some((_, message)) = self.error.as_ref().filter(|(guilty, _)| *guilty == number) {
                text += ERROR;
                text += message;
            }
            text += "\n";
        }
        match &self.expect {
            Some(expect) => text + EXPECT + "\n" + expect,
            None => text,
        }
    }
}

/// The printed result, or the guilty line, counted from 0, and the message.
type Outcome = Result<String, (usize, String)>;

fn verify_only(text: &str) -> Outcome {
    let source =
        text::read(text).unwrap_or_else(|error| panic!("the verifier's case is no text of a graph: {error}\n{text}"));
    match verify(&source.graph) {
        Ok(()) => Ok("valid\n".to_string()),
        Err(Violation { reason, place, listing }) => {
            assert!(listing.contains(&format!("  # error: {reason}")), "the listing marks a line:\n{listing}");
            Err((source.position(place).line - 1, reason.to_string()))
        }
    }
}

fn apply_all(steps: &str, text: &str) -> Outcome {
    let mut graph = parse(text)
        .map_err(|error| (error.position.line - 1, format!("column {}: {}", error.position.column, error.problem)))?;
    for step in steps.split(", ") {
        if let Some(shown) = compiled(step, &graph) {
            return Ok(shown);
        }
        graph = apply(step, graph);
        if let Err(violation) = verify(&graph) {
            panic!("after {step}: {violation}");
        }
    }
    let printed = print(&graph);
    let again = parse(&printed).unwrap_or_else(|error| panic!("what is printed does not parse: {error}\n{printed}"));
    assert_eq!(print(&again), printed, "print and parse are inverses");
    Ok(printed)
}

/// What a last step shows of the compiled graph; nothing for the other steps.
fn compiled(step: &str, graph: &Graph) -> Option<String> {
    let (what, machine) = step.split_once(' ').unwrap_or((step, ""));
    let show: fn(&Plan) -> String = match what {
        "plan" => |plan| plan.to_string(),
        "kernels" => kernels,
        "choices" => choices,
        _ => return None,
    };
    let mut target = Target { vector_registers: 16, ..Target::with_lanes(8) };
    let mut exact = false;
    for word in machine.split_whitespace() {
        match word.split_once('=') {
            Some(("lanes", "16")) => target = Target::with_lanes(16),
            Some(("lanes", "4")) => target = Target { vector_registers: 16, ..Target::with_lanes(4) },
            Some(("lanes", "8")) => {}
            Some(("l1", size)) => target.l1_bytes = bytes(size),
            Some(("l2", size)) => target.l2_bytes = bytes(size),
            None if word == "exact" => exact = true,
            _ => panic!("`{word}` is no word for a machine: lanes=8, l1=32K, l2=1M, exact; lanes come first"),
        }
    }
    let wishes = Wishes { exact, ..Wishes::default() };
    Some(show(&plan_by(graph, &target, &HashMap::new(), &Choices::new(), wishes).unwrap()))
}

/// `32K` or `1M`.
fn bytes(size: &str) -> usize {
    let (number, unit) = size.split_at(size.len() - 1);
    let unit = match unit {
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => panic!("`{size}` is no size like 32K or 1M"),
    };
    number.parse::<usize>().unwrap() * unit
}

fn kernels(plan: &Plan) -> String {
    let text: String = plan.kernels.iter().map(|kernel| kernel.to_string()).collect();
    let read = parse_all(&text).unwrap_or_else(|error| panic!("what is printed does not parse: {error}\n{text}"));
    assert_eq!(read, plan.kernels, "print and parse are inverses");
    text
}

/// A line for each contraction.
fn choices(plan: &Plan) -> String {
    let line = |found: &kiln_jit::plan::Contracted| format!("{}: {}\n", found.problem.shapes(), found.recipe.words());
    plan.contractions.iter().map(line).collect()
}

fn apply(step: &str, mut graph: Graph) -> Graph {
    if let Some(names) = step.strip_prefix("differentiate wrt ") {
        return differentiate(graph, names);
    }
    match step {
        "parse" => graph,
        "optimize" => optimize(&graph),
        "mix" => mix(&graph),
        "row_sums" => row_sums(&graph, |rows| if rows.is_multiple_of(2) { 2 } else { 1 }).into_owned(),
        // As if a cache held next to nothing.
        "row_blocks" => row_blocks(&graph, RowBlocks { large: 0, cut: 0, block: 1, rows: 2, segments: 2 }).into_owned(),
        _ => {
            if let Some((_, pass)) = PIPELINE.iter().find(|(name, _)| *name == step) {
                pass(&mut graph);
                return graph;
            }
            let preparation = FOR_PLANNING.iter().find(|(name, _)| *name == step);
            preparation.unwrap_or_else(|| panic!("no such step: {step}")).1(&graph).into_owned()
        }
    }
}

/// Adds the gradients of the first output in the named inputs as outputs.
fn differentiate(graph: Graph, names: &str) -> Graph {
    let loss = graph.outputs[0].name.clone();
    let builder = Builder::resume(graph);
    let value = |name: &str| builder.named(name).unwrap_or_else(|| panic!("no value {name}"));
    let names: Vec<&str> = names.split(' ').map(|name| name.trim_start_matches('%')).collect();
    let of: Vec<Value> = names.iter().copied().map(value).collect();
    let gradients = builder.gradients_of(value(&loss), &of).unwrap();
    for (name, gradient) in names.into_iter().zip(gradients) {
        builder.output(&format!("d_{name}"), gradient);
    }
    builder.finish().unwrap()
}
