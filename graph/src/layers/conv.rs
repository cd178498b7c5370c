//! Convolutional layers. Padding that holds more than zeros is made by `padding.rs`; in which way the sums are computed
//! is no setting of theirs.

use super::padding::{PaddingMode, Sides, pad_last};
use super::parameter::affine_parameter;
use super::resample::before_axes;
use super::{PerAxis, images, sliding};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::op::{Convolution, MAX_SPATIAL};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// The cross-correlation of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`) with
/// `weight [O, C / groups, kernel..]`, plus `bias [O]`; the result is `[N, O, spatial'..]` (or `[O, spatial'..]`).
pub fn conv<'g>(x: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>, conv: Convolution) -> Value<'g> {
    if x.shape().rank() == conv.sliding.spatial + 1 {
        return self::conv(x.unsqueeze(0), weight, bias, conv).squeeze(0);
    }
    add_per_channel(x.conv(weight, conv), bias).known_as(Whole::Conv(conv), &[Some(x), Some(weight), bias])
}

/// [`conv`] of `x` in which other elements than zeros stand for the padding.
pub fn conv_padded<'g>(
    x: Value<'g>,
    weight: Value<'g>,
    bias: Option<Value<'g>>,
    mut conv: Convolution,
    mode: PaddingMode,
) -> Value<'g> {
    if mode == PaddingMode::Zeros {
        return self::conv(x, weight, bias, conv);
    }
    let sides = sides(&conv);
    conv.sliding.padding = [(0, 0); MAX_SPATIAL];
    self::conv(pad_last(x, &sides[..conv.sliding.spatial], mode, 0.0), weight, bias, conv)
}

/// The padding of a convolution.
const fn sides(conv: &Convolution) -> Sides {
    let mut sides = [(0, 0); MAX_SPATIAL];
    let mut axis = 0;
    while axis < conv.sliding.spatial {
        let (low, high) = conv.sliding.padding[axis];
        sides[axis] = (low as isize, high as isize);
        axis += 1;
    }
    sides
}

/// `y [N, O, spatial..]` plus `bias [O]`, if there is one.
pub(super) fn add_per_channel<'g>(y: Value<'g>, bias: Option<Value<'g>>) -> Value<'g> {
    match bias {
        Some(bias) => y + before_axes(bias, y.shape().rank() - 2),
        None => y,
    }
}

/// The padding before and after an axis that keeps its extent at stride 1 (PyTorch's `"same"`: the larger half, if
/// there is one, comes after).
pub const fn same_padding(kernel: usize, dilation: usize) -> (usize, usize) {
    let total = dilation * (kernel - 1);
    (total / 2, total - total / 2)
}

/// Declares the settings that convolutions and transposed convolutions share.
macro_rules! shared_settings {
    ($name:ident) => {
        impl<const D: usize> $name<D> {
            /// The steps of the window. Default: 1.
            pub const fn stride(mut self, stride: PerAxis<D>) -> $name<D> {
                self.stride = stride;
                self
            }

            /// The distance between the elements of the window. Default: 1.
            pub const fn dilation(mut self, dilation: PerAxis<D>) -> $name<D> {
                self.dilation = dilation;
                self
            }

            /// The number of groups of channels that do not mix; divides the channels on both sides. Default: 1.
            pub const fn groups(mut self, groups: usize) -> $name<D> {
                self.groups = groups;
                self
            }

            /// Whether a bias is added. Default: `true`.
            pub const fn bias(mut self, bias: bool) -> $name<D> {
                self.bias = bias;
                self
            }

            /// A fresh weight and its bias `[outputs]`, if there is one.
            fn parameters(
                &self,
                inputs: usize,
                outputs: usize,
                kernel: PerAxis<D>,
                init: &mut Init,
            ) -> (Parameter, Option<Parameter>) {
                let weight = self.weight(inputs, outputs, kernel);
                let fan_in = weight.elements() / weight.dim(0).max(1);
                let parameter = |init: &mut Init, shape| Parameter::trained(init.kaiming_uniform(shape, fan_in));
                let weight = parameter(init, weight);
                (weight, self.bias.then(|| parameter(init, Shape::new(&[outputs]))))
            }

            /// The layer and what differs from the defaults: `Conv2d(1, 20, kernel 5)`.
            fn describe(&self, name: &str, inputs: usize, outputs: usize, kernel: PerAxis<D>) -> String {
                let mut text = format!("{name}({inputs}, {outputs}, kernel {kernel}");
                if self.stride != PerAxis::all(1) {
                    text += &format!(", stride {}", self.stride);
                }
                text += &self.describe_padding();
                if self.dilation != PerAxis::all(1) {
                    text += &format!(", dilation {}", self.dilation);
                }
                if self.groups != 1 {
                    text += &format!(", groups {}", self.groups);
                }
                if !self.bias {
                    text += ", bias = false";
                }
                text + ")"
            }
        }

        impl<const D: usize> Default for $name<D> {
            fn default() -> $name<D> {
                $name::new()
            }
        }
    };
}

pub(super) use shared_settings;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding<const D: usize> {
    Explicit(PerAxis<D>),
    Same,
}

/// The settings of a convolution over `D` spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSettings<const D: usize> {
    stride: PerAxis<D>,
    padding: Padding<D>,
    dilation: PerAxis<D>,
    groups: usize,
    bias: bool,
    padding_mode: PaddingMode,
}

shared_settings!(ConvSettings);

/// The settings of [`Conv1d`].
pub type Conv1dSettings = ConvSettings<1>;
/// The settings of [`Conv2d`].
pub type Conv2dSettings = ConvSettings<2>;
/// The settings of [`Conv3d`].
pub type Conv3dSettings = ConvSettings<3>;

impl<const D: usize> ConvSettings<D> {
    /// PyTorch's defaults: stride 1, no padding, dilation 1, one group, with a bias.
    pub const fn new() -> ConvSettings<D> {
        let padding = Padding::Explicit(PerAxis::all(0));
        let (stride, dilation) = (PerAxis::all(1), PerAxis::all(1));
        ConvSettings { stride, padding, dilation, groups: 1, bias: true, padding_mode: PaddingMode::Zeros }
    }

    /// Zeros on each side of the image. Default: 0.
    pub const fn padding(mut self, padding: PerAxis<D>) -> ConvSettings<D> {
        self.padding = Padding::Explicit(padding);
        self
    }

    /// As much padding as keeps the extents (PyTorch's `padding = "same"`); the stride must be 1.
    pub const fn padding_same(mut self) -> ConvSettings<D> {
        self.padding = Padding::Same;
        self
    }

    /// What stands for the padding: zeros, or elements of the image. Default: [`PaddingMode::Zeros`].
    pub const fn padding_mode(mut self, mode: PaddingMode) -> ConvSettings<D> {
        self.padding_mode = mode;
        self
    }

    /// The attributes of the operation.
    const fn convolution(&self, kernel: PerAxis<D>) -> Convolution {
        let padding = match self.padding {
            Padding::Explicit(padding) => padding.on_both_sides(),
            Padding::Same => {
                let mut same = [(0, 0); MAX_SPATIAL];
                let mut axis = 0;
                while axis < D {
                    same[axis] = same_padding(kernel.at(axis), self.dilation.at(axis));
                    axis += 1;
                }
                same
            }
        };
        Convolution { sliding: sliding(self.stride, padding, self.dilation), groups: self.groups }
    }

    /// The result's shape for a kernel and numbers of channels.
    const fn shape(
        &self,
        input: Shape,
        inputs: usize,
        outputs: usize,
        kernel: PerAxis<D>,
    ) -> Result<Shape, ShapeError> {
        let mut axis = 0;
        while axis < D {
            if kernel.at(axis) == 0 {
                return Err(ShapeError::Attribute { op: "conv", rule: "the kernel must be at least 1" });
            }
            if let (Padding::Same, true) = (self.padding, self.stride.at(axis) != 1) {
                return Err(ShapeError::SameStride { stride: self.stride.at(axis) });
            }
            axis += 1;
        }
        let conv = self.convolution(kernel);
        let shape = ok!(rules::convolution(input, inputs, outputs, &kernel.spatial(1), &conv));
        ok!(rules::padding(input, sides(&conv).split_at(D).0, self.padding_mode));
        Ok(shape)
    }

    /// The result's shape, or after a mismatch that of an input with the right channels (and one pixel, if the image
    /// is too small).
    const fn shape_or_assumed(&self, input: Shape, inputs: usize, outputs: usize, kernel: PerAxis<D>) -> Shape {
        if let Ok(shape) = self.shape(input, inputs, outputs, kernel) {
            return shape;
        }
        let right = if input.rank() == D + 2 { input.with(1, inputs) } else { images(inputs, kernel) };
        match self.shape(right, inputs, outputs, kernel) {
            Ok(shape) => shape,
            Err(_) => images(outputs, PerAxis::<D>::all(1)),
        }
    }

    /// The shape of the weight, `[outputs, inputs / groups, kernel..]`.
    const fn weight(&self, inputs: usize, outputs: usize, kernel: PerAxis<D>) -> Shape {
        images(inputs / self.groups, kernel).with(0, outputs)
    }

    fn forward<'g>(&self, x: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>, kernel: PerAxis<D>) -> Value<'g> {
        conv_padded(x, weight, bias, self.convolution(kernel), self.padding_mode)
    }

    fn describe_padding(&self) -> String {
        let mode = match self.padding_mode {
            PaddingMode::Zeros => String::new(),
            mode => format!(" {}", mode.name()),
        };
        match self.padding {
            Padding::Explicit(padding) if padding == PerAxis::all(0) => String::new(),
            Padding::Explicit(padding) => format!(", padding {padding}{mode}"),
            Padding::Same => format!(", padding same{mode}"),
        }
    }
}

/// Declares a convolutional layer: its documentation, its name, its settings, its kernel's extents and its weight's shape.
macro_rules! convolutional {
    ($(#[$doc:meta])* $name:ident, $settings:ident, [$first:ident $(, $extent:ident = $default:ident)*], $weight:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<const I: usize, const O: usize, const $first: usize $(, const $extent: usize = $default)*> {
            #[doc = $weight]
            pub weight: Parameter,
            /// `[O]`, or none.
            pub bias: Option<Parameter>,
            settings: Box<$settings>,
        }

        impl<const I: usize, const O: usize, const $first: usize $(, const $extent: usize)*>
            $name<I, O, $first $(, $extent)*>
        {
            /// The result's shape.
            pub const fn shape(input: Shape, settings: &$settings) -> Result<Shape, ShapeError> {
                settings.shape(input, I, O, PerAxis::new([$first $(, $extent)*]))
            }

            /// The result's shape, or after a mismatch that of an input with `I` channels (and one pixel, if the image
            /// is too small).
            pub const fn shape_or_assumed(input: Shape, settings: &$settings) -> Shape {
                settings.shape_or_assumed(input, I, O, PerAxis::new([$first $(, $extent)*]))
            }

            /// The shape of `weight` or `bias`, for bodies that use it as a value.
            pub const fn parameter(name: &str, settings: &$settings) -> Result<Shape, ShapeError> {
                let kernel = PerAxis::new([$first $(, $extent)*]);
                // A layer of which a body takes the weight alone is checked nowhere else.
                if let Err(error) = rules::groups(I, O, settings.groups) {
                    return Err(error);
                }
                let weight = settings.weight(I, O, kernel);
                let bias = if settings.bias { Some(Shape::new(&[O])) } else { None };
                affine_parameter(name, Some(weight), bias, "bias")
            }

            /// A layer with fresh parameters.
            ///
            /// # Panics
            /// If `groups` is 0 (the compile-time check of `shape` says so before).
            pub fn new(settings: $settings, init: &mut Init) -> Self {
                let (weight, bias) = settings.parameters(I, O, PerAxis::new([$first $(, $extent)*]), init);
                $name { weight, bias, settings: Box::new(settings) }
            }
        }

        impl<const I: usize, const O: usize, const $first: usize $(, const $extent: usize)*> Layer
            for $name<I, O, $first $(, $extent)*>
        {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                if let Err(error) = Self::shape(x.shape(), &self.settings) {
                    g.fail(error.into());
                }
                let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
                let weight = g.parameter("weight", &self.weight);
                self.settings.forward(x, weight, bias, PerAxis::new([$first $(, $extent)*]))
            }

            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
                f(&path.name("weight"), &self.weight);
                if let Some(bias) = &self.bias {
                    f(&path.name("bias"), bias);
                }
            }

            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
                f(&path.name("weight"), &mut self.weight);
                if let Some(bias) = &mut self.bias {
                    f(&path.name("bias"), bias);
                }
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let kernel = PerAxis::new([$first $(, $extent)*]);
                f(path.as_str(), &self.settings.describe(stringify!($name), I, O, kernel));
            }
        }
    };
}

pub(super) use convolutional;

convolutional! {
    /// A one-dimensional convolution (cross-correlation, as in every framework).
    ///
    /// `y[n, o, i] = b[o] + sum over c, u of w[o, c, u] x[n, c, s i + d u - p]`,
    /// with stride `s`, dilation `d`, padding `p` and `c` over the channels of the group of `o`.
    ///
    /// * Shapes: `[N, I, L]` to `[N, O, L']` with `L' = (L + 2 p - d (K - 1) - 1) / s + 1`, rounded down;
    ///   `weight [O, I / groups, K]`, `bias [O]`.
    /// * Settings: `stride = 1`, `padding = 0` (or `"same"`), `dilation = 1`, `groups = 1`, `bias = true`,
    ///   `padding_mode = "zeros"` (or `"reflect"`, `"replicate"`, `"circular"`: see [`PaddingMode`]).
    /// * Initial values: weight and bias uniform in ± `1 / sqrt(I / groups * K)` (Kaiming-uniform with a = sqrt(5)).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`],
    ///   [`ShapeError::Window`] (a kernel larger than the padded input), [`ShapeError::Attribute`] (a setting of 0),
    ///   [`ShapeError::SameStride`].
    /// * Source: PyTorch's `nn.Conv1d`.
    Conv1d, Conv1dSettings, [K], "`[O, I / groups, kernel..]`."
}

convolutional! {
    /// A two-dimensional convolution (cross-correlation, as in every framework).
    ///
    /// `y[n, o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[n, c, s i + d u - p, s j + d v - p]`,
    /// with stride `s`, dilation `d`, padding `p` and `c` over the channels of the group of `o`.
    ///
    /// * Shapes: `[N, I, H, W]` to `[N, O, H', W']` with `H' = (H + 2 p - d (KH - 1) - 1) / s + 1`, rounded down;
    ///   `weight [O, I / groups, KH, KW]`, `bias [O]`.
    /// * Settings: `stride = 1`, `padding = 0` (or `"same"`), `dilation = 1`, `groups = 1`, `bias = true`,
    ///   `padding_mode = "zeros"` (or `"reflect"`, `"replicate"`, `"circular"`: see [`PaddingMode`]).
    /// * Initial values: weight and bias uniform in ± `1 / sqrt(I / groups * KH * KW)` (Kaiming-uniform, a = sqrt(5)).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`],
    ///   [`ShapeError::Window`] (a kernel larger than the padded input), [`ShapeError::Attribute`] (a setting of 0),
    ///   [`ShapeError::SameStride`].
    /// * Source: PyTorch's `nn.Conv2d`.
    ///
    /// # The error of a result
    /// By the definition, a result's error is a part of the magnitudes of its own products. A kernel of 3 x 3 of one group that moves
    /// by single places (and its gradients, and the transposed layer) is computed by Winograd's F(2 x 2, 3 x 3) where that is faster,
    /// with 4 multiplications instead of 9. Then the error is a part of the largest numbers nearby: it is at most
    ///
    /// `1e-6 (I + 10) * sum over c of (the largest |x| of channel c in 5 x 5 places) * (the sum of |w[o, c]|)`,
    ///
    /// where the 5 x 5 places are those of the window and those around it. In the gradient of `x` the output's gradient stands for
    /// `x`, and `O` for `I`; in the gradient of `w` it stands for `w`, the sum is over all images and pixels, and a quarter of their
    /// number for `I`. On data of one magnitude errors are no larger than by the definition.
    ///
    /// With AVX-512, up to 512 channels (in the gradient of `w` up to 65,536 pixels of all images), it may be F(4 x 4, 3 x 3), with
    /// 2.25 multiplications instead of 9, and for kernels of 5 x 5 (but not their gradient of `x`) F(2 x 2, 5 x 5), with 9 instead of
    /// 25: then `2.4e-5 (I + 20)` stands in place of `1e-6 (I + 10)`, and 9 x 9 places in place of 5 x 5 (7 x 7 for the kernels of
    /// 5 x 5); with the larger tiles a sixteenth of the number of pixels stands in place of a quarter. On data of one magnitude errors
    /// are 3 to 8 times those of the definition: between 5e-7 (8 channels) and 3e-6 (512) of a usual result. By all of them,
    ///
    /// * beside numbers that are 1e7 times as large (1e6 with AVX-512), a result may have no right digit;
    /// * where one of these places or weights is infinite, a result may be NaN that ought to be infinite (both are not finite);
    /// * numbers above 8e37 (8e35 with AVX-512) may overflow, although no product does.
    ///
    /// `.exact()` of every builder (`Trainer`, `Predictor`, `StepTrainer`) takes only ways whose error is that of the definition.
    /// Padding is zeros in both: times an infinite weight they are NaN.
    Conv2d, Conv2dSettings, [KH, KW = KH], "`[O, I / groups, kernel..]`."
}

convolutional! {
    /// A three-dimensional convolution (cross-correlation, as in every framework).
    ///
    /// `y[n, o, h, i, j] = b[o] + sum over c, t, u, v of w[o, c, t, u, v] x[n, c, s h + d t - p, s i + d u - p,
    /// s j + d v - p]`,
    /// with stride `s`, dilation `d`, padding `p` and `c` over the channels of the group of `o`.
    ///
    /// * Shapes: `[N, I, D, H, W]` to `[N, O, D', H', W']` with `D' = (D + 2 p - d (KD - 1) - 1) / s + 1`, rounded
    ///   down; `weight [O, I / groups, KD, KH, KW]`, `bias [O]`.
    /// * Settings: `stride = 1`, `padding = 0` (or `"same"`), `dilation = 1`, `groups = 1`, `bias = true`,
    ///   `padding_mode = "zeros"` (or `"reflect"`, `"replicate"`, `"circular"`: see [`PaddingMode`]).
    /// * Initial values: weight and bias uniform in ± `1 / sqrt(I / groups * KD * KH * KW)` (Kaiming-uniform with
    ///   a = sqrt(5)).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`],
    ///   [`ShapeError::Window`] (a kernel larger than the padded input), [`ShapeError::Attribute`] (a setting of 0),
    ///   [`ShapeError::SameStride`].
    /// * Source: PyTorch's `nn.Conv3d`.
    Conv3d, Conv3dSettings, [KD, KH = KD, KW = KH], "`[O, I / groups, kernel..]`."
}
