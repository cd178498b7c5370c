//! Embeddings: a row of a table for each index. Whether an index that is given has a row is not asked here: graphs
//! clamp, and `indices.rs` tells what to check before.

use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::op::Op;
use crate::shape::{DType, Shape, ShapeError, rules};
use crate::whole::Whole;

/// The rows of `weight [V, D]` with the given i32 indices `[..]`: `[.., D]`. The row `padding` gets no gradient.
pub fn embedding<'g>(indices: Value<'g>, weight: Value<'g>, padding: Option<usize>) -> Value<'g> {
    embedding_by_frequency(indices, weight, padding, false)
}

/// The same; in training, `scale_grad_by_freq` divides the gradient of each row by how often its index is among all of
/// them.
pub fn embedding_by_frequency<'g>(
    indices: Value<'g>,
    weight: Value<'g>,
    padding: Option<usize>,
    scale_grad_by_freq: bool,
) -> Value<'g> {
    let g = indices.graph();
    if indices.dtype() != DType::I32 {
        g.fail(ShapeError::Holds { expected: DType::I32, found: indices.dtype() }.into());
        return weight;
    }
    g.check_known_indices(indices, weight.shape().dim(0));
    let rows = weight.take_rows(indices);
    let rows = if scale_grad_by_freq && g.training() {
        with_shared_gradient(rows, indices, weight.shape().dim(0))
    } else {
        rows
    };
    let rows = match padding {
        // The same rows, so that only the gradient is another one.
        Some(padding) => indices.eq(padding as i32).unsqueeze(-1).select(rows.detach(), rows),
        None => rows,
    };
    rows.known_as(Whole::Embedding, &[Some(indices), Some(weight)])
}

/// The same rows of a table, whose gradients are divided by how often their index is among all of them.
fn with_shared_gradient<'g>(rows: Value<'g>, indices: Value<'g>, of_table: usize) -> Value<'g> {
    let g = rows.graph();
    let all = indices.reshape([indices.shape().elements()]);
    let counts = g.apply(Op::ScatterRows { rows: of_table }, &[all, g.full([all.shape().dim(0), 1], 1.0)]);
    let share = counts.take_rows(indices).reciprocal();
    // What is added to finite rows is 0, so that only the gradient is another one.
    rows.detach() + (rows - rows.detach()) * share
}

/// The settings of [`Embedding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddingSettings {
    padding_idx: Option<isize>,
    scale_grad_by_freq: bool,
}

impl EmbeddingSettings {
    /// PyTorch's defaults: no padding.
    pub const fn new() -> EmbeddingSettings {
        EmbeddingSettings { padding_idx: None, scale_grad_by_freq: false }
    }

    /// The index whose row starts as zeros and gets no gradient; negative ones count from the end. Default: none.
    pub const fn padding_idx(self, padding_idx: Option<isize>) -> EmbeddingSettings {
        EmbeddingSettings { padding_idx, ..self }
    }

    /// Whether the gradient of a row is divided by how often its index is in the batch (with shards, in its own).
    /// Default: `false`.
    pub const fn scale_grad_by_freq(self, scale_grad_by_freq: bool) -> EmbeddingSettings {
        EmbeddingSettings { scale_grad_by_freq, ..self }
    }

    /// The row without a gradient, counted from the front.
    const fn padding(&self, rows: usize) -> Result<Option<usize>, ShapeError> {
        padding(self.padding_idx, rows)
    }
}

/// The row of a `padding_idx` that may count from the end, counted from the front.
pub(crate) const fn padding(padding_idx: Option<isize>, rows: usize) -> Result<Option<usize>, ShapeError> {
    match padding_idx {
        None => Ok(None),
        Some(row) if row >= 0 && (row as usize) < rows => Ok(Some(row as usize)),
        Some(row) if row < 0 && row.unsigned_abs() <= rows => Ok(Some(rows - row.unsigned_abs())),
        Some(_) => Err(ShapeError::Setting { setting: "padding_idx", rule: "must be the index of a row" }),
    }
}

impl Default for EmbeddingSettings {
    fn default() -> EmbeddingSettings {
        EmbeddingSettings::new()
    }
}

/// A table of `V` rows of `D` numbers each, of which it gives those with the indices that are its input.
///
/// The input is i32: the model declares it as such, `input = [16; i32]`.
///
/// * Shapes: `[N, ..]` to `[N, .., D]`; `weight [V, D]`.
/// * Settings: `padding_idx` (none): the row with this index starts as zeros, and gets no gradient;
///   `scale_grad_by_freq = false`: whether the gradient of a row is divided by how often its index is in the batch.
/// * Initial values: weight from the standard normal distribution.
/// * Errors: [`ShapeError::Holds`] for an input that is not i32, [`ShapeError::Setting`] for a `padding_idx` that is
///   the index of no row. An index outside `0..V` in a batch is an error of the call, before anything is computed.
/// * Source: PyTorch's `nn.Embedding`, but for `max_norm`, which is a statement behind the update:
///   `emb.weight.copy_from(emb.weight.renorm(2.0, 0, MAX));`.
#[derive(Clone, Debug)]
pub struct Embedding<const V: usize, const D: usize> {
    /// `[V, D]`.
    pub weight: Parameter,
    settings: EmbeddingSettings,
}

impl<const V: usize, const D: usize> Embedding<V, D> {
    /// The result's shape: the input's with an axis more.
    pub const fn shape(input: Shape, settings: &EmbeddingSettings) -> Result<Shape, ShapeError> {
        match settings.padding(V) {
            Ok(_) => rules::embedding(input, V, D),
            Err(error) => Err(error),
        }
    }

    /// The result's shape, or after a mismatch one with an axis of `D`.
    pub const fn shape_or_assumed(input: Shape, settings: &EmbeddingSettings) -> Shape {
        let _ = settings;
        match rules::embedding(input, V, D) {
            Ok(shape) => shape,
            Err(_) => Shape::new(&[Shape::N, D]),
        }
    }

    /// The shape of `weight`, for bodies that use it as a value.
    pub const fn parameter(name: &str, settings: &EmbeddingSettings) -> Result<Shape, ShapeError> {
        let _ = (name, settings);
        Ok(Shape::new(&[V, D]))
    }

    /// A layer with fresh parameters.
    pub fn new(settings: EmbeddingSettings, init: &mut Init) -> Embedding<V, D> {
        let mut weight = init.normal([V, D]);
        if let Ok(Some(row)) = settings.padding(V) {
            weight.index_axis_mut(ndarray::Axis(0), row).fill(0.0);
        }
        Embedding { weight: Parameter::trained(weight), settings }
    }
}

impl<const V: usize, const D: usize> Layer for Embedding<V, D> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let weight = g.parameter("weight", &self.weight);
        match self.settings.padding(V) {
            Ok(padding) => embedding_by_frequency(x, weight, padding, self.settings.scale_grad_by_freq),
            Err(error) => {
                g.fail(error.into());
                weight
            }
        }
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f(&path.name("weight"), &self.weight);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f(&path.name("weight"), &mut self.weight);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let padding = self.settings.padding_idx.map_or(String::new(), |row| format!(", padding_idx {row}"));
        let scaled = if self.settings.scale_grad_by_freq { ", scale_grad_by_freq = true" } else { "" };
        f(path.as_str(), &format!("Embedding({V}, {D}{padding}{scaled})"));
    }
}
