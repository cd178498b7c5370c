//! What is done with any model is done with one of a file: drawn, profiled, tuned, saved, described, exported, trained, checked.

use std::time::Duration;

use kiln::graph::Parameters;
use kiln::onnx::{OnnxModel, OnnxPredictor};
use kiln::prelude::*;
use ndarray::Array1;

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
