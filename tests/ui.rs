//! What rustc says to the user: each case in `tests/ui` fails with exactly the words beside it, those in `tests/ui/pass`
//! compile and run. `BLESS=1 cargo test --test ui` rewrites the words; read them as a user would.
//!
//! A case is given to rustc itself, with the libraries that cargo has built for this test: no second build, no package for it.

#[path = "common/diagnostics.rs"]
mod diagnostics;
#[path = "common/folder.rs"]
mod folder;
#[path = "common/libraries.rs"]
mod libraries;

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, thread};

use folder::Folder;
use libraries::Libraries;

/// What compiles is part of this program.
#[path = "ui/pass"]
mod pass {
    mod activations;
    mod agents;
    mod along_axes;
    mod attention;
    mod dropout;
    mod embedding;
    mod extents;
    mod forms;
    mod forward;
    mod frozen;
    mod functions;
    mod habits;
    mod inside_models;
    mod lenet;
    mod lists;
    mod losses;
    mod more_functions;
    mod norms;
    mod numbers_as_tensors;
    mod numbers_given;
    mod outputs;
    mod packed;
    mod padding;
    mod pools;
    mod quotients;
    mod raw_names;
    mod rearrange;
    mod recurrent;
    mod resample;
    mod rows_by_rows;
    mod several;
    mod spatial_axes;
    mod steps;
    mod taken_values;
    mod values_of_layers;
    mod without_rows;
}

/// The manifest of the package that the cases seem to be of.
const MANIFEST: &str = "[package]\nname = \"cases\"\n\n[dependencies]\nkiln = \"*\"\nndarray = \"*\"\n";

#[test]
fn mistakes_are_explained_where_they_are_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = Libraries::of("ui", &["kiln", "ndarray"]);
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
            if found.as_ref().is_ok_and(|found| diagnostics::same(found, &expected)) {
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

/// Each loss that a body may call, under both of its names, compiles somewhere and is refused somewhere.
#[test]
fn losses_have_cases_under_both_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("macros/src/losses.rs")).unwrap();
    let rows = table.split_once("pub const LOSSES").expect("the table has moved").1.split("loss(").skip(1);
    let names: Vec<&str> = rows.flat_map(|row| [row.split('"').nth(1), row.split('"').nth(3)]).flatten().collect();
    assert!(names.len() >= 40 && names.contains(&"mse_loss"), "the table is written otherwise: {names:?}");
    for folder in ["tests/ui", "tests/ui/pass"].map(|folder| root.join(folder)) {
        let texts: Vec<String> =
            rust_files(&folder).iter().map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
        let calls = |name: &str| texts.iter().any(|text| text.contains(&format!(" {name}(")));
        let without: Vec<&&str> = names.iter().filter(|name| !calls(name)).collect();
        assert!(without.is_empty(), "no case in {} calls {without:?}", folder.display());
    }
}

/// Each layer of the table compiles somewhere and is refused somewhere.
#[test]
fn layers_have_cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("macros/src/layers/table.rs")).unwrap();
    let table = table.split_once("pub const LAYERS").expect("the table has moved").1;
    let rows = table.split_once("\n];").expect("the table ends").0;
    let calls = ["layer(", "plain("].map(|call| rows.split(call).skip(1).filter_map(|row| row.split('"').nth(1)));
    let names: Vec<&str> = calls.into_iter().flatten().collect();
    assert!(names.len() >= 110 && names.contains(&"ReLU"), "the table is written otherwise: {names:?}");
    for folder in ["tests/ui", "tests/ui/pass"].map(|folder| root.join(folder)) {
        let texts: Vec<String> =
            rust_files(&folder).iter().map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
        let words: HashSet<&str> = texts
            .iter()
            .flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
            .collect();
        let without: Vec<&&str> = names.iter().filter(|name| !words.contains(**name)).collect();
        assert!(without.is_empty(), "no case in {} has {without:?}", folder.display());
    }
}

/// A model that is derived, one that is declared, and one with steps, of a crate that knows Kiln as `NAME`.
const MODELS: &str = "
    use NAME::prelude::*;

    #[derive(Model)]
    #[model(input = [4]SAID)]
    struct Derived { fc: Linear<4, 3> }

    model! {
        ATTRIBUTE
        struct Declared { fc: Linear(4, 3) }

        fn forward(x: [N, 4]) -> [N, 3] {
            fc(x).softmax(1)
        }
    }

    model! {
        ATTRIBUTE
        struct Trained { fc: Linear(4, 3), opt: Adam(fc, lr = 0.1) }

        step fit(x: [N, 4], y: [N, 3]) -> loss {
            let loss = mse(fc(x), y);
            opt.minimize(loss);
        }
    }

    fn main() {
        let _ = (Derived::init(0), Declared::init(0), Trained::init(0));
    }
";

#[test]
fn the_macros_find_the_crate_under_any_name() {
    let libraries = Libraries::of("ui", &["kiln", "ndarray"]);
    let folder = Folder::new("ui");
    let known_as = |rustc: &mut Command, name: &str, file: &Path| {
        rustc.arg("--extern").arg(format!("{name}={}", file.display()));
    };
    // A crate that hands Kiln on.
    let (other, text) = (folder.path("libother.rlib"), folder.file("other.rs", b"pub use kiln;"));
    let mut rustc = libraries.rustc();
    let built = rustc.args(["--crate-type", "rlib"]).arg(text).arg("-o").arg(&other).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let nowhere = "which the Cargo.toml of this crate names nowhere: add it";
    let cases = [
        ("kiln = \"*\"", "kiln", "kiln", "", ""),
        ("kiln2 = { package = \"kiln\" }", "kiln2", "kiln2", "", ""),
        ("\"neural-net\".package = \"kiln\"", "neural_net", "neural_net", "", ""),
        ("other = \"*\"", "other", "other::kiln", "other::kiln", ""),
        ("other = \"*\"", "other", "other::kiln", "", nowhere),
        ("", "kiln", "kiln", "", nowhere),
    ];
    for (dependencies, name, path, said, expected) in cases {
        let manifest = format!("[package]\nname = \"cases\"\n\n[dependencies]\n{dependencies}\n");
        folder.file("Cargo.toml", manifest.as_bytes());
        let crate_is = |before: &str| if said.is_empty() { String::new() } else { format!("{before}crate = {said}") };
        let attribute = if said.is_empty() { String::new() } else { format!("#[model({})]", crate_is("")) };
        let text = MODELS.replace("NAME", path).replace("SAID", &crate_is(", ")).replace("ATTRIBUTE", &attribute);
        let mut rustc = libraries.rustc_without_names();
        known_as(&mut rustc, name, if name == "other" { &other } else { libraries.file("kiln") });
        rustc.args(["--crate-type", "bin", "--emit", "metadata"]).arg(folder.file("case.rs", text.as_bytes()));
        rustc.arg("-o").arg(folder.path("case.rmeta")).arg("-L").arg(&folder.0);
        rustc.env("CARGO_MANIFEST_DIR", &folder.0).env("CARGO_PKG_NAME", "cases").env("CARGO_CRATE_NAME", "cases");
        let output = rustc.output().expect("rustc runs");
        let words = String::from_utf8_lossy(&output.stderr);
        // Each of the three models says it, and nothing else does.
        let (told, errors) =
            (words.matches(nowhere).count(), words.lines().filter(|line| line.starts_with("error")).count());
        let right = if expected.is_empty() { output.status.success() } else { told == 3 && errors == 4 };
        assert!(right, "{dependencies} {said}: {told} of {errors} errors:\n{words}");
    }
}

/// The names of the Rust files of a folder, in order.
fn rust_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".rs")).collect();
    names.sort();
    names
}

/// What rustc says to a case that is wrong, by `cargo check` or else, where that finds nothing, by `cargo build`.
fn words(root: &Path, folder: &Folder, libraries: &Libraries, name: &str) -> Result<String, String> {
    let path = format!("tests/ui/{name}");
    for emit in ["metadata", "obj"] {
        let mut rustc = libraries.rustc();
        rustc.args(["--crate-type", "bin", "--emit", emit]).arg(&path);
        rustc.arg("-o").arg(folder.path(name).with_extension(emit)).current_dir(root);
        // As cargo would tell of the package of a user.
        let case = name.trim_end_matches(".rs");
        rustc.env("CARGO_MANIFEST_DIR", &folder.0).env("CARGO_PKG_NAME", "cases").env("CARGO_CRATE_NAME", case);
        let output = rustc.output().map_err(|error| format!("rustc does not run: {error}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
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
