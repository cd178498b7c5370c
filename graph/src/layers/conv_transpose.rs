//! Transposed convolutional layers. A transposed convolution is the gradient of a convolution in its input, and runs at
//! the speed of its kernel; its own gradients are the convolution and its gradient in the weight. So it adds up nothing
//! itself.

use super::conv::{add_per_channel, convolutional, shared_settings};
use super::parameter::affine_parameter;
use super::{PerAxis, images, sliding};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::op::{Convolution, MAX_SPATIAL, Op};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// The transposed convolution of `x [N, C, spatial..]` (or one sample, `[C, spatial..]`) with
/// `weight [C, O / groups, kernel..]`, plus `bias [O]`; the result is `[N, O, spatial'..]` (or `[O, spatial'..]`).
///
/// `conv` holds the attributes of the convolution whose transpose this is: its stride spreads the input, and its padding
/// is cut off the result, which then gets `output_padding` more elements behind each axis.
pub fn conv_transpose<'g>(
    x: Value<'g>,
    weight: Value<'g>,
    bias: Option<Value<'g>>,
    conv: Convolution,
    output_padding: [usize; MAX_SPATIAL],
) -> Value<'g> {
    let spatial = conv.sliding.spatial;
    if x.shape().rank() == spatial + 1 {
        return conv_transpose(x.unsqueeze(0), weight, bias, conv, output_padding).squeeze(0);
    }
    let g = x.graph();
    if weight.shape().rank() != spatial + 2 {
        let error = ShapeError::Rank { op: "conv_transpose", expected: spatial + 2, found: weight.shape() };
        g.fail(error.into());
        return x;
    }
    let mut kernel = [1; MAX_SPATIAL];
    kernel[..spatial].copy_from_slice(&weight.shape().dims()[2..]);
    let (inputs, outputs) = (weight.shape().dim(0), weight.shape().dim(1).saturating_mul(conv.groups));
    match rules::transposed_convolution(x.shape(), inputs, outputs, &kernel, &conv, &output_padding) {
        Ok(shape) => {
            let whole = Whole::ConvTranspose { conv, output_padding };
            let y = add_per_channel(transpose(x, weight, shape, conv, output_padding), bias);
            y.known_as(whole, &[Some(x), Some(weight), bias])
        }
        Err(error) => {
            g.fail(error.into());
            x
        }
    }
}

/// The result, of the given shape.
///
/// Without padding the result would have `full = (in - 1) stride + dilation (kernel - 1) + 1` elements along an axis. A
/// padding behind it cuts elements off; an output padding takes that back, and where it is larger adds elements that no
/// input reaches. The gradient of a convolution gives fewer than `stride` of those (its windows leave as many out); others
/// are zeros behind its result.
fn transpose<'g>(
    x: Value<'g>,
    weight: Value<'g>,
    shape: Shape,
    mut conv: Convolution,
    output_padding: [usize; MAX_SPATIAL],
) -> Value<'g> {
    let whole = conv.sliding.padding == [(0, 0); MAX_SPATIAL] && output_padding == [0; MAX_SPATIAL];
    let is_kernel =
        x.shape().dims()[2..].iter().all(|&extent| extent == 1) && shape.dims()[2..] == weight.shape().dims()[2..];
    if conv.groups == 1 && whole && is_kernel {
        // One element becomes one kernel: a matrix product, where a convolution would mostly multiply by zeros.
        let rows = [weight.shape().dim(0), weight.shape().elements() / weight.shape().dim(0).max(1)];
        return x.reshape([x.shape().dim(0), rows[0]]).matmul(weight.reshape(rows)).reshape(shape);
    }
    let mut reached = [1; MAX_SPATIAL];
    let mut zeros = [0; MAX_SPATIAL + 2];
    for axis in 0..conv.sliding.spatial {
        let (low, high) = conv.sliding.padding[axis];
        let unreached = output_padding[axis].saturating_sub(high);
        zeros[axis + 2] = unreached.saturating_sub(conv.sliding.stride[axis] - 1);
        conv.sliding.padding[axis] = (low, high.saturating_sub(output_padding[axis]));
        // The padding before the axis may cut off everything that an input reaches.
        let Some(extent @ 1..) = shape.dim(axis + 2).checked_sub(zeros[axis + 2]) else {
            return x.graph().full(shape, 0.0);
        };
        reached[axis] = extent;
    }
    let result = x.graph().apply(Op::ConvGradInput { conv: conv.into(), input: reached }, &[x, weight]);
    result.pad(&[], &zeros[..shape.rank()], 0.0)
}

/// The settings of a transposed convolution over `D` spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeSettings<const D: usize> {
    stride: PerAxis<D>,
    padding: PerAxis<D>,
    output_padding: PerAxis<D>,
    dilation: PerAxis<D>,
    groups: usize,
    bias: bool,
}

shared_settings!(ConvTransposeSettings);

/// The settings of [`ConvTranspose1d`].
pub type ConvTranspose1dSettings = ConvTransposeSettings<1>;
/// The settings of [`ConvTranspose2d`].
pub type ConvTranspose2dSettings = ConvTransposeSettings<2>;
/// The settings of [`ConvTranspose3d`].
pub type ConvTranspose3dSettings = ConvTransposeSettings<3>;

impl<const D: usize> ConvTransposeSettings<D> {
    /// PyTorch's defaults: stride 1, no padding, no output padding, dilation 1, one group, with a bias.
    pub const fn new() -> ConvTransposeSettings<D> {
        let (one, none) = (PerAxis::all(1), PerAxis::all(0));
        ConvTransposeSettings { stride: one, padding: none, output_padding: none, dilation: one, groups: 1, bias: true }
    }

    /// How many elements are cut off on each side of the result. Default: 0.
    pub const fn padding(mut self, padding: PerAxis<D>) -> ConvTransposeSettings<D> {
        self.padding = padding;
        self
    }

    /// How many elements the result has more behind each axis; less than the stride or the dilation. With a stride,
    /// several extents of an image give a convolution's result one extent: this tells which of them is meant. Default: 0.
    pub const fn output_padding(mut self, output_padding: PerAxis<D>) -> ConvTransposeSettings<D> {
        self.output_padding = output_padding;
        self
    }

    /// The attributes of the convolution whose transpose this is.
    const fn convolution(&self) -> Convolution {
        let sliding = sliding(self.stride, self.padding.on_both_sides(), self.dilation);
        Convolution { sliding, groups: self.groups }
    }

    /// The result's shape for a kernel and numbers of channels.
    const fn shape(
        &self,
        input: Shape,
        inputs: usize,
        outputs: usize,
        kernel: PerAxis<D>,
    ) -> Result<Shape, ShapeError> {
        let (kernel, output_padding) = (kernel.spatial(1), self.output_padding.spatial(0));
        rules::transposed_convolution(input, inputs, outputs, &kernel, &self.convolution(), &output_padding)
    }

    /// The result's shape, or after a mismatch that of an input with the right channels (and of one pixel, if the image
    /// is wrong or the result would be empty).
    const fn shape_or_assumed(&self, input: Shape, inputs: usize, outputs: usize, kernel: PerAxis<D>) -> Shape {
        if let Ok(shape) = self.shape(input, inputs, outputs, kernel) {
            return shape;
        }
        let right = if input.rank() == D + 2 { input.with(1, inputs) } else { images(inputs, PerAxis::<D>::all(1)) };
        match self.shape(right, inputs, outputs, kernel) {
            Ok(shape) => shape,
            Err(_) => images(outputs, PerAxis::<D>::all(1)),
        }
    }

    /// The shape of the weight, `[inputs, outputs / groups, kernel..]`.
    const fn weight(&self, inputs: usize, outputs: usize, kernel: PerAxis<D>) -> Shape {
        images(outputs / self.groups, kernel).with(0, inputs)
    }

    fn forward<'g>(&self, x: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>, _: PerAxis<D>) -> Value<'g> {
        conv_transpose(x, weight, bias, self.convolution(), self.output_padding.spatial(0))
    }

    fn describe_padding(&self) -> String {
        let mut text = String::new();
        if self.padding != PerAxis::all(0) {
            text += &format!(", padding {}", self.padding);
        }
        if self.output_padding != PerAxis::all(0) {
            text += &format!(", output padding {}", self.output_padding);
        }
        text
    }
}

convolutional! {
    /// A one-dimensional transposed convolution: the gradient of [`Conv1d`](super::Conv1d) in its input, as a layer.
    ///
    /// `y[n, o, s i + d u - p] = b[o] + sum over c, i, u of w[c, o, u] x[n, c, i]`,
    /// with stride `s`, dilation `d`, padding `p` and `c` over the channels of the group of `o`.
    ///
    /// * Shapes: `[N, I, L]` to `[N, O, L']` with `L' = (L - 1) s - 2 p + d (K - 1) + output_padding + 1`;
    ///   `weight [I, O / groups, K]`, `bias [O]`.
    /// * Settings: `stride = 1`, `padding = 0`, `output_padding = 0`, `groups = 1`, `bias = true`, `dilation = 1`.
    /// * Initial values: weight and bias uniform in ± `1 / sqrt(O / groups * K)` (PyTorch counts the fan of the weight's
    ///   second axis).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`],
    ///   [`ShapeError::OutputPadding`] (not below the stride or the dilation), [`ShapeError::NothingLeft`] (a padding that
    ///   cuts off everything), [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.ConvTranspose1d`.
    ConvTranspose1d, ConvTranspose1dSettings, [K], "`[I, O / groups, kernel..]`."
}

convolutional! {
    /// A two-dimensional transposed convolution: the gradient of [`Conv2d`](super::Conv2d) in its input, as a layer.
    ///
    /// `y[n, o, s i + d u - p, s j + d v - p] = b[o] + sum over c, i, j, u, v of w[c, o, u, v] x[n, c, i, j]`,
    /// with stride `s`, dilation `d`, padding `p` and `c` over the channels of the group of `o`.
    ///
    /// * Shapes: `[N, I, H, W]` to `[N, O, H', W']` with `H' = (H - 1) s - 2 p + d (KH - 1) + output_padding + 1`;
    ///   `weight [I, O / groups, KH, KW]`, `bias [O]`.
    /// * Settings: `stride = 1`, `padding = 0`, `output_padding = 0`, `groups = 1`, `bias = true`, `dilation = 1`.
    /// * Initial values: weight and bias uniform in ± `1 / sqrt(O / groups * KH * KW)` (PyTorch counts the fan of the
    ///   weight's second axis).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`],
    ///   [`ShapeError::OutputPadding`] (not below the stride or the dilation), [`ShapeError::NothingLeft`] (a padding that
    ///   cuts off everything), [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.ConvTranspose2d`.
    ConvTranspose2d, ConvTranspose2dSettings, [KH, KW = KH], "`[I, O / groups, kernel..]`."
}

convolutional! {
    /// A three-dimensional transposed convolution: the gradient of [`Conv3d`](super::Conv3d) in its input, as a layer.
    ///
    /// `y[n, o, s h + d t - p, s i + d u - p, s j + d v - p] = b[o] + sum over c, h, i, j, t, u, v of w[c, o, t, u, v]
    /// x[n, c, h, i, j]`,
    /// with stride `s`, dilation `d`, padding `p` and `c` over the channels of the group of `o`.
    ///
    /// * Shapes: `[N, I, D, H, W]` to `[N, O, D', H', W']` with `D' = (D - 1) s - 2 p + d (KD - 1) + output_padding + 1`;
    ///   `weight [I, O / groups, KD, KH, KW]`, `bias [O]`.
    /// * Settings: `stride = 1`, `padding = 0`, `output_padding = 0`, `groups = 1`, `bias = true`, `dilation = 1`.
    /// * Initial values: weight and bias uniform in ± `1 / sqrt(O / groups * KD * KH * KW)` (PyTorch counts the fan of
    ///   the weight's second axis).
    /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`],
    ///   [`ShapeError::OutputPadding`] (not below the stride or the dilation), [`ShapeError::NothingLeft`] (a padding that
    ///   cuts off everything), [`ShapeError::Attribute`] (a setting of 0).
    /// * Source: PyTorch's `nn.ConvTranspose3d`.
    ConvTranspose3d, ConvTranspose3dSettings, [KD, KH = KD, KW = KH], "`[I, O / groups, kernel..]`."
}
