//! Functions that move elements by places that are known: triangles, rotations, repetitions. Places that follow from
//! the elements' own values are `order.rs`'s, those that are given `scatters.rs`'s.

use super::{positions, ruled, zero};
use crate::build::Value;
use crate::shape::Shape;
use crate::shape::functions as rules;

/// Of each matrix in the last two axes what lies on and below a diagonal (0 is the main one, 1 the one above it), with 0
/// in the place of the rest.
pub fn tril(x: Value<'_>, diagonal: isize) -> Value<'_> {
    ruled(x, rules::triangle("tril", x.shape(), diagonal), |_| below(x, diagonal).select(x, zero(x)))
}

/// Of each matrix in the last two axes what lies on and above a diagonal, with 0 in the place of the rest.
pub fn triu(x: Value<'_>, diagonal: isize) -> Value<'_> {
    ruled(x, rules::triangle("triu", x.shape(), diagonal), |_| below(x, diagonal - 1).select(zero(x), x))
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

/// [`roll`] of all elements in a row, in the shape that they have.
pub fn roll_all(x: Value<'_>, shifts: isize) -> Value<'_> {
    ruled(x, rules::roll_all("roll", x.shape(), shifts), |shape| {
        roll(x.reshape([shape.elements()]), &[shifts], &[0]).reshape(shape)
    })
}

/// Each element `repeats` times, one behind the other, all in a row.
pub fn repeat_interleave_all(x: Value<'_>, repeats: usize) -> Value<'_> {
    ruled(x, rules::repeat_interleave_all("repeat_interleave", x.shape(), repeats), |_| {
        repeat_interleave(x.reshape([x.shape().elements()]), repeats, 0)
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
