//! ONNX files as models: [`OnnxModel`] reads one, [`OnnxPredictor`] computes with it by the names of its inputs and outputs;
//! [`ExportOnnx`] and [`OnnxExport`] write models as such files; [`Description`] says what a file holds.
//! What the operators mean stands in the crate `kiln-onnx`.
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
//! A model of a file is a [`Layer`](crate::graph::Layer), too, whose parameters are the file's tensors: it stands in a model of
//! one's own, beside a new head, and is trained with it, whole or in parts ([`OnnxModel::set_trained`]).

mod description;
mod predictor;

pub use crate::export::{ExportError, ExportOnnx, ExportOnnxEval, OnnxExport};
pub use description::{Described, Description};
pub use kiln_onnx::{Constant, Data, Dim, Element, Fault, Input, OnnxError, OnnxModel};
pub use predictor::{OnnxCall, OnnxOutputs, OnnxPredictor, OnnxPredictorBuilder, OnnxRunError};
