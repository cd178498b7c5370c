//! Layers that only change the shape. They look at no element.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::shape::{MAX_RANK, Shape, ShapeError, rules};

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

/// An axis (counted from the end if negative) as several, whose extents multiply to its own; one of them may be -1.
pub fn unflatten<'g>(x: Value<'g>, dim: isize, sizes: &[isize]) -> Value<'g> {
    match rules::unflatten("unflatten", x.shape(), dim, sizes) {
        Ok(shape) => x.reshape(shape),
        Err(error) => {
            x.graph().fail(error.into());
            x
        }
    }
}

/// The settings of [`Unflatten`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnflattenSettings {
    dim: Option<isize>,
    sizes: [isize; MAX_RANK],
    count: usize,
}

impl UnflattenSettings {
    /// Neither an axis nor sizes, which must be given.
    pub const fn new() -> UnflattenSettings {
        UnflattenSettings { dim: None, sizes: [0; MAX_RANK], count: 0 }
    }

    /// The axis that becomes several; negative ones count from the end.
    pub const fn dim(mut self, dim: isize) -> UnflattenSettings {
        self.dim = Some(dim);
        self
    }

    /// The extents of the axes that it becomes; one may be -1, which is what is left.
    pub const fn unflattened_size<const K: usize>(mut self, sizes: [isize; K]) -> UnflattenSettings {
        const { assert!(K <= MAX_RANK, "a tensor has 8 axes at most") };
        let mut part = 0;
        while part < K {
            self.sizes[part] = sizes[part];
            part += 1;
        }
        self.count = K;
        self
    }

    const fn sizes(&self) -> &[isize] {
        self.sizes.split_at(self.count).0
    }

    const fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        match self.dim {
            None => Err(ShapeError::Setting { setting: "dim", rule: "must be given" }),
            Some(_) if self.count == 0 => {
                Err(ShapeError::Setting { setting: "unflattened_size", rule: "must be given" })
            }
            Some(dim) => rules::unflatten("unflatten", input, dim, self.sizes()),
        }
    }
}

/// Makes several axes of one, in row-major order.
///
/// * Shapes: `[N, a b, ..]` to `[N, a, b, ..]` for `Unflatten(1, (a, b))`.
/// * Settings: `dim` and `unflattened_size`, up to eight extents that multiply to that of the axis, of which one may be
///   -1; both must be given.
/// * Errors: [`ShapeError::Axis`], [`ShapeError::Setting`]; [`ShapeError::Batch`] for the batch axis;
///   [`ShapeError::Extent`] where the extents do not multiply to the axis's.
/// * Source: PyTorch's `nn.Unflatten`.
#[derive(Clone, Debug)]
pub struct Unflatten {
    settings: Box<UnflattenSettings>,
}

impl Unflatten {
    /// The result's shape.
    pub const fn shape(input: Shape, settings: &UnflattenSettings) -> Result<Shape, ShapeError> {
        settings.shape(input)
    }

    /// The result's shape, or after a mismatch the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &UnflattenSettings) -> Shape {
        match Self::shape(input, settings) {
            Ok(shape) => shape,
            Err(_) => input,
        }
    }

    /// The layer; it has no parameters.
    pub fn new(settings: UnflattenSettings, init: &mut Init) -> Unflatten {
        let _ = init;
        Unflatten { settings: Box::new(settings) }
    }
}

impl Layer for Unflatten {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        match self.settings.shape(x.shape()) {
            Ok(shape) => x.reshape(shape),
            Err(error) => {
                g.fail(error.into());
                x
            }
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let sizes: Vec<String> = self.settings.sizes().iter().map(isize::to_string).collect();
        f(path.as_str(), &format!("Unflatten({}, ({}))", self.settings.dim.unwrap_or(0), sizes.join(", ")));
    }
}
