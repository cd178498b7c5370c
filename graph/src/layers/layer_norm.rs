//! Layer normalization: over the last axes of each sample by itself. It keeps no statistics, and does the same in
//! training and in evaluation.

use ndarray::{ArrayD, IxDyn};

use super::parameter::affine_parameter;
use crate::build::{AxisList, Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// `(x - mean) / sqrt(variance + eps) * weight + bias`, with a mean and a variance (divided by the number of elements)
/// over the last axes of `x`, whose extents are `normalized`; weight and bias have that shape.
pub fn layer_norm<'g>(
    x: Value<'g>,
    normalized: Shape,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    eps: f64,
) -> Value<'g> {
    if let Err(error) = rules::layer_norm(x.shape(), normalized, eps) {
        x.graph().fail(error.into());
        return x;
    }
    let rank = x.shape().rank();
    let axes: Vec<usize> = (rank - normalized.rank()..rank).collect();
    let axes = AxisList::from(axes.as_slice());
    let centred = x - x.mean_keep(axes.clone());
    let normal = centred * (centred.square().mean_keep(axes) + eps).rsqrt();
    let scaled = weight.map_or(normal, |weight| normal * weight);
    let y = bias.map_or(scaled, |bias| scaled + bias);
    y.known_as(Whole::LayerNorm { axis: rank - normalized.rank(), eps }, &[Some(x), weight, bias])
}

/// The axes of these extents, of which 0 stands for none; none behind an axis that is none.
pub(super) const fn normalized_axes(extents: [usize; 4]) -> Shape {
    let mut shape = Shape::SCALAR;
    let mut axis = 0;
    while axis < extents.len() && extents[axis] > 0 {
        shape = shape.insert(axis, extents[axis]);
        axis += 1;
    }
    while axis < extents.len() {
        if extents[axis] > 0 {
            return Shape::SCALAR;
        }
        axis += 1;
    }
    shape
}

/// Visits a weight and a bias, if they are there.
pub(super) fn visit_affine<'a>(
    weight: &'a Option<Parameter>,
    bias: &'a Option<Parameter>,
    path: &mut Path,
    f: &mut dyn FnMut(&str, &'a Parameter),
) {
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
        if let Some(parameter) = parameter {
            f(&path.name(name), parameter);
        }
    }
}

/// As [`visit_affine`], to change them.
pub(super) fn visit_affine_mut(
    weight: &mut Option<Parameter>,
    bias: &mut Option<Parameter>,
    path: &mut Path,
    f: &mut dyn FnMut(&str, &mut Parameter),
) {
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
        if let Some(parameter) = parameter {
            f(&path.name(name), parameter);
        }
    }
}

/// The settings of [`LayerNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNormSettings {
    eps: f64,
    elementwise_affine: bool,
    bias: bool,
}

impl LayerNormSettings {
    /// PyTorch's defaults: eps 1e-5, with weight and bias.
    pub const fn new() -> LayerNormSettings {
        LayerNormSettings { eps: 1e-5, elementwise_affine: true, bias: true }
    }

    /// What keeps the root from 0. Default: 1e-5.
    pub const fn eps(mut self, eps: f64) -> LayerNormSettings {
        self.eps = eps;
        self
    }

    /// Whether there are a weight and a bias. Default: `true`.
    pub const fn elementwise_affine(mut self, elementwise_affine: bool) -> LayerNormSettings {
        self.elementwise_affine = elementwise_affine;
        self
    }

    /// Whether there is a bias where there is a weight. Default: `true`.
    pub const fn bias(mut self, bias: bool) -> LayerNormSettings {
        self.bias = bias;
        self
    }
}

impl Default for LayerNormSettings {
    fn default() -> LayerNormSettings {
        LayerNormSettings::new()
    }
}

/// Normalizes each sample over its last axes: one for `LayerNorm<768>`, three for `LayerNorm<3, 8, 8>`; four at most.
/// (An extent of 0 stands for no axis.)
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with mean and variance (divided by the number of elements)
/// over these axes, in training and in evaluation.
///
/// * Shapes: `[N, .., A]` (or `[N, .., A, B]` and so on), unchanged; `weight` and `bias` have the normalized axes.
/// * Settings: `eps = 1e-5`, `elementwise_affine = true`, `bias = true`.
/// * Initial values: weight 1, bias 0.
/// * Errors: [`ShapeError::Normalized`] if the last axes of the input are others.
/// * Source: Ba, Kiros and Hinton, "Layer Normalization"; PyTorch's `nn.LayerNorm`.
#[derive(Clone, Debug)]
pub struct LayerNorm<const A: usize, const B: usize = 0, const C: usize = 0, const D: usize = 0> {
    /// Of the normalized axes, or none.
    pub weight: Option<Parameter>,
    /// Of the normalized axes, or none.
    pub bias: Option<Parameter>,
    settings: LayerNormSettings,
}

impl<const A: usize, const B: usize, const C: usize, const D: usize> LayerNorm<A, B, C, D> {
    /// The extents of the normalized axes.
    const NORMALIZED: Shape = normalized_axes([A, B, C, D]);

    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &LayerNormSettings) -> Result<Shape, ShapeError> {
        rules::layer_norm(input, Self::NORMALIZED, settings.eps)
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &LayerNormSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The shape of `weight` or `bias`, for bodies that use it as a value.
    pub const fn parameter(name: &str, settings: &LayerNormSettings) -> Result<Shape, ShapeError> {
        let weight = if settings.elementwise_affine { Some(Self::NORMALIZED) } else { None };
        affine_parameter(name, weight, if settings.bias { weight } else { None }, "elementwise_affine")
    }

    /// A layer with fresh parameters.
    pub fn new(settings: LayerNormSettings, init: &mut Init) -> LayerNorm<A, B, C, D> {
        let _ = init;
        let filled = |value: f32| Parameter::trained(ArrayD::from_elem(IxDyn(Self::NORMALIZED.dims()), value));
        LayerNorm {
            weight: settings.elementwise_affine.then(|| filled(1.0)),
            bias: (settings.elementwise_affine && settings.bias).then(|| filled(0.0)),
            settings,
        }
    }
}

impl<const A: usize, const B: usize, const C: usize, const D: usize> Layer for LayerNorm<A, B, C, D> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let weight = self.weight.as_ref().map(|weight| g.parameter("weight", weight));
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        layer_norm(x, Self::NORMALIZED, weight, bias, self.settings.eps)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        visit_affine(&self.weight, &self.bias, path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        visit_affine_mut(&mut self.weight, &mut self.bias, path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let (settings, usual) = (&self.settings, LayerNormSettings::new());
        let extents: Vec<String> = Self::NORMALIZED.dims().iter().map(usize::to_string).collect();
        let mut text = format!("LayerNorm({}", extents.join(", "));
        if settings.eps != usual.eps {
            text += &format!(", eps {}", settings.eps);
        }
        for (name, on) in [("elementwise_affine", settings.elementwise_affine), ("bias", settings.bias)] {
            if !on {
                text += &format!(", {name} = false");
            }
        }
        f(path.as_str(), &(text + ")"));
    }
}
