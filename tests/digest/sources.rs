//! The graphs that are planned, by name: those of the golden cases (`golden/layers/conv2d_00/case`); those of the
//! suite's networks are `benches/suite/network_graphs.rs`'s.

use std::path::Path;

use crate::case::Case;
use crate::engine::{Engine, recorded};
use crate::files::files;
use crate::network_graphs::{Source, source};
use crate::results::results;

/// The committed golden cases, or those of the whole collection, if that lies beside the project.
pub fn golden(all: bool) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = root.join("../shared/golden");
    let folder = if all && shared.is_dir() { shared } else { root.join("tests/golden/cases") };
    let mut graphs = Vec::new();
    for path in files(&folder, "safetensors") {
        let case = Case::read(&path).expect("a case");
        let name = path.strip_prefix(&folder).expect("a file in the folder").with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        // A case that is to be refused has no graph, or one that is planned all the same.
        let of_case = recorded(|| _ = results(&case, Engine::Recorder));
        graphs.extend(of_case.into_iter().map(|graph| source(format!("golden/{name}/{}", graph.name), graph)));
    }
    graphs
}
