//! Gated linear units. The gate is always the logistic function.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::shape::{Shape, ShapeError, rules};

/// The first half of an axis times the logistic function of the second half.
pub fn glu(x: Value<'_>, dim: isize) -> Value<'_> {
    match (rules::glu(x.shape(), dim), rules::axis("glu", dim, &x.shape())) {
        (Ok(half), Ok(axis)) => {
            let half = half.dim(axis);
            x.slice(axis, 0..half, 1) * x.slice(axis, half..2 * half, 1).sigmoid()
        }
        (Err(error), _) | (_, Err(error)) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// The settings of [`GLU`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GLUSettings {
    dim: isize,
}

impl GLUSettings {
    /// PyTorch's default: the last axis.
    pub const fn new() -> GLUSettings {
        GLUSettings { dim: -1 }
    }

    /// The axis that is halved; negative ones count from the end. Default: -1.
    pub const fn dim(self, dim: isize) -> GLUSettings {
        let _ = self;
        GLUSettings { dim }
    }
}

impl Default for GLUSettings {
    fn default() -> GLUSettings {
        GLUSettings::new()
    }
}

/// The first half of an axis times the logistic function of the second half.
///
/// * Shapes: any; the axis is halved: `[N, .., 2 D]` to `[N, .., D]`.
/// * Formula: `a sigmoid(b)` with the halves `a` and `b`.
/// * Settings: `dim = -1`.
/// * Errors: [`ShapeError::Axis`] for an axis that the input does not have, [`ShapeError::Extent`] for one of an odd extent,
///   [`ShapeError::Attribute`] for the batch axis.
/// * Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks"; PyTorch's `nn.GLU`.
#[derive(Clone, Debug)]
pub struct GLU {
    settings: GLUSettings,
}

impl GLU {
    /// The result's shape: the input's with half of the axis.
    pub const fn shape(input: Shape, settings: &GLUSettings) -> Result<Shape, ShapeError> {
        rules::glu(input, settings.dim)
    }

    /// The result's shape, or after a mismatch the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &GLUSettings) -> Shape {
        match rules::glu(input, settings.dim) {
            Ok(shape) => shape,
            Err(_) => input,
        }
    }

    /// The layer; it has no parameters.
    pub fn new(settings: GLUSettings, init: &mut Init) -> GLU {
        let _ = init;
        GLU { settings }
    }
}

impl Layer for GLU {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        glu(x, self.settings.dim)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("GLU(dim {})", self.settings.dim));
    }
}
