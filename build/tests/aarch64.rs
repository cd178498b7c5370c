//! Programs for aarch64, linked by Debian's cross compiler and run by QEMU: `.ci/aarch64`. What PyTorch computes, they
//! compute within the tolerance of each golden case. (What PyTorch refuses is refused before anything is compiled:
//! `tests/golden.rs`.)
#![allow(dead_code)]

#[path = "../../tests/golden/attention.rs"]
mod attention;
#[path = "../../tests/golden/case.rs"]
mod case;
#[path = "../../tests/golden/check.rs"]
mod check;
#[path = "aarch64/engine.rs"]
mod engine;
#[path = "../../tests/golden/errors.rs"]
mod errors;
#[path = "../../tests/common/files.rs"]
mod files;
#[path = "../../tests/common/folder.rs"]
mod folder;
#[path = "../../tests/golden/functions.rs"]
mod functions;
#[path = "../../tests/golden/graphs.rs"]
mod graphs;
#[path = "../../tests/golden/layers.rs"]
mod layers;
#[path = "../../tests/golden/losses.rs"]
mod losses;
#[path = "../../tests/golden/ops.rs"]
mod ops;
#[path = "../../tests/golden/optim.rs"]
mod optim;
#[path = "../../tests/golden/programs.rs"]
mod programs;
#[path = "../../tests/golden/python.rs"]
mod python;
#[path = "../../tests/golden/recurrent.rs"]
mod recurrent;
#[path = "../../tests/golden/refused.rs"]
mod refused;
#[path = "../../tests/golden/resampling.rs"]
mod resampling;
#[path = "../../tests/golden/results.rs"]
mod results;
#[path = "linked/runner.rs"]
mod runner;
#[path = "../../tests/golden/sched.rs"]
mod sched;
#[path = "../../tests/golden/script.rs"]
mod script;
#[path = "../../tests/golden/trained.rs"]
mod trained;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use case::Case;
use check::{Outcome, check, unless_it_panics};
use files::files;
use runner::C;

/// The cases under `KILN_GOLDEN`, else those of the repository.
#[test]
#[ignore = "takes minutes, a cross compiler and QEMU: .ci/aarch64"]
fn golden_cases_pass_on_aarch64() {
    assert!(C::aarch64().is_some(), "needs `aarch64-linux-gnu-gcc` and `qemu-aarch64`");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = match std::env::var_os("KILN_GOLDEN") {
        Some(folder) => root.join(folder),
        None => root.join("tests/golden/cases"),
    };
    let read = |file: PathBuf| Case::read(&file).unwrap_or_else(|message| panic!("{file:?}: {message}"));
    let cases: Vec<Case> =
        files(&folder, "safetensors").into_iter().map(read).filter(|case| case.error.is_none()).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (passed, skipped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            match unless_it_panics(|| check(case)) {
                Outcome::Passed => _ = passed.fetch_add(1, Ordering::Relaxed),
                Outcome::Skipped(_) => _ = skipped.fetch_add(1, Ordering::Relaxed),
                Outcome::Failed(message) => {
                    println!("FAILED {} ({}): {message}", case.file, case.op);
                    failed.lock().expect("no thread panics").push(case.file.clone());
                }
            }
        }
    };
    thread::scope(|scope| {
        (0..thread::available_parallelism().map_or(1, |n| n.get())).for_each(|_| _ = scope.spawn(work))
    });
    let failed = failed.into_inner().expect("no thread panics");
    println!("aarch64: {} passed, {} failed, {} skipped", passed.into_inner(), failed.len(), skipped.into_inner());
    assert!(failed.is_empty() && !cases.is_empty(), "{failed:?}");
}
