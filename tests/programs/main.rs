//! Random programs as users write them, against the interpreter in f64 and against themselves: other batch sizes, other numbers
//! of threads, saved and loaded.
//!
//! A program is put together at run time (`composed.rs`), or written for the macros (`source.rs`); some of the latter stand in
//! `written.rs`, which `BLESS=1` writes anew. `KILN_SEEDS=1000..9000 cargo test --release --test programs` looks at these composed
//! programs, `KILN_SEED=7` at one. The ignored test writes as many as `KILN_SEEDS` says (or 1,000), compiles and runs them.

mod by_hand;
mod check;
mod composed;
#[path = "../common/errors.rs"]
mod errors;
#[path = "../common/folder.rs"]
mod folder;
#[path = "../common/libraries.rs"]
mod libraries;
mod named;
mod program;
mod random;
mod source;
mod words;
mod written;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread};

use kiln::graph::optimizers::{Optimizer, Options, Select};
use kiln::graph::{Builder, Init, Value};
use kiln::losses::Reduction;
use kiln::prelude::*;
use ndarray::{Array1, ArrayD};

use check::{Compared, Given};
use composed::{Composed, MOST, OUTPUTS, WithWords};
use folder::Folder;
use libraries::Libraries;
use program::{Beside, Goal, Program, Rule};

/// The seeds of the programs that are written to `written.rs`.
const WRITTEN: Range<u64> = 0..17;

/// The seeds to look at.
fn seeds(usual: u64) -> Range<u64> {
    let range = |text: String| {
        let (first, end) = text.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    };
    match (env::var("KILN_SEED").map(|text| text.parse()), env::var("KILN_SEEDS").map(range)) {
        (Ok(Ok(seed)), _) => seed..seed + 1,
        (_, Ok(Some(range))) => range,
        _ => 0..usual,
    }
}

/// What keeps optimizers from dividing by a gradient that is nothing but roundings, such as that of a bias before a batch norm.
const EPS: f64 = 0.01;

/// Any optimizer, so that the checks are compiled once.
#[derive(Clone)]
enum AnyRule {
    Sgd(Sgd),
    Adam(Adam),
    AdamW(AdamW),
    RMSprop(RMSprop),
    Adagrad(Adagrad),
    Adamax(Adamax),
    NAdam(NAdam),
}

impl AnyRule {
    fn of(rule: Rule, beside: Beside) -> AnyRule {
        let rule = AnyRule::alone(rule);
        macro_rules! with_beside {
            ($($name:ident),*) => {
                match rule {
                    $(AnyRule::$name(rule) => {
                        let rule = if beside.clip_grad_norm { rule.clip_grad_norm(0.5) } else { rule };
                        let groups = |rule: kiln::optimizers::$name| {
                            rule.group(Select::biases_and_norms(), |rule| rule.lr(0.02))
                        };
                        AnyRule::$name(if beside.groups { groups(rule) } else { rule })
                    })*
                }
            };
        }
        with_beside!(Sgd, Adam, AdamW, RMSprop, Adagrad, Adamax, NAdam)
    }

    fn alone(rule: Rule) -> AnyRule {
        let decay = |on: bool| if on { 0.125 } else { 0.0 };
        match rule {
            Rule::Sgd { momentum, nesterov, weight_decay } => {
                let momentum = if momentum { 0.9 } else { 0.0 };
                AnyRule::Sgd(Sgd::new(0.05).momentum(momentum).nesterov(nesterov).weight_decay(decay(weight_decay)))
            }
            Rule::Adam { amsgrad, weight_decay } => {
                AnyRule::Adam(Adam::new(0.05).eps(EPS).amsgrad(amsgrad).weight_decay(decay(weight_decay)))
            }
            Rule::AdamW => AnyRule::AdamW(AdamW::new(0.05).eps(EPS)),
            Rule::Other("Adagrad") => AnyRule::Adagrad(Adagrad::new(0.05).eps(EPS)),
            Rule::Other("Adamax") => AnyRule::Adamax(Adamax::new(0.05).eps(EPS)),
            Rule::Other(_) => AnyRule::NAdam(NAdam::new(0.05).eps(EPS)),
            Rule::RmsProp { centered, momentum } => {
                let momentum = if momentum { 0.9 } else { 0.0 };
                AnyRule::RMSprop(RMSprop::default().lr(0.05).eps(EPS).centered(centered).momentum(momentum))
            }
        }
    }

    fn rule(&self) -> &dyn Optimizer {
        match self {
            AnyRule::Sgd(rule) => rule,
            AnyRule::Adam(rule) => rule,
            AnyRule::AdamW(rule) => rule,
            AnyRule::RMSprop(rule) => rule,
            AnyRule::Adagrad(rule) => rule,
            AnyRule::Adamax(rule) => rule,
            AnyRule::NAdam(rule) => rule,
        }
    }
}

impl Optimizer for AnyRule {
    fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]) {
        self.rule().apply(g, parameters, gradients);
    }

    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
        self.rule().initial_state(parameters)
    }

    fn learning_rate(&self) -> f64 {
        self.rule().learning_rate()
    }

    fn check(&self) -> Result<(), kiln::graph::InvalidSetting> {
        self.rule().check()
    }

    fn options(&self) -> &Options {
        self.rule().options()
    }

    fn groups(&self) -> Vec<(&Select, &dyn Optimizer)> {
        self.rule().groups()
    }
}

/// A composed program by its seed.
fn check_composed(seed: u64) {
    let program = Program::random(seed, Some(OUTPUTS), MOST);
    if env::var_os("KILN_SEED").is_some() {
        println!("{}", source::module(&program));
    }
    let make = |parameters: u64| {
        Composed::of(Program::random(seed, Some(OUTPUTS), MOST), &mut Init::new(seed ^ parameters << 32))
    };
    if program.takes_words() {
        check_made::<_, (ArrayD<f32>, ArrayD<i32>)>(&program, |parameters| WithWords(make(parameters)));
    } else {
        check_made::<_, ArrayD<f32>>(&program, make);
    }
}

fn check_made<M: Model<Output = f32>, X: Given>(program: &Program, make: impl Fn(u64) -> M)
where
    for<'x> &'x X: kiln::Inputs<M::Input>,
{
    let rule = AnyRule::of(program.rule, program.beside);
    match program.goal {
        Goal::Mse { sum } => {
            let reduction = if sum { Reduction::Sum } else { Reduction::Mean };
            check::trained::<_, _, _, X, ArrayD<f32>>(program, make, mse().reduction(reduction), rule);
        }
        Goal::L1 => check::trained::<_, _, _, X, ArrayD<f32>>(program, make, l1(), rule),
        Goal::Huber => check::trained::<_, _, _, X, ArrayD<f32>>(program, make, huber(), rule),
        Goal::Bce => check::trained::<_, _, _, X, ArrayD<f32>>(program, make, bce_with_logits(), rule),
        Goal::CrossEntropy { label_smoothing, weight, ignore } => {
            let mut loss = cross_entropy().label_smoothing(if label_smoothing { 0.125 } else { 0.0 });
            if weight {
                loss = loss.weight(&[0.5, 1.5, 2.5]);
            }
            if ignore {
                loss = loss.ignore_index(0);
            }
            check::trained::<_, _, _, X, Array1<i32>>(program, make, loss, rule);
        }
    }
}

/// Checks the seeds on all cores, since each is a thread's work for itself; panics with those that fail.
fn all(seeds: Range<u64>, check: impl Fn(u64) + Sync) {
    let (next, failures) = (AtomicU64::new(seeds.start), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| check(seed))) {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or(payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default();
                failures.lock().unwrap().insert(seed, text.chars().take(600).collect::<String>());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |number| number.get()) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    let lines: String = failures.iter().map(|(seed, text)| format!("seed {seed}: {text}\n")).collect();
    assert!(failures.is_empty(), "{lines}");
}

#[test]
fn composed_programs() {
    all(seeds(200), check_composed);
    for (what, Compared { results, to_digits, turned }) in
        [("results", &check::ONCE), ("losses of later steps", &check::LATER)]
    {
        let [results, to_digits, turned] = [results, to_digits, turned].map(|count| count.load(Ordering::Relaxed));
        println!("{to_digits} of {results} {what} are known to three digits; of {turned} a comparison turned");
        if env::var_os("KILN_SEED").is_none() {
            // All but one in 600 of the first 200 programs' results are, and all of the losses.
            assert!(to_digits * 20 > results * 19, "only {to_digits} of {results} {what} are known to three digits");
            // What turned by chance is rare.
            assert!(turned <= 2 + results / 1000, "comparisons turned in {turned} of {results} {what}");
        }
    }
}

#[test]
fn written_programs() {
    let text = source::file(WRITTEN);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/written.rs");
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&file, text).unwrap();
        return;
    }
    assert_eq!(include_str!("written.rs"), text, "`BLESS=1` writes tests/programs/written.rs anew");
    all(0..written::CHECKS.len() as u64, |number| written::CHECKS[number as usize]());
}

/// The modules that written programs need, by their files.
const MODULES: [(&str, &str); 7] = [
    ("check", "programs/check.rs"),
    ("errors", "common/errors.rs"),
    ("folder", "common/folder.rs"),
    ("named", "programs/named.rs"),
    ("program", "programs/program.rs"),
    ("random", "programs/random.rs"),
    ("words", "programs/words.rs"),
];

/// So many are compiled at once.
const AT_ONCE: u64 = 25;

#[test]
#[ignore = "compiles a thousand models: ten minutes in a release build, more than an hour in a debug build"]
fn many_written_programs() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let libraries = Libraries::of("programs", &["kiln", "kiln_graph", "kiln_jit", "ndarray"]);
    let folder = Folder::new("written");
    let seeds = seeds(1000);
    let mut failures = String::new();
    for start in seeds.clone().step_by(AT_ONCE as usize) {
        let part = start..seeds.end.min(start + AT_ONCE);
        let mut main = "#![allow(dead_code)]\n".to_owned();
        for (name, file) in MODULES {
            writeln!(main, "#[path = {:?}]\nmod {name};", tests.join(file)).unwrap();
        }
        main += "#[path = \"written.rs\"]\nmod written;\n\nfn main() {\n    let mut failed = false;\n";
        main +=
            "    for check in written::CHECKS {\n        failed |= std::panic::catch_unwind(check).is_err();\n    }\n";
        main += "    std::process::exit(failed.into());\n}\n";
        folder.file("written.rs", source::file(part.clone()).as_bytes());
        let (file, program) = (folder.file("main.rs", main.as_bytes()), folder.path("written"));
        let mut rustc = libraries.rustc();
        rustc.env("CARGO_TARGET_TMPDIR", env!("CARGO_TARGET_TMPDIR")).arg(file).arg("-o").arg(&program);
        let compiled = rustc.output().expect("rustc runs");
        let output =
            if compiled.status.success() { Command::new(&program).output().expect("it runs") } else { compiled };
        if !output.status.success() {
            writeln!(failures, "seeds {part:?}:\n{}", String::from_utf8_lossy(&output.stderr)).unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
