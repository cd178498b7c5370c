//! The shape rules of layers and of the operations behind them, as `const fn`s: the compile-time checks of the macros,
//! the layers and the operations' type rules all call these. Knows the attributes of windows, not the operations.
//!
//! An extent may be [`Shape::N`], the batch size that a compile-time check does not know, or free, such as `T`, or a
//! multiple of these: rules compute with them by the functions of [`extent`].

mod adaptive;
mod attention;
mod extents;
mod models;
mod norms;
mod padding;
mod rearrange;
mod recurrent;
mod resample;

pub use adaptive::{Clusters, adaptive_log_prob, adaptive_log_softmax};
pub use attention::{
    Attention, AttentionInputs, DecoderInputs, EncoderInputs, TransformerInputs, multihead_attention,
    positional_encoding, transformer, transformer_decoder, transformer_encoder,
};
pub use extents::{difference, joined, merged, number, product, quotient, sum};
pub use models::{inputs, outputs};
pub use norms::{group_norm, instance_norm, layer_norm, local_response_norm};
pub use padding::padding;
pub use rearrange::{channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unflatten, unfold};
pub use recurrent::{Recurrent, recurrent, recurrent_cell};
pub use resample::{adaptive_pool, fractional_pool, resize, transposed_convolution, transposed_extent, unpool};

use super::{DType, MAX_ELEMENTS, MAX_EXTENT, MAX_RANK, Shape, ShapeError, Type, extent};
use crate::op::{Convolution, MAX_SPATIAL, Window};

/// The position of an axis that may count from the end (`-1` is the last).
pub const fn axis(op: &'static str, axis: isize, shape: &Shape) -> Result<usize, ShapeError> {
    let rank = shape.rank() as isize;
    if axis >= rank || axis < -rank {
        return Err(ShapeError::Axis { op, axis, shape: *shape });
    }
    Ok(if axis < 0 { (axis + rank) as usize } else { axis as usize })
}

/// `[.., in_features]` becomes `[.., out_features]`.
pub const fn linear(input: Shape, in_features: usize, out_features: usize) -> Result<Shape, ShapeError> {
    if input.rank() == 0 {
        return Err(ShapeError::InputRank { least: 1, most: MAX_RANK, found: input });
    }
    ok!(weight(&[out_features, in_features], None));
    let last = input.rank() - 1;
    if input.dim(last) != in_features {
        return Err(ShapeError::Features { expected: in_features, found: input });
    }
    Ok(input.with(last, out_features))
}

/// `[.., in1]` and `[.., in2]` with a weight `[out, in1, in2]` and a bias `[out]` become `[.., out]`.
pub const fn bilinear(input1: Shape, input2: Shape, weight: Shape, bias: Option<Shape>) -> Result<Shape, ShapeError> {
    if weight.rank() != 3 {
        return Err(ShapeError::Rank { op: "bilinear", expected: 3, found: weight });
    }
    let (out, in1, in2) = (weight.dim(0), weight.dim(1), weight.dim(2));
    ok!(self::weight(weight.dims(), None));
    ok!(axes(input1, 1, MAX_RANK - 1));
    let last = input1.rank() - 1;
    ok!(given("input1", input1.with(last, in1), input1));
    ok!(given("input2", input1.with(last, in2), input2));
    if let Some(bias) = bias {
        ok!(given("bias", Shape::new(&[out]), bias));
    }
    Ok(input1.with(last, out))
}

/// An input that has to have a shape.
pub const fn given(input: &'static str, expected: Shape, found: Shape) -> Result<(), ShapeError> {
    if expected.same(&found) {
        return Ok(());
    }
    let (expected, found) = (Type::new(DType::F32, expected), Type::new(DType::F32, found));
    Err(ShapeError::Given { input, expected, found })
}

/// An input that has to be of f32.
pub const fn floats(input: &'static str, found: Type) -> Result<(), ShapeError> {
    if matches!(found.dtype, DType::F32) {
        return Ok(());
    }
    Err(ShapeError::Given { input, expected: Type::new(DType::F32, found.shape), found })
}

/// A matrix of so many rows and columns is no larger than any memory.
const MAX_SIDE: usize = 1 << 22;
const _: () = assert!(MAX_SIDE * MAX_SIDE <= MAX_ELEMENTS);

/// A weight of these extents, and those of a kernel: not more elements than any memory holds.
pub const fn weight(extents: &[usize], kernel: Option<(&[usize; MAX_SPATIAL], usize)>) -> Result<(), ShapeError> {
    if let (&[outputs, inputs], None) = (extents, kernel)
        && outputs <= MAX_SIDE
        && inputs <= MAX_SIDE
    {
        return Ok(());
    }
    let mut shape = Shape::new(extents);
    if let Some((kernel, spatial)) = kernel {
        let mut axis = 0;
        while axis < spatial {
            shape = shape.insert(shape.rank(), kernel[axis]);
            axis += 1;
        }
    }
    match tensor(shape) {
        Err(ShapeError::TooLarge { shape }) => Err(ShapeError::WeightTooLarge { shape }),
        // What is empty is told of what goes in or comes out.
        _ => Ok(()),
    }
}

/// A shape with `least` to `most` axes stays as it is.
pub const fn axes(input: Shape, least: usize, most: usize) -> Result<Shape, ShapeError> {
    if input.rank() < least || input.rank() > most {
        return Err(ShapeError::InputRank { least, most, found: input });
    }
    Ok(input)
}

/// `[N, channels, ..]` with `least` to `most` axes stays as it is.
pub const fn channels(input: Shape, channels: usize, least: usize, most: usize) -> Result<Shape, ShapeError> {
    match axes(input, least, most) {
        Ok(shape) if shape.dim(1) != channels => Err(ShapeError::InputChannels { expected: channels, found: input }),
        result => result,
    }
}

/// A shape that a tensor may have: it has elements, and not more than any memory holds.
pub const fn tensor(shape: Shape) -> Result<Shape, ShapeError> {
    let (rank, mut elements) = (shape.rank(), 1usize);
    let mut axis = 0;
    // Every result of every body comes here: a number first, and no calls, which take longest of all where rustc evaluates.
    while axis < rank {
        let extent = shape.dims[axis];
        if extent == 0 {
            return Err(ShapeError::Empty { shape });
        } else if extent <= MAX_EXTENT {
            elements = elements.saturating_mul(extent);
        } else if extent != Shape::N && !extent::is_free(extent) {
            return Err(ShapeError::TooLarge { shape });
        }
        axis += 1;
    }
    if elements > MAX_ELEMENTS { Err(ShapeError::TooLarge { shape }) } else { Ok(shape) }
}

/// A result that is a shape which a tensor may have.
pub const fn elements_of(result: Result<Shape, ShapeError>) -> Result<Shape, ShapeError> {
    tensor(ok!(result))
}

/// A setting that is a finite number.
pub const fn finite(setting: &'static str, value: f64) -> Result<(), ShapeError> {
    if value.is_finite() { Ok(()) } else { Err(ShapeError::Setting { setting, rule: "must be a finite number" }) }
}

/// A setting that is a finite number of at least 0.
pub const fn not_negative(setting: &'static str, value: f64) -> Result<(), ShapeError> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(ShapeError::Setting { setting, rule: "must be a finite number of at least 0" })
    }
}

/// A setting that something is divided by.
pub const fn divisor_of(setting: &'static str, value: f64) -> Result<(), ShapeError> {
    if value.is_finite() && value != 0.0 {
        Ok(())
    } else {
        Err(ShapeError::Setting { setting, rule: "must be a finite number other than 0" })
    }
}

/// The settings of a batch normalization.
pub const fn statistics(eps: f64, momentum: Option<f64>) -> Result<(), ShapeError> {
    if !(eps > 0.0 && eps.is_finite()) {
        return Err(ShapeError::Setting { setting: "eps", rule: "must be a finite number above 0" });
    }
    match momentum {
        Some(momentum) => finite("momentum", momentum),
        None => Ok(()),
    }
}

/// Two bounds that are the right way round.
pub const fn bounds(min_val: f64, max_val: f64) -> Result<(), ShapeError> {
    // NaN is neither below nor above.
    if min_val < max_val {
        Ok(())
    } else {
        Err(ShapeError::Setting { setting: "max_val", rule: "must be above `min_val`" })
    }
}

/// The settings of `softplus`, which divides by `beta`.
pub const fn bend(beta: f64, threshold: f64) -> Result<(), ShapeError> {
    ok!(divisor_of("beta", beta));
    if threshold.is_nan() {
        return Err(ShapeError::Setting { setting: "threshold", rule: "must be a number" });
    }
    Ok(())
}

/// The settings of `rrelu`: two slopes, the first one no larger.
pub const fn slopes(lower: f64, upper: f64) -> Result<(), ShapeError> {
    ok!(finite("lower", lower));
    ok!(finite("upper", upper));
    if lower <= upper {
        Ok(())
    } else {
        Err(ShapeError::Setting { setting: "upper", rule: "must be at least `lower`" })
    }
}

/// The settings of `threshold`, which have no defaults.
pub const fn threshold(threshold: Option<f64>, value: Option<f64>) -> Result<(f64, f64), ShapeError> {
    match (threshold, value) {
        (Some(threshold), Some(value)) if !threshold.is_nan() => Ok((threshold, value)),
        (Some(_), Some(_)) => Err(ShapeError::Setting { setting: "threshold", rule: "must be a number" }),
        (None, _) => Err(ShapeError::Setting { setting: "threshold", rule: "must be given" }),
        (_, None) => Err(ShapeError::Setting { setting: "value", rule: "must be given" }),
    }
}

/// A slope for all, or for each of the channels: axis 1 of `[N, C, ..]`.
pub const fn prelu(input: Shape, slopes: usize) -> Result<Shape, ShapeError> {
    if slopes == 0 {
        return Err(ShapeError::Setting { setting: "num_parameters", rule: "must be at least 1" });
    }
    if slopes == 1 { Ok(input) } else { channels(input, slopes, 2, MAX_RANK) }
}

/// An axis of an even extent is halved.
pub const fn glu(input: Shape, dim: isize) -> Result<Shape, ShapeError> {
    let axis = ok!(axis("glu", dim, &input));
    let extent = input.dim(axis);
    if extent == Shape::N {
        return Err(ShapeError::Attribute { op: "glu", rule: "the batch axis can not be halved" });
    }
    match ok!(quotient("glu", extent, 2)) {
        (half, true) => Ok(input.with(axis, half)),
        (_, false) => {
            let rule = "the axis must have an even extent";
            Err(ShapeError::Extent { op: "glu", rule, given: None, axis, shape: input })
        }
    }
}

/// A divisor that is given.
pub const fn divisor(divisor: Option<usize>) -> Result<(), ShapeError> {
    match divisor {
        Some(0) => Err(ShapeError::Setting { setting: "divisor_override", rule: "must be at least 1" }),
        _ => Ok(()),
    }
}

/// `[..]` becomes `[.., width]`, of a table of so many rows.
pub const fn embedding(input: Shape, rows: usize, width: usize) -> Result<Shape, ShapeError> {
    if rows == 0 {
        return Err(ShapeError::Setting { setting: "num_embeddings", rule: "must be at least 1" });
    }
    ok!(weight(&[rows, width], None));
    if input.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op: "embedding", found: MAX_RANK + 1 });
    }
    Ok(input.insert(input.rank(), width))
}

/// Bags `[N, L]` of indices into a table become `[N, width]`.
pub const fn embedding_bag(input: Shape, rows: usize, width: usize) -> Result<Shape, ShapeError> {
    ok!(axes(input, 2, 2));
    ok!(embedding(input, rows, width));
    Ok(input.with(1, width))
}

/// A shape stays as it is, if `p` is a probability.
pub const fn probability(input: Shape, p: f64) -> Result<Shape, ShapeError> {
    if p >= 0.0 && p <= 1.0 {
        Ok(input)
    } else {
        Err(ShapeError::Setting { setting: "p", rule: "must be at least 0 and at most 1" })
    }
}

/// The extent of the result of a window that slides along one spatial axis:
/// `(extent + low + high - dilation * (kernel - 1) - 1) / stride + 1`, rounded down.
///
/// With `ceil` (PyTorch's `ceil_mode`) it is rounded up, but for a last window that would start in the high padding.
/// `op` is the name that an error reports.
pub const fn window_extent(op: &'static str, axis: usize, extent: usize, window: &Window) -> Result<usize, ShapeError> {
    let (kernel, stride) = (window.kernel[axis], window.sliding.stride[axis]);
    let (padding, dilation) = (window.sliding.padding[axis], window.sliding.dilation[axis]);
    if kernel == 0 {
        return Err(ShapeError::Attribute { op, rule: "the kernel must be at least 1" });
    }
    if stride == 0 {
        return Err(ShapeError::Attribute { op, rule: "the stride must be at least 1" });
    }
    if dilation == 0 {
        return Err(ShapeError::Attribute { op, rule: "the dilation must be at least 1" });
    }
    let padded = ok!(sum(op, ok!(sum(op, extent, padding.0)), padding.1));
    let span = (kernel - 1).saturating_mul(dilation).saturating_add(1);
    if extent::is_free(padded) {
        // With `ceil` the last window depends on the extent, unless strides fit.
        if window.ceil && stride > 1 {
            return Err(ShapeError::Free { op, extent, rule: "and `ceil_mode` decides by it: leave it out" });
        }
        let last = ok!(difference(op, padded, span as isize));
        return sum(op, ok!(quotient(op, last, stride)).0, 1);
    }
    let available = if window.ceil { padded.saturating_add(stride - 1) } else { padded };
    if span > available {
        return Err(ShapeError::Window { op, axis, span, extent: padded });
    }
    let windows = (available - span) / stride + 1;
    let last_starts_in_high_padding = window.ceil && (windows - 1) * stride >= extent + padding.0;
    Ok(if last_starts_in_high_padding { windows - 1 } else { windows })
}

/// `[N, C, spatial..]` becomes `[N, C, spatial'..]`; see [`window_extent`].
pub const fn window(op: &'static str, input: Shape, window: &Window) -> Result<Shape, ShapeError> {
    let rank = window.sliding.spatial + 2;
    if input.rank() != rank {
        return Err(ShapeError::InputRank { least: rank, most: rank, found: input });
    }
    let mut output = input;
    let mut axis = 0;
    while axis < window.sliding.spatial {
        match window_extent(op, axis, input.dim(axis + 2), window) {
            Ok(extent) => output = output.with(axis + 2, extent),
            Err(error) => return Err(error),
        }
        axis += 1;
    }
    Ok(output)
}

/// `[N, in_channels, spatial..]` becomes `[N, out_channels, spatial'..]`; see [`window_extent`].
pub const fn convolution(
    input: Shape,
    in_channels: usize,
    out_channels: usize,
    kernel: &[usize; MAX_SPATIAL],
    conv: &Convolution,
) -> Result<Shape, ShapeError> {
    if let Err(error) = groups(in_channels, out_channels, conv.groups) {
        return Err(error);
    }
    let spatial = conv.sliding.spatial;
    ok!(weight(&[out_channels, in_channels / conv.groups], Some((kernel, spatial))));
    let rank = spatial + 2;
    if input.rank() == rank && input.dim(1) != in_channels {
        return Err(ShapeError::InputChannels { expected: in_channels, found: input });
    }
    match window("conv", input, &Window { kernel: *kernel, sliding: conv.sliding, ceil: false }) {
        Ok(output) => Ok(output.with(1, out_channels)),
        Err(error) => Err(error),
    }
}

/// Whether the groups divide the channels on both sides.
pub const fn groups(in_channels: usize, out_channels: usize, groups: usize) -> Result<(), ShapeError> {
    if groups == 0 {
        Err(ShapeError::Attribute { op: "conv", rule: "the number of groups must be at least 1" })
    } else if !in_channels.is_multiple_of(groups) {
        Err(ShapeError::Groups { groups, channels: in_channels, side: "input" })
    } else if !out_channels.is_multiple_of(groups) {
        Err(ShapeError::Groups { groups, channels: out_channels, side: "output" })
    } else {
        Ok(())
    }
}

/// A pooling window: as [`window`], and no padding above half of the kernel, which is PyTorch's rule whatever the dilation.
pub const fn pool(op: &'static str, input: Shape, pooling: &Window) -> Result<Shape, ShapeError> {
    let mut axis = 0;
    while axis < pooling.sliding.spatial {
        let (low, high) = pooling.sliding.padding[axis];
        let padding = if low > high { low } else { high };
        let kernel = pooling.kernel[axis];
        if kernel > 0 && padding > kernel / 2 {
            return Err(ShapeError::Padding { padding, kernel });
        }
        axis += 1;
    }
    window(op, input, pooling)
}

/// The p-norms of windows: as [`window`], of a `p` that is a finite number other than 0.
pub const fn lp_pool(input: Shape, p: f64, pooling: &Window) -> Result<Shape, ShapeError> {
    if !p.is_finite() || p == 0.0 {
        return Err(ShapeError::Setting { setting: "norm_type", rule: "must be a finite number other than 0" });
    }
    window("lp_pool", input, pooling)
}

/// The axes from `start` to `end` (both included, negative ones from the end) become one.
pub const fn flatten(input: Shape, start: isize, end: isize) -> Result<Shape, ShapeError> {
    // A scalar counts as one axis of extent 1.
    let input = if input.rank() == 0 { Shape::new(&[1]) } else { input };
    let start = match axis("flatten", start, &input) {
        Ok(axis) => axis,
        Err(error) => return Err(error),
    };
    let end = match axis("flatten", end, &input) {
        Ok(axis) => axis,
        Err(error) => return Err(error),
    };
    if start > end {
        return Err(ShapeError::AxisRange { start, end, shape: input });
    }
    let all = end - start + 1 == input.rank();
    let mut output = input;
    let mut merged = end;
    while merged > start {
        let (left, right) = (output.dim(merged - 1), output.dim(merged));
        let product = match extents::merged("flatten", left, right) {
            // Whoever says no axes means those of a sample.
            _ if all && (left == Shape::N || right == Shape::N) => {
                return Err(ShapeError::BatchMerged { shape: input });
            }
            product => ok!(product),
        };
        output = output.remove(merged).with(merged - 1, product);
        merged -= 1;
    }
    Ok(output)
}

/// The shape to which two shapes broadcast: aligned at the last axis, extents equal or one of them 1.
///
/// The batch axis of a shape with fewer axes is not repeated along another axis of one that has a batch axis itself: `[N]`
/// and `[N, 1]` would be `[N, N]`, each sample with each other. `[1, N]` and `[N, 1]` say so.
pub const fn broadcast(op: &'static str, left: Shape, right: Shape) -> Result<Shape, ShapeError> {
    let (less, more) = if left.rank < right.rank { (left, right) } else { (right, left) };
    let (mut axis, missing) = (more.rank(), more.rank() - less.rank());
    let mut output = more;
    while axis > missing {
        axis -= 1;
        let (l, m) = (less.dims[axis - missing], more.dims[axis]);
        if l != m {
            if l != 1 && m != 1 {
                return Err(ShapeError::Mismatch { op, left, right });
            }
            if missing > 0 && l == Shape::N && has_batch(&more) {
                return Err(ShapeError::Crossed { less, more, axis });
            }
            output.dims[axis] = if m == 1 { l } else { m };
        }
    }
    Ok(output)
}

/// Whether the batch axis is one of its axes.
pub const fn has_batch(shape: &Shape) -> bool {
    let mut axis = 0;
    while axis < shape.rank() {
        if shape.dim(axis) == Shape::N {
            return true;
        }
        axis += 1;
    }
    false
}

/// The result of a layer for an input of the element type that it takes, a shape that a tensor may have.
pub const fn takes(dtype: DType, input: Type, result: Result<Shape, ShapeError>) -> Result<Shape, ShapeError> {
    if dtype as u8 == input.dtype as u8 {
        elements_of(result)
    } else {
        Err(ShapeError::Holds { expected: dtype, found: input.dtype })
    }
}

/// A loss between values of one shape: a scalar if it is reduced, else of that shape.
pub const fn loss(input: Shape, target: Shape, reduced: bool) -> Result<Shape, ShapeError> {
    if !input.same(&target) {
        return Err(ShapeError::Expected { what: "target", expected: input, found: target });
    }
    Ok(if reduced { Shape::SCALAR } else { input })
}

/// The cross-entropy of scores `[N, C, d..]` (or `[C]`) with classes `[N, d..]` (i32) or probabilities of the scores' shape
/// (f32): a scalar if it is reduced, else `[N, d..]`.
pub const fn class_loss(scores: Shape, target: Type, reduced: bool) -> Result<Shape, ShapeError> {
    let classes = match classes(scores) {
        Ok(classes) => classes,
        Err(error) => return Err(error),
    };
    let (what, expected) = match target.dtype {
        DType::F32 => ("target of f32, which are probabilities (labels are i32),", scores),
        DType::Bf16 | DType::I32 | DType::U8 | DType::I8 | DType::Bool => ("target", classes),
    };
    if !expected.same(&target.shape) {
        return Err(ShapeError::Expected { what, expected, found: target.shape });
    }
    Ok(if reduced { Shape::SCALAR } else { classes })
}

/// The shape of classes for scores `[N, C, d..]` (or `[C]`): theirs without the axis of the classes.
pub const fn classes(scores: Shape) -> Result<Shape, ShapeError> {
    if scores.rank() == 0 {
        return Err(ShapeError::InputRank { least: 1, most: MAX_RANK, found: scores });
    }
    Ok(scores.remove(if scores.rank() > 1 { 1 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Sliding;

    /// extent, kernel, stride, padding, dilation, ceil: windows as PyTorch counts them, 0 where it refuses.
    #[test]
    fn windows_are_counted_as_in_pytorch() {
        let cases = [
            (28, 5, 1, (0, 0), 1, false, 24),
            (7, 2, 2, (0, 0), 1, false, 3),
            (7, 2, 2, (0, 0), 1, true, 4),
            (4, 3, 2, (1, 1), 1, true, 3),
            (6, 3, 2, (1, 1), 1, true, 4),
            (4, 1, 3, (0, 0), 1, true, 2),
            // The third window would start at 4, past the input and its low padding.
            (3, 1, 2, (1, 1), 1, true, 2),
            (2, 3, 1, (0, 0), 1, false, 0),
            (2, 3, 2, (0, 0), 1, true, 1),
            (6, 3, 1, (2, 2), 2, false, 6),
            (5, 1, 0, (0, 0), 1, false, 0),
        ];
        for (extent, kernel, stride, padding, dilation, ceil, expected) in cases {
            let sliding = Sliding { spatial: 1, stride: [stride; 3], padding: [padding; 3], dilation: [dilation; 3] };
            let window = Window { kernel: [kernel; 3], sliding, ceil };
            let found = window_extent("window", 0, extent, &window).unwrap_or(0);
            assert_eq!(found, expected, "{extent} {kernel} {stride} {padding:?} {dilation} {ceil}");
        }
    }

    #[test]
    fn flatten_leaves_the_batch_axis_alone() {
        let input = Shape::new(&[Shape::N, 64, 4, 4]);
        assert_eq!(flatten(input, 1, -1), Ok(Shape::new(&[Shape::N, 1024])));
        assert_eq!(flatten(input, 2, 3), Ok(Shape::new(&[Shape::N, 64, 16])));
        assert_eq!(flatten(input, 0, -1), Err(ShapeError::BatchMerged { shape: input }));
        assert_eq!(flatten(Shape::SCALAR, 0, -1), Ok(Shape::new(&[1])));
    }

    #[test]
    fn shapes_broadcast_from_the_last_axis() {
        let shape = |extents: &[usize]| Shape::new(extents);
        assert_eq!(broadcast("add", shape(&[3, 1]), shape(&[2, 1, 5])), Ok(shape(&[2, 3, 5])));
        assert_eq!(broadcast("add", shape(&[Shape::N, 10]), shape(&[10])), Ok(shape(&[Shape::N, 10])));
        assert!(broadcast("add", shape(&[3, 4]), shape(&[3])).is_err());
    }

    #[test]
    fn samples_are_combined_with_others_only_where_it_is_said() {
        const N: usize = Shape::N;
        type Case<'a> = (&'a [usize], &'a [usize], Option<&'a [usize]>);
        let cases: [Case; 9] = [
            (&[N, 1], &[N], None),
            (&[N], &[N, 4, 1], None),
            (&[N, 1, 1], &[N, 1], None),
            (&[N, 1], &[1, N], Some(&[N, N])),
            (&[N, N], &[N], Some(&[N, N])),
            (&[N], &[N], Some(&[N])),
            (&[N], &[1], Some(&[N])),
            (&[3, 1], &[N], Some(&[3, N])),
            (&[N, 1], &[N, 3], Some(&[N, 3])),
        ];
        for (left, right, expected) in cases {
            for (left, right) in [(left, right), (right, left)] {
                let found = broadcast("add", Shape::new(left), Shape::new(right));
                assert_eq!(found.ok(), expected.map(Shape::new), "{left:?} {right:?}");
            }
        }
    }
}
