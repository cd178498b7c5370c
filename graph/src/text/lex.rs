//! Text to tokens. Spaces and comments (`#` to the end of the line) separate tokens and mean nothing. It knows no word
//! of the language.

use super::parse::{ParseError, Problem};
use super::{Position, is_plain};

/// What a token is; names without their sigils and quotes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `graph`, `f32`, `conv`, `inf`.
    Word(String),
    /// `%x`.
    Value(String),
    /// `@conv1` or `@"odd name"`.
    Scope(String),
    /// `"odd name"`.
    Quoted(String),
    /// `12`, `-1.5e-3`, `-inf`: anything that starts with a digit or a sign.
    Number(String),
    /// One of `( ) { } [ ] : , =`.
    Mark(char),
    /// The end of the text.
    End,
}

/// How a message names a token.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Word(text) | Kind::Number(text) => write!(f, "`{text}`"),
            Kind::Value(name) => write!(f, "`%{name}`"),
            Kind::Scope(name) => write!(f, "`@{name}`"),
            Kind::Quoted(name) => write!(f, "{name:?}"),
            Kind::Mark(mark) => write!(f, "`{mark}`"),
            Kind::End => f.write_str("the end of the text"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) position: Position,
}

/// The tokens of a text; the last one is [`Kind::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { rest: text, position: Position { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space();
        let position = lexer.position;
        let kind = lexer.token()?;
        let end = kind == Kind::End;
        tokens.push(Token { kind, position });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    rest: &'t str,
    position: Position,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.position = if c == '\n' {
            Position { line: self.position.line + 1, column: 1 }
        } else {
            Position { column: self.position.column + 1, ..self.position }
        };
        Some(c)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let length = self.rest.find(|c| !keep(c)).unwrap_or(self.rest.len());
        let (taken, _) = self.rest.split_at(length);
        for _ in taken.chars() {
            self.next();
        }
        taken
    }

    fn skip_space(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest.starts_with('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<Kind, ParseError> {
        let start = self.position;
        let unexpected = |expected: &str, found: &str| {
            let problem = Problem::Unexpected { expected: expected.to_string(), found: found.to_string() };
            Err(ParseError { position: start, problem })
        };
        let Some(c) = self.rest.chars().next() else { return Ok(Kind::End) };
        match c {
            '(' | ')' | '{' | '}' | '[' | ']' | ':' | ',' | '=' => {
                self.next();
                Ok(Kind::Mark(c))
            }
            '"' => self.quoted().map(Kind::Quoted),
            '%' => {
                self.next();
                match self.take_while(is_plain) {
                    "" => unexpected("a name after `%`", "none"),
                    name => Ok(Kind::Value(name.to_string())),
                }
            }
            '@' => {
                self.next();
                if self.rest.starts_with('"') {
                    return self.quoted().map(Kind::Scope);
                }
                match self.take_while(is_plain) {
                    "" => unexpected("a scope after `@`", "none"),
                    name => Ok(Kind::Scope(name.to_string())),
                }
            }
            '-' | '0'..='9' => {
                Ok(Kind::Number(self.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)).to_string()))
            }
            'a'..='z' | 'A'..='Z' | '_' => Ok(Kind::Word(self.take_while(is_plain).to_string())),
            _ => unexpected("a word, a number, a value or a mark", &format!("`{c}`")),
        }
    }

    /// A text in quotes, with the escapes that Rust's `{:?}` writes.
    fn quoted(&mut self) -> Result<String, ParseError> {
        let start = self.position;
        let error = |position, expected: &str, found: String| {
            Err(ParseError { position, problem: Problem::Unexpected { expected: expected.to_string(), found } })
        };
        self.next();
        let mut text = String::new();
        loop {
            let at = self.position;
            match self.next() {
                None => return error(start, "a closing `\"`", "the end of the text".to_string()),
                Some('"') => return Ok(text),
                Some('\\') => match self.escape() {
                    Some(c) => text.push(c),
                    None => {
                        return error(
                            at,
                            "an escape: \\n, \\r, \\t, \\0, \\', \\\", \\\\ or \\u{..}",
                            "another".into(),
                        );
                    }
                },
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        match self.next()? {
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            '0' => Some('\0'),
            c @ ('\\' | '"' | '\'') => Some(c),
            'u' if self.next()? == '{' => {
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
                (self.next()? == '}').then_some(c)
            }
            _ => None,
        }
    }
}
