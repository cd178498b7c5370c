//! The shape rules of functions that the layers over images have, too: padding, interpolation. It knows the layers'
//! settings, and hands them to the layers' rules.

use crate::layers::padding::PaddingMode;
use crate::layers::upsample::UpsampleSettings;
use crate::shape::{MAX_RANK, Shape, ShapeError, rules};

/// Elements before and behind each axis, the last axis first: PyTorch's `F.pad`; see [`rules::padding`].
pub const fn pad(
    op: &'static str,
    x: Shape,
    pad: &[isize],
    mode: &str,
    value: Option<f64>,
) -> Result<Shape, ShapeError> {
    if !pad.len().is_multiple_of(2) || pad.len() / 2 > x.rank() {
        return Err(ShapeError::Attribute { op, rule: "`pad` holds two numbers for each axis, the last axis first" });
    }
    let mode = ok!(PaddingMode::of_function(mode));
    if value.is_some() && !matches!(mode, PaddingMode::Zeros) {
        return Err(ShapeError::Setting { setting: "value", rule: "is for the mode \"constant\"" });
    }
    let mut sides = [(0, 0); MAX_RANK];
    let pairs = pad.len() / 2;
    let mut pair = 0;
    while pair < pairs {
        sides[pairs - 1 - pair] = (pad[2 * pair], pad[2 * pair + 1]);
        pair += 1;
    }
    rules::padding(x, sides.split_at(pairs).0, mode)
}

/// Other spatial extents; see [`UpsampleSettings`].
#[allow(clippy::too_many_arguments)]
pub const fn interpolate(
    op: &'static str,
    x: Shape,
    size: &[usize],
    scale_factor: &[f64],
    mode: &str,
    align_corners: bool,
    recompute_scale_factor: bool,
    antialias: bool,
) -> Result<Shape, ShapeError> {
    let _ = op;
    match UpsampleSettings::given(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias) {
        Ok(settings) => settings.shape(x),
        Err(error) => Err(error),
    }
}
