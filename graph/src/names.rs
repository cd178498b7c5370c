//! Names that come from files, as errors show them: on one line, and short, whatever the file holds. It knows no files.

/// How much of a name is shown, in characters; how much of a text with names in it; and how many names of a list.
const CHARACTERS: usize = 80;
const TEXT: usize = 1000;
const NAMES: usize = 10;

/// A name with its control characters escaped; of a long one the beginning.
pub fn shown(name: &str) -> String {
    cut(name, CHARACTERS)
}

/// A text in which names stand as they are: on one line, and no longer than what is read.
pub fn line(text: &str) -> String {
    cut(text, TEXT)
}

fn cut(name: &str, most: usize) -> String {
    let mut characters = name.chars();
    let start: String = characters.by_ref().take(most).collect();
    let escaped = start.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
    match (characters.next(), escaped.is_empty()) {
        (Some(_), _) => format!("{escaped}.. ({} bytes)", name.len()),
        (None, true) => "\"\"".to_owned(),
        (None, false) => escaped,
    }
}

/// Names with commas between them; of many the first, and their number.
pub fn listed(names: &[String]) -> String {
    let first: Vec<String> = names.iter().take(NAMES).map(|name| shown(name)).collect();
    let first = first.join(", ");
    if names.len() > NAMES { format!("{first}, .. ({} names)", names.len()) } else { first }
}

/// What differs, each as a sentence about a name, with semicolons between them; of many the first, and how many there are.
pub fn differences(sentences: &[String]) -> String {
    match sentences.get(..NAMES) {
        Some(first) if sentences.len() > NAMES => {
            format!("{}; .. ({} differences)", first.join("; "), sentences.len())
        }
        _ => sentences.join("; "),
    }
}

/// Numbers, such as extents, as a list; of many the first, and how many there are.
pub fn numbers(numbers: &[usize]) -> String {
    match numbers.get(..NAMES) {
        Some(first) if numbers.len() > NAMES => {
            let first: Vec<String> = first.iter().map(usize::to_string).collect();
            format!("[{}, .. ({} numbers)]", first.join(", "), numbers.len())
        }
        _ => format!("{numbers:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_on_one_short_line() {
        let cases = [
            ("conv.weight", "conv.weight"),
            ("größe[0]'s \"b\"", "größe[0]'s \"b\""),
            ("", "\"\""),
            ("a\nb\r\tc\0\u{1b}[31m\u{202e}", "a\\nb\\r\\tc\\0\\u{1b}[31m\\u{202e}"),
        ];
        for (name, expected) in cases {
            assert_eq!(shown(name), expected);
        }
        assert_eq!(shown(&"n".repeat(70_000)), format!("{}.. (70000 bytes)", "n".repeat(CHARACTERS)));
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        assert_eq!(listed(&many), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, .. (1000 names)");
        assert_eq!(listed(&many[..2]), "0, 1");
        assert_eq!(differences(&many), "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; .. (1000 differences)");
        assert_eq!(differences(&many[..2]), "0; 1");
        assert_eq!(line("`a\nb` is no name"), "`a\\nb` is no name");
        assert!(line(&"n".repeat(70_000)).len() < 1100);
        assert_eq!(numbers(&[3; 2]), "[3, 3]");
        assert_eq!(numbers(&[1; 70_000]), "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, .. (70000 numbers)]");
    }
}
