//! Upsampling: images of another size. Knows settings and shapes, not how elements are found.

mod ways;

pub use ways::upsample;

use super::PerAxis;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::MAX_SPATIAL;
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;
use crate::words;

/// How the elements between those of the input are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpsampleMode {
    /// The nearest element before; for 1 to 3 spatial axes.
    Nearest,
    /// The element whose middle is nearest; for 1 to 3 spatial axes.
    NearestExact,
    /// Between the 2 neighbours along one spatial axis.
    Linear,
    /// Between the 4 neighbours along two spatial axes.
    Bilinear,
    /// Between the 16 neighbours along two spatial axes, by polynomials of degree 3.
    Bicubic,
    /// Between the 8 neighbours along three spatial axes.
    Trilinear,
    /// The average of the elements that a part of the image holds; for 1 to 3 spatial axes.
    Area,
}

impl UpsampleMode {
    /// All of them.
    pub const ALL: [UpsampleMode; 7] = [
        UpsampleMode::Nearest,
        UpsampleMode::NearestExact,
        UpsampleMode::Linear,
        UpsampleMode::Bilinear,
        UpsampleMode::Bicubic,
        UpsampleMode::Trilinear,
        UpsampleMode::Area,
    ];

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            UpsampleMode::Nearest => "nearest",
            UpsampleMode::NearestExact => "nearest-exact",
            UpsampleMode::Linear => "linear",
            UpsampleMode::Bilinear => "bilinear",
            UpsampleMode::Bicubic => "bicubic",
            UpsampleMode::Trilinear => "trilinear",
            UpsampleMode::Area => "area",
        }
    }

    /// The mode of this name.
    pub const fn find(name: &str) -> Option<UpsampleMode> {
        let mut position = 0;
        while position < UpsampleMode::ALL.len() {
            if words::same(UpsampleMode::ALL[position].name(), name) {
                return Some(UpsampleMode::ALL[position]);
            }
            position += 1;
        }
        None
    }

    /// The numbers of spatial axes that it takes.
    const fn spatial(self) -> (usize, usize) {
        match self {
            UpsampleMode::Nearest | UpsampleMode::NearestExact | UpsampleMode::Area => (1, MAX_SPATIAL),
            UpsampleMode::Linear => (1, 1),
            UpsampleMode::Bilinear | UpsampleMode::Bicubic => (2, 2),
            UpsampleMode::Trilinear => (3, 3),
        }
    }

    /// Whether corners may be aligned.
    const fn interpolates(self) -> bool {
        match self {
            UpsampleMode::Nearest | UpsampleMode::NearestExact | UpsampleMode::Area => false,
            UpsampleMode::Linear | UpsampleMode::Bilinear | UpsampleMode::Bicubic | UpsampleMode::Trilinear => true,
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

    /// What a list holds: nothing, a number for all axes or one for each.
    const fn listed(mut values: [T; MAX_SPATIAL], list: &[T], setting: &'static str) -> Result<Entries<T>, ShapeError> {
        if list.len() > MAX_SPATIAL {
            return Err(ShapeError::Setting { setting, rule: "takes one number, or one for each spatial axis" });
        }
        let mut axis = 0;
        while axis < list.len() {
            values[axis] = list[axis];
            axis += 1;
        }
        Ok(Entries { values, count: list.len() })
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
    antialias: bool,
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
            antialias: false,
        }
    }

    /// What [`interpolate`](crate::functions::interpolate) is given.
    pub(crate) const fn given(
        size: &[usize],
        scale_factor: &[f64],
        mode: &str,
        align_corners: bool,
        recompute_scale_factor: bool,
        antialias: bool,
    ) -> Result<UpsampleSettings, ShapeError> {
        let Some(mode) = UpsampleMode::find(mode) else {
            let rule = "must be \"nearest\", \"nearest-exact\", \"linear\", \"bilinear\", \"bicubic\", \"trilinear\" or \"area\"";
            return Err(ShapeError::Setting { setting: "mode", rule });
        };
        Ok(UpsampleSettings {
            size: ok!(Entries::listed([0; MAX_SPATIAL], size, "size")),
            scale_factor: ok!(Entries::listed([0.0; MAX_SPATIAL], scale_factor, "scale_factor")),
            mode,
            align_corners: if align_corners { Some(true) } else { None },
            recompute_scale_factor,
            antialias,
        })
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

    /// Whether a result that is smaller than the input is made of all its elements, each pixel being as wide as it is
    /// in the input: for [`UpsampleMode::Bilinear`] and [`UpsampleMode::Bicubic`]. Default: `false`.
    pub const fn antialias(mut self, antialias: bool) -> UpsampleSettings {
        self.antialias = antialias;
        self
    }

    /// The result's shape.
    pub(crate) const fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        if self.align_corners.is_some() && !self.mode.interpolates() {
            let rule = "is for the modes \"linear\", \"bilinear\", \"bicubic\" and \"trilinear\"";
            return Err(ShapeError::Setting { setting: "align_corners", rule });
        }
        if self.antialias && !matches!(self.mode, UpsampleMode::Bilinear | UpsampleMode::Bicubic) {
            let rule = "is for the modes \"bilinear\" and \"bicubic\"";
            return Err(ShapeError::Setting { setting: "antialias", rule });
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

    /// What it is over so many spatial axes.
    fn whole(&self, spatial: usize) -> Whole {
        let factors = |axis: usize| if axis < spatial { self.scale_factor.get(axis).unwrap_or(1.0) } else { 1.0 };
        let by_factor = self.scale_factor.count > 0 && !self.recompute_scale_factor;
        Whole::Upsample {
            mode: self.mode,
            align_corners: self.align_corners == Some(true),
            scales: by_factor.then(|| std::array::from_fn(factors)),
        }
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

/// Images of another size: of the nearest elements, or interpolated between neighbours.
///
/// Element `i` of the output along an axis stands at the position `p` of the input:
/// * nearest: `p = floor(i r)`; nearest-exact: `p = floor((i + 1/2) r)`;
/// * linear: `p = max(0, (i + 1/2) r - 1/2)`, or `p = i (in - 1) / (out - 1)` with `align_corners`; the output is
///   `(1 - t) x[floor(p)] + t x[floor(p) + 1]` with `t = p - floor(p)`;
/// * bicubic: the same positions without a bound, the output being the sum of the elements at `floor(p) - 1` to
///   `floor(p) + 2`, of which those outside are moved to the border, weighted by Keys' polynomial with `a = -3/4`;
/// * area: the average of the elements from `i in / out`, rounded down, to `(i + 1) in / out`, rounded up;
///
/// with `r = 1 / scale_factor` where that is given (and not recomputed), else `r = in / out`.
///
/// * Shapes: `[N, C, spatial..]` to `[N, C, size..]`, or to `[N, C, spatial * scale_factor..]`, rounded down.
/// * Settings: one of `size` and `scale_factor`, a number for all axes or one for each; `mode = "nearest"`, `"nearest-exact"`,
///   `"area"`, `"linear"` (for `[N, C, L]`), `"bilinear"` or `"bicubic"` (for `[N, C, H, W]`) or `"trilinear"` (for
///   `[N, C, D, H, W]`); `align_corners = false`, for the last four; `recompute_scale_factor = false`.
/// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (neither size nor factor or both, a wrong number of them,
///   one that leaves nothing, `align_corners` without interpolation); [`ShapeError::Attribute`] (an empty image).
/// * Source: PyTorch's `nn.Upsample`; Keys, "Cubic convolution interpolation for digital image processing", 1981. Whole factors without `align_corners` run fastest.
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
        let UpsampleSettings { size, scale_factor, mode, align_corners, recompute_scale_factor, antialias } =
            *self.settings;
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
        if antialias {
            text += ", antialias";
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
