//! The shape rules of products: of matrices in batches, outer and cross products, attention.

use crate::shape::{MAX_RANK, Shape, ShapeError, rules};

/// The matrices of two batches.
pub const fn bmm(op: &'static str, input: Shape, mat2: Shape) -> Result<Shape, ShapeError> {
    if input.rank() != 3 {
        return Err(ShapeError::Rank { op, expected: 3, found: input });
    }
    if mat2.rank() != 3 {
        return Err(ShapeError::Rank { op, expected: 3, found: mat2 });
    }
    if input.dim(0) != mat2.dim(0) {
        return Err(ShapeError::Mismatch { op, left: input, right: mat2 });
    }
    super::matmul(op, input, mat2)
}

/// As [`bmm`], added to what has the result's shape or is repeated to it.
pub const fn baddbmm(
    op: &'static str,
    input: Shape,
    batch1: Shape,
    batch2: Shape,
    beta: f64,
    alpha: f64,
) -> Result<Shape, ShapeError> {
    let _ = (beta, alpha);
    let shape = ok!(bmm(op, batch1, batch2));
    if ok!(rules::broadcast(op, input, shape)).same(&shape) {
        Ok(shape)
    } else {
        Err(ShapeError::Mismatch { op, left: input, right: shape })
    }
}

/// Two vectors.
pub const fn outer(op: &'static str, input: Shape, vec2: Shape) -> Result<Shape, ShapeError> {
    if input.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: input });
    }
    if vec2.rank() != 1 {
        return Err(ShapeError::Rank { op, expected: 1, found: vec2 });
    }
    Ok(input.insert(1, vec2.dim(0)))
}

/// Vectors of three components along an axis.
pub const fn cross(op: &'static str, input: Shape, other: Shape, dim: isize) -> Result<Shape, ShapeError> {
    let shape = ok!(rules::broadcast(op, input, other));
    let axis = ok!(rules::axis(op, dim, &shape));
    if shape.dim(axis) != 3 {
        return Err(ShapeError::Attribute { op, rule: "the axis of the vectors has extent 3" });
    }
    Ok(shape)
}

/// Queries `[.., l, e]`, keys `[.., s, e]` and values `[.., s, v]` give `[.., l, v]`; a mask is repeated to `[.., l, s]`.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub const fn attention(
    op: &'static str,
    query: Shape,
    key: Shape,
    value: Shape,
    mask: Option<Shape>,
    dropout_p: f64,
    is_causal: bool,
    scale: Option<f64>,
    enable_gqa: bool,
) -> Result<Shape, ShapeError> {
    let _ = is_causal;
    if query.rank() < 2 {
        return Err(ShapeError::InputRank { least: 2, most: MAX_RANK, found: query });
    }
    if key.rank() != query.rank() {
        return Err(ShapeError::Rank { op, expected: query.rank(), found: key });
    }
    if value.rank() != query.rank() {
        return Err(ShapeError::Rank { op, expected: query.rank(), found: value });
    }
    ok!(rules::probability(query, dropout_p));
    if let Some(scale) = scale {
        ok!(rules::finite("scale", scale));
    }
    let (key, value) =
        if enable_gqa { (ok!(repeated(op, query, key)), ok!(repeated(op, query, value))) } else { (key, value) };
    let scores = ok!(super::matmul(op, query, ok!(super::transpose(op, key, -2, -1))));
    if let Some(mask) = mask
        && !ok!(rules::broadcast(op, scores, mask)).same(&scores)
    {
        return Err(ShapeError::Mismatch { op, left: scores, right: mask });
    }
    super::matmul(op, scores, value)
}

/// Keys or values of as many heads as queries have, each repeated for several of these.
const fn repeated(op: &'static str, query: Shape, x: Shape) -> Result<Shape, ShapeError> {
    if query.rank() < 3 {
        return Err(ShapeError::InputRank { least: 3, most: MAX_RANK, found: query });
    }
    // Heads are apart by groups, along an axis more.
    if query.rank() == MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: MAX_RANK + 1 });
    }
    let axis = query.rank() - 3;
    let heads = ok!(rules::number(op, query.dim(ok!(super::known_axis(op, query, axis as isize)))));
    let of_x = ok!(rules::number(op, x.dim(ok!(super::known_axis(op, x, axis as isize)))));
    if of_x == 0 || !heads.is_multiple_of(of_x) {
        let rule =
            "the heads of `query`, its third axis from the end, must be a multiple of those of `key` and `value`";
        return Err(ShapeError::Attribute { op, rule });
    }
    Ok(x.with(axis, heads))
}

/// The last axes of one are the first of the other; see [`tensordot_by`].
pub const fn tensordot(op: &'static str, a: Shape, b: Shape, dims: usize) -> Result<Shape, ShapeError> {
    if dims > a.rank() || dims > b.rank() {
        return Err(ShapeError::Attribute { op, rule: "there are not as many axes as `dims` says" });
    }
    let mut axes = [[0; MAX_RANK]; 2];
    let mut axis = 0;
    while axis < dims {
        axes[0][axis] = (a.rank() - dims + axis) as isize;
        axes[1][axis] = axis as isize;
        axis += 1;
    }
    tensordot_by(op, a, b, (axes[0].split_at(dims).0, axes[1].split_at(dims).0))
}

/// Axes of one and as many of the other, of equal extents or 1, go.
pub const fn tensordot_by(
    op: &'static str,
    a: Shape,
    b: Shape,
    dims: (&[isize], &[isize]),
) -> Result<Shape, ShapeError> {
    if dims.0.len() != dims.1.len() {
        return Err(ShapeError::Attribute { op, rule: "`dims` are as many axes of each tensor" });
    }
    let (of_a, of_b) = (ok!(super::axes(op, a, dims.0)), ok!(super::axes(op, b, dims.1)));
    let mut axis = 0;
    while axis < dims.0.len() {
        let (one, other) = (a.dim(of_a[axis]), b.dim(of_b[axis]));
        if one != other && one != 1 && other != 1 {
            return Err(ShapeError::Mismatch { op, left: a, right: b });
        }
        axis += 1;
    }
    let rows = ok!(super::reduce(op, a, Some(dims.0), false));
    let columns = ok!(super::reduce(op, b, Some(dims.1), false));
    if rows.rank() + columns.rank() > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: rows.rank() + columns.rank() });
    }
    let (mut shape, mut axis) = (rows, 0);
    while axis < columns.rank() {
        shape = shape.insert(shape.rank(), columns.dim(axis));
        axis += 1;
    }
    Ok(shape)
}

/// An axis of two tensors that broadcast goes.
pub const fn vecdot(op: &'static str, x: Shape, y: Shape, dim: isize) -> Result<Shape, ShapeError> {
    super::reduce(op, ok!(rules::broadcast(op, x, y)), Some(&[dim]), false)
}

/// Two vectors and a weight of their products; see [`rules::bilinear`].
pub const fn bilinear(
    op: &'static str,
    input1: Shape,
    input2: Shape,
    weight: Shape,
    bias: Option<Shape>,
) -> Result<Shape, ShapeError> {
    let _ = op;
    rules::bilinear(input1, input2, weight, bias)
}

const fn rank(op: &'static str, expected: usize, found: Shape) -> Result<(), ShapeError> {
    if found.rank() == expected { Ok(()) } else { Err(ShapeError::Rank { op, expected, found }) }
}

/// Two matrices.
pub const fn mm(op: &'static str, input: Shape, mat2: Shape) -> Result<Shape, ShapeError> {
    ok!(rank(op, 2, input));
    ok!(rank(op, 2, mat2));
    super::matmul(op, input, mat2)
}

/// A matrix and a vector.
pub const fn mv(op: &'static str, input: Shape, vec: Shape) -> Result<Shape, ShapeError> {
    ok!(rank(op, 2, input));
    ok!(rank(op, 1, vec));
    super::matmul(op, input, vec)
}

/// Two vectors.
pub const fn dot(op: &'static str, input: Shape, tensor: Shape) -> Result<Shape, ShapeError> {
    ok!(rank(op, 1, input));
    ok!(rank(op, 1, tensor));
    super::matmul(op, input, tensor)
}

/// The last axes are equal and go; the batch axis is not the other one's, too.
pub const fn inner(op: &'static str, input: Shape, other: Shape) -> Result<Shape, ShapeError> {
    if input.rank() == 0 || other.rank() == 0 {
        return rules::broadcast(op, input, other);
    }
    let (last, of_other) = (input.rank() - 1, other.rank() - 1);
    if input.dim(last) != other.dim(of_other) {
        return Err(ShapeError::Mismatch { op, left: input, right: other });
    }
    if last + of_other > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: last + of_other });
    }
    let mut shape = input.remove(last);
    let mut axis = 0;
    while axis < of_other {
        shape = shape.insert(shape.rank(), other.dim(axis));
        axis += 1;
    }
    Ok(shape)
}

/// A product added to what has its shape or is repeated to it.
const fn added(op: &'static str, input: Shape, product: Shape) -> Result<Shape, ShapeError> {
    if ok!(rules::broadcast(op, input, product)).same(&product) {
        Ok(product)
    } else {
        Err(ShapeError::Mismatch { op, left: input, right: product })
    }
}

/// Two matrices, and what is added.
pub const fn addmm(
    op: &'static str,
    input: Shape,
    mat1: Shape,
    mat2: Shape,
    beta: f64,
    alpha: f64,
) -> Result<Shape, ShapeError> {
    let _ = (beta, alpha);
    added(op, input, ok!(mm(op, mat1, mat2)))
}

/// A matrix and a vector, and what is added.
pub const fn addmv(
    op: &'static str,
    input: Shape,
    mat: Shape,
    vec: Shape,
    beta: f64,
    alpha: f64,
) -> Result<Shape, ShapeError> {
    let _ = (beta, alpha);
    added(op, input, ok!(mv(op, mat, vec)))
}

/// Two vectors, and what is added.
pub const fn addr(
    op: &'static str,
    input: Shape,
    vec1: Shape,
    vec2: Shape,
    beta: f64,
    alpha: f64,
) -> Result<Shape, ShapeError> {
    let _ = (beta, alpha);
    added(op, input, ok!(outer(op, vec1, vec2)))
}

/// The sum of the products of two batches, and what is added.
pub const fn addbmm(
    op: &'static str,
    input: Shape,
    batch1: Shape,
    batch2: Shape,
    beta: f64,
    alpha: f64,
) -> Result<Shape, ShapeError> {
    let _ = (beta, alpha);
    added(op, input, ok!(bmm(op, batch1, batch2)).remove(0))
}

/// Extents multiply; the batch axis meets none or 1.
pub const fn kron(op: &'static str, input: Shape, other: Shape) -> Result<Shape, ShapeError> {
    let rank = if input.rank() > other.rank() { input.rank() } else { other.rank() };
    if 2 * rank > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: 2 * rank });
    }
    let mut shape = Shape::SCALAR;
    let mut axis = 0;
    while axis < rank {
        let one = if axis + input.rank() < rank { 1 } else { input.dim(axis + input.rank() - rank) };
        let two = if axis + other.rank() < rank { 1 } else { other.dim(axis + other.rank() - rank) };
        let extent = match (one, two) {
            (one, 1) => one,
            (1, two) => two,
            (Shape::N, _) => return Err(ShapeError::Batch { op, shape: input }),
            (_, Shape::N) => return Err(ShapeError::Batch { op, shape: other }),
            (one, two) => ok!(rules::product(op, one, two)),
        };
        shape = shape.insert(axis, extent);
        axis += 1;
    }
    Ok(shape)
}

/// See [`rules::linear`].
pub const fn linear(op: &'static str, input: Shape, weight: Shape, bias: Option<Shape>) -> Result<Shape, ShapeError> {
    ok!(rank(op, 2, weight));
    if let Some(bias) = bias
        && !bias.same(&Shape::new(&[weight.dim(0)]))
    {
        return Err(ShapeError::Expected { what: "`bias`", expected: Shape::new(&[weight.dim(0)]), found: bias });
    }
    rules::linear(input, weight.dim(1), weight.dim(0))
}

/// Distances of each two vectors of two sets.
pub const fn cdist(op: &'static str, x1: Shape, x2: Shape, p: f64) -> Result<Shape, ShapeError> {
    if p.is_nan() || p < 0.0 {
        return Err(ShapeError::Attribute { op, rule: "`p` must be a number of at least 0" });
    }
    if x1.rank() < 2 || x2.rank() < 2 || x1.rank() == MAX_RANK || x2.rank() == MAX_RANK {
        return Err(ShapeError::Mismatch { op, left: x1, right: x2 });
    }
    super::matmul(op, x1, ok!(super::transpose(op, x2, -2, -1)))
}

/// Distances of each two vectors of one set.
pub const fn pdist(op: &'static str, x: Shape, p: f64) -> Result<Shape, ShapeError> {
    ok!(rank(op, 2, x));
    let count = ok!(rules::number(op, x.dim(ok!(super::known_axis(op, x, 0)))));
    if p.is_nan() || p < 0.0 || count < 2 {
        return Err(ShapeError::Attribute { op, rule: "there are at least two vectors, and `p` is at least 0" });
    }
    Ok(Shape::new(&[count.saturating_mul(count - 1) / 2]))
}
