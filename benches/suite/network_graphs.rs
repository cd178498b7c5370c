//! The graphs of the suite's cases, with its batch sizes, before any pass.

use kiln::compiled::{evaluate_graph, predict_graph, train_graph};
use kiln::graph::{Builder, Graph, Type};
use kiln::prelude::*;

use crate::adversaries::DcGan;
use crate::networks::{
    Characters, Gpt, Hourglass, LeNet, MlpMnist, MlpTiny, ModuleList, Recurrent, ResNet18, Transformer, VggBn, Volumes,
    update_graph,
};

/// A graph to plan.
pub struct Source {
    /// Its name.
    #[allow(dead_code)] // Nothing that is measured is named.
    pub name: String,
    /// The graph, before any pass.
    pub graph: Graph,
    /// Whether it shares its states with the one before, and takes them as they lie there.
    pub follows: bool,
}

/// A graph with states of its own.
pub fn source(name: String, graph: Graph) -> Source {
    Source { name, graph, follows: false }
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
    graphs.push(source("suite/dcgan:train".to_owned(), step(&DcGan::init(0), 32)));
    classes::<Transformer>(&mut graphs, "transformer", 16);
    classes::<Recurrent>(&mut graphs, "lstm", 32);
    graphs.push(source("suite/gpt:train".to_owned(), step(&Characters::init(0), 8)));
    graphs.push(source("suite/gpt:infer".to_owned(), predict_graph(&Gpt::init(0), 1).expect("a graph")));
    let adam = Adam::default();
    let amsgrad = Adam::default().weight_decay(1e-2).amsgrad(true);
    for (name, adam, count) in [("adam_10m", adam, 10_000_000), ("adam_amsgrad_1m", amsgrad, 1_000_000)] {
        graphs.push(source(format!("suite/{name}:train"), update_graph(&adam, count).expect("a graph")));
    }
    graphs
}

fn classes<M: Model<Input = f32, Output = f32>>(graphs: &mut Vec<Source>, name: &str, batch: usize) {
    network(graphs, name, M::init(0), cross_entropy(), batch);
}

fn network(
    graphs: &mut Vec<Source>,
    name: &str,
    model: impl Model<Input = f32, Output = f32>,
    loss: impl Loss,
    batch: usize,
) {
    let train = train_graph(&model, &loss, &Adam::default(), batch, 0).expect("a graph");
    let evaluate = evaluate_graph(&model, &loss, &[], batch).expect("a graph");
    let infer = predict_graph(&model, 1).expect("a graph");
    graphs.push(source(format!("suite/{name}:train"), train));
    graphs.push(Source { follows: true, ..source(format!("suite/{name}:evaluate"), evaluate) });
    graphs.push(source(format!("suite/{name}:infer"), infer));
}

/// The first program of a model.
fn step<M: Steps>(model: &M, batch: usize) -> Graph {
    let signature = &M::PROGRAMS[0];
    let g = Builder::new(signature.name);
    g.set_mode(signature.mode);
    let input =
        |taken: &kiln::steps::Taken| g.input_of(taken.name, Type { shape: taken.ty.shape.with(0, batch), ..taken.ty });
    let inputs: Vec<_> = signature.inputs.iter().map(input).collect();
    model.program(0, &g, batch, &inputs);
    g.finish().expect("a graph")
}
