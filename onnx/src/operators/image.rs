//! Images: blocks as channels and back, windows put together, samples at computed places, regions.

use kiln_graph::{DType, Value, functions};

use super::{Fold, Row};
use crate::error::Fault;
use crate::read::context::{Context, Results, extent, shape};

pub const TABLE: &[Row] = &[
    Row::new("NonMaxSuppression", 10, suppression).fold(Fold::Never),
    Row::new("AffineGrid", 20, affine_grid).statics(&[1]),
    Row::new("Col2Im", 18, col2im).statics(&[1, 2]),
    Row::new("DeformConv", 19, deform_conv).weights(&[1, 3]),
    Row::new("DepthToSpace", 1, depth_to_space),
    Row::new("GridSample", 16, grid_sample),
    Row::new("RoiAlign", 10, roi_align),
    Row::new("SpaceToDepth", 1, space_to_depth),
];

/// An image `[N, C, H, W]` and the side of its blocks.
fn blocks(c: &Context<'_, '_>) -> Result<([usize; 4], usize), Fault> {
    let from = c.shape(0)?;
    let side = extent(c.int_of("blocksize")?.ok_or_else(|| Fault::invalid("no `blocksize` is given"))?)?;
    match *from.dims() {
        [n, channels, h, w] if side > 0 => Ok(([n, channels, h, w], side)),
        _ => Err(Fault::invalid(format!("blocks of {side} x {side} of {from}"))),
    }
}

fn depth_to_space<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let ([n, channels, h, w], side) = blocks(c)?;
    if !channels.is_multiple_of(side.saturating_mul(side)) {
        return Err(Fault::invalid(format!("{channels} channels in blocks of {side} x {side}")));
    }
    let left = channels / (side * side);
    let (split, order) = match c.text("mode", "DCR")? {
        "DCR" => ([n, side, side, left, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, left, side, side, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(Fault::invalid(format!("`mode` is `{other}`"))),
    };
    let to = shape(&[n, left, h.saturating_mul(side), w.saturating_mul(side)])?;
    c.like(0, c.value(0)?.reshape(split).permute(&order).reshape(to))
}

fn space_to_depth<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let ([n, channels, h, w], side) = blocks(c)?;
    if !h.is_multiple_of(side) || !w.is_multiple_of(side) {
        return Err(Fault::invalid(format!("{h} x {w} in blocks of {side} x {side}")));
    }
    let split = [n, channels, h / side, side, w / side, side];
    let to = shape(&[n, channels.saturating_mul(side * side), h / side, w / side])?;
    let order = match c.text("mode", "DCR")? {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return Err(Fault::invalid(format!("`mode` is `{other}`"))),
    };
    c.like(0, c.value(0)?.reshape(split).permute(&order).reshape(to))
}

/// Whether the border's own middle is the end of the axis.
fn align_corners(c: &Context<'_, '_>) -> Result<bool, Fault> {
    c.flag("align_corners", false)
}

/// Which boxes of many are the best, those that lie over better ones left out.
fn suppression<'g>(_: &Context<'_, 'g>) -> Results<'g> {
    Err(Fault::unsupported(
        "how many boxes are selected depends on data: take the boxes and their scores in front of it \
         (`.with_outputs(&[..])`), and select by them",
    ))
}

fn affine_grid<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let size = c.extents(1)?;
    shape(&size)?;
    c.like(0, functions::affine_grid(c.float(0)?, &size, align_corners(c)?))
}

fn grid_sample<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let mode = match c.text("mode", "bilinear")? {
        "linear" => "bilinear",
        "cubic" => "bicubic",
        other => other,
    };
    let padding = c.text("padding_mode", "zeros")?;
    c.like(0, functions::grid_sample(c.float(0)?, c.float(1)?, mode, padding, align_corners(c)?))
}

/// The sums of what columns stand for: of any number of spatial axes, an axis at a time by sums of slices.
///
/// ```text
/// columns [N, C, kernel.., windows..]
/// for each place u of the kernel
///     image[n, c, stride i + dilation u - pad] += columns[n, c, u, i]
/// ```
fn col2im<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let list = |numbers: Vec<i64>| numbers.into_iter().map(extent).collect::<Result<Vec<usize>, Fault>>();
    let (image, kernel) = (list(c.ints(1)?)?, list(c.ints(2)?)?);
    let spatial = image.len();
    let of = |name: &str, count: usize, default: usize| match c.ints_of(name)? {
        Some(numbers) => list(numbers),
        None => Ok(vec![default; count]),
    };
    let (dilation, stride, pads) =
        (of("dilations", spatial, 1)?, of("strides", spatial, 1)?, of("pads", 2 * spatial, 0)?);
    let elements = kernel.iter().fold(1usize, |product, &extent| product.saturating_mul(extent));
    let misfit = || Fault::invalid(format!("columns {from} of windows {kernel:?} as the image {image:?}"));
    let fits = from.rank() == 3
        && kernel.len() == spatial
        && dilation.len() == spatial
        && stride.len() == spatial
        && pads.len() == 2 * spatial
        && elements > 0
        && elements <= 4096
        && from.dim(1).is_multiple_of(elements)
        && stride.iter().all(|&step| step > 0);
    if !fits {
        return Err(misfit());
    }
    let mut windows = Vec::with_capacity(spatial);
    for axis in 0..spatial {
        let reach = dilation[axis].saturating_mul(kernel[axis] - 1).saturating_add(1);
        let all = image[axis].saturating_add(pads[axis]).saturating_add(pads[axis + spatial]);
        windows.push(all.checked_sub(reach).ok_or_else(misfit)? / stride[axis] + 1);
    }
    if windows.iter().fold(1usize, |all, &count| all.saturating_mul(count)) != from.dim(2) {
        return Err(misfit());
    }
    let outer = from.dim(0) * (from.dim(1) / elements);
    let mut x = c.float(0)?.reshape(shape(&[&[outer], &kernel[..], &windows].concat())?);
    // The kernel's first axis and the windows' first one become the image's, which goes to the end.
    for axis in 0..spatial {
        let left = spatial - axis;
        let padded = image[axis] + pads[axis] + pads[axis + spatial];
        let mut sum: Option<Value<'g>> = None;
        for place in 0..kernel[axis] {
            let part = x.slice(1, place..place + 1, 1).squeeze(1);
            let part = spread(part, left, stride[axis], dilation[axis] * place, padded);
            sum = Some(sum.map_or(part, |sum| sum + part));
        }
        let sum = sum.ok_or_else(misfit)?.slice(left, pads[axis]..pads[axis] + image[axis], 1);
        let last = sum.shape().rank() - 1;
        let order: Vec<usize> = (0..=last).filter(|&axis| axis != left).chain([left]).collect();
        x = sum.permute(&order);
    }
    c.like(0, x.reshape(shape(&[&[from.dim(0), from.dim(1) / elements], &image[..]].concat())?))
}

/// The elements along an axis `stride` places apart, the first at `first`, within `extent` places.
fn spread(x: Value<'_>, axis: usize, stride: usize, first: usize, extent: usize) -> Value<'_> {
    let count = x.shape().dim(axis);
    let mut apart = vec![0; axis + 2];
    apart[axis + 1] = stride - 1;
    let wide = x.shape().with(axis, count * stride);
    let x = x.unsqueeze(axis + 1).pad(&[], &apart, 0.0).reshape(wide).slice(axis, 0..(count - 1) * stride + 1, 1);
    let (mut low, mut high) = (vec![0; axis + 1], vec![0; axis + 1]);
    low[axis] = first;
    high[axis] = extent.saturating_sub(first + (count - 1) * stride + 1);
    x.pad(&low, &high, 0.0)
}

/// Regions of images, each sampled at a fixed number of places in each of its bins.
fn roi_align<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, regions, images) = (c.float(0)?, c.float(1)?, c.number(2)?);
    let count = regions.shape().dims().first().copied().unwrap_or(0);
    if x.shape().rank() != 4 || regions.shape().dims() != [count, 4] || images.shape().dims() != [count] {
        return Err(Fault::invalid(format!("{} in regions {} of {}", x.shape(), regions.shape(), images.shape())));
    }
    let size = [extent(c.int_attribute("output_height", 1)?)?, extent(c.int_attribute("output_width", 1)?)?];
    let samples = extent(c.int_attribute("sampling_ratio", 0)?)?;
    if samples == 0 {
        return Err(Fault::unsupported(
            "`sampling_ratio = 0`: as many samples as a region is large, which depends on data",
        ));
    }
    let default = if c.version() >= 16 { "half_pixel" } else { "output_half_pixel" };
    let half_pixel = match c.text("coordinate_transformation_mode", default)? {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => return Err(Fault::invalid(format!("`coordinate_transformation_mode` is `{other}`"))),
    };
    let average = match c.text("mode", "avg")? {
        "avg" => true,
        "max" => false,
        other => return Err(Fault::invalid(format!("`mode` is `{other}`"))),
    };
    let offset = if half_pixel { 0.5 } else { 0.0 };
    let scale = c.float_attribute("spatial_scale", 1.0)?;
    let [n, channels, height, width] = *x.shape().dims() else { unreachable!("four axes") };
    let image = images.convert(DType::I32);
    // Of each axis, for each region and sample `[count, bins * samples]`: the elements on both sides and the part of the
    // second one; nothing is outside.
    let along = |axis: usize| -> Result<(Value<'g>, Value<'g>, Value<'g>, Value<'g>), Fault> {
        let (bins, all) = (size[axis], [height, width][axis]);
        let column = 1 - axis;
        let edge = |place: usize| regions.slice(1, place..place + 1, 1) * scale - offset;
        let (start, end) = (edge(column), edge(column + 2));
        let length = if half_pixel { end - start } else { (end - start).maximum(1.0) };
        let steps = bins.saturating_mul(samples);
        let to = shape(&[count, steps])?;
        let place = c.g.iota(to, 1).convert(DType::F32) + 0.5;
        let at = start.broadcast_to(to) + place * (length * (1.0 / steps as f64)).broadcast_to(to);
        let inside = at.ge(-1.0) & at.le(all as f64);
        let last = all as i32 - 1;
        let at = at.maximum(0.0);
        let low = at.floor().convert(DType::I32).minimum(last);
        let part = low.ge(last).select(0.0, at - low.convert(DType::F32));
        Ok((low, (low + 1).minimum(last), part, inside))
    };
    let (top, bottom, down, inside_h) = along(0)?;
    let (left, right, over, inside_w) = along(1)?;
    let grid = shape(&[count, size[0] * samples, size[1] * samples])?;
    let rows = |value: Value<'g>| value.unsqueeze(2).broadcast_to(grid);
    let columns = |value: Value<'g>| value.unsqueeze(1).broadcast_to(grid);
    let pixels = x.permute(&[0, 2, 3, 1]).reshape(shape(&[n * height * width, channels])?);
    let first = (image * (height * width) as i32).reshape([count, 1, 1]).broadcast_to(grid);
    let inside = (rows(inside_h) & columns(inside_w)).convert(DType::F32);
    let corner = |row: Value<'g>, column: Value<'g>, weight: Value<'g>| {
        let found = pixels.take_rows(first + rows(row) * width as i32 + columns(column));
        found * (weight * inside).unsqueeze(3)
    };
    let (down, over) = (rows(down), columns(over));
    let (up, before) = (down * -1.0 + 1.0, over * -1.0 + 1.0);
    let corners = [
        corner(top, left, up * before),
        corner(top, right, up * over),
        corner(bottom, left, down * before),
        corner(bottom, right, down * over),
    ];
    let combined = |a: Value<'g>, b: Value<'g>| if average { a + b } else { a.maximum(b) };
    let found = corners.into_iter().reduce(combined).unwrap_or(pixels);
    let bins = found.reshape(shape(&[count, size[0], samples, size[1], samples, channels])?);
    let result = if average { bins.mean([2, 4]) } else { bins.amax([2, 4]) };
    c.like(0, result.permute(&[0, 3, 1, 2]))
}

/// A convolution that looks at places moved by offsets, each weighted by a mask:
///
/// ```text
/// samples[n, c, u, i, j] = x[n, c] at (stride i + dilation u - pad + offset[n, group of c, u, .., i, j])
/// result = weight . (samples * mask)      a convolution of 1 x 1 over channels and places of the kernel
/// ```
fn deform_conv<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, weight, offset) = (c.float(0)?, c.float(1)?, c.float(2)?);
    let misfit = || {
        let shapes = (c.shape(0), c.shape(1), c.shape(2));
        Fault::invalid(format!("an image, weights and offsets of the shapes {shapes:?}"))
    };
    let [[n, channels, height, width], [out, per_group, kh, kw], [_, _, oh, ow]] =
        [x, weight, offset].map(|value| <[usize; 4]>::try_from(value.shape().dims()).unwrap_or_default());
    let kernel = kh * kw;
    let groups = extent(c.int_attribute("group", 1)?)?;
    let offset_groups = extent(c.int_attribute("offset_group", 1)?)?;
    let list = |name: &str, count: usize, default: usize| -> Result<Vec<usize>, Fault> {
        let given = c.ints_of(name)?.unwrap_or_else(|| vec![default as i64; count]);
        if given.len() == count { given.into_iter().map(extent).collect() } else { Err(misfit()) }
    };
    let (dilation, stride, pads) = (list("dilations", 2, 1)?, list("strides", 2, 1)?, list("pads", 4, 0)?);
    let reach = |axis: usize, size: usize| dilation[axis].saturating_mul(size.saturating_sub(1)).saturating_add(1);
    let extent_of = |axis: usize, all: usize, size: usize| {
        let all = all.saturating_add(pads[axis]).saturating_add(pads[axis + 2]);
        all.checked_sub(reach(axis, size)).and_then(|left| left.checked_div(stride[axis])).map(|count| count + 1)
    };
    let fits = kernel > 0
        && groups > 0
        && offset_groups > 0
        && channels == per_group.saturating_mul(groups)
        && out.is_multiple_of(groups)
        && channels.is_multiple_of(offset_groups)
        && offset.shape().dims() == [n, 2 * offset_groups * kernel, oh, ow]
        && extent_of(0, height, kh) == Some(oh)
        && extent_of(1, width, kw) == Some(ow)
        && channels > 0
        && out > 0;
    if !fits {
        return Err(misfit());
    }
    let mask = match c.optional(4)? {
        Some(mask) if mask.shape().dims() == [n, offset_groups * kernel, oh, ow] => {
            Some(mask.reshape(shape(&[n, offset_groups, 1, kernel, oh * ow])?))
        }
        Some(_) => return Err(misfit()),
        None => None,
    };
    let to = shape(&[n * offset_groups, kernel, oh, ow])?;
    let offset = offset.reshape(shape(&[n * offset_groups, kernel, 2, oh, ow])?);
    let place = |axis: usize| {
        let step = [kw, 1][axis];
        let within =
            functions::remainder(functions::div_rounded(c.g.iota(to, 1), step as i32, "floor"), [kh, kw][axis] as i32);
        let start = c.g.iota(to, 2 + axis) * stride[axis] as i32 - pads[axis] as i32;
        let at = (start + within * dilation[axis] as i32).convert(DType::F32);
        let at = at + offset.slice(2, axis..axis + 1, 1).squeeze(2);
        // From -1 in the middle of the first element to 1 in that of the last.
        let last = ([height, width][axis].max(2) - 1) as f64;
        (at * (2.0 / last) - 1.0).reshape([n * offset_groups, kernel, oh * ow])
    };
    let (row, column) = (place(0), place(1));
    let grid = c.g.concat(&[column.unsqueeze(3), row.unsqueeze(3)], 3);
    let image = x.reshape(shape(&[n * offset_groups, channels / offset_groups, height, width])?);
    let samples = functions::grid_sample(image, grid, "bilinear", "zeros", true);
    let samples = samples.reshape(shape(&[n, offset_groups, channels / offset_groups, kernel, oh * ow])?);
    let samples = mask.map_or(samples, |mask| samples * mask);
    let samples = samples.reshape(shape(&[n, channels * kernel, oh, ow])?);
    let weight = weight.reshape(shape(&[out, per_group * kernel, 1, 1])?);
    c.like(0, functions::conv2d(samples, weight, c.optional(3)?, &[1], &[0], &[1], groups))
}
