//! The shape rules of layers that put elements into another order: shuffles of channels and pixels, parts of an axis as
//! axes, windows as columns and back. Where an element goes is not known here.

use super::{axis, number, product as times, quotient, window_extent};
use crate::op::Window;
use crate::shape::{MAX_RANK, Shape, ShapeError, extent as extents};

/// The axis of the channels of `[.., C, H, W]`, whose extent is known.
const fn channels_of_pixels(op: &'static str, input: Shape) -> Result<usize, ShapeError> {
    if input.rank() < 3 {
        return Err(ShapeError::InputRank { least: 3, most: MAX_RANK, found: input });
    }
    let channels = input.rank() - 3;
    if input.dim(channels) == Shape::N {
        return Err(ShapeError::Batch { op, shape: input });
    }
    Ok(channels)
}

/// `[.., C factor^2, H, W]` becomes `[.., C, H factor, W factor]`.
pub const fn pixel_shuffle(op: &'static str, input: Shape, factor: usize) -> Result<Shape, ShapeError> {
    let channels = ok!(channels_of_pixels(op, input));
    if factor == 0 {
        return Err(ShapeError::Setting { setting: "upscale_factor", rule: "must be at least 1" });
    }
    let block = factor.saturating_mul(factor);
    let (fewer, true) = ok!(quotient(op, input.dim(channels), block)) else {
        let rule = "the square of `upscale_factor` must divide the channels";
        return Err(ShapeError::Extent { op, rule, given: Some(block as isize), axis: channels, shape: input });
    };
    let rows = ok!(times(op, input.dim(channels + 1), factor));
    let columns = ok!(times(op, input.dim(channels + 2), factor));
    Ok(input.with(channels, fewer).with(channels + 1, rows).with(channels + 2, columns))
}

/// `[.., C, H factor, W factor]` becomes `[.., C factor^2, H, W]`.
pub const fn pixel_unshuffle(op: &'static str, input: Shape, factor: usize) -> Result<Shape, ShapeError> {
    let channels = ok!(channels_of_pixels(op, input));
    if factor == 0 {
        return Err(ShapeError::Setting { setting: "downscale_factor", rule: "must be at least 1" });
    }
    let rows = ok!(quotient(op, input.dim(channels + 1), factor));
    let columns = ok!(quotient(op, input.dim(channels + 2), factor));
    let ((rows, true), (columns, true)) = (rows, columns) else {
        let rule = "`downscale_factor` must divide the rows and the columns";
        let axis = if rows.1 { channels + 2 } else { channels + 1 };
        return Err(ShapeError::Extent { op, rule, given: Some(factor as isize), axis, shape: input });
    };
    let more = ok!(times(op, input.dim(channels), factor.saturating_mul(factor)));
    Ok(input.with(channels, more).with(channels + 1, rows).with(channels + 2, columns))
}

/// `[N, C, ..]` stays as it is; the groups divide the channels.
pub const fn channel_shuffle(op: &'static str, input: Shape, groups: usize) -> Result<Shape, ShapeError> {
    if input.rank() < 3 {
        return Err(ShapeError::InputRank { least: 3, most: MAX_RANK, found: input });
    }
    if groups == 0 {
        return Err(ShapeError::Setting { setting: "groups", rule: "must be at least 1" });
    }
    if input.dim(1) == Shape::N {
        return Err(ShapeError::Batch { op, shape: input });
    }
    if !ok!(number(op, input.dim(1))).is_multiple_of(groups) {
        return Err(ShapeError::Groups { groups, channels: input.dim(1), side: "input" });
    }
    Ok(input)
}

/// Whether a part is what is left.
const fn has_open(sizes: &[isize]) -> bool {
    let mut part = 0;
    while part < sizes.len() && sizes[part] != -1 {
        part += 1;
    }
    part < sizes.len()
}

/// An axis becomes several, whose extents multiply to its own; one of them may be -1, which is what is left.
pub const fn unflatten(op: &'static str, input: Shape, dim: isize, sizes: &[isize]) -> Result<Shape, ShapeError> {
    const RULE: &str = "the parts of the axis must multiply to its extent";
    let at = ok!(axis(op, dim, &input));
    let extent = input.dim(at);
    if extent == Shape::N {
        return Err(ShapeError::Batch { op, shape: input });
    }
    if sizes.is_empty() {
        return Err(ShapeError::Attribute { op, rule: "there must be at least one part" });
    }
    if input.rank() + sizes.len() - 1 > MAX_RANK {
        return Err(ShapeError::TooManyAxes { op, found: input.rank() + sizes.len() - 1 });
    }
    let (mut known, mut open, mut part) = (1usize, false, 0);
    while part < sizes.len() {
        match sizes[part] {
            -1 if open => return Err(ShapeError::Attribute { op, rule: "at most one part may be -1" }),
            -1 => open = true,
            size if extents::is_free(size as usize) => {
                let rule = if has_open(sizes) {
                    "and can not be a part of an axis beside -1: a `view` names all axes, as in `x.view(N, T, 64)`"
                } else {
                    "and can not be a part of an axis: write -1 for it, or a `reshape`"
                };
                return Err(ShapeError::Free { op, extent: size as usize, rule });
            }
            size if size < 1 => return Err(ShapeError::Attribute { op, rule: "each part must be at least 1, or -1" }),
            size => known = known.saturating_mul(size as usize),
        }
        part += 1;
    }
    let (rest, true) = ok!(quotient(op, extent, known)) else {
        return Err(ShapeError::Extent { op, rule: RULE, given: Some(known as isize), axis: at, shape: input });
    };
    if !open && rest != 1 {
        return Err(ShapeError::Extent { op, rule: RULE, given: Some(known as isize), axis: at, shape: input });
    }
    let mut output = input.remove(at);
    let mut part = 0;
    while part < sizes.len() {
        let size = if sizes[part] == -1 { rest } else { sizes[part] as usize };
        output = output.insert(at + part, size);
        part += 1;
    }
    Ok(output)
}

/// The number of windows over an image.
const fn windows(op: &'static str, rows: usize, columns: usize, window: &Window) -> Result<usize, ShapeError> {
    let (down, right) = (ok!(window_extent(op, 0, rows, window)), ok!(window_extent(op, 1, columns, window)));
    times(op, down, right)
}

/// `[N, C, H, W]` (or `[C, H, W]`) becomes `[N, C kernel.., windows]`.
pub const fn unfold(op: &'static str, input: Shape, window: &Window) -> Result<Shape, ShapeError> {
    let rank = input.rank();
    if rank != 3 && rank != 4 {
        return Err(ShapeError::InputRank { least: 3, most: 4, found: input });
    }
    let channels = ok!(channels_of_pixels(op, input));
    let windows = ok!(windows(op, input.dim(rank - 2), input.dim(rank - 1), window));
    let elements = ok!(times(op, window.kernel[0], window.kernel[1]));
    let columns = ok!(times(op, input.dim(channels), elements));
    Ok(input.remove(rank - 1).with(channels, columns).with(channels + 1, windows))
}

/// `[N, C kernel.., windows]` (or a sample) becomes `[N, C, output..]`.
pub const fn fold(op: &'static str, input: Shape, output: [usize; 2], window: &Window) -> Result<Shape, ShapeError> {
    let rank = input.rank();
    if rank != 2 && rank != 3 {
        return Err(ShapeError::InputRank { least: 2, most: 3, found: input });
    }
    if input.dim(rank - 2) == Shape::N {
        return Err(ShapeError::Batch { op, shape: input });
    }
    let windows = ok!(windows(op, output[0], output[1], window));
    if input.dim(rank - 1) != windows {
        return Err(ShapeError::Expected { what: "input", expected: input.with(rank - 1, windows), found: input });
    }
    let elements = ok!(times(op, window.kernel[0], window.kernel[1]));
    if elements == 0 || !ok!(number(op, input.dim(rank - 2))).is_multiple_of(elements) {
        return Err(ShapeError::Attribute { op, rule: "the elements of a window must divide the rows of the input" });
    }
    let image = input.with(rank - 2, input.dim(rank - 2) / elements).with(rank - 1, output[0]);
    Ok(image.insert(rank, output[1]))
}
