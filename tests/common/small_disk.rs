//! A disk that is soon full. It knows no test.

use std::path::Path;
use std::process::Command;

use crate::folder::Folder;

/// The environment variable that tells a process of the tests of its disk.
pub const DISK: &str = "KILN_TEST_DISK";
/// The same of a folder elsewhere.
pub const ELSEWHERE: &str = "KILN_TEST_ELSEWHERE";

/// Runs an ignored test of this binary in a process that has a disk of so many bytes for its own, in a name space of its own,
/// and gives back what it prints, or nothing where the system lets us mount none.
pub fn on_small_disk(folder: &Folder, bytes: usize, test: &str) -> Option<String> {
    let (disk, elsewhere) = (folder.path("disk"), folder.path("elsewhere"));
    std::fs::create_dir(&disk).unwrap();
    let script = r#"mount -t tmpfs -o size="$3" kiln "$1" || exit 77
        exec "$2" --exact "$4" --ignored --nocapture"#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(&disk);
    command.arg(std::env::current_exe().unwrap()).args([bytes.to_string().as_str(), test]);
    let output = command.env(DISK, &disk).env(ELSEWHERE, &elsewhere).output();
    let Some(output) = output.ok().filter(|output| output.status.code() != Some(77)) else {
        println!("skipped: the system does not let us mount a small disk");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if text.contains("unshare failed") {
        println!("skipped: {text}");
        return None;
    }
    assert!(output.status.success(), "{text}");
    Some(text)
}

/// The disk and the folder elsewhere, in a process that has them.
pub fn small_disk() -> Option<[std::path::PathBuf; 2]> {
    let [disk, elsewhere] =
        [DISK, ELSEWHERE].map(|name| std::env::var_os(name).map(|path| Path::new(&path).to_owned()));
    Some([disk?, elsewhere?])
}
