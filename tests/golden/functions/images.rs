//! Functions of images: windows, paddings, other sizes.

use kiln_graph::functions;

use super::{Call, Results};

pub fn compute<'g>(call: &Call<'_, 'g>) -> Results<'g> {
    let at = |place| call.at(place);
    let Ok(x) = at(0) else { return Ok(None) };
    let sizes = |name: &str, default: &[usize]| call.sizes(name, default);
    let (indices, ceil) = (call.flag("return_indices", false), call.flag("ceil_mode", false));
    macro_rules! pooling {
        ($max:ident, $with:ident) => {{
            let (kernel, stride) = (sizes("kernel_size", &[1])?, sizes("stride", &[])?);
            let (padding, dilation) = (sizes("padding", &[0])?, sizes("dilation", &[1])?);
            return Ok(Some(match indices {
                true => functions::$with(x, &kernel, &stride, &padding, &dilation, ceil),
                false => vec![functions::$max(x, &kernel, &stride, &padding, &dilation, ceil)],
            }));
        }};
    }
    macro_rules! average {
        ($avg:ident) => {{
            let (kernel, stride, padding) =
                (sizes("kernel_size", &[1])?, sizes("stride", &[])?, sizes("padding", &[0])?);
            let divisor = call.attributes.int("divisor_override").map(|divisor| divisor as usize);
            functions::$avg(x, &kernel, &stride, &padding, ceil, call.flag("count_include_pad", true), divisor)
        }};
    }
    macro_rules! adaptive {
        ($max:ident, $with:ident) => {{
            let cells = sizes("output_size", &[])?;
            return Ok(Some(if indices { functions::$with(x, &cells) } else { vec![functions::$max(x, &cells)] }));
        }};
    }
    macro_rules! unpool {
        ($unpool:ident, $axes:literal) => {{
            let (kernel, stride, padding) =
                (sizes("kernel_size", &[1])?, sizes("stride", &[])?, sizes("padding", &[0])?);
            let output = sizes("output_size", &[])?;
            let image = &output[output.len().saturating_sub($axes)..];
            functions::$unpool(x, at(1)?, &kernel, &stride, &padding, image)
        }};
    }
    if call.op.starts_with("adaptive")
        && call.attributes.get("output_size").is_some_and(|size| {
            size.is_null() || size.as_array().is_some_and(|sizes| sizes.iter().any(|size| size.is_null()))
        })
    {
        return Err(crate::case::Refusal::later("an output_size of None"));
    }
    let value = match call.op {
        "max_pool1d" => pooling!(max_pool1d, max_pool1d_with_indices),
        "max_pool2d" => pooling!(max_pool2d, max_pool2d_with_indices),
        "max_pool3d" => pooling!(max_pool3d, max_pool3d_with_indices),
        "avg_pool1d" => average!(avg_pool1d),
        "avg_pool2d" => average!(avg_pool2d),
        "avg_pool3d" => average!(avg_pool3d),
        "adaptive_avg_pool1d" => functions::adaptive_avg_pool1d(x, &sizes("output_size", &[])?),
        "adaptive_avg_pool2d" => functions::adaptive_avg_pool2d(x, &sizes("output_size", &[])?),
        "adaptive_avg_pool3d" => functions::adaptive_avg_pool3d(x, &sizes("output_size", &[])?),
        "adaptive_max_pool1d" => adaptive!(adaptive_max_pool1d, adaptive_max_pool1d_with_indices),
        "adaptive_max_pool2d" => adaptive!(adaptive_max_pool2d, adaptive_max_pool2d_with_indices),
        "adaptive_max_pool3d" => adaptive!(adaptive_max_pool3d, adaptive_max_pool3d_with_indices),
        "max_unpool1d" => unpool!(max_unpool1d, 1),
        "max_unpool2d" => unpool!(max_unpool2d, 2),
        "max_unpool3d" => unpool!(max_unpool3d, 3),
        "interpolate" => functions::interpolate(
            x,
            &sizes("size", &[])?,
            &call.attributes.numbers("scale_factor").unwrap_or_default(),
            call.text("mode", "nearest"),
            call.flag("align_corners", false),
            call.flag("recompute_scale_factor", false),
            call.flag("antialias", false),
        ),
        "pad" => {
            let sides = call.attributes.ints("pad").unwrap_or_default();
            functions::pad(x, &sides, call.text("mode", "constant"), call.number("value"))
        }
        "pixel_shuffle" => functions::pixel_shuffle(x, call.size("upscale_factor", 1)?),
        "pixel_unshuffle" => functions::pixel_unshuffle(x, call.size("downscale_factor", 1)?),
        "channel_shuffle" => functions::channel_shuffle(x, call.size("groups", 1)?),
        "unfold" => {
            let (kernel, dilation) = (sizes("kernel_size", &[])?, sizes("dilation", &[1])?);
            functions::unfold(x, &kernel, &dilation, &sizes("padding", &[0])?, &sizes("stride", &[1])?)
        }
        "grid_sample" => {
            let (mode, padding) = (call.text("mode", "bilinear"), call.text("padding_mode", "zeros"));
            functions::grid_sample(x, at(1)?, mode, padding, call.flag("align_corners", false))
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![value]))
}
