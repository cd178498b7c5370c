//! The digest of every plan: a line for each graph, with a hash of its plan and kernels at 4, 8 and 16 lanes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::planned::{EXACT, LANES, PLANNED, all, bless};
use crate::{network_graphs, sources};

/// What stands at the head of the file.
const HEAD: &str = "\
# A hash (FNV-1a, 64 bits) of the plan and the kernels of each program as they print, at 4, 8 and 16 lanes.
# `BLESS=1 cargo test --release --test digest` writes it.
";

#[test]
fn plans_are_what_they_were() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digest/plans.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let committed: BTreeMap<&str, &str> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let found: BTreeMap<&str, String> = PLANNED
        .chunk_by(|a, b| a.name == b.name)
        .map(|of_graph| {
            let hashes: Vec<String> = of_graph.iter().map(|planned| format!("{:016x}", planned.digest)).collect();
            (of_graph[0].name.as_str(), hashes.join(" "))
        })
        .collect();
    assert_eq!(found.len() * LANES.len(), PLANNED.len(), "each graph has a name of its own");
    let mut changed = Vec::new();
    for (name, hashes) in &found {
        match committed.get(name) {
            None => changed.push((*name, "new".to_owned())),
            Some(before) if before != hashes => {
                let pairs = before.split(' ').zip(hashes.split(' ')).zip(LANES);
                let lanes: Vec<String> =
                    pairs.filter(|((a, b), _)| a != b).map(|(_, lanes)| lanes.to_string()).collect();
                changed.push((*name, format!("at {} lanes", lanes.join(", "))));
            }
            Some(_) => {}
        }
    }
    if bless() {
        // Programs whose files do not lie here keep their lines.
        let mut lines: BTreeMap<&str, &str> = committed;
        lines.extend(found.iter().map(|(name, hashes)| (*name, hashes.as_str())));
        let lines: String = lines.into_iter().map(|(name, hashes)| format!("{name} {hashes}\n")).collect();
        fs::write(&path, HEAD.to_owned() + &lines).expect("the file can be written");
        return;
    }
    if !changed.is_empty() {
        let names: Vec<String> = changed.iter().map(|(name, how)| format!("{name}: {how}")).collect();
        let example = write(&changed);
        panic!(
            "the plans or kernels of {} programs have changed:\n{}\n{}",
            changed.len(),
            names.join("\n"),
            help(&example)
        );
    }
}

/// Writes the graphs of those that have changed as `.ir` files, one each; the path of the first one.
fn write(changed: &[(&str, String)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plans");
    fs::create_dir_all(&folder).expect("a folder of the test's own");
    let program = |name: &str| name.trim_end_matches(EXACT).to_owned();
    let path = |name: &str| folder.join(program(name).replace(['/', ':'], "_") + ".ir");
    let graphs = sources::golden(all()).into_iter().chain(network_graphs::suite(all()));
    for source in graphs.filter(|source| changed.iter().any(|(other, _)| program(other) == source.name)) {
        fs::write(path(&source.name), source.graph.to_string()).expect("a file of the test's own");
    }
    path(changed[0].0)
}

fn help(example: &Path) -> String {
    format!(
        "If that was the purpose, `BLESS=1 cargo test --release --test digest` writes the new hashes.\n\
         The graphs were written. To see what has changed of one, run this before and after the change, with `plan`\n\
         and with `kernels`; for 4 lanes with `cranelift`, for 16 with `avx512`; with --exact where the name says so:\n\
         cargo run --release --example kilnc -- {} --emit plan --target avx2",
        example.display()
    )
}
