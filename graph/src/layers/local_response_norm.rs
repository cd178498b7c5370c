//! Local response normalization: over neighbouring channels. It has no parameters and keeps no statistics.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::op::{MAX_SPATIAL, Sliding, Window};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// How a local response normalization weighs the channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Response {
    /// What the mean of the squares is multiplied with.
    pub alpha: f64,
    /// The power.
    pub beta: f64,
    /// What is added.
    pub k: f64,
}

/// `x / (k + alpha mean(x^2))^beta`, with the mean over the `size` channels around each of `x [N, C, ..]`: `size / 2`
/// before and `(size - 1) / 2` behind it, where there are none as if they were 0.
pub fn local_response_norm(x: Value<'_>, size: usize, response: Response) -> Value<'_> {
    let shape = x.shape();
    if let Err(error) = rules::local_response_norm(shape, size) {
        x.graph().fail(error.into());
        return x;
    }
    // Windows slide over the channels, and what stands for channels of a window is the places: neighbours in memory.
    let flat = [shape.dim(0), shape.dim(1), shape.dims()[2..].iter().product()];
    let mut window = Window { kernel: [1; MAX_SPATIAL], sliding: Sliding::unit(1), ceil: false };
    window.kernel[0] = size;
    window.sliding.padding[0] = (size / 2, (size - 1) / 2);
    let sum = x.square().reshape(flat).transpose(1, 2).sum_window(window).transpose(1, 2).reshape(shape);
    let divisor = sum * (response.alpha / size as f64) + response.k;
    let y = x / if response.beta == 0.5 { divisor.sqrt() } else { divisor.pow(response.beta) };
    let Response { alpha, beta, k } = response;
    y.known_as(Whole::LocalResponseNorm { size, alpha, beta, k }, &[Some(x)])
}

/// The settings of [`LocalResponseNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNormSettings {
    response: Response,
}

impl LocalResponseNormSettings {
    /// PyTorch's defaults: alpha 1e-4, beta 0.75, k 1.
    pub const fn new() -> LocalResponseNormSettings {
        LocalResponseNormSettings { response: Response { alpha: 1e-4, beta: 0.75, k: 1.0 } }
    }

    /// What the mean of the squares is multiplied with. Default: 1e-4.
    pub const fn alpha(mut self, alpha: f64) -> LocalResponseNormSettings {
        self.response.alpha = alpha;
        self
    }

    /// The power. Default: 0.75.
    pub const fn beta(mut self, beta: f64) -> LocalResponseNormSettings {
        self.response.beta = beta;
        self
    }

    /// What is added. Default: 1.
    pub const fn k(mut self, k: f64) -> LocalResponseNormSettings {
        self.response.k = k;
        self
    }
}

impl Default for LocalResponseNormSettings {
    fn default() -> LocalResponseNormSettings {
        LocalResponseNormSettings::new()
    }
}

/// Divides each element by a power of the mean square of `SIZE` neighbouring channels.
///
/// `y = x / (k + alpha mean(x^2))^beta`, with the mean over `SIZE / 2` channels before, the channel itself and
/// `(SIZE - 1) / 2` behind it (both rounded down), 0 where there are none.
///
/// * Shapes: `[N, C, L..]`, unchanged.
/// * Settings: `alpha = 1e-4`, `beta = 0.75`, `k = 1`.
/// * Errors: [`ShapeError::InputRank`]; [`ShapeError::Setting`] (a `size` of 0, a setting that is not finite).
/// * Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks";
///   PyTorch's `nn.LocalResponseNorm`.
#[derive(Clone, Debug)]
pub struct LocalResponseNorm<const SIZE: usize> {
    settings: LocalResponseNormSettings,
}

impl<const SIZE: usize> LocalResponseNorm<SIZE> {
    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &LocalResponseNormSettings) -> Result<Shape, ShapeError> {
        let Response { alpha, beta, k } = settings.response;
        ok!(rules::finite("alpha", alpha));
        ok!(rules::finite("beta", beta));
        ok!(rules::finite("k", k));
        rules::local_response_norm(input, SIZE)
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &LocalResponseNormSettings) -> Shape {
        let _ = settings;
        input
    }

    /// The layer; it has no parameters.
    pub fn new(settings: LocalResponseNormSettings, init: &mut Init) -> LocalResponseNorm<SIZE> {
        let _ = init;
        LocalResponseNorm { settings }
    }
}

impl<const SIZE: usize> Layer for LocalResponseNorm<SIZE> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        if let Err(error) = Self::shape(x.shape(), &self.settings) {
            g.fail(error.into());
            return x;
        }
        local_response_norm(x, SIZE, self.settings.response)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let (response, usual) = (self.settings.response, LocalResponseNormSettings::new().response);
        let mut text = format!("LocalResponseNorm({SIZE}");
        let settings =
            [("alpha", response.alpha, usual.alpha), ("beta", response.beta, usual.beta), ("k", response.k, usual.k)];
        for (name, value, usual) in settings {
            if value != usual {
                text += &format!(", {name} {value}");
            }
        }
        f(path.as_str(), &(text + ")"));
    }
}
