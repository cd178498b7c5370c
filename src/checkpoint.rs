//! Saving and loading the parameters of a model as safetensors files, with PyTorch's names, shapes and
//! layouts: `torch.nn.Module.load_state_dict(safetensors.torch.load_file(path))` takes them as they are.
//! It knows models and files; it knows no trainer and no compiled program.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kiln_graph::{Kind, Parameter, ParameterError, Parameters, Shape};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors, View, serialize};

use crate::files::replace_file;

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
    /// A parameter of the model to be saved has another shape than its layer has declared.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The file ends too early: an interrupted copy or download.
    #[error("{} is cut short: it has {found} bytes, expected {expected}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that the file must have by its own header (at least, where the header itself is cut).
        expected: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// The file is no safetensors file.
    #[error("{} is no safetensors file: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file lacks tensors that the model has.
    #[error("{} has no tensor {}, which the model needs{}", path.display(), names.join(", "), found_instead(unexpected))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The model's tensors that the file lacks, in the model's order.
        names: Vec<String>,
        /// The file's tensors that the model lacks, sorted.
        unexpected: Vec<String>,
    },
    /// The file holds tensors that the model does not have.
    #[error("{} holds {}, which the model does not have: is it the file of another model?", path.display(), names.join(", "))]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The file's tensors that the model lacks, sorted.
        names: Vec<String>,
    },
    /// A tensor of the file has another shape than the model's.
    #[error("{}: {name} has the shape {found}, expected {expected}", path.display(), found = ShapeText(found))]
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
    /// A tensor of the file has another element type than the model's: f32, or i64 for a [count](Kind::Counter).
    #[error("{}: {name} has elements of type {found}, expected {expected}: convert it, in PyTorch with {}", path.display(), conversion(expected))]
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
}

fn found_instead(unexpected: &[String]) -> String {
    if unexpected.is_empty() { String::new() } else { format!(" (but it holds {})", unexpected.join(", ")) }
}

/// What PyTorch calls the conversion to an element type.
fn conversion(expected: &str) -> &'static str {
    if expected == "I64" { "`.long()`" } else { "`.float()`" }
}

/// Extents of any number, where a [`Shape`] takes at most eight.
struct ShapeText<'a>(&'a [usize]);

impl std::fmt::Display for ShapeText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// `save` and `load` for every model; in the prelude.
pub trait Checkpoint: Parameters {
    /// Writes all parameters and buffers to a safetensors file.
    ///
    /// The file is written beside its place under another name, synced and then renamed: at any moment `path` holds
    /// either what it held before or the whole new file.
    ///
    /// # Errors
    /// [`CheckpointError::Write`]; [`CheckpointError::Parameter`] for a parameter of another shape than its layer declares.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError>;

    /// Reads all parameters and buffers from a safetensors file, which must hold exactly this model's tensors.
    ///
    /// # Errors
    /// All others of [`CheckpointError`]; the model is then as it was.
    fn load(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError>;
}

impl<P: Parameters> Checkpoint for P {
    fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        self.check_shapes()?;
        let path = path.as_ref();
        let bytes = encode(self).map_err(io::Error::other);
        bytes
            .and_then(|bytes| replace_file(path, &bytes))
            .map_err(|source| CheckpointError::Write { path: path.into(), source })
    }

    fn load(&mut self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CheckpointError::NotFound { path: path.into() },
            _ => CheckpointError::Read { path: path.into(), source },
        })?;
        let mut values = decode(self, path, &bytes)?;
        self.each_parameter_mut(&mut |name, parameter| {
            if let Some(value) = values.remove(name) {
                parameter.value = value.into();
            }
        });
        Ok(())
    }
}

/// A parameter as safetensors wants to see it.
struct Stored<'a>(&'a Parameter);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        dtype(self.0.kind)
    }

    fn shape(&self) -> &[usize] {
        self.0.value.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = self.0.value.iter();
        match self.0.kind {
            Kind::Trained | Kind::Frozen | Kind::Buffer => values.flat_map(|value| value.to_le_bytes()).collect(),
            Kind::Counter => values.flat_map(|&value| (value as i64).to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        let size = match self.0.kind {
            Kind::Trained | Kind::Frozen | Kind::Buffer => size_of::<f32>(),
            Kind::Counter => size_of::<i64>(),
        };
        size * self.0.value.len()
    }
}

/// The element type of a parameter in a file.
fn dtype(kind: Kind) -> Dtype {
    match kind {
        Kind::Trained | Kind::Frozen | Kind::Buffer => Dtype::F32,
        Kind::Counter => Dtype::I64,
    }
}

fn encode(model: &impl Parameters) -> Result<Vec<u8>, SafeTensorError> {
    let mut tensors = Vec::new();
    model.each_parameter(&mut |name, parameter| tensors.push((name.to_string(), Stored(parameter))));
    // What PyTorch's own writer says, and some readers insist on.
    let metadata = [("format".to_string(), "pt".to_string())];
    serialize(tensors, Some(metadata.into_iter().collect()))
}

/// The values of all the model's parameters, by name; nothing is changed yet.
fn decode(model: &impl Parameters, path: &Path, bytes: &[u8]) -> Result<HashMap<String, ArrayD<f32>>, CheckpointError> {
    let file = open(path, bytes)?;
    let mut expected: Vec<(String, Shape, Kind)> = Vec::new();
    model.each_parameter(&mut |name, parameter| {
        expected.push((name.to_string(), parameter.shape(), parameter.kind));
    });

    let is_known = |name: &str| expected.iter().any(|(known, ..)| known == name);
    let mut unexpected: Vec<String> =
        file.names().into_iter().filter(|name| !is_known(name)).map(str::to_string).collect();
    unexpected.sort();
    let missing: Vec<String> =
        expected.iter().filter(|(name, ..)| file.tensor(name).is_err()).map(|(name, ..)| name.clone()).collect();
    if !missing.is_empty() {
        return Err(CheckpointError::Missing { path: path.into(), names: missing, unexpected });
    }
    if !unexpected.is_empty() {
        return Err(CheckpointError::Unexpected { path: path.into(), names: unexpected });
    }

    let mut values = HashMap::new();
    for (name, shape, kind) in expected {
        let tensor = file.tensor(&name).map_err(|error| foreign(path, error))?;
        if tensor.shape() != shape.dims() {
            let found = tensor.shape().to_vec();
            return Err(CheckpointError::WrongShape { path: path.into(), name, expected: shape, found });
        }
        if tensor.dtype() != dtype(kind) {
            let (expected, found) = (dtype(kind).to_string(), tensor.dtype().to_string());
            return Err(CheckpointError::WrongType { path: path.into(), name, expected, found });
        }
        let mut numbers = kiln_rt::room(shape.elements());
        let words = tensor.data();
        match kind {
            Kind::Trained | Kind::Frozen | Kind::Buffer => {
                numbers.extend(words.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)))
            }
            Kind::Counter => numbers.extend(words.as_chunks().0.iter().map(|&word| i64::from_le_bytes(word) as f32)),
        }
        let value = ArrayD::from_shape_vec(shape.dims(), numbers).map_err(|error| foreign(path, error))?;
        values.insert(name, value);
    }
    Ok(values)
}

fn foreign(path: &Path, reason: impl ToString) -> CheckpointError {
    CheckpointError::Foreign { path: path.into(), reason: reason.to_string() }
}

/// The tensors of a file, which begins with the length of its JSON header (8 bytes) and the header. A file that ends
/// before its header says is truncated; one that does not begin so is foreign.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, CheckpointError> {
    let truncated = |expected| CheckpointError::Truncated { path: path.into(), expected, found: bytes.len() as u64 };
    let Some((length, rest)) = bytes.split_first_chunk() else { return Err(truncated(8)) };
    let length = u64::from_le_bytes(*length);
    if rest.first().is_some_and(|&byte| byte != b'{') || length > 100_000_000 {
        return Err(foreign(path, "it does not begin with a header"));
    }
    if (rest.len() as u64) < length {
        return Err(truncated(8 + length));
    }
    let (header, data) = rest.split_at(length as usize);
    let metadata: Metadata = serde_json::from_slice(header).map_err(|error| foreign(path, error))?;
    let end = metadata.data_len() as u64;
    if (data.len() as u64) < end {
        return Err(truncated((8 + length).saturating_add(end)));
    }
    SafeTensors::deserialize(bytes).map_err(|error| foreign(path, error))
}
