//! What can be wrong with the operands of an operation or the input of a layer, and how that is said: plain `Copy`
//! data, so that a `const fn` can return it. Knows nothing of graphs or layers.

use std::fmt;

use super::{DType, MAX_RANK, Message, Shape, Type};

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

impl ShapeError {
    /// What kind of mistake it is, as the head of a message about a layer.
    pub const fn head(&self) -> &'static str {
        if let ShapeError::Setting { .. } = self { "wrong setting" } else { "shape mismatch" }
    }

    /// The error in words. Those of layers speak of the layer as "it", so that they can follow its name.
    pub const fn message(&self) -> Message {
        let m = Message::new();
        match *self {
            ShapeError::Operands { op, expected, found } => {
                m.text(op).text(" takes ").number(expected).text(" operands, but got ").number(found)
            }
            ShapeError::ElementType { op, operand, expected, found } => {
                let m = m.text("operand ").number(operand).text(" of ").text(op).text(" must be ").text(expected);
                m.text(", but is ").text(found.name()).text(match (expected.as_bytes(), found) {
                    (b"f32", _) | (b"f32 or i32", DType::Bool) => ": `.float()` makes it so",
                    (b"i32", _) => ": `.int()` makes it so",
                    _ => "",
                })
            }
            ShapeError::Rank { op, expected, found } => {
                let m = m.text(op).text(" takes a tensor with ").number(expected).text(" axes, but got one of shape ");
                m.shape(&found)
            }
            ShapeError::Empty { shape } => {
                m.text("shape ").shape(&shape).text(" has no elements: every extent of a tensor is at least 1")
            }
            ShapeError::TooLarge { shape } => m
                .text("shape ")
                .shape(&shape)
                .text(" is too large: extents are below 2^31, and a tensor has at most 2^44 elements"),
            ShapeError::WeightTooLarge { shape } => m
                .text("its weight of shape ")
                .shape(&shape)
                .text(" is too large: extents are below 2^31, and a tensor has at most 2^44 elements"),
            ShapeError::Mismatch { op, left, right } => {
                m.text(op).text(" can not combine shapes ").shape(&left).text(" and ").shape(&right)
            }
            ShapeError::Axis { op, axis, shape } => {
                let m = m.text("axis ").signed(axis).text(" of ").text(op).text(" is not one of shape ");
                m.shape(&shape).text(", or is given twice")
            }
            ShapeError::TooManyAxes { op, found } => {
                let m = m.text(op).text(" would give a tensor with ").number(found).text(" axes; at most ");
                m.number(MAX_RANK).text(" are possible")
            }
            ShapeError::Elements { from, to } => {
                let m =
                    m.text("shape ").shape(&from).text(" has ").elements(&from).text(" elements, shape ").shape(&to);
                m.text(" has ").elements(&to)
            }
            ShapeError::Batch { op, shape } => {
                let m = m.text(op).text(" can neither take apart nor extend the batch axis N of shape ").shape(&shape);
                m.text(": its extent is not known while the model compiles; an axis that is no batch has another name, `[V, 64]`")
            }
            ShapeError::Free { op, extent, rule } => {
                let m = m.text(op).text(": ").number(extent).text(" is not known while the model compiles");
                m.text(", ").text(rule)
            }
            ShapeError::Together { op, one, operator, other } => {
                let m = m.text(op).text(": ").extent(one).text(" ").text(operator).text(" ");
                let sum = operator.as_bytes()[0] == b'*' && super::extent::line(other).1 != 0;
                let m = if sum { m.text("(").extent(other).text(")") } else { m.extent(other) };
                let m = m.text(" is no extent that can be told while the model compiles: ");
                if operator.as_bytes()[0] == b'*' {
                    return m
                        .text(
                            "a product is of free extents and multiples of them, with at most 7 letters in all names ",
                        )
                        .text("and the `*` between: `N * T`");
                }
                m.text("one is a multiple of one free extent, and a number more or less; let an input have an axis ")
                    .text("of this extent, with a name of its own")
            }
            ShapeError::Inputs { expected, found } => {
                let m = m.text("it takes ").number(expected).text(if expected == 1 { " input" } else { " inputs" });
                m.text(", but is applied to ").number(found)
            }
            ShapeError::Results { expected, found } => {
                let m = m.text("it gives ").number(found).text(if found == 1 { " value" } else { " values" });
                let m = m.text(", but ").number(expected).text(if expected == 1 { " is taken" } else { " are taken" });
                if expected == 1 { m.text(": take them apart, as in `let (a, b) = ..`") } else { m }
            }
            ShapeError::Input { position, expected, found } => {
                let m = m.text("its input ").number(position).text(" must be ");
                if expected.dtype as u8 == found.dtype as u8 {
                    m.ty(&expected).text(", but is ").ty(&found)
                } else {
                    let m = m.text(expected.dtype.name()).text(" ").shape(&expected.shape).text(", but is ");
                    m.text(found.dtype.name()).text(" ").shape(&found.shape)
                }
            }
            ShapeError::Differs { position, free, before, here } => {
                let m = m.text("its free extent ").extent(free).text(" would be ").extent(here).text(" by its input ");
                m.number(position).text(", and is ").extent(before).text(" by an axis before")
            }
            ShapeError::Range { axis, start, limit, shape } => {
                let m = m.text("the slice ").number(start).text("..").number(limit).text(" along axis ").number(axis);
                m.text(" does not lie in shape ").shape(&shape)
            }
            ShapeError::Window { op, axis, span, extent } => {
                let m = m.text("the window of ").text(op).text(" spans ").number(span).text(" along spatial axis ");
                m.number(axis).text(", but its padded input only ").number(extent)
            }
            ShapeError::Channels { op, channels, groups, weight } => {
                let m = m.text(op).text(" with ").number(groups).text(" groups can not combine ").number(channels);
                m.text(" input channels with a weight of shape ").shape(&weight)
            }
            ShapeError::Attribute { op, rule } => m.text(op).text(": ").text(rule),
            ShapeError::Setting { setting, rule } => m.text("`").text(setting).text("` ").text(rule),
            ShapeError::Declared { op, expected, found } => {
                let m = m.text(op).text(" gives ").text(expected.0.name()).text(" ").shape(&expected.1);
                m.text(", but is declared ").text(found.0.name()).text(" ").shape(&found.1)
            }
            ShapeError::Undetermined { op } => m.text("the type of ").text(op).text(" must be declared"),
            ShapeError::InputRank { least, most, found } => {
                let m = m.text("its input must have ").number(least);
                let m = if least == most {
                    m
                } else if most >= MAX_RANK {
                    m.text(" or more")
                } else {
                    m.text(" to ").number(most)
                };
                m.text(if most == 1 { " axis" } else { " axes" }).text(", but has shape ").shape(&found)
            }
            ShapeError::Features { expected, found } => {
                let m = m.text("it takes ").number(expected).text(" input features, but its input has shape ");
                let m = m.shape(&found);
                if found.rank() > 2 && matches!(found.elements_from(1), Some(features) if features == expected) {
                    m.text("; put a Flatten before it")
                } else {
                    m
                }
            }
            ShapeError::InputSize { expected, found } => {
                let m =
                    m.text("it takes ").number(expected).text(" features (input_size), the last axis of its input, ");
                m.text("which has shape ").shape(&found)
            }
            ShapeError::State { expected, found } => {
                let m = m.text("its initial states are ").ty(&expected).text(" for this input, but the one given is ");
                m.ty(&found)
            }
            ShapeError::Given { input, expected, found } => {
                m.text("its `").text(input).text("` must be ").ty(&expected).text(", but is ").ty(&found)
            }
            ShapeError::BatchOfPlaces { input, found, axis } => {
                let m = m.text("axis ").number(axis).text(" of its `").text(input).text("` ").shape(&found);
                m.text(" is that of the places, and there is the batch axis: set `batch_first = true`, or transpose it")
            }
            ShapeError::InputChannels { expected, found } => {
                m.text("it takes ").number(expected).text(" input channels, but its input has shape ").shape(&found)
            }
            ShapeError::Normalized { expected, found } => {
                m.text("it normalizes the last axes ").shape(&expected).text(", but its input has shape ").shape(&found)
            }
            ShapeError::Holds { expected, found } => {
                let m = m.text("its input must hold ").text(expected.name()).text(", but holds ").text(found.name());
                match expected {
                    DType::I32 => m.text(": indices are declared with their type, as in `[N, 16; i32]`"),
                    DType::F32 | DType::Bf16 | DType::U8 | DType::I8 | DType::Bool => m,
                }
            }
            ShapeError::OneValue { found } => {
                let m = m.text(
                    "it needs two or more values for each channel to normalize a batch, but its input has shape ",
                );
                let m = m
                    .shape(&found)
                    .text(": make the batch larger (`.batch(..)` of the builder), or, where it is the last ");
                m.text("one of the data, leave it out (`batches(..).drop_last()`)")
            }
            ShapeError::Groups { groups, channels, side } => {
                let m = m.text("groups = ").number(groups).text(" does not divide its ").number(channels);
                m.text(" ").text(side).text(" channels")
            }
            ShapeError::Padding { padding, kernel } => {
                let m = m.text("its padding of ").number(padding).text(" is more than half of its kernel of ");
                m.number(kernel)
            }
            ShapeError::SameStride { stride } => {
                m.text("padding = \"same\" needs a stride of 1, but the stride is ").number(stride)
            }
            ShapeError::OutputPadding { output_padding, stride, dilation } => {
                let m = m
                    .text("its output padding of ")
                    .number(output_padding)
                    .text(" must be smaller than its stride of ");
                m.number(stride).text(" or its dilation of ").number(dilation)
            }
            ShapeError::Windows { axis, windows, kernel, extent } => {
                let m = m.text("its ").number(windows).text(" windows of ").number(kernel).text(" along spatial axis ");
                let least = kernel.saturating_add(windows - 1);
                m.number(axis).text(" need ").number(least).text(" elements, but its input has ").number(extent)
            }
            ShapeError::NothingLeft { axis, extent, padding } => {
                let m = m.text("its padding cuts off ").number(padding).text(" along spatial axis ").number(axis);
                m.text(", where the output only has ").number(extent)
            }
            ShapeError::AxisRange { start, end, shape } => {
                let m = m.text("the axes ").number(start).text(" to ").number(end).text(" of shape ").shape(&shape);
                m.text(" are no range: the first comes after the last")
            }
            ShapeError::BatchMerged { shape } => {
                let m = m.text("the batch axis N of shape ").shape(&shape);
                m.text(" can not be merged with another one: start at axis 1, ").text("or merge all by `view(-1)`")
            }
            ShapeError::Crossed { less, more, axis } => {
                let m = m.text("the batch axis of shape ").shape(&less).text(" lies along axis ").number(axis);
                let m = m.text(" of shape ").shape(&more).text(", which has its own: put axes behind it, as in ");
                m.text("`.unsqueeze(-1)`, or in front, `.unsqueeze(0)`, if each sample is to meet each other")
            }
            ShapeError::Expected { what, expected, found } => {
                let m = m.text("its ").text(what).text(" must have shape ").shape(&expected);
                m.text(", but has shape ").shape(&found)
            }
        }
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().as_str())
    }
}

impl std::error::Error for ShapeError {}

#[cfg(test)]
mod tests;
