//! The command `kiln` in a folder: what it prints and gives back. It knows no files.
#![allow(dead_code)]

use std::process::{Command, Output};

use crate::folder::Folder;

pub fn kiln(folder: &Folder, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.current_dir(&folder.0).args(arguments.split_whitespace()).env("COLUMNS", "80").env_remove("NO_COLOR");
    command
}

/// What a run has printed, on both outputs, and given back.
pub fn run(folder: &Folder, arguments: &str) -> (String, String, i32) {
    let Output { status, stdout, stderr } = kiln(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr), status.code().unwrap())
}

pub fn check(folder: &Folder, arguments: &str, expected: &str) {
    let (out, error, status) = run(folder, arguments);
    assert_eq!((out.as_str(), error.as_str(), status), (expected, "", 0), "kiln {arguments}\n{out}");
}

/// Nothing is printed but what went wrong.
pub fn refused(folder: &Folder, arguments: &str, expected: &str) {
    let (out, error, status) = run(folder, arguments);
    assert_eq!((out.as_str(), status), ("", 2), "kiln {arguments}\n{error}");
    assert_eq!(error.trim_end(), format!("kiln: {expected}"), "kiln {arguments}");
}
