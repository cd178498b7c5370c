//! What to do about a mistake: the name that may be meant, what a file of another kind is. It changes nothing.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use kiln::CheckpointError;
use kiln::checkpoints::Checkpoints;
use kiln::weights::WeightsFile;

use crate::failure::Failure;

/// What files begin with that are no files of weights, or not such as are read.
const KINDS: [(&[u8], &str); 22] = [
    (b"GGUF", "a GGUF file of llama.cpp: convert it to safetensors with its own tools"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (of Keras, for example): write its weights as .npz or safetensors in Python"),
    (b"PAR1", "a Parquet file: it holds data, no weights"),
    (b"ARROW1", "an Arrow file: it holds data, no weights"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzipped file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd: unpack it first"),
    (b"BZh", "a file packed by bzip2: unpack it first"),
    (b"\xfd7zXZ", "a file packed by xz: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a script"),
    (b"version https://git-lfs", "a note of Git LFS in place of the file: fetch it with `git lfs pull`"),
    (b"<!DOCTYPE", "a page of HTML: did the download ask for a login?"),
    (b"<html", "a page of HTML: did the download ask for a login?"),
    (b"SQLite format 3", "a database of SQLite"),
    (b"\0\0\x08", "an IDX file: it holds data, no weights"),
];

/// That a file, or what it is called, is there.
pub fn there(what: &str, path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let hint = near_file(path).map_or(String::new(), |near| format!("; did you mean {}?", near.display()));
    Err(Failure::told(format!("there is no {what} {}{hint}", path.display())))
}

/// That a file may be written: it is not there, or is to be replaced.
pub fn vacant(path: &Path, force: bool) -> Result<(), Failure> {
    if force || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let text = format!("{} is there already: give another name, or --force to replace it", path.display());
    Err(Failure::told(text))
}

/// What stands behind a name that is none: the one that may be meant, else all.
pub fn instead<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    let all: Vec<&str> = names.clone().collect();
    match near(name, names) {
        Some(near) => format!("did you mean {near}?"),
        None if all.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", all.join(", ")),
    }
}

/// Opens a file of weights; of a folder the newest checkpoint in it.
pub fn open(path: &Path) -> Result<WeightsFile, Failure> {
    if path.is_dir() {
        return open(&newest(path)?);
    }
    WeightsFile::open(path).map_err(|error| {
        let hint = match &error {
            CheckpointError::NotFound { .. } => near_file(path).map(|near| format!("did you mean {}?", near.display())),
            CheckpointError::Foreign { .. } | CheckpointError::Truncated { .. } => {
                kind(path).map(|kind| format!("it seems to be {kind}"))
            }
            _ => None,
        };
        match hint {
            Some(hint) => Failure::told(format!("{error}; {hint}")),
            None => Failure::told(error),
        }
    })
}

/// The newest checkpoint of a folder, else the only file of weights in it.
fn newest(folder: &Path) -> Result<PathBuf, Failure> {
    let checkpoints = Checkpoints::new(folder);
    if let Some(file) = checkpoints.newest_file().or_else(|| checkpoints.best_file()) {
        return Ok(file);
    }
    let is_weights = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        [".safetensors", ".index.json", ".pt", ".pth", ".npz", ".npy"].iter().any(|end| name.ends_with(end))
    };
    let mut found: Vec<PathBuf> = entries(folder).into_iter().filter(is_weights).collect();
    found.sort();
    if let Some(index) = found.iter().find(|path| path.to_string_lossy().ends_with(".safetensors.index.json")) {
        return Ok(index.clone());
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::told(format!(
            "the folder {} has no checkpoints and no file of weights in it",
            folder.display()
        ))),
        [first, ..] => Err(Failure::told(format!(
            "the folder {} has no checkpoints and {} files of weights in it: name one, such as {}",
            folder.display(),
            found.len(),
            first.display()
        ))),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The file in the folder whose name is nearest.
fn near_file(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> =
        entries(folder).iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    let name = path.file_name()?.to_string_lossy();
    near(&name, names.iter().map(String::as_str)).map(|near| path.with_file_name(near))
}

/// The name that is meant, if one is so near that it may be.
pub fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 4).max(2);
    let distances = names.map(|other| (strsim::osa_distance(name, other), other));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, other)| other)
}

/// What a file is by its first bytes, if that is known.
fn kind(path: &Path) -> Option<&'static str> {
    let mut first = [0; 32];
    let count = File::open(path).ok()?.read(&mut first).ok()?;
    if path.extension().is_some_and(|extension| extension == "jsonl") {
        return Some("a log of a training: `kiln report` shows it");
    }
    let known = KINDS.iter().find(|(start, _)| first[..count].starts_with(start)).map(|(_, kind)| *kind);
    known.or_else(|| {
        let text = str::from_utf8(&first[..count])
            .is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
        (text && count > 0).then_some("a text")
    })
}
