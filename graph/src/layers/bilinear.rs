//! Bilinear layers: products of two vectors with one another. The axes before the last are rows to it.

use super::several::{Several, alone, one_of};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::{Shape, ShapeError, Type, rules};

/// `x1^T A x2 + b` over the last axes: `input1 [.., in1]`, `input2 [.., in2]`, `weight [out, in1, in2]`, `bias [out]`; the
/// result is `[.., out]`.
pub fn bilinear<'g>(input1: Value<'g>, input2: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>) -> Value<'g> {
    let shapes = [input1, input2, weight].map(Value::shape);
    let shape = match rules::bilinear(shapes[0], shapes[1], shapes[2], bias.map(Value::shape)) {
        Ok(shape) => shape,
        Err(error) => {
            input1.graph().fail(error.into());
            return input1.graph().poison(input1.ty());
        }
    };
    // All products of two elements, times a row of as many weights for each feature: one product of matrices.
    let pairs = weight.shape().dim(1) * weight.shape().dim(2);
    let rows = shape.elements() / weight.shape().dim(0);
    let products = (input1.unsqueeze(-1) * input2.unsqueeze(-2)).reshape([rows, pairs]);
    let y = products.matmul(weight.reshape([weight.shape().dim(0), pairs]).transpose(0, 1)).reshape(shape);
    match bias {
        Some(bias) => y + bias,
        None => y,
    }
}

/// The settings of [`Bilinear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BilinearSettings {
    bias: bool,
}

impl BilinearSettings {
    /// PyTorch's defaults: with a bias.
    pub const fn new() -> BilinearSettings {
        BilinearSettings { bias: true }
    }

    /// Whether a bias is added. Default: `true`.
    pub const fn bias(self, bias: bool) -> BilinearSettings {
        BilinearSettings { bias }
    }
}

impl Default for BilinearSettings {
    fn default() -> BilinearSettings {
        BilinearSettings::new()
    }
}

/// Products of two inputs' features with one another, weighted for each feature of the result: `y = x1^T A x2 + b`.
///
/// * In a body: `layer(input1, input2)`.
/// * Shapes: `[N, .., I1]` and `[N, .., I2]`, which agree in all but the last axis, to `[N, .., O]`; `weight [O, I1, I2]`,
///   `bias [O]`.
/// * Settings: `bias = true`.
/// * Initial values: weight and bias uniform in ± `1 / sqrt(I1)`.
/// * Errors: [`ShapeError::Given`] for an input of other features or other axes before them, [`ShapeError::InputRank`] for
///   one without axes, [`ShapeError::WeightTooLarge`].
/// * Source: PyTorch's `nn.Bilinear`.
#[derive(Clone, Debug)]
pub struct Bilinear<const I1: usize, const I2: usize, const O: usize> {
    /// `[O, I1, I2]`.
    pub weight: Parameter,
    /// `[O]`, or none.
    pub bias: Option<Parameter>,
}

impl<const I1: usize, const I2: usize, const O: usize> Bilinear<I1, I2, O> {
    /// The type of the result.
    pub const fn types(
        inputs: &[Option<Type>],
        _flags: &[bool],
        settings: &BilinearSettings,
    ) -> Result<Types, ShapeError> {
        let _ = settings;
        let inputs = Types::given(inputs);
        let &[input1, input2] = inputs.as_slice() else {
            return Err(ShapeError::Inputs { expected: 2, found: inputs.as_slice().len() });
        };
        ok!(rules::floats("input1", input1));
        ok!(rules::floats("input2", input2));
        match rules::bilinear(input1.shape, input2.shape, Shape::new(&[O, I1, I2]), None) {
            Ok(shape) => Ok(Types::one(shape)),
            Err(error) => Err(error),
        }
    }

    /// The error that it takes two inputs.
    pub const fn shape(input: Shape, settings: &BilinearSettings) -> Result<Shape, ShapeError> {
        one_of(Self::types(&alone(input), &[], settings))
    }

    /// The input's shape with the features of the result.
    pub const fn shape_or_assumed(input: Shape, settings: &BilinearSettings) -> Shape {
        let _ = settings;
        if input.rank() == 0 { Shape::new(&[Shape::N, O]) } else { input.with(input.rank() - 1, O) }
    }

    /// A layer with fresh parameters.
    pub fn new(settings: BilinearSettings, init: &mut Init) -> Bilinear<I1, I2, O> {
        Bilinear {
            weight: Parameter::trained(init.kaiming_uniform([O, I1, I2], I1)),
            bias: settings.bias.then(|| Parameter::trained(init.kaiming_uniform([O], I1))),
        }
    }
}

impl<const I1: usize, const I2: usize, const O: usize> Several for Bilinear<I1, I2, O> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], _flags: &[bool]) -> Vec<Value<'g>> {
        let &[Some(input1), Some(input2)] = inputs else {
            return vec![super::several::rejected(g, ShapeError::Inputs { expected: 2, found: inputs.len() })];
        };
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        vec![bilinear(input1, input2, g.parameter("weight", &self.weight), bias)]
    }
}

impl<const I1: usize, const I2: usize, const O: usize> Layer for Bilinear<I1, I2, O> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x)], &[])[0]
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
        let bias = if self.bias.is_some() { "" } else { ", bias = false" };
        f(path.as_str(), &format!("Bilinear({I1}, {I2}, {O}{bias})"));
    }
}
