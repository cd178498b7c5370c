//! Pooling as PyTorch's functions, with arguments for each axis. It knows nothing of what a window computes.

use super::{ruled, rules};
use crate::build::Value;
use crate::layers::adaptive_pool::{adaptive_avg_pool, adaptive_max_pool};
use crate::layers::pool::{Divisor, avg_pool, max_pool};
use crate::op::MAX_SPATIAL;

/// Declares the functions for a number of spatial axes.
macro_rules! pooling_functions {
    ($($spatial:literal, $max:ident, $avg:ident, $adaptive_max:ident, $adaptive_avg:ident;)*) => {$(
        #[doc = concat!("The maximum of each window over ", $spatial, " spatial axes; see [`max_pool`]. A list holds one \
                         number for all axes or one for each; the stride is the kernel where the list is empty.")]
        pub fn $max<'g>(
            x: Value<'g>,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            dilation: &[usize],
            ceil_mode: bool,
        ) -> Value<'g> {
            let op = stringify!($max);
            let rule = rules::$max(op, x.shape(), kernel_size, stride, padding, dilation, ceil_mode);
            ruled(x, rule, |_| {
                let window = rules::pooling(op, $spatial, kernel_size, stride, padding, dilation, ceil_mode);
                window.map_or(x, |window| max_pool(x, window))
            })
        }

        #[doc = concat!("The average of each window over ", $spatial, " spatial axes; see [`avg_pool`]. A list holds one \
                         number for all axes or one for each; the stride is the kernel where the list is empty.")]
        pub fn $avg<'g>(
            x: Value<'g>,
            kernel_size: &[usize],
            stride: &[usize],
            padding: &[usize],
            ceil_mode: bool,
            count_include_pad: bool,
            divisor_override: Option<usize>,
        ) -> Value<'g> {
            let op = stringify!($avg);
            let all = (ceil_mode, count_include_pad, divisor_override);
            let rule = rules::$avg(op, x.shape(), kernel_size, stride, padding, all.0, all.1, all.2);
            ruled(x, rule, |_| {
                let window = rules::pooling(op, $spatial, kernel_size, stride, padding, &[1], ceil_mode);
                window.map_or(x, |window| avg_pool(x, window, Divisor { count_include_pad, divisor_override }))
            })
        }

        #[doc = concat!("The maximum of each cell of a grid over ", $spatial, " spatial axes; see [`adaptive_max_pool`].")]
        pub fn $adaptive_max<'g>(x: Value<'g>, output_size: &[usize]) -> Value<'g> {
            let rule = rules::$adaptive_max(stringify!($adaptive_max), x.shape(), output_size);
            ruled(x, rule, |_| adaptive_max_pool(x, &cells(output_size)[..$spatial]).0)
        }

        #[doc = concat!("The average of each cell of a grid over ", $spatial, " spatial axes; see [`adaptive_avg_pool`].")]
        pub fn $adaptive_avg<'g>(x: Value<'g>, output_size: &[usize]) -> Value<'g> {
            let rule = rules::$adaptive_avg(stringify!($adaptive_avg), x.shape(), output_size);
            ruled(x, rule, |_| adaptive_avg_pool(x, &cells(output_size)[..$spatial]))
        }
    )*};
}

/// A number of cells for each axis, of a list that has one for all or one for each.
fn cells(output_size: &[usize]) -> [Option<usize>; MAX_SPATIAL] {
    std::array::from_fn(|axis| output_size.get(axis.min(output_size.len() - 1)).copied())
}

pooling_functions! {
    1, max_pool1d, avg_pool1d, adaptive_max_pool1d, adaptive_avg_pool1d;
    2, max_pool2d, avg_pool2d, adaptive_max_pool2d, adaptive_avg_pool2d;
    3, max_pool3d, avg_pool3d, adaptive_max_pool3d, adaptive_avg_pool3d;
}
