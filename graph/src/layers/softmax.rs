//! Layers that turn scores into probabilities along one axis. Losses that read the scores themselves are not known
//! here.

use crate::build::{Axis, Builder, Value};
use crate::model::{Init, Layer, NoSettings, Path};
use crate::shape::{Shape, ShapeError, rules};

/// The settings of [`Softmax`], [`Softmin`] and [`LogSoftmax`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftmaxSettings {
    dim: Option<isize>,
}

impl SoftmaxSettings {
    /// No axis yet: it must be given.
    pub const fn new() -> SoftmaxSettings {
        SoftmaxSettings { dim: None }
    }

    /// The axis along which the probabilities sum to 1; negative ones count from the end.
    pub const fn dim(self, dim: isize) -> SoftmaxSettings {
        let _ = self;
        SoftmaxSettings { dim: Some(dim) }
    }

    /// The axis from the front, if the input has it.
    const fn axis(&self, op: &'static str, input: &Shape) -> Result<usize, ShapeError> {
        match self.dim {
            Some(dim) => rules::axis(op, dim, input),
            None => Err(ShapeError::Setting {
                setting: "dim",
                rule: "must be given: the axis along which the results sum to 1, such as `dim = 1` for scores [N, C]",
            }),
        }
    }
}

impl Default for SoftmaxSettings {
    fn default() -> SoftmaxSettings {
        SoftmaxSettings::new()
    }
}

/// Declares the layer.
macro_rules! softmaxes {
    ($($(#[$doc:meta])* $name:ident, $function:path, $word:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// * Shapes: any, unchanged.
        /// * Settings: `dim`, which must be given. (PyTorch guesses one, with a warning.)
        /// * Errors: [`ShapeError::Axis`] for an axis that the input does not have, [`ShapeError::Setting`] without `dim`.
        #[doc = concat!("* Source: PyTorch's `nn.", stringify!($name), "`.")]
        #[derive(Clone, Debug)]
        pub struct $name {
            settings: SoftmaxSettings,
        }

        impl $name {
            /// The result's shape: the input's.
            pub const fn shape(input: Shape, settings: &SoftmaxSettings) -> Result<Shape, ShapeError> {
                match settings.axis($word, &input) {
                    Ok(_) => Ok(input),
                    Err(error) => Err(error),
                }
            }

            /// The result's shape: the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &SoftmaxSettings) -> Shape {
                let _ = settings;
                input
            }

            /// The layer; it has no parameters.
            pub fn new(settings: SoftmaxSettings, init: &mut Init) -> $name {
                let _ = init;
                $name { settings }
            }
        }

        impl Layer for $name {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                match self.settings.axis($word, &x.shape()) {
                    Ok(axis) => $function(x, axis),
                    Err(error) => {
                        g.fail(error.into());
                        x
                    }
                }
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let dim = self.settings.dim.map_or(String::new(), |dim| format!("(dim {dim})"));
                f(path.as_str(), &format!("{}{dim}", stringify!($name)));
            }
        }
    )*};
}

/// The [softmax](Value::softmax) of the numbers with the other sign.
pub fn softmin<'g>(x: Value<'g>, dim: impl Into<Axis>) -> Value<'g> {
    (-x).softmax(dim)
}

softmaxes! {
    /// `exp(x) / sum(exp(x))` along an axis. No intermediate overflows. A loss that takes scores
    /// ([`cross_entropy`](crate::losses::cross_entropy)) applies it by itself.
    Softmax, Value::softmax, "softmax";
    /// `exp(-x) / sum(exp(-x))` along an axis: [`Softmax`] of the numbers with the other sign.
    Softmin, softmin, "softmin";
    /// `x - log(sum(exp(x)))` along an axis: the logarithm of [`Softmax`], exact where that underflows.
    LogSoftmax, Value::log_softmax, "log_softmax";
}

/// [`Softmax`] over the channels of each pixel.
///
/// * Shapes: `[N, C, H, W]` or `[C, H, W]`, unchanged.
/// * Errors: [`ShapeError::InputRank`] for another number of axes.
/// * Source: PyTorch's `nn.Softmax2d`.
#[derive(Clone, Debug)]
pub struct Softmax2d;

impl Softmax2d {
    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &NoSettings) -> Result<Shape, ShapeError> {
        let _ = settings;
        rules::axes(input, 3, 4)
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &NoSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The layer; it has no parameters.
    pub fn new(settings: NoSettings, init: &mut Init) -> Softmax2d {
        let _ = (settings, init);
        Softmax2d
    }
}

impl Layer for Softmax2d {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        match rules::axes(x.shape(), 3, 4) {
            Ok(_) => x.softmax(-3),
            Err(error) => {
                g.fail(error.into());
                x
            }
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), "Softmax2d");
    }
}
