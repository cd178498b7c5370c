//! Numbers and texts as people read them. It knows no report.

use std::fmt::Write as _;

use kiln_graph::Line;

/// A text within XML or HTML, also within quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Places in a user's source: `src/net.rs:41`, of several in one file `src/net.rs:41, :42`; of many the first ones.
pub fn places(lines: &[Line]) -> String {
    const MOST: usize = 3;
    let mut text = String::new();
    let mut file = "";
    for line in &lines[..lines.len().min(MOST)] {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}{}:{}", if line.file == file { "" } else { line.file }, line.line);
        file = line.file;
    }
    if lines.len() > MOST {
        let _ = write!(text, " and {} more", lines.len() - MOST);
    }
    text
}

/// A count with thousands set apart: `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A count in the largest unit of which there is one, for a unit's name to follow: `1.23 M`, `640 `.
pub fn si(count: u64) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let Some((size, prefix)) = units.into_iter().find(|(size, _)| count >= *size) else { return format!("{count} ") };
    let number = count as f64 / size as f64;
    let digits = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.digits$} {prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_name_a_file_once() {
        let line = |file, line| Line { file, line, column: 5 };
        let check = |lines: &[Line], expected: &str| assert_eq!(places(lines), expected);
        check(&[], "");
        check(&[line("src/net.rs", 41)], "src/net.rs:41");
        check(&[line("a.rs", 1), line("a.rs", 2), line("b.rs", 3)], "a.rs:1, :2, b.rs:3");
        check(&[1, 2, 3, 4, 5].map(|number| line("a.rs", number)), "a.rs:1, :2, :3 and 2 more");
    }

    #[test]
    fn counts_are_short() {
        for (count, expected) in
            [(0, "0 "), (999, "999 "), (1_000, "1.00 k"), (64_200, "64.2 k"), (640_000, "640 k"), (1_234_567, "1.23 M")]
        {
            assert_eq!(si(count), expected);
        }
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
