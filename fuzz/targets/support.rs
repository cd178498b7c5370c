//! The bytes of a run as a file.

use std::fs;
use std::path::Path;

/// Calls a reader with a file of these bytes in a folder of this process, below that for temporary files.
pub fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = std::env::temp_dir().join(format!("kiln-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("file");
    fs::write(&path, bytes).unwrap();
    read(&path);
    fs::remove_file(path).unwrap();
}
