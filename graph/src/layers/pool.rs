//! Pooling layers.

use super::{Pair, sliding};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::Window;
use crate::shape::{DType, Shape, ShapeError, rules};

/// The maximum of each window of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`). Padding counts as -inf.
pub fn max_pool(x: Value<'_>, window: Window) -> Value<'_> {
    pool("max_pool", x, window, |x| x.max_window(window))
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
    pool("avg_pool", x, window, |x| {
        let sum = x.sum_window(window);
        match divisor.divisor_override {
            Some(divisor) => sum / divisor as f64,
            None => sum / count(x, window, divisor.count_include_pad),
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
        let mut shape = Shape::new(&[windows]);
        for _ in axis + 1..window.sliding.spatial {
            shape = shape.insert(shape.rank(), 1);
        }
        counts = counts * along.reshape(shape);
    }
    counts
}

/// Declares the settings that both kinds of pooling share.
macro_rules! shared_settings {
    ($name:ident) => {
        impl $name {
            /// The steps of the window. Default: the kernel.
            pub const fn stride(mut self, stride: Pair) -> $name {
                self.stride = Some(stride);
                self
            }

            /// Padding on each side of the image, at most half of the window. Default: 0.
            pub const fn padding(mut self, padding: Pair) -> $name {
                self.padding = padding;
                self
            }

            /// Whether a last window that starts inside the image (or its low padding) but ends outside counts.
            /// Default: `false`.
            pub const fn ceil_mode(mut self, ceil_mode: bool) -> $name {
                self.ceil_mode = ceil_mode;
                self
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::new()
            }
        }
    };
}

/// The settings of [`MaxPool2d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2dSettings {
    stride: Option<Pair>,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
}

shared_settings!(MaxPool2dSettings);

impl MaxPool2dSettings {
    /// PyTorch's defaults: the stride is the kernel, no padding, dilation 1, no `ceil_mode`.
    pub const fn new() -> MaxPool2dSettings {
        MaxPool2dSettings { stride: None, padding: Pair::both(0), dilation: Pair::both(1), ceil_mode: false }
    }

    /// The distance between the elements of the window. Default: 1.
    pub const fn dilation(mut self, dilation: Pair) -> MaxPool2dSettings {
        self.dilation = dilation;
        self
    }

    const fn window(&self, kernel: Pair) -> Window {
        window(kernel, self.stride, self.padding, self.dilation, self.ceil_mode)
    }
}

/// The settings of [`AvgPool2d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2dSettings {
    stride: Option<Pair>,
    padding: Pair,
    ceil_mode: bool,
    divisor: Divisor,
}

shared_settings!(AvgPool2dSettings);

impl AvgPool2dSettings {
    /// PyTorch's defaults: the stride is the kernel, no padding, no `ceil_mode`, padding counts.
    pub const fn new() -> AvgPool2dSettings {
        let divisor = Divisor { count_include_pad: true, divisor_override: None };
        AvgPool2dSettings { stride: None, padding: Pair::both(0), ceil_mode: false, divisor }
    }

    /// Whether padding counts in the divisor. Default: `true`.
    pub const fn count_include_pad(mut self, count_include_pad: bool) -> AvgPool2dSettings {
        self.divisor.count_include_pad = count_include_pad;
        self
    }

    /// What the sum of a window is divided by, whatever the window holds. Default: its number of elements.
    pub const fn divisor_override(mut self, divisor: usize) -> AvgPool2dSettings {
        self.divisor.divisor_override = Some(divisor);
        self
    }

    const fn window(&self, kernel: Pair) -> Window {
        window(kernel, self.stride, self.padding, Pair::both(1), self.ceil_mode)
    }
}

const fn window(kernel: Pair, stride: Option<Pair>, padding: Pair, dilation: Pair, ceil: bool) -> Window {
    let stride = match stride {
        Some(stride) => stride,
        None => kernel,
    };
    let padding = [(padding.height, padding.height), (padding.width, padding.width)];
    Window { kernel: kernel.spatial(1), sliding: sliding(stride, padding, dilation), ceil }
}

/// Declares a pooling layer: its documentation, its name, its settings and its fold.
macro_rules! pooling {
    ($(#[$doc:meta])* $name:ident, $settings:ident, $op:literal, $fold:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<const KH: usize, const KW: usize = KH> {
            settings: $settings,
        }

        impl<const KH: usize, const KW: usize> $name<KH, KW> {
            /// The result's shape.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                rules::pool($op, input, &settings.window(Pair::new(KH, KW)))
            }

            /// The result's shape, or after a mismatch one pixel per channel.
            pub const fn shape_or_assumed(input: Shape, settings: &$settings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(_) if input.rank() == 4 => input.with(2, 1).with(3, 1),
                    Err(_) => input,
                }
            }

            /// The layer; it has no parameters.
            pub fn new(settings: $settings, init: &mut Init) -> $name<KH, KW> {
                let _ = init;
                $name { settings }
            }
        }

        impl<const KH: usize, const KW: usize> Layer for $name<KH, KW> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                let _ = g;
                let fold: fn(Value<'g>, Window, &$settings) -> Value<'g> = $fold;
                fold(x, self.settings.window(Pair::new(KH, KW)), &self.settings)
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let (kernel, settings) = (Pair::new(KH, KW), &self.settings);
                let mut text = format!("{}({kernel}", stringify!($name));
                if let Some(stride) = settings.stride.filter(|&stride| stride != kernel) {
                    text += &format!(", stride {stride}");
                }
                if settings.padding != Pair::both(0) {
                    text += &format!(", padding {}", settings.padding);
                }
                text += if settings.ceil_mode { ", ceil)" } else { ")" };
                f(path.as_str(), &text);
            }
        }
    };
}

pooling! {
    /// The maximum of each window: `y[n, c, i, j] = max over u, v of x[n, c, s i + d u - p, s j + d v - p]`, with
    /// stride `s`, dilation `d`, padding `p`. The gradient goes to the first largest element in row-major order.
    ///
    /// * Shapes: `[N, C, H, W]` to `[N, C, H', W']` with `H' = (H + 2 p - d (KH - 1) - 1) / s + 1`, rounded down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as -inf), `dilation = 1`, `ceil_mode = false`.
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the window),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.MaxPool2d`.
    MaxPool2d, MaxPool2dSettings, "max_pool", |x, window, _| max_pool(x, window)
}

pooling! {
    /// The average of each window: `y[n, c, i, j] = 1 / count * sum over u, v of x[n, c, s i + u - p, s j + v - p]`,
    /// with stride `s` and padding `p`.
    ///
    /// * Shapes: `[N, C, H, W]` to `[N, C, H', W']` with `H' = (H + 2 p - KH) / s + 1`, rounded down.
    /// * Settings: `stride = kernel`, `padding = 0` (counts as 0), `ceil_mode = false`, `count_include_pad = true`,
    ///   `divisor_override` (default: the number of elements, of which those past the high padding never count).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::Window`], [`ShapeError::Padding`] (above half of the window),
    ///   [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.AvgPool2d`.
    AvgPool2d, AvgPool2dSettings, "avg_pool", |x, window, settings| avg_pool(x, window, settings.divisor)
}
