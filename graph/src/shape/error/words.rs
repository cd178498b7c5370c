//! How the errors of shapes are said: in one sentence each, whether rustc says it or a program. What is an error is
//! decided by the rules.

use super::ShapeError;
use crate::shape::{DType, MAX_RANK, Message, extent};

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
                let sum = operator.as_bytes()[0] == b'*' && extent::line(other).1 != 0;
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
            ShapeError::Extent { op, rule, given, axis, shape } => {
                let m = m.text(op).text(": ").text(rule);
                let m = match given {
                    Some(given) => m.text(": here ").signed(given).text(", and axis "),
                    None => m.text(", and axis "),
                };
                m.number(axis).text(" of shape ").shape(&shape).text(" has ").number(shape.dim(axis))
            }
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
