//! Functions that put axes and elements into another order or shape: diagonals, axes that move, parts of one, grids. It
//! computes nothing.

use super::{cat, positions, refused, reshape, ruled, rules, zero};
use crate::build::Value;
use crate::shape::{DType, Shape};

/// The slices along an axis, which goes.
pub fn unbind(x: Value<'_>, dim: isize) -> Vec<Value<'_>> {
    match rules::unbind("unbind", x.ty(), dim) {
        Ok(types) => (0..types.as_slice().len()).map(|place| super::select(x, dim, place as isize)).collect(),
        Err(error) => vec![refused(x, error)],
    }
}

/// Axes moved to other places, the others staying in their order.
pub fn movedim<'g>(x: Value<'g>, source: &[isize], destination: &[isize]) -> Value<'g> {
    ruled(x, rules::movedim("movedim", x.shape(), source, destination), |_| {
        let (source, destination) = (positions(x, source), positions(x, destination));
        let mut others = (0..x.shape().rank()).filter(|axis| !source.contains(axis));
        let from = |place: usize| destination.iter().position(|&to| to == place).map(|moved| source[moved]);
        let order: Vec<usize> =
            (0..x.shape().rank()).filter_map(|place| from(place).or_else(|| others.next())).collect();
        x.permute(&order)
    })
}

/// A matrix with its axes exchanged; a vector or a number as it is.
pub fn t(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::t("t", x.shape()), |shape| if shape.rank() == 2 { x.transpose(0, 1) } else { x })
}

/// All elements in a row.
pub fn ravel(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::ravel("ravel", x.shape()), |shape| x.reshape(shape))
}

/// The whole tensor so many times along each of the last axes.
pub fn tile<'g>(x: Value<'g>, dims: &[usize]) -> Value<'g> {
    ruled(x, rules::tile("tile", x.shape(), dims), |shape| {
        let mut repeats = vec![1; shape.rank() - dims.len()];
        repeats.extend(dims);
        super::repeat(x, &repeats)
    })
}

/// The diagonals of matrices in two axes, which go, as a new last axis; `offset` is how far above the main one they lie.
pub fn diagonal(x: Value<'_>, offset: isize, dim1: isize, dim2: isize) -> Value<'_> {
    ruled(x, rules::diagonal("diagonal", x.shape(), offset, dim1, dim2), |shape| {
        let matrices = movedim(x, &[dim1, dim2], &[-2, -1]);
        let rank = shape.rank() + 1;
        let columns = matrices.shape().dim(rank - 1);
        let length = shape.dim(shape.rank() - 1);
        // Row by row, elements of a diagonal are a row and a column apart.
        let all = matrices.shape().dim(rank - 2) * columns;
        let row = matrices.shape().remove(rank - 1).with(rank - 2, all);
        let first = if offset < 0 { offset.unsigned_abs() * columns } else { offset.unsigned_abs() };
        let end = first + (length - 1) * (columns + 1) + 1;
        matrices.reshape(row).slice(-1, first..end, columns + 1)
    })
}

/// Matrices in two new axes of which the last axis holds a diagonal, with 0 elsewhere.
pub fn diag_embed(x: Value<'_>, offset: isize, dim1: isize, dim2: isize) -> Value<'_> {
    ruled(x, rules::diag_embed("diag_embed", x.shape(), offset, dim1, dim2), |shape| {
        let rank = shape.rank();
        let side = x.shape().dim(rank - 2) + offset.unsigned_abs();
        let mut low = vec![0; rank - 1];
        low[rank - 2] = if offset < 0 { offset.unsigned_abs() } else { 0 };
        let mut high = vec![0; rank - 1];
        high[rank - 2] = if offset < 0 { 0 } else { offset.unsigned_abs() };
        // By rows: the row's element stands where its column is.
        let rows = x.pad(&low, &high, 0.0).unsqueeze(-1);
        let place = |axis| x.graph().iota([side, side], axis);
        let matrices = (place(1) - place(0)).eq(offset as i32).select(rows, zero(x));
        movedim(matrices, &[-2, -1], &[dim1, dim2])
    })
}

/// A matrix with a vector on a diagonal, or a matrix's diagonal.
pub fn diag(x: Value<'_>, diagonal: isize) -> Value<'_> {
    ruled(x, rules::diag("diag", x.shape(), diagonal), |_| match x.shape().rank() {
        1 => diag_embed(x, diagonal, -2, -1),
        _ => self::diagonal(x, diagonal, 0, 1),
    })
}

/// The sum of a matrix's main diagonal.
pub fn trace(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::trace("trace", x.shape()), |_| diagonal(x, 0, 0, 1).sum(0))
}

/// As [`flip`](super::flip) of the second axis.
pub fn fliplr(x: Value<'_>) -> Value<'_> {
    super::flip(x, &[1])
}

/// As [`flip`](super::flip) of the first axis.
pub fn flipud(x: Value<'_>) -> Value<'_> {
    super::flip(x, &[0])
}

/// Matrices in two axes turned by `k` right angles, from the first axis to the second.
pub fn rot90<'g>(x: Value<'g>, k: isize, dims: &[isize]) -> Value<'g> {
    ruled(x, rules::rot90("rot90", x.shape(), k, dims), |_| match k.rem_euclid(4) {
        0 => x,
        1 => super::flip(x, &dims[1..]).transpose(dims[0], dims[1]),
        2 => super::flip(x, dims),
        _ => super::flip(x, &dims[..1]).transpose(dims[0], dims[1]),
    })
}

/// Repeated to the shape of another tensor.
pub fn expand_as<'g>(x: Value<'g>, other: Value<'g>) -> Value<'g> {
    super::expand(x, other.shape().dims())
}

/// In the shape of another tensor.
pub fn view_as<'g>(x: Value<'g>, other: Value<'g>) -> Value<'g> {
    reshape(x, other.shape().dims())
}

/// Vectors as the axes of grids, one for each: the place along its axis tells which element a grid holds. `indexing` is
/// `"ij"`, or `"xy"`, which exchanges the first two axes.
pub fn meshgrid<'g>(tensors: &[Value<'g>], indexing: &str) -> Vec<Value<'g>> {
    let types: Vec<_> = tensors.iter().map(|vector| vector.ty()).collect();
    let types = match rules::meshgrid("meshgrid", &types, indexing) {
        Ok(types) => types,
        Err(error) => return tensors.iter().take(1).map(|&vector| refused(vector, error)).collect(),
    };
    let grid = |(place, (vector, ty)): (usize, (&Value<'g>, &crate::Type))| {
        let axis = match place {
            0 | 1 if indexing == "xy" && tensors.len() > 1 => 1 - place,
            _ => place,
        };
        let mut thin = Shape::SCALAR;
        for other in 0..tensors.len() {
            thin = thin.insert(other, if other == axis { vector.shape().elements() } else { 1 });
        }
        vector.reshape(thin).broadcast_to(ty.shape)
    };
    tensors.iter().zip(types.as_slice()).enumerate().map(grid).collect()
}

/// The parts one behind the other along the second axis, or along the only one.
pub fn hstack<'g>(tensors: &[Value<'g>]) -> Value<'g> {
    cat(tensors, if tensors[0].shape().rank() > 1 { 1 } else { 0 })
}

/// With one axis at least.
pub fn atleast_1d(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::atleast_1d("atleast_1d", x.shape()), |shape| x.reshape(shape))
}

/// With two axes at least: a vector is a row.
pub fn atleast_2d(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::atleast_2d("atleast_2d", x.shape()), |shape| x.reshape(shape))
}

/// With three axes at least: a vector is a row of one plane, a matrix has a third axis of extent 1.
pub fn atleast_3d(x: Value<'_>) -> Value<'_> {
    ruled(x, rules::atleast_3d("atleast_3d", x.shape()), |shape| x.reshape(shape))
}

/// `x` with `src` in the place of what [`select`](super::select) gives.
pub fn select_scatter<'g>(x: Value<'g>, src: Value<'g>, dim: isize, index: isize) -> Value<'g> {
    ruled(x, rules::select_scatter("select_scatter", x.shape(), src.shape(), dim, index), |shape| {
        let axis = positions(x, &[dim])[0];
        let place = if index < 0 { index + shape.dim(axis) as isize } else { index };
        let thin = x.graph().iota([shape.dim(axis)], 0).eq(place as i32);
        let here = (axis + 1..shape.rank()).fold(thin, |thin, _| thin.unsqueeze(-1));
        here.select(src.unsqueeze(axis), x)
    })
}

/// `x` with `src` in the place of what [`slice`](super::slice) gives.
pub fn slice_scatter<'g>(x: Value<'g>, src: Value<'g>, dim: isize, start: isize, end: isize, step: usize) -> Value<'g> {
    ruled(x, rules::slice_scatter("slice_scatter", x.shape(), src.shape(), dim, start, end, step), |shape| {
        let axis = positions(x, &[dim])[0];
        let (extent, count) = (shape.dim(axis), src.shape().dim(axis));
        let place = rules::place("slice_scatter", shape, dim, start);
        let first = place.expect("the rule was asked before");
        let along = |number: usize| {
            let mut sides = vec![0; axis + 1];
            sides[axis] = number;
            sides
        };
        // Each element of the source begins a block of one step; the last one may end before.
        let mut apart = vec![0; axis + 2];
        apart[axis + 1] = step - 1;
        let blocks = |x: Value<'g>, axis: usize, apart: &[usize]| {
            let whole = x.shape().with(axis, count * step);
            x.unsqueeze(axis + 1).pad(&[], apart, 0.0).reshape(whole).slice(axis, 0..(count - 1) * step + 1, 1)
        };
        let behind = extent - first - (count - 1) * step - 1;
        let put = blocks(src, axis, &apart).pad(&along(first), &along(behind), 0.0);
        let met = blocks(x.graph().full([count], 1.0), 0, &[0, step - 1]).pad(&[first], &[behind], 0.0).gt(0.0);
        (axis + 1..shape.rank()).fold(met, |met, _| met.unsqueeze(-1)).select(put, x)
    })
}

/// Parts of an axis, as many as are asked for, the first ones of one element more where they can not be equal.
pub fn tensor_split(x: Value<'_>, sections: usize, dim: isize) -> Vec<Value<'_>> {
    match rules::tensor_split("tensor_split", x.ty(), sections, dim) {
        Ok(types) => {
            let axis = positions(x, &[dim])[0];
            let sizes: Vec<usize> = types.as_slice().iter().map(|ty| ty.shape.dim(axis)).collect();
            super::split_with_sizes(x, &sizes, dim)
        }
        Err(error) => vec![refused(x, error)],
    }
}

/// The parts one below the other: along the first axis, vectors as rows.
pub fn vstack<'g>(tensors: &[Value<'g>]) -> Value<'g> {
    stacked(tensors, rules::row_of, 0)
}

/// The parts one behind the other along the third axis; vectors are rows of a matrix, matrices have a third axis of extent 1.
pub fn dstack<'g>(tensors: &[Value<'g>]) -> Value<'g> {
    stacked(tensors, rules::plane_of, 2)
}

/// The parts side by side: along the second axis, vectors as columns.
pub fn column_stack<'g>(tensors: &[Value<'g>]) -> Value<'g> {
    stacked(tensors, rules::column_of, 1)
}

/// [`cat`] of parts that have more axes before.
fn stacked<'g>(tensors: &[Value<'g>], shape_of: fn(Shape) -> Shape, dim: isize) -> Value<'g> {
    let parts: Vec<Value<'g>> = tensors.iter().map(|part| part.reshape(shape_of(part.shape()))).collect();
    cat(&parts, dim)
}

/// `x` with one number in the slices along an axis with the given i32 indices; those outside are passed over (PyTorch raises).
pub fn index_fill<'g>(x: Value<'g>, dim: isize, index: Value<'g>, value: f64) -> Value<'g> {
    ruled(x, rules::index_fill("index_fill", x.shape(), dim, index.shape(), value), |shape| {
        let axis = positions(x, &[dim])[0];
        let place = x.graph().iota([shape.dim(axis), 1], 0);
        let filled = place.eq(index).convert(DType::I32).sum(1).gt(0);
        let thin = (axis + 1..shape.rank()).fold(filled, |filled, _| filled.unsqueeze(-1));
        thin.select(x.graph().number_of(x.dtype(), value), x)
    })
}
