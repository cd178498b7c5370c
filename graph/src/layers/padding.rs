//! Padding of images: with a number, or with elements of their own. What reads the larger image is not known here.

use super::PerAxis;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::MAX_SPATIAL;
use crate::shape::{MAX_RANK, Shape, ShapeError, rules};
use crate::whole::Whole;
use crate::words;

/// What stands around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaddingMode {
    /// Zeros (or another number).
    Zeros,
    /// The image mirrored at its first and last elements, which are not repeated.
    Reflect,
    /// The first and the last elements.
    Replicate,
    /// The image once more, from the other end.
    Circular,
}

impl PaddingMode {
    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            PaddingMode::Zeros => "zeros",
            PaddingMode::Reflect => "reflect",
            PaddingMode::Replicate => "replicate",
            PaddingMode::Circular => "circular",
        }
    }

    /// The mode that `torch.nn.functional.pad` has under this name.
    pub(crate) const fn of_function(name: &str) -> Result<PaddingMode, ShapeError> {
        let named = [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];
        let mut position = 0;
        while position < named.len() {
            if words::same(named[position].name(), name) {
                return Ok(named[position]);
            }
            position += 1;
        }
        if words::same("constant", name) {
            return Ok(PaddingMode::Zeros);
        }
        let rule = "must be \"constant\", \"reflect\", \"replicate\" or \"circular\"";
        Err(ShapeError::Setting { setting: "mode", rule })
    }
}

/// The elements before and after each spatial axis, the outermost axis first; less than 0 cuts off. Unused entries are
/// 0.
pub type Sides = [(isize, isize); MAX_SPATIAL];

/// `x` with more elements (or fewer) before and after its last axes, one for each pair of `sides`: `value`, if the mode is that of zeros, or
/// elements of its own.
///
/// Axis after axis, so that the corners of a reflection are mirrored twice; what is cut off is cut off at last.
pub fn pad_last<'g>(x: Value<'g>, sides: &[(isize, isize)], mode: PaddingMode, value: f64) -> Value<'g> {
    let shape = match rules::padding(x.shape(), sides, mode) {
        Ok(shape) => shape,
        Err(error) => {
            x.graph().fail(error.into());
            return x;
        }
    };
    let first = shape.rank() - sides.len();
    if mode == PaddingMode::Circular && sides.iter().any(|&(before, after)| before.min(after) < 0) {
        // What is cut off does not come back at the other end.
        let cut = (first..shape.rank()).fold(x, |x, axis| {
            let (before, after) = sides[axis - first];
            let (before, after) = (before.min(0).unsigned_abs(), after.min(0).unsigned_abs());
            if before + after == 0 { x } else { x.slice(axis, before..x.shape().dim(axis) - after, 1) }
        });
        let mut more = [(0, 0); MAX_RANK];
        for (more, &(before, after)) in more.iter_mut().zip(sides) {
            *more = (before.max(0), after.max(0));
        }
        return pad_last(cut, &more[..sides.len()], mode, value);
    }
    let (mut low, mut high) = ([0; MAX_RANK], [0; MAX_RANK]);
    for (number, (before, after)) in sides.iter().enumerate() {
        (low[first + number], high[first + number]) = (before.max(&0).unsigned_abs(), after.max(&0).unsigned_abs());
    }
    let more = match mode {
        PaddingMode::Zeros => x.pad(&low[..shape.rank()], &high[..shape.rank()], value),
        _ => {
            let more = (first..shape.rank()).fold(x, |x, axis| own(x, axis, low[axis], high[axis], mode));
            more.known_as(Whole::Pad { mode, low, high }, &[Some(x)])
        }
    };
    (first..shape.rank()).fold(more, |x, axis| {
        let cut = sides[axis - first].0.min(0).unsigned_abs();
        if shape.dim(axis) == x.shape().dim(axis) { x } else { x.slice(axis, cut..cut + shape.dim(axis), 1) }
    })
}

/// `x` with elements of its own before and after an axis.
fn own(x: Value<'_>, axis: usize, before: usize, after: usize, mode: PaddingMode) -> Value<'_> {
    let extent = x.shape().dim(axis);
    let part = |range: std::ops::Range<usize>| x.slice(axis, range, 1);
    let repeated = |range: std::ops::Range<usize>, times: usize| {
        let edge = part(range);
        edge.broadcast_to(edge.shape().with(axis, times))
    };
    let first = || match mode {
        PaddingMode::Reflect => part(1..before + 1).reverse(axis),
        PaddingMode::Circular => part(extent - before..extent),
        PaddingMode::Replicate | PaddingMode::Zeros => repeated(0..1, before),
    };
    let last = || match mode {
        PaddingMode::Reflect => part(extent - 1 - after..extent - 1).reverse(axis),
        PaddingMode::Circular => part(0..after),
        PaddingMode::Replicate | PaddingMode::Zeros => repeated(extent - 1..extent, after),
    };
    let parts = [(before > 0).then(first), Some(x), (after > 0).then(last)];
    let parts: Vec<Value<'_>> = parts.into_iter().flatten().collect();
    if parts.len() == 1 { x } else { x.graph().concat(&parts, axis) }
}

/// The settings of padding on `S` sides, two for each spatial axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PadSettings<const S: usize> {
    padding: Option<PerAxis<S, isize>>,
    value: Option<f64>,
}

/// The settings of padding layers over one spatial axis.
pub type Pad1dSettings = PadSettings<2>;
/// The settings of padding layers over two spatial axes.
pub type Pad2dSettings = PadSettings<4>;
/// The settings of padding layers over three spatial axes.
pub type Pad3dSettings = PadSettings<6>;

impl<const S: usize> PadSettings<S> {
    /// No padding, which must be given, as the number of a `ConstantPad` must.
    pub const fn new() -> PadSettings<S> {
        PadSettings { padding: None, value: None }
    }

    /// The elements on each side, in PyTorch's order: before and after the last axis, before and after the one before
    /// it. Less than 0 cuts off.
    pub const fn padding(mut self, padding: PerAxis<S, isize>) -> PadSettings<S> {
        self.padding = Some(padding);
        self
    }

    /// The number that a `ConstantPad` pads with.
    pub const fn value(mut self, value: f64) -> PadSettings<S> {
        self.value = Some(value);
        self
    }

    /// The elements before and after each axis.
    const fn sides(&self) -> Sides {
        let mut sides = [(0, 0); MAX_SPATIAL];
        if let Some(padding) = self.padding {
            let mut axis = 0;
            while axis < S / 2 {
                let pair = 2 * (S / 2 - 1 - axis);
                sides[axis] = (padding.at(pair), padding.at(pair + 1));
                axis += 1;
            }
        }
        sides
    }

    const fn shape(&self, input: Shape, mode: PaddingMode, needs_value: bool) -> Result<Shape, ShapeError> {
        if self.padding.is_none() {
            return Err(ShapeError::Setting { setting: "padding", rule: "must be given" });
        }
        if needs_value && self.value.is_none() {
            return Err(ShapeError::Setting { setting: "value", rule: "must be given" });
        }
        rules::padding(input, self.sides().split_at(S / 2).0, mode)
    }
}

impl<const S: usize> Default for PadSettings<S> {
    fn default() -> PadSettings<S> {
        PadSettings::new()
    }
}

/// Declares padding layers: the documentation, the name, the settings, the mode, and whether a number must be given.
macro_rules! pads {
    ($($(#[$doc:meta])* $name:ident, $settings:ident, $mode:expr, $needs_value:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// * Settings: `padding`, which must be given: one whole number for all sides, or two for each axis, before and
        ///   after the last axis first, as in PyTorch. Less than 0 cuts off.
        #[doc = concat!("* Source: PyTorch's `nn.", stringify!($name), "`.")]
        #[derive(Clone, Debug)]
        pub struct $name {
            settings: $settings,
        }

        impl $name {
            /// The result's shape.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                settings.shape(input, $mode, $needs_value)
            }

            /// The result's shape, or after a mismatch the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &$settings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) => input,
                }
            }

            /// The layer; it has no parameters.
            pub fn new(settings: $settings, init: &mut Init) -> $name {
                let _ = init;
                $name { settings }
            }
        }

        impl Layer for $name {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                if let Err(error) = Self::shape(x.shape(), &self.settings) {
                    g.fail(error.into());
                    return x;
                }
                self.settings.pad(x, $mode)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                f(path.as_str(), &format!("{}({})", stringify!($name), self.settings.described()));
            }
        }
    )*};
}

impl<const S: usize> PadSettings<S> {
    fn pad<'g>(&self, x: Value<'g>, mode: PaddingMode) -> Value<'g> {
        pad_last(x, &self.sides()[..S / 2], mode, self.value.unwrap_or(0.0))
    }

    /// `1`, or `(1, 1, 2, 2), value 0.5`
    fn described(&self) -> String {
        let padding = self.padding.map_or("None".to_string(), |padding| padding.to_string());
        padding + &self.value.map_or(String::new(), |value| format!(", value {value}"))
    }
}

pads! {
    /// Zeros around a signal, `[N, C, L]`.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   where nothing is left.
    ZeroPad1d, Pad1dSettings, PaddingMode::Zeros, false;
    /// Zeros around an image, `[N, C, H, W]`.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   where nothing is left.
    ZeroPad2d, Pad2dSettings, PaddingMode::Zeros, false;
    /// Zeros around a volume, `[N, C, D, H, W]`.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   where nothing is left.
    ZeroPad3d, Pad3dSettings, PaddingMode::Zeros, false;
    /// One number around a signal, `[N, C, L]`: the setting `value`, which must be given.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding` or a `value`;
    ///   [`ShapeError::Extent`] where nothing is left.
    ConstantPad1d, Pad1dSettings, PaddingMode::Zeros, true;
    /// One number around an image, `[N, C, H, W]`: the setting `value`, which must be given.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding` or a `value`;
    ///   [`ShapeError::Extent`] where nothing is left.
    ConstantPad2d, Pad2dSettings, PaddingMode::Zeros, true;
    /// One number around a volume, `[N, C, D, H, W]`: the setting `value`, which must be given.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding` or a `value`;
    ///   [`ShapeError::Extent`] where nothing is left.
    ConstantPad3d, Pad3dSettings, PaddingMode::Zeros, true;
    /// Around a signal, `[N, C, L]`, the same mirrored at its first and last elements, which are not repeated.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   for a padding that is not less than the axis, or where nothing is left.
    ReflectionPad1d, Pad1dSettings, PaddingMode::Reflect, false;
    /// Around an image, `[N, C, H, W]`, the same mirrored at its first and last elements, which are not repeated.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   for a padding that is not less than the axis, or where nothing is left.
    ReflectionPad2d, Pad2dSettings, PaddingMode::Reflect, false;
    /// Around a volume, `[N, C, D, H, W]`, the same mirrored at its first and last elements, which are not repeated.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   for a padding that is not less than the axis, or where nothing is left.
    ReflectionPad3d, Pad3dSettings, PaddingMode::Reflect, false;
    /// Around a signal, `[N, C, L]`, its first and last elements.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   where nothing is left.
    ReplicationPad1d, Pad1dSettings, PaddingMode::Replicate, false;
    /// Around an image, `[N, C, H, W]`, its first and last elements.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   where nothing is left.
    ReplicationPad2d, Pad2dSettings, PaddingMode::Replicate, false;
    /// Around a volume, `[N, C, D, H, W]`, its first and last elements.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   where nothing is left.
    ReplicationPad3d, Pad3dSettings, PaddingMode::Replicate, false;
    /// Around a signal, `[N, C, L]`, the same once more, from the other end.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   for a padding of more than the axis, or where nothing is left.
    CircularPad1d, Pad1dSettings, PaddingMode::Circular, false;
    /// Around an image, `[N, C, H, W]`, the same once more, from the other end.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   for a padding of more than the axis, or where nothing is left.
    CircularPad2d, Pad2dSettings, PaddingMode::Circular, false;
    /// Around a volume, `[N, C, D, H, W]`, the same once more, from the other end.
    ///
    /// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] without a `padding`; [`ShapeError::Extent`]
    ///   for a padding of more than the axis, or where nothing is left.
    CircularPad3d, Pad3dSettings, PaddingMode::Circular, false;
}
