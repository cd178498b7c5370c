//! What is written for machines that are not here, and what is refused. Nothing of it is linked.

#[path = "../../tests/common/folder.rs"]
mod folder;

use std::process::Command;

use folder::Folder;
use kiln::program::{Builder, Type};
use kiln_build::{Build, Level, StateValue};
use ndarray::ArrayD;

/// `y = x * scale`, where the scale is a state.
fn scaled(name: &str) -> Build {
    let g = Builder::new("scaled");
    let x = g.input("x", [2, 3]);
    let scale = g.state("scale", Type::f32([3]));
    g.output("y", x * scale);
    Build::of_graph(name, g.finish().expect("a graph"))
}

#[test]
fn files_are_in_the_format_of_their_target() {
    let elf = &[0x7f, b'E', b'L', b'F'][..];
    for (target, magic, levels) in [
        ("x86_64-unknown-linux-gnu", elf, 3),
        ("x86_64-unknown-linux-musl", elf, 3),
        ("x86_64-unknown-none", elf, 3),
        ("aarch64-unknown-linux-gnu", elf, 1),
        ("aarch64-unknown-none", elf, 1),
        ("x86_64-pc-windows-msvc", &[0x64, 0x86], 3),
        ("aarch64-apple-darwin", &[0xcf, 0xfa, 0xed, 0xfe], 1),
    ] {
        let program = scaled("scaled").target(target).and_then(|build| build.build());
        let program = program.unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(&program.object[..magic.len()], magic, "{target}");
        assert_eq!(program.levels.len(), levels, "{target}");
        assert!(program.library.starts_with(b"!<arch>\n"), "{target}");
        assert!(program.header.contains("int scaled_run(void *arena, const float x[6], float y[6]);"), "{target}");
    }
}

#[test]
fn the_same_program_is_the_same_bytes_and_weights_are_those_of_all_targets() {
    let value = || StateValue::F32(ArrayD::from_shape_vec(vec![3], vec![1.0, 2.0, 3.0]).expect("three numbers"));
    let of = |target: &str| scaled("scaled").state("scale", value()).target(target).and_then(|build| build.build());
    let (one, other) = (of("x86_64-unknown-linux-gnu").expect("it is"), of("x86_64-unknown-linux-gnu").expect("it is"));
    assert_eq!((one.object, one.library), (other.object, other.library));
    let other = of("aarch64-unknown-linux-gnu").expect("it is");
    assert_eq!(one.weights, other.weights);
    let offset = one.states[0].offset;
    assert_eq!((one.states[0].name.as_str(), offset % 64), ("scale", 0));
    assert_eq!(one.weights[offset..offset + 4], 1.0f32.to_le_bytes());
}

#[test]
fn types_of_modules_have_names_of_their_own() {
    for (name, expected) in [
        ("le_net", "LeNet"),
        ("error", "ErrorProgram"),
        ("arena", "ArenaProgram"),
        ("weights", "WeightsProgram"),
        ("result", "ResultProgram"),
    ] {
        let module = scaled(name).build().expect("a program").module;
        assert!(module.contains(&format!("pub struct {expected}<'")), "{name}:\n{module}");
    }
}

#[test]
fn states_of_bool_are_0_and_1() {
    let g = Builder::new("chosen");
    let (x, mask) = (g.input("x", [4]), g.state("mask", Type::bool([4])));
    g.output("y", mask.select(x, 0.0));
    let build = Build::of_graph("chosen", g.finish().expect("a graph"));
    let mask = StateValue::I32(ArrayD::from_shape_vec(vec![4], vec![0, 1, 2, -3]).expect("four numbers"));
    let program = build.state("mask", mask).build().expect("a program");
    let offset = program.states[0].offset;
    assert_eq!(program.weights[offset..offset + 16], [0, 1, 1, 1].map(i32::to_le_bytes).concat());
}

#[test]
fn what_can_not_be_written_is_an_error_that_says_why() {
    let state = StateValue::F32(ArrayD::zeros(vec![4]));
    let baseline = || scaled("scaled").target("aarch64-unknown-linux-gnu").expect("aarch64");
    for (result, expected) in [
        (scaled("2nd").build(), "`2nd` is no name for a program"),
        (scaled("int").build(), "`int` is no name"),
        (scaled("le-net").build(), "`le-net` is no name"),
        (scaled("scaled").target("riscv64gc-unknown-linux-gnu").and_then(|build| build.build()), "riscv64gc"),
        (scaled("scaled").target("nonsense").and_then(|build| build.build()), "`nonsense`"),
        (baseline().levels(&[Level::Avx2]).and_then(|build| build.build()), "has [Baseline]"),
        (baseline().levels(&[]).and_then(|build| build.build()), "at least one"),
        (scaled("scaled").state("scale", state).build(), "state `scale` holds f32 of the shape [3]"),
    ] {
        let message = result.map(|_| ()).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}\n{expected}");
    }
}

#[test]
fn compile_is_for_build_scripts() {
    let error = scaled("scaled").for_cargo().map(|_| ()).expect_err("no build script runs this");
    assert!(error.to_string().contains("`compile` is for build scripts"), "{error}");
}

#[test]
fn a_build_script_writes_for_the_target_of_cargo_and_links() {
    let folder = Folder::new("build-script");
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "as_a_build_script", "--ignored", "--nocapture"])
        .envs([("OUT_DIR", folder.0.as_os_str()), ("TARGET", "aarch64-unknown-linux-gnu".as_ref())])
        .output()
        .expect("this test runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let search = format!("cargo::rustc-link-search=native={}", folder.0.display());
    for line in [search.as_str(), "cargo::rustc-link-lib=static=scaled"] {
        assert!(said.lines().any(|said| said.ends_with(line)), "{said}");
    }
    for name in ["scaled.o", "libscaled.a", "scaled.h", "scaled.rs", "scaled.weights"] {
        assert!(folder.0.join(name).is_file(), "{name}");
    }
    let header = std::fs::read_to_string(folder.0.join("scaled.h")).expect("a header");
    assert!(header.contains("`scaled` for aarch64-unknown-linux-gnu"), "{header}");
}

#[test]
#[ignore = "run by the test above, as cargo runs a build script"]
fn as_a_build_script() {
    scaled("scaled").for_cargo().expect("the environment of a build script");
}
