//! Numbers and texts as people read them.

/// A text within XML or HTML, also within quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
    fn counts_are_short() {
        for (count, expected) in
            [(0, "0 "), (999, "999 "), (1_000, "1.00 k"), (64_200, "64.2 k"), (640_000, "640 k"), (1_234_567, "1.23 M")]
        {
            assert_eq!(si(count), expected);
        }
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
