//! The whole transformer: an encoder, and a decoder that looks at what the encoder gave. It knows no embeddings before
//! and no classes behind it.

use super::super::several::{Several, alone, one_of, rejected};
use super::{Stack, TransformerDecoderLayer, TransformerEncoderLayer, TransformerSettings};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, DecoderInputs, EncoderInputs, TransformerInputs};
use crate::shape::{Shape, ShapeError, Type};

/// An encoder of `src`, a decoder of `tgt` that looks at what the encoder gave, and a norm behind each.
///
/// * In a body: `layer(src, tgt)`; by position or by name follow `src_mask`, `tgt_mask`, `memory_mask`,
///   `src_key_padding_mask`, `tgt_key_padding_mask` and `memory_key_padding_mask`, by name `src_is_causal = true`,
///   `tgt_is_causal = true` and `memory_is_causal = true`, which need no mask.
/// * Shapes: `src [S, N, D]` and `tgt [L, N, D]` (with `batch_first` `[N, S, D]` and `[N, L, D]`; one sequence `[S, D]` and
///   `[L, D]`) to that of `tgt`; the masks are the `attn_mask` and the `key_padding_mask` of
///   [`MultiheadAttention`](super::super::MultiheadAttention).
/// * Settings: `num_encoder_layers = 6`, `num_decoder_layers = 6` and those of [`TransformerEncoderLayer`].
/// * Parameters: those of `encoder.layers.0` and so on and of `encoder.norm`, then of `decoder.layers.0` and so on and of
///   `decoder.norm`.
/// * Initial values: weights with more than one axis uniform in ± `sqrt(6 / (rows + columns))` (Xavier's), each layer's
///   own; others as each part has them.
/// * Errors: as for [`MultiheadAttention`](super::super::MultiheadAttention); [`ShapeError::Setting`] for no layers;
///   as a layer of one input [`ShapeError::Inputs`].
/// * Source: Vaswani and others, "Attention Is All You Need", 2017; PyTorch's `nn.Transformer`, but for `custom_encoder` and
///   `custom_decoder`: those are a model of two fields.
#[derive(Clone, Debug)]
pub struct Transformer<const D: usize, const H: usize> {
    encoder: Stack<TransformerEncoderLayer<D, H>, D>,
    decoder: Stack<TransformerDecoderLayer<D, H>, D>,
    settings: TransformerSettings,
}

impl<const D: usize, const H: usize> Transformer<D, H> {
    /// The type of the result.
    pub const fn types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &TransformerSettings,
    ) -> Result<Types, ShapeError> {
        if settings.num_encoder_layers == 0 {
            return Err(ShapeError::Setting { setting: "num_encoder_layers", rule: "must be at least 1" });
        }
        if settings.num_decoder_layers == 0 {
            return Err(ShapeError::Setting { setting: "num_decoder_layers", rule: "must be at least 1" });
        }
        let inputs = ok!(TransformerInputs::of(inputs, flags));
        match rules::transformer(&inputs, &settings.of(D, H), settings.dim_feedforward) {
            Ok(shape) => Ok(Types::one(shape)),
            Err(error) => Err(error),
        }
    }

    /// The error that it takes two inputs.
    pub const fn shape(input: Shape, settings: &TransformerSettings) -> Result<Shape, ShapeError> {
        one_of(Self::types(&alone(input), &[], settings))
    }

    /// The result's shape: the input's.
    pub const fn shape_or_assumed(input: Shape, settings: &TransformerSettings) -> Shape {
        let _ = settings;
        input
    }

    /// Layers with fresh parameters.
    pub fn new(settings: TransformerSettings, init: &mut Init) -> Transformer<D, H> {
        let layers = TransformerEncoderLayer::new(settings, init);
        let encoder = Stack::new(layers, settings.num_encoder_layers, Some(settings.layer_norm(init)));
        let layers = TransformerDecoderLayer::new(settings, init);
        let decoder = Stack::new(layers, settings.num_decoder_layers, Some(settings.layer_norm(init)));
        let mut whole = Transformer { encoder, decoder, settings };
        whole.visit_mut(&mut Path::new(), &mut |_, parameter| {
            if let [rows, columns] = *parameter.shape().dims() {
                parameter.value = init.uniform([rows, columns], (6.0 / (rows + columns) as f64).sqrt()).into();
            }
        });
        whole
    }
}

impl<const D: usize, const H: usize> Several for Transformer<D, H> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
        let types: Vec<Option<Type>> = inputs.iter().map(|input| input.map(Value::ty)).collect();
        let fits = Self::types(&types, flags, &self.settings);
        let inputs = match fits.and_then(|_| TransformerInputs::of(inputs, flags)) {
            Ok(inputs) => inputs,
            Err(error) => return vec![rejected(g, error)],
        };
        let memory = {
            let _scope = g.enter("encoder");
            let each =
                |layer: &TransformerEncoderLayer<D, H>, src| layer.encode(g, &EncoderInputs { src, ..inputs.encoder });
            self.encoder.apply(g, inputs.encoder.src, each)
        };
        let _scope = g.enter("decoder");
        let each = |layer: &TransformerDecoderLayer<D, H>, tgt| {
            layer.decode(g, &DecoderInputs { tgt, memory, ..inputs.decoder })
        };
        vec![self.decoder.apply(g, inputs.decoder.tgt, each)]
    }
}

impl<const D: usize, const H: usize> Layer for Transformer<D, H> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x)], &[])[0]
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        path.enter("encoder", |path| self.encoder.visit(path, f));
        path.enter("decoder", |path| self.decoder.visit(path, f));
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        path.enter("encoder", |path| self.encoder.visit_mut(path, f));
        path.enter("decoder", |path| self.decoder.visit_mut(path, f));
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), &format!("Transformer({D}, {H}{})", self.settings.words()));
    }
}
