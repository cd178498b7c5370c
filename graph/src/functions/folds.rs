//! Folds along axes that are compositions of others: any and all, counts, moments in pairs, running maxima,
//! differences, norms that bound. It knows no matrices.

use super::{amax, amin, isnan, mean, norm, order, positions, refused, ruled, rules, std, sum, var};
use crate::build::Value;
use crate::shape::DType;

/// The product over axes (all without `dim`), which stay with extent 1 for `keepdim`; of a mask 1 where all hold, i32.
pub fn prod<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    ruled(x, rules::reduce("prod", x.shape(), dim, keepdim), |shape| match x.dtype() {
        DType::F32 => x.prod(super::axes(dim)).reshape(shape),
        _ => whole_product(x.convert(DType::I32), dim).reshape(shape),
    })
}

/// By halves: the product of whole numbers is no reduction of the graph's.
fn whole_product<'g>(x: Value<'g>, dim: Option<&[isize]>) -> Value<'g> {
    let rank = x.shape().rank();
    let folded = dim.map_or((0..rank).collect(), |dim| positions(x, dim));
    let kept: Vec<usize> = (0..rank).filter(|axis| !folded.contains(axis)).collect();
    let extents: Vec<usize> = kept.iter().map(|&axis| x.shape().dim(axis)).collect();
    let count: usize = folded.iter().map(|&axis| x.shape().dim(axis)).product();
    let rows = extents.iter().product();
    let mut rest = x.permute(&[kept, folded].concat()).reshape([rows, count]);
    while rest.shape().dim(1) > 1 {
        let even = rest.pad(&[], &[0, rest.shape().dim(1) % 2], 1.0);
        let half = even.shape().dim(1) / 2;
        rest = even.slice(1, 0..half, 1) * even.slice(1, half..2 * half, 1);
    }
    rest.reshape(extents.as_slice())
}

/// Whether an element is other than 0, or holds: 1 or 0.
fn truth(x: Value<'_>) -> Value<'_> {
    super::elementwise::holds(x).convert(DType::I32)
}

/// Whether any element over axes (all without `dim`), which stay with extent 1 for `keepdim`, is other than 0.
pub fn any<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    ruled(x, rules::reduce("any", x.shape(), dim, keepdim), |_| sum(truth(x), dim, keepdim).gt(0))
}

/// Whether all elements over axes (all without `dim`), which stay with extent 1 for `keepdim`, are other than 0.
pub fn all<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    ruled(x, rules::reduce("all", x.shape(), dim, keepdim), |_| sum(1 - truth(x), dim, keepdim).eq(0))
}

/// How many elements over axes (all without `dim`) are other than 0: i32.
pub fn count_nonzero<'g>(x: Value<'g>, dim: Option<&[isize]>) -> Value<'g> {
    ruled(x, rules::count("count_nonzero", x.shape(), dim), |_| sum(truth(x), dim, false))
}

/// The sum of the elements over axes (all without `dim`) that are numbers.
pub fn nansum<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    sum(isnan(x).select(0.0, x), dim, keepdim)
}

/// The mean of the elements over axes (all without `dim`) that are numbers; NaN where none is.
pub fn nanmean<'g>(x: Value<'g>, dim: Option<&[isize]>, keepdim: bool) -> Value<'g> {
    let numbers = (!isnan(x)).convert(DType::F32);
    nansum(x, dim, keepdim) / sum(numbers, dim, keepdim)
}

/// The standard deviation and the mean over axes (all without `dim`).
pub fn std_mean<'g>(x: Value<'g>, dim: Option<&[isize]>, correction: f64, keepdim: bool) -> Vec<Value<'g>> {
    vec![std(x, dim, correction, keepdim), mean(x, dim, keepdim)]
}

/// The variance and the mean over axes (all without `dim`).
pub fn var_mean<'g>(x: Value<'g>, dim: Option<&[isize]>, correction: f64, keepdim: bool) -> Vec<Value<'g>> {
    vec![var(x, dim, correction, keepdim), mean(x, dim, keepdim)]
}

/// The smallest and the largest element along an axis, or of all without `dim`; ties share the gradient.
pub fn aminmax(x: Value<'_>, dim: Option<isize>, keepdim: bool) -> Vec<Value<'_>> {
    let axes = dim.as_ref().map(std::slice::from_ref);
    vec![amin(x, axes, keepdim), amax(x, axes, keepdim)]
}

/// The largest of each element and those before it along an axis, and its i32 index: that of the last one of equals, which
/// has the gradient.
pub fn cummax(x: Value<'_>, dim: isize) -> Vec<Value<'_>> {
    running_extreme("cummax", x, dim, |a, b| a.ge(b))
}

/// The smallest of each element and those before it along an axis, and its i32 index: that of the last one of equals, which
/// has the gradient.
pub fn cummin(x: Value<'_>, dim: isize) -> Vec<Value<'_>> {
    running_extreme("cummin", x, dim, |a, b| a.le(b))
}

/// By doubling, as [`Value::cumsum`]: after step `s` an index is that of the extreme of the `2 s` elements that end there.
fn running_extreme<'g>(
    op: &'static str,
    x: Value<'g>,
    dim: isize,
    wins: fn(Value<'g>, Value<'g>) -> Value<'g>,
) -> Vec<Value<'g>> {
    if let Err(error) = rules::running_extreme(op, x.ty(), dim) {
        return vec![refused(x, error)];
    }
    let _function = x.graph().function(op);
    let (axis, values) = (positions(x, &[dim])[0], x.detach());
    let extent = x.shape().dim(axis);
    let (mut best, mut place, mut step) = (values, x.graph().iota(x.shape(), axis), 1);
    while step < extent {
        let shifted = |x: Value<'g>| {
            let first = x.slice(axis, 0..step, 1);
            x.graph().concat(&[first, x.slice(axis, 0..extent - step, 1)], axis)
        };
        let (before, place_before) = (shifted(best), shifted(place));
        // What is no number wins over all before it.
        let stays = wins(best, before) | best.ne(best);
        (best, place) = (stays.select(best, before), stays.select(place, place_before));
        step *= 2;
    }
    vec![x.gather(axis, place), place]
}

/// `log(sum(exp(x)))` of each element and those before it along an axis; no intermediate overflows.
pub fn logcumsumexp(x: Value<'_>, dim: isize) -> Value<'_> {
    ruled(x, rules::along_known("logcumsumexp", x.shape(), dim), |shape| {
        let _function = x.graph().function("logcumsumexp");
        let axis = positions(x, &[dim])[0];
        let extent = shape.dim(axis);
        let mut low = vec![0; axis + 1];
        let (mut sums, mut step) = (x, 1);
        while step < extent {
            low[axis] = step;
            let before = sums.slice(axis, 0..extent - step, 1).pad(&low, &[], f64::NEG_INFINITY);
            sums = super::logaddexp(sums, before);
            step *= 2;
        }
        sums
    })
}

/// The differences of neighbours along an axis, `n` times, with what is put before and behind them first.
pub fn diff<'g>(
    x: Value<'g>,
    n: usize,
    dim: isize,
    prepend: Option<Value<'g>>,
    append: Option<Value<'g>>,
) -> Value<'g> {
    let shapes = [prepend, append].map(|part| part.map(Value::shape));
    ruled(x, rules::diff("diff", x.shape(), n, dim, shapes[0], shapes[1]), |_| {
        if n == 0 {
            return x;
        }
        let axis = positions(x, &[dim])[0];
        // A number, too, is as wide as the others.
        let wide = |part: Value<'g>| match part.shape().rank() {
            0 => part.broadcast_to(x.shape().with(axis, 1)),
            _ => part,
        };
        let parts: Vec<Value<'g>> = [prepend, Some(x), append].into_iter().flatten().map(wide).collect();
        let all = if parts.len() > 1 { x.graph().concat(&parts, axis) } else { x };
        (0..n).fold(all, |x, _| {
            let extent = x.shape().dim(axis);
            x.slice(axis, 1..extent, 1) - x.slice(axis, 0..extent - 1, 1)
        })
    })
}

/// The `k`-th smallest element along an axis, counted from 1, and its i32 index. NaN counts as larger than all numbers.
pub fn kthvalue(x: Value<'_>, k: usize, dim: isize, keepdim: bool) -> Vec<Value<'_>> {
    match rules::kthvalue("kthvalue", x.ty(), k, dim, keepdim) {
        Ok(_) => taken(x, order::argsort(x, dim, false).slice(dim, k - 1..k, 1), dim, keepdim),
        Err(error) => vec![refused(x, error)],
    }
}

/// The elements at places along an axis, and the places.
pub(super) fn taken<'g>(x: Value<'g>, place: Value<'g>, dim: isize, keepdim: bool) -> Vec<Value<'g>> {
    let values = x.gather(dim, place);
    if keepdim { vec![values, place] } else { vec![values.squeeze(dim), place.squeeze(dim)] }
}

/// Vectors along an axis divided by their p-norm, or by `eps` if that is less.
pub fn normalize(x: Value<'_>, p: f64, dim: isize, eps: f64) -> Value<'_> {
    ruled(x, rules::normalize("normalize", x.shape(), p, dim, eps), |_| {
        let _function = x.graph().function("normalize");
        x / norm(x, p, Some(&[dim]), true).clamp(eps, f64::INFINITY)
    })
}

/// The slices along an axis of which the p-norm is larger than `maxnorm` scaled down to it.
pub fn renorm(x: Value<'_>, p: f64, dim: isize, maxnorm: f64) -> Value<'_> {
    ruled(x, rules::renorm("renorm", x.shape(), p, dim, maxnorm), |shape| {
        let axis = positions(x, &[dim])[0] as isize;
        let others: Vec<isize> = (0..shape.rank() as isize).filter(|&other| other != axis).collect();
        let length = norm(x, p, Some(&others), true);
        // PyTorch's divisor.
        x * length.gt(maxnorm).select((length + 1e-7).reciprocal() * maxnorm, 1.0)
    })
}

/// The p-norm of `input - other`, over all axes.
pub fn dist<'g>(input: Value<'g>, other: Value<'g>, p: f64) -> Value<'g> {
    ruled(input, rules::dist("dist", input.shape(), other.shape(), p), |_| norm(input - other, p, None, false))
}

/// Softmax with what makes it draw: `softmax((x + noise) / tau)`, the noise being of Gumbel's distribution, drawn anew by each
/// run; a sample of the classes as numbers. With `hard` it is 1 at its largest element and 0 elsewhere, with the gradient
/// of the other.
pub fn gumbel_softmax(x: Value<'_>, tau: f64, hard: bool, dim: isize) -> Value<'_> {
    ruled(x, rules::gumbel_softmax("gumbel_softmax", x.shape(), tau, hard, dim), |shape| {
        let _function = x.graph().function("gumbel_softmax");
        // The exponential distribution's, of chances above 0.
        let waiting = -super::rand_like(x).maximum(2f64.powi(-25)).log();
        let soft = ((x - waiting.log()) * (1.0 / tau)).softmax(dim);
        if !hard {
            return soft;
        }
        let axis = positions(x, &[dim])[0];
        let largest = soft.detach().argmax(axis).unsqueeze(axis);
        let one = x.graph().iota(shape, axis).eq(largest).convert(DType::F32);
        one + (soft - soft.detach())
    })
}

/// How many numbers lie in each of `bins` intervals of one width between `min` and `max`, or between the smallest and the
/// largest of them if both are 0: f32. What lies outside does not count.
pub fn histc(x: Value<'_>, bins: usize, min: f64, max: f64) -> Value<'_> {
    ruled(x, rules::histc("histc", x.shape(), bins, min, max), |shape| {
        let x = x.detach().reshape([x.shape().elements()]);
        let (low, high) = if min == 0.0 && max == 0.0 {
            let (low, high) = (x.amin(0), x.amax(0));
            let one = low.eq(high);
            (one.select(low - 1.0, low), one.select(high + 1.0, high))
        } else {
            (x.graph().scalar(min), x.graph().scalar(max))
        };
        let place = ((x - low) / (high - low) * bins as f64).floor().minimum((bins - 1) as f64).convert(DType::I32);
        let inside = (x.ge(low) & x.le(high)).convert(DType::F32);
        let none = x.graph().full(shape, 0.0);
        super::index_add(none, 0, place, inside, 1.0)
    })
}

/// For each value the i32 index at which it would have to stand in a sorted sequence along the last axis: before those that
/// are equal, or behind them with `right`. The sequence is a vector, or has the values' other axes; `sorter` are the indices
/// that put it in order where it is not.
pub fn searchsorted<'g>(
    sorted_sequence: Value<'g>,
    values: Value<'g>,
    right: bool,
    sorter: Option<Value<'g>>,
) -> Value<'g> {
    let op = "searchsorted";
    let rule = rules::searchsorted(op, sorted_sequence.shape(), values.shape(), right, sorter.map(Value::shape));
    ruled(values, rule, |shape| {
        let _function = values.graph().function(op);
        let sequence = sorted_sequence.detach();
        let sequence = sorter.map_or(sequence, |sorter| sequence.gather(-1, sorter));
        let (sequence, value) = (sequence.unsqueeze(-2), values.detach().unsqueeze(-1));
        // All numbers are before what is none.
        let before = if right { !sequence.gt(value) } else { !sequence.ge(value) };
        before.convert(DType::I32).sum(-1).reshape(shape)
    })
}

/// [`searchsorted`], with `right` as a word: `"left"` or `"right"`.
pub fn searchsorted_at<'g>(
    sorted_sequence: Value<'g>,
    values: Value<'g>,
    side: &str,
    sorter: Option<Value<'g>>,
) -> Value<'g> {
    let shapes = (sorted_sequence.shape(), values.shape());
    let rule = rules::searchsorted_at("searchsorted", shapes.0, shapes.1, side, sorter.map(Value::shape));
    ruled(values, rule, |_| searchsorted(sorted_sequence, values, side == "right", sorter))
}

/// [`searchsorted`] in a vector of boundaries.
pub fn bucketize<'g>(x: Value<'g>, boundaries: Value<'g>, right: bool) -> Value<'g> {
    ruled(x, rules::bucketize("bucketize", x.shape(), boundaries.shape(), right), |_| {
        let (boundary, value) = (boundaries.detach(), x.detach().unsqueeze(-1));
        let before = if right { !boundary.gt(value) } else { !boundary.ge(value) };
        before.convert(DType::I32).sum(-1)
    })
}

/// Whether each element is among `test_elements`.
pub fn isin<'g>(elements: Value<'g>, test_elements: Value<'g>) -> Value<'g> {
    ruled(elements, rules::isin("isin", elements.shape(), test_elements.shape()), |_| {
        let all = test_elements.reshape([test_elements.shape().elements()]);
        elements.unsqueeze(-1).eq(all).convert(DType::I32).sum(-1).gt(0)
    })
}
