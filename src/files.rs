//! Writing files so that nobody ever sees half of one, and nothing but their contents changes. It knows no contents.
//!
//! The new contents are written beside the file under another name, synced, given the mode and the owner of the file,
//! and renamed: at any moment the file holds either what it held before or all that is new.
//!
//! * A link is followed: the file that it points at is replaced (or made), the link stays.
//! * What is no regular file (a pipe, `/dev/null`) is never replaced; it is written to, as any program does.
//! * A file that can not be written, such as a read-only one, is not replaced either: that is an error.
//! * Other names of the same file (hard links) keep what they had; so do programs that have it open. Lists of access
//!   rights and other attributes beside mode, owner and group are not carried over.

mod place;
#[cfg(not(unix))]
#[path = "files/other.rs"]
mod system;
#[cfg(unix)]
#[path = "files/unix.rs"]
mod system;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use place::Place;

/// Makes `bytes` the contents of the file at `path`.
///
/// # Errors
/// Those of the file system; the file then is as it was, and nothing else is left. Where not the file but its folder is in the
/// way, the error names the folder.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_file_with(path, |file| file.write_all(bytes))
}

/// [`replace_file`] with contents that are written piece by piece, so that not all of them need be in memory.
pub fn replace_file_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    match Place::find(path)? {
        Place::Special => write_into(path, write),
        Place::Regular { path, replaced } => {
            let temporary = Temporary::beside(&path, replaced.is_some())?;
            temporary.write(write, replaced.as_ref())?;
            temporary.rename(&path)
        }
    }
}

/// [`replace_file_and_folder`], with errors that name the file.
pub fn save_report(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
    replace_file_and_folder(path, bytes).map_err(named)
}

/// [`replace_file`], after making the folder if it is not there.
pub fn replace_file_and_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_folder_of(path)?;
    replace_file(path, bytes)
}

/// Makes the folder of a file if it is not there.
pub fn make_folder_of(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder).map_err(|error| of_folder("make", folder, error))
}

/// That a file can be replaced, as far as that can be known before.
pub fn check_replaceable(path: &Path) -> io::Result<()> {
    match Place::find(path)? {
        Place::Special => Ok(()),
        // It is removed again at once.
        Place::Regular { path, replaced } => Temporary::beside(&path, replaced.is_some()).map(|_| ()),
    }
}

/// Whether a file of this name is one that [`replace_file`] was writing: half of a file, unless its process is at it.
pub fn is_temporary(name: &OsStr) -> bool {
    let text = name.to_str().unwrap_or_default();
    text.starts_with(BEFORE) && text.ends_with(AFTER)
}

/// What temporary files are called: `.kiln-` and numbers and `.tmp`.
const BEFORE: &str = ".kiln-";
const AFTER: &str = ".tmp";

/// Writes to what is no regular file. Whoever reads a pipe is waited for.
fn write_into(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    write(&mut file)?;
    // Not everything can be synced.
    let _ = file.sync_all();
    Ok(())
}

/// A file under a name of its own, which is removed when it is dropped, unless it was renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temporary {
    /// In the folder of `path`. Where it is to replace a file, nobody but its owner can read it yet.
    fn beside(path: &Path, replaces: bool) -> io::Result<Temporary> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        loop {
            // Short, so that it fits wherever the name itself does.
            let name = format!("{BEFORE}{}-{}{AFTER}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = path.with_file_name(name);
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            if replaces {
                system::for_owner_alone(&mut options);
            }
            match options.open(&path) {
                Ok(file) => return Ok(Temporary { path, file, renamed: false }),
                // A process of the same number has left it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(of_folder("write to", folder_of(&path), error)),
            }
        }
    }

    fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        replaced: Option<&fs::Metadata>,
    ) -> io::Result<()> {
        write(&mut &self.file)?;
        if let Some(replaced) = replaced {
            system::resemble(&self.file, replaced)?;
        }
        self.file.sync_all()
    }

    fn rename(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path).map_err(|error| of_folder("replace it in", folder_of(path), error))?;
        self.renamed = true;
        sync_folder(folder_of(path));
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An error in whose way the folder is.
fn of_folder(action: &str, folder: &Path, error: io::Error) -> io::Error {
    // A full disk is no matter of the folder.
    if error.kind() == ErrorKind::StorageFull {
        return error;
    }
    let text = match error.kind() {
        ErrorKind::NotFound => format!("there is no folder {}", folder.display()),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => format!("{} is no folder", folder.display()),
        _ => format!("cannot {action} its folder {}: {error}", folder.display()),
    };
    io::Error::new(error.kind(), text)
}

/// Makes a renaming last through a power failure, where the system can sync a folder. Where it can not, the
/// file is in its place all the same.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}
