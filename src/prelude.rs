//! Everything that declaring, training and using a network takes: `use kiln::prelude::*;`. It defines nothing.

/// The derive and the trait of this name come with one import.
pub use crate::Model;
pub use crate::Precision;
pub use crate::checkpoint::{Checkpoint, CheckpointError, FilePrecision, LoadOptions, SaveOptions};
pub use crate::checkpoints::Checkpoints;
pub use crate::data::{DataError, Dataset, Loader, Source, SourceExt};
#[cfg(feature = "onnx")]
pub use crate::export::{ExportOnnx, ExportOnnxEval};
pub use crate::fit::{EarlyStopping, FitError};
pub use crate::history::History;
pub use crate::layers::*;
pub use crate::losses::{
    Bce, BceWithLogits, CrossEntropy, HingeEmbedding, Huber, JointTarget, KlDiv, L1, Loss, LossFn, Mse, MultiMargin,
    MultilabelMargin, MultilabelSoftMargin, Nll, PoissonNll, Reduction, SmoothL1, SoftCrossEntropy, SoftMargin, bce,
    bce_with_logits, cross_entropy, hinge_embedding, huber, joint_loss_fn, kl_div, l1, loss_fn, mse, multi_margin,
    multilabel_margin, multilabel_soft_margin, nll, poisson_nll, smooth_l1, soft_cross_entropy, soft_margin,
};
#[cfg(feature = "onnx")]
pub use crate::onnx_model;
pub use crate::optimizers::{
    ASGD, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Lion, Muon, NAdam, Optimizer, RAdam, RMSprop, Rprop,
    Select, Sgd,
};
pub use crate::predictor::{Calibration, Predictor, QuantizeOptions};
pub use crate::report::{DrawError, DrawGraph};
pub use crate::schedules::{
    ChainedScheduler, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, ExponentialLR, LambdaLR,
    LinearLR, MultiStepLR, MultiplicativeLR, OneCycleLR, PolynomialLR, ReduceLROnPlateau, Schedule, SequentialLR,
    StepLR,
};
pub use crate::steps::Steps;
pub use crate::trainer::{Evaluation, TrainError, Trainer};
pub use kiln_graph::{DType, Kind, Layer, Mode, Parameter, ParameterError, Parameters, Path, SetParameter, Shape};
pub use kiln_macros::model;
