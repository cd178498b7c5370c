//! Power-average pooling: the p-norm of each window. How windows lie is `pool.rs`'s.

use super::PerAxis;
use super::pool::{sum_and_count, window};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::Window;
use crate::shape::{Shape, ShapeError, rules};

/// `(sum of x^p)^(1/p)` over each window of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`).
///
/// A window that ends past the image (with `ceil`) counts as if it were full of elements like those that it has, as in
/// PyTorch. Where the sum is 0 the gradient is 0. Of a negative sum (with an odd `p`) the root is NaN, as in PyTorch.
pub fn lp_pool(x: Value<'_>, p: f64, window: Window) -> Value<'_> {
    if x.shape().rank() == window.sliding.spatial + 1 {
        return lp_pool(x.unsqueeze(0), p, window).squeeze(0);
    }
    if let Err(error) = rules::lp_pool(x.shape(), p, &window) {
        x.graph().fail(error.into());
        return x;
    }
    let powers = if p == 1.0 {
        x
    } else if p == 2.0 {
        x.square()
    } else {
        x.pow(p)
    };
    let (sum, count) = sum_and_count(powers, window);
    let full = window.kernel.iter().product::<usize>() as f64;
    let sum = if count.shape().rank() == 0 { sum } else { sum / count * full };
    if p == 1.0 {
        // PyTorch has no slope at 0 with this power, either, nor at NaN.
        return sum.abs().gt(0.0).select(sum, sum.detach());
    }
    // The slope of the root is infinite at 0, where that of the powers is 0.
    let none = sum.eq(0.0);
    let some = none.select(1.0, sum);
    none.select(0.0, if p == 2.0 { some.sqrt() } else { some.pow(1.0 / p) })
}

/// The settings of power-average pooling over `D` spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LPPoolSettings<const D: usize> {
    stride: Option<PerAxis<D>>,
    ceil_mode: bool,
}

/// The settings of [`LPPool1d`].
pub type LPPool1dSettings = LPPoolSettings<1>;
/// The settings of [`LPPool2d`].
pub type LPPool2dSettings = LPPoolSettings<2>;
/// The settings of [`LPPool3d`].
pub type LPPool3dSettings = LPPoolSettings<3>;

impl<const D: usize> LPPoolSettings<D> {
    /// PyTorch's defaults: the stride is the kernel, no `ceil_mode`.
    pub const fn new() -> LPPoolSettings<D> {
        LPPoolSettings { stride: None, ceil_mode: false }
    }

    /// The steps of the window. Default: the kernel.
    pub const fn stride(mut self, stride: PerAxis<D>) -> LPPoolSettings<D> {
        self.stride = Some(stride);
        self
    }

    /// Whether a last window that starts inside the image but ends outside counts. Default: `false`.
    pub const fn ceil_mode(mut self, ceil_mode: bool) -> LPPoolSettings<D> {
        self.ceil_mode = ceil_mode;
        self
    }

    const fn window(&self, kernel: PerAxis<D>) -> Window {
        window(kernel, self.stride, PerAxis::all(0), PerAxis::all(1), self.ceil_mode)
    }
}

impl<const D: usize> Default for LPPoolSettings<D> {
    fn default() -> LPPoolSettings<D> {
        LPPoolSettings::new()
    }
}

/// Declares the layer for a number of spatial axes.
macro_rules! lp_pools {
    ($($(#[$doc:meta])* $name:ident, $settings:ident, [$first:ident $(, $extent:ident = $default:ident)*];)*) => {$(
        $(#[$doc])*
        ///
        /// `y = (sum over the window of x^P)^(1/P)`: the sum for `P = 1`, the Euclidean norm for `P = 2`. Where the sum
        /// is 0 the gradient is 0; the root of a negative sum (with an odd `P`) is NaN. With `ceil_mode` a window that
        /// ends outside counts as if it were full of elements like those that it has.
        ///
        /// * Settings: `stride = kernel`, `ceil_mode = false`.
        /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Setting`] (a `norm_type` of 0),
        ///   [`ShapeError::Attribute`] (a kernel or stride of 0).
        #[doc = concat!("* Source: PyTorch's `nn.", stringify!($name), "`, for whole numbers `norm_type`.")]
        #[derive(Clone, Debug)]
        pub struct $name<const P: usize, const $first: usize $(, const $extent: usize = $default)*> {
            settings: $settings,
        }

        impl<const P: usize, const $first: usize $(, const $extent: usize)*> $name<P, $first $(, $extent)*> {
            /// The result's shape.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                rules::lp_pool(input, P as f64, &settings.window(PerAxis::new([$first $(, $extent)*])))
            }

            /// The result's shape, or after a mismatch the input's.
            pub const fn shape_or_assumed(input: Shape, settings: &$settings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) => input,
                }
            }

            /// The layer; it has no parameters.
            pub fn new(settings: $settings, init: &mut Init) -> Self {
                let _ = init;
                $name { settings }
            }
        }

        impl<const P: usize, const $first: usize $(, const $extent: usize)*> Layer
            for $name<P, $first $(, $extent)*>
        {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                // The function takes one sample without a batch axis, too; the layer does not.
                if let Err(error) = Self::shape(x.shape(), &self.settings) {
                    g.fail(error.into());
                    return x;
                }
                lp_pool(x, P as f64, self.settings.window(PerAxis::new([$first $(, $extent)*])))
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let kernel = PerAxis::new([$first $(, $extent)*]);
                let mut text = format!("{}({P}, {kernel}", stringify!($name));
                if let Some(stride) = self.settings.stride.filter(|&stride| stride != kernel) {
                    text += &format!(", stride {stride}");
                }
                text += if self.settings.ceil_mode { ", ceil)" } else { ")" };
                f(path.as_str(), &text);
            }
        }
    )*};
}

lp_pools! {
    /// The `P`-norm of each window of a signal, `[N, C, L]`.
    LPPool1d, LPPool1dSettings, [K];
    /// The `P`-norm of each window of an image, `[N, C, H, W]`.
    LPPool2d, LPPool2dSettings, [KH, KW = KH];
    /// The `P`-norm of each window of a volume, `[N, C, D, H, W]`.
    LPPool3d, LPPool3dSettings, [KD, KH = KD, KW = KH];
}
