//! Where an example writes its results.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The folder `target/<name>` of the build, made if it is not there: an example lies in `<target>/<profile>/examples`.
/// Whatever the folder that it was started from, and whether the sources may be written to.
pub fn folder(name: &str) -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let target = program.ancestors().nth(3).unwrap_or(Path::new("target"));
    let folder = target.join(name);
    fs::create_dir_all(&folder)?;
    // As people write it, where it is below the folder that they are in.
    Ok(env::current_dir().ok().and_then(|here| Some(folder.strip_prefix(here).ok()?.to_owned())).unwrap_or(folder))
}
