//! Bags of embeddings: the rows of a table for several indices, made one. A bag is a row of a matrix of indices, or a
//! part of a list, which a layer does not know.

use crate::build::{Builder, Value};
use crate::functions;
use crate::layers::embedding::padding;
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::{DType, Shape, ShapeError, rules};

/// What an [`EmbeddingBag`] makes of the rows of a bag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum.
    Sum,
    /// Their mean.
    #[default]
    Mean,
    /// Their largest numbers, each along its column; the first of several takes the gradient.
    Max,
}

/// `sum`, `mean` or `max`.
impl std::fmt::Display for BagMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BagMode::Sum => "sum",
            BagMode::Mean => "mean",
            BagMode::Max => "max",
        })
    }
}

/// The rows of `weight [V, D]` with the i32 indices of each bag in `indices [N, L]`, made one by the mode: `[N, D]`. The
/// index `padding` does not count; a bag of nothing else gives zeros.
pub fn embedding_bag<'g>(indices: Value<'g>, weight: Value<'g>, mode: BagMode, padding: Option<usize>) -> Value<'g> {
    let g = indices.graph();
    let rule = match *weight.shape().dims() {
        [rows, width] => rules::embedding_bag(indices.shape(), rows, width),
        _ => Err(ShapeError::InputRank { least: 2, most: 2, found: weight.shape() }),
    };
    let rule = match indices.dtype() {
        DType::I32 => rule,
        found => Err(ShapeError::Holds { expected: DType::I32, found }),
    };
    if let Err(error) = rule {
        g.fail(error.into());
        return weight;
    }
    g.check_known_indices(indices, weight.shape().dim(0));
    let rows = weight.take_rows(indices);
    let counts = padding.map(|padding| indices.ne(padding as i32).unsqueeze(-1));
    let or_else = |value: f64| counts.map_or(rows, |counts| counts.select(rows, value));
    match (mode, counts) {
        (BagMode::Sum, _) => or_else(0.0).sum(1),
        (BagMode::Mean, None) => rows.mean(1),
        (BagMode::Mean, Some(counts)) => or_else(0.0).sum(1) / counts.convert(DType::F32).sum(1).maximum(1.0),
        (BagMode::Max, None) => functions::max(rows, 1, false)[0],
        (BagMode::Max, Some(counts)) => {
            let some = counts.convert(DType::F32).amax(1).gt(0.0);
            some.select(functions::max(or_else(f64::NEG_INFINITY), 1, false)[0], 0.0)
        }
    }
}

/// As [`embedding_bag`] of sums, each row times the weight of its index: `per_sample_weights [N, L]`.
pub fn weighted_embedding_bag<'g>(
    indices: Value<'g>,
    weight: Value<'g>,
    per_sample_weights: Value<'g>,
    padding: Option<usize>,
) -> Value<'g> {
    indices.graph().check_known_indices(indices, weight.shape().dim(0));
    let rows = weight.take_rows(indices) * per_sample_weights.unsqueeze(-1);
    match padding {
        Some(padding) => indices.ne(padding as i32).unsqueeze(-1).select(rows, 0.0).sum(1),
        None => rows.sum(1),
    }
}

/// Where bags begin in a list of indices, and how many there are; of one offset more the last is where they end.
#[derive(Clone, Copy, Debug)]
pub struct Offsets<'g> {
    /// `[B]` or `[B + 1]`, i32.
    pub offsets: Value<'g>,
    /// `B`.
    pub bags: usize,
}

/// As [`embedding_bag`] of bags in a list of indices, `[L]`; sums may have weights, `per_sample_weights [L]`.
pub fn embedding_bag_by_offsets<'g>(
    indices: Value<'g>,
    weight: Value<'g>,
    Offsets { offsets, bags }: Offsets<'g>,
    mode: BagMode,
    per_sample_weights: Option<Value<'g>>,
    padding: Option<usize>,
) -> Value<'g> {
    let g = indices.graph();
    g.check_known_indices(indices, weight.shape().dim(0));
    let (length, width) = (indices.shape().dim(0), weight.shape().dim(1));
    // The bag of an index is the last one that begins at it or before. Offsets at the end are those of empty bags.
    let inside = offsets.lt(length as i32).convert(DType::F32);
    let begins = functions::index_add(g.full([length], 0.0), 0, offsets, inside, 1.0);
    let bag = begins.convert(DType::I32).cumsum(0) - 1;
    let mut counts = bag.ge(0) & bag.lt(bags as i32);
    if let Some(padding) = padding {
        counts = counts & indices.ne(padding as i32);
    }
    let rows = weight.take_rows(indices);
    let rows = per_sample_weights.map_or(rows, |weights| rows * weights.unsqueeze(-1));
    let or_else = |value: f64| counts.unsqueeze(-1).select(rows, value);
    let sums = |rows: Value<'g>, start: Value<'g>| functions::index_add(start, 0, bag, rows, 1.0);
    let total = || sums(counts.convert(DType::F32), g.full([bags], 0.0)).unsqueeze(-1);
    match mode {
        BagMode::Sum => sums(or_else(0.0), g.full([bags, width], 0.0)),
        BagMode::Mean => sums(or_else(0.0), g.full([bags, width], 0.0)) / total().maximum(1.0),
        BagMode::Max => {
            let least = g.full([bags, width], f64::NEG_INFINITY);
            let rows = functions::index_reduce(least, 0, bag, or_else(f64::NEG_INFINITY), "amax", true);
            total().gt(0.0).select(rows, 0.0)
        }
    }
}

/// The settings of [`EmbeddingBag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddingBagSettings {
    mode: BagMode,
    padding_idx: Option<isize>,
}

impl EmbeddingBagSettings {
    /// PyTorch's defaults: the mean, no padding.
    pub const fn new() -> EmbeddingBagSettings {
        EmbeddingBagSettings { mode: BagMode::Mean, padding_idx: None }
    }

    /// What becomes of the rows of a bag. Default: their mean.
    pub const fn mode(self, mode: BagMode) -> EmbeddingBagSettings {
        EmbeddingBagSettings { mode, ..self }
    }

    /// The index that does not count, and whose row starts as zeros; negative ones count from the end. Default: none.
    pub const fn padding_idx(self, padding_idx: Option<isize>) -> EmbeddingBagSettings {
        EmbeddingBagSettings { padding_idx, ..self }
    }
}

impl Default for EmbeddingBagSettings {
    fn default() -> EmbeddingBagSettings {
        EmbeddingBagSettings::new()
    }
}

/// A table of `V` rows of `D` numbers each, of which it gives the mean, the sum or the largest numbers of those with the
/// indices in each bag.
///
/// The input is i32: the model declares it as such, `input = [16; i32]`. Bags have one length; shorter ones are filled up
/// with `padding_idx`. (PyTorch's form of one long list with offsets is not there, as its shapes follow from data.)
///
/// * Shapes: `[N, L]` to `[N, D]`; `weight [V, D]`.
/// * Settings: `mode = "mean"` (or `"sum"`, `"max"`), `padding_idx` (none): the row with this index starts as zeros, and
///   counts nowhere. A bag of nothing else gives zeros.
/// * Initial values: weight from the standard normal distribution.
/// * Errors: [`ShapeError::Holds`] for an input that is not i32, [`ShapeError::InputRank`] for one that is not `[N, L]`,
///   [`ShapeError::Setting`] for a `padding_idx` that is the index of no row. An index outside `0..V` in a batch is an
///   error of the call, before anything is computed.
/// * Source: PyTorch's `nn.EmbeddingBag`.
#[derive(Clone, Debug)]
pub struct EmbeddingBag<const V: usize, const D: usize> {
    /// `[V, D]`.
    pub weight: Parameter,
    settings: EmbeddingBagSettings,
}

impl<const V: usize, const D: usize> EmbeddingBag<V, D> {
    /// The result's shape: a row for each bag.
    pub const fn shape(input: Shape, settings: &EmbeddingBagSettings) -> Result<Shape, ShapeError> {
        match padding(settings.padding_idx, V) {
            Ok(_) => rules::embedding_bag(input, V, D),
            Err(error) => Err(error),
        }
    }

    /// The result's shape.
    pub const fn shape_or_assumed(input: Shape, settings: &EmbeddingBagSettings) -> Shape {
        let _ = (input, settings);
        Shape::new(&[Shape::N, D])
    }

    /// The shape of `weight`, for bodies that use it as a value.
    pub const fn parameter(name: &str, settings: &EmbeddingBagSettings) -> Result<Shape, ShapeError> {
        let _ = (name, settings);
        Ok(Shape::new(&[V, D]))
    }

    /// A layer with fresh parameters.
    pub fn new(settings: EmbeddingBagSettings, init: &mut Init) -> EmbeddingBag<V, D> {
        let mut weight = init.normal([V, D]);
        if let Ok(Some(row)) = padding(settings.padding_idx, V) {
            weight.index_axis_mut(ndarray::Axis(0), row).fill(0.0);
        }
        EmbeddingBag { weight: Parameter::trained(weight), settings }
    }
}

impl<const V: usize, const D: usize> Layer for EmbeddingBag<V, D> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let weight = g.parameter("weight", &self.weight);
        match padding(self.settings.padding_idx, V) {
            Ok(padding) => embedding_bag(x, weight, self.settings.mode, padding),
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
        f(path.as_str(), &format!("EmbeddingBag({V}, {D}, {}{padding})", self.settings.mode));
    }
}
