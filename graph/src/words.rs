//! Words that name variants, in constants. Knows texts alone.

/// Whether two words are the same.
pub(crate) const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut place = 0;
    while place < one.len() {
        if one[place] != other[place] {
            return false;
        }
        place += 1;
    }
    true
}

/// Whether a word is one of some.
pub(crate) const fn is_one_of(word: &str, words: &[&str]) -> bool {
    let mut number = 0;
    while number < words.len() {
        if same(word, words[number]) {
            return true;
        }
        number += 1;
    }
    false
}
