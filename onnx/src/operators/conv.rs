//! Convolutions and their transposes.

use kiln_graph::Shape;
use kiln_graph::layers::conv::conv as convolution;
use kiln_graph::layers::conv_transpose::conv_transpose as transposed;
use kiln_graph::op::{Convolution, MAX_SPATIAL, Sliding};

use super::Row;
use super::window::{Auto, auto_pad, pads, per_axis, sliding, spatial};
use crate::error::Fault;
use crate::read::context::{Context, Results, extent};

pub const TABLE: &[Row] =
    &[Row::new("Conv", 1, conv).weights(&[1, 2]), Row::new("ConvTranspose", 1, conv_transpose).weights(&[1, 2])];

/// The kernel's extents, which the weight has, and the number of groups.
pub fn kernel(c: &Context<'_, '_>, weight: Shape, spatial: usize) -> Result<(Vec<usize>, usize), Fault> {
    if weight.rank() != spatial + 2 {
        return Err(Fault::invalid(format!("a weight of the shape {weight} for {spatial} spatial axes")));
    }
    let kernel = per_axis(c, "kernel_shape", spatial, 0, 1)?;
    let own = &weight.dims()[2..];
    if c.has_attribute("kernel_shape") && kernel != own {
        return Err(Fault::invalid(format!("`kernel_shape` is {kernel:?}, but the weight has the shape {weight}")));
    }
    let groups = extent(c.int_attribute("group", 1)?)?;
    if groups == 0 || !weight.dim(0).is_multiple_of(groups) {
        return Err(Fault::invalid(format!("{groups} groups for a weight of the shape {weight}")));
    }
    Ok((own.to_vec(), groups))
}

fn conv<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, weight, bias) = (c.float(0)?, c.float(1)?, c.optional(2)?);
    let spatial = spatial(x.shape())?;
    let (kernel, groups) = kernel(c, weight.shape(), spatial)?;
    let sliding = sliding(c, x.shape(), &kernel)?;
    c.like(0, convolution(x, weight, bias, Convolution { sliding, groups }))
}

/// The result has `(in - 1) stride + (kernel - 1) dilation + 1 + output_padding - pads` elements along an axis, or as many
/// as `output_shape` says, to which the padding is fit.
fn conv_transpose<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let (x, weight, bias) = (c.float(0)?, c.float(1)?, c.optional(2)?);
    let spatial = spatial(x.shape())?;
    let (kernel, groups) = kernel(c, weight.shape(), spatial)?;
    let mut sliding = Sliding::unit(spatial);
    sliding.stride[..spatial].copy_from_slice(&per_axis(c, "strides", spatial, 1, 1)?);
    sliding.dilation[..spatial].copy_from_slice(&per_axis(c, "dilations", spatial, 1, 1)?);
    let mut more = [0; MAX_SPATIAL];
    more[..spatial].copy_from_slice(&per_axis(c, "output_padding", spatial, 0, 0)?);
    let auto = auto_pad(c)?;
    if auto == Auto::Not {
        sliding.padding[..spatial].copy_from_slice(&pads(c, spatial)?);
    }
    let wanted = match c.has_attribute("output_shape") {
        true => {
            // Some files say batch and channels, too.
            let list = c.ints_of("output_shape")?.unwrap_or_default();
            let list = list.get(list.len().saturating_sub(spatial)..).unwrap_or_default().to_vec();
            let list: Vec<usize> = list.into_iter().map(extent).collect::<Result<_, _>>()?;
            if list.len() != spatial || list.contains(&0) {
                return Err(Fault::invalid(format!("`output_shape` for {spatial} spatial axes is {list:?}")));
            }
            Some(list)
        }
        false => None,
    };
    for axis in 0..spatial {
        let (stride, dilation) = (sliding.stride[axis], sliding.dilation[axis]);
        let full = (x.shape().dim(axis + 2) - 1)
            .saturating_mul(stride)
            .saturating_add((kernel[axis] - 1).saturating_mul(dilation) + 1)
            .saturating_add(more[axis]);
        let wanted = match (&wanted, auto) {
            (Some(wanted), _) => wanted[axis],
            (None, Auto::Upper | Auto::Lower) => x.shape().dim(axis + 2).saturating_mul(stride),
            (None, Auto::Not | Auto::Valid) => continue,
        };
        // What is missing is put behind the result.
        more[axis] += wanted.saturating_sub(full);
        let total = full.saturating_sub(wanted);
        sliding.padding[axis] = match auto {
            Auto::Upper => (total / 2, total - total / 2),
            Auto::Lower | Auto::Not | Auto::Valid => (total - total / 2, total / 2),
        };
    }
    let output_padding = more;
    let stays = |axis: usize| more[axis] < sliding.stride[axis].max(sliding.dilation[axis]);
    if let Some(axis) = (0..spatial).find(|&axis| !stays(axis)) {
        return Err(Fault::unsupported(format!("{} elements behind axis {axis} that no input reaches", more[axis])));
    }
    c.like(0, transposed(x, weight, bias, Convolution { sliding, groups }, output_padding))
}
