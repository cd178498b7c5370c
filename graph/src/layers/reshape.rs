//! Layers that only change the shape.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::shape::{Shape, ShapeError, rules};

/// The axes from `start` to `end` (both included, negative ones counted from the end) as one axis.
pub fn flatten(x: Value<'_>, start: isize, end: isize) -> Value<'_> {
    match rules::flatten(x.shape(), start, end) {
        Ok(shape) => x.reshape(shape),
        Err(error) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// The settings of [`Flatten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlattenSettings {
    start_dim: isize,
    end_dim: isize,
}

impl FlattenSettings {
    /// PyTorch's defaults: all axes but the batch axis.
    pub const fn new() -> FlattenSettings {
        FlattenSettings { start_dim: 1, end_dim: -1 }
    }

    /// The first axis of those that become one. Default: 1.
    pub const fn start_dim(mut self, start_dim: isize) -> FlattenSettings {
        self.start_dim = start_dim;
        self
    }

    /// The last axis of those that become one; negative ones count from the end. Default: -1.
    pub const fn end_dim(mut self, end_dim: isize) -> FlattenSettings {
        self.end_dim = end_dim;
        self
    }
}

impl Default for FlattenSettings {
    fn default() -> FlattenSettings {
        FlattenSettings::new()
    }
}

/// Makes one axis of several, in row-major order.
///
/// * Shapes: `[N, d1, .., dk]` to `[N, d1 * .. * dk]` with the default settings.
/// * Settings: `start_dim = 1`, `end_dim = -1`.
/// * Errors: [`ShapeError::Axis`] if an axis does not exist, [`ShapeError::AxisRange`] if the first comes after the
///   last, [`ShapeError::BatchMerged`] if the batch axis would be merged.
/// * Source: PyTorch's `nn.Flatten`.
#[derive(Clone, Debug)]
pub struct Flatten {
    settings: FlattenSettings,
}

impl Flatten {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &FlattenSettings) -> Result<Shape, ShapeError> {
        rules::flatten(input, settings.start_dim, settings.end_dim)
    }

    /// The result's shape, or after a mismatch the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &FlattenSettings) -> Shape {
        match Self::shape(input, settings) {
            Ok(shape) => shape,
            Err(_) => input,
        }
    }

    /// The layer; it has no parameters.
    pub fn new(settings: FlattenSettings, init: &mut Init) -> Flatten {
        let _ = init;
        Flatten { settings }
    }
}

impl Layer for Flatten {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let _ = g;
        flatten(x, self.settings.start_dim, self.settings.end_dim)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let FlattenSettings { start_dim, end_dim } = self.settings;
        if self.settings == FlattenSettings::new() {
            f(path.as_str(), "Flatten");
        } else {
            f(path.as_str(), &format!("Flatten({start_dim}, {end_dim})"));
        }
    }
}
