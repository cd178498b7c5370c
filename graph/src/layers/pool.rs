//! Pooling layers. Windows that follow from the output's size, or are drawn, are other files'.

use super::resample::before_axes;
use super::{PerAxis, images, sliding};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::Window;
use crate::shape::{DType, Shape, ShapeError, rules};
use crate::whole::Whole;

/// The maximum of each window of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`). Padding counts as -inf.
pub fn max_pool(x: Value<'_>, window: Window) -> Value<'_> {
    pool("max_pool", x, window, |x| x.max_window(window).known_as(Whole::MaxPool(window), &[Some(x)]))
}

/// [`max_pool`], and the place of each maximum within its image in row-major order (i32, without a gradient): PyTorch's
/// `return_indices`, which [`max_unpool`](super::unpool::max_unpool) takes. Of equals the first wins; NaN wins over
/// all.
pub fn max_pool_with_indices(x: Value<'_>, window: Window) -> (Value<'_>, Value<'_>) {
    let places = pool("max_pool", x.detach(), window, |x| x.argmax_window(window));
    (max_pool(x, window), if places.dtype() == DType::I32 { places } else { places.convert(DType::I32) })
}

/// How an average counts its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divisor {
    /// Whether padding counts.
    pub count_include_pad: bool,
    /// The divisor, whatever the window holds.
    pub divisor_override: Option<usize>,
}

/// The average of each window of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`). Padding counts as 0.
///
/// A window that ends past the high padding (with `ceil`) is counted up to the padding's end, as in PyTorch.
pub fn avg_pool(x: Value<'_>, window: Window, divisor: Divisor) -> Value<'_> {
    if let Err(error) = rules::divisor(divisor.divisor_override) {
        x.graph().fail(error.into());
        return x;
    }
    pool("avg_pool", x, window, |x| {
        let sum = x.sum_window(window);
        match divisor.divisor_override {
            Some(divisor) => sum / divisor as f64,
            None => {
                let count_include_pad = divisor.count_include_pad;
                let mean = sum / count(x, window, count_include_pad);
                mean.known_as(Whole::AvgPool { window, count_include_pad }, &[Some(x)])
            }
        }
    })
}

/// Checks the window, and gives one sample a batch axis for the time of `fold`.
fn pool<'g>(op: &'static str, x: Value<'g>, window: Window, fold: impl Fn(Value<'g>) -> Value<'g>) -> Value<'g> {
    let single = x.shape().rank() == window.sliding.spatial + 1;
    let batch = if single { x.unsqueeze(0) } else { x };
    if let Err(error) = rules::pool(op, batch.shape(), &window) {
        x.graph().fail(error.into());
        return x;
    }
    if single { fold(batch).squeeze(0) } else { fold(batch) }
}

/// The sums of the windows of `x [N, C, spatial..]`, and the number that an average divides them by: the places of the
/// window but for those past the high padding.
pub(super) fn sum_and_count<'g>(x: Value<'g>, window: Window) -> (Value<'g>, Value<'g>) {
    (x.sum_window(window), count(x, window, true))
}

/// How many elements each window of `x` holds: a scalar if that is the same for all, else a tensor of the result's
/// spatial extents.
fn count<'g>(x: Value<'g>, window: Window, include_padding: bool) -> Value<'g> {
    let g = x.graph();
    let mut counts = g.scalar(1.0);
    for axis in 0..window.sliding.spatial {
        let (kernel, stride) = (window.kernel[axis], window.sliding.stride[axis]);
        let (low, high) = window.sliding.padding[axis];
        let extent = x.shape().dim(axis + 2);
        let windows = rules::window_extent("avg_pool", axis, extent, &window).unwrap_or(1);
        let overhangs = (windows - 1) * stride + kernel > low + extent + high;
        if !overhangs && (include_padding || (low, high) == (0, 0)) {
            counts = counts * kernel as f64;
            continue;
        }
        // Window i holds the places from i * stride - low on, up to the end of what counts.
        let (first, end) = if include_padding { (-(low as f64), extent + high) } else { (0.0, extent) };
        let start = g.iota([windows], 0).convert(DType::F32) * stride as f64 - low as f64;
        let along = (start + kernel as f64).minimum(end as f64) - start.maximum(first);
        counts = counts * before_axes(along, window.sliding.spatial - axis - 1);
    }
    counts
}

/// Declares the settings that both kinds of pooling share.
macro_rules! shared_settings {
    ($name:ident) => {
        impl<const D: usize> $name<D> {
            /// The shape after a pooling that does not fit: one pixel per channel.
            const fn assumed(&self, input: Shape) -> Shape {
                if input.rank() == D + 2 {
                    images(input.dim(1), PerAxis::<D>::all(1)).with(0, input.dim(0))
                } else {
                    input
                }
            }

            /// The steps of the window. Default: the kernel.
            pub const fn stride(mut self, stride: PerAxis<D>) -> $name<D> {
                self.stride = Some(stride);
                self
            }

            /// Padding on each side of the image, at most half of the kernel. Default: 0.
            pub const fn padding(mut self, padding: PerAxis<D>) -> $name<D> {
                self.padding = padding;
                self
            }

            /// Whether a last window that starts inside the image (or its low padding) but ends outside counts.
            /// Default: `false`.
            pub const fn ceil_mode(mut self, ceil_mode: bool) -> $name<D> {
                self.ceil_mode = ceil_mode;
                self
            }
        }

        impl<const D: usize> Default for $name<D> {
            fn default() -> $name<D> {
                $name::new()
            }
        }
    };
}

/// The settings of maximum pooling over `D` spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPoolSettings<const D: usize> {
    stride: Option<PerAxis<D>>,
    padding: PerAxis<D>,
    dilation: PerAxis<D>,
    ceil_mode: bool,
}

/// The settings of [`MaxPool1d`].
pub type MaxPool1dSettings = MaxPoolSettings<1>;
/// The settings of [`MaxPool2d`].
pub type MaxPool2dSettings = MaxPoolSettings<2>;
/// The settings of [`MaxPool3d`].
pub type MaxPool3dSettings = MaxPoolSettings<3>;

shared_settings!(MaxPoolSettings);

impl<const D: usize> MaxPoolSettings<D> {
    /// PyTorch's defaults: the stride is the kernel, no padding, dilation 1, no `ceil_mode`.
    pub const fn new() -> MaxPoolSettings<D> {
        MaxPoolSettings { stride: None, padding: PerAxis::all(0), dilation: PerAxis::all(1), ceil_mode: false }
    }

    /// The distance between the elements of the window. Default: 1.
    pub const fn dilation(mut self, dilation: PerAxis<D>) -> MaxPoolSettings<D> {
        self.dilation = dilation;
        self
    }

    const fn window(&self, kernel: PerAxis<D>) -> Window {
        window(kernel, self.stride, self.padding, self.dilation, self.ceil_mode)
    }

    /// The window has all that there is to check.
    const fn check(&self) -> Result<(), ShapeError> {
        Ok(())
    }
}

/// The settings of average pooling over `D` spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPoolSettings<const D: usize> {
    stride: Option<PerAxis<D>>,
    padding: PerAxis<D>,
    ceil_mode: bool,
    divisor: Divisor,
}

/// The settings of [`AvgPool1d`].
pub type AvgPool1dSettings = AvgPoolSettings<1>;
/// The settings of [`AvgPool2d`].
pub type AvgPool2dSettings = AvgPoolSettings<2>;
/// The settings of [`AvgPool3d`].
pub type AvgPool3dSettings = AvgPoolSettings<3>;

shared_settings!(AvgPoolSettings);

impl<const D: usize> AvgPoolSettings<D> {
    /// PyTorch's defaults: the stride is the kernel, no padding, no `ceil_mode`, padding counts.
    pub const fn new() -> AvgPoolSettings<D> {
        let divisor = Divisor { count_include_pad: true, divisor_override: None };
        AvgPoolSettings { stride: None, padding: PerAxis::all(0), ceil_mode: false, divisor }
    }

    /// Whether padding counts in the divisor. Default: `true`.
    pub const fn count_include_pad(mut self, count_include_pad: bool) -> AvgPoolSettings<D> {
        self.divisor.count_include_pad = count_include_pad;
        self
    }

    /// What the sum of a window is divided by, whatever the window holds. Default: its number of elements.
    pub const fn divisor_override(mut self, divisor: usize) -> AvgPoolSettings<D> {
        self.divisor.divisor_override = Some(divisor);
        self
    }

    const fn window(&self, kernel: PerAxis<D>) -> Window {
        window(kernel, self.stride, self.padding, PerAxis::all(1), self.ceil_mode)
    }

    const fn check(&self) -> Result<(), ShapeError> {
        rules::divisor(self.divisor.divisor_override)
    }
}

pub(super) const fn window<const D: usize>(
    kernel: PerAxis<D>,
    stride: Option<PerAxis<D>>,
    padding: PerAxis<D>,
    dilation: PerAxis<D>,
    ceil: bool,
) -> Window {
    let stride = match stride {
        Some(stride) => stride,
        None => kernel,
    };
    let sliding = sliding(stride, padding.on_both_sides(), dilation);
    Window { kernel: kernel.spatial(1), sliding, ceil }
}

/// Declares a pooling layer: its documentation, its name, its settings, its window's extents and its fold.
macro_rules! pooling {
    ($(#[$doc:meta])* $name:ident, $settings:ident, [$first:ident $(, $extent:ident = $default:ident)*], $op:literal,
        $fold:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<const $first: usize $(, const $extent: usize = $default)*> {
            settings: Box<$settings>,
        }

        impl<const $first: usize $(, const $extent: usize)*> $name<$first $(, $extent)*> {
            /// The result's shape.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                if let Err(error) = settings.check() {
                    return Err(error);
                }
                rules::pool($op, input, &settings.window(PerAxis::new([$first $(, $extent)*])))
            }

            /// The result's shape, or after a mismatch one pixel per channel.
            pub const fn shape_or_assumed(input: Shape, settings: &$settings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) => settings.assumed(input),
                }
            }

            /// The layer; it has no parameters.
            pub fn new(settings: $settings, init: &mut Init) -> Self {
                let _ = init;
                $name { settings: Box::new(settings) }
            }
        }

        impl<const $first: usize $(, const $extent: usize)*> Layer for $name<$first $(, $extent)*> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                let window = self.settings.window(PerAxis::new([$first $(, $extent)*]));
                // The fold takes one sample without a batch axis, too; the layer does not.
                if let Err(error) = Self::shape(x.shape(), &self.settings) {
                    g.fail(error.into());
                    return x;
                }
                let fold: fn(Value<'g>, Window, &$settings) -> Value<'g> = $fold;
                fold(x, window, &self.settings)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let (kernel, settings) = (PerAxis::new([$first $(, $extent)*]), &self.settings);
                let mut text = format!("{}({kernel}", stringify!($name));
                if let Some(stride) = settings.stride.filter(|&stride| stride != kernel) {
                    text += &format!(", stride {stride}");
                }
                if settings.padding != PerAxis::all(0) {
                    text += &format!(", padding {}", settings.padding);
                }
                text += if settings.ceil_mode { ", ceil)" } else { ")" };
                f(path.as_str(), &text);
            }
        }
    };
}

pooling! {
    /// The maximum of each window:
    /// `y[n, c, i] = max over u of x[n, c, s i + d u - p]`,
    /// with stride `s`, dilation `d`, padding `p`. The gradient goes to the first largest element in row-major order.
    ///
    /// * Shapes: `[N, C, L]` to `[N, C, L']` with `L' = (L + 2 p - d (K - 1) - 1) / s + 1`, rounded
    ///   down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as -inf), `dilation = 1`, `ceil_mode = false`.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the kernel),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.MaxPool1d`.
    MaxPool1d, MaxPool1dSettings, [K], "max_pool", |x, window, _| max_pool(x, window)
}

pooling! {
    /// The average of each window:
    /// `y[n, c, i] = 1 / count * sum over u of x[n, c, s i + u - p]`,
    /// with stride `s` and padding `p`.
    ///
    /// * Shapes: `[N, C, L]` to `[N, C, L']` with `L' = (L + 2 p - K) / s + 1`, rounded down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as 0), `ceil_mode = false`, `count_include_pad = true`,
    ///   `divisor_override` (default: the number of elements, of which those past the high padding never count).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the kernel),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.AvgPool1d`, which has no `divisor_override`.
    AvgPool1d, AvgPool1dSettings, [K], "avg_pool", |x, window, settings| avg_pool(x, window, settings.divisor)
}

pooling! {
    /// The maximum of each window:
    /// `y[n, c, i, j] = max over u, v of x[n, c, s i + d u - p, s j + d v - p]`,
    /// with stride `s`, dilation `d`, padding `p`. The gradient goes to the first largest element in row-major order.
    ///
    /// * Shapes: `[N, C, H, W]` to `[N, C, H', W']` with `H' = (H + 2 p - d (KH - 1) - 1) / s + 1`, rounded
    ///   down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as -inf), `dilation = 1`, `ceil_mode = false`.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the kernel),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.MaxPool2d`.
    MaxPool2d, MaxPool2dSettings, [KH, KW = KH], "max_pool", |x, window, _| max_pool(x, window)
}

pooling! {
    /// The average of each window:
    /// `y[n, c, i, j] = 1 / count * sum over u, v of x[n, c, s i + u - p, s j + v - p]`,
    /// with stride `s` and padding `p`.
    ///
    /// * Shapes: `[N, C, H, W]` to `[N, C, H', W']` with `H' = (H + 2 p - KH) / s + 1`, rounded down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as 0), `ceil_mode = false`, `count_include_pad = true`,
    ///   `divisor_override` (default: the number of elements, of which those past the high padding never count).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the kernel),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.AvgPool2d`.
    AvgPool2d, AvgPool2dSettings, [KH, KW = KH], "avg_pool", |x, window, settings| avg_pool(x, window, settings.divisor)
}

pooling! {
    /// The maximum of each window:
    /// `y[n, c, h, i, j] = max over t, u, v of x[n, c, s h + d t - p, s i + d u - p, s j + d v - p]`,
    /// with stride `s`, dilation `d`, padding `p`. The gradient goes to the first largest element in row-major order.
    ///
    /// * Shapes: `[N, C, D, H, W]` to `[N, C, D', H', W']` with `D' = (D + 2 p - d (KD - 1) - 1) / s + 1`, rounded
    ///   down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as -inf), `dilation = 1`, `ceil_mode = false`.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the kernel),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.MaxPool3d`.
    MaxPool3d, MaxPool3dSettings, [KD, KH = KD, KW = KH], "max_pool", |x, window, _| max_pool(x, window)
}

pooling! {
    /// The average of each window:
    /// `y[n, c, h, i, j] = 1 / count * sum over t, u, v of x[n, c, s h + t - p, s i + u - p, s j + v - p]`,
    /// with stride `s` and padding `p`.
    ///
    /// * Shapes: `[N, C, D, H, W]` to `[N, C, D', H', W']` with `D' = (D + 2 p - KD) / s + 1`, rounded down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as 0), `ceil_mode = false`, `count_include_pad = true`,
    ///   `divisor_override` (default: the number of elements, of which those past the high padding never count).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the kernel),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.AvgPool3d`.
    AvgPool3d, AvgPool3dSettings, [KD, KH = KD, KW = KH], "avg_pool", |x, window, settings| avg_pool(x, window, settings.divisor)
}
