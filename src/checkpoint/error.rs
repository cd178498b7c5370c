//! What can go wrong when a model is saved or loaded. Names from files are shown escaped and shortened. It knows names,
//! shapes and paths, and no format's insides.

use std::io;
use std::path::PathBuf;

use kiln_graph::names::{listed, numbers, shown};
use kiln_graph::{ParameterError, Shape};

use super::advice::advice;
use crate::distributed::ExchangeError;

/// Why a model could not be saved or loaded. After any of these the model and the file at `path` are what they
/// were before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// There is no such file.
    #[error("there is no file {}", path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file could not be written; what stood there before still does.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A number of the model is too large for the [precision](super::FilePrecision) that its file was to have.
    #[error("{}: {} holds {value:e}, which is too large for {element}: save it as {}", path.display(), shown(name), if *element == "F16" { "BF16 or F32" } else { "F32" })]
    TooLarge {
        /// The file that was to be written.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The number.
        value: f32,
        /// The element type, as safetensors names it.
        element: &'static str,
    },
    /// A parameter of the model to be saved has another shape than its layer has declared.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The file ends too early: an interrupted copy or download.
    #[error("{} is {}: it has {found} bytes, expected {expected}", path.display(), if *found == 0 { "empty" } else { "cut short" })]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that the file must have by its own header (at least, where the header itself is cut).
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// The file is not what it seems to be by its first bytes, or is damaged.
    #[error("{} is no {format} file: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it seems to be: `safetensors`, `PyTorch`, `.npz`, `index of weights`, or `checkpoint` of a training.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The file of PyTorch needs a class or a function of Python's: nothing of such a file is executed, so only tensors, numbers,
    /// texts, lists and dictionaries are read.
    #[error("{} needs Python's `{name}`, and nothing in a file is executed: save the weights alone, in PyTorch with \
             `torch.save(model.state_dict(), path)`", path.display())]
    Global {
        /// The file.
        path: PathBuf,
        /// The name, with that of its module.
        name: String,
    },
    /// The file lacks tensors that the model has.
    #[error("{} has no tensor {}, which the model needs{}{}", path.display(), listed(names), found_instead(unexpected), advice(names, unexpected))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The model's tensors that the file lacks, in the model's order.
        names: Vec<String>,
        /// The file's tensors that the model lacks, under the file's names, sorted.
        unexpected: Vec<String>,
    },
    /// The file holds tensors that the model does not have.
    #[error("{} holds {}, which the model does not have: is it the file of another model, or of a training? `load_with(path, \
             LoadOptions::new().strict(false))` passes over them", path.display(), listed(names))]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The file's tensors that the model lacks, sorted.
        names: Vec<String>,
    },
    /// No tensor of the file has a name with the prefix of [`LoadOptions::prefix`](super::LoadOptions::prefix).
    #[error("{} has no tensor whose name begins with {}: it holds {}", path.display(), shown(prefix), listed(names))]
    Prefix {
        /// The file.
        path: PathBuf,
        /// The prefix given.
        prefix: String,
        /// The file's tensors, sorted.
        names: Vec<String>,
    },
    /// Two tensors of the file get one name by [`LoadOptions::rename`](super::LoadOptions::rename).
    #[error("{}: {} and {} are both renamed to {}", path.display(), shown(&names[0]), shown(&names[1]), shown(name))]
    SameName {
        /// The file.
        path: PathBuf,
        /// The names in the file.
        names: [String; 2],
        /// What both become.
        name: String,
    },
    /// A tensor of the file has another shape than the model's.
    #[error("{}: {} has the shape {}, expected {expected}", path.display(), shown(name), numbers(found))]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shape of the model's parameter.
        expected: Shape,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of the file has elements of a type that does not become the model's: f32, which f16, bf16 and f64 do, or i64 for a
    /// [count](kiln_graph::Kind::Counter), which all whole numbers do.
    #[error("{}: {} has elements of type {found}, expected {expected}: convert it, in PyTorch with {}", path.display(), shown(name), conversion(expected))]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The element type of the model's parameter, as safetensors names it.
        expected: String,
        /// The element type in the file.
        found: String,
    },
    /// A part of the file is not what was written: its checksum differs.
    #[error("{} is damaged: the checksum of {} is not that of what was written; take another copy, or an earlier checkpoint", path.display(), shown(what))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The tensor, or what else.
        what: String,
    },
    /// The file holds the training of another model, or one with other settings.
    #[error("{} holds another training: {}", path.display(), kiln_graph::names::differences(differences))]
    Differs {
        /// The file.
        path: PathBuf,
        /// What differs, each as a sentence.
        differences: Vec<String>,
    },
    /// The file holds tensors alone, such as those of a model, where that of a training is wanted.
    #[error("{} holds no training, which `trainer.save` and `fit` write, but tensors alone: load those of a model into it, \
             `model.load(path)`, before its trainer is built", path.display())]
    NoTraining {
        /// The file.
        path: PathBuf,
    },
    /// A new training was to write into a folder with the checkpoints of an earlier one.
    #[error(
        "{} is a checkpoint of an earlier training: go on from it with `.resume()`, or give another folder",
        path.display()
    )]
    Occupied {
        /// The newest checkpoint there.
        path: PathBuf,
    },
    /// What went wrong on rank 0, which reads and writes the files of several ranks.
    #[error("on rank 0: {reason}")]
    Rank0 {
        /// The error there.
        reason: String,
    },
    /// Between the batches of which several make one step, each rank holds gradients of its own.
    #[error(
        "gradients of several batches are being added up, of which each of {ranks} ranks holds its own part: save after \
         the last of these batches, or by `Checkpoints`, on all ranks"
    )]
    Between {
        /// How many ranks there are.
        ranks: usize,
    },
    /// Ranks that train together could not bring their values together.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// Another training writes its checkpoints into the folder.
    #[error("another training uses {}: wait for it, or give another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A [count](kiln_graph::Kind::Counter) in the file that is none: negative, a fraction, or beyond 64 bits.
    #[error("{}: {} is {found}, expected a whole number from 0 to 2^63 - 1", path.display(), shown(name))]
    Count {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The number in the file.
        found: String,
    },
}

fn found_instead(unexpected: &[String]) -> String {
    if unexpected.is_empty() { String::new() } else { format!(" (but it holds {})", listed(unexpected)) }
}

/// What PyTorch calls the conversion to an element type.
fn conversion(expected: &str) -> &'static str {
    if expected == "I64" { "`.long()`" } else { "`.float()`" }
}
