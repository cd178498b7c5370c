//! The shape rules of layers as functions, whose weights are tensors: convolutions, norms, look-ups, p-norms of
//! windows. They bring PyTorch's arguments into the form of the layers' rules, which decide.

use super::pooling::{per_axis, pooling};
use crate::layers::conv::same_padding;
use crate::layers::embedding::padding;
use crate::layers::embedding_bag::BagMode;
use crate::op::{Convolution, MAX_SPATIAL, Sliding};
use crate::shape::{MAX_RANK, Shape, ShapeError, rules};
use crate::words;

/// A convolution over so many spatial axes, of lists that have one number for all axes or one for each.
pub const fn convolution(
    op: &'static str,
    spatial: usize,
    stride: &[usize],
    padding: &[usize],
    dilation: &[usize],
    groups: usize,
) -> Result<Convolution, ShapeError> {
    let (stride, dilation) = (ok!(per_axis(op, spatial, stride, 1)), ok!(per_axis(op, spatial, dilation, 1)));
    let padding = ok!(per_axis(op, spatial, padding, 0));
    let padding = [(padding[0], padding[0]), (padding[1], padding[1]), (padding[2], padding[2])];
    Ok(Convolution { sliding: Sliding { spatial, stride, padding, dilation }, groups })
}

/// As [`convolution`], whose padding is a word: `"valid"` for none, or `"same"` for as much as keeps the extents of an
/// image that a weight of this shape passes over.
pub const fn convolution_by_word(
    op: &'static str,
    spatial: usize,
    weight: Shape,
    stride: &[usize],
    padding: &str,
    dilation: &[usize],
    groups: usize,
) -> Result<Convolution, ShapeError> {
    let mut conv = ok!(convolution(op, spatial, stride, &[0], dilation, groups));
    if words::same(padding, "valid") {
        return Ok(conv);
    }
    if !words::same(padding, "same") {
        return Err(ShapeError::Setting { setting: "padding", rule: "must be \"same\", \"valid\" or numbers" });
    }
    let kernel = ok!(kernel(op, spatial, weight));
    let mut axis = 0;
    while axis < spatial {
        if conv.sliding.stride[axis] != 1 {
            return Err(ShapeError::SameStride { stride: conv.sliding.stride[axis] });
        }
        conv.sliding.padding[axis] = same_padding(kernel[axis], conv.sliding.dilation[axis]);
        axis += 1;
    }
    Ok(conv)
}

/// The spatial extents of the weight of a convolution.
const fn kernel(op: &'static str, spatial: usize, weight: Shape) -> Result<[usize; MAX_SPATIAL], ShapeError> {
    if weight.rank() != spatial + 2 {
        return Err(ShapeError::Rank { op, expected: spatial + 2, found: weight });
    }
    ok!(rules::number(op, weight.dim(0)));
    ok!(rules::number(op, weight.dim(1)));
    let mut kernel = [1; MAX_SPATIAL];
    let mut axis = 0;
    while axis < spatial {
        kernel[axis] = ok!(rules::number(op, weight.dim(axis + 2)));
        axis += 1;
    }
    Ok(kernel)
}

/// A vector of so many elements, if it is there.
const fn vector(name: &'static str, length: usize, found: Option<Shape>) -> Result<(), ShapeError> {
    match found {
        Some(found) => rules::given(name, Shape::new(&[length]), found),
        None => Ok(()),
    }
}

/// `x [N, C, spatial..]` (or one sample, `[C, spatial..]`) with `weight [O, C / groups, kernel..]` and `bias [O]`.
const fn conv(
    op: &'static str,
    x: Shape,
    weight: Shape,
    bias: Option<Shape>,
    conv: &Convolution,
) -> Result<Shape, ShapeError> {
    let spatial = conv.sliding.spatial;
    let kernel = ok!(kernel(op, spatial, weight));
    let (outputs, inputs) = (weight.dim(0), weight.dim(1).saturating_mul(conv.groups));
    ok!(vector("bias", outputs, bias));
    if x.rank() == spatial + 1 {
        return Ok(ok!(rules::convolution(x.insert(0, 1), inputs, outputs, &kernel, conv)).remove(0));
    }
    rules::convolution(x, inputs, outputs, &kernel, conv)
}

/// `x [N, C, spatial..]` (or one sample) with `weight [C, O / groups, kernel..]` and `bias [O]`.
const fn conv_transpose(
    op: &'static str,
    x: Shape,
    weight: Shape,
    bias: Option<Shape>,
    conv: &Convolution,
    output_padding: &[usize],
) -> Result<Shape, ShapeError> {
    let spatial = conv.sliding.spatial;
    let kernel = ok!(kernel(op, spatial, weight));
    let output_padding = ok!(per_axis(op, spatial, output_padding, 0));
    let (inputs, outputs) = (weight.dim(0), weight.dim(1).saturating_mul(conv.groups));
    ok!(vector("bias", outputs, bias));
    if x.rank() == spatial + 1 {
        let one = x.insert(0, 1);
        let shape = rules::transposed_convolution(one, inputs, outputs, &kernel, conv, &output_padding);
        return Ok(ok!(shape).remove(0));
    }
    rules::transposed_convolution(x, inputs, outputs, &kernel, conv, &output_padding)
}

/// Declares the rules for a number of spatial axes.
macro_rules! convolutions {
    ($($spatial:literal, $conv:ident, $by_word:ident, $transpose:ident, $lp:ident;)*) => {$(
        #[doc = concat!("A convolution over ", $spatial, " spatial axes; see [`rules::convolution`].")]
        #[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
        pub const fn $conv(
            op: &'static str,
            x: Shape,
            weight: Shape,
            bias: Option<Shape>,
            stride: &[usize],
            padding: &[usize],
            dilation: &[usize],
            groups: usize,
        ) -> Result<Shape, ShapeError> {
            conv(op, x, weight, bias, &ok!(convolution(op, $spatial, stride, padding, dilation, groups)))
        }

        #[doc = concat!("As [`", stringify!($conv), "`], with a padding that is a word.")]
        #[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
        pub const fn $by_word(
            op: &'static str,
            x: Shape,
            weight: Shape,
            bias: Option<Shape>,
            stride: &[usize],
            padding: &str,
            dilation: &[usize],
            groups: usize,
        ) -> Result<Shape, ShapeError> {
            let all = convolution_by_word(op, $spatial, weight, stride, padding, dilation, groups);
            conv(op, x, weight, bias, &ok!(all))
        }

        #[doc = concat!("A transposed convolution over ", $spatial, " spatial axes; see \
                         [`rules::transposed_convolution`].")]
        #[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
        pub const fn $transpose(
            op: &'static str,
            x: Shape,
            weight: Shape,
            bias: Option<Shape>,
            stride: &[usize],
            padding: &[usize],
            output_padding: &[usize],
            groups: usize,
            dilation: &[usize],
        ) -> Result<Shape, ShapeError> {
            let all = ok!(convolution(op, $spatial, stride, padding, dilation, groups));
            conv_transpose(op, x, weight, bias, &all, output_padding)
        }

        #[doc = concat!("The p-norms of windows over ", $spatial, " spatial axes.")]
        pub const fn $lp(
            op: &'static str,
            x: Shape,
            norm_type: f64,
            kernel_size: &[usize],
            stride: &[usize],
            ceil_mode: bool,
        ) -> Result<Shape, ShapeError> {
            let window = ok!(pooling(op, $spatial, kernel_size, stride, &[0], &[1], ceil_mode));
            if x.rank() == $spatial + 1 {
                return Ok(ok!(rules::lp_pool(x.insert(0, 1), norm_type, &window)).remove(0));
            }
            rules::lp_pool(x, norm_type, &window)
        }
    )*};
}

convolutions! {
    1, conv1d, conv1d_by_word, conv_transpose1d, lp_pool1d;
    2, conv2d, conv2d_by_word, conv_transpose2d, lp_pool2d;
    3, conv3d, conv3d_by_word, conv_transpose3d, lp_pool3d;
}

/// The last axes have these extents, as weight and bias have.
pub const fn layer_norm(
    op: &'static str,
    x: Shape,
    normalized_shape: &[usize],
    weight: Option<Shape>,
    bias: Option<Shape>,
    eps: f64,
) -> Result<Shape, ShapeError> {
    if normalized_shape.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: normalized_shape.len() });
    }
    let normalized = Shape::new(normalized_shape);
    if let Some(weight) = weight {
        ok!(rules::given("weight", normalized, weight));
    }
    if let Some(bias) = bias {
        ok!(rules::given("bias", normalized, bias));
    }
    rules::layer_norm(x, normalized, eps)
}

/// As [`layer_norm`], without a bias.
pub const fn rms_norm(
    op: &'static str,
    x: Shape,
    normalized_shape: &[usize],
    weight: Option<Shape>,
    eps: Option<f64>,
) -> Result<Shape, ShapeError> {
    let eps = match eps {
        Some(eps) => eps,
        None => 0.0,
    };
    layer_norm(op, x, normalized_shape, weight, None, eps)
}

/// The channels, axis 1.
const fn channels(x: Shape) -> Result<usize, ShapeError> {
    Ok(ok!(rules::axes(x, 2, MAX_RANK)).dim(1))
}

/// Groups of channels; weight and bias have an element for each channel.
pub const fn group_norm(
    op: &'static str,
    x: Shape,
    num_groups: usize,
    weight: Option<Shape>,
    bias: Option<Shape>,
    eps: f64,
) -> Result<Shape, ShapeError> {
    let features = ok!(rules::number(op, ok!(channels(x))));
    ok!(vector("weight", features, weight));
    ok!(vector("bias", features, bias));
    rules::group_norm(x, num_groups, features, eps)
}

/// Single channels; statistics, weight and bias have an element for each. There are no statistics with `use_input_stats`,
/// which would change, and else there are both.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub const fn instance_norm(
    op: &'static str,
    x: Shape,
    running_mean: Option<Shape>,
    running_var: Option<Shape>,
    weight: Option<Shape>,
    bias: Option<Shape>,
    use_input_stats: bool,
    momentum: f64,
    eps: f64,
) -> Result<Shape, ShapeError> {
    let features = ok!(rules::number(op, ok!(channels(x))));
    let known = !use_input_stats;
    ok!(batch_norm(op, x, running_mean, running_var, weight, bias, use_input_stats, momentum, eps));
    rules::instance_norm(x, features, eps, momentum, known)
}

/// Channels over the batch; statistics, weight and bias have an element for each. In training there are no statistics, which
/// would change, and in evaluation there are both.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub const fn batch_norm(
    op: &'static str,
    x: Shape,
    running_mean: Option<Shape>,
    running_var: Option<Shape>,
    weight: Option<Shape>,
    bias: Option<Shape>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Result<Shape, ShapeError> {
    let features = ok!(rules::number(op, ok!(channels(x))));
    ok!(vector("running_mean", features, running_mean));
    ok!(vector("running_var", features, running_var));
    ok!(vector("weight", features, weight));
    ok!(vector("bias", features, bias));
    ok!(rules::statistics(eps, Some(momentum)));
    match (running_mean.is_some(), running_var.is_some()) {
        (true, true) if training => Err(ShapeError::Attribute {
            op,
            rule: "the statistics of the input would change the running ones, and values do not change: give `None` for both, \
                   or declare a layer, which keeps them",
        }),
        (false, false) if !training => Err(ShapeError::Attribute {
            op,
            rule: "without the statistics of the input (`training`, `use_input_stats`) it takes `running_mean` and `running_var`",
        }),
        (true, false) | (false, true) => {
            Err(ShapeError::Attribute { op, rule: "`running_mean` and `running_var` are given together" })
        }
        _ => Ok(x),
    }
}

/// Neighbouring channels; see [`rules::local_response_norm`].
pub const fn local_response_norm(
    op: &'static str,
    x: Shape,
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
) -> Result<Shape, ShapeError> {
    let _ = op;
    ok!(rules::finite("alpha", alpha));
    ok!(rules::finite("beta", beta));
    ok!(rules::finite("k", k));
    rules::local_response_norm(x, size)
}

/// Rows and columns of a table.
const fn table(op: &'static str, weight: Shape) -> Result<(usize, usize), ShapeError> {
    if weight.rank() != 2 {
        return Err(ShapeError::Rank { op, expected: 2, found: weight });
    }
    Ok((ok!(rules::number(op, weight.dim(0))), weight.dim(1)))
}

/// Rows of a table; see [`rules::embedding`].
pub const fn embedding(
    op: &'static str,
    input: Shape,
    weight: Shape,
    padding_idx: Option<isize>,
) -> Result<Shape, ShapeError> {
    let (rows, width) = ok!(table(op, weight));
    ok!(padding(padding_idx, rows));
    rules::embedding(input, rows, width)
}

/// Bags of rows of a table; see [`rules::embedding_bag`].
pub const fn embedding_bag(
    op: &'static str,
    input: Shape,
    weight: Shape,
    mode: &str,
    per_sample_weights: Option<Shape>,
    padding_idx: Option<isize>,
) -> Result<Shape, ShapeError> {
    let (rows, width) = ok!(bags(op, input, weight, mode, per_sample_weights, padding_idx));
    rules::embedding_bag(input, rows, width)
}

/// As [`embedding_bag`], of bags that lie one behind the other in a list, each from its offset on.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub const fn embedding_bag_by_offsets(
    op: &'static str,
    input: Shape,
    weight: Shape,
    offsets: Shape,
    mode: &str,
    per_sample_weights: Option<Shape>,
    include_last_offset: bool,
    padding_idx: Option<isize>,
) -> Result<Shape, ShapeError> {
    if input.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: input });
    }
    if offsets.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: offsets });
    }
    // Offsets are those of the whole list: neither of them has a part for each sample.
    ok!(super::known_axis(op, input, 0));
    ok!(super::known_axis(op, offsets, 0));
    let (_, width) = ok!(bags(op, input, weight, mode, per_sample_weights, padding_idx));
    let count = ok!(rules::difference(op, offsets.dim(0), include_last_offset as isize));
    if count == 0 {
        return Err(ShapeError::Attribute { op, rule: "with `include_last_offset` there are two offsets at least" });
    }
    Ok(Shape::new(&[count, width]))
}

/// The rows and the columns of the table that bags are taken from.
const fn bags(
    op: &'static str,
    input: Shape,
    weight: Shape,
    mode: &str,
    per_sample_weights: Option<Shape>,
    padding_idx: Option<isize>,
) -> Result<(usize, usize), ShapeError> {
    let (rows, width) = ok!(table(op, weight));
    ok!(padding(padding_idx, rows));
    let mode = ok!(bag_mode(mode));
    if let Some(found) = per_sample_weights {
        if !matches!(mode, BagMode::Sum) {
            return Err(ShapeError::Setting {
                setting: "per_sample_weights",
                rule: "goes with `mode = \"sum\"` alone",
            });
        }
        if !found.same(&input) {
            return Err(ShapeError::Expected { what: "`per_sample_weights`", expected: input, found });
        }
    }
    Ok((rows, width))
}

/// The mode of a word.
pub const fn bag_mode(mode: &str) -> Result<BagMode, ShapeError> {
    if words::same(mode, "sum") {
        Ok(BagMode::Sum)
    } else if words::same(mode, "mean") {
        Ok(BagMode::Mean)
    } else if words::same(mode, "max") {
        Ok(BagMode::Max)
    } else {
        Err(ShapeError::Setting { setting: "mode", rule: "must be \"sum\", \"mean\" or \"max\"" })
    }
}

/// The layers that drop whole channels of inputs with so many axes.
const fn dropped_channels(x: Shape, p: f64, least: usize, most: usize) -> Result<Shape, ShapeError> {
    rules::probability(ok!(rules::axes(x, least, most)), p)
}

/// Whole channels of signals.
pub const fn dropout1d(op: &'static str, x: Shape, p: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    dropped_channels(x, p, 3, 3)
}

/// Whole channels of images.
pub const fn dropout2d(op: &'static str, x: Shape, p: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    dropped_channels(x, p, 4, 4)
}

/// Whole channels of volumes.
pub const fn dropout3d(op: &'static str, x: Shape, p: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    dropped_channels(x, p, 5, 5)
}

/// Whole channels of any number of axes.
pub const fn feature_dropout(op: &'static str, x: Shape, p: f64) -> Result<Shape, ShapeError> {
    let _ = op;
    dropped_channels(x, p, 2, MAX_RANK)
}
