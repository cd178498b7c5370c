//! Checksums in the metadata of a safetensors file: one (CRC-32) of each tensor, with its name, element type and shape,
//! and one of everything else that the metadata says. It knows no model and writes no file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use flate2::Crc;
use safetensors::tensor::{SafeTensors, TensorView, View};

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
    // In order of the alphabet, so that the same tensors give the same bytes.
    let mut sums: BTreeMap<&str, String> = BTreeMap::new();
    for (name, tensor) in tensors {
        sums.insert(name, of_tensor(&tensor.dtype().to_string(), tensor.shape(), &tensor.data()));
    }
    sums.insert(METADATA, of_notes(notes));
    let text = serde_json::json!(sums).to_string();
    notes.insert(ENTRY.to_owned(), text);
}

/// The checksums of a file's tensors.
#[derive(Debug)]
pub struct Seal(HashMap<String, String>);

/// Takes the checksums out of the notes of a file, if it was sealed: one with notes of this crate was, others (of before there
/// were any) need not be.
///
/// # Errors
/// [`CheckpointError::Damaged`] where the notes are not those that were sealed.
pub fn take(path: &Path, notes: &mut Notes) -> Result<Option<Seal>, CheckpointError> {
    let damaged = |what: &str| CheckpointError::Damaged { path: path.into(), what: what.to_owned() };
    let Some(text) = notes.remove(ENTRY) else {
        return match notes.keys().any(|name| name.starts_with(OWN)) {
            true => Err(damaged("the list of checksums")),
            false => Ok(None),
        };
    };
    let mut sums: HashMap<String, String> =
        serde_json::from_str(&text).map_err(|_| damaged("the list of checksums"))?;
    match sums.remove(METADATA) == Some(of_notes(notes)) {
        true => Ok(Some(Seal(sums))),
        false => Err(damaged("what is written beside the tensors")),
    }
}

/// What the names of the notes of this crate begin with.
pub fn is_own(note: &str) -> bool {
    note.starts_with(OWN)
}

impl Seal {
    /// Whether a tensor, whose element type is called so, is what was sealed.
    pub fn fits(&self, name: &str, element: &str, shape: &[usize], bytes: &[u8]) -> bool {
        self.0.get(name).is_some_and(|sum| *sum == of_tensor(element, shape, bytes))
    }

    /// A tensor that was sealed and is none of these.
    pub fn lost<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<&str> {
        let names: HashSet<&str> = names.collect();
        self.0.keys().map(String::as_str).filter(|name| !names.contains(name)).min()
    }
}

/// That a file holds what was sealed, if it was. Its notes, without the checksums, are given back.
///
/// # Errors
/// [`CheckpointError::Damaged`].
pub fn check(path: &Path, file: &SafeTensors<'_>, mut notes: Notes) -> Result<Notes, CheckpointError> {
    let Some(seal) = take(path, &mut notes)? else { return Ok(notes) };
    let fits = |(name, tensor): &(&str, TensorView<'_>)| {
        seal.fits(name, &tensor.dtype().to_string(), tensor.shape(), tensor.data())
    };
    let damaged = file.iter().find(|tensor| !fits(tensor)).map(|(name, _)| name);
    match damaged.or_else(|| seal.lost(file.iter().map(|(name, _)| name))) {
        Some(what) => Err(CheckpointError::Damaged { path: path.into(), what: what.to_owned() }),
        None => Ok(notes),
    }
}

fn of_tensor(element: &str, shape: &[usize], bytes: &[u8]) -> String {
    let mut sum = Crc::new();
    sum.update(format!("{element} {shape:?}").as_bytes());
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
