//! The graphs that are planned, by name: those of the golden cases (`golden/layers/conv2d_00/case`) and those of the
//! suite's networks (`suite/lenet:train`).

use std::path::{Path, PathBuf};

use kiln::compiled::{evaluate_graph, predict_graph, train_graph};
use kiln::graph::{Builder, Graph, Type};
use kiln::prelude::*;

use crate::adversaries::DcGan;
use crate::case::Case;
use crate::engine::{Engine, recorded};
use crate::networks::{Hourglass, LeNet, MlpMnist, MlpTiny, ModuleList, ResNet18, VggBn, Volumes, update_graph};
use crate::results::results;

/// A graph to plan.
pub struct Source {
    /// Its name.
    pub name: String,
    /// The graph, before any pass.
    pub graph: Graph,
    /// Whether it shares its states with the one before, and takes them as they lie there.
    pub follows: bool,
}

fn source(name: String, graph: Graph) -> Source {
    Source { name, graph, follows: false }
}

/// The committed golden cases, or those of the whole collection, if that lies beside the project.
pub fn golden(all: bool) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = root.join("../shared/golden");
    let folder = if all && shared.is_dir() { shared } else { root.join("tests/golden/cases") };
    let mut graphs = Vec::new();
    for path in files(&folder) {
        let case = Case::read(&path).expect("a case");
        let name = path.strip_prefix(&folder).expect("a file in the folder").with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        // A case that is to be refused has no graph, or one that is planned all the same.
        let of_case = recorded(|| _ = results(&case, Engine::Recorder));
        graphs.extend(of_case.into_iter().map(|graph| source(format!("golden/{name}/{}", graph.name), graph)));
    }
    graphs
}

/// Every safetensors file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The cases of `benches/suite/cases.rs`, with its batch sizes, and the evaluations of trainers; or those that are
/// quickly planned.
pub fn suite(all: bool) -> Vec<Source> {
    let mut graphs = Vec::new();
    classes::<MlpTiny>(&mut graphs, "mlp_tiny", 32);
    classes::<ModuleList>(&mut graphs, "module_list", 32);
    classes::<LeNet>(&mut graphs, "lenet", 64);
    if !all {
        return graphs;
    }
    classes::<MlpMnist>(&mut graphs, "mlp_mnist", 64);
    classes::<VggBn>(&mut graphs, "vgg_bn", 32);
    classes::<ResNet18>(&mut graphs, "resnet18", 16);
    network(&mut graphs, "hourglass", Hourglass::init(0), mse(), 4);
    classes::<Volumes>(&mut graphs, "conv3d", 4);
    graphs.push(source("suite/dcgan:train".to_owned(), dcgan(32)));
    let adam = Adam::default();
    let amsgrad = Adam::default().weight_decay(1e-2).amsgrad(true);
    for (name, adam, count) in [("adam_10m", adam, 10_000_000), ("adam_amsgrad_1m", amsgrad, 1_000_000)] {
        graphs.push(source(format!("suite/{name}:train"), update_graph(&adam, count).expect("a graph")));
    }
    graphs
}

fn classes<M: Model<Input = f32>>(graphs: &mut Vec<Source>, name: &str, batch: usize) {
    network(graphs, name, M::init(0), cross_entropy(), batch);
}

fn network(graphs: &mut Vec<Source>, name: &str, model: impl Model<Input = f32>, loss: impl Loss, batch: usize) {
    let train = train_graph(&model, &loss, &Adam::default(), batch, 0).expect("a graph");
    let evaluate = evaluate_graph(&model, &loss, batch).expect("a graph");
    let infer = predict_graph(&model, 1).expect("a graph");
    graphs.push(source(format!("suite/{name}:train"), train));
    graphs.push(Source { follows: true, ..source(format!("suite/{name}:evaluate"), evaluate) });
    graphs.push(source(format!("suite/{name}:infer"), infer));
}

fn dcgan(batch: usize) -> Graph {
    let signature = &DcGan::PROGRAMS[0];
    let g = Builder::new(signature.name);
    g.set_mode(signature.mode);
    let input =
        |taken: &kiln::steps::Taken| g.input_of(taken.name, Type { shape: taken.ty.shape.with(0, batch), ..taken.ty });
    let inputs: Vec<_> = signature.inputs.iter().map(input).collect();
    DcGan::init(0).program(0, &g, &inputs);
    g.finish().expect("a graph")
}
