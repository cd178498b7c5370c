//! Any bytes as a graph: see `graph` in `fuzz/entries/graphs.rs`. What it shares with tests has more than it needs.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../tests/common/differential.rs"]
mod differential;
#[path = "../../tests/common/errors.rs"]
mod errors;
#[path = "../entries/graphs.rs"]
mod graphs;
#[path = "../../tests/common/planned.rs"]
mod planned;
#[path = "../../tests/common/random_graphs.rs"]
mod random_graphs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| graphs::graph(bytes));
