//! The example `kilnc`: what it prints of a graph in a file, for machines of all kinds, and what it says of mistakes.

use std::fs;

use crate::compiler::{USAGE, run};
use crate::folder::Folder;

const GRAPH: &str = "\
graph f(%x: f32[4,16], state %w: f32[16,8]) {
  %0: f32[4,8] = dot %x, %w
  %1: f32[4,8] = tanh %0
  %2: f32[4,8] = exp %x
  return %1
}
";

/// What is printed, `FILE` being the path of a file that holds a text.
fn printed(text: &str, arguments: &str) -> Result<String, String> {
    let folder = Folder::new("kilnc");
    let path = folder.path("graph.ir");
    fs::write(&path, text).unwrap();
    let path = path.to_string_lossy().into_owned();
    let arguments: Vec<String> = arguments.split_whitespace().map(|word| word.replace("FILE", &path)).collect();
    run(arguments.into_iter()).map(|text| text.replace(&path, "FILE")).map_err(|text| text.replace(&path, "FILE"))
}

#[test]
fn every_stage_is_shown_for_every_machine() {
    let graph = GRAPH.lines().filter(|line| !line.contains("%2")).map(|line| format!("{line}\n")).collect::<String>();
    for (target, lanes) in [("cranelift", 4), ("avx2", 8), ("avx512", 16)] {
        let check = |options: &str, expected: &str| {
            let found = printed(&graph, &format!("FILE --target {target} {options}")).unwrap();
            assert!(found.contains(expected), "`{expected}` stands in what {options} prints for {target}:\n{found}");
        };
        check("--emit graph", &graph);
        check("", &format!("plan f: 1 calls of 1 kernels by {target},"));
        check("--emit plan", "dot tanh [kernel 0, ");
        check("--emit kernels", &format!("kernel dot_tanh lanes={lanes} ("));
        check("--emit asm", "kernel 0, dot_tanh, ");
        check("--emit asm", "ret");
        check("--choices", "dot [4, 16] [16, 8] -> [4, 8]\n");
        check("--choices --exact", " cycles: tiles of ");
    }
    assert_eq!(printed("", "--help"), Ok(USAGE.to_owned()));
}

#[test]
fn mistakes_are_told() {
    let check = |arguments: &str, expected: &str| {
        let found = printed(GRAPH, arguments).unwrap_err();
        assert!(found.starts_with(expected), "`{expected}` expected, found\n{found}");
    };
    check("", "a file is expected\nusage: kilnc FILE.ir ");
    check("FILE other.ir", "one file is expected, `other.ir` is another one\nusage: ");
    check("FILE --emit", "--emit needs a value\nusage: ");
    check("FILE --emit code", "--emit is `code`, expected one of graph, plan, kernels, asm");
    check(
        "FILE --target sse",
        "--target is `sse`, expected one of cranelift, avx2, avx512, avx512-pairs, avx512-tiles",
    );
    check("FILE --optimise", "there is no option `--optimise`\nusage: ");
    check("FILE.other", "FILE.other can not be read: ");
    let broken = GRAPH.replace("f32[4,8] = tanh", "f32[4,9] = tanh");
    let found = printed(&broken, "FILE").unwrap_err();
    assert!(found.starts_with("FILE:3:"), "{found}");
}
