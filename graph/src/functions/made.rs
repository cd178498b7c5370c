//! Tensors that are made: of places, of evenly spaced numbers, of random ones. It knows what stands in them, and nothing
//! of what they are for.

use super::ruled;
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::shape::functions as rules;
use crate::shape::{DType, Shape};

/// The whole numbers (i32) from `start` to before `end` in steps of `step`, which may be negative.
pub fn arange(g: &Builder, start: isize, end: isize, step: isize) -> Value<'_> {
    match rules::arange("arange", start, end, step) {
        Ok(shape) => g.iota(shape, 0) * (step as i32) + start as i32,
        Err(error) => {
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
