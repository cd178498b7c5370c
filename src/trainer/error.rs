//! What can go wrong when a model is compiled, trained or asked for predictions.

use kiln_graph::indices::IndexError;
use kiln_graph::model::NoRoom;
use kiln_graph::shape::Sizes;
use kiln_graph::{GraphError, ParameterError, Shape, Type};
use kiln_jit::{CompileError, RunError, StateError};
use kiln_rt::ThreadsError;

use super::hints::{to_fit, to_fit_input};
use crate::distributed::ExchangeError;
use crate::metrics::MetricError;
use crate::numerics::{NonFinite, Unexplained};
use crate::predictor::QuantizeError;
use crate::report::ProfileError;
use crate::tuning::TuningError;

/// Why a [`Trainer`](crate::Trainer) or a [`Predictor`](crate::Predictor) refused. Inputs are checked before anything
/// is computed: after an error the model is what it was before the call, but for [`TrainError::Exchange`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The samples have another shape than the model's input.
    #[error(
        "the model takes samples of the shape {expected}, but the batch has the shape {found:?}{}",
        to_fit(expected, found)
    )]
    InputShape {
        /// The model's input; the batch axis is `N`.
        expected: Shape,
        /// The shape of the batch given.
        found: Vec<usize>,
    },
    /// One of several inputs has another shape than the model's `forward` declares.
    #[error(
        "the model takes `{input}` of the shape {expected}, but got the shape {found:?}{}",
        to_fit_input(expected, found)
    )]
    NamedInputShape {
        /// The name of the input.
        input: &'static str,
        /// Its shape; the batch axis is `N`.
        expected: Shape,
        /// The shape given.
        found: Vec<usize>,
    },
    /// An array of another shape, given for an output to [`Predictor::predict_into`](crate::Predictor::predict_into).
    #[error("the output `{output}` has the shape {expected}, but the array for it has the shape {found:?}")]
    OutputShape {
        /// The name of the output.
        output: String,
        /// Its shape for these samples.
        expected: Shape,
        /// The array's.
        found: Vec<usize>,
    },
    /// What one of several inputs holds, where it can not be taken.
    #[error("input `{input}`: {error}")]
    Input {
        /// The name of the input.
        input: &'static str,
        /// What is wrong: [`TrainError::Empty`], [`TrainError::Index`], [`TrainError::Label`] or
        /// [`TrainError::WholeNumber`].
        #[source]
        error: Box<TrainError>,
    },
    /// Inputs of a model with different numbers of samples.
    #[error(
        "all inputs of the model have the same number of samples: `{first}` has {expected}, but `{input}` has {found}"
    )]
    InputBatch {
        /// The name of the first input.
        first: &'static str,
        /// The input that differs from the first.
        input: &'static str,
        /// The number of samples of the first.
        expected: usize,
        /// Its own.
        found: usize,
    },
    /// A free extent of the model's inputs that is not the same wherever it stands.
    #[error(
        "input `{input}`: {extent} is {found} here and {expected} {}",
        match first { Some(first) => format!("in `{first}`"), None => "along an axis of it before".to_owned() }
    )]
    Extent {
        /// The name of the input.
        input: &'static str,
        /// The free extent: `T`.
        extent: String,
        /// Its size in this input.
        found: usize,
        /// Its size in the one before.
        expected: usize,
        /// The first input that has it; none where it is this one.
        first: Option<&'static str>,
    },
    /// An axis that is not what was declared, whatever the free extent is: 7 for `2 * T`.
    #[error(
        "input `{input}`: the axis declared as {declared} has the extent {found}, which no size of at least 1 gives"
    )]
    NoExtent {
        /// The name of the input.
        input: &'static str,
        /// The declared extent.
        declared: String,
        /// The extent given.
        found: usize,
    },
    /// The name of no free extent, in `.extent(..)` of a builder.
    #[error("the model has no free extent `{found}`: its inputs have {}", quoted(known))]
    UnknownExtent {
        /// The name given.
        found: String,
        /// The names of those that there are.
        known: Vec<String>,
    },
    /// A usual size of 0, in `.extent(..)` of a builder.
    #[error("the extent `{name}` should be at least 1, but is 0")]
    ZeroExtent {
        /// The free extent.
        name: &'static str,
    },
    /// Sizes of the free extents that the model can not do with, such as fewer places than a window has.
    #[error("with {sizes}: {error}{}", if *usual { "; `.extent(NAME, SIZE)` of the builder says what build() compiles" } else { "" })]
    Sizes {
        /// The sizes: `N = 8, T = 3`.
        sizes: String,
        /// Whether these are those that `build()` compiles.
        usual: bool,
        /// What is wrong with them.
        error: GraphError,
    },
    /// The targets do not go with the model's output: class indices take one axis, numbers the output's shape.
    #[error("the targets should have the shape {expected}, but have the shape {found:?}{}", to_fit(expected, found))]
    TargetShape {
        /// What the loss takes for this batch.
        expected: Shape,
        /// The shape of the targets given.
        found: Vec<usize>,
    },
    /// Wrong targets of one output among several.
    #[error("the targets of `{target}`: {error}")]
    Target {
        /// The name of the output, or `target 2` of those that are of no output.
        target: String,
        /// What is wrong.
        #[source]
        error: Box<TrainError>,
    },
    /// A loss of nothing: `((), ())`.
    #[error("no output of the model has a loss: give one for an output at least, `(cross_entropy(), ())`")]
    NoLoss,
    /// A loss that takes no target for each sample of the model's output: cross entropy of an output without an axis of classes.
    #[error(
        "the model's output of the shape {output} takes targets of the shape {target}, not one or more for each sample: give it another axis (of classes, for cross entropy)"
    )]
    TargetBatch {
        /// The shape of the output, for a batch.
        output: Shape,
        /// The shape that the loss wants its targets to have.
        target: Shape,
    },
    /// A loss of a user's own whose [`total`](kiln_graph::losses::Loss::total) is not made of scalars.
    #[error("the {part} of the loss's `total` should be an f32 scalar, but is {found}: reduce it with sum")]
    LossTotal {
        /// `sum` or `divisor`.
        part: &'static str,
        /// Its type.
        found: Type,
    },
    /// More samples in a step than the trainer was built for.
    #[error("a step takes at most {batch} samples, but got {found}; build the trainer with .batch({found})")]
    BatchTooLarge {
        /// The trainer's batch size.
        batch: usize,
        /// The number of samples given.
        found: usize,
    },
    /// A program that needs more memory than the system gives.
    #[error(
        "a batch of {batch}{} needs {bytes} bytes of memory, which the system does not give: take a smaller batch{}",
        sizes.of_extents(" with "),
        if sizes.has_free() { ", or smaller extents" } else { "" }
    )]
    Memory {
        /// The batch size.
        batch: usize,
        /// The same, and the free extents.
        sizes: Sizes,
        /// What the program needs beside parameters and optimizer states.
        bytes: usize,
    },
    /// Rows for whose outputs or targets, of all batches together, the system gives no memory.
    #[error(
        "the {what} {shape} take {bytes} bytes of memory, which the system does not give: give fewer rows at a time"
    )]
    OutOfMemory {
        /// `outputs` or `targets`.
        what: &'static str,
        /// Their shape.
        shape: Shape,
        /// What they take.
        bytes: usize,
    },
    /// A program that does not get along with [`memory_limit`](crate::TrainerBuilder::memory_limit).
    #[error(
        "a batch of {batch}{} takes {least} bytes of memory with values computed again rather than kept, and \
         .memory_limit({limit}) was asked for: ask for that much, or take a smaller batch{}",
        sizes.of_extents(" with "),
        if sizes.has_free() { ", or smaller extents" } else { "" }
    )]
    MemoryLimit {
        /// The batch size.
        batch: usize,
        /// The same, and the free extents.
        sizes: Sizes,
        /// The limit.
        limit: usize,
        /// Bytes that are enough, parameters and what the optimizer keeps among them.
        least: usize,
    },
    /// No sample at all.
    #[error("there is no sample: the input has the shape {found:?}")]
    Empty {
        /// The shape of the input given.
        found: Vec<usize>,
    },
    /// A class label that the model has no output for.
    #[error(
        "label {found}{} is out of range: the model has {classes} classes, 0 to {}",
        kiln_graph::indices::at(place),
        classes.saturating_sub(1)
    )]
    Label {
        /// Where it stands among the labels given.
        place: Vec<usize>,
        /// The label.
        found: i128,
        /// The number of classes; labels lie below it.
        classes: usize,
    },
    /// A whole number that is neither a label nor an index: programs compute with i32.
    #[error(
        "the number {found}{} is out of range: whole numbers are i32, {} to {}",
        kiln_graph::indices::at(place),
        i32::MIN,
        i32::MAX
    )]
    WholeNumber {
        /// Where it stands among the numbers given.
        place: Vec<usize>,
        /// The number.
        found: i128,
    },
    /// An index among the samples that points at no row of the table that looks it up.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A NaN or an infinity among the numbers given, where the trainer was built with `check_finite(true)`.
    #[error("the {what} holds {found}{}; expected finite numbers", kiln_graph::indices::at(index))]
    NotFinite {
        /// `input`, `target`, or the name of a step's input.
        what: &'static str,
        /// The index of the number.
        index: Vec<usize>,
        /// The number.
        found: f32,
    },
    /// A call made NaN or infinity out of finite numbers, where the trainer was built with `check_numerics(true)`.
    #[error("{0}")]
    Numerics(Box<NonFinite>),
    /// NaN or infinity in the results of a call whose cause was not found, with `check_numerics(true)`.
    #[error("{0}")]
    Unexplained(Box<Unexplained>),
    /// A loss that was given numbers for which it is not defined, such as scores for probabilities.
    #[error(
        "{function} takes numbers from {range}, and {count} that it was given in this batch lie outside{}",
        if function == "bce" { ": end the model with Sigmoid, or take bce_with_logits, whose predictions are any numbers" } else { "" }
    )]
    Outside {
        /// The loss: `bce`.
        function: String,
        /// What it takes: `0 to 1`.
        range: String,
        /// How many numbers of its predictions, or of its targets, lie outside.
        count: usize,
    },
    /// An input of a `step` or an `eval` with another shape than declared.
    #[error(
        "`{program}` takes `{input}` of the shape {expected}, but got the shape {found:?}{}",
        to_fit(expected, found)
    )]
    StepInput {
        /// The program.
        program: &'static str,
        /// The input.
        input: &'static str,
        /// Its shape; the batch axis is `N`.
        expected: Shape,
        /// The shape given.
        found: Vec<usize>,
    },
    /// Inputs of a `step` or an `eval` with different numbers of samples.
    #[error(
        "all inputs of `{program}` have the same number of samples: the first has {expected}, but `{input}` has {found}"
    )]
    StepBatch {
        /// The program.
        program: &'static str,
        /// The input that differs from the first.
        input: &'static str,
        /// The number of samples of the first.
        expected: usize,
        /// Its own.
        found: usize,
    },
    /// A result of a `step` or an `eval` that is read as another type than it has.
    #[error("`{program}` gives `{result}` as {found}, and not as {expected}")]
    StepResult {
        /// The program.
        program: &'static str,
        /// The result.
        result: String,
        /// The type in Rust that was asked for.
        expected: &'static str,
        /// The type in Rust that it has.
        found: &'static str,
    },
    /// The name of no program.
    #[error("there is no program `{found}`: the model has {}", quoted(known))]
    UnknownProgram {
        /// The name given.
        found: String,
        /// The names of the programs.
        known: Vec<String>,
    },
    /// The name of no optimizer.
    #[error("there is no optimizer `{found}`: the model has {}", quoted(known))]
    UnknownOptimizer {
        /// The name given.
        found: String,
        /// The names of the optimizers.
        known: Vec<String>,
    },
    /// A learning rate that is negative or no number.
    #[error("the learning rate should be a finite number of at least 0, but is {found}")]
    LearningRate {
        /// The rate given.
        found: f32,
    },
    /// A metric for an optimizer whose schedule does not go by one.
    #[error(
        "{} has no schedule that goes by a metric: give it `.schedule(ReduceLROnPlateau::new())`",
        if optimizer.is_empty() { "the optimizer".to_owned() } else { format!("`{optimizer}`") }
    )]
    NoPlateau {
        /// The optimizer's name; empty for the only one of a [`Trainer`](crate::Trainer).
        optimizer: String,
    },
    /// The number of no group of parameters.
    #[error("there is no group {found}: the last one is {last}, and 0 is that of the parameters in no other")]
    UnknownGroup {
        /// The optimizer's name; empty for the only one of a [`Trainer`](crate::Trainer).
        optimizer: String,
        /// The number given.
        found: usize,
        /// The largest that there is.
        last: usize,
    },
    /// Averages that no optimizer keeps.
    #[error("no optimizer keeps averages of its parameters: give one `.ema(0.999)` or `.swa(..)`")]
    NoAverages,
    /// A setting of the builder that makes no sense.
    #[error("{setting} should be at least 1, but is 0")]
    Zero {
        /// `batch`, `threads`, `concurrent_calls` or `shards`.
        setting: &'static str,
    },
    /// The environment variable `KILN_THREADS` is no number of threads.
    #[error(transparent)]
    Environment(#[from] ThreadsError),
    /// A metric does not take what the model predicts, or the targets.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A predictor is not quantized.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The layers, the loss and the optimizer do not go together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The graph could not be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A parameter of the model has another shape than its layer has declared.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A parameter could not be handed to the compiled program, or the reverse.
    #[error(transparent)]
    State(#[from] StateError),
    /// The compiled program could not be timed.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The choices of `.tune` could not be read or kept.
    #[error(transparent)]
    Tuning(#[from] TuningError),
    /// Ranks could not bring their values together. The model may have been changed by a part of the step: go on from a
    /// checkpoint.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The compiled program could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl TrainError {
    /// Of outputs.
    pub(crate) fn outputs(NoRoom { shape, bytes }: NoRoom) -> TrainError {
        TrainError::OutOfMemory { what: "outputs", shape, bytes }
    }

    /// Of targets.
    pub(crate) fn targets(NoRoom { shape, bytes }: NoRoom) -> TrainError {
        TrainError::OutOfMemory { what: "targets", shape, bytes }
    }

    /// As an error of one input, where there are several.
    pub(crate) fn of_input(self, input: &'static str, inputs: usize) -> TrainError {
        if inputs > 1 { TrainError::Input { input, error: Box::new(self) } } else { self }
    }
}

/// `a`, `b`, or a word for none.
fn quoted(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}
