//! What rustc says to the user: each case in `tests/ui` fails with exactly the words beside it, those in `tests/ui/pass`
//! compile and run. `BLESS=1 cargo test --test ui` rewrites the words; read them as a user would.
//!
//! A case is given to rustc itself, with the libraries that cargo has built for this test: no second build, no package for it.

#[path = "common/diagnostics.rs"]
mod diagnostics;
#[path = "common/folder.rs"]
mod folder;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, thread};

use folder::Folder;

/// What compiles is part of this program.
#[path = "ui/pass"]
mod pass {
    mod activations;
    mod along_axes;
    mod dropout;
    mod embedding;
    mod forms;
    mod forward;
    mod frozen;
    mod functions;
    mod lenet;
    mod norms;
    mod resample;
    mod spatial_axes;
    mod steps;
}

/// The libraries that a case may name.
const LIBRARIES: [&str; 2] = ["kiln", "ndarray"];

/// The manifest of the package that the cases seem to be of.
const MANIFEST: &str = "[package]\nname = \"cases\"\n\n[dependencies]\nkiln = \"*\"\nndarray = \"*\"\n";

#[test]
fn mistakes_are_explained_where_they_are_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = libraries(root);
    let folder = Folder::new("ui");
    folder.file("Cargo.toml", MANIFEST.as_bytes());
    let bless = env::var_os("BLESS").is_some_and(|value| value == "1");
    let cases = rust_files(&root.join("tests/ui"));
    assert!(cases.len() > 50, "the cases have moved");
    let (waiting, failures) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let work = || {
        while let Some(name) = { waiting.lock().unwrap().next() } {
            let found = words(root, &folder, &libraries, name);
            let file = root.join("tests/ui").join(name).with_extension("stderr");
            let expected = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
            if found.as_ref().is_ok_and(|found| *found == expected) {
                continue;
            }
            match found {
                Ok(found) if bless => fs::write(&file, found).unwrap(),
                Ok(found) => failures.lock().unwrap().push(difference(name, &expected, &found)),
                Err(reason) => failures.lock().unwrap().push(format!("{name}: {reason}\n")),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |number| number.get()) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.concat());
}

#[test]
fn what_compiles_is_part_of_this_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in rust_files(&root.join("tests/ui/pass")) {
        let line = format!("    mod {};", name.trim_end_matches(".rs"));
        assert!(include_str!("ui.rs").lines().any(|found| found == line), "tests/ui.rs does not name `{name}`");
    }
}

/// The names of the Rust files of a folder, in order.
fn rust_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".rs")).collect();
    names.sort();
    names
}

/// The files of the libraries that cargo has built for this test; it builds nothing if all is as it was.
fn libraries(root: &Path) -> Vec<(&'static str, PathBuf)> {
    // The program is `<target>/<profile>/deps/ui-..`, the folder for tests `<target>/tmp`.
    let program = env::current_exe().unwrap();
    let profile = program.ancestors().nth(2).and_then(|folder| folder.file_name()?.to_str()).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--no-run", "--test", "ui", "--message-format=json", "--offline", "--profile"]);
    cargo.arg(if profile == "debug" { "test" } else { profile });
    let output = cargo.arg("--target-dir").arg(target).current_dir(root).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut libraries = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = LIBRARIES.into_iter().find(|name| message["target"]["name"] == *name);
        let files = message["filenames"].as_array().map_or(&[][..], |files| files);
        let file = files.iter().filter_map(|file| file.as_str()).find(|file| file.ends_with(".rlib"));
        if let (Some(name), Some(file)) = (name, file) {
            libraries.push((name, PathBuf::from(file)));
        }
    }
    assert_eq!(libraries.len(), LIBRARIES.len(), "{libraries:?}");
    libraries
}

/// The compiler that cargo uses.
fn rustc() -> PathBuf {
    let beside_cargo = env::var_os("CARGO").map(|cargo| Path::new(&cargo).with_file_name("rustc"));
    let known = env::var_os("RUSTC").map(PathBuf::from).or(beside_cargo.filter(|rustc| rustc.exists()));
    known.unwrap_or_else(|| "rustc".into())
}

/// What rustc says to a case that is wrong, by `cargo check` or else, where that finds nothing, by `cargo build`.
fn words(root: &Path, folder: &Folder, libraries: &[(&str, PathBuf)], name: &str) -> Result<String, String> {
    let path = format!("tests/ui/{name}");
    for emit in ["metadata", "obj"] {
        let mut rustc = Command::new(rustc());
        rustc.args(["--edition", "2024", "--crate-type", "bin", "--emit", emit]).arg(&path);
        rustc.arg("-o").arg(folder.path(name).with_extension(emit)).current_dir(root);
        for (library, file) in libraries {
            let dependencies = file.parent().unwrap();
            rustc.arg("--extern").arg(format!("{library}={}", file.display()));
            rustc.arg("-L").arg(format!("dependency={}", dependencies.display()));
        }
        // As cargo would tell of the package of a user.
        let case = name.trim_end_matches(".rs");
        rustc.env("CARGO_MANIFEST_DIR", &folder.0).env("CARGO_PKG_NAME", "cases").env("CARGO_CRATE_NAME", case);
        let output = rustc.output().map_err(|error| format!("rustc does not run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Ok(diagnostics::normalized(&text, &root.display().to_string(), &path));
        }
    }
    Err("it compiles".to_owned())
}

/// What was expected and what was found, line by line where they differ.
fn difference(name: &str, expected: &str, found: &str) -> String {
    let mut text = format!("{name}:\n");
    let same = expected.lines().zip(found.lines()).take_while(|(expected, found)| expected == found).count();
    for (sign, words) in [('-', expected), ('+', found)] {
        for line in words.lines().skip(same) {
            text += &format!("{sign}{line}\n");
        }
    }
    text
}
