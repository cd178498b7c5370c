//! What the planner decides for all golden programs and the networks of the suite, held as text: a digest of the plans
//! and kernels of each (`plans.rs`, `plans.txt`), and how each contraction of the suite is computed (`choices.rs`,
//! `choices.txt`), and how far the choices are from the best that was measured (`regret.rs`). Nothing is emitted or run, and the machines that are planned for are fixed, so that the texts are
//! the same everywhere.
//!
//! `cargo test --release --test digest` looks at all of them; a debug build, whose planner is slow, at a few, unless
//! `KILN_DIGEST=all`. `BLESS=1 cargo test --release --test digest` writes what is there now into the files; read the
//! diff.

#[path = "../../benches/suite/adversaries.rs"]
mod adversaries;
#[path = "../golden/attention.rs"]
#[allow(dead_code)]
mod attention;
#[path = "../golden/case.rs"]
#[allow(dead_code)]
mod case;
mod choices;
#[path = "../../benches/suite/contractions.rs"]
mod contractions;
#[path = "../golden/engine.rs"]
#[allow(dead_code)]
mod engine;
#[path = "../common/files.rs"]
mod files;
#[path = "../golden/functions.rs"]
mod functions;
#[path = "../golden/graphs.rs"]
mod graphs;
#[path = "../golden/layers.rs"]
#[allow(dead_code)]
mod layers;
#[path = "../golden/losses.rs"]
mod losses;
#[path = "../../benches/suite/measurements.rs"]
mod measurements;
#[path = "../../benches/suite/network_graphs.rs"]
mod network_graphs;
#[path = "../../benches/suite/networks.rs"]
mod networks;
#[path = "../golden/ops.rs"]
mod ops;
#[path = "../golden/optim.rs"]
mod optim;
mod planned;
mod plans;
#[path = "../golden/programs.rs"]
mod programs;
#[path = "../golden/python.rs"]
mod python;
#[path = "../golden/recurrent.rs"]
#[allow(dead_code)]
mod recurrent;
mod regret;
#[path = "../golden/resampling.rs"]
mod resampling;
#[path = "../golden/results.rs"]
mod results;
#[path = "../golden/sched.rs"]
mod sched;
#[path = "../golden/script.rs"]
mod script;
mod sources;
