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

/// How [`gelu`] computes the normal distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GeluApproximation {
    /// Exactly, by the error function: `x / 2 (1 + erf(x / sqrt(2)))`.
    #[default]
    None,
    /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
    Tanh,
}

/// `x` times the standard normal distribution's probability of a number below `x`.
pub fn gelu(x: Value<'_>, approximate: GeluApproximation) -> Value<'_> {
    let bent = match approximate {
        GeluApproximation::None => (x * std::f64::consts::FRAC_1_SQRT_2).erf(),
        GeluApproximation::Tanh => (x * (x.square() * 0.044_715 + 1.0) * std::f64::consts::FRAC_2_PI.sqrt()).tanh(),
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

/// Declares an elementwise layer with one setting.
macro_rules! elementwise_with {
    ($(
        $(#[$doc:meta])*
        $name:ident, $function:ident;
        $(#[$settings_doc:meta])*
        $settings:ident;
        $(#[$setting_doc:meta])*
        $setting:ident: $ty:ty = $default:expr, $shown:expr;
    )*) => {$(
        $(#[$settings_doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $settings {
            $setting: $ty,
        }

        impl $settings {
            /// PyTorch's defaults.
            pub const fn new() -> $settings {
                $settings { $setting: $default }
            }

            $(#[$setting_doc])*
            pub const fn $setting(self, $setting: $ty) -> $settings {
                let _ = self;
                $settings { $setting }
            }
        }

        impl Default for $settings {
            fn default() -> $settings {
                $settings::new()
            }
        }

        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            settings: $settings,
        }

        impl $name {
            /// The result's shape: the input's.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                let _ = settings;
                Ok(input)
            }

            /// The result's shape: the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &$settings) -> Shape {
                let _ = settings;
                input
            }

            /// The layer; it has no parameters.
            pub fn new(settings: $settings, init: &mut Init) -> $name {
                let _ = init;
                $name { settings }
            }
        }

        impl Layer for $name {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                let _ = g;
                $function(x, self.settings.$setting)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let shown: fn($ty) -> String = $shown;
                f(path.as_str(), &format!("{}{}", stringify!($name), shown(self.settings.$setting)));
            }
        }
    )*};
}

elementwise_with! {
    /// `x` times the probability of a standard normal number below `x`, exactly or approximated; see
    /// [`GeluApproximation`].
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `approximate = "none"` (or `"tanh"`).
    /// * Errors: none.
    /// * Source: Hendrycks and Gimpel, "Gaussian Error Linear Units"; PyTorch's `nn.GELU`.
    GELU, gelu;
    /// The settings of [`GELU`].
    GELUSettings;
    /// How the normal distribution is computed. Default: exactly.
    approximate: GeluApproximation = GeluApproximation::None, |approximate| match approximate {
        GeluApproximation::None => String::new(),
        GeluApproximation::Tanh => "(approximate tanh)".to_owned(),
    };

    /// `x` where it is positive, else `negative_slope * x`; the gradient at 0 is the slope.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `negative_slope = 0.01`.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.LeakyReLU`.
    LeakyReLU, leaky_relu;
    /// The settings of [`LeakyReLU`].
    LeakyReLUSettings;
    /// The slope below 0. Default: 0.01.
    negative_slope: f64 = 0.01, |slope| format!("({slope})");
}
