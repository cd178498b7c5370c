//! What can be wrong with the operands of an operation or the input of a layer, and how that is said: plain `Copy`
//! data, so that a `const fn` can return it. Knows nothing of graphs or layers.

use std::fmt;

use super::{DType, Shape, Type};

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
    /// A tensor without elements.
    Empty {
        /// The shape that it would have.
        shape: Shape,
    },
    /// A tensor with an extent above [`super::MAX_EXTENT`] or more than [`super::MAX_ELEMENTS`] elements.
    TooLarge {
        /// The shape that it would have.
        shape: Shape,
    },
    /// As [`ShapeError::TooLarge`], of a layer's weight.
    WeightTooLarge {
        /// The shape that it would have.
        shape: Shape,
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
    /// The batch axis where its extent would have to be known, in a compile-time check.
    Batch {
        /// The operation's mnemonic.
        op: &'static str,
        /// The operand's shape.
        shape: Shape,
    },
    /// A free extent that would have to be known, or that what is computed from it can not be told of, in a compile-time
    /// check.
    Free {
        /// The operation's mnemonic.
        op: &'static str,
        /// The extent.
        extent: usize,
        /// Why, and what to do.
        rule: &'static str,
    },
    /// Two extents of which at least one is free, and that have no sum or product that can be told.
    Together {
        /// The operation's mnemonic.
        op: &'static str,
        /// The one.
        one: usize,
        /// `+` or `*`.
        operator: &'static str,
        /// The other.
        other: usize,
    },
    /// A model applied to another number of inputs than it has.
    Inputs {
        /// How many it has.
        expected: usize,
        /// To how many it is applied.
        found: usize,
    },
    /// Something that gives another number of values than are taken.
    Results {
        /// How many are taken.
        expected: usize,
        /// How many it gives.
        found: usize,
    },
    /// One of a model's inputs that has another type than it takes.
    Input {
        /// Which one, from 0.
        position: usize,
        /// The type that it takes.
        expected: Type,
        /// The type that it gets.
        found: Type,
    },
    /// An input of a model by which one of its free extents would be another than by an input before.
    Differs {
        /// Which input, from 0.
        position: usize,
        /// The free extent.
        free: usize,
        /// What it is before.
        before: usize,
        /// What it would be here.
        here: usize,
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
    /// An axis whose extent an attribute does not fit.
    Extent {
        /// The operation's mnemonic.
        op: &'static str,
        /// What must hold: `the square of the factor must divide the channels`.
        rule: &'static str,
        /// The number that has to fit, if the attribute is one: the square.
        given: Option<isize>,
        /// The axis.
        axis: usize,
        /// The operand's shape.
        shape: Shape,
    },
    /// A layer's setting outside its range.
    Setting {
        /// The setting: `p`.
        setting: &'static str,
        /// What must hold: `must be at least 0 and at most 1`.
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
    /// A layer's input with a wrong number of axes.
    InputRank {
        /// The smallest number of axes that the layer takes.
        least: usize,
        /// The largest one.
        most: usize,
        /// The input's shape.
        found: Shape,
    },
    /// A layer's input whose last axis is not its number of features.
    Features {
        /// The number of features that the layer takes.
        expected: usize,
        /// The input's shape.
        found: Shape,
    },
    /// A recurrent layer's input whose last axis is not its number of features.
    InputSize {
        /// The number of features that the layer takes.
        expected: usize,
        /// The input's shape.
        found: Shape,
    },
    /// An initial state of another type than a recurrent layer has.
    State {
        /// The type of its states.
        expected: Type,
        /// The type of the one given.
        found: Type,
    },
    /// One of a layer's inputs that has another type than it takes.
    Given {
        /// The name of the input.
        input: &'static str,
        /// The type that it takes.
        expected: Type,
        /// The type of what it is applied to.
        found: Type,
    },
    /// An input with places along the batch axis, in a compile-time check.
    BatchOfPlaces {
        /// The name of the input.
        input: &'static str,
        /// Its shape.
        found: Shape,
        /// The axis of the places.
        axis: usize,
    },
    /// A layer's input whose axis 1 is not its number of channels.
    InputChannels {
        /// The number of channels that the layer takes.
        expected: usize,
        /// The input's shape.
        found: Shape,
    },
    /// A layer's input whose last axes are not those that it normalizes.
    Normalized {
        /// The extents that the layer normalizes.
        expected: Shape,
        /// The input's shape.
        found: Shape,
    },
    /// A layer's input of another element type than it takes.
    Holds {
        /// The element type that the layer takes.
        expected: DType,
        /// The input's.
        found: DType,
    },
    /// The statistics of a batch that has a single value for each channel.
    OneValue {
        /// The input's shape.
        found: Shape,
    },
    /// Groups that do not divide a number of channels.
    Groups {
        /// The number of groups.
        groups: usize,
        /// The number of channels.
        channels: usize,
        /// `input` or `output`.
        side: &'static str,
    },
    /// A padding of more than half of a pooling kernel.
    Padding {
        /// The padding on one side.
        padding: usize,
        /// The kernel's extent.
        kernel: usize,
    },
    /// `padding = "same"` with a stride.
    SameStride {
        /// The stride.
        stride: usize,
    },
    /// An output padding of a transposed convolution that is smaller neither than its stride nor than its dilation.
    OutputPadding {
        /// The output padding.
        output_padding: usize,
        /// The stride.
        stride: usize,
        /// The dilation.
        dilation: usize,
    },
    /// More pooling windows along an axis than it has places for.
    Windows {
        /// The spatial axis, counted from 0.
        axis: usize,
        /// How many windows.
        windows: usize,
        /// The window's extent.
        kernel: usize,
        /// The image's extent.
        extent: usize,
    },
    /// A padding that cuts everything off a transposed convolution.
    NothingLeft {
        /// The spatial axis, counted from 0.
        axis: usize,
        /// The extent without padding.
        extent: usize,
        /// The padding of both sides.
        padding: usize,
    },
    /// A range of axes that ends before it starts.
    AxisRange {
        /// The first axis.
        start: usize,
        /// The last axis.
        end: usize,
        /// The input's shape.
        shape: Shape,
    },
    /// Axes to be merged of which one is the batch axis, in a compile-time check.
    BatchMerged {
        /// The input's shape.
        shape: Shape,
    },
    /// The batch axis of an operand along another axis of one that has a batch axis itself, in a compile-time check.
    Crossed {
        /// The shape with fewer axes.
        less: Shape,
        /// The shape with more axes.
        more: Shape,
        /// The axis of the latter.
        axis: usize,
    },
    /// Something whose shape is not the one that is needed.
    Expected {
        /// What it is: `output`, `target`.
        what: &'static str,
        /// The shape that is needed.
        expected: Shape,
        /// The shape that it has.
        found: Shape,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().as_str())
    }
}

impl std::error::Error for ShapeError {}

#[cfg(test)]
mod tests;
mod words;
