//! Elementwise layers.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, NoSettings, Path};
use crate::shape::{Shape, ShapeError};

/// `x` where it is positive, else `negative_slope * x`.
pub fn leaky_relu(x: Value<'_>, negative_slope: f64) -> Value<'_> {
    let _function = x.graph().function("leaky_relu");
    x.gt(0.0).select(x, x * negative_slope)
}

/// Declares an elementwise layer without settings.
macro_rules! elementwise {
    ($(#[$doc:meta])* $name:ident, $function:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name;

        impl $name {
            /// The result's shape: the input's.
            pub const fn shape(input: Shape, settings: &NoSettings) -> Result<Shape, ShapeError> {
                let _ = settings;
                Ok(input)
            }

            /// The result's shape: the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &NoSettings) -> Shape {
                let _ = settings;
                input
            }

            /// The layer; it has no parameters.
            pub fn new(settings: NoSettings, init: &mut Init) -> $name {
                let _ = (settings, init);
                $name
            }
        }

        impl Layer for $name {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                let _ = g;
                $function(x)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                f(path.as_str(), stringify!($name));
            }
        }
    };
}

/// `x` times the normal distribution's `P(X <= x)`: `x / 2 (1 + erf(x / sqrt(2)))`. With `tanh` the approximation
/// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
pub fn gelu(x: Value<'_>, tanh: bool) -> Value<'_> {
    let bent = if tanh {
        (x * (x.square() * 0.044_715 + 1.0) * std::f64::consts::FRAC_2_PI.sqrt()).tanh()
    } else {
        (x * std::f64::consts::FRAC_1_SQRT_2).erf()
    };
    x * 0.5 * (bent + 1.0)
}

elementwise! {
    /// The input as it is.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Identity`.
    Identity, std::convert::identity
}

elementwise! {
    /// `max(x, 0)`; the gradient at 0 is 0, and NaN stays NaN.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.ReLU`.
    ReLU, Value::relu
}

elementwise! {
    /// The logistic function, `1 / (1 + exp(-x))`.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Sigmoid`.
    Sigmoid, Value::sigmoid
}

elementwise! {
    /// The hyperbolic tangent.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Tanh`.
    Tanh, Value::tanh
}

/// The settings of [`LeakyReLU`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyReLUSettings {
    negative_slope: f64,
}

impl LeakyReLUSettings {
    /// PyTorch's default: a slope of 0.01.
    pub const fn new() -> LeakyReLUSettings {
        LeakyReLUSettings { negative_slope: 0.01 }
    }

    /// The slope below 0. Default: 0.01.
    pub const fn negative_slope(self, negative_slope: f64) -> LeakyReLUSettings {
        LeakyReLUSettings { negative_slope }
    }
}

impl Default for LeakyReLUSettings {
    fn default() -> LeakyReLUSettings {
        LeakyReLUSettings::new()
    }
}

/// `x` where it is positive, else `negative_slope * x`; the gradient at 0 is the slope.
///
/// * Shapes: any, unchanged.
/// * Settings: `negative_slope = 0.01`.
/// * Errors: none.
/// * Source: PyTorch's `nn.LeakyReLU`.
#[derive(Clone, Debug)]
pub struct LeakyReLU {
    settings: LeakyReLUSettings,
}

impl LeakyReLU {
    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &LeakyReLUSettings) -> Result<Shape, ShapeError> {
        let _ = settings;
        Ok(input)
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &LeakyReLUSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The layer; it has no parameters.
    pub fn new(settings: LeakyReLUSettings, init: &mut Init) -> LeakyReLU {
        let _ = init;
        LeakyReLU { settings }
    }
}

impl Layer for LeakyReLU {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        leaky_relu(x, self.settings.negative_slope)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("LeakyReLU({})", self.settings.negative_slope));
    }
}
