//! The report of what lies in a folder. It knows the names of files, and what logs and checkpoints hold of a history.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Facts, Report, ReportError};
use crate::checkpoint::open_noted;
use crate::checkpoints::Run;
use crate::logs::{model_file, read_history};

/// A report of a folder, a log or a checkpoint.
pub fn open(path: &Path) -> Result<Report, ReportError> {
    let report = if path.is_dir() { of_folder(path)? } else { of_file(path)? };
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Ok(match folder.file_name().and_then(OsStr::to_str) {
        Some(name) => report.title(name),
        None => report,
    })
}

fn of_folder(folder: &Path) -> Result<Report, ReportError> {
    let failed = |error| ReportError::Read { path: folder.to_owned(), error };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    let is = |path: &Path, ending: &str| path.extension().is_some_and(|found| found == ending);
    // The names tell the steps; the newest comes first, and what is best last.
    files.sort_unstable_by(|a, b| b.cmp(a));
    if let Some(log) = files.iter().rfind(|path| is(path, "jsonl")) {
        return of_file(log);
    }
    let begins = |path: &Path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("step-"));
    let mut last = ReportError::Nothing { path: folder.to_owned() };
    for checkpoint in files.iter().filter(|path| is(path, "safetensors") && begins(path)) {
        match of_file(checkpoint) {
            Ok(report) => return Ok(report),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn of_file(path: &Path) -> Result<Report, ReportError> {
    let failed = |error| ReportError::Read { path: path.to_owned(), error };
    let bytes = fs::read(path).map_err(failed)?;
    if path.extension().is_some_and(|ending| ending == "safetensors") {
        let run = open_noted(path, &bytes).and_then(|(_, notes)| Run::of_notes(path, &notes));
        let (run, _) = run.map_err(|error| failed(std::io::Error::other(error)))?;
        return Ok(Report::new(&run.history));
    }
    let history =
        read_history(&bytes).map_err(|(line, reason)| ReportError::Line { path: path.to_owned(), line, reason })?;
    // A report without them is better than none.
    let facts = fs::read(model_file(path)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Report::new(&history).facts(facts.as_ref().map(Facts::of_json).unwrap_or_default()))
}
