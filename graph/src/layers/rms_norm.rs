//! Root mean square normalization: over the last axes of each sample by itself, without a mean. It keeps no statistics.

use ndarray::{ArrayD, IxDyn};

use super::layer_norm::{normalized_axes, visit_affine, visit_affine_mut};
use super::parameter::affine_parameter;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::op::Axes;
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// What keeps the root from 0 where nothing else is said: the distance from 1 to the next f32.
const EPSILON: f64 = f32::EPSILON as f64;

/// `x / sqrt(mean(x^2) + eps) * weight`, with the mean over the last axes of `x`, whose extents are `normalized`; the
/// weight has that shape.
pub fn rms_norm<'g>(x: Value<'g>, normalized: Shape, weight: Option<Value<'g>>, eps: Option<f64>) -> Value<'g> {
    let eps = eps.unwrap_or(EPSILON);
    if let Err(error) = rules::layer_norm(x.shape(), normalized, eps) {
        x.graph().fail(error.into());
        return x;
    }
    let rank = x.shape().rank();
    let axes = Axes::new(rank - normalized.rank()..rank);
    let normal = x * (x.square().mean_keep(axes) + eps).rsqrt();
    let y = weight.map_or(normal, |weight| normal * weight);
    y.known_as(Whole::RmsNorm { axis: rank - normalized.rank(), eps }, &[Some(x), weight])
}

/// The settings of [`RMSNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RMSNormSettings {
    eps: Option<f64>,
    elementwise_affine: bool,
}

impl RMSNormSettings {
    /// PyTorch's defaults: the smallest eps, with a weight.
    pub const fn new() -> RMSNormSettings {
        RMSNormSettings { eps: None, elementwise_affine: true }
    }

    /// What keeps the root from 0. Default: `None`, the distance from 1 to the next f32 (1.2e-7).
    pub const fn eps(mut self, eps: Option<f64>) -> RMSNormSettings {
        self.eps = eps;
        self
    }

    /// Whether there is a weight. Default: `true`.
    pub const fn elementwise_affine(mut self, elementwise_affine: bool) -> RMSNormSettings {
        self.elementwise_affine = elementwise_affine;
        self
    }
}

impl Default for RMSNormSettings {
    fn default() -> RMSNormSettings {
        RMSNormSettings::new()
    }
}

/// Scales each sample by its root mean square over its last axes: one for `RMSNorm<768>`, three for `RMSNorm<3, 8, 8>`;
/// four at most. (An extent of 0 stands for no axis.)
///
/// `y = x / sqrt(mean(x^2) + eps) * weight`, with the mean over these axes, in training and in evaluation.
///
/// * Shapes: `[N, .., A]` (or `[N, .., A, B]` and so on), unchanged; `weight` has the normalized axes.
/// * Settings: `eps = None` (1.2e-7, the distance from 1 to the next f32), `elementwise_affine = true`.
/// * Initial values: weight 1.
/// * Errors: [`ShapeError::Normalized`] if the last axes of the input are others, [`ShapeError::Setting`] (`eps`).
/// * Source: Zhang and Sennrich, "Root Mean Square Layer Normalization"; PyTorch's `nn.RMSNorm`.
#[derive(Clone, Debug)]
pub struct RMSNorm<const A: usize, const B: usize = 0, const C: usize = 0, const D: usize = 0> {
    /// Of the normalized axes, or none.
    pub weight: Option<Parameter>,
    settings: RMSNormSettings,
}

impl<const A: usize, const B: usize, const C: usize, const D: usize> RMSNorm<A, B, C, D> {
    /// The extents of the normalized axes.
    const NORMALIZED: Shape = normalized_axes([A, B, C, D]);

    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &RMSNormSettings) -> Result<Shape, ShapeError> {
        let eps = match settings.eps {
            Some(eps) => eps,
            None => EPSILON,
        };
        rules::layer_norm(input, Self::NORMALIZED, eps)
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &RMSNormSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The shape of `weight`, for bodies that use it as a value.
    pub const fn parameter(name: &str, settings: &RMSNormSettings) -> Result<Shape, ShapeError> {
        let weight = if settings.elementwise_affine { Some(Self::NORMALIZED) } else { None };
        affine_parameter(name, weight, None, "elementwise_affine")
    }

    /// A layer with a fresh weight.
    pub fn new(settings: RMSNormSettings, init: &mut Init) -> RMSNorm<A, B, C, D> {
        let _ = init;
        let ones = || Parameter::trained(ArrayD::from_elem(IxDyn(Self::NORMALIZED.dims()), 1.0));
        RMSNorm { weight: settings.elementwise_affine.then(ones), settings }
    }
}

impl<const A: usize, const B: usize, const C: usize, const D: usize> Layer for RMSNorm<A, B, C, D> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let weight = self.weight.as_ref().map(|weight| g.parameter("weight", weight));
        rms_norm(x, Self::NORMALIZED, weight, self.settings.eps)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        visit_affine(&self.weight, &None, path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        visit_affine_mut(&mut self.weight, &mut None, path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let extents: Vec<String> = Self::NORMALIZED.dims().iter().map(usize::to_string).collect();
        let mut text = format!("RMSNorm({}", extents.join(", "));
        if let Some(eps) = self.settings.eps {
            text += &format!(", eps {eps}");
        }
        if !self.settings.elementwise_affine {
            text += ", elementwise_affine = false";
        }
        f(path.as_str(), &(text + ")"));
    }
}
