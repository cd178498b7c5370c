//! The pages of the book: each is in its table of contents, links lead to pages and headings that are there, and no block is
//! typed that could have been taken from a file which is compiled, run or compared. It knows Markdown and mdBook's
//! `{{#include FILE:PART}}`, and no contents.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::root;

/// A page with its file's name.
pub struct Page {
    pub name: String,
    pub text: String,
}

/// A fenced block: what stands behind the fence, its lines, the number of the first.
pub struct Block<'t> {
    pub info: &'t str,
    pub lines: Vec<&'t str>,
    pub number: usize,
}

/// A part of a file that is taken over.
pub struct Include {
    pub file: PathBuf,
    pub part: String,
}

fn folder() -> PathBuf {
    root().join("docs/src")
}

/// All pages, in the order of their names.
pub fn pages() -> Vec<Page> {
    let (mut pages, mut folders) = (Vec::new(), vec![folder()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(self::folder()).unwrap().to_string_lossy().replace('\\', "/");
                pages.push(Page { name, text: fs::read_to_string(path).unwrap().replace("\r\n", "\n") });
            }
        }
    }
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(pages.len() > 10, "the book has moved");
    pages
}

impl Page {
    pub fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<Block<'_>> = None;
        for (number, line) in self.text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(info), None) => open = Some(Block { info: info.trim(), lines: Vec::new(), number: number + 2 }),
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.lines.push(line);
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: the last block has no end", self.name);
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let mut lines = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                lines.push((number + 1, line));
            }
        }
        lines
    }

    /// What headings are called in links, as mdBook makes it of their text.
    fn headings(&self) -> Vec<String> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let texts = self.prose().into_iter().filter_map(|(_, line)| line.strip_prefix('#'));
        texts
            .map(|text| {
                let text = text.trim_start_matches('#').trim();
                let id: String = (text.chars())
                    .filter_map(|c| match c {
                        _ if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
                        _ if c.is_whitespace() => Some('-'),
                        _ => None,
                    })
                    .collect();
                let count = seen.entry(id.clone()).or_default();
                *count += 1;
                if *count == 1 { id } else { format!("{id}-{}", *count - 1) }
            })
            .collect()
    }

    pub fn folder(&self) -> PathBuf {
        folder().join(&self.name).parent().unwrap().to_owned()
    }

    fn include(&self, line: &str) -> Option<Include> {
        let inside = line.trim().strip_prefix("{{#include ")?.strip_suffix("}}")?.trim();
        let (file, part) = inside.split_once(':').unwrap_or((inside, ""));
        Some(Include { file: self.folder().join(file), part: part.to_owned() })
    }

    /// What a block takes over, if that is all that it holds.
    pub fn includes(&self, block: &Block<'_>) -> Option<Vec<Include>> {
        block.lines.iter().filter(|line| !line.trim().is_empty()).map(|line| self.include(line)).collect()
    }
}

impl Include {
    /// The text of the part; or what is wrong with it.
    pub fn text(&self) -> Result<String, String> {
        let file = self.file.display();
        let text = fs::read_to_string(&self.file).map_err(|error| format!("{file}: {error}"))?.replace("\r\n", "\n");
        if self.part.is_empty() {
            return Ok(text);
        }
        let lines: Vec<&str> = text.lines().collect();
        if self.part.starts_with(|c: char| c.is_ascii_digit()) {
            let (first, last) = self.part.split_once(':').unwrap_or((&self.part, &self.part));
            let [first, last] = [first, last].map(|number| number.parse::<usize>().unwrap_or(0));
            return match lines.get(first.wrapping_sub(1)..last) {
                Some(lines) => Ok(lines.join("\n") + "\n"),
                None => Err(format!("{file} has no lines {}", self.part)),
            };
        }
        let place = |mark: String| lines.iter().position(|line| line.trim_end().ends_with(&mark));
        match (place(format!("ANCHOR: {}", self.part)), place(format!("ANCHOR_END: {}", self.part))) {
            (Some(first), Some(last)) if first < last => Ok(lines[first + 1..last].join("\n") + "\n"),
            _ => Err(format!("{file} has no part `{}`: `// ANCHOR: {0}` .. `// ANCHOR_END: {0}`", self.part)),
        }
    }

    /// The file, from the root of the repository.
    pub fn name(&self) -> String {
        let path = self.file.canonicalize().unwrap_or_else(|_| self.file.clone());
        let root = root().canonicalize().unwrap();
        path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/")
    }
}

fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// The targets of a line's links to the book's own pages and to other files.
fn links(line: &str) -> Vec<&str> {
    let text = line.split('`').step_by(2);
    let targets = text.flat_map(|piece| piece.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let pages = pages();
    let contents = pages.iter().find(|page| page.name == "SUMMARY.md").expect("a table of contents");
    let listed: Vec<&str> = contents.text.lines().flat_map(links).collect();
    let missing = pages.iter().filter(|page| page.name != "SUMMARY.md" && !listed.contains(&page.name.as_str()));
    none("pages that SUMMARY.md does not list", missing.map(|page| page.name.clone()).collect());
}

/// A path without `..`: what the address of a page is, whatever is linked on the disk.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
        plain
    })
}

#[test]
fn links_lead_to_pages_and_headings() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        for (number, line) in page.prose() {
            for target in links(line) {
                let (file, heading) = target.split_once('#').unwrap_or((target, ""));
                let path = plain(&if file.is_empty() { folder().join(&page.name) } else { page.folder().join(file) });
                let there = path.exists() && path.starts_with(folder());
                let found = pages.iter().find(|other| folder().join(&other.name) == path);
                let heading_there = heading.is_empty()
                    || found.is_some_and(|other| other.headings().iter().any(|known| known == heading));
                if !there || !heading_there {
                    wrong.push(format!("{}:{number}: {target}", page.name));
                }
            }
        }
    }
    none("links to what is not there, or not part of the book", wrong);
}

#[test]
fn headings_are_called_as_mdbook_calls_them() {
    let cases = [
        ("# Data of one's own", vec!["data-of-ones-own"]),
        ("# `fit`, written out", vec!["fit-written-out"]),
        ("## A\n\n## A\n", vec!["a", "a-1"]),
        ("```rust\n# hidden\n```\n# Not_hidden: it (takes) 2", vec!["not_hidden-it-takes-2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(Page { name: "a.md".to_owned(), text: text.to_owned() }.headings(), expected, "{text}");
    }
}

/// The folders of what a block may take over: it is compiled, run, or compared with what programs print.
const SOURCES: [&str; 9] = [
    "examples/",
    "build/examples/",
    "build/tests/linked/",
    "mpi/examples/",
    "python/tests/",
    "tests/book/",
    "tests/trainer/",
    "tests/ui/",
    "docs/src/stages/",
];

#[test]
fn blocks_are_checked_or_taken_from_what_is() {
    let chapters = fs::read_to_string(root().join("src/book.rs")).unwrap();
    let mut wrong = Vec::new();
    for page in pages() {
        let tested = chapters.contains(&format!("docs/src/{}\"", page.name));
        for block in page.blocks() {
            let mut say = |what: String| wrong.push(format!("{}:{}: {what}", page.name, block.number));
            let includes = page.includes(&block);
            for include in includes.iter().flatten() {
                let name = include.name();
                match include.text() {
                    Err(error) => say(error),
                    Ok(text) if text.trim().is_empty() => say(format!("the part of {name} is empty")),
                    Ok(_) if !SOURCES.iter().any(|folder| name.starts_with(folder)) => {
                        say(format!("{name} lies in none of the folders {SOURCES:?}"));
                    }
                    Ok(_) => {}
                }
            }
            let words: Vec<&str> = block.info.split(',').map(str::trim).collect();
            match words[0] {
                "rust" if words.contains(&"ignore") && includes.is_none() => {
                    say("a block that is not compiled: let it include a file that is, or leave `ignore` out".to_owned());
                }
                "rust" if words.contains(&"ignore") => {}
                "rust" if includes.is_some() => say("rustdoc includes nothing: write ```rust,ignore".to_owned()),
                "rust" if !tested => {
                    say("src/book.rs does not name this page, so that its blocks are not tested".to_owned())
                }
                "c" | "python" | "text" if includes.is_none() => {
                    say(format!("typed `{}`: let it include a file that is checked", words[0]));
                }
                "rust" | "c" | "python" | "text" | "sh" | "toml" | "csv" => {}
                other => say(format!("a block of `{other}`: one of rust, c, python, text, sh, toml, csv is expected")),
            }
        }
    }
    none("blocks", wrong);
}

#[test]
fn every_page_that_is_tested_is_there() {
    let chapters = fs::read_to_string(root().join("src/book.rs")).unwrap();
    let named = chapters.lines().filter_map(|line| line.split_once("include_str!(\"../")?.1.split('"').next());
    let missing = named.filter(|name| !root().join(name).is_file());
    none("src/book.rs names", missing.map(str::to_owned).collect());
}

#[test]
fn anchors_come_in_pairs() {
    let mut wrong = Vec::new();
    for folder in [
        "examples",
        "examples/support",
        "build/examples",
        "build/tests/linked",
        "tests/book/pytorch",
        "tests/book/evening",
    ] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path: &Path = &entry.unwrap().path();
            let Ok(text) = fs::read_to_string(path) else { continue };
            let marks = |mark: &str| {
                text.lines()
                    .filter_map(|line| line.split_once(mark))
                    .map(|(_, name)| name.trim().to_owned())
                    .collect::<Vec<_>>()
            };
            let (mut begins, mut ends) = (marks("ANCHOR: "), marks("ANCHOR_END: "));
            begins.sort();
            ends.sort();
            if begins != ends {
                wrong.push(format!("{}: {begins:?} begin, {ends:?} end", path.display()));
            }
        }
    }
    none("anchors", wrong);
}
