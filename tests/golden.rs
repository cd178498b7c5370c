//! Runs every case under the directory `KILN_GOLDEN` (`../shared/golden` if that is not set but exists, else
//! `tests/golden/cases`), and those of its folders `functions` and
//! `arguments`: what PyTorch computes, Kiln must compute within the case's tolerance, on every engine; what
//! PyTorch refuses, Kiln must refuse. Cases are told by their metadata, never by their names.
//!
//! Prints a table per operation and ends with `N passed, M failed, K skipped`.

#[path = "golden/attention.rs"]
mod attention;
#[path = "golden/case.rs"]
mod case;
#[path = "golden/check.rs"]
mod check;
#[path = "golden/engine.rs"]
#[allow(dead_code)]
mod engine;
#[path = "golden/errors.rs"]
mod errors;
#[path = "common/files.rs"]
mod files;
#[path = "common/folder.rs"]
mod folder;
#[path = "golden/functions.rs"]
mod functions;
#[path = "golden/graphs.rs"]
mod graphs;
#[path = "golden/layers.rs"]
mod layers;
#[path = "golden/losses.rs"]
mod losses;
#[path = "golden/ops.rs"]
mod ops;
#[path = "golden/optim.rs"]
mod optim;
#[path = "golden/programs.rs"]
mod programs;
#[path = "golden/python.rs"]
mod python;
#[path = "golden/recurrent.rs"]
mod recurrent;
#[path = "golden/refused.rs"]
mod refused;
#[path = "golden/resampling.rs"]
mod resampling;
#[path = "golden/results.rs"]
mod results;
#[path = "golden/sched.rs"]
mod sched;
#[path = "golden/script.rs"]
mod script;
#[path = "golden/trained.rs"]
mod trained;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use case::{Case, Refusal};
use check::{Outcome, check, unless_it_panics};
use files::files;

/// What became of the cases of one operation.
#[derive(Default)]
struct Row {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Why cases were skipped.
    reasons: BTreeSet<String>,
}

fn main() -> ExitCode {
    // The words that cargo passes on choose tests; this file holds a single one.
    if std::env::args().skip(1).any(|word| word == "--list" || !word.starts_with('-') && !"golden".contains(&word)) {
        return ExitCode::SUCCESS;
    }
    let directory = directory();
    let mut work: Vec<Work> = files(&directory, "safetensors").into_iter().map(Work::File).collect();
    for always in ["functions", "arguments"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases").join(always);
        if !folder.starts_with(&directory) {
            work.extend(files(&folder, "safetensors").into_iter().map(Work::File));
        }
    }
    let misuses = std::fs::read_to_string(directory.join("errors.jsonl")).unwrap_or_default();
    work.extend(misuses.lines().filter(|line| !line.is_empty()).map(|line| Work::Misuse(line.to_owned())));
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (op, name, outcome) in on_all_cores(&work, Work::run) {
        let row = rows.entry(op).or_default();
        match outcome {
            Outcome::Passed => row.passed += 1,
            Outcome::Failed(message) => {
                row.failed += 1;
                println!("FAILED {name}: {message}");
            }
            Outcome::Skipped(reason) => {
                row.skipped += 1;
                row.reasons.insert(reason);
            }
        }
    }
    print(&directory, &rows);
    let failed = rows.values().any(|row| row.failed > 0) || rows.is_empty();
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What there is to check.
enum Work {
    /// A case in a file.
    File(PathBuf),
    /// A line of `errors.jsonl`.
    Misuse(String),
}

impl Work {
    /// The row it belongs to, its name, and what became of it.
    fn run(&self) -> (String, String, Outcome) {
        match self {
            Work::File(file) => match Case::read(file) {
                Ok(case) => (label(&case), format!("{} ({})", case.file, case.op), unless_it_panics(|| check(&case))),
                Err(message) => ("unreadable".into(), file.to_string_lossy().into(), Outcome::Failed(message)),
            },
            Work::Misuse(line) => match errors::Misuse::read(line) {
                Ok(misuse) => {
                    let outcome = unless_it_panics(|| refusal(&misuse));
                    (format!("error: {}", misuse.call), misuse.title, outcome)
                }
                Err(message) => ("unreadable".into(), line.clone(), Outcome::Failed(message)),
            },
        }
    }
}

/// The results of all, in their order.
fn on_all_cores<T: Sync, R: Send>(all: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((number, one)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, all.get(n)?)))
        {
            let result = run(one);
            results.lock().unwrap().push((number, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |number| number.get()) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|&(number, _)| number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Where the cases are.
fn directory() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(directory) = std::env::var_os("KILN_GOLDEN") {
        return root.join(directory);
    }
    let shared = root.join("../shared/golden");
    if shared.is_dir() { shared } else { root.join("tests/golden/cases") }
}

/// The row that a case belongs to.
fn label(case: &Case) -> String {
    match case.attributes.text("program") {
        Some(program) => format!("program: {program}"),
        None => case.op.clone(),
    }
}

/// Whether a misuse is refused.
fn refusal(misuse: &errors::Misuse) -> Outcome {
    match misuse.refusal() {
        Ok(message) => {
            if std::env::var_os("KILN_GOLDEN_ERRORS").is_some() {
                println!("{}: {message}", misuse.title);
            }
            Outcome::Passed
        }
        Err(Refusal::Error(message) | Refusal::Case(message)) => Outcome::Failed(message),
        Err(Refusal::Later(reason)) => Outcome::Skipped(reason),
        Err(Refusal::Unsigned(name)) => Outcome::Failed(format!("{name}: no case in tests/ui was looked for")),
    }
}

fn print(directory: &Path, rows: &BTreeMap<String, Row>) {
    println!("cases of {}", directory.display());
    println!("{:<32} {:>7} {:>7} {:>8}  not yet supported", "op", "passed", "failed", "skipped");
    for (op, row) in rows {
        let reasons: Vec<&str> = row.reasons.iter().map(String::as_str).collect();
        println!("{op:<32} {:>7} {:>7} {:>8}  {}", row.passed, row.failed, row.skipped, reasons.join("; "));
    }
    let total = |count: fn(&Row) -> usize| rows.values().map(count).sum::<usize>();
    println!(
        "{} passed, {} failed, {} skipped",
        total(|row| row.passed),
        total(|row| row.failed),
        total(|row| row.skipped)
    );
}
