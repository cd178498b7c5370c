//! What rustc says, without what differs from machine to machine: folders, the lines of files other than the case's own,
//! summaries. It knows rustc's layout of messages; it runs nothing.

/// Lines that count what was said.
const SUMMARIES: [&str; 3] =
    ["error: aborting due to ", "For more information about ", "Some errors have detailed explanations"];

/// The messages about the file `case`, with paths relative to `root`, in which rustc ran.
pub fn normalized(text: &str, root: &str, case: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut messages = Vec::new();
    for message in text.split("\n\n") {
        let lines: Vec<&str> = message.lines().filter(|line| !is_summary(line)).collect();
        if lines.iter().any(|line| !line.trim().is_empty()) {
            messages.push(self::message(&lines, root, case));
        }
    }
    messages.join("\n\n") + "\n"
}

/// Whether two texts hold the same messages. In which order rustc evaluates the constants of a crate is its own affair, and so is
/// whether it meets one again that has failed, and notes so.
pub fn same(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut messages: Vec<String> = text.trim_end().split("\n\n").map(str::to_owned).collect();
        messages.retain(|message| !message.starts_with("note: erroneous constant encountered"));
        messages.sort();
        messages
    };
    sorted(one) == sorted(other)
}

fn is_summary(line: &str) -> bool {
    SUMMARIES.iter().any(|summary| line.starts_with(summary))
}

/// What rustc says below a line of the source: `= note:` in front of it is what it says without the source.
const LABELS: [&str; 1] = ["= note: the failure occurred here"];

/// One message: lines of other files lose their numbers, and the margin becomes as wide as the numbers that are left.
fn message(lines: &[&str], root: &str, case: &str) -> String {
    let mut result: Vec<String> = Vec::new();
    let (mut foreign, mut library) = (false, false);
    let (mut before, mut after) = (0, 1);
    for line in lines {
        let line = line.trim_end();
        let start = line.trim_start();
        if let Some(path) = start.strip_prefix("--> ").or_else(|| start.strip_prefix("::: ")) {
            before = before.max(line.len() - start.len());
            let path = place(path, root);
            foreign = !path.starts_with(case);
            library = path.starts_with("$RUST");
            let shown = if foreign { without_numbers(&path) } else { &path };
            result.push(format!("{}{} {shown}", " ".repeat(line.len() - start.len()), &start[..3]));
            continue;
        }
        let digits = start.len() - start.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let numbered = digits > 0 && start[digits..].trim_start().starts_with(['|', '+', '-', '~']);
        // Where the source is not there, what would stand below it is a note of the place.
        let label = library && LABELS.contains(&start);
        let source = numbered || start.starts_with('|') || start == "..." || label;
        foreign &= source;
        library &= source;
        if library {
            // Whether the source of the standard library is shown depends on what of Rust is installed.
            continue;
        }
        if foreign && numbered {
            let blank = " ".repeat(digits);
            result.push(line.replacen(&start[..digits], &blank, 1));
        } else {
            if numbered {
                after = after.max(digits);
            }
            result.push(line.to_owned());
        }
    }
    let margin = before.saturating_sub(after);
    result.iter().map(|line| narrower(line, margin)).collect::<Vec<_>>().join("\n")
}

/// A line of a message whose margin is narrower by so many columns.
fn narrower(line: &str, margin: usize) -> String {
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = line.split_at(digits);
    match rest.strip_prefix(&" ".repeat(margin)) {
        Some(rest) => format!("{number}{rest}"),
        None => line.to_owned(),
    }
}

/// A path with its line and column, without the folders of this machine.
fn place(path: &str, root: &str) -> String {
    let path = path.replace('\\', "/");
    let root = root.replace('\\', "/");
    let own = path.strip_prefix(&root).map(|path| path.trim_start_matches('/'));
    if let Some(own) = own {
        return own.to_owned();
    }
    let library = "/library/";
    match path.find(library) {
        Some(at) if path.contains("rustlib") || path.starts_with("/rustc/") => {
            format!("$RUST/{}", &path[at + library.len()..])
        }
        _ => path,
    }
}

fn without_numbers(place: &str) -> &str {
    place.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':')
}

#[test]
fn messages_lose_what_is_of_one_machine() {
    let text = "\
error[E0080]: it is wrong
   --> /here/kiln/tests/ui/case.rs:9:5
    |
9   |     fc2: Linear<16, 10>,
    |     ^^^^^^^^^^^^^^^^^^^
    |
note: method defined here
   --> /here/kiln/src/trainer.rs:123:12
    |
123 |     pub fn predict()
    |            ^^^^^^^
    = note: and more

note: function `args` is not const
   --> /toolchain/lib/rustlib/src/rust/library/std/src/env.rs:800:1
    |
800 | pub fn args() -> Args {
    | ^^^^^^^^^^^^^^^^^^^^^

error: aborting due to 1 previous error; 1 warning emitted

For more information about this error, try `rustc --explain E0080`.
";
    let expected = "\
error[E0080]: it is wrong
 --> tests/ui/case.rs:9:5
  |
9 |     fc2: Linear<16, 10>,
  |     ^^^^^^^^^^^^^^^^^^^
  |
note: method defined here
 --> src/trainer.rs
  |
  |     pub fn predict()
  |            ^^^^^^^
  = note: and more

note: function `args` is not const
 --> $RUST/std/src/env.rs
";
    assert_eq!(normalized(text, "/here/kiln", "tests/ui/case.rs"), expected);
}

/// The source of the standard library (`rust-src`) is on some machines only.
#[test]
fn messages_are_the_same_without_the_source_of_the_library() {
    let with = "\
error[E0080]: it is wrong
  --> /here/kiln/tests/ui/case.rs:9:5
   |
note: inside `check`
  --> /toolchain/lib/rustlib/src/rust/library/core/src/panic.rs:60:9
   |
60 |         panic()
   |         ^^^^^^^ the failure occurred here
   |
  ::: /here/kiln/graph/src/checks.rs:10:1
   |
10 |     panic!()
   |     -------- in this macro invocation
   = note: and more
";
    let without = "\
error[E0080]: it is wrong
  --> /here/kiln/tests/ui/case.rs:9:5
   |
note: inside `check`
  --> /rustc/59807616e1fa/library/core/src/panic.rs:60:9
   = note: the failure occurred here
   |
  ::: /here/kiln/graph/src/checks.rs:10:1
   |
10 |     panic!()
   |     -------- in this macro invocation
   = note: and more
";
    let [with, without] = [with, without].map(|text| normalized(text, "/here/kiln", "tests/ui/case.rs"));
    assert_eq!(with, without);
    assert!(with.contains("graph/src/checks.rs") && with.contains("and more"), "{with}");
}
