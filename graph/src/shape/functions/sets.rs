//! The shape rules of functions that put elements together in all ways, along diagonals, in windows and by several
//! indices. What they put there is not known here.

use super::{Shape, ShapeError, Types, diag_embed, diagonal, extreme, known_axis, ravel, rules};
use crate::graph::Type;
use crate::shape::{DType, MAX_RANK};

/// The extents of a block, of which none is free: a vector is a row.
const fn block(op: &'static str, x: Shape) -> Result<[usize; 2], ShapeError> {
    if rules::has_batch(&x) {
        return Err(ShapeError::Batch { op, shape: x });
    }
    match x.rank() {
        0 => Ok([1, 1]),
        1 => Ok([1, x.dim(0)]),
        2 => Ok([x.dim(0), x.dim(1)]),
        _ => Err(ShapeError::Rank { op, expected: 2, found: x }),
    }
}

/// Matrices along a diagonal.
pub const fn block_diag(op: &'static str, tensors: &[Shape]) -> Result<Shape, ShapeError> {
    let (mut rows, mut columns, mut place) = (0, 0, 0);
    while place < tensors.len() {
        let [height, width] = ok!(block(op, tensors[place]));
        rows = ok!(rules::sum(op, rows, height));
        columns = ok!(rules::sum(op, columns, width));
        place += 1;
    }
    Ok(Shape::new(&[rows, columns]))
}

/// The number of elements of a vector, which is known.
const fn length(op: &'static str, x: Shape) -> Result<usize, ShapeError> {
    if x.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: x });
    }
    let _ = ok!(known_axis(op, x, 0));
    rules::number(op, x.dim(0))
}

/// Each element of a vector with each of the others.
pub const fn cartesian_prod(op: &'static str, tensors: &[Shape]) -> Result<Shape, ShapeError> {
    if tensors.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: tensors.len() });
    }
    let (mut rows, mut place) = (1, 0);
    while place < tensors.len() {
        rows = ok!(rules::product(op, rows, ok!(length(op, tensors[place]))));
        place += 1;
    }
    Ok(if tensors.len() == 1 { tensors[0] } else { Shape::new(&[rows, tensors.len()]) })
}

/// The choices of `r` elements of a vector.
pub const fn combinations(op: &'static str, x: Shape, r: usize, with_replacement: bool) -> Result<Shape, ShapeError> {
    let count = ok!(length(op, x));
    if r == 0 || (!with_replacement && r > count) {
        return Err(ShapeError::Attribute { op, rule: "`r` must be at least 1, and at most the number of elements" });
    }
    // With replacement there are as many as without of r - 1 more.
    let all = if with_replacement { count as u128 + (r as u128 - 1) } else { count as u128 };
    let (mut choices, mut chosen) = (1u128, 1u128);
    while chosen <= r as u128 {
        // A product of so many numbers in a row is a multiple of them.
        choices = choices * (all - chosen + 1) / chosen;
        if choices > i32::MAX as u128 {
            return Err(ShapeError::Attribute { op, rule: "there must be fewer than 2^31 choices" });
        }
        chosen += 1;
    }
    Ok(Shape::new(&[choices as usize, r]))
}

/// The powers of a vector's elements as rows.
pub const fn vander(op: &'static str, x: Shape, columns: Option<usize>, increasing: bool) -> Result<Shape, ShapeError> {
    let _ = increasing;
    if x.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: x });
    }
    match columns {
        Some(0) => Err(ShapeError::Attribute { op, rule: "the number of columns `N` must be at least 1" }),
        Some(columns) => Ok(x.insert(1, columns)),
        None => Ok(x.insert(1, ok!(length(op, x)))),
    }
}

/// All elements along a diagonal.
pub const fn diagflat(op: &'static str, x: Shape, offset: isize) -> Result<Shape, ShapeError> {
    diag_embed(op, ok!(ravel(op, x)), offset, 0, 1)
}

/// What is put in the place of what [`diagonal`] gives.
pub const fn diagonal_scatter(
    op: &'static str,
    x: Shape,
    src: Shape,
    offset: isize,
    dim1: isize,
    dim2: isize,
) -> Result<Shape, ShapeError> {
    let expected = ok!(diagonal(op, x, offset, dim1, dim2));
    if src.same(&expected) { Ok(x) } else { Err(ShapeError::Expected { what: "`src`", expected, found: src }) }
}

/// The first axis in order.
pub const fn msort(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    super::argsort(op, x, 0, false)
}

/// The most frequent elements along an axis, and their indices.
pub const fn mode(op: &'static str, x: Type, dim: isize, keepdim: bool) -> Result<Types, ShapeError> {
    let _ = ok!(known_axis(op, x.shape, dim));
    extreme(op, x, dim, keepdim)
}

/// Windows along an axis, whose elements are a new last one.
pub const fn unfold_along(
    op: &'static str,
    x: Shape,
    dimension: isize,
    size: usize,
    step: usize,
) -> Result<Shape, ShapeError> {
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    let axis = ok!(known_axis(op, x, dimension));
    let extent = ok!(rules::number(op, x.dim(axis)));
    if size == 0 || step == 0 {
        return Err(ShapeError::Attribute { op, rule: "`size` and `step` must be at least 1" });
    }
    if size > extent {
        return Err(ShapeError::Range { axis, start: 0, limit: size, shape: x });
    }
    Ok(x.with(axis, (extent - size) / step + 1).insert(x.rank(), size))
}

/// The indices in a shape of places among all elements in a row.
pub const fn unravel_index(op: &'static str, x: Type, shape: &[usize]) -> Result<Types, ShapeError> {
    if shape.is_empty() || shape.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: shape.len() });
    }
    let (mut types, mut elements, mut place) = (Types::none(), 1usize, 0);
    while place < shape.len() {
        elements = elements.saturating_mul(ok!(rules::number(op, shape[place])));
        if shape[place] == 0 || elements > i32::MAX as usize {
            return Err(ShapeError::Attribute { op, rule: "the shape must have from 1 to 2^31 elements" });
        }
        types = types.and(Type::new(DType::I32, x.shape));
        place += 1;
    }
    Ok(types)
}

/// How often each whole number is there.
pub const fn bincount(op: &'static str, x: Shape, minlength: usize) -> Result<Shape, ShapeError> {
    if x.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: x });
    }
    if minlength == 0 {
        let rule = "must be given: how many numbers are counted, those from 0 to before it. (In PyTorch it is the least \
                    length of the result; here the shape does not depend on the data)";
        return Err(ShapeError::Setting { setting: "minlength", rule });
    }
    Ok(Shape::new(&[minlength]))
}

/// As [`bincount`], of numbers that weigh.
pub const fn bincount_of(op: &'static str, x: Shape, weights: Shape, minlength: usize) -> Result<Shape, ShapeError> {
    if !x.same(&weights) {
        return Err(ShapeError::Mismatch { op, left: x, right: weights });
    }
    bincount(op, x, minlength)
}

/// What is put at places along the first axes, one tensor of indices for each.
pub const fn index_put(
    op: &'static str,
    x: Shape,
    indices: &[Shape],
    values: Shape,
    accumulate: bool,
) -> Result<Shape, ShapeError> {
    let _ = accumulate;
    if indices.is_empty() || indices.len() > x.rank() {
        return Err(ShapeError::Operands { op, expected: x.rank(), found: indices.len() });
    }
    let (mut places, mut axis) = (indices[0], 0);
    while axis < indices.len() {
        let _ = ok!(known_axis(op, x, axis as isize));
        let _ = ok!(rules::number(op, x.dim(axis)));
        places = ok!(rules::broadcast(op, places, indices[axis]));
        axis += 1;
    }
    let mut expected = places;
    while axis < x.rank() {
        if expected.rank() == MAX_RANK {
            return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
        }
        expected = expected.insert(expected.rank(), x.dim(axis));
        axis += 1;
    }
    let broadcast = ok!(rules::broadcast(op, values, expected));
    if broadcast.same(&expected) { Ok(x) } else { Err(ShapeError::Mismatch { op, left: expected, right: values }) }
}
