//! Dropout: of single elements, and of whole channels. The numbers come from the builder, which step it is from the
//! graph: there is no generator here.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::shape::{Shape, ShapeError, rules};

/// In training each element is 0 with probability `p`, and else divided by `1 - p`; in evaluation it stays as it is.
/// Each run of the program [draws](Builder::draw) anew.
pub fn dropout(x: Value<'_>, p: f64) -> Value<'_> {
    dropped(x, x.shape(), p)
}

/// [`dropout`] of whole channels: all elements with the same first two indices share their fate.
pub fn channel_dropout(x: Value<'_>, p: f64) -> Value<'_> {
    of_channels(x, |mask| dropped(x, mask, p))
}

/// What `drop` makes of the shape of a mask with one element for each channel.
fn of_channels<'g>(x: Value<'g>, drop: impl FnOnce(Shape) -> Value<'g>) -> Value<'g> {
    let shape = x.shape();
    if shape.rank() < 2 {
        x.graph().fail(ShapeError::InputRank { least: 2, most: crate::shape::MAX_RANK, found: shape }.into());
        return x;
    }
    drop((2..shape.rank()).fold(shape, |shape, axis| shape.with(axis, 1)))
}

/// In training each element is, with probability `p`, what a [SELU](super::activation::selu) makes of large negative
/// numbers, and all are then scaled and moved so that mean 0 and variance 1 stay; in evaluation it stays as it is.
pub fn alpha_dropout(x: Value<'_>, p: f64) -> Value<'_> {
    alpha_dropped(x, x.shape(), p)
}

/// [`alpha_dropout`] of whole channels: all elements with the same first two indices share their fate.
pub fn feature_alpha_dropout(x: Value<'_>, p: f64) -> Value<'_> {
    of_channels(x, |mask| alpha_dropped(x, mask, p))
}

/// `a (x kept + alpha dropped) + b` by a mask that is drawn with the given shape, with `alpha` the limit of a SELU, `a
/// = ((1 - p) (1 + p alpha^2))^(-1/2)` and `b = -a alpha p`.
fn alpha_dropped<'g>(x: Value<'g>, mask: Shape, p: f64) -> Value<'g> {
    let g = x.graph();
    if let Err(error) = rules::probability(x.shape(), p) {
        g.fail(error.into());
        return x;
    }
    if !g.training() || p == 0.0 {
        return x;
    }
    if p == 1.0 {
        return x * 0.0;
    }
    let alpha = -1.758_099_340_847_376_6;
    let a = ((1.0 - p) * (1.0 + p * alpha * alpha)).powf(-0.5);
    let kept = g.draw(mask).ge(p);
    x * kept.select(a, 0.0) + kept.select(-a * alpha * p, a * alpha * (1.0 - p))
}

/// `x` times a mask that is drawn with the given shape.
fn dropped(x: Value<'_>, mask: Shape, p: f64) -> Value<'_> {
    let g = x.graph();
    if let Err(error) = rules::probability(x.shape(), p) {
        g.fail(error.into());
        return x;
    }
    if !g.training() || p == 0.0 {
        return x;
    }
    if p == 1.0 {
        return x * 0.0;
    }
    // A product and no selection of 0: a NaN stays one, as in PyTorch.
    x * g.draw(mask).ge(p).select(1.0 / (1.0 - p), 0.0)
}

/// The settings of [`Dropout`], [`Dropout1d`] to [`Dropout3d`], [`AlphaDropout`] and [`FeatureAlphaDropout`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutSettings {
    p: f64,
}

impl DropoutSettings {
    /// PyTorch's default: a probability of 0.5.
    pub const fn new() -> DropoutSettings {
        DropoutSettings { p: 0.5 }
    }

    /// The probability with which an element (or a channel) is dropped, 0 to 1. Default: 0.5.
    pub const fn p(self, p: f64) -> DropoutSettings {
        let _ = self;
        DropoutSettings { p }
    }
}

impl Default for DropoutSettings {
    fn default() -> DropoutSettings {
        DropoutSettings::new()
    }
}

/// Declares the layer for inputs with `$least` to `$most` axes.
macro_rules! dropouts {
    ($($(#[$doc:meta])* $name:ident, $function:ident, $least:expr, $most:expr, $source:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// In evaluation everything stays as it is. The choice comes from a counter-based stream keyed by the trainer's
        /// seed, the number of the step and the place of the layer: every step draws anew, and runs repeat.
        ///
        /// * Settings: `p = 0.5`.
        #[doc = concat!("* Errors: [`ShapeError::Setting`] for a `p` outside 0 to 1; [`ShapeError::InputRank`] for an \
                         input with another number of axes.")]
        #[doc = concat!("* Source: ", $source, "; PyTorch's `nn.", stringify!($name), "`.")]
        #[derive(Clone, Debug)]
        pub struct $name {
            settings: DropoutSettings,
        }

        impl $name {
            /// The result's shape: the input's.
            pub const fn shape(input: Shape, settings: &DropoutSettings) -> Result<Shape, ShapeError> {
                match rules::axes(input, $least, $most) {
                    Ok(shape) => rules::probability(shape, settings.p),
                    Err(error) => Err(error),
                }
            }

            /// The result's shape: the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &DropoutSettings) -> Shape {
                let _ = settings;
                input
            }

            /// The layer; it has no parameters.
            pub fn new(settings: DropoutSettings, init: &mut Init) -> $name {
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
                $function(x, self.settings.p)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                f(path.as_str(), &format!("{}({})", stringify!($name), self.settings.p));
            }
        }
    )*};
}

dropouts! {
    /// Drops each element with probability `p`, of any shape. What stays is divided by `1 - p`, so that the expected
    /// value does not change.
    Dropout, dropout, 0, crate::shape::MAX_RANK, "Srivastava et al., \"Dropout\"";
    /// Drops each channel of signals with probability `p`: `[N, C, L]`. What stays is divided by `1 - p`.
    Dropout1d, channel_dropout, 3, 3, "Srivastava et al., \"Dropout\"";
    /// Drops each channel of images with probability `p`: `[N, C, H, W]`. What stays is divided by `1 - p`.
    Dropout2d, channel_dropout, 4, 4, "Srivastava et al., \"Dropout\"";
    /// Drops each channel of volumes with probability `p`: `[N, C, D, H, W]`. What stays is divided by `1 - p`.
    Dropout3d, channel_dropout, 5, 5, "Srivastava et al., \"Dropout\"";
    /// Puts each element, of any shape, with probability `p` where a SELU has its limit, and scales and moves all so
    /// that mean 0 and variance 1 stay: for networks of [`SELU`](super::SELU)s.
    AlphaDropout, alpha_dropout, 0, crate::shape::MAX_RANK, "Klambauer et al., \"Self-Normalizing Neural Networks\"";
    /// Puts each channel of `[N, C, ..]` with probability `p` where a SELU has its limit, and scales and moves all so
    /// that mean 0 and variance 1 stay: for networks of [`SELU`](super::SELU)s.
    FeatureAlphaDropout, feature_alpha_dropout, 2, crate::shape::MAX_RANK,
        "Klambauer et al., \"Self-Normalizing Neural Networks\"";
}
