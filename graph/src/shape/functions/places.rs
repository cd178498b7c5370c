//! The shape rules of functions that choose, move, put and make elements by their places. What the indices are is not
//! known while rustc runs.

use super::{known_axis, several::Types};
use crate::shape::{DType, MAX_EXTENT, MAX_RANK, Shape, ShapeError, Type, extent, rules};
use crate::words;

/// Matrices in the last two axes.
pub const fn triangle(op: &'static str, x: Shape, diagonal: isize) -> Result<Shape, ShapeError> {
    let _ = diagonal;
    if x.rank() < 2 {
        return Err(ShapeError::InputRank { least: 2, most: MAX_RANK, found: x });
    }
    ok!(known_axis(op, x, -1));
    ok!(known_axis(op, x, -2));
    Ok(x)
}

/// That a part of an axis from `start` to before `end` has whole samples.
pub const fn whole_samples(
    op: &'static str,
    x: Shape,
    axis: usize,
    start: usize,
    end: usize,
) -> Result<(), ShapeError> {
    if !extent::cuts_samples(x.dim(axis), start, end) {
        return Ok(());
    }
    if x.dim(axis) == Shape::N {
        return Err(ShapeError::Batch { op, shape: x });
    }
    let rule = "an axis that is a multiple of the batch size is cut behind whole samples alone: at multiples of `N`";
    Err(ShapeError::Attribute { op, rule })
}

/// A shift for each of some axes.
pub const fn roll(op: &'static str, x: Shape, shifts: &[isize], dims: &[isize]) -> Result<Shape, ShapeError> {
    if shifts.len() != dims.len() {
        return Err(ShapeError::Attribute { op, rule: "there is one shift for each axis" });
    }
    let mut position = 0;
    while position < dims.len() {
        ok!(rules::axis(op, dims[position], &x));
        position += 1;
    }
    Ok(x)
}

/// All elements in a row are moved.
pub const fn roll_all(op: &'static str, x: Shape, shifts: isize) -> Result<Shape, ShapeError> {
    let _ = shifts;
    ok!(super::ravel(op, x));
    Ok(x)
}

/// Each of all elements several times, in a row.
pub const fn repeat_interleave_all(op: &'static str, x: Shape, repeats: usize) -> Result<Shape, ShapeError> {
    repeat_interleave(op, ok!(super::ravel(op, x)), repeats, 0)
}

/// Each element several times.
pub const fn repeat_interleave(op: &'static str, x: Shape, repeats: usize, dim: isize) -> Result<Shape, ShapeError> {
    let axis = ok!(rules::axis(op, dim, &x));
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    Ok(x.with(axis, ok!(times(op, x.dim(axis), repeats))))
}

/// The whole several times along each axis.
pub const fn repeat(op: &'static str, x: Shape, repeats: &[usize]) -> Result<Shape, ShapeError> {
    if repeats.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: repeats.len() });
    }
    if repeats.len() < x.rank() {
        return Err(ShapeError::Attribute { op, rule: "there is a number of repetitions for each axis" });
    }
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    let mut shape = x;
    while shape.rank() < repeats.len() {
        shape = shape.insert(0, 1);
    }
    let mut axis = 0;
    while axis < shape.rank() {
        shape = shape.with(axis, ok!(times(op, shape.dim(axis), repeats[axis])));
        axis += 1;
    }
    Ok(shape)
}

/// A multiple of an extent, which may be that of the batch.
const fn times(op: &'static str, extent: usize, repeats: usize) -> Result<usize, ShapeError> {
    if extent == 0 || repeats == 0 {
        return Err(ShapeError::Attribute { op, rule: "the number of repetitions must be at least 1" });
    }
    rules::merged(op, extent, repeats)
}

/// Elements at places along an axis; indices and elements have one shape, nowhere larger than that of `x` but along the
/// axis. What is put may be a number.
pub const fn scatter(op: &'static str, x: Shape, dim: isize, index: Shape, src: Shape) -> Result<Shape, ShapeError> {
    ok!(super::gather(op, x, dim, index));
    if src.rank() > 0 && !src.same(&index) {
        return Err(ShapeError::Mismatch { op, left: index, right: src });
    }
    if index.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    Ok(x)
}

/// As [`scatter`], of what is added or multiplied.
pub const fn scatter_with(
    op: &'static str,
    x: Shape,
    dim: isize,
    index: Shape,
    src: Shape,
    reduce: &str,
) -> Result<Shape, ShapeError> {
    if !words::is_one_of(reduce, &["add", "multiply"]) {
        let rule = "must be \"add\" or \"multiply\"; `scatter_reduce` has others";
        return Err(ShapeError::Setting { setting: "reduce", rule });
    }
    scatter(op, x, dim, index, src)
}

/// As [`scatter`] of a tensor, with what is made of those that go to one place.
pub const fn scatter_reduce(
    op: &'static str,
    x: Shape,
    dim: isize,
    index: Shape,
    src: Shape,
    reduce: &str,
    include_self: bool,
) -> Result<Shape, ShapeError> {
    let _ = include_self;
    if !words::is_one_of(reduce, &["sum", "prod", "mean", "amax", "amin"]) {
        let rule = "must be \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\"";
        return Err(ShapeError::Setting { setting: "reduce", rule });
    }
    if !src.same(&index) {
        return Err(ShapeError::Mismatch { op, left: index, right: src });
    }
    scatter(op, x, dim, index, src)
}

/// Elements at places along an axis of tensors that are broadcast along the others; without an axis as many as there are
/// places, in a row.
pub const fn take_along_dim(
    op: &'static str,
    x: Shape,
    indices: Shape,
    dim: Option<isize>,
) -> Result<Shape, ShapeError> {
    let Some(dim) = dim else {
        ok!(super::ravel(op, x));
        return super::ravel(op, indices);
    };
    let axis = ok!(rules::axis(op, dim, &x));
    if indices.rank() != x.rank() {
        return Err(ShapeError::Rank { op, expected: x.rank(), found: indices });
    }
    // Along the axis it does not matter what lies there.
    Ok(ok!(rules::broadcast(op, x.with(axis, 1), indices.with(axis, 1))).with(axis, indices.dim(axis)))
}

/// Slices at places along an axis.
pub const fn index_add(
    op: &'static str,
    x: Shape,
    dim: isize,
    index: Shape,
    source: Shape,
    alpha: f64,
) -> Result<Shape, ShapeError> {
    let _ = alpha;
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    let expected = ok!(super::index_select(op, x, dim, index));
    if source.same(&expected) { Ok(x) } else { Err(ShapeError::Mismatch { op, left: expected, right: source }) }
}

/// As [`index_add`], of slices that are made one; see [`scatter_reduce`].
pub const fn index_reduce(
    op: &'static str,
    x: Shape,
    dim: isize,
    index: Shape,
    source: Shape,
    reduce: &str,
    include_self: bool,
) -> Result<Shape, ShapeError> {
    ok!(index_add(op, x, dim, index, source, 1.0));
    scatter_reduce(op, x, dim, source, source, reduce, include_self)
}

/// Elements among all in a row.
pub const fn take(op: &'static str, x: Shape, index: Shape) -> Result<Shape, ShapeError> {
    ok!(super::ravel(op, x));
    ok!(super::ravel(op, index));
    Ok(index)
}

/// As [`index_add`], of slices that stay as they are.
pub const fn index_copy(
    op: &'static str,
    x: Shape,
    dim: isize,
    index: Shape,
    source: Shape,
) -> Result<Shape, ShapeError> {
    index_add(op, x, dim, index, source, 1.0)
}

/// The first of the elements along an axis in order, and their indices.
pub const fn topk(op: &'static str, x: Type, k: usize, dim: isize, largest: bool) -> Result<Types, ShapeError> {
    let _ = largest;
    let axis = ok!(known_axis(op, x.shape, dim));
    if k == 0 || extent::exceeds(k, x.shape.dim(axis)) {
        return Err(ShapeError::Range { axis, start: 0, limit: k, shape: x.shape });
    }
    let shape = x.shape.with(axis, k);
    Ok(Types::none().and(Type::new(x.dtype, shape)).and(Type::new(DType::I32, shape)))
}

/// All elements along an axis in order, and their indices.
pub const fn sort(op: &'static str, x: Type, dim: isize, descending: bool) -> Result<Types, ShapeError> {
    let order = ok!(argsort(op, x.shape, dim, descending));
    Ok(Types::none().and(x).and(Type::new(DType::I32, order)))
}

/// The indices of all elements along an axis in order.
pub const fn argsort(op: &'static str, x: Shape, dim: isize, descending: bool) -> Result<Shape, ShapeError> {
    let _ = descending;
    super::along(op, x, dim)
}

/// A row for each element.
pub const fn one_hot(op: &'static str, x: Shape, num_classes: usize) -> Result<Shape, ShapeError> {
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    if num_classes == 0 || is_too_large(num_classes) {
        return Err(ShapeError::Attribute { op, rule: "the number of classes must be at least 1 and below 2^31" });
    }
    Ok(x.insert(x.rank(), num_classes))
}

/// Whether a number is no extent; what is free is one.
const fn is_too_large(number: usize) -> bool {
    number > MAX_EXTENT && !extent::is_free(number)
}

/// The end of whole numbers of which there is one for each sample, before the number of samples is known.
const BATCH_END: isize = isize::MAX;

/// The end of whole numbers of which there is one for each sample, for the extent of the batch axis.
pub const fn batch_end(batch: usize) -> isize {
    if batch == Shape::N { BATCH_END } else { batch as isize }
}

/// Whole numbers from one to before another.
pub const fn arange(op: &'static str, start: isize, end: isize, step: isize) -> Result<Shape, ShapeError> {
    if end == BATCH_END {
        if start == 0 && step == 1 {
            return Ok(Shape::SCALAR.insert(0, Shape::N));
        }
        return Err(ShapeError::Attribute { op, rule: "up to `N` there is a number for each sample: `arange(N)`" });
    }
    if extent::is_free(start as usize) || extent::is_free(end as usize) {
        if step != 1 || start < 0 && !extent::is_free(start as usize) {
            let rule = "so that the numbers are counted from 0 or above, by steps of 1: compute with `arange(T)`";
            return Err(ShapeError::Free { op, extent: end as usize, rule });
        }
        return match extent::minus(end as usize, start as usize) {
            Some(count) => Ok(Shape::SCALAR.insert(0, count)),
            None => Err(ShapeError::Free { op, extent: end as usize, rule: "nor how many numbers lie between" }),
        };
    }
    let distance = end as i128 - start as i128;
    if step == 0 || (distance > 0) != (step > 0) || distance == 0 {
        return Err(ShapeError::Attribute {
            op,
            rule: "the steps must lead from `start` towards `end`, which is another number",
        });
    }
    if start.unsigned_abs() > MAX_EXTENT || end.unsigned_abs() > MAX_EXTENT {
        return Err(ShapeError::Attribute { op, rule: "the numbers are i32" });
    }
    let count = distance.unsigned_abs().div_ceil(step.unsigned_abs() as u128) as usize;
    Ok(Shape::SCALAR.insert(0, count))
}

/// Whole numbers from 0 to before another.
pub const fn arange_to(op: &'static str, end: isize) -> Result<Shape, ShapeError> {
    arange(op, 0, end, 1)
}

/// Numbers from one to another.
pub const fn linspace(op: &'static str, start: f64, end: f64, steps: usize) -> Result<Shape, ShapeError> {
    ok!(rules::finite("start", start));
    ok!(rules::finite("end", end));
    if steps == 0 || is_too_large(steps) {
        return Err(ShapeError::Attribute { op, rule: "the number of steps must be at least 1 and below 2^31" });
    }
    Ok(Shape::SCALAR.insert(0, steps))
}

/// Powers of a base from one to another.
pub const fn logspace(op: &'static str, start: f64, end: f64, steps: usize, base: f64) -> Result<Shape, ShapeError> {
    if !(base > 0.0 && base.is_finite()) {
        return Err(ShapeError::Attribute { op, rule: "`base` must be a finite number above 0" });
    }
    linspace(op, start, end, steps)
}

/// Elementwise with numbers for what is none.
pub const fn nan_to_num(
    op: &'static str,
    x: Shape,
    nan: f64,
    posinf: Option<f64>,
    neginf: Option<f64>,
) -> Result<Shape, ShapeError> {
    let _ = (op, nan, posinf, neginf);
    Ok(x)
}

/// A square matrix.
pub const fn eye(op: &'static str, n: usize) -> Result<Shape, ShapeError> {
    eye_of(op, n, n)
}

/// A matrix.
pub const fn eye_of(op: &'static str, n: usize, m: usize) -> Result<Shape, ShapeError> {
    filled(op, &[n, m])
}

/// A tensor of a shape.
pub const fn filled(op: &'static str, size: &[usize]) -> Result<Shape, ShapeError> {
    if size.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: size.len() });
    }
    let mut axis = 0;
    while axis < size.len() {
        if size[axis] == Shape::INFERRED {
            return Err(ShapeError::Attribute { op, rule: "every extent is given" });
        }
        axis += 1;
    }
    rules::tensor(Shape::new(size))
}

/// A tensor of a shape that holds one number.
pub const fn full(op: &'static str, size: &[usize], fill_value: f64) -> Result<Shape, ShapeError> {
    let _ = fill_value;
    filled(op, size)
}

/// The places of a triangle of which each row has the columns from `row + offset` on.
pub const fn triu_indices(op: &'static str, row: usize, col: usize, offset: isize) -> Result<Shape, ShapeError> {
    let (row, col) = (ok!(rules::number(op, row)), ok!(rules::number(op, col)));
    let mut elements = 0usize;
    let mut place = 0;
    while place < row {
        let first = (place as isize).saturating_add(offset);
        let first = if first < 0 { 0 } else { first as usize };
        elements += col.saturating_sub(first);
        place += 1;
    }
    pairs(op, elements)
}

/// The places of a triangle of which each row has the columns up to `row + offset`.
pub const fn tril_indices(op: &'static str, row: usize, col: usize, offset: isize) -> Result<Shape, ShapeError> {
    let (row, col) = (ok!(rules::number(op, row)), ok!(rules::number(op, col)));
    let mut elements = 0usize;
    let mut place = 0;
    while place < row {
        let count = (place as isize).saturating_add(offset).saturating_add(1);
        let count = if count < 0 { 0 } else { count as usize };
        elements += if count < col { count } else { col };
        place += 1;
    }
    pairs(op, elements)
}

const fn pairs(op: &'static str, elements: usize) -> Result<Shape, ShapeError> {
    if elements == 0 {
        return Err(ShapeError::Attribute { op, rule: "`offset` must leave something of the matrix" });
    }
    rules::tensor(Shape::new(&[2, elements]))
}
