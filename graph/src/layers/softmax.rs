//! Layers that turn scores into probabilities along one axis.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::shape::{Shape, ShapeError, rules};

/// The settings of [`Softmax`] and [`LogSoftmax`].
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
    ($($(#[$doc:meta])* $name:ident, $method:ident;)*) => {$(
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
                match settings.axis(stringify!($method), &input) {
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
                match self.settings.axis(stringify!($method), &x.shape()) {
                    Ok(axis) => x.$method(axis),
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

softmaxes! {
    /// `exp(x) / sum(exp(x))` along an axis. No intermediate overflows. A loss that takes scores
    /// ([`cross_entropy`](crate::losses::cross_entropy)) applies it by itself.
    Softmax, softmax;
    /// `x - log(sum(exp(x)))` along an axis: the logarithm of [`Softmax`], exact where that underflows.
    LogSoftmax, log_softmax;
}
