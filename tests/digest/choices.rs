//! How each contraction of the suite's networks is computed, in words: `choices.txt`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::planned::{EXACT, PLANNED, bless};

/// What stands at the head of the file.
const HEAD: &str = "\
# How each contraction of the suite's networks is computed at 4, 8 and 16 lanes: its layer, its shapes, the stages.
# `BLESS=1 cargo test --release --test digest` writes it.
";

#[test]
fn contractions_are_computed_as_they_were() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digest/choices.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let committed: BTreeMap<String, Vec<String>> = sections(&text);
    let mut found = BTreeMap::new();
    for planned in PLANNED.iter().filter(|planned| planned.name.starts_with("suite/")) {
        if !planned.name.ends_with(EXACT) && !planned.contractions.is_empty() {
            found.insert(format!("{} at {:2} lanes", planned.name, planned.lanes), planned.contractions.clone());
        }
    }
    if bless() {
        let section = |(title, lines): (&String, &Vec<String>)| format!("\n[{title}]\n{}\n", lines.join("\n"));
        let sections: String = found.iter().map(section).collect();
        fs::write(&path, HEAD.to_owned() + &sections).expect("the file can be written");
        return;
    }
    let mut changed = Vec::new();
    for (title, lines) in &found {
        let before = committed.get(title).cloned().unwrap_or_default();
        if before != *lines {
            changed.push(format!("[{title}]"));
            changed.extend(before.iter().filter(|line| !lines.contains(line)).map(|line| format!("- {line}")));
            changed.extend(lines.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}")));
        }
    }
    let help = "If that was the purpose, `BLESS=1 cargo test --release --test digest` writes the new ones.";
    assert!(changed.is_empty(), "contractions are computed in other ways:\n{}\n{help}", changed.join("\n"));
}

/// The lines under each `[title]`.
fn sections(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut title = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(found) => title = found.to_owned(),
            None => sections.entry(title.clone()).or_default().push(line.to_owned()),
        }
    }
    sections
}
