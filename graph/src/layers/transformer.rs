//! The transformer, its encoder and its decoder: layers of attention and of a small network at each place, and stacks
//! of them. Knows which layers follow one another, and nothing of what they compute.

mod decoder;
mod encoder;
mod feedforward;
mod places;
mod whole;

pub use decoder::{TransformerDecoder, TransformerDecoderLayer};
pub use encoder::{TransformerEncoder, TransformerEncoderLayer};
pub use places::{PositionalEncoding, PositionalEncodingSettings, positional_encoding};
pub use whole::Transformer;

use super::activation::{GeluApproximation, gelu};
use super::attention::{MultiheadAttention, MultiheadAttentionSettings};
use super::layer_norm::{LayerNorm, LayerNormSettings};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::rules::Attention;

/// What the network at each place applies between its two layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The rectifier.
    #[default]
    Relu,
    /// GELU, without approximation.
    Gelu,
}

impl Activation {
    fn apply(self, x: Value<'_>) -> Value<'_> {
        match self {
            Activation::Relu => x.relu(),
            Activation::Gelu => gelu(x, GeluApproximation::None),
        }
    }
}

/// The settings of the transformer's layers, of stacks of them and of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerSettings {
    num_encoder_layers: usize,
    num_decoder_layers: usize,
    dim_feedforward: usize,
    dropout: f64,
    activation: Activation,
    layer_norm_eps: f64,
    batch_first: bool,
    norm_first: bool,
    bias: bool,
    norm: bool,
}

impl TransformerSettings {
    /// PyTorch's defaults.
    pub const fn new() -> TransformerSettings {
        TransformerSettings {
            num_encoder_layers: 6,
            num_decoder_layers: 6,
            dim_feedforward: 2048,
            dropout: 0.1,
            activation: Activation::Relu,
            layer_norm_eps: 1e-5,
            batch_first: false,
            norm_first: false,
            bias: true,
            norm: false,
        }
    }

    /// How many layers the encoder of a [`Transformer`] has. Default: 6.
    pub const fn num_encoder_layers(self, num_encoder_layers: usize) -> TransformerSettings {
        TransformerSettings { num_encoder_layers, ..self }
    }

    /// How many layers the decoder of a [`Transformer`] has. Default: 6.
    pub const fn num_decoder_layers(self, num_decoder_layers: usize) -> TransformerSettings {
        TransformerSettings { num_decoder_layers, ..self }
    }

    /// Features between the two layers of the network at each place. Default: 2048.
    pub const fn dim_feedforward(self, dim_feedforward: usize) -> TransformerSettings {
        TransformerSettings { dim_feedforward, ..self }
    }

    /// The probability with which an element is dropped in training: of attention's weights, and of what each part of a
    /// layer gives. Default: 0.1.
    pub const fn dropout(self, dropout: f64) -> TransformerSettings {
        TransformerSettings { dropout, ..self }
    }

    /// What the network at each place applies between its two layers. Default: the rectifier.
    pub const fn activation(self, activation: Activation) -> TransformerSettings {
        TransformerSettings { activation, ..self }
    }

    /// What keeps the roots of the norms from 0. Default: 1e-5.
    pub const fn layer_norm_eps(self, layer_norm_eps: f64) -> TransformerSettings {
        TransformerSettings { layer_norm_eps, ..self }
    }

    /// Whether the batch is the first axis, `[N, L, ..]`. Default: `false`, `[L, N, ..]`.
    pub const fn batch_first(self, batch_first: bool) -> TransformerSettings {
        TransformerSettings { batch_first, ..self }
    }

    /// Whether a part's input is normalized, and not the sum of its input and its result. Default: `false`.
    pub const fn norm_first(self, norm_first: bool) -> TransformerSettings {
        TransformerSettings { norm_first, ..self }
    }

    /// Whether there are biases. Default: `true`.
    pub const fn bias(self, bias: bool) -> TransformerSettings {
        TransformerSettings { bias, ..self }
    }

    /// Whether what a stack gives is normalized: PyTorch's `norm = LayerNorm(d_model)`, with its defaults. Default:
    /// `false`.
    pub const fn norm(self, norm: bool) -> TransformerSettings {
        TransformerSettings { norm, ..self }
    }

    const fn of(&self, embed_dim: usize, num_heads: usize) -> Attention {
        Attention {
            embed_dim,
            num_heads,
            kdim: embed_dim,
            vdim: embed_dim,
            add_bias_kv: false,
            add_zero_attn: false,
            batch_first: self.batch_first,
            dropout: self.dropout,
        }
    }

    fn attention<const D: usize, const H: usize>(&self, init: &mut Init) -> MultiheadAttention<D, H> {
        let settings = MultiheadAttentionSettings::new().dropout(self.dropout).bias(self.bias);
        MultiheadAttention::new(settings.batch_first(self.batch_first), init)
    }

    fn layer_norm<const D: usize>(&self, init: &mut Init) -> LayerNorm<D> {
        LayerNorm::new(LayerNormSettings::new().eps(self.layer_norm_eps).bias(self.bias), init)
    }

    /// The norm behind a stack, which the user gives it: it has the defaults, whatever those of the layers have.
    fn norm_behind<const D: usize>(&self, init: &mut Init) -> Option<LayerNorm<D>> {
        self.norm.then(|| LayerNorm::new(LayerNormSettings::new(), init))
    }

    /// The settings that are not the defaults.
    fn words(&self) -> String {
        let usual = TransformerSettings::new();
        let mut words = String::new();
        let sizes = [
            ("num_encoder_layers", self.num_encoder_layers, usual.num_encoder_layers),
            ("num_decoder_layers", self.num_decoder_layers, usual.num_decoder_layers),
            ("dim_feedforward", self.dim_feedforward, usual.dim_feedforward),
        ];
        for (name, found, _) in sizes.into_iter().filter(|(_, found, usual)| found != usual) {
            words += &format!(", {name} = {found}");
        }
        if self.dropout != usual.dropout {
            words += &format!(", dropout = {}", self.dropout);
        }
        if self.activation != usual.activation {
            words += ", activation = gelu";
        }
        if self.layer_norm_eps != usual.layer_norm_eps {
            words += &format!(", layer_norm_eps = {}", self.layer_norm_eps);
        }
        let flags = [
            ("batch_first", self.batch_first, usual.batch_first),
            ("norm_first", self.norm_first, usual.norm_first),
            ("bias", self.bias, usual.bias),
            ("norm", self.norm, usual.norm),
        ];
        for (name, found, _) in flags.into_iter().filter(|(_, found, usual)| found != usual) {
            words += &format!(", {name} = {found}");
        }
        words
    }
}

impl Default for TransformerSettings {
    fn default() -> TransformerSettings {
        TransformerSettings::new()
    }
}

/// A part of a layer beside which its input passes: `norm(x + part(x))`, or `x + part(norm(x))` with the norm first.
fn residual<'g>(
    x: Value<'g>,
    norm_first: bool,
    norm: impl Fn(Value<'g>) -> Value<'g>,
    part: impl FnOnce(Value<'g>) -> Value<'g>,
) -> Value<'g> {
    if norm_first { x + part(norm(x)) } else { norm(x + part(x)) }
}

/// A layer within the scope of its name.
fn within<'g>(g: &'g Builder, name: &str, layer: &dyn Layer, x: Value<'g>) -> Value<'g> {
    let _scope = g.enter(name);
    layer.forward(g, x)
}

/// Visits layers by their names.
fn visit<'a>(members: &[(&str, &'a dyn Layer)], path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
    for (name, layer) in members {
        path.enter(name, |path| layer.visit(path, f));
    }
}

fn visit_mut(members: &mut [(&str, &mut dyn Layer)], path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
    for (name, layer) in members {
        path.enter(name, |path| layer.visit_mut(path, f));
    }
}

/// Layers of one kind one after another, PyTorch's `layers`, and a norm behind them if there is one, its `norm`.
#[derive(Clone, Debug)]
struct Stack<T, const D: usize> {
    layers: Vec<T>,
    norm: Option<LayerNorm<D>>,
}

impl<T: Layer + Clone, const D: usize> Stack<T, D> {
    /// So many copies of a layer.
    fn new(layer: T, count: usize, norm: Option<LayerNorm<D>>) -> Stack<T, D> {
        Stack { layers: vec![layer; count], norm }
    }

    /// What comes of `x`, each layer within the scope of its number.
    fn apply<'g>(&self, g: &'g Builder, x: Value<'g>, each: impl Fn(&T, Value<'g>) -> Value<'g>) -> Value<'g> {
        let mut x = x;
        {
            let _layers = g.enter("layers");
            for (number, layer) in self.layers.iter().enumerate() {
                let _layer = g.enter(&number.to_string());
                x = each(layer, x);
            }
        }
        match &self.norm {
            Some(norm) => within(g, "norm", norm, x),
            None => x,
        }
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        path.enter("layers", |path| {
            for (number, layer) in self.layers.iter().enumerate() {
                path.enter(&number.to_string(), |path| layer.visit(path, f));
            }
        });
        if let Some(norm) = &self.norm {
            path.enter("norm", |path| norm.visit(path, f));
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        path.enter("layers", |path| {
            for (number, layer) in self.layers.iter_mut().enumerate() {
                path.enter(&number.to_string(), |path| layer.visit_mut(path, f));
            }
        });
        if let Some(norm) = &mut self.norm {
            path.enter("norm", |path| norm.visit_mut(path, f));
        }
    }
}
