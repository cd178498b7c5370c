//! Parameters by themselves, and those of layers that a body uses as values. Knows the shapes of no layer but a
//! parameter's own.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::{Shape, ShapeError, Type, rules};

/// The settings of a [`Parameter`] that a model declares by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterSettings {
    shape: Shape,
    mean: f64,
    std: f64,
}

impl ParameterSettings {
    /// A single zero, without axes.
    pub const fn new() -> ParameterSettings {
        ParameterSettings { shape: Shape::SCALAR, mean: 0.0, std: 0.0 }
    }

    /// The extents, none of them the batch's. Default: none.
    pub const fn shape<const K: usize>(mut self, shape: [usize; K]) -> ParameterSettings {
        self.shape = Shape::new(&shape);
        self
    }

    /// The mean of the values that it starts with. Default: 0.
    pub const fn mean(mut self, mean: f64) -> ParameterSettings {
        self.mean = mean;
        self
    }

    /// The standard deviation of the values that it starts with; of 0 all are the mean. Default: 0.
    pub const fn std(mut self, std: f64) -> ParameterSettings {
        self.std = std;
        self
    }
}

impl Default for ParameterSettings {
    fn default() -> ParameterSettings {
        ParameterSettings::new()
    }
}

/// A parameter that a model declares by itself, `Parameter(1, 1, 45, std = 0.02)`, is a value in its `forward`, by the
/// name of its field, which is its whole name in files. It is not applied.
///
/// * Settings: `shape`, its extents; `mean = 0` and `std = 0`.
/// * Initial values: normal with this mean and this standard deviation: zeros where neither is given, `mean = 1` are
///   PyTorch's `torch.ones`, `std = 0.02` its `0.02 * torch.randn`. Others are set in the model: `net.scale.set(&array)`.
/// * Errors: [`ShapeError::Setting`] for an extent of 0 or a negative `std`.
/// * Source: PyTorch's `nn.Parameter`.
impl Parameter {
    /// A parameter with fresh values.
    pub fn new(settings: ParameterSettings, init: &mut Init) -> Parameter {
        let ParameterSettings { shape, mean, std } = settings;
        let mut value = init.normal(shape);
        value.mapv_inplace(|unit| (mean + std * f64::from(unit)) as f32);
        Parameter::trained(value)
    }

    /// Its shape, under no other name.
    pub const fn parameter(name: &str, settings: &ParameterSettings) -> Result<Shape, ShapeError> {
        let mut axis = 0;
        while axis < settings.shape.rank() {
            if settings.shape.dim(axis) == 0 || settings.shape.dim(axis) == Shape::N {
                return Err(ShapeError::Setting { setting: "shape", rule: "must have extents of at least 1" });
            }
            axis += 1;
        }
        if !(settings.std >= 0.0 && settings.std < f64::INFINITY) {
            return Err(ShapeError::Setting { setting: "std", rule: "must be at least 0 and finite" });
        }
        if name.is_empty() { rules::elements_of(Ok(settings.shape)) } else { Err(ABSENT) }
    }
}

/// The shape of a layer's `weight` or `bias`, which are there or not.
pub(crate) const fn affine_parameter(
    name: &str,
    weight: Option<Shape>,
    bias: Option<Shape>,
    affine: &'static str,
) -> Result<Shape, ShapeError> {
    match (name.as_bytes(), weight, bias) {
        (b"weight", Some(shape), _) | (b"bias", Some(_), Some(shape)) => Ok(shape),
        (b"bias", Some(_), None) => Err(ABSENT),
        _ => {
            let rule = "must be true (it is the default) where the weight or the bias is used";
            Err(ShapeError::Setting { setting: affine, rule })
        }
    }
}

/// What says that a layer has no such parameter.
pub(crate) const ABSENT: ShapeError =
    ShapeError::Setting { setting: "bias", rule: "must be true (it is the default) where the bias is used" };

impl Layer for Parameter {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let rule = "it is a value by itself, and not applied to one";
        g.fail(ShapeError::Attribute { op: "Parameter", rule }.into());
        x
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f(path.as_str(), self);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f(path.as_str(), self);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("Parameter({})", self.shape()));
    }
}

/// The parameter of a layer as a value in the scope of the layer; that of a [`Parameter`] by itself has the empty name.
/// Where there is none, the error is recorded.
pub fn parameter_of<'g>(g: &'g Builder, layer: &impl Layer, name: &str) -> Value<'g> {
    let mut found = None;
    layer.visit(&mut Path::new(), &mut |visited, parameter| {
        if visited == name {
            found = Some(g.parameter(name, parameter));
        }
    });
    found.unwrap_or_else(|| {
        g.fail(ABSENT.into());
        g.poison(Type::f32(Shape::SCALAR))
    })
}
