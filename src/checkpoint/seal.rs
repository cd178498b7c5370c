//! Checksums in the metadata of a safetensors file: one (CRC-32) of each tensor, with its name, element type and shape, and
//! one of everything else that the metadata says. It knows no model and writes no file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use flate2::Crc;
use safetensors::tensor::{Dtype, SafeTensors, View};

use super::CheckpointError;

/// The entry of the metadata: checksums by the names of tensors, as JSON; the one without a name is that of the metadata.
const ENTRY: &str = "kiln.crc32";
const METADATA: &str = "";
/// What the names of all notes of this crate begin with.
const OWN: &str = "kiln.";

/// What a file says beside its tensors.
pub type Notes = BTreeMap<String, String>;

/// Adds the checksums of tensors and notes to the notes.
pub fn seal<V: View>(tensors: &[(String, V)], notes: &mut Notes) {
    let mut sums: HashMap<&str, String> = HashMap::new();
    for (name, tensor) in tensors {
        sums.insert(name, of_tensor(tensor.dtype(), tensor.shape(), &tensor.data()));
    }
    sums.insert(METADATA, of_notes(notes));
    let text = serde_json::json!(sums).to_string();
    notes.insert(ENTRY.to_owned(), text);
}

/// That a file holds what was sealed, if it was: one with notes of this crate was, others (of before there were any) need not be.
/// Its notes, without the checksums, are given back.
///
/// # Errors
/// [`CheckpointError::Damaged`].
pub fn check(path: &Path, file: &SafeTensors<'_>, mut notes: Notes) -> Result<Notes, CheckpointError> {
    let damaged = |what: String| CheckpointError::Damaged { path: path.into(), what };
    let Some(text) = notes.remove(ENTRY) else {
        return match notes.keys().any(|name| name.starts_with(OWN)) {
            true => Err(damaged("the list of checksums".to_owned())),
            false => Ok(notes),
        };
    };
    let mut sums: HashMap<String, String> =
        serde_json::from_str(&text).map_err(|_| damaged("the list of checksums".to_owned()))?;
    if sums.remove(METADATA) != Some(of_notes(&notes)) {
        return Err(damaged("what is written beside the tensors".to_owned()));
    }
    for (name, tensor) in file.tensors() {
        if sums.remove(&name) != Some(of_tensor(tensor.dtype(), tensor.shape(), tensor.data())) {
            return Err(damaged(name));
        }
    }
    match sums.into_keys().min() {
        Some(lost) => Err(damaged(lost)),
        None => Ok(notes),
    }
}

fn of_tensor(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> String {
    let mut sum = Crc::new();
    sum.update(format!("{dtype} {shape:?}").as_bytes());
    sum.update(bytes);
    shown(&sum)
}

fn of_notes(notes: &Notes) -> String {
    let mut sum = Crc::new();
    sum.update(format!("{notes:?}").as_bytes());
    shown(&sum)
}

fn shown(sum: &Crc) -> String {
    format!("{:08x}", sum.sum())
}
