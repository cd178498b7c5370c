//! Fully connected layers. They know the last axis alone: what stands before it is rows.

use super::parameter::ABSENT;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::{Shape, ShapeError, functions, rules};
use crate::whole::Whole;

/// `x W^T + b` over the last axis: `x [.., in]`, `weight [out, in]`, `bias [out]`; the result is `[.., out]`.
pub fn linear<'g>(x: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>) -> Value<'g> {
    let shape = match functions::linear("linear", x.shape(), weight.shape(), bias.map(Value::shape)) {
        Ok(shape) => shape,
        Err(error) => {
            x.graph().fail(error.into());
            return x.graph().poison(x.ty());
        }
    };
    // `matmul` would make one tall matrix of many rows as well; but the bias is to be added to that one, where the
    // product is computed, and not to its reshaped results.
    let (batches, is_tall) = (&shape.dims()[..shape.rank() - 1], shape.rank() > 2);
    let rows = if is_tall { x.reshape([batches.iter().product(), weight.shape().dim(1)]) } else { x };
    let mut y = rows.matmul(weight.transpose(0, 1));
    if let Some(bias) = bias {
        y = y + bias;
    }
    if is_tall {
        y = y.reshape(shape);
    }
    y.known_as(Whole::Linear, &[Some(x), Some(weight), bias])
}

/// The settings of [`Linear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearSettings {
    bias: bool,
}

impl LinearSettings {
    /// PyTorch's defaults: with a bias.
    pub const fn new() -> LinearSettings {
        LinearSettings { bias: true }
    }

    /// Whether a bias is added. Default: `true`.
    pub const fn bias(self, bias: bool) -> LinearSettings {
        LinearSettings { bias }
    }
}

impl Default for LinearSettings {
    fn default() -> LinearSettings {
        LinearSettings::new()
    }
}

/// A fully connected layer, `y = x W^T + b`, over the last axis.
///
/// * Shapes: `[N, .., I]` to `[N, .., O]`; `weight [O, I]`, `bias [O]`.
/// * Settings: `bias = true`.
/// * Initial values: weight and bias uniform in ± `1 / sqrt(I)` (Kaiming-uniform with a = sqrt(5)).
/// * Errors: [`ShapeError::Features`] if the last axis is not `I`, which advises a [`Flatten`](super::Flatten) where
///   one is missing.
/// * Source: PyTorch's `nn.Linear`.
#[derive(Clone, Debug)]
pub struct Linear<const I: usize, const O: usize> {
    /// `[O, I]`.
    pub weight: Parameter,
    /// `[O]`, or none.
    pub bias: Option<Parameter>,
}

impl<const I: usize, const O: usize> Linear<I, O> {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &LinearSettings) -> Result<Shape, ShapeError> {
        let _ = settings;
        rules::linear(input, I, O)
    }

    /// The result's shape, or after a mismatch that of an input with `I` features.
    pub const fn shape_or_assumed(input: Shape, settings: &LinearSettings) -> Shape {
        match Self::shape(input, settings) {
            Ok(shape) => shape,
            Err(_) => Shape::new(&[Shape::N, O]),
        }
    }

    /// The shape of `weight` or `bias`, for bodies that use it as a value.
    pub const fn parameter(name: &str, settings: &LinearSettings) -> Result<Shape, ShapeError> {
        match name.as_bytes() {
            b"weight" => Ok(Shape::new(&[O, I])),
            b"bias" if settings.bias => Ok(Shape::new(&[O])),
            _ => Err(ABSENT),
        }
    }

    /// A layer with fresh parameters.
    pub fn new(settings: LinearSettings, init: &mut Init) -> Linear<I, O> {
        Linear {
            weight: Parameter::trained(init.kaiming_uniform([O, I], I)),
            bias: settings.bias.then(|| Parameter::trained(init.kaiming_uniform([O], I))),
        }
    }
}

impl<const I: usize, const O: usize> Layer for Linear<I, O> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        linear(x, g.parameter("weight", &self.weight), bias)
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
        f(path.as_str(), &format!("Linear({I}, {O}{})", if self.bias.is_some() { "" } else { ", bias = false" }));
    }
}
