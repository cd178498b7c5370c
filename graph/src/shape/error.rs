//! What can be wrong with the operands of an operation or the input of a layer. Plain `Copy` data,
//! so that a `const fn` can return it; knows nothing of graphs or layers.

use std::fmt;

use super::{DType, Shape};

/// Why operands do not fit an operation, or an input a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// A wrong number of operands.
    Operands {
        /// The operation's mnemonic.
        op: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An operand of an element type that the operation does not take.
    ElementType {
        /// The operation's mnemonic.
        op: &'static str,
        /// Which operand.
        operand: usize,
        /// The types that it takes: `f32`, `f32 or i32`.
        expected: &'static str,
        /// The type it got.
        found: DType,
    },
    /// An operand with a wrong number of axes.
    Rank {
        /// The operation's mnemonic.
        op: &'static str,
        /// The number of axes it takes.
        expected: usize,
        /// The operand's shape.
        found: Shape,
    },
    /// Two operands (or an operand and an attribute) whose shapes do not fit one another.
    Mismatch {
        /// The operation's mnemonic.
        op: &'static str,
        /// The one shape: of the earlier operand, or the expected one.
        left: Shape,
        /// The other shape.
        right: Shape,
    },
    /// An axis that the operand does not have, or one given twice.
    Axis {
        /// The operation's mnemonic.
        op: &'static str,
        /// The axis as it was given.
        axis: isize,
        /// The operand's shape.
        shape: Shape,
    },
    /// More than [`super::MAX_RANK`] axes.
    TooManyAxes {
        /// The operation's mnemonic.
        op: &'static str,
        /// How many axes the result would have.
        found: usize,
    },
    /// A reshape to another number of elements.
    Elements {
        /// The operand's shape.
        from: Shape,
        /// The wanted shape.
        to: Shape,
    },
    /// A slice that reaches past the operand.
    Range {
        /// The axis.
        axis: usize,
        /// The first index.
        start: usize,
        /// One past the last index.
        limit: usize,
        /// The operand's shape.
        shape: Shape,
    },
    /// A window (or kernel) larger than its padded input.
    Window {
        /// The operation's mnemonic.
        op: &'static str,
        /// The spatial axis, counted from 0.
        axis: usize,
        /// The window's span, dilation included.
        span: usize,
        /// The padded input's extent.
        extent: usize,
    },
    /// Channels that do not fit the weight, or that the groups do not divide.
    Channels {
        /// The operation's mnemonic.
        op: &'static str,
        /// The input's channels.
        channels: usize,
        /// The number of groups.
        groups: usize,
        /// The weight's shape.
        weight: Shape,
    },
    /// An attribute outside its range: a stride of 0, no spatial axis.
    Attribute {
        /// The operation's mnemonic.
        op: &'static str,
        /// What must hold: `the stride must be at least 1`.
        rule: &'static str,
    },
    /// A node whose declared type is not the type that its operation gives.
    Declared {
        /// The operation's mnemonic.
        op: &'static str,
        /// The element type and shape that the operation gives.
        expected: (DType, Shape),
        /// The declared ones.
        found: (DType, Shape),
    },
    /// An operation whose type its operands do not determine (inputs and constants declare theirs).
    Undetermined {
        /// The operation's mnemonic.
        op: &'static str,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ShapeError::Operands { op, expected, found } => {
                write!(f, "{op} takes {expected} operands, but got {found}")
            }
            ShapeError::ElementType { op, operand, expected, found } => {
                write!(f, "operand {operand} of {op} must be {expected}, but is {found}")
            }
            ShapeError::Rank { op, expected, found } => {
                write!(f, "{op} takes a tensor with {expected} axes, but got one of shape {found}")
            }
            ShapeError::Mismatch { op, left, right } => write!(f, "{op} can not combine shapes {left} and {right}"),
            ShapeError::Axis { op, axis, shape } => {
                write!(f, "axis {axis} of {op} is not one of shape {shape}, or is given twice")
            }
            ShapeError::TooManyAxes { op, found } => {
                write!(f, "{op} would give a tensor with {found} axes; at most {} are possible", super::MAX_RANK)
            }
            ShapeError::Elements { from, to } => {
                write!(f, "shape {from} has {} elements, shape {to} has {}", from.elements(), to.elements())
            }
            ShapeError::Range { axis, start, limit, shape } => {
                write!(f, "the slice {start}..{limit} along axis {axis} does not lie in shape {shape}")
            }
            ShapeError::Window { op, axis, span, extent } => {
                write!(
                    f,
                    "the window of {op} spans {span} along spatial axis {axis}, but its padded input only {extent}"
                )
            }
            ShapeError::Channels { op, channels, groups, weight } => {
                write!(
                    f,
                    "{op} with {groups} groups can not combine {channels} input channels with a weight of shape {weight}"
                )
            }
            ShapeError::Attribute { op, rule } => write!(f, "{op}: {rule}"),
            ShapeError::Declared { op, expected, found } => {
                write!(f, "{op} gives {} {}, but is declared {} {}", expected.0, expected.1, found.0, found.1)
            }
            ShapeError::Undetermined { op } => write!(f, "the type of {op} must be declared"),
        }
    }
}

impl std::error::Error for ShapeError {}
