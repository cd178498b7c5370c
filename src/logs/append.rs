//! A file that grows by whole records; or a pipe or a device, which takes them and keeps nothing. It knows no format.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::LogError;
use crate::files::make_folder_of;

/// A file that is opened when it is first written to.
#[derive(Debug)]
pub struct Append {
    path: PathBuf,
    /// The file, and how many of its bytes are whole records; no number where it is no regular file.
    open: Option<(File, Option<u64>)>,
}

impl Append {
    pub fn new(path: &Path) -> Append {
        Append { path: path.into(), open: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was opened.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether it is open and keeps what is written: no pipe, and no device.
    pub fn keeps(&self) -> bool {
        matches!(self.open, Some((_, Some(_))))
    }

    /// Lets it be opened anew.
    pub fn close(&mut self) {
        self.open = None;
    }

    pub fn failed(&self, source: std::io::Error) -> LogError {
        LogError::Write { path: self.path.clone(), source }
    }

    /// Opens it, made if it is not there, and keeps so many of its bytes; what they are, for `kept` to look at.
    pub fn open(&mut self, kept: impl FnOnce(&[u8]) -> Result<usize, LogError>) -> Result<(), LogError> {
        let failed = |source| LogError::Write { path: self.path.clone(), source };
        make_folder_of(&self.path).map_err(failed)?;
        if fs::metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            // There is nothing to be read, and of some (`/dev/full`) no end.
            let file = OpenOptions::new().write(true).open(&self.path).map_err(failed)?;
            kept(&[])?;
            self.open = Some((file, None));
            return Ok(());
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path);
        let mut file = options.map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let kept = kept(&bytes)?;
        if kept < bytes.len() {
            file.set_len(kept as u64).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(kept as u64)).map_err(failed)?;
        self.open = Some((file, Some(kept as u64)));
        Ok(())
    }

    /// Adds a record, or nothing.
    pub fn write(&mut self, record: &[u8]) -> Result<(), LogError> {
        if self.open.is_none() {
            self.open(|bytes| Ok(bytes.len()))?;
        }
        let Some((file, length)) = &mut self.open else { return Ok(()) };
        let written = file.write_all(record);
        if let Some(length) = length {
            match written {
                Ok(()) => *length += record.len() as u64,
                // What was written of it goes again, so that the next one stands where it must.
                Err(_) => drop(file.set_len(*length).and_then(|()| file.seek(SeekFrom::Start(*length)))),
            }
        }
        written.map_err(|source| self.failed(source))
    }
}

/// How many bytes the lines have that are whole, up to the first that is not to be kept.
pub fn whole_lines(bytes: &[u8], mut keeps: impl FnMut(&[u8]) -> bool) -> usize {
    let mut kept = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if !line.ends_with(b"\n") || !keeps(&line[..line.len() - 1]) {
            break;
        }
        kept += line.len();
    }
    kept
}
