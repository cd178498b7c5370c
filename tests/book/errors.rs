//! The chapter about what rustc says: every message of the cases in `tests/ui` has an entry, and the texts that are shown are
//! theirs, whole.
//!
//! A list item that is nothing but a text in backticks names messages: `it takes … input features` stands for all that hold
//! these words, `…` for anything between them. A new kind of message needs such a line, under an entry that says what it
//! means and what to do.

use std::{env, fs};

use super::pages::{Include, Page, pages};
use super::root;

/// The pages of the chapter.
const CHAPTER: &str = "errors/";

/// The messages of a file, with the numbers of their first and last lines.
fn messages(text: &str) -> Vec<(usize, usize, Vec<&str>)> {
    let mut messages: Vec<(usize, usize, Vec<&str>)> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if line.is_empty() {
            open = false;
        } else if open {
            let (_, last, lines) = messages.last_mut().unwrap();
            *last = number;
            lines.push(line);
        } else {
            messages.push((number, number, vec![line]));
            open = true;
        }
    }
    messages
}

/// The words of a message without its quotation marks.
fn words(text: &str) -> String {
    text.replace('`', "")
}

/// What a message says, up to where it says it; without quotation marks.
fn head(message: &[&str]) -> String {
    let said = message.iter().take_while(|line| !line.trim_start().starts_with("--> "));
    words(&said.map(|line| line.trim()).collect::<Vec<_>>().join(" "))
}

/// Whether a text holds all parts of a wording, in their order.
fn holds(text: &str, wording: &str) -> bool {
    let mut rest = text;
    wording.split('…').map(str::trim).filter(|part| !part.is_empty()).all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[test]
fn wordings_leave_out_what_varies() {
    let text = words("error: `Linear` needs `in_features`: it takes `in_features` and `out_features`");
    let cases = [
        ("needs … it takes", true),
        ("… needs in_features: …", true),
        ("it takes … needs", false),
        ("needs out_features", false),
    ];
    for (wording, expected) in cases {
        assert_eq!(holds(&text, wording), expected, "{wording}");
    }
}

/// The wording that a line of a page is, if it is one.
fn wording(line: &str) -> Option<&str> {
    line.strip_prefix("* `")?.strip_suffix('`')
}

/// A section of a page that shows messages: where it is, what it takes over, its wordings.
struct Entry {
    place: String,
    shown: Vec<Include>,
    wordings: Vec<String>,
}

/// The sections of a page that show messages or name them.
fn entries(page: &Page) -> Vec<Entry> {
    let heading = |line: &&str| line.starts_with("## ");
    let lines: Vec<&str> = page.text.lines().collect();
    let mut begins: Vec<usize> = (0..lines.len()).filter(|&number| heading(&lines[number])).collect();
    begins.insert(0, 0);
    begins.push(lines.len());
    let sections = begins.windows(2).map(|ends| {
        let of_section = |number: usize| (ends[0] + 1..=ends[1]).contains(&number);
        let blocks = page.blocks();
        let shown = blocks.iter().filter(|block| block.info == "text" && of_section(block.number));
        let shown =
            shown.filter_map(|block| page.includes(block)).flatten().filter(|part| part.name().ends_with(".stderr"));
        let prose = page.prose();
        let named = prose.iter().filter(|(number, _)| of_section(*number)).filter_map(|(_, line)| wording(line));
        Entry {
            place: format!("{}:{}", page.name, ends[0] + 1),
            shown: shown.collect(),
            wordings: named.map(str::to_owned).collect(),
        }
    });
    sections.filter(|entry| !entry.shown.is_empty() || !entry.wordings.is_empty()).collect()
}

/// Whether the part is the message that the entry is about, or begins it; else the part that is.
fn right_part(entry: &Entry, shown: &Include) -> Result<(), Option<String>> {
    let text = fs::read_to_string(&shown.file).unwrap_or_default();
    let all = messages(&text);
    let is_about = |lines: &[&str]| {
        let head = head(lines);
        entry.wordings.is_empty() || entry.wordings.iter().any(|wording| holds(&head, wording))
    };
    let (first, last) = shown.part.split_once(':').unwrap_or_default();
    let (first, last): (usize, usize) = (first.parse().unwrap_or(0), last.parse().unwrap_or(0));
    let whole = !entry.wordings.is_empty();
    let right = |message: &&(usize, usize, Vec<&str>)| {
        message.0 == first && if whole { message.1 == last } else { message.1 >= last }
    };
    if all.iter().find(right).is_some_and(|(_, _, lines)| is_about(lines)) {
        return Ok(());
    }
    Err(all.iter().find(|(_, _, lines)| is_about(lines)).map(|(first, last, _)| format!("{first}:{last}")))
}

#[test]
fn messages_are_shown_whole_under_their_own_entry() {
    let bless = env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut wrong = Vec::new();
    for page in pages() {
        let mut text = page.text.clone();
        for entry in entries(&page) {
            for shown in &entry.shown {
                let Err(right) = right_part(&entry, shown) else { continue };
                let file = shown.file.file_name().unwrap().display();
                match right {
                    Some(right) if bless => {
                        text = text.replace(&format!("{file}:{}", shown.part), &format!("{file}:{right}"))
                    }
                    Some(right) => wrong.push(format!("{}: {file}:{} is now {right}", entry.place, shown.part)),
                    None => wrong.push(format!("{}: {file} has no message with the words of the entry", entry.place)),
                }
            }
        }
        if text != page.text {
            fs::write(root().join("docs/src").join(&page.name), text).unwrap();
        }
    }
    assert!(wrong.is_empty(), "messages have moved (BLESS=1 follows them):\n{}", wrong.join("\n"));
}

#[test]
fn every_message_of_rustc_has_an_entry() {
    let chapter = pages().into_iter().filter(|page| page.name.starts_with(CHAPTER));
    let entries: Vec<Entry> = chapter.flat_map(|page| entries(&page)).collect();
    let wordings: Vec<(&str, &str)> = (entries.iter())
        .flat_map(|entry| entry.wordings.iter().map(|wording| (entry.place.as_str(), wording.as_str())))
        .collect();
    let mut wrong = Vec::new();
    let mut used = vec![false; wordings.len()];
    let mut files: Vec<_> = fs::read_dir(root().join("tests/ui")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "stderr")) {
        let text = fs::read_to_string(file).unwrap();
        for (first, _, lines) in messages(&text) {
            let head = head(&lines);
            if head.starts_with("note: ") {
                continue;
            }
            let known: Vec<usize> = (0..wordings.len()).filter(|&place| holds(&head, wordings[place].1)).collect();
            known.iter().for_each(|&place| used[place] = true);
            if known.is_empty() {
                wrong.push(format!("{}:{first}: {head}", file.file_name().unwrap().display()));
            }
        }
    }
    for ((place, wording), _) in wordings.iter().zip(used).filter(|(_, used)| !used) {
        wrong.push(format!("{place}: no message has the words `{wording}`"));
    }
    assert!(
        wrong.is_empty(),
        "{} messages without an entry in docs/src/{CHAPTER}, or entries without a message:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The enums of the errors that a user's program may meet, by the files that declare them.
const KINDS: [(&str, &str); 5] = [
    ("TrainError", "src/trainer/error.rs"),
    ("DataError", "src/data/error.rs"),
    ("CheckpointError", "src/checkpoint/error.rs"),
    ("FitError", "src/fit/error.rs"),
    ("MetricError", "src/metrics/error.rs"),
];

/// The variants of an enum, in a source that rustfmt has formatted.
fn variants(source: &str, name: &str) -> Vec<String> {
    let body =
        source.split_once(&format!("pub enum {name} {{\n")).expect("the enum").1.split_once("\n}").expect("its end").0;
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    names.map(|line| line.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
}

#[test]
fn every_kind_of_error_while_a_program_runs_has_an_entry() {
    let page = pages().into_iter().find(|page| page.name == "errors/running.md").expect("the page");
    let mut missing = Vec::new();
    for (name, file) in KINDS {
        let source = fs::read_to_string(root().join(file)).unwrap().replace("\r\n", "\n");
        let variants = variants(&source, name);
        assert!(variants.len() > 3, "{file} has changed its form");
        // The sections that name the enum.
        let parts: String = page.text.split("\n## ").filter(|part| part.contains(&format!("`{name}`"))).collect();
        assert!(!parts.is_empty(), "no part of the page is about {name}");
        let unknown = variants.into_iter().filter(|variant| !parts.contains(&format!("`{variant}`")));
        missing.extend(unknown.map(|variant| format!("{name}::{variant}")));
    }
    assert!(missing.is_empty(), "docs/src/errors/running.md has no entry for {missing:#?}");
}
