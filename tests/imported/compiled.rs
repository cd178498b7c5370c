//! `onnx_model!` where it is right: types, results, a place in other models.

use kiln::onnx::{OnnxExport, OnnxModel, OnnxPredictor};
use kiln::prelude::*;
use ndarray::{Array, Array2, Array4, array};

onnx_model!("examples/data/digits.onnx");
onnx_model!(
    /// Of other names.
    #[derive(Clone, Debug)]
    struct Reader = "tests/imported/reader.onnx", width = 3, "input.1": [N, 4]
);
// A length that is free, and a weight in another file.
onnx_model!(struct Tone = "tests/imported/tone.onnx", x: [N, 3, T]);
onnx_model!(struct Features = "onnx/tests/models/digits/model.onnx" -> ["features"]);

model! {
    #[derive(Clone)]
    struct Outer {
        reader: Reader,
        head: Linear(6, 2),
    }

    fn forward(image: [N, 4], words: [N, 3; i32]) -> ([N, 2], [N; i32]) {
        let (scores, best) = reader(image, words);
        (head(scores.flatten(1, -1)), best)
    }
}

model! {
    struct Sung {
        tone: Tone,
        head: Linear(3, 4),
    }

    fn forward(x: [N, 3, S]) -> [N, 2 * S, 4] {
        let (_, both) = tone(x);
        head(both)
    }
}

pub fn images(rows: usize) -> Array4<f32> {
    Array::from_shape_fn((rows, 1, 8, 8), |(n, _, y, x)| ((n * 31 + y * 7 + x * 3) % 11) as f32 / 11.0)
}

#[test]
fn the_types_are_those_of_the_file() {
    assert_eq!((Digits::INPUT, Digits::OUTPUT), (Shape::new(&[Shape::N, 1, 8, 8]), Shape::new(&[Shape::N, 10])));
    assert_eq!(Features::OUTPUT, Shape::new(&[Shape::N, 16]));
    let types =
        |types: &[kiln::graph::Type]| types.iter().map(|ty| format!("{}{}", ty.dtype, ty.shape)).collect::<Vec<_>>();
    assert_eq!(
        (Reader::INPUT_NAMES, types(Reader::INPUTS)),
        (&["input.1", "words"][..], vec!["f32[N, 4]".into(), "i32[N, 3]".into()])
    );
    assert_eq!(
        (Reader::OUTPUT_NAMES, types(Reader::OUTPUTS)),
        (&["scores", "best"][..], vec!["f32[N, 3, 2]".into(), "i32[N]".into()])
    );
    assert_eq!(
        (types(Tone::INPUTS), types(Tone::OUTPUTS)),
        (vec!["f32[N, 3, T]".into()], vec!["f32[N, 2, T]".into(), "f32[N, 2 * T, 3]".into()])
    );
    let mut names = Vec::new();
    Digits::init(0).each_parameter(&mut |name, _| names.push(name.to_owned()));
    assert!(names.contains(&"conv1.weight".to_owned()), "{names:?}");
}

/// The same bits as the file that is loaded when the program runs.
#[test]
fn it_computes_what_the_file_does() {
    let x = images(3);
    let compiled = Predictor::new(Digits::init(7)).batch(3).threads(1).build().unwrap().predict(&x).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits.onnx");
    let loaded = OnnxPredictor::new(OnnxModel::load(path).unwrap()).batch(3).threads(1).build().unwrap();
    let outputs = loaded.given("x", &x).unwrap().run().unwrap();
    assert_eq!(&compiled, outputs.numbers("prediction").unwrap());
}

#[test]
fn several_inputs_and_outputs_pass_through_other_models() {
    let (image, words) = (array![[1.0, 0.0, 2.0, 1.0], [0.0, 1.0, 0.0, 0.0]], array![[0, 4, 1], [2, 2, 3]]);
    let (scores, best) = Predictor::new(Reader::init(0)).threads(1).build().unwrap().predict((&image, &words)).unwrap();
    // image times weight, in rows of two, beside those of the table.
    let first = array![[2.0 + 0.5, -1.0 + 1.0], [1.0 + 4.5, -3.0 + 5.0], [0.0 + 1.5, 3.0 + 2.0]];
    assert_eq!(scores.index_axis(ndarray::Axis(0), 0), first.into_dyn());
    assert_eq!(best, array![5, 1].into_dyn());
    let outer = Outer::init(1);
    let (head, again) = Predictor::new(outer.clone()).threads(1).build().unwrap().predict((&image, &words)).unwrap();
    assert_eq!((head.shape(), &again), (&[2, 2][..], &best));
    let weight = outer.head.weight.value.to_owned().into_owned().into_dimensionality::<ndarray::Ix2>().unwrap();
    let bias = outer.head.bias.as_ref().unwrap().value.to_owned().into_owned();
    let flat: Array2<f32> = scores.into_shape_with_order((2, 6)).unwrap();
    let expected = flat.dot(&weight.t()).into_dyn() + bias;
    // Sums of six products.
    assert!((&head - &expected).iter().all(|difference| difference.abs() < 1e-4), "{head} {expected}");
}

#[test]
fn a_free_length_is_any() {
    let predictor = Predictor::new(Tone::init(0)).batch(2).threads(1).build().unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported/tone.onnx");
    for length in [1, 4, 9] {
        let x = Array::from_shape_fn((2, 3, length), |(n, c, t)| ((n * 5 + c * 3 + t) % 7) as f32);
        let (y, both) = predictor.predict(&x).unwrap();
        let fixed = OnnxModel::load(&path).unwrap().shape("x", &[2, 3, length]).unwrap();
        let fixed = OnnxPredictor::new(fixed).threads(1).build().unwrap();
        let outputs = fixed.given("x", &x).unwrap().run().unwrap();
        assert_eq!((&y, &both), (outputs.numbers("y").unwrap(), outputs.numbers("z").unwrap()));
        let sung = Predictor::new(Sung::init(1)).batch(2).threads(1).build().unwrap().predict(&x).unwrap();
        assert_eq!(sung.shape(), [2, 2 * length, 4]);
    }
    // What is free in the model is free in a file of it, too.
    let mut bytes = OnnxExport::new(&Tone::init(0)).bytes().unwrap();
    assert!(OnnxModel::from_bytes(std::mem::take(&mut bytes)).unwrap().shape("x", &[3, 3, 5]).is_ok());
}
