//! The text of a recipe, which loses nothing: how records, choices, lists and numbers are written and read back, and
//! the macros that say once for all of a type which fields it has, for its text and for its [key](super::key). It knows
//! no type of its own but numbers and how a tensor lies.
//!
//! ```text
//! {field: 1, other: -}         a record; what may be nothing is `-`, else itself
//! word   word({field: 1}, 2)   a choice, and one with what belongs to it
//! [1, 2]   (1, 2)   yes        a list or an array, a pair, a truth
//! ```

use kiln_graph::shape::{MAX_RANK, Shape};

use crate::layout::Layout;

/// Why a text is no recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no text of a recipe: expected {expected} at byte {place}, found `{found}`")]
pub struct RecipeError {
    /// What should stand there.
    pub expected: String,
    /// Where, in bytes.
    pub place: usize,
    /// What stands there, or the first letters of it.
    pub found: String,
}

/// What can be written and read back.
pub trait Text: Sized {
    /// Writes it behind a text.
    fn write(&self, to: &mut String);

    /// Reads it.
    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError>;
}

/// A text that is read from its beginning on.
pub struct Reader<'a> {
    text: &'a str,
    place: usize,
    /// Records and choices that are being read, one within the other.
    depth: usize,
}

/// Recipes are no deeper than a few types within one another; no text may make a reader go deeper than its stack.
const DEEPEST: usize = 16;

impl<'a> Reader<'a> {
    /// From the beginning.
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { text, place: 0, depth: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    /// That something else was expected here.
    pub fn error<T>(&self, expected: &str) -> Result<T, RecipeError> {
        let found = self.rest().chars().take(20).collect();
        Err(RecipeError { expected: expected.to_owned(), place: self.place, found })
    }

    /// What is to stand here.
    pub fn expect(&mut self, text: &str) -> Result<(), RecipeError> {
        if self.take(text) { Ok(()) } else { self.error(&format!("`{text}`")) }
    }

    /// Whether this stands here, which is then read.
    pub fn take(&mut self, text: &str) -> bool {
        let here = self.rest().starts_with(text);
        self.place += if here { text.len() } else { 0 };
        here
    }

    /// The end of the text.
    pub fn end(&self) -> Result<(), RecipeError> {
        if self.rest().is_empty() { Ok(()) } else { self.error("the end") }
    }

    /// As many letters as belong to a word or a number.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        self.place += length;
        &rest[..length]
    }

    /// One of some words, by its position among them.
    pub fn one_of(&mut self, words: &[&str]) -> Result<usize, RecipeError> {
        let before = self.place;
        let word = self.word();
        if let Some(position) = words.iter().position(|known| *known == word) {
            return Ok(position);
        }
        self.place = before;
        self.error(&format!("one of `{}`", words.join("`, `")))
    }

    /// What is read within something else.
    pub fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, RecipeError>) -> Result<T, RecipeError> {
        if self.depth == DEEPEST {
            return self.error("nothing that lies so deep");
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Values between brackets.
    fn list<T: Text>(&mut self) -> Result<Vec<T>, RecipeError> {
        self.expect("[")?;
        let mut values = Vec::new();
        while !self.take("]") {
            if !values.is_empty() {
                self.expect(", ")?;
            }
            values.push(T::read(self)?);
        }
        Ok(values)
    }

    /// A list of so many values; `None` where there are others.
    fn array<T: Text, const N: usize>(&mut self) -> Result<[T; N], RecipeError> {
        let before = self.place;
        let values = self.list()?;
        values.try_into().or_else(|_| {
            self.place = before;
            self.error(&format!("a list of {N}"))
        })
    }
}

fn write_list<T: Text>(values: &[T], to: &mut String) {
    to.push('[');
    for (number, value) in values.iter().enumerate() {
        to.push_str(if number > 0 { ", " } else { "" });
        value.write(to);
    }
    to.push(']');
}

macro_rules! numbers {
    ($($ty:ty),*) => { $(
        impl Text for $ty {
            fn write(&self, to: &mut String) {
                to.push_str(&self.to_string());
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
                let before = from.place;
                from.word().parse().or_else(|_| {
                    from.place = before;
                    from.error("a number")
                })
            }
        }
    )* };
}

numbers!(i64, usize, u64);

impl Text for bool {
    fn write(&self, to: &mut String) {
        to.push_str(if *self { "yes" } else { "no" });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        Ok(from.one_of(&["no", "yes"])? == 1)
    }
}

/// `-` is nothing. (A number below 0 begins so, too, and goes on.)
impl<T: Text> Text for Option<T> {
    fn write(&self, to: &mut String) {
        match self {
            Some(value) => value.write(to),
            None => to.push('-'),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        let nothing = from.rest().strip_prefix('-').is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
        if nothing {
            from.expect("-")?;
            return Ok(None);
        }
        T::read(from).map(Some)
    }
}

impl<T: Text> Text for Box<T> {
    fn write(&self, to: &mut String) {
        self.as_ref().write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        T::read(from).map(Box::new)
    }
}

impl<T: Text> Text for Vec<T> {
    fn write(&self, to: &mut String) {
        write_list(self, to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        from.list()
    }
}

impl<T: Text, const N: usize> Text for [T; N] {
    fn write(&self, to: &mut String) {
        write_list(self, to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        from.array()
    }
}

impl<A: Text, B: Text> Text for (A, B) {
    fn write(&self, to: &mut String) {
        to.push('(');
        self.0.write(to);
        to.push_str(", ");
        self.1.write(to);
        to.push(')');
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        from.expect("(")?;
        let first = A::read(from)?;
        from.expect(", ")?;
        let second = B::read(from)?;
        from.expect(")")?;
        Ok((first, second))
    }
}

impl Text for Shape {
    fn write(&self, to: &mut String) {
        write_list(self.dims(), to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        let before = from.place;
        let extents: Vec<usize> = from.list()?;
        if extents.len() > MAX_RANK {
            from.place = before;
            return from.error("a shape of at most 8 axes");
        }
        Ok(Shape::new(&extents))
    }
}

impl Text for Layout {
    fn write(&self, to: &mut String) {
        let Layout { offset, strides, elements } = self;
        to.push_str(&format!("{offset}+"));
        strides.write(to);
        to.push_str(&format!("/{elements}"));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        let offset = usize::read(from)?;
        from.expect("+")?;
        let strides = from.array()?;
        from.expect("/")?;
        Ok(Layout { offset, strides, elements: usize::read(from)? })
    }
}

/// The text and the key of a struct: all of its fields, in the order of the key; behind `but` those that decide on no
/// code and are no part of the key.
macro_rules! record {
    ($ty:ident { $first:ident $(, $field:ident)* } $(but { $($unkeyed:ident),* })?) => {
        impl crate::contraction::key::Keyed for $ty {
            fn key(&self, key: &mut crate::contraction::key::Key) {
                let $ty { $first $(, $field)* $($(, $unkeyed: _)*)? } = self;
                key.add($first) $(.add($field))*;
            }
        }

        impl crate::contraction::text::Text for $ty {
            fn write(&self, to: &mut String) {
                let $ty { $first $(, $field)* $($(, $unkeyed)*)? } = self;
                to.push_str(concat!("{", stringify!($first), ": "));
                $first.write(to);
                $(
                    to.push_str(concat!(", ", stringify!($field), ": "));
                    $field.write(to);
                )*
                $($(
                    to.push_str(concat!(", ", stringify!($unkeyed), ": "));
                    $unkeyed.write(to);
                )*)?
                to.push('}');
            }

            fn read(
                from: &mut crate::contraction::text::Reader<'_>,
            ) -> Result<Self, crate::contraction::text::RecipeError> {
                from.within(|from| {
                    from.expect(concat!("{", stringify!($first), ": "))?;
                    let $first = crate::contraction::text::Text::read(from)?;
                    $(
                        from.expect(concat!(", ", stringify!($field), ": "))?;
                        let $field = crate::contraction::text::Text::read(from)?;
                    )*
                    $($(
                        from.expect(concat!(", ", stringify!($unkeyed), ": "))?;
                        let $unkeyed = crate::contraction::text::Text::read(from)?;
                    )*)?
                    from.expect("}")?;
                    Ok($ty { $first $(, $field)* $($(, $unkeyed)*)? })
                })
            }
        }
    };
}

/// The text and the key of an enum: for each variant the number in its key, which none but it ever had, and its word.
macro_rules! choice {
    ($ty:ident { $($number:literal $word:literal $variant:ident $(($first:ident $(, $field:ident)*))?),* $(,)? }) => {
        impl crate::contraction::key::Keyed for $ty {
            fn key(&self, key: &mut crate::contraction::key::Key) {
                match self {
                    $($ty::$variant $(($first $(, $field)*))? => {
                        let number: usize = $number;
                        key.add(&number) $(.add($first) $(.add($field))*)?;
                    })*
                }
            }
        }

        impl crate::contraction::text::Text for $ty {
            fn write(&self, to: &mut String) {
                match self {
                    $($ty::$variant $(($first $(, $field)*))? => {
                        to.push_str($word);
                        $(
                            to.push('(');
                            $first.write(to);
                            $(
                                to.push_str(", ");
                                $field.write(to);
                            )*
                            to.push(')');
                        )?
                    })*
                }
            }

            fn read(
                from: &mut crate::contraction::text::Reader<'_>,
            ) -> Result<Self, crate::contraction::text::RecipeError> {
                from.within(|from| {
                    let words = [$($word),*];
                    let word = words[from.one_of(&words)?];
                    $(
                        if word == $word {
                            $(
                                from.expect("(")?;
                                let $first = crate::contraction::text::Text::read(from)?;
                                $(
                                    from.expect(", ")?;
                                    let $field = crate::contraction::text::Text::read(from)?;
                                )*
                                from.expect(")")?;
                            )?
                            return Ok($ty::$variant $(($first $(, $field)*))?);
                        }
                    )*
                    unreachable!("one of the words")
                })
            }
        }
    };
}

pub(super) use {choice, record};
