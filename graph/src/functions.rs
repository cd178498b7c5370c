//! PyTorch's functions of tensors with its arguments in its order: what a `forward` in `model!` calls, and users of a
//! [`Builder`](crate::Builder) may. Compositions over the methods of [`Value`], which have all those that need no more
//! than one axis or operand. Each is checked by its rule in [`crate::shape::functions`], as rustc does it in a
//! `forward`. None has a gradient rule or knows a model.

mod bessel;
mod elementwise;
mod folds;
mod layers;
mod made;
mod order;
mod places;
mod pooling;
mod products;
mod rearranged;
mod scatters;
mod sets;
mod special;
mod statistics;

pub use bessel::{i0, i0e, i1, i1e};
pub use elementwise::{
    abs, addcdiv, addcmul, allclose, atan, ceil, clamp_by, clamp_max, clamp_min, copysign, deg2rad, div_rounded, exp2,
    floor_divide, fmax, fmin, fmod, frac, heaviside, hypot, isclose, isfinite, isinf, isnan, isneginf, isposinf, ldexp,
    lerp, log2, log10, logaddexp, logaddexp2, logical_and, logical_not, logical_or, logical_xor, logit, nan_to_num,
    pow, pow_by, rad2deg, remainder, same, sign, signbit, sinc, tan, trunc, xlogy,
};
pub use folds::{
    all, aminmax, any, bucketize, count_nonzero, cummax, cummin, diff, dist, gumbel_softmax, histc, isin, kthvalue,
    logcumsumexp, nanmean, nansum, normalize, prod, renorm, searchsorted, searchsorted_at, std_mean, var_mean,
};
pub use layers::{
    batch_norm, conv_transpose1d, conv_transpose2d, conv_transpose3d, conv1d, conv1d_by_word, conv2d, conv2d_by_word,
    conv3d, conv3d_by_word, dropout1d, dropout2d, dropout3d, embedding, embedding_bag, embedding_bag_by_offsets,
    group_norm, instance_norm, layer_norm, local_response_norm, lp_pool1d, lp_pool2d, lp_pool3d, rms_norm,
};
pub use made::{
    arange, arange_to, bernoulli, eye, eye_of, full, linspace, logspace, one_hot, ones, rand, rand_like, randn,
    randn_like, tril_indices, triu_indices, zeros,
};
pub use order::{argsort, sort, topk};
pub use places::{repeat, repeat_interleave, repeat_interleave_all, roll, roll_all, tril, triu};
pub use pooling::{
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d, adaptive_max_pool2d,
    adaptive_max_pool3d, avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d,
};
pub use products::{
    addbmm, addmm, addmv, addr, baddbmm, bmm, cdist, cross, dot, einsum, inner, kron, mm, mv, outer, pdist,
    scaled_dot_product_attention, tensordot, tensordot_by, vecdot,
};
pub use rearranged::{
    atleast_1d, atleast_2d, atleast_3d, column_stack, diag, diag_embed, diagonal, dstack, expand_as, fliplr, flipud,
    hstack, index_fill, meshgrid, movedim, ravel, rot90, select_scatter, slice_scatter, t, tensor_split, tile, trace,
    unbind, view_as, vstack,
};
pub use scatters::{
    index_add, index_copy, index_reduce, scatter, scatter_add, scatter_reduce, scatter_with, take, take_along_dim,
};
pub use sets::{
    bincount, bincount_of, block_diag, cartesian_prod, combinations, diagflat, diagonal_scatter, index_put, mode,
    msort, unfold_along, unravel_index, vander,
};
pub use special::{digamma, entr, erfc, erfcx, erfinv, lgamma, log_ndtr, mvlgamma, ndtr, polygamma, xlog1py};
pub use statistics::{
    corrcoef, cov, cumulative_trapezoid, cumulative_trapezoid_over, median, median_of_all, nanmedian, nanmedian_of_all,
    nanquantile, nanquantile_by, nanquantiles, quantile, quantile_by, quantiles, trapezoid, trapezoid_over,
};

use crate::build::{AxisList, Operand, Value};
pub use crate::layers::activation::log_sigmoid as logsigmoid;
use crate::layers::activation::{self, GeluApproximation};
pub use crate::layers::activation::{
    celu, elu, hardshrink, hardsigmoid, hardswish, hardtanh, leaky_relu, mish, relu6, selu, silu, softplus, softshrink,
    softsign, tanhshrink,
};
pub use crate::layers::bilinear::bilinear;
pub use crate::layers::dropout::{alpha_dropout, dropout, feature_alpha_dropout};
pub use crate::layers::fold::{fold, unfold};
pub use crate::layers::glu::glu;
pub use crate::layers::grid_sample::{affine_grid, grid_sample};
pub use crate::layers::linear::linear;
use crate::layers::padding::{PaddingMode, pad_last};
pub use crate::layers::rectifier::{prelu, rrelu, threshold};
pub use crate::layers::reshape::{flatten, unflatten};
pub use crate::layers::shuffle::{channel_shuffle, pixel_shuffle, pixel_unshuffle};
pub use crate::layers::softmax::softmin;
pub use crate::layers::unpool::{
    adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices,
    max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices, max_unpool1d, max_unpool2d,
    max_unpool3d,
};
use crate::layers::upsample::{UpsampleSettings, upsample};
use crate::shape::functions as rules;
use crate::shape::{DType, Shape, ShapeError};

/// What is built for the shape that a rule gives; with the error recorded, a stand-in where it gives none.
fn ruled<'g>(x: Value<'g>, rule: Result<Shape, ShapeError>, build: impl FnOnce(Shape) -> Value<'g>) -> Value<'g> {
    rule.map(build).unwrap_or_else(|error| refused(x, error))
}

/// 0, as a number of a value's dtype.
fn zero(x: Value<'_>) -> Value<'_> {
    x.graph().scalar_of(x.dtype(), 0.0)
}

fn refused(x: Value<'_>, error: ShapeError) -> Value<'_> {
    x.graph().fail(error.into());
    x.graph().poison(x.ty())
}

/// The given axes, or all.
fn axes(dim: Option<&[isize]>) -> AxisList {
    dim.map_or(AxisList::from(..), AxisList::from)
}

/// The axes of a value with their positions from the front; those that it does not have are left out, as a rule has
/// refused them.
fn positions(x: Value<'_>, dim: &[isize]) -> Vec<usize> {
    let rank = x.shape().rank() as isize;
    dim.iter().map(|&axis| if axis < 0 { axis + rank } else { axis }).map(|axis| axis as usize).collect()
}

/// The same elements in row-major order under another shape, of which one extent may be [`Shape::INFERRED`].
pub fn reshape<'g>(x: Value<'g>, shape: &[usize]) -> Value<'g> {
    ruled(x, rules::reshape("reshape", x.shape(), shape), |shape| x.reshape(shape))
}

/// Repeated to another shape: new axes come first, those of extent 1 are repeated, [`Shape::INFERRED`] leaves one as it is.
pub fn expand<'g>(x: Value<'g>, size: &[usize]) -> Value<'g> {
    ruled(x, rules::expand("expand", x.shape(), size), |shape| x.broadcast_to(shape))
}

/// The axes in another order: axis `i` of the result is axis `dims[i]` of `x`.
pub fn permute<'g>(x: Value<'g>, dims: &[isize]) -> Value<'g> {
    ruled(x, rules::permute("permute", x.shape(), dims), |_| x.permute(&positions(x, dims)))
}

/// Without those of the given axes that have extent 1.
pub fn squeeze<'g>(x: Value<'g>, dim: &[isize]) -> Value<'g> {
    ruled(x, rules::squeeze("squeeze", x.shape(), dim), |shape| x.reshape(shape))
}

/// The parts one behind the other along an axis; they agree in all others.
///
/// # Panics
/// Without parts.
pub fn cat<'g>(tensors: &[Value<'g>], dim: isize) -> Value<'g> {
    let shapes: Vec<Shape> = tensors.iter().map(|part| part.shape()).collect();
    ruled(tensors[0], rules::cat("cat", &shapes, dim), |_| tensors[0].graph().concat(tensors, dim))
}

/// The parts, which have one shape, one behind the other along a new axis.
///
/// # Panics
/// Without parts.
pub fn stack<'g>(tensors: &[Value<'g>], dim: isize) -> Value<'g> {
    let shapes: Vec<Shape> = tensors.iter().map(|part| part.shape()).collect();
    ruled(tensors[0], rules::stack("stack", &shapes, dim), |_| {
        let parts: Vec<Value<'g>> = tensors.iter().map(|part| part.unsqueeze(dim)).collect();
        tensors[0].graph().concat(&parts, dim)
    })
}

/// `length` elements along an axis from `start` on, which counts from the end where it is negative.
pub fn narrow(x: Value<'_>, dim: isize, start: isize, length: usize) -> Value<'_> {
    let rule = rules::narrow("narrow", x.shape(), dim, start, length);
    ruled(x, rule, |_| {
        let start = front(rules::place("narrow", x.shape(), dim, start));
        x.slice(dim, start..start + length, 1)
    })
}

/// Every `step`-th element along an axis from `start` to before `end`: PyTorch's `x[:, start:end:step]`. Both count from
/// the end where they are negative; [`isize::MAX`] is the end of the axis.
pub fn slice(x: Value<'_>, dim: isize, start: isize, end: isize, step: usize) -> Value<'_> {
    ruled(x, rules::slice("slice", x.shape(), dim, start, end, step), |_| {
        let start = front(rules::place("slice", x.shape(), dim, start));
        x.slice(dim, start..front(rules::end("slice", x.shape(), dim, end)), step)
    })
}

/// The elements with one index along an axis, which goes: PyTorch's `x[:, index]`. It counts from the end where it is
/// negative.
pub fn select(x: Value<'_>, dim: isize, index: isize) -> Value<'_> {
    ruled(x, rules::select("select", x.shape(), dim, index), |shape| {
        let index = front(rules::place("select", x.shape(), dim, index));
        x.slice(dim, index..index + 1, 1).reshape(shape)
    })
}

/// A place of which the rule has said that it is there.
fn front(place: Result<usize, ShapeError>) -> usize {
    place.expect("the rule was asked before")
}

/// The order of the elements along the axes turned round.
pub fn flip<'g>(x: Value<'g>, dims: &[isize]) -> Value<'g> {
    ruled(x, rules::flip("flip", x.shape(), dims), |_| x.reverse(dims))
}

/// More elements before and behind the axes, or fewer where a number is below 0: `pad` holds both numbers of the last axis,
/// then those of the one before it, as `torch.nn.functional.pad` takes them. `mode` is `"constant"`, with `value` (0 without)
/// for the new elements of any axes, or `"reflect"`, `"replicate"` or `"circular"`, as the layers
/// [`ReflectionPad2d`](crate::layers::ReflectionPad2d) and so on.
pub fn pad<'g>(x: Value<'g>, pad: &[isize], mode: &str, value: Option<f64>) -> Value<'g> {
    let rule = rules::pad("pad", x.shape(), pad, mode, value).and_then(|_| PaddingMode::of_function(mode));
    match rule {
        Ok(mode) => {
            let sides: Vec<(isize, isize)> = pad.chunks(2).rev().map(|pair| (pair[0], pair[1])).collect();
            pad_last(x, &sides, mode, value.unwrap_or(0.0))
        }
        Err(error) => refused(x, error),
    }
}

/// `x [N, C, spatial..]` with other spatial extents: `size`, or `scale_factor` times as large, the other being empty; one
/// number is for all axes. See [`Upsample`](crate::layers::Upsample), whose modes these are. With `antialias` each pixel of a
/// smaller result is as wide as it is in the input: `"bilinear"` and `"bicubic"` as Pillow has them.
pub fn interpolate<'g>(
    x: Value<'g>,
    size: &[usize],
    scale_factor: &[f64],
    mode: &str,
    align_corners: bool,
    recompute_scale_factor: bool,
    antialias: bool,
) -> Value<'g> {
    let _function = x.graph().function("interpolate");
    match UpsampleSettings::given(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias) {
        Ok(settings) => upsample(x, &settings),
        Err(error) => refused(x, error),
    }
}

/// Each reduction over the axes in `dim`, or all; with `keepdim` they stay, with extent 1.
macro_rules! reductions {
    ($($(#[$documentation:meta])* $name:ident),* $(,)?) => {$(
        $(#[$documentation])*
        pub fn $name<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
            let rule = rules::reduce(stringify!($name), x.shape(), dim, keepdim);
            ruled(x, rule, |shape| x.$name(axes(dim)).reshape(shape))
        }
    )*};
}

reductions! {
    /// The mean over axes (all without `dim`), which stay with extent 1 for `keepdim`.
    mean,
    /// The largest element over axes (all without `dim`), which stay with extent 1 for `keepdim`; ties share the gradient.
    amax,
    /// The smallest element over axes (all without `dim`), which stay with extent 1 for `keepdim`; ties share the gradient.
    amin,
}

/// The sums of each element and all before it along an axis; of a mask how many elements hold, i32.
pub fn cumsum(x: Value<'_>, dim: isize) -> Value<'_> {
    if x.dtype() == DType::Bool { x.convert(DType::I32).cumsum(dim) } else { x.cumsum(dim) }
}

/// The sum over axes (all without `dim`), which stay with extent 1 for `keepdim`; of a mask how many elements hold, i32.
pub fn sum<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    let x = if x.dtype() == DType::Bool { x.convert(DType::I32) } else { x };
    ruled(x, rules::reduce("sum", x.shape(), dim, keepdim), |shape| x.sum(axes(dim)).reshape(shape))
}

/// The variance over axes (all without `dim`): the squared distances from the mean, divided by their number less
/// `correction`, which is 1 in PyTorch.
pub fn var<'g>(x: Value<'g>, dim: Option<&[isize]>, correction: f64, keepdim: bool) -> Value<'g> {
    let rule = rules::variance("var", x.shape(), dim, correction, keepdim);
    ruled(x, rule, |shape| x.var(axes(dim), correction).reshape(shape))
}

/// The square root of [`var`]; where that is 0, the gradient is 0.
pub fn std<'g>(x: Value<'g>, dim: Option<&[isize]>, correction: f64, keepdim: bool) -> Value<'g> {
    let rule = rules::variance("std", x.shape(), dim, correction, keepdim);
    ruled(x, rule, |shape| root_of_sum(x.var(axes(dim), correction), Value::sqrt).reshape(shape))
}

/// The p-norm over axes (all without `dim`): the p-th root of the sum of `|x|^p`, the largest `|x|` for an infinite `p`, the
/// number of elements other than 0 for 0. Where all are 0, the gradient is 0; for `p` below 1 that of each 0 is.
pub fn norm<'g>(x: Value<'g>, p: f64, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    let rule = rules::norm("norm", x.shape(), p, dim, keepdim);
    let over = axes(dim);
    let norm = || match p {
        0.0 => x.ne(0.0).convert(DType::F32).sum(over),
        1.0 => x.abs().sum(over),
        2.0 => root_of_sum(x.square().sum(over), Value::sqrt),
        f64::INFINITY => x.abs().amax(over),
        f64::NEG_INFINITY => x.abs().amin(over),
        _ => root_of_sum(power_of_size(x, p).sum(over), |sum| sum.pow(1.0 / p)),
    };
    ruled(x, rule, |shape| norm().reshape(shape))
}

/// `|x|^p`; for `p` from 0 to 1, whose derivative is infinite at 0, with the gradient 0 there.
fn power_of_size(x: Value<'_>, p: f64) -> Value<'_> {
    let none = x.eq(0.0);
    if !(0.0..1.0).contains(&p) { x.abs().pow(p) } else { none.select(0.0, none.select(1.0, x.abs()).pow(p)) }
}

/// The cosines of the angles between vectors along an axis, which goes: `x1 x2 / (|x1| |x2|)`, where each norm is `eps`
/// if it is less. The two are broadcast.
pub fn cosine_similarity<'g>(x1: Value<'g>, x2: Value<'g>, dim: isize, eps: f64) -> Value<'g> {
    let rule = rules::cosine_similarity("cosine_similarity", x1.shape(), x2.shape(), dim, eps);
    // Counted from the end, it is the same axis of one that has fewer.
    let unit = |x: Value<'g>, axis: isize| {
        let length = norm(x, 2.0, Some(&[axis]), true);
        // The gradient is that of the norm, also where eps stands for it, as in PyTorch.
        x / (length + (length.detach().maximum(eps) - length.detach()))
    };
    ruled(x1, rule, |shape| {
        let axis = if dim < 0 { dim } else { dim - (shape.rank() as isize + 1) };
        let (x1, x2) = (at_least(x1, shape.rank() + 1), at_least(x2, shape.rank() + 1));
        // Vectors of one length: a single number is repeated before its norm is taken.
        let along = positions(x1, &[axis])[0];
        let extent = x1.shape().dim(along).max(x2.shape().dim(along));
        let vectors = |x: Value<'g>| match x.shape().dim(along) == extent {
            true => x,
            false => x.broadcast_to(x.shape().with(along, extent)),
        };
        (unit(vectors(x1), axis) * unit(vectors(x2), axis)).sum(axis).reshape(shape)
    })
}

/// With as many axes, new ones of extent 1 before the others.
fn at_least(x: Value<'_>, rank: usize) -> Value<'_> {
    (x.shape().rank()..rank).fold(x, |x, _| x.unsqueeze(0))
}

/// The p-norm of `x1 - x2 + eps` along the last axis, which goes unless `keepdim` holds. The two are broadcast.
pub fn pairwise_distance<'g>(x1: Value<'g>, x2: Value<'g>, p: f64, eps: f64, keepdim: bool) -> Value<'g> {
    let rule = rules::pairwise_distance("pairwise_distance", x1.shape(), x2.shape(), p, eps, keepdim);
    ruled(x1, rule, |_| norm(x1 - x2 + eps, p, Some(&[-1]), keepdim))
}

/// A root of a sum, 0 with the gradient 0 where the sum is 0: the root's own is infinite there, times the 0 of the terms.
fn root_of_sum<'g>(sum: Value<'g>, root: impl FnOnce(Value<'g>) -> Value<'g>) -> Value<'g> {
    let none = sum.eq(0.0);
    none.select(0.0, root(none.select(1.0, sum)))
}

/// `log(sum(exp(x)))` over axes; no intermediate overflows.
pub fn logsumexp<'g>(x: Value<'g>, dim: &[isize], keepdim: bool) -> Value<'g> {
    ruled(x, rules::reduce_axes("logsumexp", x.shape(), dim, keepdim), |shape| x.logsumexp(dim).reshape(shape))
}

/// The i32 index of the first largest element along an axis; in row-major order without `dim`.
pub fn argmax(x: Value<'_>, dim: Option<isize>, keepdim: bool) -> Value<'_> {
    place(x, "argmax", dim, keepdim, |x, axis| x.argmax(axis))
}

/// The i32 index of the first smallest element along an axis; in row-major order without `dim`.
pub fn argmin(x: Value<'_>, dim: Option<isize>, keepdim: bool) -> Value<'_> {
    place(x, "argmin", dim, keepdim, |x, axis| x.argmin(axis))
}

fn place<'g>(
    x: Value<'g>,
    op: &'static str,
    dim: Option<isize>,
    keepdim: bool,
    find: impl Fn(Value<'g>, isize) -> Value<'g>,
) -> Value<'g> {
    ruled(x, rules::reduce_one(op, x.shape(), dim, keepdim), |shape| match dim {
        Some(axis) => find(x, axis).reshape(shape),
        None => find(x.reshape([x.shape().elements()]), 0).reshape(shape),
    })
}

/// The largest elements along an axis and their i32 indices; the first of several takes the whole gradient.
pub fn max(x: Value<'_>, dim: isize, keepdim: bool) -> Vec<Value<'_>> {
    extreme(x, argmax(x, Some(dim), true), dim, keepdim)
}

/// The smallest elements along an axis and their i32 indices; the first of several takes the whole gradient.
pub fn min(x: Value<'_>, dim: isize, keepdim: bool) -> Vec<Value<'_>> {
    extreme(x, argmin(x, Some(dim), true), dim, keepdim)
}

/// The elements with the given indices along an axis, and the indices.
fn extreme<'g>(x: Value<'g>, index: Value<'g>, dim: isize, keepdim: bool) -> Vec<Value<'g>> {
    let values = x.gather(dim, index);
    if keepdim { vec![values, index] } else { vec![values.squeeze(dim), index.squeeze(dim)] }
}

/// At least `min` and at most `max`, where they are given; see [`Value::clamp`].
pub fn clamp(x: Value<'_>, min: Option<f64>, max: Option<f64>) -> Value<'_> {
    ruled(x, rules::with_bounds("clamp", x.shape(), min, max), |_| {
        x.clamp(min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY))
    })
}

/// `x` times the standard normal distribution's probability of a number below `x`; `approximate` is `"none"` or `"tanh"`.
pub fn gelu<'g>(x: Value<'g>, approximate: &str) -> Value<'g> {
    ruled(x, rules::gelu("gelu", x.shape(), approximate), |_| match approximate {
        "tanh" => activation::gelu(x, GeluApproximation::Tanh),
        _ => activation::gelu(x, GeluApproximation::None),
    })
}

/// `value` where the mask holds, else `x`; the two are broadcast.
pub fn masked_fill<'g>(x: Value<'g>, mask: Value<'g>, value: f64) -> Value<'g> {
    ruled(x, rules::masked_fill("masked_fill", x.shape(), mask.shape(), value), |_| mask.select(value, x))
}

/// `input` where the condition holds, else `other`; all three are broadcast. PyTorch's `torch.where`.
pub fn where_<'g>(condition: Value<'g>, input: impl Operand<'g>, other: impl Operand<'g>) -> Value<'g> {
    condition.select(input, other)
}

/// The slices of `x` along an axis with the given i32 indices. Indices outside are clamped.
pub fn index_select<'g>(x: Value<'g>, dim: isize, index: Value<'g>) -> Value<'g> {
    ruled(x, rules::index_select("index_select", x.shape(), dim, index.shape()), |_| {
        x.transpose(0, dim).take_rows(index).transpose(0, dim)
    })
}

/// `chunks` parts of an axis of one extent, but for the last one; fewer if there are not as many elements.
pub fn chunk(x: Value<'_>, chunks: usize, dim: isize) -> Vec<Value<'_>> {
    parts(x, rules::chunk("chunk", x.ty(), chunks, dim), dim)
}

/// Parts of an axis of extent `split_size`, the last one with what is left.
pub fn split(x: Value<'_>, split_size: usize, dim: isize) -> Vec<Value<'_>> {
    parts(x, rules::split("split", x.ty(), split_size, dim), dim)
}

/// Parts of an axis of the given extents, which add up to its own.
pub fn split_with_sizes<'g>(x: Value<'g>, split_sizes: &[usize], dim: isize) -> Vec<Value<'g>> {
    parts(x, rules::split_with_sizes("split", x.ty(), split_sizes, dim), dim)
}

fn parts<'g>(x: Value<'g>, rule: Result<rules::Types, ShapeError>, dim: isize) -> Vec<Value<'g>> {
    let types = match rule {
        Ok(types) => types,
        Err(error) => return vec![refused(x, error)],
    };
    let axis = positions(x, &[dim])[0];
    let mut start = 0;
    let mut part = |extent: usize| {
        start += extent;
        x.slice(axis, start - extent..start, 1)
    };
    types.as_slice().iter().map(|ty| part(ty.shape.dim(axis))).collect()
}

/// As f32: true becomes 1.
pub fn float(x: Value<'_>) -> Value<'_> {
    x.convert(DType::F32)
}

/// Whether elements are other than 0: as bool.
pub fn bool(x: Value<'_>) -> Value<'_> {
    x.convert(DType::Bool)
}

/// As i32: f32 is truncated.
pub fn int(x: Value<'_>) -> Value<'_> {
    x.convert(DType::I32)
}

/// Zeros of the type of `x`.
pub fn zeros_like(x: Value<'_>) -> Value<'_> {
    full_like(x, 0.0)
}

/// Ones of the type of `x`.
pub fn ones_like(x: Value<'_>) -> Value<'_> {
    full_like(x, 1.0)
}

/// One number everywhere, of the type of `x`.
pub fn full_like(x: Value<'_>, fill_value: f64) -> Value<'_> {
    x.graph().number_of(x.dtype(), fill_value).broadcast_to(x.shape())
}
