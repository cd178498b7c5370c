//! Everything that declaring, training and using a network takes: `use kiln::prelude::*;`.

/// The derive and the trait of this name come with one import.
pub use crate::Model;
pub use crate::checkpoint::{Checkpoint, CheckpointError, LoadOptions};
pub use crate::data::{DataError, Dataset};
pub use crate::layers::*;
pub use crate::losses::{
    BceWithLogits, CrossEntropy, L1, Loss, Mse, Reduction, bce_with_logits, cross_entropy, l1, mse,
};
pub use crate::optimizers::{
    ASGD, Adadelta, Adagrad, Adam, AdamW, Adamax, Lion, NAdam, Optimizer, RAdam, RMSprop, Rprop, Select, Sgd,
};
pub use crate::predictor::Predictor;
pub use crate::report::{DrawError, DrawGraph};
pub use crate::schedules::{
    ChainedScheduler, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, CyclicLR, ExponentialLR, LambdaLR,
    LinearLR, MultiStepLR, OneCycleLR, PolynomialLR, ReduceLROnPlateau, Schedule, SequentialLR, StepLR,
};
pub use crate::steps::Steps;
pub use crate::trainer::{Evaluation, TrainError, Trainer};
pub use kiln_graph::{Kind, Layer, Mode, Parameter, ParameterError, Parameters, Path, SetParameter, Shape};
pub use kiln_macros::model;
