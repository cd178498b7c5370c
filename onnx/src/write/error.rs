//! Why a graph can not be written. It knows names and reasons, and no graph.

use std::fmt;

use kiln_graph::{Graph, Line, NodeId};

/// An operation of a graph, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The operation: `random`.
    pub operation: String,
    /// The layer: `encoder.drop`; empty outside of layers.
    pub layer: String,
    /// Where the user asked for it.
    pub line: Option<Line>,
}

impl At {
    pub(super) fn new(graph: &Graph, node: NodeId) -> At {
        let found = graph.node(node);
        At {
            operation: found.op.mnemonic().to_owned(),
            layer: graph.scope(node).layer.clone(),
            line: graph.line(found.scope),
        }
    }
}

/// "`random` of layer `drop` (src/main.rs:12:5)".
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.operation)?;
        if !self.layer.is_empty() {
            write!(f, " of layer `{}`", self.layer)?;
        }
        self.line.map_or(Ok(()), |line| write!(f, " ({line})"))
    }
}

/// Why a graph can not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An operation that ONNX's operators do not compute.
    #[error("{at} has no form in ONNX: {why}")]
    NoForm {
        /// The operation.
        at: At,
        /// Why not.
        why: &'static str,
    },
    /// A number that follows from the free extents in a way that is not known.
    #[error("{at} depends on a free extent in a way that can not be told: give the extents sizes (`batch`, `extent`)")]
    Extent {
        /// The operation that has it.
        at: At,
    },
    /// Other operations for other sizes.
    #[error(
        "the network computes in another way for other sizes, from {at} on: give the free extents sizes (`batch`, \
         `extent`)"
    )]
    Structure {
        /// The first that differs.
        at: At,
    },
    /// A state that is no parameter.
    #[error("`{name}` is a state that belongs to no parameter of the model: ONNX's models have none")]
    State {
        /// The state.
        name: String,
    },
    /// A prediction that changes a state.
    #[error("a prediction changes `{state}`: ONNX's models have no states")]
    Update {
        /// The state.
        state: String,
    },
}
