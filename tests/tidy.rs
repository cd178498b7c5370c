//! Rules about the source itself that no compiler checks: headers, lengths, where `unsafe` stands, no paths of one machine, the
//! layout, and that documents are of short lines and name files that are there.

#[path = "common/imports.rs"]
mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// The only files with `unsafe` in them; each states its contracts.
const UNSAFE: [&str; 6] = [
    "jit/src/code.rs",
    "mpi/src/library.rs",
    "runtime/src/buffer.rs",
    "runtime/src/denormals.rs",
    "runtime/src/threads.rs",
    "runtime/src/tile_registers.rs",
];

/// Tests and benches may implement an allocator to count allocations, and call what was linked; `module.rs` holds the text of a
/// module for others, which calls C.
const UNSAFE_TESTS: [&str; 5] = ["tests/", "benches/", "build/tests/", "build/src/module.rs", "onnx/tests/hostile.rs"];

const LONGEST: usize = 600;

/// Columns of a line of prose, at most.
const COLUMNS: usize = 120;

/// The folders whose files' heads have so many columns.
const HEADS: [&str; 6] = ["src/", "graph/", "jit/", "macros/", "runtime/", "onnx/"];

/// What absolute paths of a machine start with.
const ROOTS: [&str; 23] = [
    "bin", "boot", "data", "dev", "etc", "home", "lib", "media", "mnt", "nix", "opt", "private", "proc", "root", "run",
    "scratch", "srv", "sys", "tmp", "usr", "var", "work", "Users",
];

/// Of these, those that every machine of its kind has.
const EVERYWHERE: [&str; 6] =
    ["/proc/", "/sys/devices/system/", "/usr/bin/env", "/dev/null", "/dev/full", "/dev/stdout"];

/// What must be there; folders end in a slash.
const LAYOUT: &str = "
    ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md Cargo.lock Cargo.toml LICENSE-APACHE LICENSE-MIT README.md
    rust-toolchain.toml .ci/run benches/RESULTS.md docs/experiments/README.md docs/src/SUMMARY.md examples/ tests/
    src/lib.rs src/prelude.rs src/trainer.rs src/checkpoint.rs src/data.rs src/report.rs
    macros/src/lib.rs macros/src/ast.rs macros/src/parse.rs macros/src/validate.rs macros/src/expand.rs macros/src/fallback.rs
    graph/src/shape.rs graph/src/op.rs graph/src/graph.rs graph/src/build.rs graph/src/differentiate.rs
    graph/src/ops/elementwise.rs graph/src/ops/reduce.rs graph/src/ops/dot.rs graph/src/ops/conv.rs graph/src/ops/window.rs
    graph/src/ops/movement.rs graph/src/ops/indexing.rs graph/src/ops/random.rs
    graph/src/layers/ graph/src/losses.rs graph/src/optimizers/ graph/src/verify.rs graph/src/interpret.rs
    graph/src/text/print.rs graph/src/text/parse.rs graph/src/passes.rs graph/src/passes/
    jit/src/target.rs jit/src/layout.rs jit/src/kernel.rs jit/src/cost/params.rs jit/src/contraction.rs jit/src/contraction/strategies/
    jit/src/lower/ jit/src/plan.rs jit/src/plan/in_place.rs jit/src/emit/cranelift.rs jit/src/code.rs
    runtime/src/buffer.rs runtime/src/threads.rs runtime/src/random.rs
    tests/ir.rs tests/ir/ tests/gradcheck/ tests/agree.rs tests/golden.rs tests/kernels tests/ui.rs tests/ui/
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files of the project, by their paths from its root, with their text. (Those in `tests/ui` are snippets with
/// an expected error each, not modules.)
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = [
        "src", "build", "cli", "macros", "graph", "jit", "mpi", "onnx", "python", "runtime", "tests", "benches",
        "examples", "fuzz",
    ]
    .map(|name| root().join(name))
    .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() && !name.starts_with("tests/ui") && !name.ends_with("target") {
                folders.push(path);
            } else if name.ends_with(".rs") {
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 50, "the project has moved");
    files
}

fn check(rule: &str, broken: impl Fn(&str, &str) -> bool) {
    let names: Vec<String> =
        sources().into_iter().filter(|(name, text)| broken(name, text)).map(|(name, _)| name).collect();
    assert!(names.is_empty(), "{rule}; not so in {names:#?}");
}

#[test]
fn every_file_says_what_it_holds() {
    check("a file opens with `//!`", |_, text| !text.starts_with("//! "));
}

#[test]
fn no_file_is_too_long() {
    check("a file has at most 600 lines", |_, text| text.lines().count() > LONGEST);
}

#[test]
fn unsafe_stands_only_where_it_may() {
    let allowed = |name: &str| UNSAFE.contains(&name) || UNSAFE_TESTS.iter().any(|folder| name.starts_with(folder));
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| code.contains(form))
    };
    check("`unsafe` stands only in the marked files", |name, text| !allowed(name) && text.lines().any(is_unsafe));
    let marked = sources().into_iter().filter(|(name, _)| UNSAFE.contains(&name.as_str()));
    for (name, text) in marked {
        assert!(text.contains("SAFETY:") || text.contains("# Safety"), "{name} states no contract");
    }
}

/// All files of text of the project, whatever they hold, by their paths from its root. What `.gitignore` names is not part of it.
fn texts() -> Vec<(String, String)> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap_or_default();
    let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).chain([".git"]).collect();
    let mut files = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            if ignored.contains(&name.as_str()) || name.ends_with("/target") {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push((name, text));
            }
        }
    }
    files
}

/// The absolute path that a line names at this place, if it is one of a machine and not of every machine.
fn machine_path(line: &str, place: usize) -> Option<&str> {
    let (before, path) = line.split_at(place);
    // Within a longer path or a URL, or a division.
    let inside = before.ends_with(|c: char| c.is_alphanumeric() || "./~_-*)]}>$".contains(c));
    let first = path[1..].split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let end = path.find(|c: char| c.is_whitespace() || "\"'`),;:".contains(c)).unwrap_or(path.len());
    let everywhere = EVERYWHERE.iter().any(|known| path[..end].starts_with(known));
    (!inside && ROOTS.contains(&first) && !everywhere).then_some(&path[..end])
}

#[test]
fn no_file_knows_a_path_of_a_machine() {
    let cases = [
        ("write(\"/opt/pic/a.html\")", true),
        ("see /home/me/kiln and others", true),
        ("cd /work", true),
        ("`/Users/me`", true),
        ("TMPDIR=/var/tmp", true),
        ("C:\\Users\\me", true),
        ("#!/usr/bin/env bash", false),
        ("\"/proc/self/status\"", false),
        ("> /dev/null", false),
        ("~/.cache/kiln, ./tmp/x, $HOME/tmp, ${ROOT}/tmp, \"../opt/x\"", false),
        ("https://example.org/home/x, bytes/run, a /b, /// var", false),
    ];
    let found = |line: &str| -> Option<String> {
        let drive = ["C:\\", "D:\\"].into_iter().find(|drive| line.contains(drive)).map(str::to_owned);
        let mut slashes = line.match_indices('/');
        slashes.find_map(|(place, _)| machine_path(line, place)).map(str::to_owned).or(drive)
    };
    for (line, expected) in cases {
        assert_eq!(found(line).is_some(), expected, "{line}: {:?}", found(line));
    }
    let mut all = Vec::new();
    for (name, text) in texts().iter().filter(|(name, _)| name != "tests/tidy.rs") {
        let lines = text.lines().enumerate().filter_map(|(number, line)| Some((number, found(line)?)));
        all.extend(lines.map(|(number, path)| format!("{name}:{}: {path}", number + 1)));
    }
    assert!(all.is_empty(), "a path of one machine stands in {all:#?}");
}

/// The documents of the project.
fn documents() -> Vec<(String, String)> {
    texts().into_iter().filter(|(name, _)| name.ends_with(".md") && !name.starts_with("tests/ui/")).collect()
}

/// The lines of a document that are not code, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push((number + 1, line));
        }
    }
    lines
}

/// The numbers of the lines of a document that are too long. Rows of tables, pictures and addresses can not be broken.
fn long_lines(text: &str, columns: usize) -> Vec<usize> {
    let whole = |line: &str| line.starts_with("![") || line.trim_start().starts_with('|') || line.contains("://");
    let long = |line: &str| line.chars().count() > columns && !whole(line);
    prose(text).into_iter().filter(|(_, line)| long(line)).map(|(number, _)| number).collect()
}

/// What a file of the source says of itself, as a document; the lines of code in it are empty.
fn head(text: &str) -> String {
    text.lines().map(|line| line.strip_prefix("//!").unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn lines_of_prose_are_short() {
    let long = "word ".repeat(25);
    let cases = [
        (long.clone(), vec![1]),
        (format!("short\n{long}\nshort"), vec![2]),
        (format!("- {long}\n  {long}"), vec![1, 2]),
        (format!("```text\n{long}\n```\n{long}"), vec![4]),
        (format!("  ```\n{long}\n  ```"), vec![]),
        (format!("| {long} |\n  | {long} |"), vec![]),
        (format!("![{long}](picture.png)"), vec![]),
        (format!("{long} <https://example.org>"), vec![]),
        ("\u{e9}".repeat(COLUMNS), vec![]),
        ("\u{e9}".repeat(COLUMNS + 1), vec![1]),
    ];
    for (text, expected) in cases {
        assert_eq!(long_lines(&text, COLUMNS), expected, "{text}");
    }
    let mut all = Vec::new();
    for (name, text) in documents() {
        all.extend(long_lines(&text, COLUMNS).into_iter().map(|number| format!("{name}:{number}")));
    }
    let is_source = |name: &str| name.ends_with(".rs") && HEADS.iter().any(|folder| name.starts_with(folder));
    for (name, text) in texts().iter().filter(|(name, _)| is_source(name)) {
        let long = long_lines(&head(text), COLUMNS - "//!".len());
        all.extend(long.into_iter().map(|number| format!("{name}:{number}")));
    }
    assert!(all.is_empty(), "more than {COLUMNS} columns in {all:#?}");
}

/// The files that a line of prose links to, as it writes them: no addresses, no headings, no pages of rustdoc.
fn links(line: &str) -> Vec<&str> {
    let text = line.split('`').step_by(2);
    let targets = text.flat_map(|piece| piece.split("](").skip(1));
    let files = targets.map(|target| target.split([')', '#']).next().unwrap_or_default());
    files.filter(|file| !file.is_empty() && !file.contains("://") && !file.ends_with(".html")).collect()
}

/// The files of the source that a line of prose names, by a path from the root or from a folder below it.
fn named_sources(line: &str) -> Vec<&str> {
    let is_source = |code: &str| {
        let ends = [".rs", ".py", ".md"].into_iter().any(|end| code.ends_with(end));
        ends && code.contains('/') && code.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c))
    };
    line.split('`').skip(1).step_by(2).filter(|code| is_source(code)).collect()
}

#[test]
fn documents_name_files_that_are_there() {
    let cases = [
        ("[a](docs/a.md#the-rule), [b](../b.md)", vec!["docs/a.md", "../b.md"], vec![]),
        ("[`Conv2d`](graph/conv.rs) and `graph/src/op.rs`", vec!["graph/conv.rs"], vec!["graph/src/op.rs"]),
        ("`op/table.rs`, `op.rs`, `jit::plan`, `run a/b.rs`, `lower/`", vec![], vec!["op/table.rs"]),
        ("`blocks[i](x)`, [here](#here), [there](https://a.org/a.md), [T](../kiln/T.html)", vec![], vec![]),
    ];
    for (line, linked, named) in cases {
        assert_eq!((links(line), named_sources(line)), (linked, named), "{line}");
    }
    let files: Vec<String> = texts().into_iter().map(|(name, _)| format!("/{name}")).collect();
    let is_there = |path: &str| files.iter().any(|file| file.ends_with(&format!("/{path}")));
    let mut missing = Vec::new();
    for (name, text) in documents() {
        let path = root().join(&name);
        let folder = path.parent().unwrap();
        // What was done once may name files that are gone.
        let history = name == "CHANGELOG.md" || name.starts_with("docs/experiments/");
        for (number, line) in prose(&text) {
            let linked = links(line).into_iter().filter(|file| !folder.join(file).exists());
            let named = named_sources(line).into_iter().filter(|path| !history && !is_there(path));
            missing.extend(linked.chain(named).map(|file| format!("{name}:{number}: {file}")));
        }
    }
    assert!(missing.is_empty(), "documents name files that are not there: {missing:#?}");
}

#[test]
fn the_layout_is_complete() {
    let missing: Vec<&str> = LAYOUT.split_whitespace().filter(|name| !root().join(name).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md promises {missing:#?}");
}

/// The order of jit's folders: each imports those in front of it alone.
const ORDER: [&str; 13] = [
    "target",
    "layout",
    "kernel",
    "cost",
    "contraction",
    "emit",
    "lower",
    "code",
    "machine",
    "plan",
    "tune",
    "program",
    "",
];

#[test]
fn imports_of_jit_go_one_way() {
    let imports = Imports::read(&root().join("jit/src"));
    let folder = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let place = |module: &str| ORDER.iter().position(|name| *name == folder(module));
    for (module, found) in &imports.of {
        for import in found {
            let (from, to) = (place(module), place(import));
            assert!(from.is_some() && to.is_some(), "{module} or {import} is not in ORDER");
            assert!(from >= to, "`{module}` imports `{import}`, which comes after it");
        }
    }
    assert_eq!(imports.cycle(), None, "modules import one another");
    // That what is read is not nothing.
    let imports_of = |module: &str| &imports.of[module];
    assert!(imports_of("plan::calls").contains("lower::dispatch") && imports_of("lower::map").contains("kernel"));
}

/// What the README promises: a network of one's own, trained with all that belongs to it, takes no more than 25 lines.
#[test]
fn the_quickstart_is_short() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart.rs")).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(lines.clone().count() <= 25, "{}", lines.count());
}
