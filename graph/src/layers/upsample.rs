//! Upsampling: images of another size, of the nearest elements or of linear interpolations between them.

use super::PerAxis;
use super::resample::{at, before_axes, channels_first, channels_last};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::{Convolution, MAX_SPATIAL, Op, Sliding};
use crate::shape::{DType, Shape, ShapeError, rules};

/// How the elements between those of the input are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpsampleMode {
    /// The nearest element before; for 1 to 3 spatial axes.
    Nearest,
    /// Between the 2 neighbours along one spatial axis.
    Linear,
    /// Between the 4 neighbours along two spatial axes.
    Bilinear,
    /// Between the 8 neighbours along three spatial axes.
    Trilinear,
}

impl UpsampleMode {
    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            UpsampleMode::Nearest => "nearest",
            UpsampleMode::Linear => "linear",
            UpsampleMode::Bilinear => "bilinear",
            UpsampleMode::Trilinear => "trilinear",
        }
    }

    /// The numbers of spatial axes that it takes.
    const fn spatial(self) -> (usize, usize) {
        match self {
            UpsampleMode::Nearest => (1, MAX_SPATIAL),
            UpsampleMode::Linear => (1, 1),
            UpsampleMode::Bilinear => (2, 2),
            UpsampleMode::Trilinear => (3, 3),
        }
    }
}

/// Nothing, a number for all spatial axes, or one for each.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entries<T> {
    values: [T; MAX_SPATIAL],
    count: usize,
}

impl<T: Copy> Entries<T> {
    const fn none(filler: T) -> Entries<T> {
        Entries { values: [filler; MAX_SPATIAL], count: 0 }
    }

    const fn new<const D: usize>(mut values: [T; MAX_SPATIAL], given: PerAxis<D, T>) -> Entries<T> {
        const { assert!(D >= 1 && D <= MAX_SPATIAL, "there are 1, 2 or 3 spatial axes") };
        let mut axis = 0;
        while axis < D {
            values[axis] = given.at(axis);
            axis += 1;
        }
        Entries { values, count: D }
    }

    const fn as_slice(&self) -> &[T] {
        self.values.split_at(self.count).0
    }

    /// The entry of a spatial axis, if there are any.
    fn get(&self, axis: usize) -> Option<T> {
        (self.count > 0).then(|| self.values[axis.min(self.count - 1)])
    }
}

/// The settings of [`Upsample`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpsampleSettings {
    size: Entries<usize>,
    scale_factor: Entries<f64>,
    mode: UpsampleMode,
    align_corners: Option<bool>,
    recompute_scale_factor: bool,
}

impl UpsampleSettings {
    /// PyTorch's defaults: the nearest elements, and neither a size nor a factor, of which one must be given.
    pub const fn new() -> UpsampleSettings {
        UpsampleSettings {
            size: Entries::none(0),
            scale_factor: Entries::none(0.0),
            mode: UpsampleMode::Nearest,
            align_corners: None,
            recompute_scale_factor: false,
        }
    }

    /// The output's extents: one for all spatial axes, or one for each.
    pub const fn size<const D: usize>(mut self, size: PerAxis<D>) -> UpsampleSettings {
        self.size = Entries::new([0; MAX_SPATIAL], size);
        self
    }

    /// How many times larger the output is (less is smaller): one factor for all spatial axes, or one for each.
    pub const fn scale_factor<const D: usize>(mut self, factor: PerAxis<D, f64>) -> UpsampleSettings {
        self.scale_factor = Entries::new([0.0; MAX_SPATIAL], factor);
        self
    }

    /// How the elements between those of the input are found. Default: [`UpsampleMode::Nearest`].
    pub const fn mode(mut self, mode: UpsampleMode) -> UpsampleSettings {
        self.mode = mode;
        self
    }

    /// Whether the first and the last elements of input and output lie on one another, and not the borders of the images.
    /// For interpolations only. Default: `false`.
    pub const fn align_corners(mut self, align_corners: bool) -> UpsampleSettings {
        self.align_corners = Some(align_corners);
        self
    }

    /// Whether positions follow from the extents of input and output, and not from the factor, which differs where it gives
    /// no whole extent. Default: `false`.
    pub const fn recompute_scale_factor(mut self, recompute: bool) -> UpsampleSettings {
        self.recompute_scale_factor = recompute;
        self
    }

    /// The result's shape.
    const fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        if self.align_corners.is_some() && matches!(self.mode, UpsampleMode::Nearest) {
            let rule = "is for the modes \"linear\", \"bilinear\" and \"trilinear\"";
            return Err(ShapeError::Setting { setting: "align_corners", rule });
        }
        if self.recompute_scale_factor && self.size.count > 0 {
            let rule = "is for a `scale_factor`, not for a `size`";
            return Err(ShapeError::Setting { setting: "recompute_scale_factor", rule });
        }
        let (least, most) = self.mode.spatial();
        if input.rank() < least + 2 || input.rank() > most + 2 {
            return Err(ShapeError::InputRank { least: least + 2, most: most + 2, found: input });
        }
        rules::resize(input, self.size.as_slice(), self.scale_factor.as_slice())
    }

    /// How far the position in the input moves from one element of the output to the next, along a spatial axis.
    fn ratio(&self, axis: usize, input: usize, output: usize) -> f64 {
        match (self.align_corners, self.scale_factor.get(axis)) {
            (Some(true), _) if output > 1 => (input - 1) as f64 / (output - 1) as f64,
            (Some(true), _) => 0.0,
            (_, Some(factor)) if !self.recompute_scale_factor => 1.0 / factor,
            _ => input as f64 / output as f64,
        }
    }
}

impl Default for UpsampleSettings {
    fn default() -> UpsampleSettings {
        UpsampleSettings::new()
    }
}

/// `x [N, C, spatial..]` with other spatial extents. See [`Upsample`].
pub fn upsample<'g>(x: Value<'g>, settings: &UpsampleSettings) -> Value<'g> {
    let output = match settings.shape(x.shape()) {
        Ok(output) => output,
        Err(error) => {
            x.graph().fail(error.into());
            return x;
        }
    };
    let extents = |axis: usize| (x.shape().dim(axis + 2), output.dim(axis + 2));
    let spatial = output.rank() - 2;
    let ratios: Vec<f64> = (0..spatial).map(|axis| settings.ratio(axis, extents(axis).0, extents(axis).1)).collect();
    let corners = settings.align_corners == Some(true);
    // Whole factors along all axes, by which every element of the input is treated the same.
    let factors: Option<Vec<usize>> = (0..spatial)
        .map(|axis| {
            let (input, output) = extents(axis);
            let factor = output / input;
            (!corners && factor * input == output && ratios[axis] == 1.0 / factor as f64).then_some(factor)
        })
        .collect();
    match (factors, settings.mode) {
        (Some(factors), _) if factors.iter().all(|&factor| factor == 1) => x,
        (Some(factors), UpsampleMode::Nearest) => repeat(x, &factors),
        (Some(factors), _) => spread(x, output, &factors),
        (None, mode) => {
            let pick = |y: Value<'g>, axis: usize| {
                let ((input, output), ratio) = (extents(axis), ratios[axis]);
                if input == output && ratio == 1.0 {
                    return y;
                }
                let place = x.graph().iota([output], 0).convert(DType::F32);
                match mode {
                    UpsampleMode::Nearest => at(y, axis + 1, (place * ratio).floor()),
                    _ if corners => between(y, axis + 1, place * ratio),
                    _ => between(y, axis + 1, (place + 0.5) * ratio - 0.5),
                }
            };
            // With the channels last, all lanes of a vector read at one index.
            channels_first((0..spatial).rev().fold(channels_last(x), pick))
        }
    }
}

/// Each element as a block of so many elements along each spatial axis.
fn repeat<'g>(x: Value<'g>, factors: &[usize]) -> Value<'g> {
    let x = channels_last(x);
    let (mut single, mut block, mut merged) = (vec![x.shape().dim(0)], vec![x.shape().dim(0)], vec![x.shape().dim(0)]);
    for (&extent, &factor) in x.shape().dims()[1..].iter().zip(factors.iter().chain([&1])) {
        single.extend([extent, 1]);
        block.extend([extent, factor]);
        merged.push(extent * factor);
    }
    // Behind the channels there is no axis to repeat.
    let _ = (single.pop(), block.pop());
    channels_first(x.reshape(&single[..]).broadcast_to(&block[..]).reshape(&merged[..]))
}

/// Linear interpolation by whole factors: element `j` of the input adds to element `i` of the output the share
/// `max(0, 1 - |(i + 1/2) / s - 1/2 - j|)`, which depends on `i - s j` alone: the transposed convolution of each channel
/// with a triangle. (Gathers take three times as long, products with a matrix of the shares ten times.)
///
/// At the borders the shares do not add up to 1; there PyTorch gives the rest to the nearest element, so that it comes to a
/// division by their sum.
fn spread<'g>(x: Value<'g>, output: Shape, factors: &[usize]) -> Value<'g> {
    let g = x.graph();
    let channels = output.dim(1);
    let mut sliding = Sliding::unit(factors.len());
    let mut extents = [1; MAX_SPATIAL];
    let (mut triangle, mut sums) = (g.scalar(1.0), g.scalar(1.0));
    for (axis, &factor) in factors.iter().enumerate() {
        let half = factor / 2;
        sliding.stride[axis] = factor;
        sliding.padding[axis] = (half, half);
        extents[axis] = output.dim(axis + 2);
        let along = |extent: usize| before_axes(g.iota([extent], 0).convert(DType::F32), factors.len() - axis - 1);
        let scale = 1.0 / factor as f64;
        let taps = 2 * factor - factor % 2;
        triangle = triangle * (1.0 - ((along(taps) - (taps - 1) as f64 / 2.0) * scale).abs());
        let position = (along(extents[axis]) + 0.5) * scale - 0.5;
        let outside = (-position).maximum(position - (x.shape().dim(axis + 2) - 1) as f64).maximum(0.0);
        sums = sums * (1.0 - outside);
    }
    let kernel = triangle.shape().insert(0, 1).insert(0, channels);
    let conv = Convolution { sliding, groups: channels };
    g.apply(Op::ConvGradInput { conv, input: extents }, &[x, triangle.broadcast_to(kernel)]) / sums
}

/// The interpolations at positions along an axis, of which those outside are moved to the border.
fn between<'g>(x: Value<'g>, axis: usize, positions: Value<'g>) -> Value<'g> {
    let positions = positions.clamp(0.0, (x.shape().dim(axis) - 1) as f64);
    let before = positions.floor();
    let share = before_axes(positions - before, x.shape().rank() - axis - 1);
    at(x, axis, before) * (1.0 - share) + at(x, axis, before + 1.0) * share
}

/// Images of another size: of the nearest elements before, or interpolated linearly between neighbours.
///
/// Element `i` of the output along an axis stands at the position `p` of the input:
/// * nearest: `p = floor(i r)`;
/// * linear: `p = max(0, (i + 1/2) r - 1/2)`, or `p = i (in - 1) / (out - 1)` with `align_corners`; the output is
///   `(1 - t) x[floor(p)] + t x[floor(p) + 1]` with `t = p - floor(p)`;
///
/// with `r = 1 / scale_factor` where that is given (and not recomputed), else `r = in / out`.
///
/// * Shapes: `[N, C, spatial..]` to `[N, C, size..]`, or to `[N, C, spatial * scale_factor..]`, rounded down.
/// * Settings: one of `size` and `scale_factor`, a number for all axes or one for each; `mode = "nearest"`, `"linear"` (for
///   `[N, C, L]`), `"bilinear"` (for `[N, C, H, W]`) or `"trilinear"` (for `[N, C, D, H, W]`); `align_corners = false`, not
///   for `"nearest"`; `recompute_scale_factor = false`.
/// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (neither size nor factor or both, a wrong number of them,
///   one that leaves nothing, `align_corners` without interpolation); [`ShapeError::Attribute`] (an empty image).
/// * Source: PyTorch's `nn.Upsample`, but for its mode `"bicubic"`. Whole factors without `align_corners` run fastest.
#[derive(Clone, Debug)]
pub struct Upsample {
    settings: Box<UpsampleSettings>,
}

impl Upsample {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &UpsampleSettings) -> Result<Shape, ShapeError> {
        settings.shape(input)
    }

    /// The result's shape, or after a mismatch the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &UpsampleSettings) -> Shape {
        match settings.shape(input) {
            Ok(shape) => shape,
            Err(_) => input,
        }
    }

    /// The layer; it has no parameters.
    pub fn new(settings: UpsampleSettings, init: &mut Init) -> Upsample {
        let _ = init;
        Upsample { settings: Box::new(settings) }
    }
}

impl Layer for Upsample {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        upsample(x, &self.settings)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let UpsampleSettings { size, scale_factor, mode, align_corners, recompute_scale_factor } = *self.settings;
        let mut text = match (size.count, scale_factor.count) {
            (0, _) => format!("Upsample(scale {}", super::listed(scale_factor.as_slice())),
            _ => format!("Upsample(size {}", super::listed(size.as_slice())),
        };
        text += &format!(", {}", mode.name());
        if align_corners == Some(true) {
            text += ", align corners";
        }
        if recompute_scale_factor {
            text += ", recompute scale";
        }
        f(path.as_str(), &(text + ")"));
    }
}

/// The settings of [`UpsamplingNearest2d`] and [`UpsamplingBilinear2d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpsamplingSettings {
    upsample: UpsampleSettings,
}

impl UpsamplingSettings {
    /// Neither a size nor a factor, of which one must be given.
    pub const fn new() -> UpsamplingSettings {
        UpsamplingSettings { upsample: UpsampleSettings::new() }
    }

    /// The output's extents: one for both axes, or one for each.
    pub const fn size(mut self, size: PerAxis<2>) -> UpsamplingSettings {
        self.upsample = self.upsample.size(size);
        self
    }

    /// How many times larger the output is (less is smaller): one factor for both axes, or one for each.
    pub const fn scale_factor(mut self, factor: PerAxis<2, f64>) -> UpsamplingSettings {
        self.upsample = self.upsample.scale_factor(factor);
        self
    }
}

impl Default for UpsamplingSettings {
    fn default() -> UpsamplingSettings {
        UpsamplingSettings::new()
    }
}

/// Declares the layers that PyTorch keeps beside `Upsample`.
macro_rules! upsamplings {
    ($($(#[$doc:meta])* $name:ident, |$settings:ident| $with:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// * Shapes: `[N, C, H, W]` to `[N, C, size..]`, or to `[N, C, H * scale_factor, W * scale_factor]`, rounded
        ///   down.
        /// * Settings: one of `size` and `scale_factor`, a number or a pair.
        /// * Errors: those of [`Upsample`].
        #[doc = concat!("* Source: PyTorch's `nn.", stringify!($name), "`.")]
        #[derive(Clone, Debug)]
        pub struct $name {
            settings: Box<UpsamplingSettings>,
        }

        impl $name {
            const fn whole(given: &UpsamplingSettings) -> UpsampleSettings {
                let $settings = given.upsample;
                $with
            }

            /// The result's shape.
            pub const fn shape(input: Shape, settings: &UpsamplingSettings) -> Result<Shape, ShapeError> {
                match rules::axes(input, 4, 4) {
                    Ok(input) => Self::whole(settings).shape(input),
                    error => error,
                }
            }

            /// The result's shape, or after a mismatch the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &UpsamplingSettings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) => input,
                }
            }

            /// The layer; it has no parameters.
            pub fn new(settings: UpsamplingSettings, init: &mut Init) -> $name {
                let _ = init;
                $name { settings: Box::new(settings) }
            }
        }

        impl Layer for $name {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                if let Err(error) = Self::shape(x.shape(), &self.settings) {
                    g.fail(error.into());
                    return x;
                }
                upsample(x, &Self::whole(&self.settings))
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let UpsampleSettings { size, scale_factor, .. } = self.settings.upsample;
                let told = match (size.count, scale_factor.count) {
                    (0, _) => format!("scale {}", super::listed(scale_factor.as_slice())),
                    _ => format!("size {}", super::listed(size.as_slice())),
                };
                f(path.as_str(), &format!("{}({told})", stringify!($name)));
            }
        }
    )*};
}

upsamplings! {
    /// Images of another size, of the nearest elements before: [`Upsample`] with `mode = "nearest"`.
    UpsamplingNearest2d, |settings| settings;
    /// Images of another size, interpolated between neighbours so that corners stay corners: [`Upsample`] with `mode =
    /// "bilinear"` and `align_corners = true`.
    UpsamplingBilinear2d, |settings| settings.mode(UpsampleMode::Bilinear).align_corners(true);
}
