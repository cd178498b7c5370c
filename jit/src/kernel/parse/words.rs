//! The words of a text of kernels, one after the other, and what is said where another one was expected. It knows
//! characters and numbers; what a word means is for `parse.rs` to know.

use super::{ParseError, Parsed};
use crate::kernel::print::is_name_character;

/// What is left of a text.
pub(super) struct Words<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Words<'t> {
    pub(super) fn new(text: &'t str) -> Words<'t> {
        let mut words = Words { text, rest: text };
        words.skip();
        words
    }

    /// Steps over what separates words. Whatever takes a word does so behind it.
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix('#') else { return };
            self.rest = comment.find('\n').map_or("", |end| &comment[end..]);
        }
    }

    /// How long the text is.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    /// The place in the text, to step [`back`](Words::back) to.
    pub(super) fn place(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    pub(super) fn back(&mut self, place: usize) {
        self.rest = &self.text[place..];
    }

    /// Whether a mark comes next.
    pub(super) fn follows(&self, mark: &str) -> bool {
        self.rest.starts_with(mark)
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn fail<T>(&self, expected: impl Into<String>) -> Parsed<T> {
        let found = match self.next_word() {
            _ if self.at_end() => "the end of the text".to_owned(),
            "" => format!("`{}`", self.rest.chars().next().unwrap_or_default()),
            word => format!("`{word}`"),
        };
        self.fail_with(expected, found)
    }

    pub(super) fn fail_with<T>(&self, expected: impl Into<String>, found: impl Into<String>) -> Parsed<T> {
        let read = &self.text[..self.place()];
        Err(ParseError { line: 1 + read.matches('\n').count(), expected: expected.into(), found: found.into() })
    }

    /// The word that comes next; nothing in front of a mark. A value's sigil is part of it.
    pub(super) fn next_word(&self) -> &'t str {
        let sigil = usize::from(self.rest.starts_with('%'));
        let end = self.rest[sigil..].find(|c| !is_name_character(c) && c != '@');
        &self.rest[..end.map_or(self.rest.len(), |end| sigil + end)]
    }

    pub(super) fn advance(&mut self, length: usize) {
        self.rest = &self.rest[length..];
        self.skip();
    }

    /// Takes a mark, if it comes next.
    pub(super) fn mark(&mut self, mark: &str) -> bool {
        let found = self.follows(mark);
        if found {
            self.advance(mark.len());
        }
        found
    }

    pub(super) fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.mark(mark) { Ok(()) } else { self.fail(format!("`{mark}`")) }
    }

    /// Takes a word, if it comes next.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let found = self.next_word() == word;
        if found {
            self.advance(word.len());
        }
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.keyword(word) { Ok(()) } else { self.fail(format!("`{word}`")) }
    }

    pub(super) fn word(&mut self, expected: &str) -> Parsed<&'t str> {
        match self.next_word() {
            "" => self.fail(expected),
            word => {
                self.advance(word.len());
                Ok(word)
            }
        }
    }

    /// The characters that come next, as long as they are of a kind.
    pub(super) fn run(&self, is_of_kind: impl Fn(char) -> bool) -> &'t str {
        &self.rest[..self.rest.find(|c| !is_of_kind(c)).unwrap_or(self.rest.len())]
    }

    pub(super) fn digits(&self) -> &'t str {
        self.run(|c| c.is_ascii_digit())
    }

    /// A whole number, perhaps with a sign.
    pub(super) fn number<T: TryFrom<i128>>(&mut self) -> Parsed<T> {
        let before = self.place();
        let negative = self.mark("-");
        let digits = self.digits();
        let number = digits.parse::<i128>().ok().map(|number| if negative { -number } else { number });
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => {
                self.advance(digits.len());
                Ok(number)
            }
            None => {
                self.back(before);
                let expected = if digits.is_empty() { "a number" } else { "a number that fits its place" };
                self.fail(expected)
            }
        }
    }

    /// A text in quotes, as Rust's `{:?}` writes it.
    pub(super) fn quoted(&mut self) -> Parsed<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((position, character)) = characters.next() {
            match character {
                '"' => {
                    self.advance(position + 1);
                    return Ok(text);
                }
                '\\' => match escape(&mut characters) {
                    Some(character) => text.push(character),
                    None => return self.fail_with("an escape as in a text of Rust", "another one"),
                },
                character => text.push(character),
            }
        }
        self.fail_with("a closing `\"`", "the end of the text")
    }
}

/// The character that an escape stands for, behind its backslash.
fn escape(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let mut next = || characters.next().map(|(_, character)| character);
    match next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        character @ ('\\' | '"' | '\'') => Some(character),
        'u' if next()? == '{' => {
            let mut number = 0u32;
            loop {
                match next()? {
                    '}' => return char::from_u32(number),
                    digit => number = number.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
                }
            }
        }
        _ => None,
    }
}
