//! Layers as functions, PyTorch's `torch.nn.functional`, whose weights are values. Each hands its arguments, which are
//! checked by its rule, to the function that the layer computes by. It holds no parameters and computes nothing itself.

use super::{ruled, rules};
use crate::build::Value;
use crate::layers::batch_norm::{Running, Statistics};
use crate::layers::dropout::channel_dropout;
use crate::layers::local_response_norm::Response;
use crate::layers::{
    batch_norm as batch, conv, conv_transpose as transposed, embedding as table, embedding_bag as bag,
    group_norm as group, layer_norm as layer, local_response_norm as response, lp_pool, rms_norm as rms,
};
use crate::op::MAX_SPATIAL;
use crate::shape::{Shape, ShapeError};

fn shape_of(value: Option<Value<'_>>) -> Option<Shape> {
    value.map(Value::shape)
}

/// A number for each axis, of a list that has one for all or one for each.
fn per_axis(list: &[usize]) -> [usize; MAX_SPATIAL] {
    std::array::from_fn(|axis| list.get(axis.min(list.len().saturating_sub(1))).copied().unwrap_or(0))
}

/// What is built with settings that the rule has checked.
fn with<'g, T>(x: Value<'g>, settings: Result<T, ShapeError>, build: impl FnOnce(T) -> Value<'g>) -> Value<'g> {
    settings.map_or(x, build)
}

/// Declares the functions for a number of spatial axes.
macro_rules! convolutions {
    ($($spatial:literal, $conv:ident, $by_word:ident, $transpose:ident, $lp:ident;)*) => {$(
        #[doc = concat!("The convolution of `x [N, C, spatial..]` with `weight [O, C / groups, kernel..]` and `bias [O]` over ",
                        $spatial, " spatial axes; see [`conv`](conv::conv). A list holds one number for all axes or one for \
                         each.")]
        pub fn $conv<'g>(
            x: Value<'g>,
            weight: Value<'g>,
            bias: Option<Value<'g>>,
            stride: &[usize],
            padding: &[usize],
            dilation: &[usize],
            groups: usize,
        ) -> Value<'g> {
            let (op, shapes) = (stringify!($conv), (x.shape(), weight.shape(), shape_of(bias)));
            let rule = rules::$conv(op, shapes.0, shapes.1, shapes.2, stride, padding, dilation, groups);
            ruled(x, rule, |_| {
                let settings = rules::convolution(op, $spatial, stride, padding, dilation, groups);
                with(x, settings, |settings| conv::conv(x, weight, bias, settings))
            })
        }

        #[doc = concat!("As [`", stringify!($conv), "`], with a padding that is a word: `\"same\"`, for as much as keeps the \
                         extents at a stride of 1 (the larger half behind), or `\"valid\"` for none.")]
        pub fn $by_word<'g>(
            x: Value<'g>,
            weight: Value<'g>,
            bias: Option<Value<'g>>,
            stride: &[usize],
            padding: &str,
            dilation: &[usize],
            groups: usize,
        ) -> Value<'g> {
            let (op, shapes) = (stringify!($conv), (x.shape(), weight.shape(), shape_of(bias)));
            let rule = rules::$by_word(op, shapes.0, shapes.1, shapes.2, stride, padding, dilation, groups);
            ruled(x, rule, |_| {
                let settings =
                    rules::convolution_by_word(op, $spatial, weight.shape(), stride, padding, dilation, groups);
                with(x, settings, |settings| conv::conv(x, weight, bias, settings))
            })
        }

        #[doc = concat!("The transposed convolution of `x [N, C, spatial..]` with `weight [C, O / groups, kernel..]` and `bias \
                         [O]` over ", $spatial, " spatial axes; see [`conv_transpose`](transposed::conv_transpose). A list \
                         holds one number for all axes or one for each.")]
        #[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
        pub fn $transpose<'g>(
            x: Value<'g>,
            weight: Value<'g>,
            bias: Option<Value<'g>>,
            stride: &[usize],
            padding: &[usize],
            output_padding: &[usize],
            groups: usize,
            dilation: &[usize],
        ) -> Value<'g> {
            let (op, shapes) = (stringify!($transpose), (x.shape(), weight.shape(), shape_of(bias)));
            let all = (stride, padding, output_padding, groups, dilation);
            let rule = rules::$transpose(op, shapes.0, shapes.1, shapes.2, all.0, all.1, all.2, all.3, all.4);
            ruled(x, rule, |_| {
                let settings = rules::convolution(op, $spatial, stride, padding, dilation, groups);
                let mut more = [0; MAX_SPATIAL];
                more[..$spatial].copy_from_slice(&per_axis(output_padding)[..$spatial]);
                with(x, settings, |settings| transposed::conv_transpose(x, weight, bias, settings, more))
            })
        }

        #[doc = concat!("The p-norm of each window over ", $spatial, " spatial axes; see [`lp_pool`](lp_pool::lp_pool). A \
                         list holds one number for all axes or one for each; the stride is the kernel where the list is \
                         empty.")]
        pub fn $lp<'g>(
            x: Value<'g>,
            norm_type: f64,
            kernel_size: &[usize],
            stride: &[usize],
            ceil_mode: bool,
        ) -> Value<'g> {
            let op = stringify!($lp);
            ruled(x, rules::$lp(op, x.shape(), norm_type, kernel_size, stride, ceil_mode), |_| {
                let window = rules::pooling(op, $spatial, kernel_size, stride, &[0], &[1], ceil_mode);
                with(x, window, |window| lp_pool::lp_pool(x, norm_type, window))
            })
        }
    )*};
}

convolutions! {
    1, conv1d, conv1d_by_word, conv_transpose1d, lp_pool1d;
    2, conv2d, conv2d_by_word, conv_transpose2d, lp_pool2d;
    3, conv3d, conv3d_by_word, conv_transpose3d, lp_pool3d;
}

/// Each sample by its own mean and variance over the last axes, whose extents are `normalized_shape`; see
/// [`layer_norm`](layer::layer_norm).
pub fn layer_norm<'g>(
    x: Value<'g>,
    normalized_shape: &[usize],
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    eps: f64,
) -> Value<'g> {
    let rule = rules::layer_norm("layer_norm", x.shape(), normalized_shape, shape_of(weight), shape_of(bias), eps);
    ruled(x, rule, |_| layer::layer_norm(x, Shape::new(normalized_shape), weight, bias, eps))
}

/// Each sample by its own root mean square over the last axes, whose extents are `normalized_shape`; see
/// [`rms_norm`](rms::rms_norm).
pub fn rms_norm<'g>(
    x: Value<'g>,
    normalized_shape: &[usize],
    weight: Option<Value<'g>>,
    eps: Option<f64>,
) -> Value<'g> {
    let rule = rules::rms_norm("rms_norm", x.shape(), normalized_shape, shape_of(weight), eps);
    ruled(x, rule, |_| rms::rms_norm(x, Shape::new(normalized_shape), weight, eps))
}

/// Each sample by the means and variances of groups of its channels; see [`group_norm`](group::group_norm).
pub fn group_norm<'g>(
    x: Value<'g>,
    num_groups: usize,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    eps: f64,
) -> Value<'g> {
    let rule = rules::group_norm("group_norm", x.shape(), num_groups, shape_of(weight), shape_of(bias), eps);
    ruled(x, rule, |_| group::group_norm(x, num_groups, weight, bias, eps))
}

/// Each sample by the means and variances of its channels, or by those given without `use_input_stats`; see
/// [`instance_norm`](group::instance_norm). With it there are no running statistics, which would change; they are states of
/// the layer.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub fn instance_norm<'g>(
    x: Value<'g>,
    running_mean: Option<Value<'g>>,
    running_var: Option<Value<'g>>,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    use_input_stats: bool,
    momentum: f64,
    eps: f64,
) -> Value<'g> {
    let (mean, variance) = (shape_of(running_mean), shape_of(running_var));
    let (op, affine) = ("instance_norm", (shape_of(weight), shape_of(bias)));
    let rule = rules::instance_norm(op, x.shape(), mean, variance, affine.0, affine.1, use_input_stats, momentum, eps);
    ruled(x, rule, |_| match running_mean.zip(running_var) {
        Some((mean, variance)) => batch::by_statistics(x, mean, variance, weight, bias, eps),
        None => group::instance_norm(x, weight, bias, None, eps, momentum),
    })
}

/// Each channel by a mean and a variance: of the batch with `training`, else by those given. See
/// [`batch_norm`](batch::batch_norm). In training there are no running statistics, which would change; they are states of
/// the layer.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub fn batch_norm<'g>(
    x: Value<'g>,
    running_mean: Option<Value<'g>>,
    running_var: Option<Value<'g>>,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Value<'g> {
    let statistics = (shape_of(running_mean), shape_of(running_var));
    let affine = (shape_of(weight), shape_of(bias));
    let op = "batch_norm";
    let rule =
        rules::batch_norm(op, x.shape(), statistics.0, statistics.1, affine.0, affine.1, training, momentum, eps);
    ruled(x, rule, |_| match running_mean.zip(running_var) {
        Some((mean, variance)) => batch::by_statistics(x, mean, variance, weight, bias, eps),
        None => batch::batch_norm(x, weight, bias, None::<Running<'g>>, Statistics { eps, momentum: Some(momentum) }),
    })
}

/// Each element by the squares of neighbouring channels; see [`local_response_norm`](response::local_response_norm).
pub fn local_response_norm(x: Value<'_>, size: usize, alpha: f64, beta: f64, k: f64) -> Value<'_> {
    let rule = rules::local_response_norm("local_response_norm", x.shape(), size, alpha, beta, k);
    ruled(x, rule, |_| response::local_response_norm(x, size, Response { alpha, beta, k }))
}

/// The rows of `weight [V, D]` with the given i32 indices: `[.., D]`. The row `padding_idx`, which counts from the end where
/// it is negative, gets no gradient. See [`embedding`](table::embedding).
pub fn embedding<'g>(input: Value<'g>, weight: Value<'g>, padding_idx: Option<isize>) -> Value<'g> {
    ruled(weight, rules::embedding("embedding", input.shape(), weight.shape(), padding_idx), |_| {
        with(weight, table::padding(padding_idx, weight.shape().dim(0)), |row| table::embedding(input, weight, row))
    })
}

/// The rows of `weight [V, D]` of each bag of indices in `input [N, L]`, made one: `[N, D]`; the mode is `"sum"`, `"mean"` or
/// `"max"`. See [`embedding_bag`](bag::embedding_bag). `per_sample_weights [N, L]`, which sums alone have, are what the rows
/// are multiplied with.
pub fn embedding_bag<'g>(
    input: Value<'g>,
    weight: Value<'g>,
    mode: &str,
    per_sample_weights: Option<Value<'g>>,
    padding_idx: Option<isize>,
) -> Value<'g> {
    let weights = shape_of(per_sample_weights);
    let rule = rules::embedding_bag("embedding_bag", input.shape(), weight.shape(), mode, weights, padding_idx);
    ruled(weight, rule, |_| {
        let row = table::padding(padding_idx, weight.shape().dim(0));
        let settings = rules::bag_mode(mode).and_then(|mode| Ok((mode, row?)));
        with(weight, settings, |(mode, row)| match per_sample_weights {
            Some(weights) => bag::weighted_embedding_bag(input, weight, weights, row),
            None => bag::embedding_bag(input, weight, mode, row),
        })
    })
}

/// As [`embedding_bag`], of bags that lie one behind the other in `input [L]`, each from its number in `offsets [B]` on, which
/// rise from 0: `[B, D]`. With `include_last_offset` the last one is where the last bag ends, and there is a bag less. Of several
/// largest numbers each has the same part of the gradient, and `"max"` compares each index with each bag.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub fn embedding_bag_by_offsets<'g>(
    input: Value<'g>,
    weight: Value<'g>,
    offsets: Value<'g>,
    mode: &str,
    per_sample_weights: Option<Value<'g>>,
    include_last_offset: bool,
    padding_idx: Option<isize>,
) -> Value<'g> {
    let (op, shapes) = ("embedding_bag", (input.shape(), weight.shape(), offsets.shape()));
    let weights = shape_of(per_sample_weights);
    let rule = rules::embedding_bag_by_offsets(
        op,
        shapes.0,
        shapes.1,
        shapes.2,
        mode,
        weights,
        include_last_offset,
        padding_idx,
    );
    ruled(weight, rule, |shape| {
        let _function = weight.graph().function(op);
        let settings = rules::bag_mode(mode)
            .and_then(|mode| Ok((mode, table::padding(padding_idx, weight.shape().dim(0))?, shape)));
        with(weight, settings, |(mode, row, shape)| {
            let bags = bag::Offsets { offsets, bags: shape.dim(0) };
            bag::embedding_bag_by_offsets(input, weight, bags, mode, per_sample_weights, row)
        })
    })
}

/// Declares the functions that drop whole channels of inputs with so many axes.
macro_rules! channel_dropouts {
    ($($name:ident, $of:literal;)*) => {$(
        #[doc = concat!("In training, whole channels of ", $of, " are dropped; see [`channel_dropout`].")]
        pub fn $name(x: Value<'_>, p: f64) -> Value<'_> {
            ruled(x, rules::$name(stringify!($name), x.shape(), p), |_| channel_dropout(x, p))
        }
    )*};
}

channel_dropouts! {
    dropout1d, "signals";
    dropout2d, "images";
    dropout3d, "volumes";
}
