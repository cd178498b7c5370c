//! What is done with any model is done with one of a file: drawn, profiled, tuned, saved, described, exported, trained, checked.

use std::time::Duration;

use kiln::graph::Parameters;
use kiln::onnx::{Description, OnnxExport, OnnxModel, OnnxPredictor};
use kiln::prelude::*;
use ndarray::{Array1, Array2, Array3};

use crate::compiled::{Digits, images};
use crate::folder::Folder;

fn loaded() -> OnnxModel {
    OnnxModel::load(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits.onnx")).unwrap()
}

#[test]
fn a_predictor_of_a_file_tells_what_others_do() {
    let folder = Folder::new("verbs");
    let predictor =
        OnnxPredictor::new(loaded()).batch(4).threads(1).check_numerics(true).tune(Duration::ZERO).build().unwrap();
    assert!(predictor.tuning().is_some());
    predictor.graph_html(folder.path("net.html")).unwrap();
    let html = std::fs::read_to_string(folder.path("net.html")).unwrap();
    assert!(html.contains("conv1") && html.contains("Conv"), "the nodes of the file are drawn");
    let profile = predictor.profile().unwrap().to_string();
    assert!(profile.contains("conv1"), "{profile}");
    let summary = predictor.summary().unwrap();
    assert_eq!(summary.parameters(), 80 + 1168 + 64 * 32 + 32 + 330);
    assert!(summary.to_string().contains("Conv [8, 1, 3, 3]") && summary.flops() > 0, "{summary}");
    // Saved under PyTorch's names, and loaded again.
    let x = images(4);
    let before = predictor.given("x", &x).unwrap().run().unwrap().numbers("prediction").unwrap().clone();
    predictor.model().save(folder.path("net.safetensors")).unwrap();
    let mut other = loaded();
    other.each_parameter_mut(&mut |_, parameter| parameter.value.fill(0.5));
    other.load(folder.path("net.safetensors")).unwrap();
    let other = OnnxPredictor::new(other).batch(4).threads(1).build().unwrap();
    assert_eq!(other.given("x", &x).unwrap().run().unwrap().numbers("prediction").unwrap(), &before);
}

#[test]
fn a_model_that_is_compiled_in_does_what_others_do() {
    let folder = Folder::new("verbs");
    Digits::init(0).graph_html(folder.path("net.html")).unwrap();
    let (x, y) = (images(8), Array1::from_iter((0..8).map(|class| class % 3)));
    let build = |model| {
        let trainer = Trainer::new(model, cross_entropy(), Adam::new(0.01)).batch(8).threads(1);
        trainer.check_numerics(true).tune(Duration::ZERO).build().unwrap()
    };
    let mut trainer = build(Digits::init(0));
    let first = trainer.step(&x, &y).unwrap();
    for _ in 0..20 {
        trainer.step(&x, &y).unwrap();
    }
    trainer.graph_html(folder.path("step.html")).unwrap();
    assert!(trainer.profile().unwrap().to_string().contains("conv1"));
    assert!(trainer.summary().unwrap().to_string().contains("Gemm [10, 32]"));
    // A training goes on from its file with the same bits.
    trainer.save(folder.path("run.safetensors")).unwrap();
    let mut again = build(Digits::init(0));
    again.load(folder.path("run.safetensors")).unwrap();
    let (one, other) = (trainer.step(&x, &y).unwrap(), again.step(&x, &y).unwrap());
    assert!(one.to_bits() == other.to_bits() && one < 0.5 * first, "{first} {one} {other}");
    // What was learned goes out again, and comes back.
    let model = trainer.into_model();
    model.export_onnx(folder.path("learned.onnx")).unwrap();
    let expected = Predictor::new(model).batch(8).threads(1).build().unwrap().predict(&x).unwrap();
    let back =
        OnnxPredictor::new(OnnxModel::load(folder.path("learned.onnx")).unwrap()).batch(8).threads(1).build().unwrap();
    let found = back.given("x", &x).unwrap().run().unwrap();
    let found = found.numbers("prediction").unwrap();
    // Sums of up to 128 products, added up in another order.
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0)), "{found} {expected}");
}

/// A file that goes out again has the element types that it came with.
#[test]
fn an_interface_keeps_its_types() {
    let folder = Folder::new("interface");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported/reader.onnx");
    let model = OnnxModel::load(&path).unwrap().with("width", 3).unwrap().shape("input.1", &[Shape::N, 4]).unwrap();
    OnnxExport::of_onnx(&model).unwrap().save(folder.path("again.onnx")).unwrap();
    let file = Description::of(folder.path("again.onnx")).unwrap();
    let words = |described: &[kiln::onnx::Described]| described.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(&file.inputs), ["input.1 f32[N, 4]", "words i64[N, 3]"]);
    assert_eq!(words(&file.outputs), ["scores f32[N, 3, 2]", "best i64[N]"]);
    let (x, words) = (Array2::from_shape_fn((2, 4), |(i, j)| (i + 2 * j) as f32), Array2::from_elem((2, 3), 2));
    let [before, after] = [model, OnnxModel::load(folder.path("again.onnx")).unwrap()].map(|model| {
        let predictor = OnnxPredictor::new(model).batch(2).threads(1).build().unwrap();
        let outputs = predictor.given("input.1", &x).unwrap().given("words", &words).unwrap().run().unwrap();
        (outputs.numbers("scores").unwrap().clone(), outputs.whole_numbers("best").unwrap().clone())
    });
    assert_eq!(before, after);
}

model! {
    struct Batched {
        lstm: LSTM(6, 8, bidirectional = true, batch_first = true),
        gru: GRU(16, 5, batch_first = true),
        fc: Linear(5, 4),
    }

    fn forward(x: [N, 9, 6]) -> [N, 9, 4] {
        let (y, _) = lstm(x);
        let (y, _) = gru(y);
        fc(y)
    }
}

/// Products of a file's recurrent layers become ones of 8 bits, too, those of their steps among them.
#[test]
fn a_file_of_recurrent_layers_is_quantized() {
    let folder = Folder::new("quantized");
    Batched::init(5).export_onnx(folder.path("net.onnx")).unwrap();
    let x = Array3::from_shape_fn((40, 9, 6), |(n, t, c)| ((n * 7 + t * 3 + c) as f32 * 0.37).sin());
    let load = || OnnxPredictor::new(OnnxModel::load(folder.path("net.onnx")).unwrap()).batch(40).threads(1);
    let run = |predictor: &OnnxPredictor| {
        predictor.given("x", &x).unwrap().run().unwrap().numbers("prediction").unwrap().clone()
    };
    let exact = run(&load().build().unwrap());
    let calibration = [("x", x.clone().into_dyn().into())];
    let predictor = load().quantize(&calibration, QuantizeOptions::new()).unwrap().build().unwrap();
    let narrow = run(&predictor);
    let report = predictor.quantization().unwrap();
    // Two directions of the LSTM and one of the GRU, each of inputs and of states; the last layer.
    assert_eq!((report.layers.len(), report.narrow()), (7, 7), "{report}");
    let square = |array: &ndarray::ArrayD<f32>| array.iter().map(|x| x * x).sum::<f32>();
    let loss = (square(&(&narrow - &exact)) / square(&exact)).sqrt();
    assert!(loss < 0.03 && report.outputs[0].loss < 0.03, "{loss}\n{report}");
    assert!(predictor.summary().unwrap().to_string().contains("8 bits: 7 of 7 products"));
}
