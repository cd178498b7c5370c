//! The tensors of a file of weights, whatever its format, which its first bytes tell. None of their numbers is read
//! here, and no model is known.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::{fmt, io};

use super::seal::Notes;
use super::{CheckpointError, pytorch, safetensors, shards};
use crate::formats::archive::{self, Archive};
use crate::formats::npy;
use crate::formats::part::Part;
use crate::formats::tensor::{Tensor, Unread};

/// A format of files of weights; it prints as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A safetensors file, also a checkpoint of a training.
    Safetensors,
    /// An index of safetensors files, such as `model.safetensors.index.json`.
    Index,
    /// What PyTorch's `torch.save` wrote, now or before version 1.6.
    PyTorch,
    /// Arrays of NumPy's in a zip archive.
    Npz,
    /// An array of NumPy's.
    Npy,
    /// An ONNX file: its constants. Read with the feature `onnx`.
    Onnx,
}

impl Format {
    /// What errors call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Safetensors => "safetensors",
            Format::Index => "index of weights",
            Format::PyTorch => "PyTorch",
            Format::Npz => ".npz",
            Format::Npy => ".npy",
            Format::Onnx => "ONNX",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Tensors by their names.
pub type Named = BTreeMap<String, Tensor>;

/// What a file holds.
#[derive(Debug)]
pub struct Tensors {
    pub format: Format,
    /// What it says beside its tensors.
    pub notes: Notes,
    pub named: Named,
}

impl Tensors {
    /// The error of a tensor that can not be read as numbers that it must have.
    pub fn unread(&self, path: &Path, name: &str, unread: Unread) -> CheckpointError {
        let reason = match unread {
            Unread::Misfit(misfit) => format!("its number {} is {}", misfit.place, misfit.found),
            Unread::File(reason) => reason,
        };
        foreign(path, self.format.name(), format!("{}: {reason}", kiln_graph::names::shown(name)))
    }
}

/// The tensors of a file, or of the files that an index names.
pub fn read(path: &Path) -> Result<Tensors, CheckpointError> {
    let file = open(path)?;
    if shards::is_index(path, &file)? { shards::read(path, &file) } else { decode(path, file) }
}

/// A file, none of which is read yet. What can not be read at a place of one's own, such as a pipe, is read whole.
pub fn open(path: &Path) -> Result<Part, CheckpointError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => CheckpointError::NotFound { path: path.into() },
        _ => CheckpointError::Read { path: path.into(), source },
    };
    let mut file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
    }
    if found.is_file() {
        return Part::of_file(file).map_err(failed);
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes).map_err(failed)?;
    Ok(crate::formats::bytes::Bytes::from(bytes).into())
}

/// The first bytes of a file.
pub fn beginning(path: &Path, file: &Part, count: usize) -> Result<crate::formats::bytes::Bytes, CheckpointError> {
    let failed = |reason| CheckpointError::Read { path: path.into(), source: io::Error::other(reason) };
    file.beginning(count).map_err(failed)
}

/// The tensors of one file.
pub fn decode(path: &Path, file: Part) -> Result<Tensors, CheckpointError> {
    let first = beginning(path, &file, 16)?;
    if !safetensors::is_one(&first) {
        if first.starts_with(archive::MAGIC) {
            let file = Archive::open(file).map_err(|reason| foreign(path, "PyTorch", reason))?;
            return if is_npz(&file) { arrays(path, &file) } else { pytorch::from_archive(path, &file) };
        }
        if pytorch::is_legacy(&first) {
            return pytorch::from_legacy(path, file);
        }
        if first.starts_with(npy::MAGIC) {
            return array(path, &file);
        }
        #[cfg(feature = "onnx")]
        if super::onnx::is_one(path, &first) {
            return super::onnx::read(path, file);
        }
    }
    safetensors::read(path, file)
}

/// That a file is not what it should be.
pub fn foreign(path: &Path, format: &'static str, reason: String) -> CheckpointError {
    CheckpointError::Foreign { path: path.into(), format, reason }
}

fn is_npz(file: &Archive) -> bool {
    file.names().all(|name| name.ends_with(".npy"))
}

/// The arrays of an `.npz` file.
fn arrays(path: &Path, file: &Archive) -> Result<Tensors, CheckpointError> {
    let array = |name: &str| {
        let array = file.part(name).and_then(|part| npy::parse(&part).map_err(|reason| format!("in {name}: {reason}")));
        let array = array.map_err(|reason| foreign(path, ".npz", reason))?;
        Ok((name.trim_end_matches(".npy").to_owned(), array))
    };
    let named = file.names().map(array).collect::<Result<_, CheckpointError>>()?;
    Ok(Tensors { format: Format::Npz, notes: Notes::new(), named })
}

/// The array of an `.npy` file, which has the name of the file.
fn array(path: &Path, file: &Part) -> Result<Tensors, CheckpointError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let array = npy::parse(file).map_err(|reason| foreign(path, ".npy", reason))?;
    Ok(Tensors { format: Format::Npy, notes: Notes::new(), named: Named::from([(name, array)]) })
}
