//! The shape rules of functions that move axes, take diagonals and make grids.

use super::{MAX_RESULTS, Types, axes, known_axis, rules};
use crate::shape::{MAX_LIST, MAX_RANK, Shape, ShapeError, Type, extent};
use crate::words;

/// The slices along an axis, which goes.
pub const fn unbind(op: &'static str, x: Type, dim: isize) -> Result<Types, ShapeError> {
    let axis = ok!(known_axis(op, x.shape, dim));
    ok!(rules::number(op, x.shape.dim(axis)));
    if x.shape.dim(axis) > MAX_RESULTS {
        return Err(ShapeError::Attribute { op, rule: "at most 16 parts are possible" });
    }
    let mut types = Types::none();
    let mut place = 0;
    while place < x.shape.dim(axis) {
        types = types.and(Type::new(x.dtype, x.shape.remove(axis)));
        place += 1;
    }
    Ok(types)
}

/// As many axes go to as many places.
pub const fn movedim(op: &'static str, x: Shape, source: &[isize], destination: &[isize]) -> Result<Shape, ShapeError> {
    if source.len() != destination.len() {
        return Err(ShapeError::Attribute { op, rule: "there is one place for each axis that is moved" });
    }
    let (from, to) = (ok!(axes(op, x, source)), ok!(axes(op, x, destination)));
    let mut taken = [false; MAX_RANK];
    let mut moved = 0;
    while moved < source.len() {
        taken[from[moved]] = true;
        moved += 1;
    }
    let (mut shape, mut other, mut place) = (x, 0, 0);
    while place < x.rank() {
        let mut axis = None;
        let mut moved = 0;
        while moved < source.len() {
            if to[moved] == place {
                axis = Some(from[moved]);
            }
            moved += 1;
        }
        let axis = match axis {
            Some(axis) => axis,
            None => {
                while taken[other] {
                    other += 1;
                }
                other += 1;
                other - 1
            }
        };
        shape = shape.with(place, x.dim(axis));
        place += 1;
    }
    Ok(shape)
}

/// At most two axes, exchanged.
pub const fn t(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    match x.rank() {
        0 | 1 => Ok(x),
        2 => Ok(Shape::new(&[x.dim(1), x.dim(0)])),
        _ => Err(ShapeError::Rank { op, expected: 2, found: x }),
    }
}

/// All in a row; not the batch axis with others.
pub const fn ravel(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    if x.rank() > 1 && rules::has_batch(&x) {
        return Err(ShapeError::Batch { op, shape: x });
    }
    if x.rank() == 0 { Ok(Shape::new(&[1])) } else { rules::flatten(x, 0, -1) }
}

/// Several times along the last axes; see [`repeat`](super::repeat).
pub const fn tile(op: &'static str, x: Shape, dims: &[usize]) -> Result<Shape, ShapeError> {
    if dims.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: dims.len() });
    }
    let rank = if dims.len() > x.rank() { dims.len() } else { x.rank() };
    let mut repeats = [1; MAX_RANK];
    let mut axis = 0;
    while axis < dims.len() {
        repeats[rank - dims.len() + axis] = dims[axis];
        axis += 1;
    }
    super::repeat(op, x, repeats.split_at(rank).0)
}

/// The diagonals of matrices in two axes, as a new last axis.
pub const fn diagonal(
    op: &'static str,
    x: Shape,
    offset: isize,
    dim1: isize,
    dim2: isize,
) -> Result<Shape, ShapeError> {
    let places = ok!(axes(op, x, &[dim1, dim2]));
    let (rows, columns) = (x.dim(ok!(known_axis(op, x, dim1))), x.dim(ok!(known_axis(op, x, dim2))));
    let above = if offset > 0 { offset.unsigned_abs() } else { 0 };
    let below = if offset < 0 { offset.unsigned_abs() } else { 0 };
    if !extent::exceeds(columns, above) && !extent::is_free(columns)
        || !extent::exceeds(rows, below) && !extent::is_free(rows)
    {
        return Err(ShapeError::Attribute { op, rule: "`offset` must leave something of the diagonal" });
    }
    let rows = ok!(rules::difference(op, rows, below as isize));
    let columns = ok!(rules::difference(op, columns, above as isize));
    let length = if rows == columns || extent::exceeds(columns, rows) {
        rows
    } else if extent::exceeds(rows, columns) {
        columns
    } else {
        let extent = if extent::is_free(rows) { rows } else { columns };
        return Err(ShapeError::Free { op, extent, rule: "nor whether it is less than the other axis" });
    };
    let (first, last) = if places[0] < places[1] { (places[0], places[1]) } else { (places[1], places[0]) };
    let others = x.remove(last).remove(first);
    Ok(others.insert(others.rank(), length))
}

/// Matrices of which the last axis is a diagonal.
pub const fn diag_embed(
    op: &'static str,
    x: Shape,
    offset: isize,
    dim1: isize,
    dim2: isize,
) -> Result<Shape, ShapeError> {
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    let last = ok!(known_axis(op, x, -1));
    let side = ok!(rules::sum(op, x.dim(last), offset.unsigned_abs()));
    let matrices = x.with(last, side).insert(last + 1, side);
    movedim(op, matrices, &[-2, -1], &[dim1, dim2])
}

/// A vector becomes a matrix, a matrix a vector.
pub const fn diag(op: &'static str, x: Shape, diagonal: isize) -> Result<Shape, ShapeError> {
    match x.rank() {
        1 => diag_embed(op, x, diagonal, -2, -1),
        2 => self::diagonal(op, x, diagonal, 0, 1),
        _ => Err(ShapeError::InputRank { least: 1, most: 2, found: x }),
    }
}

/// A matrix.
pub const fn trace(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    if x.rank() != 2 {
        return Err(ShapeError::Rank { op, expected: 2, found: x });
    }
    ok!(diagonal(op, x, 0, 0, 1));
    Ok(Shape::SCALAR)
}

/// The first two axes turned round; see [`flip`](super::flip).
pub const fn fliplr(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    super::flip(op, x, &[1])
}

/// The first axis turned round; see [`flip`](super::flip).
pub const fn flipud(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    super::flip(op, x, &[0])
}

/// Two axes are exchanged by each right angle.
pub const fn rot90(op: &'static str, x: Shape, k: isize, dims: &[isize]) -> Result<Shape, ShapeError> {
    if dims.len() != 2 {
        return Err(ShapeError::Attribute { op, rule: "`dims` are two axes" });
    }
    ok!(axes(op, x, dims));
    if k.rem_euclid(2) == 1 { super::transpose(op, x, dims[0], dims[1]) } else { Ok(x) }
}

/// Repeated to the shape of another one.
pub const fn expand_as(op: &'static str, x: Shape, other: Shape) -> Result<Shape, ShapeError> {
    super::expand(op, x, other.dims())
}

/// In the shape of another one.
pub const fn view_as(op: &'static str, x: Shape, other: Shape) -> Result<Shape, ShapeError> {
    super::reshape(op, x, other.dims())
}

/// Vectors as the axes of grids.
pub const fn meshgrid(op: &'static str, tensors: &[Type], indexing: &str) -> Result<Types, ShapeError> {
    let exchanged = words::same(indexing, "xy");
    if !exchanged && !words::same(indexing, "ij") {
        return Err(ShapeError::Setting { setting: "indexing", rule: "must be \"ij\" or \"xy\"" });
    }
    if tensors.len() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: tensors.len() });
    }
    let mut shape = Shape::SCALAR;
    let mut place = 0;
    while place < tensors.len() {
        let found = tensors[place].shape;
        if found.rank() > 1 {
            return Err(ShapeError::Rank { op, expected: 1, found });
        }
        shape = shape.insert(place, if found.rank() == 0 { 1 } else { found.dim(0) });
        place += 1;
    }
    if exchanged && tensors.len() > 1 {
        shape =
            shape.with(0, shape.dim(1)).with(1, if tensors[0].shape.rank() == 0 { 1 } else { tensors[0].shape.dim(0) });
    }
    let mut types = Types::none();
    let mut place = 0;
    while place < tensors.len() {
        types = types.and(Type::new(tensors[place].dtype, shape));
        place += 1;
    }
    Ok(types)
}

/// Along the second axis, or the only one; see [`cat`](super::cat).
pub const fn hstack(op: &'static str, parts: &[Shape]) -> Result<Shape, ShapeError> {
    super::cat(op, parts, if !parts.is_empty() && parts[0].rank() > 1 { 1 } else { 0 })
}

/// A vector as a row, a number as a row of one.
pub const fn row_of(x: Shape) -> Shape {
    if x.rank() == 1 { x.insert(0, 1) } else { column_of(x) }
}

/// A vector as a column, a number as a column of one.
pub const fn column_of(x: Shape) -> Shape {
    match x.rank() {
        0 => x.insert(0, 1).insert(0, 1),
        1 => x.insert(1, 1),
        _ => x,
    }
}

/// A matrix with a third axis, a vector as a row of one.
pub const fn plane_of(x: Shape) -> Shape {
    let x = row_of(x);
    if x.rank() == 2 { x.insert(2, 1) } else { x }
}

/// An axis for a number.
pub const fn atleast_1d(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    let _ = op;
    Ok(if x.rank() == 0 { x.insert(0, 1) } else { x })
}

/// See [`row_of`].
pub const fn atleast_2d(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    let _ = op;
    Ok(row_of(x))
}

/// See [`plane_of`].
pub const fn atleast_3d(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    let _ = op;
    Ok(plane_of(x))
}

/// One element of an axis is put.
pub const fn select_scatter(
    op: &'static str,
    x: Shape,
    src: Shape,
    dim: isize,
    index: isize,
) -> Result<Shape, ShapeError> {
    let expected = ok!(super::select(op, x, dim, index));
    if src.same(&expected) { Ok(x) } else { Err(ShapeError::Expected { what: "`src`", expected, found: src }) }
}

/// A part of an axis is put.
pub const fn slice_scatter(
    op: &'static str,
    x: Shape,
    src: Shape,
    dim: isize,
    start: isize,
    end: isize,
    step: usize,
) -> Result<Shape, ShapeError> {
    if x.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    let expected = ok!(super::slice(op, x, dim, start, end, step));
    if src.same(&expected) { Ok(x) } else { Err(ShapeError::Expected { what: "`src`", expected, found: src }) }
}

/// Parts of an axis, as many as are asked for.
pub const fn tensor_split(op: &'static str, x: Type, sections: usize, dim: isize) -> Result<Types, ShapeError> {
    let axis = ok!(known_axis(op, x.shape, dim));
    let extent = ok!(rules::number(op, x.shape.dim(axis)));
    if sections == 0 || sections > MAX_RESULTS || sections > extent {
        return Err(ShapeError::Attribute {
            op,
            rule: "there is at least one part, at most 16, and an element in each",
        });
    }
    let mut types = Types::none();
    let mut part = 0;
    while part < sections {
        let size = extent / sections + if part < extent % sections { 1 } else { 0 };
        types = types.and(Type::new(x.dtype, x.shape.with(axis, size)));
        part += 1;
    }
    Ok(types)
}

/// Declares the rules of what puts parts of such shapes one behind the other along an axis; see [`cat`](super::cat).
macro_rules! stacks {
    ($($(#[$documentation:meta])* $name:ident $shape_of:ident $dim:literal;)*) => {$(
        $(#[$documentation])*
        pub const fn $name(op: &'static str, parts: &[Shape]) -> Result<Shape, ShapeError> {
            if parts.len() > MAX_LIST {
                return Err(ShapeError::Attribute { op, rule: "at most 256 parts are possible" });
            }
            let mut all = [Shape::SCALAR; MAX_LIST];
            let mut part = 0;
            while part < parts.len() {
                all[part] = $shape_of(parts[part]);
                part += 1;
            }
            super::cat(op, all.split_at(parts.len()).0, $dim)
        }
    )*};
}

stacks! {
    /// One below the other; vectors are rows.
    vstack row_of 0;
    /// Along the third axis.
    dstack plane_of 2;
    /// Side by side; vectors are columns.
    column_stack column_of 1;
}

/// One number in slices along an axis.
pub const fn index_fill(op: &'static str, x: Shape, dim: isize, index: Shape, value: f64) -> Result<Shape, ShapeError> {
    let _ = value;
    ok!(super::index_select(op, x, dim, index));
    Ok(x)
}
