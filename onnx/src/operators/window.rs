//! How convolutions and pools slide: ONNX's attributes as Kiln's. What is done with a window is not known here.

use kiln_graph::Shape;
use kiln_graph::op::{MAX_SPATIAL, Sliding};

use crate::error::Fault;
use crate::read::context::{Context, extent};

/// How the padding is said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auto {
    /// By numbers.
    Not,
    /// As much as gives an extent of `in / stride`, the larger half behind.
    Upper,
    /// The same, with the larger half before.
    Lower,
    /// None.
    Valid,
}

/// The attribute `auto_pad`.
pub fn auto_pad(c: &Context<'_, '_>) -> Result<Auto, Fault> {
    match c.text("auto_pad", "NOTSET")? {
        "NOTSET" | "" => Ok(Auto::Not),
        "SAME_UPPER" => Ok(Auto::Upper),
        "SAME_LOWER" => Ok(Auto::Lower),
        "VALID" => Ok(Auto::Valid),
        other => Err(Fault::invalid(format!("`auto_pad` is `{other}`"))),
    }
}

/// The number of spatial axes of `[N, C, spatial..]`.
pub fn spatial(shape: Shape) -> Result<usize, Fault> {
    match shape.rank().checked_sub(2) {
        Some(spatial) if (1..=MAX_SPATIAL).contains(&spatial) => Ok(spatial),
        _ => Err(Fault::unsupported(format!(
            "1 to {MAX_SPATIAL} spatial axes behind batch and channels are expected, but the shape is {shape}"
        ))),
    }
}

/// A list with a number for each spatial axis, at least `least`.
pub fn per_axis(
    c: &Context<'_, '_>,
    name: &str,
    spatial: usize,
    default: usize,
    least: usize,
) -> Result<Vec<usize>, Fault> {
    let Some(list) = c.ints_of(name)? else { return Ok(vec![default; spatial]) };
    let list: Vec<usize> = list.into_iter().map(extent).collect::<Result<_, _>>()?;
    if list.len() != spatial || list.iter().any(|&number| number < least) {
        return Err(Fault::invalid(format!("`{name}` is {list:?} for {spatial} spatial axes")));
    }
    Ok(list)
}

/// The padding by numbers: pairs of before and behind.
pub fn pads(c: &Context<'_, '_>, spatial: usize) -> Result<Vec<(usize, usize)>, Fault> {
    let list = match c.ints_of("pads")? {
        None => vec![0; 2 * spatial],
        Some(list) => list.into_iter().map(extent).collect::<Result<_, _>>()?,
    };
    if list.len() != 2 * spatial {
        return Err(Fault::invalid(format!("`pads` is {list:?} for {spatial} spatial axes")));
    }
    Ok((0..spatial).map(|axis| (list[axis], list[axis + spatial])).collect())
}

/// Steps, padding and distances of a window over an input.
pub fn sliding(c: &Context<'_, '_>, input: Shape, kernel: &[usize]) -> Result<Sliding, Fault> {
    let spatial = spatial(input)?;
    if kernel.len() != spatial || kernel.contains(&0) {
        return Err(Fault::invalid(format!("a kernel of {kernel:?} over {input}")));
    }
    let mut sliding = Sliding::unit(spatial);
    sliding.stride[..spatial].copy_from_slice(&per_axis(c, "strides", spatial, 1, 1)?);
    sliding.dilation[..spatial].copy_from_slice(&per_axis(c, "dilations", spatial, 1, 1)?);
    let auto = auto_pad(c)?;
    if auto == Auto::Not {
        sliding.padding[..spatial].copy_from_slice(&pads(c, spatial)?);
    }
    for axis in 0..spatial {
        let (stride, dilation) = (sliding.stride[axis], sliding.dilation[axis]);
        let span = (kernel[axis] - 1).saturating_mul(dilation).saturating_add(1);
        let inside = input.dim(axis + 2);
        let total = ((inside.div_ceil(stride).max(1) - 1) * stride).saturating_add(span).saturating_sub(inside);
        sliding.padding[axis] = match auto {
            Auto::Not | Auto::Valid => sliding.padding[axis],
            Auto::Upper => (total / 2, total - total / 2),
            Auto::Lower => (total - total / 2, total / 2),
        };
    }
    Ok(sliding)
}
