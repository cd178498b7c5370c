//! A folder for each test that writes files. It knows no place but the one that cargo gives to tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many folders this process has made.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// An empty folder below `CARGO_TARGET_TMPDIR` that no other test and no other process has, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// The name is only for people who look into the folder.
    pub fn new(name: &str) -> Folder {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let own = format!("{name}-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(own);
        // What another process of the same number has left behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("tests may write to cargo's target folder");
        Folder(path)
    }

    /// The path of a file in it, which need not be there.
    #[allow(dead_code)]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it that holds these bytes.
    #[allow(dead_code)]
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        // File systems write out at once what is cut and written again, which takes milliseconds.
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names of all that is in it, in order.
    #[allow(dead_code)]
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
