//! Functions that put elements together in all ways, along diagonals, in windows and by several indices, and that count
//! equal ones. Compositions of the functions beside it; what the elements are is not known here.

use super::elementwise::div_rounded;
use super::{
    diag_embed, folds, index_add, index_copy, meshgrid, movedim, order, positions, refused, ruled, rules, zero,
};
use crate::build::Value;
use crate::shape::{DType, Shape};

/// Matrices along the diagonal of one, with 0 elsewhere: vectors are rows, numbers have one row and one column.
///
/// # Panics
/// Without tensors.
pub fn block_diag<'g>(tensors: &[Value<'g>]) -> Value<'g> {
    let shapes: Vec<Shape> = tensors.iter().map(|part| part.shape()).collect();
    ruled(tensors[0], rules::block_diag("block_diag", &shapes), |shape| {
        let mut before = 0;
        let rows = tensors.iter().map(|&part| {
            let block = rules::row_of(part.shape());
            let behind = shape.dim(1) - before - block.dim(1);
            let row = part.reshape(block).pad(&[0, before], &[0, behind], 0.0);
            before += block.dim(1);
            row
        });
        tensors[0].graph().concat(&rows.collect::<Vec<_>>(), 0)
    })
}

/// Each element of a vector with each of the others, in their order, the last vector's changing fastest: `[n * m, 2]` of two.
/// One vector stays as it is.
///
/// # Panics
/// Without tensors.
pub fn cartesian_prod<'g>(tensors: &[Value<'g>]) -> Value<'g> {
    let shapes: Vec<Shape> = tensors.iter().map(|part| part.shape()).collect();
    ruled(tensors[0], rules::cartesian_prod("cartesian_prod", &shapes), |shape| match tensors {
        [one] => *one,
        _ => {
            let columns: Vec<Value<'g>> =
                meshgrid(tensors, "ij").into_iter().map(|grid| grid.reshape([shape.dim(0)])).collect();
            super::stack(&columns, 1)
        }
    })
}

/// The choices of `r` elements of a vector, each in the vector's order, as rows: those of places that rise, or with
/// replacement do not fall.
pub fn combinations(x: Value<'_>, r: usize, with_replacement: bool) -> Value<'_> {
    ruled(x, rules::combinations("combinations", x.shape(), r, with_replacement), |shape| {
        let _function = x.graph().function("combinations");
        let (count, g) = (x.shape().dim(0), x.graph());
        // Choices of one more element: each goes on with all places behind its last one.
        let mut columns = vec![g.iota([count], 0)];
        for chosen in 2..=r {
            let rule = rules::combinations("combinations", x.shape(), chosen, with_replacement);
            let choices = rule.map_or(1, |shape| shape.dim(0));
            let last = columns[columns.len() - 1];
            let first = if with_replacement { last } else { last + 1 };
            let follow = first * -1 + count as i32;
            let ends = follow.cumsum(0);
            let choice = g.iota([choices], 0);
            let before = ends.le(choice.unsqueeze(1)).convert(DType::I32).sum(1);
            let next = choice - (ends - follow - first).gather(0, before);
            columns = columns.into_iter().map(|column| column.gather(0, before)).collect();
            columns.push(next);
        }
        let places = super::stack(&columns, 1).reshape([shape.elements()]);
        x.gather(0, places).reshape(shape)
    })
}

/// The powers of a vector's elements as rows, the highest first, or with `increasing` last: as many columns as elements, or
/// as `columns` says.
pub fn vander(x: Value<'_>, columns: Option<usize>, increasing: bool) -> Value<'_> {
    ruled(x, rules::vander("vander", x.shape(), columns, increasing), |shape| {
        let _function = x.graph().function("vander");
        let powers = shape.dim(1);
        let ones = x.graph().full(shape.with(1, 1), 1.0);
        if powers == 1 {
            return ones;
        }
        let factors = x.unsqueeze(1).broadcast_to(shape.with(1, powers - 1));
        let rising = x.graph().concat(&[ones, factors.cumprod(1)], 1);
        if increasing { rising } else { super::flip(rising, &[1]) }
    })
}

/// All elements along a diagonal of a matrix, with 0 elsewhere; `offset` is how far above the main one it lies.
pub fn diagflat(x: Value<'_>, offset: isize) -> Value<'_> {
    ruled(x, rules::diagflat("diagflat", x.shape(), offset), |_| diag_embed(super::ravel(x), offset, 0, 1))
}

/// `x` with `src` in the place of what [`diagonal`](super::diagonal) gives.
pub fn diagonal_scatter<'g>(x: Value<'g>, src: Value<'g>, offset: isize, dim1: isize, dim2: isize) -> Value<'g> {
    let rule = rules::diagonal_scatter("diagonal_scatter", x.shape(), src.shape(), offset, dim1, dim2);
    ruled(x, rule, |_| {
        let matrices = movedim(x, &[dim1, dim2], &[-2, -1]);
        let (rank, shape) = (matrices.shape().rank(), matrices.shape());
        let (rows, columns) = (shape.dim(rank - 2), shape.dim(rank - 1));
        // By the row or the column of an element, whichever counts from 0 along the diagonal.
        let by_row = offset >= 0;
        let missing = if by_row { rows } else { columns } - src.shape().dim(rank - 2);
        let mut high = vec![0; rank - 1];
        high[rank - 2] = missing;
        let src = src.pad(&[], &high, 0.0).unsqueeze(if by_row { -1 } else { -2 });
        let place = |axis| x.graph().iota([rows, columns], axis);
        let put = (place(1) - place(0)).eq(offset as i32).select(src, matrices);
        movedim(put, &[-2, -1], &[dim1, dim2])
    })
}

/// The first axis in order, the smallest element first. NaN counts as larger than all numbers.
pub fn msort(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::msort("msort", x.shape()), |_| order::sort(x, 0, false)[0])
}

/// The most frequent element along an axis, the smallest of several, and the i32 index of its last occurrence (PyTorch's
/// may be that of another one where the axis is long). A NaN equals no other.
pub fn mode(x: Value<'_>, dim: isize, keepdim: bool) -> Vec<Value<'_>> {
    if let Err(error) = rules::mode("mode", x.ty(), dim, keepdim) {
        return vec![refused(x, error)];
    }
    let _function = x.graph().function("mode");
    let axis = positions(x, &[dim])[0];
    let places = order::argsort(x, axis as isize, false);
    let sorted = x.detach().gather(axis, places);
    let extent = x.shape().dim(axis);
    let at = x.graph().iota(x.shape(), axis);
    // Where a run of equal elements begins; the first longest run is that of the smallest element.
    let begins = if extent > 1 {
        let mut low = vec![0; axis + 1];
        low[axis] = 1;
        let repeats = sorted.slice(axis, 1..extent, 1).eq(sorted.slice(axis, 0..extent - 1, 1));
        let repeats = repeats.convert(DType::I32).pad(&low, &[], 0.0);
        folds::cummax(repeats.ne(0).select(zero(at), at), axis as isize)[0]
    } else {
        at
    };
    let end = (at - begins).argmax(axis).unsqueeze(axis);
    folds::taken(x, places.gather(axis, end), axis as isize, keepdim)
}

/// The windows of `size` elements along an axis, `step` apart, whose elements are a new last axis; the axis itself counts
/// them. Elements behind the last whole window are left out.
pub fn unfold_along(x: Value<'_>, dimension: isize, size: usize, step: usize) -> Value<'_> {
    ruled(x, rules::unfold_along("unfold", x.shape(), dimension, size, step), |shape| {
        let axis = positions(x, &[dimension])[0];
        let (extent, count, rank) = (x.shape().dim(axis), shape.dim(axis), x.shape().rank());
        // Cut into pieces one step long, a window is a piece and the beginning of those behind it.
        let piece = |first: usize| {
            let (end, width) = (first + count * step, step.min(size - first));
            let mut high = vec![0; axis + 1];
            high[axis] = end.saturating_sub(extent);
            let all = x.slice(axis, first..end.min(extent), 1).pad(&[], &high, 0.0);
            let pieces = all.reshape(all.shape().with(axis, count).insert(axis + 1, step));
            pieces.slice(axis + 1, 0..width, 1)
        };
        let pieces: Vec<Value<'_>> = (0..size).step_by(step).map(piece).collect();
        let windows = if pieces.len() > 1 { x.graph().concat(&pieces, axis + 1) } else { pieces[0] };
        movedim(windows, &[axis as isize + 1], &[rank as isize])
    })
}

/// The indices in a shape of places among all its elements in a row: i32, a tensor for each axis. Places beyond the end have
/// a first index beyond it (PyTorch raises).
pub fn unravel_index<'g>(x: Value<'g>, shape: &[usize]) -> Vec<Value<'g>> {
    if let Err(error) = rules::unravel_index("unravel_index", x.ty(), shape) {
        return vec![refused(x, error)];
    }
    let mut rest = x;
    let mut indices: Vec<Value<'g>> = Vec::new();
    for &extent in shape[1..].iter().rev() {
        let whole = div_rounded(rest, x.graph().scalar_of(DType::I32, extent as f64), "floor");
        indices.push(rest - whole * extent as i32);
        rest = whole;
    }
    indices.push(rest);
    indices.reverse();
    indices
}

/// How often each of the whole numbers from 0 to before `minlength` is there: i32. Others are not counted (PyTorch's result
/// is longer where there are larger ones, and it raises for negative ones).
pub fn bincount(x: Value<'_>, minlength: usize) -> Value<'_> {
    ruled(x, rules::bincount("bincount", x.shape(), minlength), |shape| {
        x.unsqueeze(1).eq(x.graph().iota(shape, 0)).convert(DType::I32).sum(0)
    })
}

/// The sums of the weights of those elements that are each of the whole numbers from 0 to before `minlength`; see
/// [`bincount`].
pub fn bincount_of<'g>(x: Value<'g>, weights: Value<'g>, minlength: usize) -> Value<'g> {
    ruled(weights, rules::bincount_of("bincount", x.shape(), weights.shape(), minlength), |shape| {
        let counts = x.ge(0) & x.lt(minlength as i32);
        index_add(x.graph().full(shape, 0.0), 0, x, counts.select(weights, 0.0), 1.0)
    })
}

/// `x` with `values` at the places that indices name, a tensor of them for each of the first axes: these are broadcast with
/// one another, and values to their shape with the other axes of `x` behind. With `accumulate` values are added, those that
/// go to one place all; else the last of them stays (PyTorch does not say which one does). Indices below 0 count from
/// the end; those outside are clamped (PyTorch raises).
pub fn index_put<'g>(x: Value<'g>, indices: &[Value<'g>], values: Value<'g>, accumulate: bool) -> Value<'g> {
    let shapes: Vec<Shape> = indices.iter().map(|index| index.shape()).collect();
    ruled(x, rules::index_put("index_put", x.shape(), &shapes, values.shape(), accumulate), |shape| {
        let _function = x.graph().function("index_put");
        let (named, others) = shape.dims().split_at(indices.len());
        let mut places = x.graph().scalar_of(DType::I32, 0.0);
        for (&index, &extent) in indices.iter().zip(named) {
            let from_front = index.lt(0).select(index + extent as i32, index).maximum(0).minimum(extent as i32 - 1);
            places = places * extent as i32 + from_front;
        }
        let each = places.shape().elements();
        let values = values.broadcast_to([places.shape().dims(), others].concat().as_slice());
        let rows = |first: usize| [&[first], others].concat();
        let (all, source) = (x.reshape(rows(named.iter().product()).as_slice()), values.reshape(rows(each).as_slice()));
        let places = places.reshape([each]);
        let put = if accumulate { index_add(all, 0, places, source, 1.0) } else { index_copy(all, 0, places, source) };
        put.reshape(shape)
    })
}
