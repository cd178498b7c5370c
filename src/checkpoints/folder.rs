//! The files of a folder of checkpoints: their names, their order, the lock. It knows nothing of what they hold.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::checkpoint::CheckpointError;
use crate::files::is_temporary;

/// A folder that this process alone uses, as long as this value lives.
#[derive(Debug)]
pub struct Folder {
    pub path: PathBuf,
    lock: File,
}

/// The file whose lock says that a folder is in use.
const LOCK: &str = ".lock";
/// What files are called: `step-000000120.safetensors`.
const BEFORE: &str = "step-";
const AFTER: &str = ".safetensors";

/// A process that another thread starts at this moment holds the file, too, until it runs its program: so closing it does
/// not do.
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Folder {
    /// Makes the folder, if there is none, and locks it; removes what a killed process has left half written.
    pub fn open(path: &Path) -> Result<Folder, CheckpointError> {
        let failed = |source| CheckpointError::Write { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let lock = File::create(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CheckpointError::InUse { path: path.into() }),
            // A file system without locks: whoever uses it sees to it.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        for entry in fs::read_dir(path).map_err(failed)?.flatten() {
            if is_temporary(&entry.file_name()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Folder { path: path.into(), lock })
    }

    /// The file of a step.
    pub fn path_of(&self, step: u64) -> PathBuf {
        self.path.join(format!("{BEFORE}{step:09}{AFTER}"))
    }

    /// All checkpoints but the best.
    pub fn newest_first(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        newest_first(&self.path).map_err(|source| CheckpointError::Read { path: self.path.clone(), source })
    }

    /// Removes all but the newest.
    pub fn keep_newest(&self, count: usize) -> Result<(), CheckpointError> {
        let failed = |path: &Path, source| CheckpointError::Write { path: path.into(), source };
        for path in newest_first(&self.path).map_err(|source| failed(&self.path, source))?.into_iter().skip(count) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Renames a damaged file, so that it counts no more, and is there to be looked at.
    pub fn set_aside(&self, path: &Path) {
        let mut name = path.as_os_str().to_owned();
        name.push(".damaged");
        // Where that does not work the file stays, and is passed over the next time, too.
        let _ = fs::rename(path, name);
    }
}

/// The checkpoints in a folder, but the best.
pub fn newest_first(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(BEFORE)?.strip_suffix(AFTER));
        if let Some(step) = digits.and_then(|digits| digits.parse().ok()) {
            files.push((step, entry.path()));
        }
    }
    files.sort_unstable_by(|a, b| b.cmp(a));
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a process has it that is being started.
    #[test]
    fn a_folder_is_free_while_another_holds_its_lock_file_open() {
        let path = std::env::temp_dir().join(format!("kiln-folder-{}", std::process::id()));
        let folder = Folder::open(&path).unwrap();
        let held = folder.lock.try_clone().unwrap();
        assert!(matches!(Folder::open(&path), Err(CheckpointError::InUse { .. })));
        drop(folder);
        assert!(Folder::open(&path).is_ok());
        drop(held);
        fs::remove_dir_all(&path).unwrap();
    }
}
