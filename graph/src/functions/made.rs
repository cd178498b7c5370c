//! Tensors that are made: of places, of evenly spaced numbers, of random ones. It knows what stands in them, and
//! nothing of what they are for.

use super::ruled;
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::functions as rules;
use crate::shape::{DType, Shape, ShapeError};

/// The whole numbers (i32) from `start` to before `end` in steps of `step`, which may be negative.
pub fn arange(g: &Builder, start: isize, end: isize, step: isize) -> Value<'_> {
    match rules::arange("arange", start, end, step) {
        Ok(shape) if shape.dim(0) != Shape::N => g.iota(shape, 0) * (step as i32) + start as i32,
        ruled => {
            // In a graph the number of samples is known.
            let rule = "the numbers are i32";
            let error = ruled.err().unwrap_or(ShapeError::Attribute { op: "arange", rule });
            g.fail(error.into());
            g.poison(Type::i32(Shape::new(&[1])))
        }
    }
}

/// The whole numbers (i32) from 0 to before `end`.
pub fn arange_to(g: &Builder, end: isize) -> Value<'_> {
    arange(g, 0, end, 1)
}

/// `steps` f32 from `start` to `end`, both included, with equal distances.
pub fn linspace(g: &Builder, start: f64, end: f64, steps: usize) -> Value<'_> {
    match rules::linspace("linspace", start, end, steps) {
        Ok(shape) => {
            let steps = g.iota(shape, 0);
            let distance = (end - start) / (shape.dim(0).max(2) - 1) as f64;
            // From the nearer end, so that both are met exactly.
            let (last, half) = (shape.dim(0) as i32 - 1, shape.dim(0) as i32 / 2);
            let from_end = (last - steps).convert(DType::F32) * -distance + end;
            (steps.lt(half.max(1))).select(steps.convert(DType::F32) * distance + start, from_end)
        }
        Err(error) => {
            g.fail(error.into());
            g.poison(Type::f32(Shape::new(&[1])))
        }
    }
}

/// `steps` f32 from `base^start` to `base^end`, each the same multiple of the one before.
pub fn logspace(g: &Builder, start: f64, end: f64, steps: usize, base: f64) -> Value<'_> {
    made(g, rules::logspace("logspace", start, end, steps, base), Type::f32, |_| {
        g.scalar(base).pow(linspace(g, start, end, steps))
    })
}

/// f32 uniform in [0, 1) of the shape of `x`, [drawn](Builder::draw) anew by each run.
pub fn rand_like(x: Value<'_>) -> Value<'_> {
    x.graph().draw(x.shape())
}

/// f32 of a normal distribution (mean 0, variance 1) of the shape of `x`, [drawn](Builder::draw) anew by each run.
///
/// By Box and Muller: an angle, and a distance whose square is of an exponential distribution. Of 2^24 distances the
/// farthest is 5.8.
pub fn randn_like(x: Value<'_>) -> Value<'_> {
    let (chance, turn) = (rand_like(x), rand_like(x));
    // Of 1 - chance, which is never 0.
    let distance = ((-chance).log1p() * -2.0).sqrt();
    distance * (turn * std::f64::consts::TAU).cos()
}

/// 1 with the probability that stands in `x`, else 0, [drawn](Builder::draw) anew by each run. No gradient passes.
pub fn bernoulli(x: Value<'_>) -> Value<'_> {
    rand_like(x).lt(x).convert(DType::F32)
}

/// For each index (i32) a row of `num_classes` i32 that are 0, but for a 1 at its place: the last axis of the result.
pub fn one_hot(x: Value<'_>, num_classes: usize) -> Value<'_> {
    ruled(x, rules::one_hot("one_hot", x.shape(), num_classes), |shape| {
        let places = x.graph().iota(shape, shape.rank() - 1);
        places.eq(x.unsqueeze(-1)).convert(DType::I32)
    })
}

/// A matrix of `n` rows and columns with 1 on its diagonal and 0 elsewhere.
pub fn eye(g: &Builder, n: usize) -> Value<'_> {
    eye_of(g, n, n)
}

/// A matrix of `n` rows and `m` columns with 1 on its diagonal and 0 elsewhere.
pub fn eye_of(g: &Builder, n: usize, m: usize) -> Value<'_> {
    made(g, rules::eye_of("eye", n, m), Type::f32, |shape| g.iota(shape, 0).eq(g.iota(shape, 1)).convert(DType::F32))
}

/// What is built of the shape that a rule gives; with the error recorded, a stand-in where it gives none.
fn made<'g>(
    g: &'g Builder,
    rule: Result<Shape, ShapeError>,
    ty: fn(Shape) -> Type,
    build: impl FnOnce(Shape) -> Value<'g>,
) -> Value<'g> {
    rule.map(build).unwrap_or_else(|error| {
        g.fail(error.into());
        g.poison(ty(Shape::new(&[1])))
    })
}

/// f32 of which each is `fill_value`.
pub fn full<'g>(g: &'g Builder, size: &[usize], fill_value: f64) -> Value<'g> {
    made(g, rules::full("full", size, fill_value), Type::f32, |shape| g.full(shape, fill_value))
}

/// f32 zeros.
pub fn zeros<'g>(g: &'g Builder, size: &[usize]) -> Value<'g> {
    made(g, rules::filled("zeros", size), Type::f32, |shape| g.full(shape, 0.0))
}

/// f32 ones.
pub fn ones<'g>(g: &'g Builder, size: &[usize]) -> Value<'g> {
    made(g, rules::filled("ones", size), Type::f32, |shape| g.full(shape, 1.0))
}

/// As [`rand_like`], of a shape.
pub fn rand<'g>(g: &'g Builder, size: &[usize]) -> Value<'g> {
    made(g, rules::filled("rand", size), Type::f32, |shape| g.draw(shape))
}

/// As [`randn_like`], of a shape.
pub fn randn<'g>(g: &'g Builder, size: &[usize]) -> Value<'g> {
    randn_like(zeros(g, size))
}

/// The rows (first) and the columns of the elements on and above a diagonal of a matrix, row by row: i32 `[2, K]`.
pub fn triu_indices(g: &Builder, row: usize, col: usize, offset: isize) -> Value<'_> {
    made(g, rules::triu_indices("triu_indices", row, col, offset), Type::i32, |shape| {
        triangle(g, shape.dim(1), row, |row| {
            // What is left of a row behind the columns before its first.
            let first = (row + offset as i32).maximum(0).minimum(col as i32);
            (first, first * -1 + col as i32)
        })
    })
}

/// The rows (first) and the columns of the elements on and below a diagonal of a matrix, row by row: i32 `[2, K]`.
pub fn tril_indices(g: &Builder, row: usize, col: usize, offset: isize) -> Value<'_> {
    made(g, rules::tril_indices("tril_indices", row, col, offset), Type::i32, |shape| {
        triangle(g, shape.dim(1), row, |row| {
            (super::zeros_like(row), (row + (offset as i32).saturating_add(1)).maximum(0).minimum(col as i32))
        })
    })
}

/// The places of elements of which each row has so many from a column on.
fn triangle<'g>(
    g: &'g Builder,
    elements: usize,
    rows: usize,
    of_row: impl Fn(Value<'g>) -> (Value<'g>, Value<'g>),
) -> Value<'g> {
    let (first, count) = of_row(g.iota([rows], 0));
    // How many elements lie in the rows up to each one.
    let is_before = g.iota([rows, rows], 1).le(g.iota([rows, rows], 0));
    let ends = is_before.select(count, g.scalar_of(DType::I32, 0.0)).sum(1);
    let element = g.iota([elements], 0);
    let row = ends.le(element.unsqueeze(1)).convert(DType::I32).sum(1);
    let column = element - (ends - count - first).gather(0, row);
    g.concat(&[row.unsqueeze(0), column.unsqueeze(0)], 0)
}
