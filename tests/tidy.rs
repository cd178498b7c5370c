//! Rules about the source itself that no compiler checks: headers, lengths, where `unsafe` stands, and the layout.

use std::fs;
use std::path::{Path, PathBuf};

/// The only files with `unsafe` in them; each states its contracts.
const UNSAFE: [&str; 4] =
    ["jit/src/code.rs", "runtime/src/buffer.rs", "runtime/src/denormals.rs", "runtime/src/threads.rs"];

/// Tests and benches may implement an allocator to count allocations.
const UNSAFE_TESTS: [&str; 2] = ["tests/", "benches/"];

const LONGEST: usize = 600;

/// What must be there; folders end in a slash.
const LAYOUT: &str = "
    ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md Cargo.lock Cargo.toml LICENSE-APACHE LICENSE-MIT README.md
    rust-toolchain.toml .ci/run benches/ examples/ tests/
    src/lib.rs src/prelude.rs src/trainer.rs src/checkpoint.rs src/data.rs src/report.rs
    macros/src/lib.rs macros/src/ast.rs macros/src/parse.rs macros/src/validate.rs macros/src/expand.rs macros/src/fallback.rs
    graph/src/shape.rs graph/src/op.rs graph/src/graph.rs graph/src/build.rs graph/src/differentiate.rs
    graph/src/ops/elementwise.rs graph/src/ops/reduce.rs graph/src/ops/dot.rs graph/src/ops/conv.rs graph/src/ops/window.rs
    graph/src/ops/movement.rs graph/src/ops/indexing.rs graph/src/ops/random.rs
    graph/src/layers/ graph/src/losses.rs graph/src/optimizers/ graph/src/verify.rs graph/src/interpret.rs
    graph/src/text/print.rs graph/src/text/parse.rs graph/src/passes.rs graph/src/passes/
    jit/src/plan.rs jit/src/plan/fuse.rs jit/src/plan/layout.rs jit/src/plan/buffers.rs jit/src/kernel.rs jit/src/target.rs
    jit/src/lower/ jit/src/lower/tile.rs jit/src/emit/cranelift.rs jit/src/code.rs
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
    let mut folders: Vec<PathBuf> = ["src", "macros", "graph", "jit", "runtime", "tests", "benches", "examples"]
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

#[test]
fn the_layout_is_complete() {
    let missing: Vec<&str> = LAYOUT.split_whitespace().filter(|name| !root().join(name).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md promises {missing:#?}");
}
