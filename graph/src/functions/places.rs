//! Functions that choose, move and put elements by their places: triangles, rotations, repetitions, scatters. Places
//! that follow from the elements' own values are `order.rs`'s.

use super::{positions, ruled};
use crate::build::{Operand, Value};
use crate::op::Op;
use crate::shape::functions as rules;
use crate::shape::{DType, Shape};

/// Of each matrix in the last two axes what lies on and below a diagonal (0 is the main one, 1 the one above it), with 0
/// in the place of the rest.
pub fn tril(x: Value<'_>, diagonal: isize) -> Value<'_> {
    ruled(x, rules::triangle("tril", x.shape(), diagonal), |_| below(x, diagonal).select(x, zero(x)))
}

/// Of each matrix in the last two axes what lies on and above a diagonal, with 0 in the place of the rest.
pub fn triu(x: Value<'_>, diagonal: isize) -> Value<'_> {
    ruled(x, rules::triangle("triu", x.shape(), diagonal), |_| below(x, diagonal - 1).select(zero(x), x))
}

fn zero(x: Value<'_>) -> Value<'_> {
    x.graph().scalar_of(x.dtype(), 0.0)
}

/// Whether an element of a matrix lies on or below a diagonal.
fn below(x: Value<'_>, diagonal: isize) -> Value<'_> {
    let rank = x.shape().rank();
    let matrix = Shape::new(&x.shape().dims()[rank - 2..]);
    let place = |axis| x.graph().iota(matrix, axis);
    // Beyond the matrix all diagonals are alike.
    let bound = (matrix.dim(0) + matrix.dim(1)) as isize;
    (place(1) - place(0)).le(diagonal.clamp(-bound, bound) as i32)
}

/// The elements moved along axes, those that leave at an end coming in at the other.
pub fn roll<'g>(x: Value<'g>, shifts: &[isize], dims: &[isize]) -> Value<'g> {
    ruled(x, rules::roll("roll", x.shape(), shifts, dims), |shape| {
        shifts.iter().zip(positions(x, dims)).fold(x, |x, (shift, axis)| {
            let extent = shape.dim(axis);
            let from = extent - shift.rem_euclid(extent as isize) as usize;
            if from == extent {
                return x;
            }
            x.graph().concat(&[x.slice(axis, from..extent, 1), x.slice(axis, 0..from, 1)], axis)
        })
    })
}

/// Each element along an axis `repeats` times, one behind the other.
pub fn repeat_interleave(x: Value<'_>, repeats: usize, dim: isize) -> Value<'_> {
    ruled(x, rules::repeat_interleave("repeat_interleave", x.shape(), repeats, dim), |shape| {
        let axis = positions(x, &[dim])[0];
        x.unsqueeze(axis + 1).broadcast_to(x.shape().insert(axis + 1, repeats)).reshape(shape)
    })
}

/// The whole tensor so many times along each axis; axes that it lacks come first.
pub fn repeat<'g>(x: Value<'g>, repeats: &[usize]) -> Value<'g> {
    ruled(x, rules::repeat("repeat", x.shape(), repeats), |shape| {
        // An axis of repetitions before each axis.
        let mut axis = 0;
        let mut aligned = x.shape();
        while aligned.rank() < shape.rank() {
            aligned = aligned.insert(0, 1);
        }
        let mut result = x.reshape(aligned);
        while axis < shape.rank() {
            if repeats[axis] > 1 {
                let before = result.shape();
                let wide = before.insert(axis, repeats[axis]);
                result = result.unsqueeze(axis).broadcast_to(wide).reshape(before.with(axis, shape.dim(axis)));
            }
            axis += 1;
        }
        result
    })
}

/// `x` with the elements of `src` at the given i32 places along an axis. Where several go to one place the last one
/// stays (PyTorch does not say which one does), and has the gradient. Indices outside are clamped.
pub fn scatter<'g>(x: Value<'g>, dim: isize, index: Value<'g>, src: impl Operand<'g>) -> Value<'g> {
    let src = src.into_value(x.graph(), x.dtype());
    ruled(x, rules::scatter("scatter", x.shape(), dim, index.shape(), src.shape()), |shape| {
        let axis = positions(x, &[dim])[0];
        let index = index.maximum(0).minimum(shape.dim(axis) as i32 - 1);
        let stays = last_of_its_kind(index, axis);
        let src = stays.select(src.broadcast_to(index.shape()), 0.0);
        let put = sums(x, axis, index, src);
        let is_put = sums(x, axis, index, stays.convert(DType::F32)).gt(0.0);
        is_put.select(put, x)
    })
}

/// `x` plus the elements of `src` at the given i32 places along an axis. Indices outside are clamped.
pub fn scatter_add<'g>(x: Value<'g>, dim: isize, index: Value<'g>, src: Value<'g>) -> Value<'g> {
    ruled(x, rules::scatter("scatter_add", x.shape(), dim, index.shape(), src.shape()), |_| {
        x + sums(x, positions(x, &[dim])[0], index, src)
    })
}

/// `x` plus the slices of `source` at the given i32 places along an axis, times `alpha`. Indices outside are clamped.
pub fn index_add<'g>(x: Value<'g>, dim: isize, index: Value<'g>, source: Value<'g>, alpha: f64) -> Value<'g> {
    let rule = rules::index_add("index_add", x.shape(), dim, index.shape(), source.shape(), alpha);
    ruled(x, rule, |shape| {
        let axis = positions(x, &[dim])[0];
        let rows = Op::ScatterRows { rows: shape.dim(axis) };
        let sums = x.graph().apply(rows, &[index, source.transpose(0, axis)]).transpose(0, axis);
        x + if alpha == 1.0 { sums } else { sums * alpha }
    })
}

/// The sums of what goes to each place of `x` along an axis; nothing goes beyond the extents of the indices.
fn sums<'g>(x: Value<'g>, axis: usize, index: Value<'g>, src: Value<'g>) -> Value<'g> {
    let shape = x.shape();
    let sums = x.graph().apply(Op::ScatterAdd { axis, extent: shape.dim(axis) }, &[index, src]);
    let high: Vec<usize> = (0..shape.rank()).map(|axis| shape.dim(axis) - sums.shape().dim(axis)).collect();
    sums.pad(&[], &high, 0.0)
}

/// Whether no later index along an axis is the same.
fn last_of_its_kind(index: Value<'_>, axis: usize) -> Value<'_> {
    let extent = index.shape().dim(axis);
    let pairs = index.shape().insert(axis + 1, extent);
    let place = |axis| index.graph().iota(pairs, axis);
    let same = index.unsqueeze(axis + 1).broadcast_to(pairs).eq(index.unsqueeze(axis).broadcast_to(pairs));
    let later = same & place(axis + 1).gt(place(axis));
    later.convert(DType::F32).amax(axis + 1).eq(0.0)
}
