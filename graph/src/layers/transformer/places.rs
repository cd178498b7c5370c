//! Places told by waves: the sinusoidal positional encoding. What stands at a place is not looked at.

use super::super::dropout::dropout;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Path};
use crate::shape::{DType, Shape, ShapeError, rules};

/// `x` and, at place `t`, in its even features `2 i` the sine and in its odd ones `2 i + 1` the cosine of
/// `t / 10000^(2 i / d)`, where `d` is the number of features: `x [T, N, d]`, with `batch_first` `[N, T, d]`, or `[T, d]`.
pub fn positional_encoding(x: Value<'_>, batch_first: bool) -> Value<'_> {
    let g = x.graph();
    let shape = x.shape();
    let rank = shape.rank();
    if rank < 2 {
        g.fail(ShapeError::InputRank { least: 2, most: 3, found: shape }.into());
        return x;
    }
    let (axis, features) = (usize::from(batch_first && rank > 2), shape.dim(rank - 1));
    let table = [shape.dim(axis), features];
    let number = |axis: usize| g.iota(table, axis).convert(DType::F32);
    let even = (number(1) * 0.5).floor() * 2.0;
    let angle = number(0) * (even * (-(10000.0_f64).ln() / features as f64)).exp();
    let waves = number(1).eq(even).select(angle.sin(), angle.cos());
    let waves = if rank > 2 && axis == 0 { waves.unsqueeze(1) } else { waves };
    x + waves
}

/// The settings of [`PositionalEncoding`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PositionalEncodingSettings {
    dropout: f64,
    max_len: usize,
    batch_first: bool,
}

impl PositionalEncodingSettings {
    /// The tutorial's defaults.
    pub const fn new() -> PositionalEncodingSettings {
        PositionalEncodingSettings { dropout: 0.1, max_len: 5000, batch_first: false }
    }

    /// The probability with which an element is dropped in training. Default: 0.1.
    pub const fn dropout(self, dropout: f64) -> PositionalEncodingSettings {
        PositionalEncodingSettings { dropout, ..self }
    }

    /// The largest number of places. Default: 5000.
    pub const fn max_len(self, max_len: usize) -> PositionalEncodingSettings {
        PositionalEncodingSettings { max_len, ..self }
    }

    /// Whether the batch is the first axis, `[N, T, ..]`. Default: `false`, `[T, N, ..]`.
    pub const fn batch_first(self, batch_first: bool) -> PositionalEncodingSettings {
        PositionalEncodingSettings { batch_first, ..self }
    }
}

impl Default for PositionalEncodingSettings {
    fn default() -> PositionalEncodingSettings {
        PositionalEncodingSettings::new()
    }
}

/// Tells places by waves: adds at place `t` the sine (in even features `2 i`) and the cosine (in odd ones) of
/// `t / 10000^(2 i / D)`, and drops elements.
///
/// * Shapes: `[T, N, D]` (with `batch_first` `[N, T, D]`; one sequence `[T, D]`), unchanged.
/// * Settings: `dropout = 0.1`, `max_len = 5000`, `batch_first = false`.
/// * Parameters: none. The waves are computed, and are no buffer.
/// * Errors: [`ShapeError::Given`] for other features, [`ShapeError::BatchOfPlaces`], [`ShapeError::Setting`] for more
///   places than `max_len`.
/// * Source: Vaswani and others, "Attention Is All You Need", 2017; `PositionalEncoding` of PyTorch's tutorial on
///   language modelling with `nn.Transformer`.
#[derive(Clone, Debug)]
pub struct PositionalEncoding<const D: usize> {
    settings: PositionalEncodingSettings,
}

impl<const D: usize> PositionalEncoding<D> {
    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &PositionalEncodingSettings) -> Result<Shape, ShapeError> {
        let PositionalEncodingSettings { dropout, max_len, batch_first } = *settings;
        rules::positional_encoding(input, D, max_len, batch_first, dropout)
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &PositionalEncodingSettings) -> Shape {
        let _ = settings;
        input
    }

    /// A layer, which has no parameters.
    pub fn new(settings: PositionalEncodingSettings, init: &mut Init) -> PositionalEncoding<D> {
        let _ = init;
        PositionalEncoding { settings }
    }
}

impl<const D: usize> Layer for PositionalEncoding<D> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        if let Err(error) = Self::shape(x.shape(), &self.settings) {
            g.fail(error.into());
            return x;
        }
        dropout(positional_encoding(x, self.settings.batch_first), self.settings.dropout)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let PositionalEncodingSettings { dropout, max_len, batch_first } = self.settings;
        let text =
            format!("PositionalEncoding({D}, dropout = {dropout}, max_len = {max_len}, batch_first = {batch_first})");
        f(path.as_str(), &text);
    }
}
