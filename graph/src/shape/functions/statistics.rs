//! The shape rules of statistics: quantiles, covariances, areas under curves.

use super::{all_known, insert, known_axis, reduce};
use crate::shape::{Shape, ShapeError, extent, rules};
use crate::words;

/// Parts of the elements along an axis, or of all, lie below.
const fn part_below(
    op: &'static str,
    x: Shape,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
) -> Result<Shape, ShapeError> {
    if !words::is_one_of(interpolation, &["linear", "lower", "higher", "nearest", "midpoint"]) {
        let rule = "must be \"linear\", \"lower\", \"higher\", \"nearest\" or \"midpoint\"";
        return Err(ShapeError::Setting { setting: "interpolation", rule });
    }
    match dim {
        Some(dim) => reduce(op, x, Some(&[dim]), keepdim),
        None => {
            ok!(all_known(op, x));
            reduce(op, x, None, keepdim)
        }
    }
}

const fn part(op: &'static str, q: f64) -> Result<(), ShapeError> {
    if q >= 0.0 && q <= 1.0 {
        return Ok(());
    }
    Err(ShapeError::Attribute { op, rule: "`q` must be at least 0 and at most 1" })
}

/// A part of the elements along an axis, or of all, lies below.
pub const fn quantile(
    op: &'static str,
    x: Shape,
    q: f64,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
) -> Result<Shape, ShapeError> {
    ok!(part(op, q));
    part_below(op, x, dim, keepdim, interpolation)
}

/// As [`quantile`], with a first axis for several parts.
pub const fn quantiles(
    op: &'static str,
    x: Shape,
    q: &[f64],
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
) -> Result<Shape, ShapeError> {
    if q.is_empty() {
        return Err(ShapeError::Attribute { op, rule: "`q` is one number or several" });
    }
    let mut place = 0;
    while place < q.len() {
        ok!(part(op, q[place]));
        place += 1;
    }
    insert(op, ok!(part_below(op, x, dim, keepdim, interpolation)), 0, q.len())
}

/// As [`quantile`] of a number in a tensor, or as [`quantiles`] of a vector.
pub const fn quantile_by(
    op: &'static str,
    x: Shape,
    q: Shape,
    dim: Option<isize>,
    keepdim: bool,
    interpolation: &str,
) -> Result<Shape, ShapeError> {
    let shape = ok!(part_below(op, x, dim, keepdim, interpolation));
    match q.rank() {
        0 => Ok(shape),
        1 => insert(op, shape, 0, q.dim(0)),
        _ => Err(ShapeError::Rank { op, expected: 1, found: q }),
    }
}

/// Variables are rows, observations columns; weights are one for each observation.
pub const fn cov(
    op: &'static str,
    x: Shape,
    correction: f64,
    fweights: Option<Shape>,
    aweights: Option<Shape>,
) -> Result<Shape, ShapeError> {
    ok!(rules::finite("correction", correction));
    if x.rank() > 2 {
        return Err(ShapeError::InputRank { least: 0, most: 2, found: x });
    }
    if x.rank() == 2 && extent::is_free(x.dim(ok!(known_axis(op, x, 0)))) {
        let rule =
            "and one variable gives a number, several a matrix: variables are the rows, observations the columns";
        return Err(ShapeError::Free { op, extent: x.dim(0), rule });
    }
    let count = if x.rank() == 0 { 1 } else { x.dim(x.rank() - 1) };
    let (weights, mut place) = ([fweights, aweights], 0);
    while place < 2 {
        if let Some(found) = weights[place] {
            let expected = Shape::new(&[count]);
            if !(found.same(&expected) || count == 1 && found.rank() == 0) {
                let what = if place == 0 { "`fweights`" } else { "`aweights`" };
                return Err(ShapeError::Expected { what, expected, found });
            }
        }
        place += 1;
    }
    // One variable gives a number, as in PyTorch.
    if x.rank() == 2 && x.dim(0) != 1 { Ok(x.with(1, x.dim(0))) } else { Ok(Shape::SCALAR) }
}

/// As [`cov`], without weights.
pub const fn corrcoef(op: &'static str, x: Shape) -> Result<Shape, ShapeError> {
    cov(op, x, 1.0, None, None)
}

/// Neighbours along an axis.
const fn neighbours(op: &'static str, y: Shape, dim: isize) -> Result<Shape, ShapeError> {
    let axis = ok!(known_axis(op, y, dim));
    if y.dim(axis) == 1 {
        return Err(ShapeError::Attribute { op, rule: "there are at least two numbers along the axis" });
    }
    Ok(y.with(axis, ok!(rules::difference(op, y.dim(axis), 1))))
}

/// That the places of numbers along an axis are a vector, or as many as the numbers.
const fn at_places(op: &'static str, y: Shape, x: Shape, dim: isize) -> Result<(), ShapeError> {
    let axis = ok!(known_axis(op, y, dim));
    let fits = match x.rank() {
        1 => x.dim(0) == y.dim(axis),
        _ => x.rank() == y.rank() && x.dim(axis) == y.dim(axis) && ok!(rules::broadcast(op, y, x)).same(&y),
    };
    if fits { Ok(()) } else { Err(ShapeError::Mismatch { op, left: y, right: x }) }
}

/// Areas of numbers as far apart as others.
pub const fn cumulative_trapezoid(op: &'static str, y: Shape, dx: f64, dim: isize) -> Result<Shape, ShapeError> {
    let _ = dx;
    neighbours(op, y, dim)
}

/// Areas of numbers at places.
pub const fn cumulative_trapezoid_over(op: &'static str, y: Shape, x: Shape, dim: isize) -> Result<Shape, ShapeError> {
    ok!(at_places(op, y, x, dim));
    neighbours(op, y, dim)
}

/// The area of numbers as far apart as others.
pub const fn trapezoid(op: &'static str, y: Shape, dx: f64, dim: isize) -> Result<Shape, ShapeError> {
    reduce(op, ok!(cumulative_trapezoid(op, y, dx, dim)), Some(&[dim]), false)
}

/// The area of numbers at places.
pub const fn trapezoid_over(op: &'static str, y: Shape, x: Shape, dim: isize) -> Result<Shape, ShapeError> {
    reduce(op, ok!(cumulative_trapezoid_over(op, y, x, dim)), Some(&[dim]), false)
}
