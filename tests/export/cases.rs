//! Networks with the bytes of their files, and what they compute for some inputs, by the interpreter.

use std::collections::HashMap;

use kiln::compiled::predict_graph;
use kiln::graph::interpret::{Tensor, interpret};
use kiln::graph::shape::{Sizes, extent};
use kiln::graph::{Builder, DType, Graph, Role, Value};
use kiln::onnx::{ExportError, OnnxExport};
use kiln::prelude::*;
use kiln::random::uniform;
use kiln::steps::Taken;

use crate::examples;
use crate::networks::*;

/// A network as a file.
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub runs: Vec<Run>,
}

/// Inputs, and the outputs that belong to them, by name.
pub struct Run {
    pub inputs: Vec<(String, Tensor<f32>)>,
    pub outputs: Vec<(String, Tensor<f32>)>,
}

/// A model whose parameters and statistics are other than at the beginning.
fn changed<M: Parameters>(mut model: M) -> M {
    let mut stream = 0;
    model.each_parameter_mut(&mut |_, parameter| {
        stream += 1;
        if parameter.kind != Kind::Counter {
            let mut value = parameter.take();
            for (place, number) in value.iter_mut().enumerate() {
                *number += 0.3 * (uniform(5, 0, stream, place as u64) - 0.5);
            }
            parameter.value = value.into();
        }
    });
    model
}

/// A batch size, and sizes of free extents.
type Given<'a> = (usize, &'a [(&'a str, usize)]);

/// The sizes of a graph.
fn sizes((batch, extents): Given<'_>) -> Sizes {
    extents.iter().fold(Sizes::of_batch(batch), |all, &(name, size)| all.with(extent::free(name), size))
}

/// The results of a network's graph.
fn run(model: &impl Parameters, graph: &Graph) -> Run {
    let mut feeds: HashMap<String, Tensor<f32>> = HashMap::new();
    model.each_parameter(&mut |name, parameter| {
        let value = match parameter.count() {
            Some(_) => Tensor::ints([2], [0, 0]),
            None => Tensor::floats(parameter.shape(), parameter.value.iter().map(|&number| f64::from(number))),
        };
        feeds.insert(name.to_owned(), value);
    });
    let mut inputs = Vec::new();
    for (stream, input) in graph.inputs.iter().filter(|input| input.role == Role::Data).enumerate() {
        let ty = graph.ty(input.node);
        let random = |place: usize| uniform(7, 1, stream as u32, place as u64);
        let places = 0..ty.shape.elements();
        let value = match ty.dtype {
            DType::F32 => Tensor::floats(ty.shape, places.map(|place| f64::from(2.0 * random(place) - 1.0))),
            DType::Bf16 | DType::U8 | DType::I8 => {
                unreachable!("no input or result of a whole graph is narrow")
            }
            DType::I32 => Tensor::ints(ty.shape, places.map(|place| (4.0 * random(place)) as i32)),
            // The first of each row is none, so that something is looked at.
            DType::Bool => {
                let row = *ty.shape.dims().last().unwrap_or(&1);
                Tensor::bools(ty.shape, places.map(|place| place % row > 0 && random(place) < 0.3))
            }
        };
        inputs.push((input.name.clone(), value.clone()));
        feeds.insert(input.name.clone(), value);
    }
    let mut results = interpret(graph, &feeds).expect("results").outputs;
    let names = graph.outputs.iter().map(|output| output.name.clone());
    let outputs = names.map(|name| (name.clone(), results.remove(&name).expect("each output once"))).collect();
    Run { inputs, outputs }
}

/// A model's file, and its results for each of some sizes.
fn case<M: Model>(name: &'static str, given: &[Given<'_>]) -> Result<Case, ExportError> {
    let model = changed(M::init(3));
    let bytes = OnnxExport::new(&model).bytes()?;
    let run = |&given: &Given<'_>| run(&model, &predict_graph(&model, sizes(given)).expect("a graph"));
    Ok(Case { name, bytes, runs: given.iter().map(run).collect() })
}

/// The file of an `eval`, and its results for each of some sizes.
fn eval_case<S: Steps>(name: &'static str, model: S, eval: &str, given: &[Given<'_>]) -> Case {
    let model = changed(model);
    let bytes = OnnxExport::of_eval(&model, eval).and_then(|export| export.bytes()).expect("a file");
    let number = S::PROGRAMS.iter().position(|signature| signature.name == eval).expect("the eval");
    let run = |&given: &Given<'_>| {
        let (g, sizes) = (Builder::new(eval), sizes(given));
        let input = |taken: &Taken| g.input_of(taken.name, sizes.ty(taken.ty));
        let inputs: Vec<Value<'_>> = S::PROGRAMS[number].inputs.iter().map(input).collect();
        model.program(number, &g, sizes.batch(), &inputs);
        run(&model, &g.finish().expect("a graph"))
    };
    Case { name, bytes, runs: given.iter().map(run).collect() }
}

/// All networks that can be written.
pub fn all() -> Vec<Case> {
    let fixed: &[(usize, &[(&str, usize)])] = &[(1, &[]), (4, &[])];
    let lengths: &[(usize, &[(&str, usize)])] = &[(1, &[("T", 7)]), (3, &[("T", 4)])];
    let cases = [
        case::<LeNet>("lenet", fixed),
        case::<ResNet>("resnet", fixed),
        case::<UNet>("unet", &[(1, &[("T", 1)]), (2, &[("T", 2)])]),
        case::<Sequences>("sequences", lengths),
        case::<Projected>("projected", lengths),
        case::<Cell>("cell", fixed),
        case::<Late>("late", &[(1, &[("T", 101)]), (2, &[("T", 130)])]),
        case::<Tagger>("tagger", lengths),
        case::<Gpt>("gpt", fixed),
        case::<Generator>("generator", fixed),
        case::<Curves>("curves", fixed),
        case::<Resized>("resized", fixed),
        case::<Pools>("pools", fixed),
        case::<Padded>("padded", &[(2, &[("L", 1)]), (1, &[("L", 3)])]),
        case::<Functions>("functions", &[(2, &[]), (4, &[])]),
        case::<Counts>("counts", lengths),
        case::<Warped>("warped", fixed),
        case::<Running>("running", lengths),
        case::<examples::digit_net::DigitNet>("digits", fixed),
        case::<examples::hourglass::Hourglass>("hourglass", fixed),
        case::<examples::mnist::LeNet>("mnist", fixed),
        case::<examples::quickstart::Net>("quickstart", fixed),
    ];
    let mut cases: Vec<Case> = cases.into_iter().map(|case| case.unwrap_or_else(|error| panic!("{error}"))).collect();
    let tell: &[(usize, &[(&str, usize)])] = &[(1, &[("T", 6)]), (3, &[("T", 9)])];
    cases.extend([
        eval_case("stepped", Stepped::init(3), "tell", tell),
        eval_case("cartpole", examples::cartpole::Agent::init(3), "choose", fixed),
        eval_case("chars", examples::chars::Writer::init(3), "scores", fixed),
        eval_case("gan", examples::gan::Gan::init(3), "sample", fixed),
        eval_case("pix2pix", examples::pix2pix::Pix2Pix::init(3), "translate", fixed),
        eval_case("series", examples::series::Series::init(3), "tell", tell),
        eval_case("vae_encode", examples::vae::Vae::init(3), "encode", fixed),
        eval_case("vae_decode", examples::vae::Vae::init(3), "decode", fixed),
    ]);
    cases
}
