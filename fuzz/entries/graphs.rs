//! What is done with any bytes as the text of a graph, and as the decisions by which a random graph is made. Fuzz targets and
//! tests call it.
#![allow(dead_code)]

use std::collections::HashMap;

use kiln_graph::{parse, print, verify};
use kiln_jit::Target;
use kiln_jit::target::EmitterKind;

use super::differential::{check_compiled_for, check_planned};
use super::random_graphs::case_of_bytes;

/// A text that is a graph is a valid one, and comes back from its print.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse(text) {
        Ok(graph) => {
            verify(&graph).unwrap();
            let printed = print(&graph);
            assert_eq!(print(&parse(&printed).unwrap()), printed);
        }
        Err(error) => assert!(error.to_string().len() < 10_000),
    }
}

/// The graph that is made of these bytes means the same to the interpreter, to the code of each emitter that runs here, and to
/// the plans of those that do not.
pub fn graph(bytes: &[u8]) {
    let case = case_of_bytes(bytes);
    for emitter in EmitterKind::ALL {
        if emitter.runs_here() {
            check_compiled_for(&case, &Target::with_lanes(emitter.lanes()));
        } else {
            check_planned(&case, emitter.lanes(), &HashMap::new());
        }
    }
}
