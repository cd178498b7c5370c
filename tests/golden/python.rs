//! The Python that programs are written in: assignments, calls, arithmetic, `for i, x in enumerate(..)`, `return`.
//! Knows syntax only.

use crate::case::Refusal;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// `2`, `0.5`.
    Number(f64),
    /// `x`.
    Name(String),
    /// `x.y`.
    Member(Box<Expression>, String),
    /// `f(a, b)`.
    Call(Box<Expression>, Vec<Expression>),
    /// `x[i]`.
    Index(Box<Expression>, Box<Expression>),
    /// `[a, b]` or `(a, b)`.
    List(Vec<Expression>),
    /// `a + b`; the operator is one of `+ - * /` and `#` for `//`.
    Binary(char, Box<Expression>, Box<Expression>),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `x = e`.
    Assign(String, Expression),
    /// `e`.
    Evaluate(Expression),
    /// `return e`.
    Return(Expression),
    /// `for index, item in enumerate(over):` and the indented lines after it.
    For {
        /// The name of the number.
        index: String,
        /// The name of the element.
        item: String,
        /// What is walked over.
        over: Expression,
        /// The indented lines.
        body: Vec<Statement>,
    },
}

/// Parses lines; a deeper indentation than the first line's belongs to the `for` before it.
pub fn parse(lines: &[&str]) -> Result<Vec<Statement>, Refusal> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut statements = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let depth = indentation(lines[at]);
        let text = lines[at].trim();
        at += 1;
        if let Some(head) = text.strip_prefix("for ").and_then(|rest| rest.strip_suffix(':')) {
            let end = (at..lines.len()).find(|&next| indentation(lines[next]) <= depth).unwrap_or(lines.len());
            let (names, over) = head.split_once(" in ").ok_or_else(|| unknown(text))?;
            let (index, item) = names.split_once(',').ok_or_else(|| unknown(text))?;
            let over = over.trim().strip_prefix("enumerate(").and_then(|rest| rest.strip_suffix(')'));
            statements.push(Statement::For {
                index: index.trim().into(),
                item: item.trim().into(),
                over: expression(over.ok_or_else(|| unknown(text))?)?,
                body: parse(&lines[at..end])?,
            });
            at = end;
            continue;
        }
        for part in text.split(';').map(str::trim) {
            statements.push(statement(part)?);
        }
    }
    Ok(statements)
}

fn unknown(text: &str) -> Refusal {
    Refusal::later(format!("the Python `{text}`"))
}

fn statement(text: &str) -> Result<Statement, Refusal> {
    if let Some(value) = text.strip_prefix("return ") {
        return Ok(Statement::Return(expression(value)?));
    }
    match text.split_once(" = ") {
        Some((name, value)) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            Ok(Statement::Assign(name.into(), expression(value)?))
        }
        _ => Ok(Statement::Evaluate(expression(text)?)),
    }
}

fn expression(text: &str) -> Result<Expression, Refusal> {
    let mut parser = Parser { text, rest: text };
    let value = parser.sum()?;
    if parser.rest.trim().is_empty() { Ok(value) } else { Err(unknown(text)) }
}

/// A parser by recursive descent.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Parser<'_> {
    /// Takes the token if it comes next.
    fn take(&mut self, token: &str) -> bool {
        let next = self.rest.trim_start().strip_prefix(token);
        if let Some(rest) = next {
            self.rest = rest;
        }
        next.is_some()
    }

    /// Takes characters while they fit.
    fn word(&mut self, fits: impl Fn(char) -> bool) -> String {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.into()
    }

    fn sum(&mut self) -> Result<Expression, Refusal> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take("+") {
                '+'
            } else if self.take("-") {
                '-'
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, Refusal> {
        let mut left = self.postfix()?;
        loop {
            let operator = if self.take("*") {
                '*'
            } else if self.take("//") {
                '#'
            } else if self.take("/") {
                '/'
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.postfix()?));
        }
    }

    fn postfix(&mut self) -> Result<Expression, Refusal> {
        let mut value = self.atom()?;
        loop {
            if self.take(".") {
                value = Expression::Member(Box::new(value), self.word(|c| c.is_alphanumeric() || c == '_'));
            } else if self.take("(") {
                value = Expression::Call(Box::new(value), self.items(")")?);
            } else if self.take("[") {
                let index = self.sum()?;
                if !self.take("]") {
                    return Err(unknown(self.text));
                }
                value = Expression::Index(Box::new(value), Box::new(index));
            } else {
                return Ok(value);
            }
        }
    }

    fn items(&mut self, end: &str) -> Result<Vec<Expression>, Refusal> {
        let mut items = Vec::new();
        while !self.take(end) {
            let item = self.sum()?;
            // A named argument counts by its place.
            items.push(if self.take("=") { self.sum()? } else { item });
            if !self.take(",") && !self.rest.trim_start().starts_with(end) {
                return Err(unknown(self.text));
            }
        }
        Ok(items)
    }

    fn atom(&mut self) -> Result<Expression, Refusal> {
        if self.take("[") {
            return Ok(Expression::List(self.items("]")?));
        }
        if self.take("(") {
            let mut items = self.items(")")?;
            return Ok(if items.len() == 1 { items.remove(0) } else { Expression::List(items) });
        }
        if self.take("-") {
            let negated = self.postfix()?;
            return Ok(Expression::Binary('-', Box::new(Expression::Number(0.0)), Box::new(negated)));
        }
        let word = self.word(|c| c.is_alphanumeric() || c == '_');
        if !word.starts_with(|c: char| c.is_ascii_digit()) {
            return if word.is_empty() { Err(unknown(self.text)) } else { Ok(Expression::Name(word)) };
        }
        // A point that a digit follows belongs to the number.
        let fraction = self.rest.starts_with('.') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        let digits =
            if fraction && self.take(".") { format!("{word}.{}", self.word(|c| c.is_ascii_digit())) } else { word };
        digits.parse().map(Expression::Number).map_err(|_| unknown(self.text))
    }
}
