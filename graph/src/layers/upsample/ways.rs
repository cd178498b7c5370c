//! The ways in which upsampling finds elements: repeated, gathered, spread by a kernel, shares of all. What a user may
//! write, and which settings go together, is `upsample.rs`'s to know.

use super::super::adaptive_pool::adaptive_avg_pool;
use super::super::resample::{along, at, before_axes, channels_first, channels_last};
use super::{UpsampleMode, UpsampleSettings};
use crate::build::Value;
use crate::op::{Convolution, MAX_SPATIAL, Op, Sliding};
use crate::shape::{DType, Shape};

/// `x [N, C, spatial..]` with other spatial extents. See [`Upsample`](super::Upsample).
pub fn upsample<'g>(x: Value<'g>, settings: &UpsampleSettings) -> Value<'g> {
    let output = match settings.shape(x.shape()) {
        Ok(output) => output,
        Err(error) => {
            x.graph().fail(error.into());
            return x;
        }
    };
    let y = resized(x, output, settings);
    if settings.antialias {
        return y;
    }
    y.known_as(settings.whole(output.rank() - 2), &[Some(x)])
}

/// [`upsample`] to a shape.
fn resized<'g>(x: Value<'g>, output: Shape, settings: &UpsampleSettings) -> Value<'g> {
    let extents = |axis: usize| (x.shape().dim(axis + 2), output.dim(axis + 2));
    let spatial = output.rank() - 2;
    let ratios: Vec<f64> = (0..spatial).map(|axis| settings.ratio(axis, extents(axis).0, extents(axis).1)).collect();
    let corners = settings.align_corners == Some(true);
    // Whole factors along all axes, by which every element of the input is treated the same.
    let factors: Option<Vec<usize>> = (0..spatial)
        .map(|axis| {
            let (input, output) = extents(axis);
            let factor = output / input;
            (!corners && factor * input == output && ratios[axis] == 1.0 / factor as f64).then_some(factor)
        })
        .collect();
    use UpsampleMode::{Area, Bicubic, Bilinear, Linear, Nearest, NearestExact, Trilinear};
    match (factors, settings.mode) {
        (_, Area) => {
            let cells: Vec<Option<usize>> = (0..spatial).map(|axis| Some(extents(axis).1)).collect();
            adaptive_avg_pool(x, &cells)
        }
        (Some(factors), _) if factors.iter().all(|&factor| factor == 1) => x,
        (Some(factors), Nearest | NearestExact) => repeat(x, &factors),
        (Some(factors), Linear | Bilinear | Trilinear) => spread(x, output, &factors),
        (_, mode) => {
            let pick = |y: Value<'g>, axis: usize| {
                let ((input, output), ratio) = (extents(axis), ratios[axis]);
                if input == output && ratio == 1.0 {
                    return y;
                }
                let place = x.graph().iota([output], 0).convert(DType::F32);
                let position = || if corners { place * ratio } else { (place + 0.5) * ratio - 0.5 };
                match mode {
                    Nearest => at(y, axis + 1, (place * ratio).floor()),
                    NearestExact => at(y, axis + 1, ((place + 0.5) * ratio).floor()),
                    Bicubic if settings.antialias => along(y, axis + 1, shares(place, input, ratio, 2.0, keys)),
                    _ if settings.antialias => along(y, axis + 1, shares(place, input, ratio, 1.0, triangle)),
                    Bicubic => between_four(y, axis + 1, position()),
                    _ => between(y, axis + 1, position()),
                }
            };
            // With the channels last, all lanes of a vector read at one index.
            channels_first((0..spatial).rev().fold(channels_last(x), pick))
        }
    }
}

/// Each element as a block of so many elements along each spatial axis.
fn repeat<'g>(x: Value<'g>, factors: &[usize]) -> Value<'g> {
    let x = channels_last(x);
    let (mut single, mut block, mut merged) = (vec![x.shape().dim(0)], vec![x.shape().dim(0)], vec![x.shape().dim(0)]);
    for (&extent, &factor) in x.shape().dims()[1..].iter().zip(factors.iter().chain([&1])) {
        single.extend([extent, 1]);
        block.extend([extent, factor]);
        merged.push(extent * factor);
    }
    // Behind the channels there is no axis to repeat.
    let _ = (single.pop(), block.pop());
    channels_first(x.reshape(&single[..]).broadcast_to(&block[..]).reshape(&merged[..]))
}

/// Linear interpolation by whole factors: element `j` of the input adds to element `i` of the output the share
/// `max(0, 1 - |(i + 1/2) / s - 1/2 - j|)`, which depends on `i - s j` alone: the transposed convolution of each channel
/// with a triangle. (Gathers take three times as long, products with a matrix of the shares ten times.)
///
/// At the borders the shares do not add up to 1; there PyTorch gives the rest to the nearest element, so that it comes to a
/// division by their sum.
fn spread<'g>(x: Value<'g>, output: Shape, factors: &[usize]) -> Value<'g> {
    let g = x.graph();
    let channels = output.dim(1);
    let mut sliding = Sliding::unit(factors.len());
    let mut extents = [1; MAX_SPATIAL];
    let (mut triangle, mut sums) = (g.scalar(1.0), g.scalar(1.0));
    for (axis, &factor) in factors.iter().enumerate() {
        let half = factor / 2;
        sliding.stride[axis] = factor;
        sliding.padding[axis] = (half, half);
        extents[axis] = output.dim(axis + 2);
        let along = |extent: usize| before_axes(g.iota([extent], 0).convert(DType::F32), factors.len() - axis - 1);
        let scale = 1.0 / factor as f64;
        let taps = 2 * factor - factor % 2;
        triangle = triangle * (1.0 - ((along(taps) - (taps - 1) as f64 / 2.0) * scale).abs());
        let position = (along(extents[axis]) + 0.5) * scale - 0.5;
        let outside = (-position).maximum(position - (x.shape().dim(axis + 2) - 1) as f64).maximum(0.0);
        sums = sums * (1.0 - outside);
    }
    let kernel = triangle.shape().insert(0, 1).insert(0, channels);
    let conv = Convolution { sliding, groups: channels };
    g.apply(Op::ConvGradInput { conv: conv.into(), input: extents }, &[x, triangle.broadcast_to(kernel)]) / sums
}

/// The interpolations at positions along an axis, of which those outside are moved to the border.
fn between<'g>(x: Value<'g>, axis: usize, positions: Value<'g>) -> Value<'g> {
    let positions = positions.clamp(0.0, (x.shape().dim(axis) - 1) as f64);
    let before = positions.floor();
    let share = before_axes(positions - before, x.shape().rank() - axis - 1);
    at(x, axis, before) * (1.0 - share) + at(x, axis, before + 1.0) * share
}

/// The interpolations of degree 3 at positions along an axis; elements outside are those of the border.
fn between_four<'g>(x: Value<'g>, axis: usize, positions: Value<'g>) -> Value<'g> {
    let before = positions.floor();
    let axes_behind = x.shape().rank() - axis - 1;
    let tap = |offset: i32| {
        let distance = (positions - before - f64::from(offset)).abs();
        at(x, axis, before + f64::from(offset)) * before_axes(cubic(distance, -0.75), axes_behind)
    };
    tap(-1) + tap(0) + tap(1) + tap(2)
}

/// Keys' polynomial, at distances of at least 0; 0 from 2 on.
fn cubic(distance: Value<'_>, a: f64) -> Value<'_> {
    let x = distance;
    let near = (x * (a + 2.0) - (a + 3.0)) * x * x + 1.0;
    let far = ((x * a - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    x.lt(1.0).select(near, x.lt(2.0).select(far, 0.0))
}

/// Keys' polynomial as Pillow has it.
fn keys(distance: Value<'_>) -> Value<'_> {
    cubic(distance, -0.5)
}

fn triangle(distance: Value<'_>) -> Value<'_> {
    let falling: Value<'_> = 1.0 - distance;
    falling.maximum(0.0)
}

/// `[out, in]`: the share of each of `input` elements in the results at `places`, which lie `ratio` elements apart: a
/// filter of their distance, which is stretched where results are fewer than elements. They add up to 1.
fn shares<'g>(
    places: Value<'g>,
    input: usize,
    ratio: f64,
    reach: f64,
    filter: fn(Value<'g>) -> Value<'g>,
) -> Value<'g> {
    let middle = (places.unsqueeze(1) + 0.5) * ratio;
    let element = places.graph().iota([1, input], 1).convert(DType::F32);
    let distance = ((element + 0.5 - middle) * (1.0 / ratio.max(1.0))).abs();
    // Beyond its reach no rounding makes a share of nothing.
    let weights = distance.lt(reach).select(filter(distance), 0.0);
    weights / weights.sum_keep(1)
}
