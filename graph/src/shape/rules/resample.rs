//! The shape rules of layers that arrive at their spatial extents otherwise than by a window that slides over the
//! input: transposed convolution, adaptive and fractional pooling, upsampling. From where an element is taken is not
//! known here.

use super::{difference, groups, number, product, sum, weight};
use crate::op::{Convolution, MAX_SPATIAL, Window};
use crate::shape::{MAX_EXTENT, Shape, ShapeError, extent as extents};

/// The extent of the result of a transposed convolution along one spatial axis:
/// `(extent - 1) * stride + dilation * (kernel - 1) + 1 - low - high + output_padding`.
pub const fn transposed_extent(
    axis: usize,
    extent: usize,
    kernel: usize,
    conv: &Convolution,
    output_padding: usize,
) -> Result<usize, ShapeError> {
    const OP: &str = "conv_transpose";
    let (stride, dilation) = (conv.sliding.stride[axis], conv.sliding.dilation[axis]);
    if kernel == 0 {
        return Err(ShapeError::Attribute { op: OP, rule: "the kernel must be at least 1" });
    }
    if stride == 0 {
        return Err(ShapeError::Attribute { op: OP, rule: "the stride must be at least 1" });
    }
    if dilation == 0 {
        return Err(ShapeError::Attribute { op: OP, rule: "the dilation must be at least 1" });
    }
    if output_padding >= stride && output_padding >= dilation {
        return Err(ShapeError::OutputPadding { output_padding, stride, dilation });
    }
    if extent == 0 {
        return Err(ShapeError::Attribute { op: OP, rule: "the image must not be empty" });
    }
    let span = (kernel - 1).saturating_mul(dilation).saturating_add(1);
    let padding = conv.sliding.padding[axis].0.saturating_add(conv.sliding.padding[axis].1);
    if extents::is_free(extent) {
        let full = ok!(product(OP, ok!(difference(OP, extent, 1)), stride));
        return difference(OP, full, padding as isize - span as isize - output_padding as isize);
    }
    let full = (extent - 1).saturating_mul(stride).saturating_add(span);
    let full = ok!(sum(OP, full, output_padding));
    if full <= padding {
        return Err(ShapeError::NothingLeft { axis, extent: full, padding });
    }
    Ok(full - padding)
}

/// `[N, in_channels, spatial..]` becomes `[N, out_channels, spatial'..]`; see [`transposed_extent`].
pub const fn transposed_convolution(
    input: Shape,
    in_channels: usize,
    out_channels: usize,
    kernel: &[usize; MAX_SPATIAL],
    conv: &Convolution,
    output_padding: &[usize; MAX_SPATIAL],
) -> Result<Shape, ShapeError> {
    if let Err(error) = groups(in_channels, out_channels, conv.groups) {
        return Err(error);
    }
    let spatial = conv.sliding.spatial;
    ok!(weight(&[in_channels, out_channels / conv.groups], Some((kernel, spatial))));
    let rank = spatial + 2;
    if input.rank() != rank {
        return Err(ShapeError::InputRank { least: rank, most: rank, found: input });
    }
    if input.dim(1) != in_channels {
        return Err(ShapeError::InputChannels { expected: in_channels, found: input });
    }
    let mut output = input.with(1, out_channels);
    let mut axis = 0;
    while axis < spatial {
        match transposed_extent(axis, input.dim(axis + 2), kernel[axis], conv, output_padding[axis]) {
            Ok(extent) => output = output.with(axis + 2, extent),
            Err(error) => return Err(error),
        }
        axis += 1;
    }
    Ok(output)
}

/// `[N, C, spatial..]` becomes `[N, C, outputs..]`; an axis without an output extent keeps its own.
pub const fn adaptive_pool(op: &'static str, input: Shape, outputs: &[Option<usize>]) -> Result<Shape, ShapeError> {
    let rank = outputs.len() + 2;
    if input.rank() != rank {
        return Err(ShapeError::InputRank { least: rank, most: rank, found: input });
    }
    let mut output = input;
    let mut axis = 0;
    while axis < outputs.len() {
        if input.dim(axis + 2) == 0 {
            return Err(ShapeError::Attribute { op, rule: "the image must not be empty" });
        }
        match outputs[axis] {
            Some(0) => return Err(ShapeError::Setting { setting: "output_size", rule: "must be at least 1" }),
            Some(extent) => output = output.with(axis + 2, extent),
            None => {}
        }
        axis += 1;
    }
    Ok(output)
}

/// `[N, C, spatial..]` (or one sample) with indices of the same shape becomes `[N, C, output..]`; without `output` each
/// extent is `(extent - 1) * stride - low - high + kernel`, which `output` may differ from by less than a stride.
pub const fn unpool(
    op: &'static str,
    input: Shape,
    indices: Shape,
    window: &Window,
    output: Option<&[usize]>,
) -> Result<Shape, ShapeError> {
    let spatial = window.sliding.spatial;
    if input.rank() != spatial + 1 && input.rank() != spatial + 2 {
        return Err(ShapeError::InputRank { least: spatial + 1, most: spatial + 2, found: input });
    }
    if !indices.same(&input) {
        return Err(ShapeError::Expected { what: "indices", expected: input, found: indices });
    }
    if let Some(output) = output
        && output.len() != spatial
    {
        return Err(ShapeError::Attribute { op, rule: "`output_size` must have one extent for each spatial axis" });
    }
    let first = input.rank() - spatial;
    let mut shape = input;
    let mut axis = 0;
    while axis < spatial {
        let stride = window.sliding.stride[axis];
        if window.kernel[axis] == 0 || stride == 0 {
            return Err(ShapeError::Attribute { op, rule: "the kernel and the stride must be at least 1" });
        }
        let full =
            (ok!(number(op, input.dim(first + axis))) - 1).saturating_mul(stride).saturating_add(window.kernel[axis]);
        let padding = window.sliding.padding[axis].0.saturating_add(window.sliding.padding[axis].1);
        if full <= padding {
            return Err(ShapeError::NothingLeft { axis, extent: full, padding });
        }
        let usual = full - padding;
        let extent = match output {
            Some(output) => output[axis],
            None => usual,
        };
        if extent.saturating_add(stride) <= usual || extent >= usual.saturating_add(stride) {
            let rule = "`output_size` must be less than a stride from (extent - 1) * stride - 2 * padding + kernel";
            return Err(ShapeError::Attribute { op, rule });
        }
        shape = shape.with(first + axis, ok!(sum(op, extent, 0)));
        axis += 1;
    }
    Ok(shape)
}

/// `[N, C, spatial..]` becomes `[N, C, size..]`, or `[N, C, spatial * scale_factor..]`, rounded down. One of both is
/// given, the other empty; a single number is for all axes.
pub const fn resize(input: Shape, size: &[usize], scale_factor: &[f64]) -> Result<Shape, ShapeError> {
    let setting = if size.is_empty() { "scale_factor" } else { "size" };
    let given = size.len() + scale_factor.len();
    if given == 0 {
        return Err(ShapeError::Setting { setting: "size", rule: "or `scale_factor` must be given" });
    }
    if !size.is_empty() && !scale_factor.is_empty() {
        return Err(ShapeError::Setting { setting, rule: "and `scale_factor` can not both be given" });
    }
    if given != 1 && given + 2 != input.rank() {
        return Err(ShapeError::Setting { setting, rule: "takes one number, or one for each spatial axis" });
    }
    let mut output = input;
    let mut axis = 2;
    while axis < input.rank() {
        let entry = if given == 1 { 0 } else { axis - 2 };
        if input.dim(axis) == 0 {
            return Err(ShapeError::Attribute { op: "upsample", rule: "the image must not be empty" });
        }
        let extent = match scale_factor {
            [] => size[entry],
            _ if extents::is_free(input.dim(axis)) => {
                let factor = scale_factor[entry];
                if !(factor >= 1.0 && factor == factor.floor()) {
                    let rule = "so that `scale_factor` must be a whole number, or `size` given";
                    return Err(ShapeError::Free { op: "upsample", extent: input.dim(axis), rule });
                }
                ok!(product("upsample", input.dim(axis), factor as usize))
            }
            // What is not positive gives 0, and what is too large the largest number.
            _ => (input.dim(axis) as f64 * scale_factor[entry]).floor() as usize,
        };
        if extent == 0 {
            return Err(ShapeError::Setting { setting, rule: "leaves nothing of its input" });
        }
        if extent > MAX_EXTENT && !extents::is_free(extent) {
            return Err(ShapeError::Setting { setting, rule: "gives an extent of 2^31 or more" });
        }
        output = output.with(axis, extent);
        axis += 1;
    }
    Ok(output)
}

/// `[N, C, spatial..]` becomes `[N, C, size..]`, or `[N, C, spatial * ratio..]`, rounded down. One of both is given.
pub const fn fractional_pool(
    input: Shape,
    kernel: &[usize],
    size: Option<&[usize]>,
    ratio: Option<&[f64]>,
) -> Result<Shape, ShapeError> {
    let rank = kernel.len() + 2;
    if input.rank() != rank {
        return Err(ShapeError::InputRank { least: rank, most: rank, found: input });
    }
    let mut output = input;
    let mut axis = 0;
    while axis < kernel.len() {
        let extent = match ratio {
            Some(_) => ok!(number("fractional_max_pool", input.dim(axis + 2))),
            None => input.dim(axis + 2),
        };
        let windows = match (size, ratio) {
            (Some(size), None) => size[axis],
            (None, Some(ratio)) if ratio[axis] > 0.0 && ratio[axis] < 1.0 => (extent as f64 * ratio[axis]) as usize,
            (None, Some(_)) => {
                let rule = "must be more than 0 and less than 1";
                return Err(ShapeError::Setting { setting: "output_ratio", rule });
            }
            (None, None) => {
                return Err(ShapeError::Setting { setting: "output_size", rule: "or `output_ratio` must be given" });
            }
            (Some(_), Some(_)) => {
                let rule = "and `output_ratio` can not both be given";
                return Err(ShapeError::Setting { setting: "output_size", rule });
            }
        };
        if windows == 0 {
            let setting = if size.is_some() { "output_size" } else { "output_ratio" };
            return Err(ShapeError::Setting { setting, rule: "leaves nothing of its input" });
        }
        if kernel[axis] == 0 {
            return Err(ShapeError::Attribute { op: "fractional_max_pool", rule: "the kernel must be at least 1" });
        }
        if extents::exceeds(kernel[axis].saturating_add(windows - 1), extent) {
            return Err(ShapeError::Windows { axis, windows, kernel: kernel[axis], extent });
        }
        output = output.with(axis + 2, windows);
        axis += 1;
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Sliding;

    /// extent, kernel, stride, padding, dilation, output padding: the extents that PyTorch gives, 0 where it refuses.
    #[test]
    fn transposed_extents_are_those_of_pytorch() {
        let cases = [
            (6, 3, 1, 0, 1, 0, 8),
            (5, 4, 2, 1, 1, 0, 10),
            (1, 4, 1, 0, 1, 0, 4),
            (5, 3, 3, 0, 1, 2, 17),
            (7, 3, 1, 2, 2, 0, 7),
            (4, 3, 2, 0, 1, 2, 0),
            (2, 3, 1, 3, 1, 0, 0),
            (2, 3, 1, 2, 1, 0, 0),
            // The output padding may exceed the stride where the dilation is larger still.
            (3, 2, 1, 1, 4, 3, 8),
            (1, 1, 1, 2, 5, 4, 1),
            (3, 2, 0, 0, 1, 0, 0),
        ];
        for (extent, kernel, stride, padding, dilation, output_padding, expected) in cases {
            let padding = [(padding, padding); 3];
            let sliding = Sliding { spatial: 1, stride: [stride; 3], padding, dilation: [dilation; 3] };
            let conv = Convolution { sliding, groups: 1 };
            let found = transposed_extent(0, extent, kernel, &conv, output_padding).unwrap_or(0);
            assert_eq!(found, expected, "{extent} {kernel} {stride} {padding:?} {dilation} {output_padding}");
        }
    }
}
