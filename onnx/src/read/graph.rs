//! A graph of ONNX as the rest of the crate sees it: no functions, no `Constant` nodes, no messages. Knows no
//! operators' meaning.

use std::sync::Arc;

use kiln_graph::Message;

use crate::constant::Constant;
use crate::element::Element;
use crate::operators::Row;

/// A graph: the main one, or one that a node holds.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Names of tensors that are known, with their numbers in the list of all.
    pub constants: Vec<(String, usize)>,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// Names of what it gives.
    pub outputs: Vec<String>,
    /// The nodes, each behind those that it needs.
    pub nodes: Vec<Arc<Node>>,
}

/// What a graph takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The element type; none for what is no tensor, or not said.
    pub element: Option<Element>,
    /// The extents, where they are said.
    pub shape: Option<Vec<Dim>>,
}

/// An extent that a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Known(usize),
    /// A name that stands for a number, or nothing (an empty name).
    Free(String),
    /// A free extent of the model that the file is a part of, `T` in `x: [N, T, 8]`, as shapes have it.
    Length(usize),
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Dim::Known(extent) => write!(f, "{extent}"),
            Dim::Free(name) if name.is_empty() => f.write_str("?"),
            Dim::Free(name) => f.write_str(name),
            Dim::Length(extent) => f.write_str(Message::new().number(*extent).as_str()),
        }
    }
}

/// A use of an operator.
#[derive(Debug)]
pub struct Node {
    /// Its name, or that of its first output.
    pub name: String,
    /// The operator's name, with its domain before it if that is not ONNX's.
    pub operator: String,
    /// The version of the operators that its file asks for.
    pub version: i64,
    /// What is known of the operator, if it is one of Kiln's.
    pub row: Option<&'static Row>,
    /// Names of the operands; empty for those left out.
    pub inputs: Vec<String>,
    /// Names of the results; empty for those not wanted.
    pub outputs: Vec<String>,
    /// The attributes by their names.
    pub attributes: Vec<(String, Attribute)>,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Attribute {
    Float(f32),
    Int(i64),
    Text(Vec<u8>),
    Tensor(Arc<Constant>),
    Graph(Arc<Graph>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<Vec<u8>>),
    /// Of a kind that no operator of Kiln's takes.
    Other,
}

/// A tensor of a file.
#[derive(Clone, Debug)]
pub struct Stored {
    /// A name that no other one has.
    pub name: String,
    /// What it holds. Of a parameter, the values in the file; nothing if they are many, since no shape depends on them.
    pub constant: Option<Arc<Constant>>,
    /// The element type.
    pub element: Element,
    /// The extents.
    pub shape: Vec<usize>,
    /// What it is in a graph.
    pub place: Place,
}

/// How a graph has a tensor of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Written out, as numbers.
    Written,
    /// As the parameter of a number.
    Parameter(usize),
    /// Whole numbers of more than 24 bits: as two parameters, of which the second one counts 65,536 each.
    Halves(usize),
}
