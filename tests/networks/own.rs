//! The project's own small ONNX files: predictions by names, errors, fine-tuning with a new head.

use std::path::{Path as FilePath, PathBuf};

use kiln::data::CsvOptions;
use kiln::graph::model::Path;
use kiln::graph::{Builder, Init, Parameter, Shape, Value};
use kiln::onnx::{OnnxError, OnnxModel, OnnxPredictor, OnnxRunError};
use kiln::prelude::*;
use ndarray::{Array, Array2, Array4, ArrayD, Axis};

fn file(name: &str) -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("onnx/tests/models").join(name).join("model.onnx")
}

/// All of them.
pub fn run() {
    names_and_rows();
    mistakes();
    tuned();
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
    check(said(load().with_outputs(&["q"]).unwrap_err()), "this is no ONNX file, or a damaged one: no node gives `q`");
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

/// The network of the file up to its features.
struct Backbone(OnnxModel);

impl Layer for Backbone {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.0.forward(g, x)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.0.visit(path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        self.0.describe(path, f);
    }
}

impl Model for Backbone {
    type Input = f32;
    type Output = f32;
    const INPUT: Shape = Shape::new(&[Shape::N, 1, 8, 8]);
    const OUTPUT: Shape = Shape::new(&[Shape::N, 16]);

    fn new(_: &mut Init) -> Backbone {
        Backbone(OnnxModel::load(file("digits")).and_then(|model| model.with_outputs(&["features"])).unwrap())
    }
}

model! {
    struct Tuned {
        body: Backbone,
        head: Linear(16, 10),
    }

    fn forward(x: [N, 1, 8, 8]) -> [N, 10] {
        head(body(x))
    }
}

fn weight(model: &Tuned, name: &str) -> ArrayD<f32> {
    let mut found = None;
    model.each_parameter(&mut |own, parameter| {
        if own == name {
            found = Some(parameter.value.to_owned().into_owned());
        }
    });
    found.expect(name)
}

/// A new head learns the digits over old layers that stay as they are, then with them.
fn tuned() {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits.csv.gz");
    let cells = CsvOptions::new().header(false).read(path).unwrap().all::<f32>().unwrap();
    let (x, y) = cells.view().split_at(Axis(1), 64);
    let x = (&x / 16.0).into_shape_with_order((x.nrows(), 1, 8, 8)).unwrap();
    let y = y.column(0).mapv(|digit| digit as i32);
    let rows = 512;
    let (x, y) = (x.slice_move(ndarray::s![..rows, .., .., ..]), y.slice_move(ndarray::s![..rows]));
    let mut model = Tuned::init(1);
    // What only the old head needed is gone.
    let mut names = Vec::new();
    model.each_parameter(&mut |name, _| names.push(name.to_owned()));
    assert!(!names.iter().any(|name| name.contains("body.head")), "{names:?}");
    model.body.0.set_trained(|_| false);
    let before = weight(&model, "body.conv.weight");
    let statistics = weight(&model, "body.bn.running_mean");
    let mut losses = Vec::new();
    for (frozen, epochs) in [(true, 12), (false, 12)] {
        if !frozen {
            model.body.0.set_trained(|_| true);
        }
        let mut trainer = Trainer::new(model, cross_entropy(), Adam::new(0.01)).batch(64).threads(1).build().unwrap();
        let mut last = f32::NAN;
        for _ in 0..epochs {
            for start in (0..rows).step_by(64) {
                let part = start..start + 64;
                let (x, y) = (x.slice(ndarray::s![part.clone(), .., .., ..]), y.slice(ndarray::s![part]));
                last = trainer.step(&x, &y).unwrap();
            }
        }
        losses.push(last);
        model = trainer.into_model();
        assert_eq!(weight(&model, "body.conv.weight") == before, frozen);
        // The file's statistics stay: it was made to predict.
        assert_eq!(weight(&model, "body.bn.running_mean"), statistics);
    }
    assert!(losses[0] < 1.0 && losses[1] < 0.5 * losses[0], "{losses:?}");
}
