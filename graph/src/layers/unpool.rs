//! The way back from maximum pooling: values at the places where the maxima were; and the pooling that tells these
//! places, as PyTorch's functions with arguments for each axis. Which pool has told the places is not asked.

use super::adaptive_pool::adaptive_max_pool;
use super::pool::max_pool_with_indices;
use crate::build::Value;
use crate::op::{Op, Window};
use crate::shape::functions as forms;
use crate::shape::{DType, ShapeError, rules};

/// Each of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`) at its place in an image of zeros, which
/// [`max_pool_with_indices`] tells: a row-major index (i32, of the shape of `x`) into the spatial extents of `output`.
///
/// Where windows overlap several values may have one place, which then holds their mean: that of equal values, which a
/// maximum leaves in all windows that have it, is their value. (PyTorch keeps one of them, and does not say which.) An
/// index outside is clamped.
pub fn max_unpool<'g>(x: Value<'g>, indices: Value<'g>, window: Window, output: Option<&[usize]>) -> Value<'g> {
    let g = x.graph();
    let shape = match rules::unpool("max_unpool", x.shape(), indices.shape(), &window, output) {
        Ok(shape) => shape,
        Err(error) => {
            g.fail(error.into());
            return x;
        }
    };
    let spatial = shape.rank() - window.sliding.spatial..shape.rank();
    let planes: Vec<usize> = shape.dims()[..spatial.start].to_vec();
    let (places, extent) = (x.shape().dims()[spatial.clone()].iter().product(), shape.dims()[spatial].iter().product());
    let flat = [&planes[..], &[places]].concat();
    let indices = indices.reshape(&flat[..]);
    let scatter = |values: Value<'g>| g.apply(Op::ScatterAdd { axis: planes.len(), extent }, &[indices, values]);
    let mut y = scatter(x.reshape(&flat[..]));
    let overlap = (0..window.sliding.spatial).any(|axis| window.sliding.stride[axis] < window.kernel[axis]);
    if overlap {
        y = y / scatter(g.scalar(1.0).broadcast_to(&flat[..])).maximum(1.0);
    }
    y.reshape(shape)
}

/// The window of a pooling whose arguments a `forward` gives: one number for all axes, or one for each.
fn window(x: Value<'_>, window: Result<Window, ShapeError>) -> Option<Window> {
    window.map_err(|error| x.graph().fail(error.into())).ok()
}

/// Declares the functions for a number of spatial axes.
macro_rules! with_indices {
    ($($spatial:literal, $pool:ident, $pool_name:literal, $adaptive:ident, $unpool:ident, $unpool_name:literal;)*) =>
    {$(
        #[doc = concat!("The maximum of each window over ", $spatial, " spatial axes, and its row-major place in the \
                         image (i32): PyTorch's `", $pool_name, "`. A list holds one number for all axes or one for \
                         each; the stride is the kernel where the list is empty.")]
        pub fn $pool<'g>(
            x: Value<'g>,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            dilation: &[usize],
            ceil_mode: bool,
        ) -> Vec<Value<'g>> {
            let given = forms::pooling($pool_name, $spatial, kernel_size, stride, padding, dilation, ceil_mode);
            let Some(window) = window(x, given) else { return vec![x, x.convert(DType::I32)] };
            let (values, places) = max_pool_with_indices(x, window);
            vec![values, places]
        }

        #[doc = concat!("The maximum of each cell of a grid over ", $spatial, " spatial axes, and its row-major \
                         place in the image (i32); see [`adaptive_max_pool`].")]
        pub fn $adaptive<'g>(x: Value<'g>, output_size: &[usize]) -> Vec<Value<'g>> {
            let output: Vec<Option<usize>> = match *output_size {
                [all] => vec![Some(all); $spatial],
                _ => output_size.iter().copied().map(Some).collect(),
            };
            let (values, places) = adaptive_max_pool(x, &output);
            vec![values, places]
        }

        #[doc = concat!("[`max_unpool`] over ", $spatial, " spatial axes: PyTorch's `", $unpool_name, "`. A list holds \
                         one number for all axes or one for each; the stride is the kernel where the list is empty, \
                         and the result is as large as it need be where `output_size` is.")]
        pub fn $unpool<'g>(
            x: Value<'g>,
            indices: Value<'g>,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            output_size: &[usize],
        ) -> Value<'g> {
            let given = forms::pooling($unpool_name, $spatial, kernel_size, stride, padding, &[1], false);
            let Some(window) = window(x, given) else { return x };
            max_unpool(x, indices, window, (!output_size.is_empty()).then_some(output_size))
        }
    )*};
}

with_indices! {
    1, max_pool1d_with_indices, "max_pool1d_with_indices",
        adaptive_max_pool1d_with_indices, max_unpool1d, "max_unpool1d";
    2, max_pool2d_with_indices, "max_pool2d_with_indices",
        adaptive_max_pool2d_with_indices, max_unpool2d, "max_unpool2d";
    3, max_pool3d_with_indices, "max_pool3d_with_indices",
        adaptive_max_pool3d_with_indices, max_unpool3d, "max_unpool3d";
}
