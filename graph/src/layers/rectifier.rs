//! Rectifiers that have something of their own: slopes that are trained or drawn, or another number below a threshold.
//! All others are `activation.rs`'s.

use crate::build::{Builder, GraphError, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// `x` where it is positive, else `x` times a slope: `weight` is `[1]`, or has a slope for each channel of
/// `x [N, C, ..]`.
pub fn prelu<'g>(x: Value<'g>, weight: Value<'g>) -> Value<'g> {
    let slopes = weight.shape().elements();
    let rule = match weight.shape().rank() {
        0 | 1 => rules::prelu(x.shape(), slopes),
        _ => Err(ShapeError::Expected { what: "weight", expected: Shape::new(&[slopes]), found: weight.shape() }),
    };
    if let Err(error) = rule {
        x.graph().fail(error.into());
        return x;
    }
    // A slope for each channel lies along axis 1.
    let mut shape = Shape::new(&[slopes]);
    for _ in 2..x.shape().rank() {
        shape = shape.insert(shape.rank(), 1);
    }
    let slope = weight.reshape(if slopes == 1 { Shape::SCALAR } else { shape });
    let positive = x.gt(0.0);
    // The product is of what is not positive alone: one of infinity would give a gradient of 0 * inf.
    let y = positive.select(x, positive.select(0.0, x) * slope);
    y.known_as(Whole::PRelu, &[Some(x), Some(weight)])
}

/// `x` where it is positive, else `x` times a slope that each element [draws](Builder::draw) anew in training, uniform from
/// `lower` to `upper`; in evaluation the middle of both.
pub fn rrelu(x: Value<'_>, lower: f64, upper: f64) -> Value<'_> {
    let g = x.graph();
    if let Err(error) = rules::slopes(lower, upper) {
        g.fail(error.into());
        return x;
    }
    let positive = x.gt(0.0);
    let negative = positive.select(0.0, x);
    let bent = if g.training() {
        negative * (g.draw(x.shape()) * (upper - lower) + lower)
    } else {
        negative * (0.5 * (lower + upper))
    };
    positive.select(x, bent)
}

/// `x` where it is above the threshold, else `value`; NaN stays NaN.
pub fn threshold(x: Value<'_>, threshold: f64, value: f64) -> Value<'_> {
    match rules::threshold(Some(threshold), Some(value)) {
        Ok((threshold, value)) => x.le(threshold).select(value, x),
        Err(error) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// The settings of [`PReLU`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PReLUSettings {
    num_parameters: usize,
    init: f64,
}

impl PReLUSettings {
    /// PyTorch's defaults: one slope of 0.25.
    pub const fn new() -> PReLUSettings {
        PReLUSettings { num_parameters: 1, init: 0.25 }
    }

    /// The number of slopes: one, or one for each channel. Default: 1.
    pub const fn num_parameters(self, num_parameters: usize) -> PReLUSettings {
        PReLUSettings { num_parameters, ..self }
    }

    /// Their initial value. Default: 0.25.
    pub const fn init(self, init: f64) -> PReLUSettings {
        PReLUSettings { init, ..self }
    }
}

impl Default for PReLUSettings {
    fn default() -> PReLUSettings {
        PReLUSettings::new()
    }
}

/// `x` where it is positive, else `x` times a slope that is trained.
///
/// * Shapes: any, unchanged; with several slopes `[N, num_parameters, ..]`; `weight [num_parameters]`.
/// * Settings: `num_parameters = 1`, `init = 0.25`.
/// * Initial values: `init`.
/// * Errors: [`ShapeError::InputChannels`] if the input has another number of channels than there are slopes,
///   [`ShapeError::Setting`] for no slope at all or an `init` that is not finite.
/// * Source: He et al., "Delving Deep into Rectifiers"; PyTorch's `nn.PReLU`.
#[derive(Clone, Debug)]
pub struct PReLU {
    /// `[num_parameters]`.
    pub weight: Parameter,
}

impl PReLU {
    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &PReLUSettings) -> Result<Shape, ShapeError> {
        match rules::finite("init", settings.init) {
            Ok(()) => rules::prelu(input, settings.num_parameters),
            Err(error) => Err(error),
        }
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &PReLUSettings) -> Shape {
        let _ = settings;
        input
    }

    /// A layer with fresh parameters.
    pub fn new(settings: PReLUSettings, init: &mut Init) -> PReLU {
        let _ = init;
        let weight = ndarray::ArrayD::from_elem(vec![settings.num_parameters], settings.init as f32);
        PReLU { weight: Parameter::trained(weight) }
    }
}

impl Layer for PReLU {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        prelu(x, g.parameter("weight", &self.weight))
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f(&path.name("weight"), &self.weight);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f(&path.name("weight"), &mut self.weight);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("PReLU({})", self.weight.value.len()));
    }
}

/// The settings of [`RReLU`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RReLUSettings {
    lower: f64,
    upper: f64,
}

impl RReLUSettings {
    /// PyTorch's defaults: slopes from 1 / 8 to 1 / 3.
    pub const fn new() -> RReLUSettings {
        RReLUSettings { lower: 1.0 / 8.0, upper: 1.0 / 3.0 }
    }

    /// The smallest slope. Default: 1 / 8.
    pub const fn lower(self, lower: f64) -> RReLUSettings {
        RReLUSettings { lower, ..self }
    }

    /// The largest slope. Default: 1 / 3.
    pub const fn upper(self, upper: f64) -> RReLUSettings {
        RReLUSettings { upper, ..self }
    }
}

impl Default for RReLUSettings {
    fn default() -> RReLUSettings {
        RReLUSettings::new()
    }
}

/// `x` where it is positive, else `x` times a slope that each element draws anew in training, uniform from `lower` to
/// `upper`; in evaluation the middle of both.
///
/// * Shapes: any, unchanged.
/// * Settings: `lower = 1 / 8`, `upper = 1 / 3`.
/// * Errors: [`ShapeError::Setting`] for a slope that is not finite, or an `upper` below `lower`.
/// * Source: Xu et al., "Empirical Evaluation of Rectified Activations in Convolution Network"; PyTorch's `nn.RReLU`.
#[derive(Clone, Debug)]
pub struct RReLU {
    settings: RReLUSettings,
}

impl RReLU {
    /// The result's shape: the input's, if the settings are right.
    pub const fn shape(input: Shape, settings: &RReLUSettings) -> Result<Shape, ShapeError> {
        match rules::slopes(settings.lower, settings.upper) {
            Ok(()) => Ok(input),
            Err(error) => Err(error),
        }
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &RReLUSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The layer; it has no parameters.
    pub fn new(settings: RReLUSettings, init: &mut Init) -> RReLU {
        let _ = init;
        RReLU { settings }
    }
}

impl Layer for RReLU {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        rrelu(x, self.settings.lower, self.settings.upper)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("RReLU({}, {})", self.settings.lower, self.settings.upper));
    }
}

/// The settings of [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdSettings {
    threshold: Option<f64>,
    value: Option<f64>,
}

impl ThresholdSettings {
    /// Nothing yet: both must be given.
    pub const fn new() -> ThresholdSettings {
        ThresholdSettings { threshold: None, value: None }
    }

    /// What numbers must be above to stay.
    pub const fn threshold(self, threshold: f64) -> ThresholdSettings {
        ThresholdSettings { threshold: Some(threshold), ..self }
    }

    /// What the others become.
    pub const fn value(self, value: f64) -> ThresholdSettings {
        ThresholdSettings { value: Some(value), ..self }
    }
}

impl Default for ThresholdSettings {
    fn default() -> ThresholdSettings {
        ThresholdSettings::new()
    }
}

/// `x` where it is above a threshold, else a number.
///
/// * Shapes: any, unchanged.
/// * Settings: `threshold` and `value`, which must be given.
/// * Errors: [`ShapeError::Setting`] without one of them.
/// * Source: PyTorch's `nn.Threshold`.
#[derive(Clone, Debug)]
pub struct Threshold {
    settings: ThresholdSettings,
}

impl Threshold {
    /// The result's shape: the input's, if both settings are given.
    pub const fn shape(input: Shape, settings: &ThresholdSettings) -> Result<Shape, ShapeError> {
        match rules::threshold(settings.threshold, settings.value) {
            Ok(_) => Ok(input),
            Err(error) => Err(error),
        }
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &ThresholdSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The layer; it has no parameters.
    pub fn new(settings: ThresholdSettings, init: &mut Init) -> Threshold {
        let _ = init;
        Threshold { settings }
    }
}

impl Layer for Threshold {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        match rules::threshold(self.settings.threshold, self.settings.value) {
            Ok((least, value)) => threshold(x, least, value),
            Err(error) => {
                g.fail(GraphError::from(error));
                x
            }
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let ThresholdSettings { threshold, value } = self.settings;
        let words: Vec<String> = [threshold, value].iter().flatten().map(f64::to_string).collect();
        f(path.as_str(), &format!("Threshold({})", words.join(", ")));
    }
}
