//! The shape rules of folds that are more than one operation: counts, pairs of moments, running extremes, places in
//! order.

use super::{Types, broadcast, extreme, known_axis, reduce};
use crate::shape::{DType, MAX_RANK, Shape, ShapeError, Type, extent, rules};
use crate::words;

/// As [`reduce`], without axes that stay.
pub const fn count(op: &'static str, x: Shape, dim: Option<&[isize]>) -> Result<Shape, ShapeError> {
    reduce(op, x, dim, false)
}

const fn pair(x: Type, shape: Shape) -> Types {
    Types::none().and(Type::new(x.dtype, shape)).and(Type::new(x.dtype, shape))
}

/// Two moments over axes.
pub const fn moments(
    op: &'static str,
    x: Type,
    dim: Option<&[isize]>,
    correction: f64,
    keepdim: bool,
) -> Result<Types, ShapeError> {
    Ok(pair(x, ok!(super::variance(op, x.shape, dim, correction, keepdim))))
}

/// Both extremes along an axis, or of all.
pub const fn aminmax(op: &'static str, x: Type, dim: Option<isize>, keepdim: bool) -> Result<Types, ShapeError> {
    Ok(pair(x, ok!(super::reduce_one(op, x.shape, dim, keepdim))))
}

/// The extremes so far along an axis that is not the batch axis, and their indices.
pub const fn running_extreme(op: &'static str, x: Type, dim: isize) -> Result<Types, ShapeError> {
    ok!(known_axis(op, x.shape, dim));
    Ok(Types::none().and(x).and(Type::new(DType::I32, x.shape)))
}

/// The shape stays; the axis is one of its, and not the batch axis.
pub const fn along_known(op: &'static str, x: Shape, dim: isize) -> Result<Shape, ShapeError> {
    ok!(known_axis(op, x, dim));
    Ok(x)
}

/// Differences along an axis, behind and before what is put there: a number, or as many along it as there are.
pub const fn diff(
    op: &'static str,
    x: Shape,
    n: usize,
    dim: isize,
    prepend: Option<Shape>,
    append: Option<Shape>,
) -> Result<Shape, ShapeError> {
    let axis = ok!(known_axis(op, x, dim));
    // PyTorch puts nothing there then.
    if n == 0 {
        return Ok(x);
    }
    let mut all = x;
    let (parts, mut part) = ([prepend, append], 0);
    while part < 2 {
        if let Some(shape) = parts[part] {
            let shape = if shape.rank() == 0 && x.rank() > 0 { x.with(axis, 1) } else { shape };
            all = ok!(super::cat(op, &[all, shape], dim));
        }
        part += 1;
    }
    if n == all.dim(axis) || extent::exceeds(n, all.dim(axis)) {
        return Err(ShapeError::Attribute { op, rule: "`n` must be less than the extent of the axis" });
    }
    Ok(all.with(axis, ok!(rules::difference(op, all.dim(axis), n as isize))))
}

/// The element at a place in order, and its index.
pub const fn kthvalue(op: &'static str, x: Type, k: usize, dim: isize, keepdim: bool) -> Result<Types, ShapeError> {
    let axis = ok!(known_axis(op, x.shape, dim));
    if k == 0 || extent::exceeds(k, x.shape.dim(axis)) {
        return Err(ShapeError::Range { axis, start: 1, limit: k, shape: x.shape });
    }
    extreme(op, x, dim, keepdim)
}

/// A scalar of a tensor without the batch axis.
pub const fn all_known(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    if rules::has_batch(&x) { Err(ShapeError::Batch { op, shape: x }) } else { Ok(Shape::SCALAR) }
}

/// Axes that must be given are folded.
pub const fn reduce_axes(op: &'static str, x: Shape, dim: &[isize], keepdim: bool) -> Result<Shape, ShapeError> {
    reduce(op, x, Some(dim), keepdim)
}

/// Vectors along an axis.
pub const fn normalize(op: &'static str, x: Shape, p: f64, dim: isize, eps: f64) -> Result<Shape, ShapeError> {
    if p.is_nan() || !(eps >= 0.0 && eps.is_finite()) {
        return Err(ShapeError::Attribute { op, rule: "`p` must be a number, and `eps` a finite one of at least 0" });
    }
    super::along(op, x, dim)
}

/// Slices along an axis.
pub const fn renorm(op: &'static str, x: Shape, p: f64, dim: isize, maxnorm: f64) -> Result<Shape, ShapeError> {
    if x.rank() < 2 {
        return Err(ShapeError::InputRank { least: 2, most: MAX_RANK, found: x });
    }
    if !(p > 0.0 && maxnorm >= 0.0 && maxnorm.is_finite()) {
        return Err(ShapeError::Attribute {
            op,
            rule: "`p` must be above 0, and `maxnorm` a finite number of at least 0",
        });
    }
    super::along(op, x, dim)
}

/// A scalar of two tensors that broadcast.
pub const fn dist(op: &'static str, input: Shape, other: Shape, p: f64) -> Result<Shape, ShapeError> {
    let _ = p;
    ok!(broadcast(op, input, other));
    Ok(Shape::SCALAR)
}

/// Chances of classes along an axis.
pub const fn gumbel_softmax(op: &'static str, x: Shape, tau: f64, hard: bool, dim: isize) -> Result<Shape, ShapeError> {
    let _ = hard;
    if !(tau > 0.0 && tau.is_finite()) {
        return Err(ShapeError::Attribute { op, rule: "`tau` must be a finite number above 0" });
    }
    super::along(op, x, dim)
}

/// Counts of intervals.
pub const fn histc(op: &'static str, x: Shape, bins: usize, min: f64, max: f64) -> Result<Shape, ShapeError> {
    let _ = x;
    if bins == 0 {
        return Err(ShapeError::Attribute { op, rule: "there is at least one bin" });
    }
    if !(min.is_finite() && max.is_finite() && (min < max || (min == 0.0 && max == 0.0))) {
        return Err(ShapeError::Attribute { op, rule: "`min` must be less than `max`, or both 0" });
    }
    Ok(Shape::new(&[bins]))
}

/// An index for each value, in a sequence along the last axis, with the indices that sort it.
pub const fn searchsorted(
    op: &'static str,
    sorted_sequence: Shape,
    values: Shape,
    right: bool,
    sorter: Option<Shape>,
) -> Result<Shape, ShapeError> {
    let _ = right;
    if let Some(sorter) = sorter
        && !sorter.same(&sorted_sequence)
    {
        return Err(ShapeError::Mismatch { op, left: sorted_sequence, right: sorter });
    }
    let last = sorted_sequence.rank();
    if last == 0 || values.rank() == 0 && last > 1 || values.rank() == MAX_RANK {
        return Err(ShapeError::Mismatch { op, left: sorted_sequence, right: values });
    }
    if last == 1 || sorted_sequence.remove(last - 1).same(&values.remove(values.rank() - 1)) {
        Ok(values)
    } else {
        Err(ShapeError::Mismatch { op, left: sorted_sequence, right: values })
    }
}

/// As [`searchsorted`], with a word for the side.
pub const fn searchsorted_at(
    op: &'static str,
    sorted_sequence: Shape,
    values: Shape,
    side: &str,
    sorter: Option<Shape>,
) -> Result<Shape, ShapeError> {
    if !words::is_one_of(side, &["left", "right"]) {
        return Err(ShapeError::Setting { setting: "side", rule: "must be \"left\" or \"right\"" });
    }
    searchsorted(op, sorted_sequence, values, false, sorter)
}

/// An index for each element, in a vector.
pub const fn bucketize(op: &'static str, x: Shape, boundaries: Shape, right: bool) -> Result<Shape, ShapeError> {
    let _ = right;
    if boundaries.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: boundaries });
    }
    isin(op, x, boundaries)
}

/// Whether each element is among others.
pub const fn isin(op: &'static str, elements: Shape, test_elements: Shape) -> Result<Shape, ShapeError> {
    let _ = test_elements;
    if elements.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    Ok(elements)
}
