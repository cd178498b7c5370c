//! Functions that take and put elements by places that are given as i32 indices along an axis, each of what is put
//! alone or all that go to one place made one. Indices outside are clamped, where PyTorch raises.

use super::elementwise::{div_rounded, isfinite};
use super::{positions, prod, ruled, zero};
use crate::build::{Operand, Value};
use crate::op::Op;
use crate::shape::functions as rules;
use crate::shape::{DType, Shape};

/// The elements at the given places along an axis, of tensors that are broadcast along the others; without `dim` at those
/// among all elements in a row. Places below 0 count from the end; those outside are clamped (PyTorch raises).
pub fn take_along_dim<'g>(x: Value<'g>, indices: Value<'g>, dim: Option<isize>) -> Value<'g> {
    ruled(x, rules::take_along_dim("take_along_dim", x.shape(), indices.shape(), dim), |shape| {
        let from_front = |extent: usize| indices.lt(0).select(indices + extent as i32, indices);
        let Some(dim) = dim else {
            let all = x.shape().elements();
            return x.reshape([all]).gather(0, from_front(all).reshape(shape));
        };
        let axis = positions(x, &[dim])[0];
        x.broadcast_to(shape.with(axis, x.shape().dim(axis)))
            .gather(axis, from_front(x.shape().dim(axis)).broadcast_to(shape))
    })
}

/// The elements at the given places among all elements in a row, in the shape of the places, which count from the end where
/// they are below 0, and are clamped outside (PyTorch raises).
pub fn take<'g>(x: Value<'g>, index: Value<'g>) -> Value<'g> {
    ruled(x, rules::take("take", x.shape(), index.shape()), |shape| {
        let row = index.reshape([shape.elements()]);
        take_along_dim(x, row, None).reshape(shape)
    })
}

/// `x` with the elements of `src` at the given places along an axis. Where several go to one place the last one stays
/// (PyTorch does not say which one does), and has the gradient. Of whole numbers each index is compared with each place.
/// Indices outside are clamped (PyTorch raises).
pub fn scatter<'g>(x: Value<'g>, dim: isize, index: Value<'g>, src: impl Operand<'g>) -> Value<'g> {
    let src = src.into_value(x.graph(), x.dtype());
    ruled(x, rules::scatter("scatter", x.shape(), dim, index.shape(), src.shape()), |shape| {
        let axis = positions(x, &[dim])[0];
        let index = clamped(index, shape.dim(axis));
        let stays = last_of_its_kind(index, axis, shape.dim(axis));
        let src = stays.select(src.broadcast_to(index.shape()), zero(x));
        let put = sums(x, axis, index, src);
        counts(x, axis, index, stays).gt(0.0).select(put, x)
    })
}

/// As [`scatter`], but what is put is added, `"add"`, or multiplied, `"multiply"`, as often as it goes to a place;
/// see [`scatter_reduce`].
pub fn scatter_with<'g>(x: Value<'g>, dim: isize, index: Value<'g>, src: impl Operand<'g>, reduce: &str) -> Value<'g> {
    let src = src.into_value(x.graph(), x.dtype());
    ruled(x, rules::scatter_with("scatter", x.shape(), dim, index.shape(), src.shape(), reduce), |_| {
        let reduce = if reduce == "add" { "sum" } else { "prod" };
        scatter_reduce(x, dim, index, src.broadcast_to(index.shape()), reduce, true)
    })
}

/// `x` plus the elements of `src` at the given places along an axis. Of whole numbers each index is compared with each place.
/// Indices outside are clamped (PyTorch raises).
pub fn scatter_add<'g>(x: Value<'g>, dim: isize, index: Value<'g>, src: Value<'g>) -> Value<'g> {
    ruled(x, rules::scatter("scatter_add", x.shape(), dim, index.shape(), src.shape()), |_| {
        x + sums(x, positions(x, &[dim])[0], index, src)
    })
}

/// `x` with the elements of `src` that go to each place along an axis made one with the element there: `reduce` is `"sum"`,
/// `"prod"`, `"mean"`, `"amax"` or `"amin"`. Without `include_self` what is there before has no part in it, unless nothing goes
/// there.
///
/// Of equal extremes each has the same part of the gradient (in PyTorch what is there before has one without `include_self`,
/// too, which is lost). All but `"sum"` and `"mean"` of f32 compare each index with each place. Indices outside are clamped
/// (PyTorch raises).
pub fn scatter_reduce<'g>(
    x: Value<'g>,
    dim: isize,
    index: Value<'g>,
    src: Value<'g>,
    reduce: &str,
    include_self: bool,
) -> Value<'g> {
    let rule =
        rules::scatter_reduce("scatter_reduce", x.shape(), dim, index.shape(), src.shape(), reduce, include_self);
    ruled(x, rule, |shape| {
        let _function = x.graph().function("scatter_reduce");
        let axis = positions(x, &[dim])[0];
        let index = clamped(index, shape.dim(axis));
        let every = index.ge(0);
        let met = (!include_self).then(|| counts(x, axis, index, every).gt(0.0));
        // What is there before, or what changes nothing where something else comes.
        let before = |neutral: f64| {
            let neutral = x.graph().number_of(x.dtype(), neutral);
            met.map_or(x, |met| met.select(neutral, x))
        };
        let number = |float: f64, whole: i32| if x.dtype() == DType::F32 { float } else { f64::from(whole) };
        match reduce {
            "sum" => before(0.0) + sums(x, axis, index, src),
            "prod" => before(1.0) * folded(x, axis, index, src, 1.0, |all, axis| prod(all, Some(&[axis]), false)),
            "mean" => {
                let count = counts(x, axis, index, every) + if include_self { 1.0 } else { 0.0 };
                let (sum, count) = (before(0.0) + sums(x, axis, index, src), count.maximum(1.0));
                if x.dtype() == DType::F32 { sum / count } else { div_rounded(sum, count.convert(DType::I32), "floor") }
            }
            _ => {
                let is_largest = reduce == "amax";
                let neutral = match is_largest {
                    true => number(f64::NEG_INFINITY, i32::MIN),
                    false => number(f64::INFINITY, i32::MAX),
                };
                let before = before(neutral);
                let (own, others) = (before.detach(), src.detach());
                let value = match is_largest {
                    true => own.maximum(folded(x, axis, index, others, neutral, |all, axis| all.amax(axis))),
                    false => own.minimum(folded(x, axis, index, others, neutral, |all, axis| all.amin(axis))),
                };
                if x.dtype() == DType::F32 { shared(before, axis, index, src, value) } else { value }
            }
        }
    })
}

/// A value, with the gradient shared by the elements that are equal to it, of `before` and of those that go to its place.
fn shared<'g>(before: Value<'g>, axis: usize, index: Value<'g>, src: Value<'g>, value: Value<'g>) -> Value<'g> {
    let (own, other) = (before.eq(value), src.eq(value.gather(axis, index)));
    let count = own.convert(DType::F32) + counts(before, axis, index, other);
    // 0, of which the derivative is 1. Of infinite numbers the difference is none; they change nothing where the value is.
    let change = |x: Value<'g>, counts: Value<'g>| {
        let counted = counts.select(x, 0.0);
        counted - isfinite(counted).select(counted, 0.0).detach()
    };
    value + (change(before, own) + sums(before, axis, index, change(src, other))) / count.maximum(1.0)
}

/// [`scatter_reduce`] of slices at the given places along an axis, which are clamped (PyTorch raises).
pub fn index_reduce<'g>(
    x: Value<'g>,
    dim: isize,
    index: Value<'g>,
    source: Value<'g>,
    reduce: &str,
    include_self: bool,
) -> Value<'g> {
    let rule = rules::index_reduce("index_reduce", x.shape(), dim, index.shape(), source.shape(), reduce, include_self);
    ruled(x, rule, |_| {
        let axis = positions(x, &[dim])[0];
        let along = of_slices(index, axis, x.shape().rank());
        scatter_reduce(x, dim, along.broadcast_to(source.shape()), source, reduce, include_self)
    })
}

/// `x` with the slices of `source` at the given places along an axis; of several that go to one place the last one stays.
/// Of whole numbers each index is compared with each place. Indices outside are clamped (PyTorch raises).
pub fn index_copy<'g>(x: Value<'g>, dim: isize, index: Value<'g>, source: Value<'g>) -> Value<'g> {
    ruled(x, rules::index_copy("index_copy", x.shape(), dim, index.shape(), source.shape()), |shape| {
        let axis = positions(x, &[dim])[0];
        let index = clamped(index, shape.dim(axis));
        let stays = last_of_its_kind(index, 0, shape.dim(axis));
        let along = |mask: Value<'g>| of_slices(mask, axis, shape.rank());
        let put = slices(x, axis, index, along(stays).select(source, zero(x)));
        let met = x.graph().apply(Op::ScatterRows { rows: shape.dim(axis) }, &[index, stays.convert(DType::F32)]);
        along(met.gt(0.0)).select(put, x)
    })
}

/// `x` plus the slices of `source` at the given places along an axis, times `alpha`. Of whole numbers each index is compared
/// with each place. Indices outside are clamped (PyTorch raises).
pub fn index_add<'g>(x: Value<'g>, dim: isize, index: Value<'g>, source: Value<'g>, alpha: f64) -> Value<'g> {
    let rule = rules::index_add("index_add", x.shape(), dim, index.shape(), source.shape(), alpha);
    ruled(x, rule, |_| {
        let sums = slices(x, positions(x, &[dim])[0], index, source);
        x + if alpha == 1.0 { sums } else { sums * alpha }
    })
}

/// What there is of each slice along an axis, with unit axes for those behind it.
fn of_slices(x: Value<'_>, axis: usize, rank: usize) -> Value<'_> {
    (axis + 1..rank).fold(x, |x, _| x.unsqueeze(-1))
}

fn clamped(index: Value<'_>, extent: usize) -> Value<'_> {
    index.maximum(0).minimum(extent as i32 - 1)
}

/// The sums of the slices that go to each place of `x` along an axis.
fn slices<'g>(x: Value<'g>, axis: usize, index: Value<'g>, source: Value<'g>) -> Value<'g> {
    if x.dtype() == DType::F32 {
        let rows = Op::ScatterRows { rows: x.shape().dim(axis) };
        return x.graph().apply(rows, &[index, source.transpose(0, axis)]).transpose(0, axis);
    }
    let along = of_slices(index, axis, x.shape().rank());
    sums(x, axis, clamped(along, x.shape().dim(axis)).broadcast_to(source.shape()), source)
}

/// The sums of what goes to each place of `x` along an axis; nothing goes beyond the extents of the indices.
fn sums<'g>(x: Value<'g>, axis: usize, index: Value<'g>, src: Value<'g>) -> Value<'g> {
    if src.dtype() != DType::F32 {
        return folded(x, axis, clamped(index, x.shape().dim(axis)), src, 0.0, |all, axis| all.sum(axis));
    }
    let sums = x.graph().apply(Op::ScatterAdd { axis, extent: x.shape().dim(axis) }, &[index, src]);
    filled_up(sums, x.shape(), 0.0)
}

/// How many of the elements that a mask names go to each place of `x` along an axis: f32.
fn counts<'g>(x: Value<'g>, axis: usize, index: Value<'g>, mask: Value<'g>) -> Value<'g> {
    sums(x, axis, index, mask.convert(DType::F32))
}

/// What goes to each place of `x` along an axis made one, by a function that folds an axis; where nothing goes there is the
/// number that changes nothing.
fn folded<'g>(
    x: Value<'g>,
    axis: usize,
    index: Value<'g>,
    src: Value<'g>,
    neutral: f64,
    fold: impl Fn(Value<'g>, isize) -> Value<'g>,
) -> Value<'g> {
    let places = index.shape().insert(axis, x.shape().dim(axis));
    let spread = |x: Value<'g>| x.unsqueeze(axis).broadcast_to(places);
    let here = x.graph().iota(places, axis).eq(spread(index));
    let all = here.select(spread(src), x.graph().number_of(src.dtype(), neutral));
    filled_up(fold(all, axis as isize + 1), x.shape(), neutral)
}

/// With as many elements as a shape has along each axis.
fn filled_up(x: Value<'_>, shape: Shape, number: f64) -> Value<'_> {
    // What stands for a mistake may be larger.
    let high: Vec<usize> = (0..shape.rank()).map(|axis| shape.dim(axis).saturating_sub(x.shape().dim(axis))).collect();
    x.pad(&[], &high, number)
}

/// Whether no later index along an axis is the same; indices are from 0 to before `extent`.
///
/// Of the indices that go to one place the last one's position has the largest number: bit by bit from the highest on, those
/// without the bit leave where one of those that are left has it.
fn last_of_its_kind(index: Value<'_>, axis: usize, extent: usize) -> Value<'_> {
    let mut position = index.graph().iota(index.shape(), axis);
    let mut stays = index.ge(0);
    for bit in (0..index.shape().dim(axis).next_power_of_two().ilog2()).rev() {
        let size = 1 << bit;
        let has = position.ge(size);
        position = has.select(position - size, position);
        let holders = (stays & has).convert(DType::F32);
        let found = index.graph().apply(Op::ScatterAdd { axis, extent }, &[index, holders]).gather(axis, index);
        stays = stays & (has | found.eq(0.0));
    }
    stays
}
