//! The project's own small ONNX files: predictions by names, errors.

use std::path::{Path as FilePath, PathBuf};

use kiln::onnx::{OnnxError, OnnxModel, OnnxPredictor, OnnxRunError};
use ndarray::{Array, Array2, Array4, Axis};

fn file(name: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("onnx/tests/models").join(name).join("model.onnx")
}

/// All of them.
pub fn run() {
    names_and_rows();
    mistakes();
}

fn image(rows: usize) -> Array4<f32> {
    Array::from_shape_fn((rows, 1, 8, 8), |(n, _, y, x)| ((n * 31 + y * 7 + x * 3) % 11) as f32 / 11.0)
}

/// A free number of rows: a row's result is the same among others; numbers of rows are programs that are kept.
fn names_and_rows() {
    let model = OnnxModel::load(file("digits")).unwrap();
    assert_eq!(model.opset(), 17);
    let described: Vec<String> = model
        .inputs()
        .iter()
        .map(|input| {
            let dims: Vec<String> = input.shape.iter().flatten().map(ToString::to_string).collect();
            format!("{} {}", input.name, dims.join(" "))
        })
        .collect();
    assert_eq!(described, ["x batch 1 8 8"]);
    assert_eq!(model.outputs(), ["y"]);
    let predictor = OnnxPredictor::new(model).batch(2).threads(1).build().unwrap();
    let all = predictor.given("x", &image(3)).unwrap().run().unwrap();
    let one = predictor.given("x", &image(1)).unwrap().run().unwrap();
    let (all, one) = (all.numbers("y").unwrap(), one.numbers("y").unwrap());
    assert_eq!((all.shape(), one.shape()), (&[3, 4][..], &[1, 4][..]));
    let difference = (&all.index_axis(Axis(0), 0) - &one.index_axis(Axis(0), 0)).mapv(f32::abs).sum();
    assert!(difference < 1e-5, "{difference}");
    // The file's own parameters come back, in its shapes.
    let names: Vec<(String, Vec<usize>)> = predictor
        .model()
        .parameters()
        .map(|(name, parameter)| (name.to_owned(), parameter.value.shape().to_vec()))
        .collect();
    assert!(names.contains(&("conv.weight".to_owned(), vec![8, 1, 3, 3])), "{names:?}");
    assert!(predictor.model().parameters().all(|(_, parameter)| parameter.value.iter().all(|x| x.is_finite())));
}

fn mistakes() {
    let check = |result: String, expected: &str| assert_eq!(result, expected);
    let load = || OnnxModel::load(file("digits")).unwrap();
    let said = |error: OnnxError| error.to_string();
    check(said(load().shape("z", &[1]).unwrap_err()), "the model has no input `z`; it has `x`");
    check(
        said(load().shape("x", &[3, 2, 8, 8]).unwrap_err()),
        "input `x`: the shape should be [batch, 1, 8, 8], but is [3, 2, 8, 8]",
    );
    check(said(load().with_outputs(&["q"]).unwrap_err()), "no node gives `q`");
    let predictor = OnnxPredictor::new(load()).threads(1).build().unwrap();
    let said = |error: OnnxRunError| error.to_string();
    check(
        said(predictor.given("x", &Array2::<f32>::zeros((2, 2))).err().unwrap()),
        "input `x` is f32[N, 1, 8, 8], where N is the number of rows, but what was given is f32[2, 2]",
    );
    check(said(predictor.call().run().unwrap_err()), "input `x` was not given: f32[N, 1, 8, 8]");
    let outputs = predictor.given("x", &image(1)).unwrap().run().unwrap();
    check(said(outputs.numbers("z").unwrap_err()), "the model has no output `z`; it has `y`");
    check(said(outputs.flags("y").unwrap_err()), "output `y` holds f32, not bool");
}
