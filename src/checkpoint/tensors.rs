//! The tensors of a file of weights, whatever its format, which its first bytes tell. It knows no model.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::CheckpointError;
use super::{pytorch, safetensors, shards};
use crate::formats::archive::{self, Archive};
use crate::formats::bytes::Bytes;
use crate::formats::npy;
use crate::formats::tensor::Tensor;

/// Tensors by their names.
pub type Tensors = BTreeMap<String, Tensor>;

/// The tensors of a file, or of the files that an index names.
pub fn read(path: &Path) -> Result<Tensors, CheckpointError> {
    let bytes = Bytes::from(read_bytes(path)?);
    if shards::is_index(&bytes) { shards::read(path, &bytes) } else { decode(path, bytes) }
}

/// The bytes of a file.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CheckpointError::NotFound { path: path.into() },
        _ => CheckpointError::Read { path: path.into(), source },
    })
}

/// The tensors of one file.
pub fn decode(path: &Path, bytes: Bytes) -> Result<Tensors, CheckpointError> {
    if bytes.starts_with(archive::MAGIC) && !safetensors::is_one(&bytes) {
        let file = Archive::open(bytes).map_err(|reason| foreign(path, "PyTorch", reason))?;
        return if is_npz(&file) { arrays(path, &file) } else { pytorch::from_archive(path, &file) };
    }
    if pytorch::is_legacy(&bytes) && !safetensors::is_one(&bytes) {
        return pytorch::from_legacy(path, bytes);
    }
    safetensors::read(path, bytes)
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
        let array =
            file.read(name).and_then(|bytes| npy::parse(&bytes).map_err(|reason| format!("in {name}: {reason}")));
        let array = array.map_err(|reason| foreign(path, ".npz", reason))?;
        Ok((name.trim_end_matches(".npy").to_owned(), array))
    };
    file.names().map(array).collect()
}
