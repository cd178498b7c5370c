//! The decoder: layers in which places look at one another and at what an encoder gave, and stacks of them. Which
//! encoder, and whether there was one, is not known here.

use super::super::dropout::dropout;
use super::super::several::{Several, alone, rejected};
use super::feedforward::FeedForward;
use super::{Stack, TransformerSettings, residual, visit, visit_mut, within};
use crate::build::{Builder, Value};
use crate::layers::attention::MultiheadAttention;
use crate::layers::layer_norm::LayerNorm;
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, AttentionInputs, DecoderInputs};
use crate::shape::{Shape, ShapeError, Type};

impl DecoderInputs<Value<'_>> {
    /// The types of all of them.
    fn types(&self) -> DecoderInputs<Type> {
        DecoderInputs {
            tgt: self.tgt.ty(),
            memory: self.memory.ty(),
            tgt_mask: self.tgt_mask.map(Value::ty),
            memory_mask: self.memory_mask.map(Value::ty),
            tgt_key_padding_mask: self.tgt_key_padding_mask.map(Value::ty),
            memory_key_padding_mask: self.memory_key_padding_mask.map(Value::ty),
            tgt_is_causal: self.tgt_is_causal,
            memory_is_causal: self.memory_is_causal,
        }
    }
}

/// A layer of a transformer's decoder: `x = norm1(x + self_attn(x))`, then `x = norm2(x + multihead_attn(x, memory))`,
/// then `norm3(x + linear2(activation(linear1(x))))`; with the norm first, each part takes the normalized input instead.
/// What is added is dropped out in training, and so are the weights of both attentions and what `linear2` takes.
///
/// * In a body: `layer(tgt, memory)`; by position or by name follow `tgt_mask`, `memory_mask`, `tgt_key_padding_mask` and
///   `memory_key_padding_mask`, by name `tgt_is_causal = true` and `memory_is_causal = true`.
/// * Shapes: `tgt [L, N, D]` and `memory [S, N, D]` (with `batch_first` `[N, L, D]` and `[N, S, D]`; one sequence
///   `[L, D]` and `[S, D]`) to that of `tgt`; the masks are the `attn_mask` and the `key_padding_mask` of
///   [`MultiheadAttention`].
/// * Settings: those of [`TransformerEncoderLayer`](super::TransformerEncoderLayer).
/// * Parameters: those of `self_attn`, `multihead_attn`, `linear1`, `linear2`, `norm1`, `norm2` and `norm3`.
/// * Initial values: each part's own.
/// * Errors: as for [`MultiheadAttention`]; as a layer of one input [`ShapeError::Inputs`].
/// * Source: Vaswani and others, "Attention Is All You Need", 2017; PyTorch's `nn.TransformerDecoderLayer`.
#[derive(Clone, Debug)]
pub struct TransformerDecoderLayer<const D: usize, const H: usize> {
    self_attn: MultiheadAttention<D, H>,
    multihead_attn: MultiheadAttention<D, H>,
    feedforward: FeedForward,
    norm1: LayerNorm<D>,
    norm2: LayerNorm<D>,
    norm3: LayerNorm<D>,
    settings: TransformerSettings,
}

impl<const D: usize, const H: usize> TransformerDecoderLayer<D, H> {
    /// The type of the result.
    pub const fn types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &TransformerSettings,
    ) -> Result<Types, ShapeError> {
        match DecoderInputs::of(inputs, flags) {
            Ok(inputs) => match rules::transformer_decoder(&inputs, &settings.of(D, H), settings.dim_feedforward) {
                Ok(shape) => Ok(Types::one(shape)),
                Err(error) => Err(error),
            },
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
    pub fn new(settings: TransformerSettings, init: &mut Init) -> TransformerDecoderLayer<D, H> {
        TransformerDecoderLayer {
            self_attn: settings.attention(init),
            multihead_attn: settings.attention(init),
            feedforward: FeedForward::new(D, &settings, init),
            norm1: settings.layer_norm(init),
            norm2: settings.layer_norm(init),
            norm3: settings.layer_norm(init),
            settings,
        }
    }

    /// The result, for inputs by their names.
    pub fn decode<'g>(&self, g: &'g Builder, inputs: &DecoderInputs<Value<'g>>) -> Value<'g> {
        let settings = &self.settings;
        let rule = rules::transformer_decoder(&inputs.types(), &settings.of(D, H), settings.dim_feedforward);
        if let Err(error) = rule {
            g.fail(error.into());
            return g.poison(inputs.tgt.ty());
        }
        let of_itself = |x: Value<'g>| {
            let _scope = g.enter("self_attn");
            let inputs = AttentionInputs {
                query: x,
                key: x,
                value: x,
                key_padding_mask: inputs.tgt_key_padding_mask,
                attn_mask: inputs.tgt_mask,
                is_causal: inputs.tgt_is_causal,
                average_attn_weights: true,
            };
            dropout(self.self_attn.attend(g, &inputs)[0], settings.dropout)
        };
        let of_memory = |x: Value<'g>| {
            let _scope = g.enter("multihead_attn");
            let inputs = AttentionInputs {
                query: x,
                key: inputs.memory,
                value: inputs.memory,
                key_padding_mask: inputs.memory_key_padding_mask,
                attn_mask: inputs.memory_mask,
                is_causal: inputs.memory_is_causal,
                average_attn_weights: true,
            };
            dropout(self.multihead_attn.attend(g, &inputs)[0], settings.dropout)
        };
        let feed = |x| dropout(self.feedforward.forward(g, settings, x), settings.dropout);
        let x = residual(inputs.tgt, settings.norm_first, |x| within(g, "norm1", &self.norm1, x), of_itself);
        let x = residual(x, settings.norm_first, |x| within(g, "norm2", &self.norm2, x), of_memory);
        residual(x, settings.norm_first, |x| within(g, "norm3", &self.norm3, x), feed)
    }

    fn members(&self) -> [(&'static str, &dyn Layer); 7] {
        let FeedForward { linear1, linear2 } = &self.feedforward;
        [
            ("self_attn", &self.self_attn),
            ("multihead_attn", &self.multihead_attn),
            ("linear1", linear1),
            ("linear2", linear2),
            ("norm1", &self.norm1),
            ("norm2", &self.norm2),
            ("norm3", &self.norm3),
        ]
    }
}

impl<const D: usize, const H: usize> Several for TransformerDecoderLayer<D, H> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
        let inputs = DecoderInputs::of(inputs, flags);
        vec![inputs.map_or_else(|error| rejected(g, error), |inputs| self.decode(g, &inputs))]
    }
}

impl<const D: usize, const H: usize> Layer for TransformerDecoderLayer<D, H> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x)], &[])[0]
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        visit(&self.members(), path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        let FeedForward { linear1, linear2 } = &mut self.feedforward;
        let mut members: [(&str, &mut dyn Layer); 7] = [
            ("self_attn", &mut self.self_attn),
            ("multihead_attn", &mut self.multihead_attn),
            ("linear1", linear1),
            ("linear2", linear2),
            ("norm1", &mut self.norm1),
            ("norm2", &mut self.norm2),
            ("norm3", &mut self.norm3),
        ];
        visit_mut(&mut members, path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("TransformerDecoderLayer({D}, {H}{})", self.settings.words()));
    }
}

/// `L` layers of a decoder, one after another, each with the same `memory`, and a [`LayerNorm`] behind them if there is
/// one.
///
/// * Declared as `TransformerDecoder(TransformerDecoderLayer(512, 8), 6)`, or `TransformerDecoder(512, 8, 6)` with the
///   layer's settings among its own.
/// * In a body, shapes, settings and errors: as for [`TransformerDecoderLayer`], and `norm = false`: `norm = true` is
///   `norm = LayerNorm(d_model)`, which may be written, too: with the defaults, whatever the layers have.
/// * Parameters: those of `layers.0`, `layers.1` and so on, then of `norm`.
/// * Initial values: as in PyTorch, all layers are copies of one.
/// * Source: PyTorch's `nn.TransformerDecoder`.
#[derive(Clone, Debug)]
pub struct TransformerDecoder<const D: usize, const H: usize, const L: usize> {
    stack: Stack<TransformerDecoderLayer<D, H>, D>,
    settings: TransformerSettings,
}

impl<const D: usize, const H: usize, const L: usize> TransformerDecoder<D, H, L> {
    /// The type of the result.
    pub const fn types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &TransformerSettings,
    ) -> Result<Types, ShapeError> {
        if L == 0 {
            return Err(ShapeError::Setting { setting: "num_layers", rule: "must be at least 1" });
        }
        TransformerDecoderLayer::<D, H>::types(inputs, flags, settings)
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
    pub fn new(settings: TransformerSettings, init: &mut Init) -> TransformerDecoder<D, H, L> {
        let layer = TransformerDecoderLayer::new(settings, init);
        TransformerDecoder { stack: Stack::new(layer, L, settings.norm_behind(init)), settings }
    }

    /// The result, for inputs by their names.
    pub fn decode<'g>(&self, g: &'g Builder, inputs: &DecoderInputs<Value<'g>>) -> Value<'g> {
        self.stack.apply(g, inputs.tgt, |layer, tgt| layer.decode(g, &DecoderInputs { tgt, ..*inputs }))
    }
}

impl<const D: usize, const H: usize, const L: usize> Several for TransformerDecoder<D, H, L> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
        let inputs = DecoderInputs::of(inputs, flags);
        vec![inputs.map_or_else(|error| rejected(g, error), |inputs| self.decode(g, &inputs))]
    }
}

impl<const D: usize, const H: usize, const L: usize> Layer for TransformerDecoder<D, H, L> {
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
        f(path.as_str(), &format!("TransformerDecoder({D}, {H}, {L}{})", self.settings.words()));
    }
}
