//! The text form of graphs. [`print()`] and [`parse()`] are inverses, but that inputs, which stand in the header,
//! become the first nodes, that nodes are numbered anew, and that of scopes only the layers' names are written, in the
//! order of their first use.
//!
//! ```text
//! graph step(%x: f32[2,3], state %fc.weight: f32[3,3], state %input2 "an odd name": f32[]) {
//!   %0: f32[2,3] = dot %x, %fc.weight @fc
//!   %1: f32[2] = sum %0 {axes=[1]}
//!   %2: f32[] = const 1e-5
//!   update %input2 = %2
//!   return %1, everything=%0        # a comment ends its line
//! }
//! ```
//!
//! - `graph NAME(INPUTS) {` `BODIES` `NODES` `UPDATES` `return OUTPUTS` `}`. A body, which a scan names by its number,
//!   is a graph itself. A name that is no plain word stands in quotes.
//! - An input is `%name: TYPE`, with `state` before it if it lives on between calls, `common` if it is the same for all
//!   rows of a batch. Where `%name` can not stand for the name (odd characters, a number, or taken), any `%handle` and
//!   the quoted name follow one another.
//! - A node is `%name: TYPE = MNEMONIC OPERANDS {ATTRIBUTES} @SCOPE`; the attributes of each operation, all of which
//!   are written, are those of `op/table.rs`. A constant has its value in place of operands: the shortest decimal that
//!   reads back as the same number, `inf`, `nan`, or `nan.BITS` with the bits of an unusual NaN in hexadecimal.
//! - An output is `name=%value`; without a name it is named by its position.
//!
//! Types are always written. [`parse`] infers them again and refuses a graph that [`verify`](crate::verify()) refuses;
//! [`read`] looks only at the syntax, and so can hold the broken graphs that the verifier is tested with.

mod lex;
mod parse;
mod print;

use crate::graph::NodeId;

pub use parse::{ParseError, Problem, Source, parse, read};
pub use print::{annotate, operation, print};

/// A line of a printed graph, as what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The graph's name; also what has no line of its own.
    Header,
    /// An input, as an index into [`Graph::inputs`](crate::Graph::inputs).
    Input(usize),
    /// A body, as an index into [`Graph::bodies`](crate::Graph::bodies).
    Body(usize),
    /// A node that is no input.
    Node(NodeId),
    /// An update, as an index into [`Graph::updates`](crate::Graph::updates).
    Update(usize),
    /// The outputs.
    Return,
    /// The closing brace.
    End,
}

/// A place in a text, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Whether the character may stand in a name without quotes.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// Whether the name can be written as a word, without quotes and without a sigil.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_plain)
}

/// Whether the name can follow the sigil of a scope without quotes.
fn is_label(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_plain)
}

/// Whether the name can follow the sigil of a value: numbers alone are kept for nodes.
fn is_handle(name: &str) -> bool {
    is_label(name) && !name.bytes().all(|c| c.is_ascii_digit())
}
