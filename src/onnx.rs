//! ONNX files as models: [`OnnxModel`] reads one, [`OnnxPredictor`] computes with it by the names of its inputs and
//! outputs; [`OnnxTrainer`] trains it; [`ExportOnnx`] and [`OnnxExport`] write models as such files; [`Description`]
//! says what a file holds. What the operators mean stands in the crate `kiln-onnx`.
//!
//! ```no_run
//! use kiln::onnx::{OnnxModel, OnnxPredictor};
//! use ndarray::Array2;
//!
//! let model = OnnxModel::load("voice.onnx")?.with("sr", 16_000)?.shape("input", &[1, 576])?;
//! let predictor = OnnxPredictor::new(model).threads(1).build()?;
//! let outputs = predictor.given("input", &Array2::<f32>::zeros((1, 576)))?.run()?;
//! println!("{}", outputs.numbers("output")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A model of a file is a [`Layer`](crate::graph::Layer), too, whose parameters are the file's tensors: it stands in a
//! model of one's own, beside a new head, and is trained with it, whole or in parts ([`OnnxModel::set_trained`]).

mod array;
mod description;
mod given;
mod outputs;
mod predictor;
mod trainer;
mod weights;

/// A model of the user's crate from an ONNX file, which is read while the crate is compiled: a struct that implements
/// [`Model`](crate::Model), of typed inputs and outputs, so that rustc checks the shapes where it stands in a `forward`, in a
/// trainer or a predictor.
///
/// ```
/// use kiln::prelude::*;
///
/// onnx_model!("examples/data/digits.onnx");
///
/// model! {
///     struct Parity {
///         digits: Digits,
///         head: Linear(10, 2),
///     }
///
///     fn forward(x: [N, 1, 8, 8]) -> [N, 2] {
///         head(digits(x).relu())
///     }
/// }
///
/// assert_eq!(Digits::OUTPUT, Shape::new(&[Shape::N, 10]));
/// # let _ = Parity::init(1);
/// ```
///
/// The path is relative to the manifest of the crate. The struct is public and named after the file (`thin_resnet50.onnx`:
/// `ThinResnet50`); else
///
/// ```
/// # use kiln::prelude::*;
/// onnx_model!(#[derive(Clone)] pub(crate) struct Reader = "examples/data/digits.onnx", x: [N, 1, 8, 8]);
/// ```
///
/// `"net.onnx" -> ["features"]` is the network up to a value that a node gives, such as the features in front of the last layer,
/// for a new head.
///
/// Behind the path stands what the file leaves open: shapes, `x: [N, 3, 32, 32]`, where N is any number of samples, also if the
/// file has a number there; and values on which shapes depend, `rate = 16000`, `sizes = [2, 3]`. Names that are none in
/// Rust are strings: `"input.1": [N, 8]`. An extent that the file leaves open may stay so, as in a `model!`:
/// `x: [N, T, 80]`, by a name of capital letters that is no constant. What an output has of it, rustc then knows, too:
/// `2 * T + 1`.
///
/// The file becomes a part of the program, with the files of external data that it refers to; cargo builds it anew where they
/// change, and nothing is read when the program runs. `init` makes the model with the file's parameters, whatever the seed; `load` brings others of the same
/// names. All lies in the field `onnx`, an [`OnnxModel`]: `net.onnx.set_trained(|name| ..)` says which parameters are
/// trained.
///
/// # Errors
/// Those of rustc, at the path or at what was said of an input: no such file, a damaged one, an operator that Kiln does not
/// have, an open shape.
///
/// ```compile_fail
/// # use kiln::prelude::*;
/// onnx_model!("examples/data/letters.onnx"); // there is no file ..; there is digits.onnx
/// ```
#[macro_export]
macro_rules! onnx_model {
    ($($said:tt)*) => { $crate::onnx::onnx_model_of! { $crate, $($said)* } };
}

pub use crate::export::{ExportError, ExportOnnx, ExportOnnxEval, OnnxExport};
pub use crate::onnx_model;
pub use array::OnnxArray;
pub use description::{Described, Description};
pub use kiln_onnx::{Constant, Data, Dim, Element, Fault, Input, OnnxError, OnnxModel};
#[doc(hidden)]
pub use kiln_onnx_macros::onnx_model_of;
pub use outputs::OnnxOutputs;
pub use predictor::{OnnxCall, OnnxPredictor, OnnxPredictorBuilder, OnnxRunError};
pub use trainer::{OnnxTrainer, OnnxTrainerBuilder, OnnxTrainerCall};
pub use weights::OnnxWeights;
