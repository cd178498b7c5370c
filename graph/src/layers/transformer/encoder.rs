//! The encoder: layers in which places look at one another, and stacks of them. How places come to be told apart is not
//! known here (`places.rs`).

use super::super::dropout::dropout;
use super::super::several::{Several, alone, rejected};
use super::feedforward::FeedForward;
use super::{Stack, TransformerSettings, residual, visit, visit_mut, within};
use crate::build::{Builder, Value};
use crate::layers::attention::MultiheadAttention;
use crate::layers::layer_norm::LayerNorm;
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, AttentionInputs, EncoderInputs};
use crate::shape::{Shape, ShapeError, Type};

impl EncoderInputs<Value<'_>> {
    /// The types of all of them.
    fn types(&self) -> EncoderInputs<Type> {
        EncoderInputs {
            src: self.src.ty(),
            src_mask: self.src_mask.map(Value::ty),
            src_key_padding_mask: self.src_key_padding_mask.map(Value::ty),
            is_causal: self.is_causal,
        }
    }
}

/// A layer of a transformer's encoder: `x = norm1(x + self_attn(x))`, then `norm2(x + linear2(activation(linear1(x))))`;
/// with the norm first `x = x + self_attn(norm1(x))`, then `x + linear2(activation(linear1(norm2(x))))`. What is added is
/// dropped out in training, and so are the weights of the attention and what `linear2` takes.
///
/// * In a body: `layer(src)`, or `layer(src, src_mask, src_key_padding_mask, is_causal = true)`, of which each may be left
///   out or given by name.
/// * Shapes: `src [S, N, D]` (with `batch_first` `[N, S, D]`; one sequence `[S, D]`), unchanged; the masks are the
///   `attn_mask` and the `key_padding_mask` of [`MultiheadAttention`].
/// * Settings: `dim_feedforward = 2048`, `dropout = 0.1`, `activation = "relu"` (or `"gelu"`), `layer_norm_eps = 1e-5`,
///   `batch_first = false`, `norm_first = false`, `bias = true`.
/// * Parameters: those of `self_attn`, `linear1`, `linear2`, `norm1` and `norm2`.
/// * Initial values: each part's own.
/// * Errors: as for [`MultiheadAttention`].
/// * Source: Vaswani and others, "Attention Is All You Need", 2017; PyTorch's `nn.TransformerEncoderLayer`.
#[derive(Clone, Debug)]
pub struct TransformerEncoderLayer<const D: usize, const H: usize> {
    self_attn: MultiheadAttention<D, H>,
    feedforward: FeedForward,
    norm1: LayerNorm<D>,
    norm2: LayerNorm<D>,
    settings: TransformerSettings,
}

impl<const D: usize, const H: usize> TransformerEncoderLayer<D, H> {
    /// The type of the result.
    pub const fn types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &TransformerSettings,
    ) -> Result<Types, ShapeError> {
        Self::types_by(inputs, flags, settings, "src_mask")
    }

    const fn types_by(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &TransformerSettings,
        mask: &'static str,
    ) -> Result<Types, ShapeError> {
        match EncoderInputs::of(inputs, flags) {
            Ok(inputs) => {
                match rules::transformer_encoder(&inputs, &settings.of(D, H), settings.dim_feedforward, mask) {
                    Ok(shape) => Ok(Types::one(shape)),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &TransformerSettings) -> Result<Shape, ShapeError> {
        match Self::types(&alone(input), &[], settings) {
            Ok(_) => Ok(input),
            Err(error) => Err(error),
        }
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &TransformerSettings) -> Shape {
        let _ = settings;
        input
    }

    /// A layer with fresh parameters.
    pub fn new(settings: TransformerSettings, init: &mut Init) -> TransformerEncoderLayer<D, H> {
        TransformerEncoderLayer {
            self_attn: settings.attention(init),
            feedforward: FeedForward::new(D, &settings, init),
            norm1: settings.layer_norm(init),
            norm2: settings.layer_norm(init),
            settings,
        }
    }

    /// The result, for inputs by their names.
    pub fn encode<'g>(&self, g: &'g Builder, inputs: &EncoderInputs<Value<'g>>) -> Value<'g> {
        let settings = &self.settings;
        let rule =
            rules::transformer_encoder(&inputs.types(), &settings.of(D, H), settings.dim_feedforward, "src_mask");
        if let Err(error) = rule {
            g.fail(error.into());
            return g.poison(inputs.src.ty());
        }
        let attend = |x: Value<'g>| {
            let _scope = g.enter("self_attn");
            let inputs = AttentionInputs {
                query: x,
                key: x,
                value: x,
                key_padding_mask: inputs.src_key_padding_mask,
                attn_mask: inputs.src_mask,
                is_causal: inputs.is_causal,
                average_attn_weights: true,
            };
            dropout(self.self_attn.attend(g, &inputs)[0], settings.dropout)
        };
        let norm1 = |x| within(g, "norm1", &self.norm1, x);
        let norm2 = |x| within(g, "norm2", &self.norm2, x);
        let x = residual(inputs.src, settings.norm_first, norm1, attend);
        let feed = |x| dropout(self.feedforward.forward(g, settings, x), settings.dropout);
        residual(x, settings.norm_first, norm2, feed)
    }

    fn members(&self) -> [(&'static str, &dyn Layer); 5] {
        let FeedForward { linear1, linear2 } = &self.feedforward;
        [
            ("self_attn", &self.self_attn),
            ("linear1", linear1),
            ("linear2", linear2),
            ("norm1", &self.norm1),
            ("norm2", &self.norm2),
        ]
    }
}

impl<const D: usize, const H: usize> Several for TransformerEncoderLayer<D, H> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
        let inputs = EncoderInputs::of(inputs, flags);
        vec![inputs.map_or_else(|error| rejected(g, error), |inputs| self.encode(g, &inputs))]
    }
}

impl<const D: usize, const H: usize> Layer for TransformerEncoderLayer<D, H> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x)], &[])[0]
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        visit(&self.members(), path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        let FeedForward { linear1, linear2 } = &mut self.feedforward;
        let mut members: [(&str, &mut dyn Layer); 5] = [
            ("self_attn", &mut self.self_attn),
            ("linear1", linear1),
            ("linear2", linear2),
            ("norm1", &mut self.norm1),
            ("norm2", &mut self.norm2),
        ];
        visit_mut(&mut members, path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("TransformerEncoderLayer({D}, {H}{})", self.settings.words()));
    }
}

/// `L` layers of an encoder, one after another, and a [`LayerNorm`] behind them if there is one.
///
/// * In a body: `encoder(src)`, or `encoder(src, mask, src_key_padding_mask, is_causal = true)`: each layer gets the
///   masks.
/// * Declared as `TransformerEncoder(TransformerEncoderLayer(512, 8), 6)`, or `TransformerEncoder(512, 8, 6)` with the
///   layer's settings among its own.
/// * Shapes, settings and errors are those of [`TransformerEncoderLayer`], and `norm = false`: `norm = true` is
///   `norm = LayerNorm(d_model)`, which may be written, too: with the defaults, whatever the layers have.
/// * Parameters: those of `layers.0`, `layers.1` and so on, then of `norm`.
/// * Initial values: as in PyTorch, all layers are copies of one.
/// * Source: PyTorch's `nn.TransformerEncoder`.
#[derive(Clone, Debug)]
pub struct TransformerEncoder<const D: usize, const H: usize, const L: usize> {
    stack: Stack<TransformerEncoderLayer<D, H>, D>,
    settings: TransformerSettings,
}

impl<const D: usize, const H: usize, const L: usize> TransformerEncoder<D, H, L> {
    /// The type of the result.
    pub const fn types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &TransformerSettings,
    ) -> Result<Types, ShapeError> {
        if L == 0 {
            return Err(ShapeError::Setting { setting: "num_layers", rule: "must be at least 1" });
        }
        TransformerEncoderLayer::<D, H>::types_by(inputs, flags, settings, "mask")
    }

    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &TransformerSettings) -> Result<Shape, ShapeError> {
        match Self::types(&alone(input), &[], settings) {
            Ok(_) => Ok(input),
            Err(error) => Err(error),
        }
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &TransformerSettings) -> Shape {
        let _ = settings;
        input
    }

    /// Layers with fresh parameters.
    pub fn new(settings: TransformerSettings, init: &mut Init) -> TransformerEncoder<D, H, L> {
        let layer = TransformerEncoderLayer::new(settings, init);
        TransformerEncoder { stack: Stack::new(layer, L, settings.norm_behind(init)), settings }
    }

    /// The result, for inputs by their names.
    pub fn encode<'g>(&self, g: &'g Builder, inputs: &EncoderInputs<Value<'g>>) -> Value<'g> {
        self.stack.apply(g, inputs.src, |layer, src| layer.encode(g, &EncoderInputs { src, ..*inputs }))
    }
}

impl<const D: usize, const H: usize, const L: usize> Several for TransformerEncoder<D, H, L> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
        let inputs = EncoderInputs::of(inputs, flags);
        vec![inputs.map_or_else(|error| rejected(g, error), |inputs| self.encode(g, &inputs))]
    }
}

impl<const D: usize, const H: usize, const L: usize> Layer for TransformerEncoder<D, H, L> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x)], &[])[0]
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.stack.visit(path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.stack.visit_mut(path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("TransformerEncoder({D}, {H}, {L}{})", self.settings.words()));
    }
}
