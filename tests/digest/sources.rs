//! The graphs that are planned, by name: those of the golden cases (`golden/layers/conv2d_00/case`); those of the
//! suite's networks are `benches/suite/network_graphs.rs`'s.

use std::collections::BTreeMap;
use std::path::Path;

use crate::case::Case;
use crate::engine::{Engine, recorded};
use crate::files::files;
use crate::network_graphs::{Source, source};
use crate::results::results;

/// The committed golden cases, and those of the whole collection, if that lies beside the project.
pub fn golden(all: bool) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (own, shared) = (root.join("tests/golden/cases"), root.join("../shared/golden"));
    // Few of the project's own are not among the others.
    let mut cases = BTreeMap::new();
    for folder in [Some(own), Some(shared).filter(|shared| all && shared.is_dir())].into_iter().flatten() {
        for path in files(&folder, "safetensors") {
            let name = path.strip_prefix(&folder).expect("a file in the folder").with_extension("");
            // Samples of single functions have no plans of interest.
            if name.starts_with("functions") {
                continue;
            }
            cases.insert(name.to_string_lossy().replace('\\', "/"), path);
        }
    }
    let mut graphs = Vec::new();
    for (name, path) in cases {
        let case = Case::read(&path).expect("a case");
        // A case that is to be refused has no graph, or one that is planned all the same.
        let of_case = recorded(|| _ = results(&case, Engine::Recorder));
        graphs.extend(of_case.into_iter().map(|graph| source(format!("golden/{name}/{}", graph.name), graph)));
    }
    graphs
}
