//! The shape rules of pooling that tells where its maxima are, and of the way back.

use super::Types;
use crate::op::{MAX_SPATIAL, Sliding, Window};
use crate::shape::{DType, Shape, ShapeError, Type, rules};

/// A number for each spatial axis, of a list that has one for all or one for each.
pub(super) const fn per_axis(
    op: &'static str,
    spatial: usize,
    given: &[usize],
    fill: usize,
) -> Result<[usize; MAX_SPATIAL], ShapeError> {
    if given.len() != 1 && given.len() != spatial {
        return Err(ShapeError::Attribute { op, rule: "a list takes one number, or one for each spatial axis" });
    }
    let mut all = [fill; MAX_SPATIAL];
    let mut axis = 0;
    while axis < spatial {
        all[axis] = given[if given.len() == 1 { 0 } else { axis }];
        axis += 1;
    }
    Ok(all)
}

/// The window of a pooling over so many spatial axes, of lists that have one number for all axes or one for each; the
/// stride is the kernel where its list is empty.
pub const fn pooling(
    op: &'static str,
    spatial: usize,
    kernel_size: &[usize],
    stride: &[usize],
    padding: &[usize],
    dilation: &[usize],
    ceil: bool,
) -> Result<Window, ShapeError> {
    let kernel = ok!(per_axis(op, spatial, kernel_size, 1));
    let stride = if stride.is_empty() { kernel } else { ok!(per_axis(op, spatial, stride, 1)) };
    let (padding, dilation) = (ok!(per_axis(op, spatial, padding, 0)), ok!(per_axis(op, spatial, dilation, 1)));
    let padding = [(padding[0], padding[0]), (padding[1], padding[1]), (padding[2], padding[2])];
    Ok(Window { kernel, sliding: Sliding { spatial, stride, padding, dilation }, ceil })
}

/// One sample as a batch of one.
const fn batch(x: Shape, spatial: usize) -> Shape {
    if x.rank() == spatial + 1 { x.insert(0, 1) } else { x }
}

/// What is made of [`batch`] without the axis that it has added.
const fn as_given(x: Shape, spatial: usize, made: Result<Shape, ShapeError>) -> Result<Shape, ShapeError> {
    if x.rank() == spatial + 1 { Ok(ok!(made).remove(0)) } else { made }
}

/// A shape and that of the places in it.
const fn with_places(x: Type, shape: Shape) -> Types {
    Types::none().and(Type::new(x.dtype, shape)).and(Type::new(DType::I32, shape))
}

/// Declares the rules for a number of spatial axes.
macro_rules! pooling_rules {
    ($($spatial:literal, $pool:ident, $adaptive:ident, $unpool:ident;)*) => {$(
        #[doc = concat!("The maxima of windows over ", $spatial, " spatial axes, and their places.")]
        pub const fn $pool(
            op: &'static str,
            x: Type,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            dilation: &[usize],
            ceil_mode: bool,
        ) -> Result<Types, ShapeError> {
            let window = ok!(pooling(op, $spatial, kernel_size, stride, padding, dilation, ceil_mode));
            let pooled = rules::pool(op, batch(x.shape, $spatial), &window);
            Ok(with_places(x, ok!(as_given(x.shape, $spatial, pooled))))
        }

        #[doc = concat!("The maxima of cells over ", $spatial, " spatial axes, and their places.")]
        pub const fn $adaptive(op: &'static str, x: Type, output_size: &[usize]) -> Result<Types, ShapeError> {
            let cells = ok!(per_axis(op, $spatial, output_size, 1));
            let cells = [Some(cells[0]), Some(cells[1]), Some(cells[2])];
            let pooled = rules::adaptive_pool(op, batch(x.shape, $spatial), cells.split_at($spatial).0);
            Ok(with_places(x, ok!(as_given(x.shape, $spatial, pooled))))
        }

        #[doc = concat!("Values at their places over ", $spatial, " spatial axes; see [`rules::unpool`].")]
        pub const fn $unpool(
            op: &'static str,
            x: Shape,
            indices: Shape,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            output_size: &[usize],
        ) -> Result<Shape, ShapeError> {
            let window = ok!(pooling(op, $spatial, kernel_size, stride, padding, &[1], false));
            rules::unpool(op, x, indices, &window, if output_size.is_empty() { None } else { Some(output_size) })
        }
    )*};
}

pooling_rules! {
    1, max_pool1d_with_indices, adaptive_max_pool1d_with_indices, max_unpool1d;
    2, max_pool2d_with_indices, adaptive_max_pool2d_with_indices, max_unpool2d;
    3, max_pool3d_with_indices, adaptive_max_pool3d_with_indices, max_unpool3d;
}

/// Declares the rules of pooling that tells no places for a number of spatial axes.
macro_rules! plain_pooling_rules {
    ($($spatial:literal, $max:ident, $avg:ident, $adaptive_max:ident, $adaptive_avg:ident;)*) => {$(
        #[doc = concat!("The maxima of windows over ", $spatial, " spatial axes.")]
        pub const fn $max(
            op: &'static str,
            x: Shape,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            dilation: &[usize],
            ceil_mode: bool,
        ) -> Result<Shape, ShapeError> {
            let window = ok!(pooling(op, $spatial, kernel_size, stride, padding, dilation, ceil_mode));
            as_given(x, $spatial, rules::pool(op, batch(x, $spatial), &window))
        }

        #[doc = concat!("The averages of windows over ", $spatial, " spatial axes.")]
        #[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
        pub const fn $avg(
            op: &'static str,
            x: Shape,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            ceil_mode: bool,
            count_include_pad: bool,
            divisor_override: Option<usize>,
        ) -> Result<Shape, ShapeError> {
            let _ = count_include_pad;
            ok!(rules::divisor(divisor_override));
            let window = ok!(pooling(op, $spatial, kernel_size, stride, padding, &[1], ceil_mode));
            as_given(x, $spatial, rules::pool(op, batch(x, $spatial), &window))
        }

        #[doc = concat!("The maxima of cells over ", $spatial, " spatial axes.")]
        pub const fn $adaptive_max(op: &'static str, x: Shape, output_size: &[usize]) -> Result<Shape, ShapeError> {
            let cells = ok!(per_axis(op, $spatial, output_size, 1));
            let cells = [Some(cells[0]), Some(cells[1]), Some(cells[2])];
            as_given(x, $spatial, rules::adaptive_pool(op, batch(x, $spatial), cells.split_at($spatial).0))
        }

        #[doc = concat!("The averages of cells over ", $spatial, " spatial axes.")]
        pub const fn $adaptive_avg(op: &'static str, x: Shape, output_size: &[usize]) -> Result<Shape, ShapeError> {
            $adaptive_max(op, x, output_size)
        }
    )*};
}

plain_pooling_rules! {
    1, max_pool1d, avg_pool1d, adaptive_max_pool1d, adaptive_avg_pool1d;
    2, max_pool2d, avg_pool2d, adaptive_max_pool2d, adaptive_avg_pool2d;
    3, max_pool3d, avg_pool3d, adaptive_max_pool3d, adaptive_avg_pool3d;
}
