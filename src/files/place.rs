//! Where a file really lies: links are followed, and what must not be replaced is told apart. It writes nothing.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::system;

/// How many links may point at one another.
const LINKS: usize = 40;

/// What a name stands for.
pub enum Place {
    /// A pipe, a device, a socket.
    Special,
    /// A regular file, or none yet.
    Regular {
        /// Its own name.
        path: PathBuf,
        /// What is there now.
        replaced: Option<Metadata>,
    },
}

impl Place {
    /// What is to be written under this name.
    ///
    /// # Errors
    /// Where it is a folder, can not be written, or names nothing.
    pub fn find(path: &Path) -> io::Result<Place> {
        let found = match fs::metadata(path) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(not_seen(path, error)),
        };
        let Some(found) = found else { return Ok(Place::Regular { path: follow(path)?, replaced: None }) };
        if found.is_dir() {
            return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        if !found.is_file() {
            return Ok(Place::Special);
        }
        if found.permissions().readonly() {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "the file is read-only; make it writable, or save under another name",
            ));
        }
        // Renaming needs no permission for the file that goes; whoever may not write it is not to replace it.
        OpenOptions::new().write(true).open(path)?;
        let path = follow(path)?;
        // A link of the system, such as that of an open file, may name what has no name any more.
        match fs::symlink_metadata(&path) {
            Ok(own) if system::are_same(&own, &found) => Ok(Place::Regular { path, replaced: Some(found) }),
            _ => Ok(Place::Special),
        }
    }
}

/// Why nothing can be said about a path, which is a matter of the folders that lead to it or of the name.
fn not_seen(path: &Path, error: io::Error) -> io::Error {
    let folder = super::folder_of(path);
    let folders = match error.kind() {
        ErrorKind::PermissionDenied => true,
        ErrorKind::NotADirectory => !folder.is_dir(),
        _ => false,
    };
    if folders { super::of_folder("look into", folder, error) } else { error }
}

/// The path behind all links at the end of a path; there need not be a file.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if path.file_name().is_none() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the path names no file"));
        }
        match fs::read_link(&path) {
            // A relative link starts at its own folder.
            Ok(target) => path = super::folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "too many links point at one another"))
}
