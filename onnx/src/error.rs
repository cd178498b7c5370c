//! Why a file is not read, or not made a graph. Knows no operators.

use std::path::PathBuf;

use kiln_graph::GraphError;
use kiln_graph::names::{line, shown};

use crate::element::Element;

/// Why a file is not read, or not made a graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file can not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// No ONNX file, or a damaged one.
    #[error("this is no ONNX file, or a damaged one: {}", line(reason))]
    Format {
        /// What is wrong.
        reason: String,
    },
    /// A name that no node of the file gives.
    #[error("no node gives `{}`", shown(name))]
    UnknownValue {
        /// The name given.
        name: String,
    },
    /// A new last layer that does not go with the model.
    #[error("head `{}`: {}", shown(name), line(reason))]
    Head {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A tensor of the file.
    #[error("tensor `{}`: {}", shown(name), line(reason))]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A node that can not be made a part of a graph.
    #[error("node `{}` ({}): {fault}", shown(node), shown(operator))]
    Node {
        /// Its name, or that of its first output.
        node: String,
        /// Its operator, with its domain if that is not ONNX's.
        operator: String,
        /// Why.
        #[source]
        fault: Box<Fault>,
    },
    /// An input that the model does not have.
    #[error("the model has no input `{}`; it has {}", shown(name), line(known))]
    UnknownInput {
        /// The name given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// An input whose shape, element type or value is not what the model takes.
    #[error("input `{}`: {}", shown(name), line(reason))]
    Input {
        /// Its name.
        name: String,
        /// What was expected, and what was found.
        reason: String,
    },
    /// An input with extents that the file leaves open, more than the first one.
    #[error("input `{}`: its shape {} is open: fix it by `.shape({:?}, &[..])`", shown(name), line(shape), shown(name))]
    Open {
        /// Its name.
        name: String,
        /// Its shape as the file says it; `..` where it says none.
        shape: String,
    },
    /// Statistics of batches are to be followed, and no node has any.
    #[error(
        "no node is a BatchNormalization: there are no statistics that could follow the batch. Most exporters fold norms \
         into the weights before them; export the network in training mode, or train it without"
    )]
    NoBatchNorm,
    /// The graph as a whole.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Why a node can not be made a part of a graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An operator that is not there.
    #[error("Kiln has no such operator")]
    Operator,
    /// A value decides on a shape, an axis or a count, and is not known before the graph runs.
    #[error(
        "input {position} (`{}`) decides on a shape, an axis or a count, but depends on data: give it a value \
         (`.with(name, value)`) or fix the shapes of inputs (`.shape(name, extents)`)",
        shown(input)
    )]
    Dynamic {
        /// Which input of the node.
        position: usize,
        /// Its name.
        input: String,
    },
    /// The number of results depends on data.
    #[error("the shape of its result depends on data")]
    DynamicResult,
    /// An element type that no graph carries.
    #[error("elements of type {0}, which Kiln does not compute with")]
    Element(Element),
    /// A value that is no tensor.
    #[error("a sequence, a map or an optional value, where Kiln has tensors only")]
    NoTensor,
    /// A whole number that an i32 does not hold.
    #[error("the whole number {0}, which does not fit an i32: Kiln carries whole numbers of all types as i32")]
    TooLarge(i64),
    /// A setting that Kiln does not have.
    #[error("{}", line(.0))]
    Unsupported(String),
    /// What ONNX does not allow.
    #[error("{}", line(.0))]
    Invalid(String),
    /// Shapes or element types that do not fit.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A node of a graph that the node holds.
    #[error(transparent)]
    Inside(Box<OnnxError>),
}

impl Fault {
    /// What ONNX does not allow.
    pub(crate) fn invalid(text: impl Into<String>) -> Fault {
        Fault::Invalid(text.into())
    }

    /// A setting that Kiln does not have.
    pub(crate) fn unsupported(text: impl Into<String>) -> Fault {
        Fault::Unsupported(text.into())
    }
}
