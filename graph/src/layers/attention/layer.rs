//! The typed attention layer. It holds the parameters under PyTorch's names, and computes nothing itself.

use ndarray::{ArrayD, IxDyn};

use super::super::several::{Several, alone, one_of};
use super::{AttentionWeights, Projections, multihead_attention};
use crate::build::{Builder, Value};
use crate::layers::linear::{Linear, LinearSettings};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, Attention, AttentionInputs};
use crate::shape::{Shape, ShapeError, Type};

/// The settings of [`MultiheadAttention`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiheadAttentionSettings {
    dropout: f64,
    bias: bool,
    add_bias_kv: bool,
    add_zero_attn: bool,
    kdim: Option<usize>,
    vdim: Option<usize>,
    batch_first: bool,
}

impl MultiheadAttentionSettings {
    /// PyTorch's defaults: with biases, keys and values of as many features as queries.
    pub const fn new() -> MultiheadAttentionSettings {
        MultiheadAttentionSettings {
            dropout: 0.0,
            bias: true,
            add_bias_kv: false,
            add_zero_attn: false,
            kdim: None,
            vdim: None,
            batch_first: false,
        }
    }

    /// The probability with which a weight is dropped in training. Default: 0.
    pub const fn dropout(self, dropout: f64) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { dropout, ..self }
    }

    /// Whether biases are added, before the heads and behind them. Default: `true`.
    pub const fn bias(self, bias: bool) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { bias, ..self }
    }

    /// Whether a learnt place is added to keys and values. Default: `false`.
    pub const fn add_bias_kv(self, add_bias_kv: bool) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { add_bias_kv, ..self }
    }

    /// Whether a place of zeros is added to keys and values. Default: `false`.
    pub const fn add_zero_attn(self, add_zero_attn: bool) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { add_zero_attn, ..self }
    }

    /// Features of the keys. Default: `None`, as many as queries have.
    pub const fn kdim(self, kdim: Option<usize>) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { kdim, ..self }
    }

    /// Features of the values. Default: `None`, as many as queries have.
    pub const fn vdim(self, vdim: Option<usize>) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { vdim, ..self }
    }

    /// Whether the batch is the first axis, `[N, L, ..]`. Default: `false`, `[L, N, ..]`.
    pub const fn batch_first(self, batch_first: bool) -> MultiheadAttentionSettings {
        MultiheadAttentionSettings { batch_first, ..self }
    }

    const fn of(&self, embed_dim: usize, num_heads: usize) -> Attention {
        Attention {
            embed_dim,
            num_heads,
            kdim: if let Some(kdim) = self.kdim { kdim } else { embed_dim },
            vdim: if let Some(vdim) = self.vdim { vdim } else { embed_dim },
            add_bias_kv: self.add_bias_kv,
            add_zero_attn: self.add_zero_attn,
            batch_first: self.batch_first,
            dropout: self.dropout,
        }
    }

    /// The settings that are not the defaults.
    fn words(&self) -> String {
        let usual = MultiheadAttentionSettings::new();
        let mut words = String::new();
        if self.dropout != usual.dropout {
            words += &format!(", dropout = {}", self.dropout);
        }
        for (name, dim) in [("kdim", self.kdim), ("vdim", self.vdim)] {
            words += &dim.map(|dim| format!(", {name} = {dim}")).unwrap_or_default();
        }
        let flags = [
            ("bias", self.bias, usual.bias),
            ("add_bias_kv", self.add_bias_kv, usual.add_bias_kv),
            ("add_zero_attn", self.add_zero_attn, usual.add_zero_attn),
            ("batch_first", self.batch_first, usual.batch_first),
        ];
        for (name, found, _) in flags.into_iter().filter(|(_, found, usual)| found != usual) {
            words += &format!(", {name} = {found}");
        }
        words
    }
}

impl Default for MultiheadAttentionSettings {
    fn default() -> MultiheadAttentionSettings {
        MultiheadAttentionSettings::new()
    }
}

/// The weights of what queries, keys and values are made with.
#[derive(Clone, Debug)]
enum InProjection {
    Packed(Parameter),
    Apart([Parameter; 3]),
}

const APART: [&str; 3] = ["q_proj_weight", "k_proj_weight", "v_proj_weight"];

impl InProjection {
    /// With PyTorch's names.
    fn named(&self) -> Vec<(&'static str, &Parameter)> {
        match self {
            InProjection::Packed(weight) => vec![("in_proj_weight", weight)],
            InProjection::Apart(weights) => APART.into_iter().zip(weights).collect(),
        }
    }

    fn named_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        match self {
            InProjection::Packed(weight) => vec![("in_proj_weight", weight)],
            InProjection::Apart(weights) => APART.into_iter().zip(weights).collect(),
        }
    }
}

/// Attention of `H` heads: `softmax(Q K^T / sqrt(E / H)) V` of each head's part of `Q = W_q query + b_q`,
/// `K = W_k key + b_k` and `V = W_v value + b_v`, and `out_proj` of the results of all heads, one behind another.
///
/// * In a body: `let y = attn(q, k, v);`, or `let (y, weights) = attn(q, k, v);`. By name follow `key_padding_mask` and
///   `attn_mask`, `is_causal = true` (no place looks at a later one) and `average_attn_weights = false`.
/// * Shapes: queries `[L, N, E]` (with `batch_first` `[N, L, E]`; one sequence `[L, E]`), keys `[S, N, kdim]`, values
///   `[S, N, vdim]`, to `[L, N, E]` and weights `[N, L, S]`, or of each head `[N, H, L, S]`. `key_padding_mask` is
///   `[N, S]`, `attn_mask` is `[L, S]`, `[N * H, L, S]` or `[N, H, L, S]`. Masks are of bool, where true forbids to look,
///   or of f32, which is added to the scores.
/// * Settings: `dropout = 0.0` (of weights), `bias = true`, `add_bias_kv = false`, `add_zero_attn = false`, `kdim = None`
///   and `vdim = None` (`E`), `batch_first = false`.
/// * Parameters: `in_proj_weight [3 E, E]` (with another `kdim` or `vdim`: `q_proj_weight`, `k_proj_weight`,
///   `v_proj_weight`), `in_proj_bias [3 E]`, `bias_k`, `bias_v [1, 1, E]`, `out_proj.weight [E, E]`, `out_proj.bias [E]`.
/// * Initial values: projections Xavier-uniform, `out_proj.weight` uniform in ± `1 / sqrt(E)`, biases 0, `bias_k` and
///   `bias_v` normal with a deviation of `1 / sqrt(E)`.
/// * Errors: [`ShapeError::Given`] and [`ShapeError::BatchOfPlaces`], which name the input; [`ShapeError::Setting`] for
///   heads that do not divide the features.
/// * Deviations from PyTorch: a place that may look at nothing gets weights of 0 and the bias of `out_proj` alone. PyTorch has
///   that with `need_weights = False` while gradients are recorded or in training; with `need_weights = True` (its default),
///   and in evaluation without gradients, it has NaN. `is_causal` needs no `attn_mask`.
/// * Source: Vaswani and others, "Attention Is All You Need", 2017; PyTorch's `nn.MultiheadAttention`.
#[derive(Clone, Debug)]
pub struct MultiheadAttention<const E: usize, const H: usize> {
    in_projection: InProjection,
    in_proj_bias: Option<Parameter>,
    bias_kv: Option<[Parameter; 2]>,
    out_proj: Linear<E, E>,
    settings: MultiheadAttentionSettings,
}

impl<const E: usize, const H: usize> MultiheadAttention<E, H> {
    /// The types of the result and of the weights.
    pub const fn types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &MultiheadAttentionSettings,
    ) -> Result<Types, ShapeError> {
        match AttentionInputs::of(inputs, flags) {
            Ok(inputs) => rules::multihead_attention(&inputs, &settings.of(E, H)),
            Err(error) => Err(error),
        }
    }

    /// [`ShapeError::Inputs`]: it takes three.
    pub const fn shape(input: Shape, settings: &MultiheadAttentionSettings) -> Result<Shape, ShapeError> {
        one_of(Self::types(&alone(input), &[], settings))
    }

    /// The input's shape.
    pub const fn shape_or_assumed(input: Shape, settings: &MultiheadAttentionSettings) -> Shape {
        let _ = settings;
        input
    }

    /// A layer with fresh parameters.
    pub fn new(settings: MultiheadAttentionSettings, init: &mut Init) -> MultiheadAttention<E, H> {
        let of = settings.of(E, H);
        let mut xavier = |rows: usize, columns: usize| {
            let bound = (6.0 / (rows + columns).max(1) as f64).sqrt();
            Parameter::trained(init.uniform([rows, columns], bound))
        };
        let in_projection = if of.kdim == E && of.vdim == E {
            InProjection::Packed(xavier(3 * E, E))
        } else {
            InProjection::Apart([xavier(E, E), xavier(E, of.kdim), xavier(E, of.vdim)])
        };
        let zeros = |extent: usize| Parameter::trained(ArrayD::zeros(IxDyn(&[extent])));
        let mut out_proj = Linear::new(LinearSettings::new().bias(settings.bias), init);
        out_proj.bias = out_proj.bias.map(|_| zeros(E));
        let deviation = 1.0 / (E.max(1) as f32).sqrt();
        let mut place = || Parameter::trained(init.normal([1, 1, E]) * deviation);
        MultiheadAttention {
            in_projection,
            in_proj_bias: settings.bias.then(|| zeros(3 * E)),
            bias_kv: settings.add_bias_kv.then(|| [place(), place()]),
            out_proj,
            settings,
        }
    }

    /// The result and the weights, for inputs by their names.
    pub fn attend<'g>(&self, g: &'g Builder, inputs: &AttentionInputs<Value<'g>>) -> [Value<'g>; 2] {
        let state = |name: &str, parameter: &Parameter| g.parameter(name, parameter);
        let projections = match &self.in_projection {
            InProjection::Packed(weight) => Projections::Packed(state("in_proj_weight", weight)),
            InProjection::Apart(weights) => {
                Projections::Apart(std::array::from_fn(|number| state(APART[number], &weights[number])))
            }
        };
        let in_proj_bias = self.in_proj_bias.as_ref().map(|bias| state("in_proj_bias", bias));
        let bias_kv = self.bias_kv.as_ref().map(|[k, v]| [state("bias_k", k), state("bias_v", v)]);
        let (out_proj_weight, out_proj_bias) = {
            let _scope = g.enter("out_proj");
            let bias = self.out_proj.bias.as_ref().map(|bias| state("bias", bias));
            (state("weight", &self.out_proj.weight), bias)
        };
        let weights = AttentionWeights { projections, in_proj_bias, bias_kv, out_proj_weight, out_proj_bias };
        multihead_attention(inputs, &weights, &self.settings.of(E, H))
    }
}

impl<const E: usize, const H: usize> Several for MultiheadAttention<E, H> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
        match AttentionInputs::of(inputs, flags) {
            Ok(inputs) => self.attend(g, &inputs).to_vec(),
            Err(error) => {
                g.fail(error.into());
                vec![g.poison(Type::f32(Shape::SCALAR)); 2]
            }
        }
    }
}

/// Gives the result of places that look at one another, without the weights.
impl<const E: usize, const H: usize> Layer for MultiheadAttention<E, H> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x), Some(x), Some(x)], &[])[0]
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        for (name, weight) in self.in_projection.named() {
            f(&path.name(name), weight);
        }
        if let Some(bias) = &self.in_proj_bias {
            f(&path.name("in_proj_bias"), bias);
        }
        for (name, place) in ["bias_k", "bias_v"].into_iter().zip(self.bias_kv.iter().flatten()) {
            f(&path.name(name), place);
        }
        path.enter("out_proj", |path| self.out_proj.visit(path, f));
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (name, weight) in self.in_projection.named_mut() {
            f(&path.name(name), weight);
        }
        if let Some(bias) = &mut self.in_proj_bias {
            f(&path.name("in_proj_bias"), bias);
        }
        for (name, place) in ["bias_k", "bias_v"].into_iter().zip(self.bias_kv.iter_mut().flatten()) {
            f(&path.name(name), place);
        }
        path.enter("out_proj", |path| self.out_proj.visit_mut(path, f));
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("MultiheadAttention({E}, {H}{})", self.settings.words()));
    }
}
