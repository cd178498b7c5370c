//! The shape rules of the functions in [`crate::functions`], as `const fn`s of one form: the name that an error
//! reports, the operands' shapes, and then the attributes in PyTorch's order. What a `forward` calls is checked by
//! these while rustc runs, and the same functions check it again in a graph. What a function computes stands in
//! [`crate::functions`] alone.
//!
//! The batch axis is [`Shape::N`]: samples are not taken out of it, as its extent is not known. What is put behind it,
//! and what is free of the other axes, is computed with by the functions of [`extent`].

mod einsum;
mod folds;
mod images;
mod layers;
mod places;
mod pooling;
mod products;
mod rearrange;
mod reorder;
mod reshape;
mod sampling;
mod sets;
mod settings;
mod several;
mod statistics;

pub use einsum::{Equation, Labels, MAX_OPERANDS, einsum, equation};
pub use folds::{
    all_known, along_known, aminmax, bucketize, count, diff, dist, gumbel_softmax, histc, isin, kthvalue, moments,
    normalize, reduce_axes, renorm, running_extreme, searchsorted, searchsorted_at,
};
pub use images::{interpolate, pad};
pub use layers::{
    bag_mode, batch_norm, conv_transpose1d, conv_transpose2d, conv_transpose3d, conv1d, conv1d_by_word, conv2d,
    conv2d_by_word, conv3d, conv3d_by_word, convolution, convolution_by_word, dropout1d, dropout2d, dropout3d,
    embedding, embedding_bag, embedding_bag_by_offsets, feature_dropout, group_norm, instance_norm, layer_norm,
    local_response_norm, lp_pool1d, lp_pool2d, lp_pool3d, rms_norm,
};
pub use places::{
    arange, arange_to, argsort, batch_end, eye, eye_of, filled, full, index_add, index_copy, index_reduce, linspace,
    logspace, nan_to_num, one_hot, repeat, repeat_interleave, repeat_interleave_all, roll, roll_all, scatter,
    scatter_reduce, scatter_with, sort, take, take_along_dim, topk, triangle, tril_indices, triu_indices,
};
pub use pooling::{
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices, adaptive_max_pool2d, adaptive_max_pool2d_with_indices, adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices, avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool1d_with_indices,
    max_pool2d, max_pool2d_with_indices, max_pool3d, max_pool3d_with_indices, max_unpool1d, max_unpool2d, max_unpool3d,
    pooling,
};
pub use products::{
    addbmm, addmm, addmv, addr, attention, baddbmm, bilinear, bmm, cdist, cross, dot, inner, kron, linear, mm, mv,
    outer, pdist, tensordot, tensordot_by, vecdot,
};
pub use rearrange::{
    channel_shuffle, cosine_similarity, fold, pair, pairwise_distance, pixel_shuffle, pixel_unshuffle, sliding_window,
    unflatten, unfold,
};
pub use reorder::{
    atleast_1d, atleast_2d, atleast_3d, column_of, column_stack, diag, diag_embed, diagonal, dstack, expand_as, fliplr,
    flipud, hstack, index_fill, meshgrid, movedim, plane_of, ravel, rot90, row_of, select_scatter, slice_scatter, t,
    tensor_split, tile, trace, unbind, view_as, vstack,
};
pub use reshape::{expand, reshape};
pub use sampling::{affine_grid, grid_sample};
pub use sets::{
    bincount, bincount_of, block_diag, cartesian_prod, combinations, diagflat, diagonal_scatter, index_put, mode,
    msort, unfold_along, unravel_index, vander,
};
pub use settings::{
    allclose, celu, dropout, gelu, glu, hardshrink, hardtanh, mvlgamma, polygamma, power, prelu, rounded_quotient,
    rrelu, softplus, softshrink, threshold, with_bounds, with_factor, with_number,
};
pub use several::{MAX_RESULTS, Types, chunk, extreme, first, split, split_with_sizes};
pub use statistics::{
    corrcoef, cov, cumulative_trapezoid, cumulative_trapezoid_over, quantile, quantile_by, quantiles, trapezoid,
    trapezoid_over,
};

use super::{DType, MAX_EXTENT, MAX_RANK, Shape, ShapeError, Type, extent, rules};

/// Which element types a function takes for an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// f32.
    Float,
    /// f32 or i32.
    Number,
    /// f32 or i32, or bool, of which it counts those that hold: i32.
    Count,
    /// Any.
    Any,
    /// bool: the result of a comparison. It has no say in the element type of the result.
    Mask,
    /// i32: an index. It has no say in the element type of the result.
    Index,
    /// bool or f32: a mask, or what is added instead. It has no say in the element type of the result.
    MaskOrFloat,
    /// Arithmetic: f32, i32 or bool, which all become the widest among them, as in PyTorch: bool, i32, f32. Masks alone
    /// are no numbers.
    Mixed,
    /// As [`Elements::Mixed`]; masks alone are compared as 0 and 1.
    Compared,
    /// As [`Elements::Mixed`]; masks alone stay masks.
    Alike,
    /// As [`Elements::Mixed`], and f32 in any case: of a quotient.
    Real,
}

impl Elements {
    /// Whether operands of several types become those of one.
    const fn mixes(self) -> bool {
        matches!(self, Elements::Mixed | Elements::Compared | Elements::Alike | Elements::Real)
    }

    /// What is taken beside a number: one of a type that has fractions makes f32 of whole numbers.
    pub const fn beside(self, is_float: bool) -> Elements {
        if self.mixes() && is_float { Elements::Real } else { self }
    }
}

/// The type of the numbers that both are among.
const fn wider(one: DType, other: DType) -> DType {
    match (one, other) {
        (DType::F32, _) | (_, DType::F32) => DType::F32,
        (DType::I32, _) | (_, DType::I32) => DType::I32,
        _ => one,
    }
}

/// The common element type of a function's operands, f32 if there are none.
pub const fn elements(op: &'static str, operands: &[(Elements, Type)]) -> Result<DType, ShapeError> {
    let mut operand = 0;
    while operand < operands.len() && is_number(operands[operand]) {
        operand += 1;
    }
    let mut common = if operand > 0 { Some(DType::F32) } else { None };
    while operand < operands.len() {
        let (taken, Type { dtype: found, .. }) = operands[operand];
        let (fits, expected) = match taken {
            Elements::Float => (matches!(found, DType::F32), "f32"),
            Elements::Number => (matches!(found, DType::F32 | DType::I32), "f32 or i32"),
            Elements::Mixed | Elements::Compared | Elements::Alike | Elements::Real => {
                (matches!(found, DType::F32 | DType::I32 | DType::Bool), "f32, i32 or bool")
            }
            Elements::Any | Elements::Count => (true, "of any type"),
            Elements::Mask => (matches!(found, DType::Bool), "bool"),
            Elements::Index => (matches!(found, DType::I32), "i32"),
            Elements::MaskOrFloat => (matches!(found, DType::Bool | DType::F32), "bool or f32"),
        };
        if !fits {
            return Err(ShapeError::ElementType { op, operand, expected, found });
        }
        let found = match (taken, found) {
            (Elements::Count | Elements::Compared, DType::Bool) => DType::I32,
            (Elements::Real, _) => DType::F32,
            _ => found,
        };
        if !matches!(taken, Elements::Mask | Elements::Index | Elements::MaskOrFloat) {
            match common {
                Some(before) if taken.mixes() => common = Some(wider(before, found)),
                Some(common) if common as u8 != found as u8 => {
                    return Err(ShapeError::ElementType { op, operand, expected: common.name(), found });
                }
                _ => common = Some(found),
            }
        }
        operand += 1;
    }
    match (common, operands) {
        (Some(DType::Bool), [(Elements::Mixed, _), ..]) => {
            Err(ShapeError::ElementType { op, operand: 0, expected: "f32 or i32", found: DType::Bool })
        }
        (Some(common), _) => Ok(common),
        (None, _) => Ok(DType::F32),
    }
}

/// [`elements`] of a function of one operand, or of one and a number.
pub const fn element(op: &'static str, taken: Elements, operand: Type) -> Result<DType, ShapeError> {
    match (taken, operand.dtype) {
        _ if is_number((taken, operand)) => Ok(DType::F32),
        (Elements::Mixed, DType::Bool) => Ok(DType::I32),
        _ => elements(op, &[(taken, operand)]),
    }
}

/// Whether an operand is of f32 and may be, as nearly all are.
const fn is_number((taken, operand): (Elements, Type)) -> bool {
    (taken.mixes() || matches!(taken, Elements::Float | Elements::Number | Elements::Count | Elements::Any))
        && matches!(operand.dtype, DType::F32)
}

/// The element type of a result that is not that of the operands, which are right.
pub const fn gives(dtype: DType, operands: Result<DType, ShapeError>) -> Result<DType, ShapeError> {
    match operands {
        Ok(_) => Ok(dtype),
        Err(error) => Err(error),
    }
}

/// The shape stays.
pub const fn unchanged(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    let _ = op;
    Ok(x)
}

/// Elementwise functions of two operands; see [`rules::broadcast`].
pub const fn broadcast(op: &'static str, left: Shape, right: Shape) -> Result<Shape, ShapeError> {
    rules::broadcast(op, left, right)
}

/// Elementwise functions of three operands.
pub const fn broadcast_three(op: &'static str, a: Shape, b: Shape, c: Shape) -> Result<Shape, ShapeError> {
    rules::broadcast(op, ok!(rules::broadcast(op, a, b)), c)
}

/// As [`broadcast`], whatever number comes with it.
pub const fn masked_fill(op: &'static str, x: Shape, mask: Shape, value: f64) -> Result<Shape, ShapeError> {
    let _ = value;
    rules::broadcast(op, x, mask)
}

/// The axes from `start` to `end`, both included, become one; see [`rules::flatten`].
pub const fn flatten(op: &'static str, x: Shape, start: isize, end: isize) -> Result<Shape, ShapeError> {
    let _ = op;
    rules::flatten(x, start, end)
}

/// Two axes change places.
pub const fn transpose(op: &'static str, x: Shape, first: isize, second: isize) -> Result<Shape, ShapeError> {
    let (first, second) = (ok!(rules::axis(op, first, &x)), ok!(rules::axis(op, second, &x)));
    Ok(x.with(first, x.dim(second)).with(second, x.dim(first)))
}

/// Axis `i` of the result is axis `order[i]`.
pub const fn permute(op: &'static str, x: Shape, order: &[isize]) -> Result<Shape, ShapeError> {
    if order.len() != x.rank() {
        return Err(ShapeError::Rank { op, expected: order.len(), found: x });
    }
    let axes = ok!(axes(op, x, order));
    let mut shape = x;
    let mut to = 0;
    while to < x.rank() {
        shape = shape.with(to, x.dim(axes[to]));
        to += 1;
    }
    Ok(shape)
}

/// Axes counted from the front, each at most once.
const fn axes(op: &'static str, x: Shape, given: &[isize]) -> Result<[usize; MAX_RANK], ShapeError> {
    let mut found = [0; MAX_RANK];
    let mut position = 0;
    while position < given.len() {
        let axis = ok!(rules::axis(op, given[position], &x));
        let mut before = 0;
        while before < position {
            if found[before] == axis {
                return Err(ShapeError::Axis { op, axis: given[position], shape: x });
            }
            before += 1;
        }
        // No more than there are axes get this far.
        found[position] = axis;
        position += 1;
    }
    Ok(found)
}

/// Whether each axis is among those given; all are if none is given.
const fn among(op: &'static str, x: Shape, given: Option<&[isize]>) -> Result<[bool; MAX_RANK], ShapeError> {
    let Some(given) = given else { return Ok([true; MAX_RANK]) };
    let axes = ok!(axes(op, x, given));
    let mut among = [false; MAX_RANK];
    let mut position = 0;
    while position < given.len() {
        among[axes[position]] = true;
        position += 1;
    }
    Ok(among)
}

/// The axes go, or stay with extent 1.
const fn without(x: Shape, gone: [bool; MAX_RANK], keep: bool) -> Shape {
    let mut shape = x;
    let mut axis = x.rank();
    while axis > 0 {
        axis -= 1;
        if gone[axis] {
            shape = if keep { shape.with(axis, 1) } else { shape.remove(axis) };
        }
    }
    shape
}

/// The axes of extent 1 among those given go; others stay.
pub const fn squeeze(op: &'static str, x: Shape, dim: &[isize]) -> Result<Shape, ShapeError> {
    let mut gone = ok!(among(op, x, Some(dim)));
    let mut axis = 0;
    while axis < x.rank() {
        if gone[axis] && x.dim(axis) == Shape::N {
            return Err(ShapeError::Batch { op, shape: x });
        }
        if gone[axis] && extent::is_free(x.dim(axis)) {
            let rule = "and may be 1 or not: name the axes that go";
            return Err(ShapeError::Free { op, extent: x.dim(axis), rule });
        }
        gone[axis] = gone[axis] && x.dim(axis) == 1;
        axis += 1;
    }
    Ok(without(x, gone, false))
}

/// A new axis of extent 1 before the given one of the result.
pub const fn unsqueeze(op: &'static str, x: Shape, dim: isize) -> Result<Shape, ShapeError> {
    insert(op, x, dim, 1)
}

/// A new axis before the given one of the result.
const fn insert(op: &'static str, x: Shape, dim: isize, extent: usize) -> Result<Shape, ShapeError> {
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    Ok(x.insert(ok!(rules::axis(op, dim, &x.insert(0, 1))), extent))
}

/// One behind the other along an axis; the other extents are equal.
pub const fn cat(op: &'static str, parts: &[Shape], dim: isize) -> Result<Shape, ShapeError> {
    if parts.is_empty() {
        return Err(ShapeError::Operands { op, expected: 1, found: 0 });
    }
    let first = parts[0];
    let axis = ok!(rules::axis(op, dim, &first));
    let mut shape = first;
    let mut position = 1;
    while position < parts.len() {
        let part = &parts[position];
        let mut other = 0;
        while other < first.rank as usize {
            if part.rank != first.rank || (other != axis && part.dims[other] != first.dims[other]) {
                return Err(ShapeError::Mismatch { op, left: first, right: *part });
            }
            other += 1;
        }
        shape.dims[axis] = ok!(rules::joined(op, shape.dims[axis], part.dims[axis]));
        position += 1;
    }
    Ok(shape)
}

/// One behind the other along a new axis; the shapes are equal.
pub const fn stack(op: &'static str, parts: &[Shape], dim: isize) -> Result<Shape, ShapeError> {
    if parts.is_empty() {
        return Err(ShapeError::Operands { op, expected: 1, found: 0 });
    }
    let mut position = 1;
    while position < parts.len() {
        if !parts[position].same(&parts[0]) {
            return Err(ShapeError::Mismatch { op, left: parts[0], right: parts[position] });
        }
        position += 1;
    }
    insert(op, parts[0], dim, parts.len())
}

/// An axis that is taken apart: not the batch axis.
const fn known_axis(op: &'static str, x: Shape, dim: isize) -> Result<usize, ShapeError> {
    let axis = ok!(rules::axis(op, dim, &x));
    if x.dim(axis) == Shape::N { Err(ShapeError::Batch { op, shape: x }) } else { Ok(axis) }
}

/// A place on an axis that is taken apart, counted from the front: negative ones count from the end, as PyTorch's do.
pub const fn place(op: &'static str, x: Shape, dim: isize, place: isize) -> Result<usize, ShapeError> {
    let axis = ok!(known_axis(op, x, dim));
    // What is computed of free extents is no negative number.
    if extent::is_free(place as usize) {
        return Ok(place as usize);
    }
    if place < 0 && extent::is_free(x.dim(axis)) {
        return rules::difference(op, x.dim(axis), -place);
    }
    match x.dim(axis).checked_sub(place.unsigned_abs()) {
        _ if place >= 0 => Ok(place as usize),
        Some(place) => Ok(place),
        None => Err(ShapeError::Attribute { op, rule: "an index that counts from the end lies before the first one" }),
    }
}

/// The end of a part of an axis: [`place`], or the extent for [`isize::MAX`], which stands for no end.
pub const fn end(op: &'static str, x: Shape, dim: isize, end: isize) -> Result<usize, ShapeError> {
    if end == isize::MAX { Ok(x.dim(ok!(known_axis(op, x, dim)))) } else { place(op, x, dim, end) }
}

/// `length` elements of an axis from `start` on, which may count from the end.
pub const fn narrow(op: &'static str, x: Shape, dim: isize, start: isize, length: usize) -> Result<Shape, ShapeError> {
    let axis = ok!(known_axis(op, x, dim));
    let extent = x.dims[axis];
    // Numbers that fit first: no more is asked of most.
    if start >= 0 && extent <= MAX_EXTENT && length <= extent && start as usize <= extent - length {
        return Ok(x.with(axis, length));
    }
    let start = ok!(place(op, x, dim, start));
    part(op, x, dim, start, ok!(rules::joined(op, start, length)), 1)
}

/// Every `step`-th element of an axis from `start` to before `end`; both may count from the end.
pub const fn slice(
    op: &'static str,
    x: Shape,
    dim: isize,
    start: isize,
    end: isize,
    step: usize,
) -> Result<Shape, ShapeError> {
    let (start, end) = (ok!(place(op, x, dim, start)), ok!(self::end(op, x, dim, end)));
    part(op, x, dim, start, end, step)
}

/// Every `step`-th element of an axis from `start` to before `end`, counted from the front.
pub const fn part(
    op: &'static str,
    x: Shape,
    dim: isize,
    start: usize,
    end: usize,
    step: usize,
) -> Result<Shape, ShapeError> {
    let axis = ok!(known_axis(op, x, dim));
    if step == 0 {
        return Err(ShapeError::Attribute { op, rule: "the step must be at least 1" });
    }
    if extent::exceeds(start, end) || extent::exceeds(end, x.dim(axis)) {
        return Err(ShapeError::Range { axis, start, limit: end, shape: x });
    }
    // A shard computes a part of a batch alone: what has its rows is cut behind whole samples.
    ok!(places::whole_samples(op, x, axis, start, end));
    let Some(length) = extent::minus(end, start) else {
        let rule = "nor how many elements lie between these places";
        return Err(ShapeError::Free { op, extent: if extent::is_free(start) { start } else { end }, rule });
    };
    if step == 1 {
        return Ok(x.with(axis, length));
    }
    Ok(x.with(axis, ok!(rules::quotient(op, ok!(rules::sum(op, length, step - 1)), step)).0))
}

/// One element of an axis, which goes; its index may count from the end.
pub const fn select(op: &'static str, x: Shape, dim: isize, index: isize) -> Result<Shape, ShapeError> {
    let axis = ok!(known_axis(op, x, dim));
    let index = ok!(place(op, x, dim, index));
    ok!(part(op, x, dim, index, ok!(rules::sum(op, index, 1)), 1));
    Ok(x.remove(axis))
}

/// The axes turned round.
pub const fn flip(op: &'static str, x: Shape, dims: &[isize]) -> Result<Shape, ShapeError> {
    ok!(axes(op, x, dims));
    Ok(x)
}

/// Axes are folded: they go, or stay with extent 1.
pub const fn reduce(op: &'static str, x: Shape, dim: Option<&[isize]>, keepdim: bool) -> Result<Shape, ShapeError> {
    Ok(without(x, ok!(among(op, x, dim)), keepdim))
}

/// As [`reduce`], with the number that the variance is corrected by.
pub const fn variance(
    op: &'static str,
    x: Shape,
    dim: Option<&[isize]>,
    correction: f64,
    keepdim: bool,
) -> Result<Shape, ShapeError> {
    let _ = correction;
    reduce(op, x, dim, keepdim)
}

/// As [`reduce`], with the power that is summed.
pub const fn norm(
    op: &'static str,
    x: Shape,
    p: f64,
    dim: Option<&[isize]>,
    keepdim: bool,
) -> Result<Shape, ShapeError> {
    let _ = p;
    reduce(op, x, dim, keepdim)
}

/// As [`reduce`], of one axis or all.
pub const fn reduce_one(op: &'static str, x: Shape, dim: Option<isize>, keepdim: bool) -> Result<Shape, ShapeError> {
    match dim {
        Some(dim) => reduce(op, x, Some(&[dim]), keepdim),
        None => reduce(op, x, None, keepdim),
    }
}

/// The shape stays; the axis is one of its.
pub const fn along(op: &'static str, x: Shape, dim: isize) -> Result<Shape, ShapeError> {
    ok!(rules::axis(op, dim, &x));
    Ok(x)
}

/// `torch.matmul`: vectors count as a row on the left and as a column on the right, whose axis the result does not have;
/// axes before the last two are batches, and are broadcast.
pub const fn matmul(op: &'static str, left: Shape, right: Shape) -> Result<Shape, ShapeError> {
    if left.rank == 2 && right.rank == 2 && left.dims[1] == right.dims[0] {
        return Ok(left.with(1, right.dims[1]));
    }
    let error = Err(ShapeError::Mismatch { op, left, right });
    if left.rank() == 0 || right.rank() == 0 {
        return error;
    }
    let a = if left.rank() == 1 { left.insert(0, 1) } else { left };
    let b = if right.rank() == 1 { right.insert(1, 1) } else { right };
    let (row, column) = (a.dim(a.rank() - 2), b.dim(b.rank() - 1));
    if a.dim(a.rank() - 1) != b.dim(b.rank() - 2) {
        return error;
    }
    let batches = match rules::broadcast(op, stacked(a), stacked(b)) {
        Ok(batches) => batches,
        Err(_) => return error,
    };
    let mut shape = batches;
    if left.rank() > 1 {
        shape = shape.insert(shape.rank(), row);
    }
    if right.rank() > 1 {
        shape = shape.insert(shape.rank(), column);
    }
    Ok(shape)
}

/// The axes before the last two.
const fn stacked(shape: Shape) -> Shape {
    shape.remove(shape.rank() - 1).remove(shape.rank() - 2)
}

/// The elements with the given places along an axis; the other extents of `index` are at most those of `x`.
pub const fn gather(op: &'static str, x: Shape, dim: isize, index: Shape) -> Result<Shape, ShapeError> {
    let along = ok!(rules::axis(op, dim, &x));
    let error = Err(ShapeError::Mismatch { op, left: x, right: index });
    if index.rank() != x.rank() {
        return error;
    }
    let mut axis = 0;
    while axis < x.rank() {
        // The number of samples is as large as itself alone.
        let shorter = extent::exceeds(x.dim(axis), index.dim(axis)) && index.dim(axis) != Shape::N;
        if axis != along && index.dim(axis) != x.dim(axis) && !shorter {
            return error;
        }
        axis += 1;
    }
    Ok(index)
}

/// The elements with the given places along an axis, whatever lies there. Along the batch axis there is an index for
/// each sample, so that there are as many of them afterwards.
pub const fn index_select(op: &'static str, x: Shape, dim: isize, index: Shape) -> Result<Shape, ShapeError> {
    let axis = ok!(rules::axis(op, dim, &x));
    if index.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: index });
    }
    if x.dim(axis) == Shape::N && index.dim(0) != Shape::N {
        return Err(ShapeError::Batch { op, shape: x });
    }
    Ok(x.with(axis, index.dim(0)))
}

#[cfg(test)]
mod free_tests;
#[cfg(test)]
mod tests;
