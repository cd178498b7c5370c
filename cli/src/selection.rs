//! Which tensors of a file are meant, and in which order they come. It reads no numbers.

use std::cmp::Ordering;

use crate::failure::Failure;
use crate::hints::near;

/// The names that are meant by `patterns` (all, where there are none), in the order of numbers: `layers.2` before `layers.10`.
pub fn select<'n>(names: impl Iterator<Item = &'n str>, patterns: &[String]) -> Result<Vec<&'n str>, Failure> {
    let mut names: Vec<&str> = names.collect();
    names.sort_by(|a, b| in_order(a, b));
    for pattern in patterns {
        if !names.iter().any(|name| matches(pattern, name)) {
            let candidates = names.iter().flat_map(|name| beginnings(name));
            let hint = match near(pattern, candidates) {
                Some(near) => format!("did you mean {near}?"),
                None if names.is_empty() => "there are none".to_owned(),
                None => format!("there are {} and others", names[..names.len().min(3)].join(", ")),
            };
            return Err(Failure::told(format!("no tensor is called {pattern}: {hint}")));
        }
    }
    // A whole name means that tensor alone, though a checkpoint has what an optimizer keeps for it below it.
    let all = names.clone();
    let is_meant = |pattern: &String, name: &str| match all.contains(&pattern.as_str()) {
        true => pattern == name,
        false => matches(pattern, name),
    };
    names.retain(|name| patterns.is_empty() || patterns.iter().any(|pattern| is_meant(pattern, name)));
    Ok(names)
}

/// A name, and its beginnings up to each dot.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(dot, _)| &name[..dot]).chain([name])
}

/// Whether a name is `start`, or begins with it and a dot.
pub fn is_below(start: &str, name: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a name is [below](is_below) a pattern, or what it says with `*` for anything.
fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains('*') {
        return is_below(pattern, name);
    }
    let mut pieces = pattern.split('*');
    let (first, mut rest) = (pieces.next().unwrap_or_default(), name);
    let pieces: Vec<&str> = pieces.collect();
    let Some(behind) = rest.strip_prefix(first) else { return false };
    rest = behind;
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    // The first place for each piece leaves the most for the others.
    for piece in middle {
        let Some(place) = rest.find(piece) else { return false };
        rest = &rest[place + piece.len()..];
    }
    rest.ends_with(last)
}

/// Names in order, with the numbers in them as numbers.
fn in_order(a: &str, b: &str) -> Ordering {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        (end, text[..end].parse::<u128>())
    };
    let (mut x, mut y) = (a, b);
    loop {
        match (x.chars().next(), y.chars().next()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(p), Some(q)) if p.is_ascii_digit() && q.is_ascii_digit() => {
                let ((end_x, n), (end_y, m)) = (number(x), number(y));
                match (n, m) {
                    (Ok(n), Ok(m)) if n != m => return n.cmp(&m),
                    (Ok(_), Ok(_)) => {}
                    _ => return x.cmp(y),
                }
                (x, y) = (&x[end_x..], &y[end_y..]);
            }
            (Some(p), Some(q)) if p != q => return p.cmp(&q),
            (Some(p), Some(q)) => (x, y) = (&x[p.len_utf8()..], &y[q.len_utf8()..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_order() {
        let cases = [
            ("fc", "fc", true),
            ("fc", "fc.weight", true),
            ("fc", "fc2.weight", false),
            ("fc.w", "fc.weight", false),
            ("*", "anything", true),
            ("*.weight", "layers.0.weight", true),
            ("layers.*.weight", "layers.10.weight", true),
            ("layers.*.weight", "layers.10.bias", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "aa", false),
            ("ab*ba", "aba", false),
            ("größe*", "größe.x", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        let names = ["b", "layers.10.a", "layers.2.b", "layers.2.a", "a", "layers", "x01", "x1"];
        let sorted = ["a", "b", "layers", "layers.2.a", "layers.2.b", "layers.10.a", "x01", "x1"];
        assert_eq!(select(names.into_iter(), &[]).unwrap(), sorted);
    }
}
