//! The shape rules of functions that put elements into another order, and of distances between vectors.

use super::{Shape, ShapeError, reduce, rules};
use crate::op::{MAX_SPATIAL, Sliding, Window};

/// A number for each of two axes, of a list that has one for both or one for each.
pub const fn pair(op: &'static str, given: &[usize]) -> Result<[usize; 2], ShapeError> {
    match given {
        [both] => Ok([*both, *both]),
        [rows, columns] => Ok([*rows, *columns]),
        _ => Err(ShapeError::Attribute { op, rule: "a list takes one number, or one for each spatial axis" }),
    }
}

/// The window of `unfold` and `fold`.
pub const fn sliding_window(
    op: &'static str,
    kernel_size: &[usize],
    dilation: &[usize],
    padding: &[usize],
    stride: &[usize],
) -> Result<Window, ShapeError> {
    let (kernel, dilation) = (ok!(pair(op, kernel_size)), ok!(pair(op, dilation)));
    let (padding, stride) = (ok!(pair(op, padding)), ok!(pair(op, stride)));
    let mut window = Window { kernel: [1; MAX_SPATIAL], sliding: Sliding::unit(2), ceil: false };
    let mut axis = 0;
    while axis < 2 {
        window.kernel[axis] = kernel[axis];
        window.sliding.dilation[axis] = dilation[axis];
        window.sliding.padding[axis] = (padding[axis], padding[axis]);
        window.sliding.stride[axis] = stride[axis];
        axis += 1;
    }
    Ok(window)
}

/// Windows as columns; see [`rules::unfold`].
pub const fn unfold(
    op: &'static str,
    x: Shape,
    kernel_size: &[usize],
    dilation: &[usize],
    padding: &[usize],
    stride: &[usize],
) -> Result<Shape, ShapeError> {
    rules::unfold(op, x, &ok!(sliding_window(op, kernel_size, dilation, padding, stride)))
}

/// Columns as windows; see [`rules::fold`].
pub const fn fold(
    op: &'static str,
    x: Shape,
    output_size: &[usize],
    kernel_size: &[usize],
    dilation: &[usize],
    padding: &[usize],
    stride: &[usize],
) -> Result<Shape, ShapeError> {
    let window = ok!(sliding_window(op, kernel_size, dilation, padding, stride));
    rules::fold(op, x, ok!(pair(op, output_size)), &window)
}

/// Channels as pixels; see [`rules::pixel_shuffle`].
pub const fn pixel_shuffle(op: &'static str, x: Shape, upscale_factor: usize) -> Result<Shape, ShapeError> {
    rules::pixel_shuffle(op, x, upscale_factor)
}

/// Pixels as channels; see [`rules::pixel_unshuffle`].
pub const fn pixel_unshuffle(op: &'static str, x: Shape, downscale_factor: usize) -> Result<Shape, ShapeError> {
    rules::pixel_unshuffle(op, x, downscale_factor)
}

/// Channels in another order; see [`rules::channel_shuffle`].
pub const fn channel_shuffle(op: &'static str, x: Shape, groups: usize) -> Result<Shape, ShapeError> {
    rules::channel_shuffle(op, x, groups)
}

/// The cosines of the angles between vectors along an axis, which goes.
pub const fn cosine_similarity(
    op: &'static str,
    x1: Shape,
    x2: Shape,
    dim: isize,
    eps: f64,
) -> Result<Shape, ShapeError> {
    let both = ok!(rules::broadcast(op, x1, x2));
    let axis = ok!(rules::axis(op, dim, &both));
    if !(eps > 0.0 && eps.is_finite()) {
        return Err(ShapeError::Attribute { op, rule: "`eps` must be a finite number above 0" });
    }
    Ok(both.remove(axis))
}

/// The distances between vectors along the last axis, which goes unless `keepdim` holds.
pub const fn pairwise_distance(
    op: &'static str,
    x1: Shape,
    x2: Shape,
    p: f64,
    eps: f64,
    keepdim: bool,
) -> Result<Shape, ShapeError> {
    if p.is_nan() || !eps.is_finite() {
        return Err(ShapeError::Attribute { op, rule: "`p` must be a number, and `eps` a finite one" });
    }
    reduce(op, ok!(rules::broadcast(op, x1, x2)), Some(&[-1]), keepdim)
}

/// An axis as several; see [`rules::unflatten`].
pub const fn unflatten(op: &'static str, x: Shape, dim: isize, sizes: &[isize]) -> Result<Shape, ShapeError> {
    rules::unflatten(op, x, dim, sizes)
}
