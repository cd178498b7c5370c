//! The shape rules of products: of matrices in batches, outer and cross products, attention.

use crate::shape::{Shape, ShapeError, rules};

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
) -> Result<Shape, ShapeError> {
    let _ = is_causal;
    if query.rank() < 2 {
        return Err(ShapeError::InputRank { least: 2, most: crate::shape::MAX_RANK, found: query });
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
    let scores = ok!(super::matmul(op, query, ok!(super::transpose(op, key, -2, -1))));
    if let Some(mask) = mask
        && !ok!(rules::broadcast(op, scores, mask)).same(&scores)
    {
        return Err(ShapeError::Mismatch { op, left: scores, right: mask });
    }
    super::matmul(op, scores, value)
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
