//! Convolutional layers.

use super::{Pair, sliding};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::op::Convolution;
use crate::shape::{Shape, ShapeError, rules};

/// The cross-correlation of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`) with
/// `weight [O, C / groups, kernel..]`, plus `bias [O]`; the result is `[N, O, spatial'..]` (or `[O, spatial'..]`).
pub fn conv<'g>(x: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>, conv: Convolution) -> Value<'g> {
    if x.shape().rank() == conv.sliding.spatial + 1 {
        return self::conv(x.unsqueeze(0), weight, bias, conv).squeeze(0);
    }
    let y = x.conv(weight, conv);
    match bias {
        Some(bias) => {
            let mut per_channel = Shape::new(&[bias.shape().elements()]);
            for _ in 0..conv.sliding.spatial {
                per_channel = per_channel.insert(per_channel.rank(), 1);
            }
            y + bias.reshape(per_channel)
        }
        None => y,
    }
}

/// The padding before and after an axis that keeps its extent at stride 1 (PyTorch's `"same"`: the larger half, if
/// there is one, comes after).
pub const fn same_padding(kernel: usize, dilation: usize) -> (usize, usize) {
    let total = dilation * (kernel - 1);
    (total / 2, total - total / 2)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Explicit(Pair),
    Same,
}

/// The settings of [`Conv2d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dSettings {
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: usize,
    bias: bool,
}

impl Conv2dSettings {
    /// PyTorch's defaults: stride 1, no padding, dilation 1, one group, with a bias.
    pub const fn new() -> Conv2dSettings {
        let padding = Padding::Explicit(Pair::both(0));
        Conv2dSettings { stride: Pair::both(1), padding, dilation: Pair::both(1), groups: 1, bias: true }
    }

    /// The steps of the window. Default: 1.
    pub const fn stride(mut self, stride: Pair) -> Conv2dSettings {
        self.stride = stride;
        self
    }

    /// Zeros on each side of the image. Default: 0.
    pub const fn padding(mut self, padding: Pair) -> Conv2dSettings {
        self.padding = Padding::Explicit(padding);
        self
    }

    /// As much padding as keeps the extents (PyTorch's `padding = "same"`); the stride must be 1.
    pub const fn padding_same(mut self) -> Conv2dSettings {
        self.padding = Padding::Same;
        self
    }

    /// The distance between the elements of the window. Default: 1.
    pub const fn dilation(mut self, dilation: Pair) -> Conv2dSettings {
        self.dilation = dilation;
        self
    }

    /// The number of groups of channels that do not mix; divides the channels on both sides. Default: 1.
    pub const fn groups(mut self, groups: usize) -> Conv2dSettings {
        self.groups = groups;
        self
    }

    /// Whether a bias is added. Default: `true`.
    pub const fn bias(mut self, bias: bool) -> Conv2dSettings {
        self.bias = bias;
        self
    }

    /// The attributes of the operation.
    const fn convolution(&self, kernel: Pair) -> Convolution {
        let padding = match self.padding {
            Padding::Explicit(Pair { height, width }) => [(height, height), (width, width)],
            Padding::Same => {
                [same_padding(kernel.height, self.dilation.height), same_padding(kernel.width, self.dilation.width)]
            }
        };
        Convolution { sliding: sliding(self.stride, padding, self.dilation), groups: self.groups }
    }
}

impl Default for Conv2dSettings {
    fn default() -> Conv2dSettings {
        Conv2dSettings::new()
    }
}

/// A two-dimensional convolution (cross-correlation, as in every framework).
///
/// `y[n, o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] x[n, c, s i + d u - p, s j + d v - p]`, with stride `s`,
/// dilation `d`, padding `p` and `c` over the channels of the group of `o`.
///
/// * Shapes: `[N, I, H, W]` to `[N, O, H', W']` with `H' = (H + 2 p - d (KH - 1) - 1) / s + 1`, rounded down;
///   `weight [O, I / groups, KH, KW]`, `bias [O]`.
/// * Settings: `stride = 1`, `padding = 0` (or `"same"`), `dilation = 1`, `groups = 1`, `bias = true`.
/// * Initial values: weight and bias uniform in ± `1 / sqrt(I / groups * KH * KW)` (Kaiming-uniform with a = sqrt(5)).
/// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`], [`ShapeError::Window`]
///   (a kernel larger than the padded image), [`ShapeError::Attribute`] (a setting of 0), [`ShapeError::SameStride`].
/// * Source: PyTorch's `nn.Conv2d`.
#[derive(Clone, Debug)]
pub struct Conv2d<const I: usize, const O: usize, const KH: usize, const KW: usize = KH> {
    /// `[O, I / groups, KH, KW]`.
    pub weight: Parameter,
    /// `[O]`, or none.
    pub bias: Option<Parameter>,
    settings: Conv2dSettings,
}

impl<const I: usize, const O: usize, const KH: usize, const KW: usize> Conv2d<I, O, KH, KW> {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &Conv2dSettings) -> Result<Shape, ShapeError> {
        if KH == 0 || KW == 0 {
            return Err(ShapeError::Attribute { op: "conv", rule: "the kernel must be at least 1" });
        }
        if let Padding::Same = settings.padding
            && (settings.stride.height != 1 || settings.stride.width != 1)
        {
            let Pair { height, width } = settings.stride;
            return Err(ShapeError::SameStride { stride: if height != 1 { height } else { width } });
        }
        rules::convolution(input, I, O, &[KH, KW, 1], &settings.convolution(Pair::new(KH, KW)))
    }

    /// The result's shape, or after a mismatch that of an input with `I` channels (and one pixel, if the image is too
    /// small).
    pub const fn shape_or_assumed(input: Shape, settings: &Conv2dSettings) -> Shape {
        if let Ok(shape) = Self::shape(input, settings) {
            return shape;
        }
        let (height, width) = if input.rank() == 4 { (input.dim(2), input.dim(3)) } else { (KH, KW) };
        match Self::shape(Shape::new(&[Shape::N, I, height, width]), settings) {
            Ok(shape) => shape,
            Err(_) => Shape::new(&[Shape::N, O, 1, 1]),
        }
    }

    /// A layer with fresh parameters.
    ///
    /// # Panics
    /// If `groups` is 0 (the compile-time check of [`Conv2d::shape`] says so before).
    pub fn new(settings: Conv2dSettings, init: &mut Init) -> Conv2d<I, O, KH, KW> {
        let channels = I / settings.groups;
        let fan_in = channels * KH * KW;
        Conv2d {
            weight: Parameter::trained(init.kaiming_uniform([O, channels, KH, KW], fan_in)),
            bias: settings.bias.then(|| Parameter::trained(init.kaiming_uniform([O], fan_in))),
            settings,
        }
    }
}

impl<const I: usize, const O: usize, const KH: usize, const KW: usize> Layer for Conv2d<I, O, KH, KW> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        if let Err(error) = Self::shape(x.shape(), &self.settings) {
            g.fail(error.into());
        }
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        conv(x, g.parameter("weight", &self.weight), bias, self.settings.convolution(Pair::new(KH, KW)))
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
        let Conv2dSettings { stride, padding, dilation, groups, bias } = self.settings;
        let mut text = format!("Conv2d({I}, {O}, kernel {}", Pair::new(KH, KW));
        if stride != Pair::both(1) {
            text += &format!(", stride {stride}");
        }
        match padding {
            Padding::Explicit(padding) if padding == Pair::both(0) => {}
            Padding::Explicit(padding) => text += &format!(", padding {padding}"),
            Padding::Same => text += ", padding same",
        }
        if dilation != Pair::both(1) {
            text += &format!(", dilation {dilation}");
        }
        if groups != 1 {
            text += &format!(", groups {groups}");
        }
        if !bias {
            text += ", bias = false";
        }
        text += ")";
        f(path.as_str(), &text);
    }
}
