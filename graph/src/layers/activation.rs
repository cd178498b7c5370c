//! Elementwise layers. None has parameters or draws numbers (`rectifier.rs`), and none knows an axis (`softmax.rs`,
//! `glu.rs`).

use crate::build::{Builder, Slope, Value};
use crate::model::{Init, Layer, NoSettings, Path};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Curve;

/// `x` where it is positive, else `negative_slope * x`.
pub fn leaky_relu(x: Value<'_>, negative_slope: f64) -> Value<'_> {
    let _function = x.graph().function("leaky_relu");
    checked(x, rules::finite("negative_slope", negative_slope), || {
        x.gt(0.0).select(x, x * negative_slope).curve(Curve::LeakyRelu { negative_slope }, x)
    })
}

/// `none` or `tanh`.
impl std::fmt::Display for GeluApproximation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GeluApproximation::None => "none",
            GeluApproximation::Tanh => "tanh",
        })
    }
}

/// `x` where it is positive, else `alpha (e^x - 1)`.
pub fn elu(x: Value<'_>, alpha: f64) -> Value<'_> {
    checked(x, rules::finite("alpha", alpha), || {
        let positive = x.gt(0.0);
        // The exponential is taken of what is not positive alone: one that overflows would give a gradient of 0 * inf.
        positive.select(x, positive.select(0.0, x).expm1() * alpha).curve(Curve::Elu { alpha }, x)
    })
}

/// `x` where it is positive, else `alpha (e^(x / alpha) - 1)`, whose slope at 0 is 1, too.
pub fn celu(x: Value<'_>, alpha: f64) -> Value<'_> {
    checked(x, rules::divisor_of("alpha", alpha), || {
        let positive = x.gt(0.0);
        let bent = (positive.select(0.0, x) * (1.0 / alpha)).expm1() * alpha;
        positive.select(x, bent).curve(Curve::Celu { alpha }, x)
    })
}

/// [`elu`] times a factor, both so that layers keep mean 0 and variance 1.
pub fn selu(x: Value<'_>) -> Value<'_> {
    (elu(x, 1.673_263_242_354_377_2) * 1.050_700_987_355_480_5).curve(Curve::Selu, x)
}

/// `x sigmoid(x)`.
pub fn silu(x: Value<'_>) -> Value<'_> {
    x * x.sigmoid()
}

/// `log(1 + e^(beta x)) / beta`, or `x` where `beta x` is above the threshold.
pub fn softplus(x: Value<'_>, beta: f64, threshold: f64) -> Value<'_> {
    checked(x, rules::bend(beta, threshold), || {
        let scaled = x * beta;
        let linear = scaled.gt(threshold);
        let y = linear.select(x, linear.select(0.0, scaled).exp().log1p() / beta);
        // Above that, a logarithm of f32 numbers is the line.
        if beta == 1.0 && threshold >= 17.0 { y.curve(Curve::Softplus, x) } else { y }
    })
}

/// `log(sigmoid(x))`, which is `min(x, 0) - log(1 + e^-|x|)`: it does not overflow, and keeps its digits.
pub fn log_sigmoid(x: Value<'_>) -> Value<'_> {
    // By the side of 0 that x is on: an absolute value has no second derivative at 0, where this is smooth.
    let below = x.lt(0.0);
    // Added up from the last to the first, the parts of the gradient cancel without a rounding.
    let bend = below.select(x, -x).exp().log1p();
    below.select(x, 0.0) - bend
}

/// `x tanh(softplus(x))`.
pub fn mish(x: Value<'_>) -> Value<'_> {
    (x * softplus(x, 1.0, 20.0).tanh()).curve(Curve::Mish, x)
}

/// The input, but at least `low` and at most `high`, which is the larger one.
pub fn hardtanh(x: Value<'_>, low: f64, high: f64) -> Value<'_> {
    checked(x, rules::bounds(low, high), || x.clamp(low, high))
}

/// `max(0, min(1, x / 6 + 1 / 2))`.
pub fn hardsigmoid(x: Value<'_>) -> Value<'_> {
    ((hardtanh(x, -3.0, 3.0) + 3.0) * (1.0 / 6.0)).curve(Curve::HardSigmoid, x)
}

/// `x` where it is farther from 0 than `lambd`, else 0.
pub fn hardshrink(x: Value<'_>, lambd: f64) -> Value<'_> {
    checked(x, rules::finite("lambd", lambd), || {
        (x.gt(lambd) | x.lt(-lambd)).select(x, nothing(x)).curve(Curve::Shrink { lambd, bias: 0.0 }, x)
    })
}

/// `x` drawn nearer to 0 by `lambd`, 0 where it is no farther away.
pub fn softshrink(x: Value<'_>, lambd: f64) -> Value<'_> {
    checked(x, rules::not_negative("lambd", lambd), || {
        let below = x.lt(-lambd).select(x + lambd, nothing(x));
        x.gt(lambd).select(x - lambd, below).curve(Curve::Shrink { lambd, bias: lambd }, x)
    })
}

/// 0, but NaN for NaN; without a gradient.
fn nothing(x: Value<'_>) -> Value<'_> {
    x.detach() * 0.0
}

/// `x / (1 + |x|)`.
pub fn softsign(x: Value<'_>) -> Value<'_> {
    (x / (x.abs() + 1.0)).curve(Curve::Softsign, x)
}

/// `x - tanh(x)`.
pub fn tanhshrink(x: Value<'_>) -> Value<'_> {
    x - x.tanh()
}

/// The result if the settings are right.
fn checked<'g>(x: Value<'g>, settings: Result<(), ShapeError>, result: impl FnOnce() -> Value<'g>) -> Value<'g> {
    match settings {
        Ok(()) => result(),
        Err(error) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// The input, but at least 0 and at most 6.
pub fn relu6(x: Value<'_>) -> Value<'_> {
    hardtanh(x, 0.0, 6.0)
}

/// `x (x + 3) / 6` between -3 and 3, 0 below (NaN at -inf, as PyTorch has it) and `x` above.
pub fn hardswish(x: Value<'_>) -> Value<'_> {
    // The parabola is that of numbers near 0 alone: an infinite slope would give a gradient of 0 * inf.
    let near = x.abs().ge(3.0).select(0.0, x);
    let above = x.ge(3.0).select(x, near * (near + 3.0) / 6.0);
    x.le(-3.0).select(nothing(x), above).curve(Curve::HardSwish, x)
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
    let (bent, slope): (_, Slope) = match approximate {
        GeluApproximation::None => (error_function(x), slope_of_gelu),
        GeluApproximation::Tanh => (bend(x), slope_of_bent_gelu),
    };
    let y = (x * 0.5 * (bent + 1.0)).with_slope(x, slope);
    y.curve(Curve::Gelu { tanh: approximate == GeluApproximation::Tanh }, x)
}

/// `erf(x / sqrt(2))`.
fn error_function(x: Value<'_>) -> Value<'_> {
    (x * std::f64::consts::FRAC_1_SQRT_2).erf()
}

/// The probability of a number below `x`, and `x` times its density.
fn slope_of_gelu(x: Value<'_>) -> Value<'_> {
    let density =
        (x.square() * -0.5).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2);
    (error_function(x) + 1.0) * 0.5 + x * density
}

/// `tanh(sqrt(2 / pi) (x + 0.044715 x^3))`.
fn bend(x: Value<'_>) -> Value<'_> {
    (x * (x.square() * 0.044_715 + 1.0) * std::f64::consts::FRAC_2_PI.sqrt()).tanh()
}

/// The derivative of `x / 2 (1 + bend(x))`.
fn slope_of_bent_gelu(x: Value<'_>) -> Value<'_> {
    let bent = bend(x);
    let within = (x.square() * (3.0 * 0.044_715) + 1.0) * (0.5 * std::f64::consts::FRAC_2_PI.sqrt());
    (bent + 1.0) * 0.5 + x * ((1.0 - bent.square()) * within)
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
    /// `x (x + 3) / 6` between -3 and 3, 0 below and `x` above: nearly [`SiLU`].
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: Howard et al., "Searching for MobileNetV3"; PyTorch's `nn.Hardswish`.
    Hardswish, hardswish
}

elementwise! {
    /// `max(0, min(1, x / 6 + 1 / 2))`: nearly [`Sigmoid`]. The gradient at -3 and 3 is 0.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Hardsigmoid`.
    Hardsigmoid, hardsigmoid
}

elementwise! {
    /// The logarithm of [`Sigmoid`], exact where that is next to 0 or 1.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.LogSigmoid`.
    LogSigmoid, log_sigmoid
}

elementwise! {
    /// `x tanh(log(1 + e^x))`.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function"; PyTorch's `nn.Mish`.
    Mish, mish
}

elementwise! {
    /// The input, but at least 0 and at most 6; the gradient at both is 0.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.ReLU6`.
    ReLU6, relu6
}

elementwise! {
    /// [`ELU`] with the scale and the alpha with which layers keep mean 0 and variance 1.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: Klambauer et al., "Self-Normalizing Neural Networks"; PyTorch's `nn.SELU`.
    SELU, selu
}

elementwise! {
    /// `x` times its logistic function, also called swish.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units"; PyTorch's `nn.SiLU`.
    SiLU, silu
}

elementwise! {
    /// `x / (1 + |x|)`.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Softsign`.
    Softsign, softsign
}

elementwise! {
    /// The hyperbolic tangent.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Tanh`.
    Tanh, Value::tanh
}

elementwise! {
    /// `x - tanh(x)`.
    ///
    /// * Shapes: any, unchanged.
    /// * Errors: none.
    /// * Source: PyTorch's `nn.Tanhshrink`.
    Tanhshrink, tanhshrink
}

/// Declares an elementwise layer with settings.
macro_rules! elementwise_with {
    ($(
        $(#[$doc:meta])*
        $name:ident, $function:ident;
        $(#[$settings_doc:meta])*
        $settings:ident { $($(#[$setting_doc:meta])* $setting:ident: $ty:ty = $default:expr,)+ }
        check $check:expr;
    )*) => {$(
        $(#[$settings_doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $settings {
            $($setting: $ty,)+
        }

        impl $settings {
            /// PyTorch's defaults.
            pub const fn new() -> $settings {
                $settings { $($setting: $default),+ }
            }

            $(
                $(#[$setting_doc])*
                pub const fn $setting(mut self, $setting: $ty) -> $settings {
                    self.$setting = $setting;
                    self
                }
            )+
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
            /// The result's shape: the input's, if the settings are right.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                let $settings { $($setting),+ } = *settings;
                match $check {
                    Ok(()) => Ok(input),
                    Err(error) => Err(error),
                }
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
                $function(x, $(self.settings.$setting),+)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let settings = [$(self.settings.$setting.to_string()),+].join(", ");
                f(path.as_str(), &format!("{}({settings})", stringify!($name)));
            }
        }
    )*};
}

elementwise_with! {
    /// `x` where it is positive, else `alpha (e^(x / alpha) - 1)`: [`ELU`] whose slope has no jump at 0.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `alpha = 1`.
    /// * Errors: [`ShapeError::Setting`] if it is 0 or not finite.
    /// * Source: Barron, "Continuously Differentiable Exponential Linear Units"; PyTorch's `nn.CELU`.
    CELU, celu;
    /// The settings of [`CELU`].
    CELUSettings {
        /// The limit of the result for small numbers, with the other sign. Default: 1.
        alpha: f64 = 1.0,
    }
    check rules::divisor_of("alpha", alpha);

    /// `x` where it is positive, else `alpha (e^x - 1)`.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `alpha = 1`.
    /// * Errors: [`ShapeError::Setting`] if it is not finite.
    /// * Source: Clevert, Unterthiner and Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units";
    ///   PyTorch's `nn.ELU`.
    ELU, elu;
    /// The settings of [`ELU`].
    ELUSettings {
        /// The limit of the result for small numbers, with the other sign. Default: 1.
        alpha: f64 = 1.0,
    }
    check rules::finite("alpha", alpha);

    /// `x` times the probability of a standard normal number below `x`, exactly or approximated; see
    /// [`GeluApproximation`].
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `approximate = "none"` (or `"tanh"`).
    /// * Errors: none.
    /// * Source: Hendrycks and Gimpel, "Gaussian Error Linear Units"; PyTorch's `nn.GELU`.
    GELU, gelu;
    /// The settings of [`GELU`].
    GELUSettings {
        /// How the normal distribution is computed. Default: exactly.
        approximate: GeluApproximation = GeluApproximation::None,
    }
    check { let _ = approximate; Ok(()) };

    /// `x` where it is farther from 0 than `lambd`, else 0.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `lambd = 0.5`.
    /// * Errors: [`ShapeError::Setting`] if it is not finite.
    /// * Source: PyTorch's `nn.Hardshrink`.
    Hardshrink, hardshrink;
    /// The settings of [`Hardshrink`].
    HardshrinkSettings {
        /// The largest distance from 0 that becomes 0. Default: 0.5.
        lambd: f64 = 0.5,
    }
    check rules::finite("lambd", lambd);

    /// `x - lambd` above `lambd`, `x + lambd` below `-lambd`, else 0.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `lambd = 0.5`.
    /// * Errors: [`ShapeError::Setting`] if it is negative or not finite.
    /// * Source: PyTorch's `nn.Softshrink`.
    Softshrink, softshrink;
    /// The settings of [`Softshrink`].
    SoftshrinkSettings {
        /// By how much numbers are drawn to 0. Default: 0.5.
        lambd: f64 = 0.5,
    }
    check rules::not_negative("lambd", lambd);

    /// `x` where it is positive, else `negative_slope * x`; the gradient at 0 is the slope.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `negative_slope = 0.01`.
    /// * Errors: [`ShapeError::Setting`] if it is not finite.
    /// * Source: PyTorch's `nn.LeakyReLU`.
    LeakyReLU, leaky_relu;
    /// The settings of [`LeakyReLU`].
    LeakyReLUSettings {
        /// The slope below 0. Default: 0.01.
        negative_slope: f64 = 0.01,
    }
    check rules::finite("negative_slope", negative_slope);

    /// The input, but at least `min_val` and at most `max_val`; the gradient at both and outside is 0.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `min_val = -1`, `max_val = 1`.
    /// * Errors: [`ShapeError::Setting`] if `max_val` is not above `min_val`.
    /// * Source: PyTorch's `nn.Hardtanh`.
    Hardtanh, hardtanh;
    /// The settings of [`Hardtanh`].
    HardtanhSettings {
        /// The smallest result. Default: -1.
        min_val: f64 = -1.0,
        /// The largest result. Default: 1.
        max_val: f64 = 1.0,
    }
    check rules::bounds(min_val, max_val);

    /// `log(1 + e^(beta x)) / beta`, a smooth form of [`ReLU`]; `x` itself where `beta x` is above the threshold.
    ///
    /// * Shapes: any, unchanged.
    /// * Settings: `beta = 1`, `threshold = 20`.
    /// * Errors: [`ShapeError::Setting`] for a `beta` of 0 or a setting that is no number.
    /// * Source: PyTorch's `nn.Softplus`.
    Softplus, softplus;
    /// The settings of [`Softplus`].
    SoftplusSettings {
        /// How sharp the bend is. Default: 1.
        beta: f64 = 1.0,
        /// Where the result is `x` itself. Default: 20.
        threshold: f64 = 20.0,
    }
    check rules::bend(beta, threshold);
}
