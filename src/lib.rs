//! Kiln compiles neural networks: a network is declared as a struct, its shapes are checked while Rust compiles, and
//! forward, backward and optimizer become one set of fused native kernels over one planned block of memory.
//!
//! ```
//! use kiln::prelude::*;
//! use ndarray::{Array1, Array2};
//!
//! #[derive(Model)]
//! #[model(input = [4])]
//! struct Classifier {
//!     fc1: Linear<4, 16>,
//!     act: ReLU,
//!     fc2: Linear<16, 3>,
//! }
//!
//! // 96 samples of three classes: which of the first three numbers is the largest?
//! let x = Array2::from_shape_fn((96, 4), |(i, j)| ((i * 7 + j * 13) as f32).sin());
//! let y = Array1::from_shape_fn(96, |i| (0..3).max_by(|&a, &b| x[[i, a]].total_cmp(&x[[i, b]])).unwrap_or(0));
//! let data = Dataset::new(x.into_dyn(), y.mapv(|class| class as i32)).unwrap();
//!
//! let mut trainer = Trainer::new(Classifier::init(42), cross_entropy(), Adam::default().lr(0.01)).batch(32).build()?;
//! for epoch in 0..60 {
//!     for (x, y) in data.batches(32).shuffled(epoch) {
//!         trainer.step(&x, &y)?;
//!     }
//! }
//! let evaluation = trainer.evaluate(&data.images(), &data.labels())?;
//! assert!(evaluation.accuracy > Some(0.9));
//! # Ok::<(), TrainError>(())
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | declare a network | the derive [`Model`](macro@Model) and the macro [`model!`], [`layers`] |
//! | train it | [`Trainer`], [`losses`], [`optimizers`], [`schedules`] |
//! | train several networks by steps of your own | `step` in [`model!`], [`steps`] |
//! | predict only | [`Predictor`] |
//! | save and load it, also from files of PyTorch's | [`Checkpoint`] |
//! | take a model from an ONNX file, hand one on as one | `kiln::onnx`, with the feature `onnx` |
//! | look at files of weights, and convert them | [`weights`], the command `kiln` |
//! | follow a training: logs, TensorBoard, a report for browsers | [`fit`](mod@fit), [`logs`], [`Report`] |
//! | train on several machines | [`distributed`], the crate `kiln-mpi` |
//! | read and batch data, from files of NumPy's, CSV, images | [`data`] |
//! | let it be tuned to the machine | [`TrainerBuilder::tune`], [`Trainer::tuning`] |
//! | learn where a NaN comes from | [`TrainerBuilder::check_numerics`], [`numerics`] |
//! | look at it | [`Trainer::summary`], [`Trainer::graph_html`], [`Trainer::profile`], [`Trainer::plan`], [`report`] |
//! | build a graph by hand, compile and run it | [`program`], over [`graph`] |
//!
//! Names, defaults, initialisation and layouts are PyTorch's. Mistakes are errors, and those about shapes come from
//! rustc; the few calls that panic, of a size of 0 or of a place that is not there, say so under "Panics".
#![forbid(unsafe_code)]

// What the macros expand to finds this crate by its name, here too.
extern crate self as kiln;

#[cfg(doctest)]
mod book;
mod checkpoint;
pub mod checkpoints;
pub mod data;
pub mod distributed;
#[cfg(feature = "onnx")]
mod export;
mod files;
pub mod fit;
mod formats;
mod history;
pub mod logs;
pub mod metrics;
pub mod numerics;
#[cfg(feature = "onnx")]
pub mod onnx;
mod predictor;
pub mod prelude;
pub mod program;
pub mod report;
pub mod steps;
mod trainer;
mod training;
mod tuning;
pub mod weights;

pub use checkpoint::{Checkpoint, CheckpointError, FilePrecision, IncompatibleKeys, LoadOptions, SaveOptions};
pub use fit::fit;
pub use history::{Curve, History, Point};
pub use kiln_graph as graph;
pub use kiln_graph::model::Inputs;
pub use kiln_graph::passes::Precision;
pub use kiln_graph::{functions, layers, losses, optimizers, schedules};
/// The compiler behind the graph, for its own tests and benchmarks: no promise to users.
#[doc(hidden)]
pub use kiln_jit as jit;
pub use kiln_jit::{CompileError, RunError, StateError};
pub use kiln_macros::{Model, model};
/// ONNX's messages, for tests: no promise to users.
#[cfg(feature = "onnx")]
#[doc(hidden)]
pub use kiln_onnx;
/// Buffers and threads, for tests and benchmarks: no promise to users.
#[doc(hidden)]
pub use kiln_rt as runtime;
pub use kiln_rt::random;
/// The crate of the arrays that Kiln takes and gives.
pub use ndarray;
pub use predictor::{
    Calibration, OutputDifference, Predictor, PredictorBuilder, Quantization, QuantizeError, QuantizeOptions,
    QuantizedLayer,
};
pub use report::{Report, ReportError};
pub use steps::{StepTrainer, Steps};
pub use trainer::{
    BatchTargets, Evaluation, Label, OutputEvaluation, TargetElement, Targets, TrainError, Trainer, TrainerBuilder,
};
pub use training::Training;
pub use tuning::TuningError;

/// What a compiled program is made of, as [`Trainer::plan`], [`Predictor::plan`] and [`StepTrainer::plan`] give it: calls of kernels over
/// places in memory, with their cost. It prints.
pub mod plan {
    pub use kiln_jit::layout::Layout;
    pub use kiln_jit::plan::{Argument, Call, Contracted, Location, Part, Plan, Slot};
}

/// The graphs that trainers and predictors compile, and how files are written, for `kiln-build` and the tests of the
/// compiler: no promise to users.
#[doc(hidden)]
pub mod compiled {
    pub use crate::files::replace_file;
    pub use crate::trainer::{OUTSIDE, evaluate_graph, initial_states, predict_graph, train_graph};
}

pub use kiln_graph::Model;
