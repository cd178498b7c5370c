//! The shapes of attention layers and of the transformer's: places, masks, and what comes out. Which place looks at
//! which is not known here.

use super::{sum, tensor, weight};
use crate::shape::functions::Types;
use crate::shape::{DType, Shape, ShapeError, Type, extent};

/// What decides on the shapes of an attention of several heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Features of the queries and of the result.
    pub embed_dim: usize,
    /// Among how many heads they are divided.
    pub num_heads: usize,
    /// Features of the keys.
    pub kdim: usize,
    /// Features of the values.
    pub vdim: usize,
    /// Whether a learnt place is added to keys and values.
    pub add_bias_kv: bool,
    /// Whether a place of zeros is added to them.
    pub add_zero_attn: bool,
    /// Whether the batch is the first axis, and not the second.
    pub batch_first: bool,
    /// The probability with which a weight is dropped in training.
    pub dropout: f64,
}

/// What an attention is applied to, as types or as values.
#[derive(Clone, Copy, Debug)]
pub struct AttentionInputs<T> {
    /// What looks: `[L, N, embed_dim]`, with `batch_first` `[N, L, embed_dim]`, or one `[L, embed_dim]`.
    pub query: T,
    /// What it looks for: `[S, N, kdim]` and so on.
    pub key: T,
    /// What it finds there: `[S, N, vdim]` and so on.
    pub value: T,
    /// `[N, S]` (`[S]` for one): places that are not looked at (bool), or what is added to their scores (f32).
    pub key_padding_mask: Option<T>,
    /// `[L, S]` for all, or `[N, heads, L, S]` or `[N * heads, L, S]` (`[heads, L, S]` for one): the same of each pair.
    pub attn_mask: Option<T>,
    /// Whether no place looks at a later one.
    pub is_causal: bool,
    /// Whether the weights are averaged over the heads.
    pub average_attn_weights: bool,
}

/// What a layer of a transformer's encoder is applied to, as types or as values.
#[derive(Clone, Copy, Debug)]
pub struct EncoderInputs<T> {
    /// `[S, N, d_model]`, with `batch_first` `[N, S, d_model]`, or one `[S, d_model]`.
    pub src: T,
    /// As `attn_mask` of [`AttentionInputs`].
    pub src_mask: Option<T>,
    /// As `key_padding_mask` of [`AttentionInputs`].
    pub src_key_padding_mask: Option<T>,
    /// Whether no place looks at a later one.
    pub is_causal: bool,
}

/// What a layer of a transformer's decoder is applied to, as types or as values.
#[derive(Clone, Copy, Debug)]
pub struct DecoderInputs<T> {
    /// `[L, N, d_model]`, with `batch_first` `[N, L, d_model]`, or one `[L, d_model]`.
    pub tgt: T,
    /// What the encoder gave: `[S, N, d_model]` and so on.
    pub memory: T,
    /// The `attn_mask` of `tgt` on itself.
    pub tgt_mask: Option<T>,
    /// The `attn_mask` of `tgt` on `memory`.
    pub memory_mask: Option<T>,
    /// The `key_padding_mask` of `tgt`.
    pub tgt_key_padding_mask: Option<T>,
    /// The `key_padding_mask` of `memory`.
    pub memory_key_padding_mask: Option<T>,
    /// Whether no place of `tgt` looks at a later one.
    pub tgt_is_causal: bool,
    /// Whether no place of `tgt` looks at a later one of `memory`.
    pub memory_is_causal: bool,
}

impl<T: Copy> AttentionInputs<T> {
    /// Of the inputs in this order, with those that are not given, and of the flags.
    pub(crate) const fn of(inputs: &[Option<T>], flags: &[bool]) -> Result<AttentionInputs<T>, ShapeError> {
        Ok(AttentionInputs {
            query: ok!(needed(inputs, 0, 3)),
            key: ok!(needed(inputs, 1, 3)),
            value: ok!(needed(inputs, 2, 3)),
            key_padding_mask: optional(inputs, 3),
            attn_mask: optional(inputs, 4),
            is_causal: flag(flags, 0, false),
            average_attn_weights: flag(flags, 1, true),
        })
    }
}

impl<T: Copy> EncoderInputs<T> {
    /// Of the inputs in this order, with those that are not given, and of the flags.
    pub(crate) const fn of(inputs: &[Option<T>], flags: &[bool]) -> Result<EncoderInputs<T>, ShapeError> {
        Ok(EncoderInputs {
            src: ok!(needed(inputs, 0, 1)),
            src_mask: optional(inputs, 1),
            src_key_padding_mask: optional(inputs, 2),
            is_causal: flag(flags, 0, false),
        })
    }
}

impl<T: Copy> DecoderInputs<T> {
    /// Of the inputs in this order, with those that are not given, and of the flags.
    pub(crate) const fn of(inputs: &[Option<T>], flags: &[bool]) -> Result<DecoderInputs<T>, ShapeError> {
        Ok(DecoderInputs {
            tgt: ok!(needed(inputs, 0, 2)),
            memory: ok!(needed(inputs, 1, 2)),
            tgt_mask: optional(inputs, 2),
            memory_mask: optional(inputs, 3),
            tgt_key_padding_mask: optional(inputs, 4),
            memory_key_padding_mask: optional(inputs, 5),
            tgt_is_causal: flag(flags, 0, false),
            memory_is_causal: flag(flags, 1, false),
        })
    }
}

/// What a whole transformer is applied to, as types or as values.
#[derive(Clone, Copy, Debug)]
pub struct TransformerInputs<T> {
    /// What its encoder is applied to.
    pub encoder: EncoderInputs<T>,
    /// What its decoder is applied to, with `src` in the place of `memory`, which has the same type.
    pub decoder: DecoderInputs<T>,
}

impl<T: Copy> TransformerInputs<T> {
    /// Of the inputs in this order, with those that are not given, and of the flags.
    pub(crate) const fn of(inputs: &[Option<T>], flags: &[bool]) -> Result<TransformerInputs<T>, ShapeError> {
        let (src, tgt) = (ok!(needed(inputs, 0, 2)), ok!(needed(inputs, 1, 2)));
        Ok(TransformerInputs {
            encoder: EncoderInputs {
                src,
                src_mask: optional(inputs, 2),
                src_key_padding_mask: optional(inputs, 5),
                is_causal: flag(flags, 0, false),
            },
            decoder: DecoderInputs {
                tgt,
                memory: src,
                tgt_mask: optional(inputs, 3),
                memory_mask: optional(inputs, 4),
                tgt_key_padding_mask: optional(inputs, 6),
                memory_key_padding_mask: optional(inputs, 7),
                tgt_is_causal: flag(flags, 1, false),
                memory_is_causal: flag(flags, 2, false),
            },
        })
    }
}

/// The input at a position, one of the first that a layer can not do without.
const fn needed<T: Copy>(inputs: &[Option<T>], position: usize, all: usize) -> Result<T, ShapeError> {
    match optional(inputs, position) {
        Some(input) => Ok(input),
        None => Err(ShapeError::Inputs { expected: all, found: position }),
    }
}

const fn optional<T: Copy>(inputs: &[Option<T>], position: usize) -> Option<T> {
    if position < inputs.len() { inputs[position] } else { None }
}

const fn flag(flags: &[bool], position: usize, default: bool) -> bool {
    if position < flags.len() { flags[position] } else { default }
}

/// The names of the inputs, for messages.
struct Names {
    query: &'static str,
    key: &'static str,
    value: &'static str,
    key_padding_mask: &'static str,
    attn_mask: &'static str,
}

impl Attention {
    /// The axes of the batch, if there is one, and of the places of an input.
    const fn axes(&self, input: Shape) -> (Option<usize>, usize) {
        match (input.rank(), self.batch_first) {
            (2, _) => (None, 0),
            (_, true) => (Some(0), 1),
            (_, false) => (Some(1), 0),
        }
    }

    /// Whether the settings are possible.
    const fn settings(&self, embed_dim: &'static str, num_heads: &'static str) -> Result<(), ShapeError> {
        if self.embed_dim == 0 {
            return Err(ShapeError::Setting { setting: embed_dim, rule: "must be at least 1" });
        }
        if self.num_heads == 0 {
            return Err(ShapeError::Setting { setting: num_heads, rule: "must be at least 1" });
        }
        if !self.embed_dim.is_multiple_of(self.num_heads) {
            let rule = "must divide the number of features, which are divided among the heads";
            return Err(ShapeError::Setting { setting: num_heads, rule });
        }
        if self.kdim == 0 {
            return Err(ShapeError::Setting { setting: "kdim", rule: "must be at least 1" });
        }
        if self.vdim == 0 {
            return Err(ShapeError::Setting { setting: "vdim", rule: "must be at least 1" });
        }
        if !(self.dropout >= 0.0 && self.dropout <= 1.0) {
            return Err(ShapeError::Setting { setting: "dropout", rule: "must be a probability, between 0 and 1" });
        }
        ok!(weight(&[self.embed_dim.saturating_mul(3), self.embed_dim], None));
        ok!(weight(&[self.embed_dim, self.kdim], None));
        weight(&[self.embed_dim, self.vdim], None)
    }

    /// The shape of what looks: that of the result, too.
    const fn query(&self, input: &'static str, query: Type) -> Result<Shape, ShapeError> {
        let shape = query.shape;
        if shape.rank() < 2 || shape.rank() > 3 {
            return Err(ShapeError::InputRank { least: 2, most: 3, found: shape });
        }
        let expected = shape.with(shape.rank() - 1, self.embed_dim);
        ok!(given(input, expected, query));
        self.places(input, expected)
    }

    const fn places(&self, input: &'static str, shape: Shape) -> Result<Shape, ShapeError> {
        let (_, axis) = self.axes(shape);
        if shape.dim(axis) == Shape::N {
            return Err(ShapeError::BatchOfPlaces { input, found: shape, axis });
        }
        tensor(shape)
    }

    const fn of(&self, inputs: &AttentionInputs<Type>, names: &Names) -> Result<Types, ShapeError> {
        let query = ok!(self.query(names.query, inputs.query));
        let (batch, at) = self.axes(query);
        let last = query.rank() - 1;
        let found = inputs.key.shape;
        let source = if found.rank() == query.rank() { found.dim(at) } else { query.dim(at) };
        let sources = query.with(at, source);
        ok!(given(names.key, sources.with(last, self.kdim), inputs.key));
        ok!(given(names.value, sources.with(last, self.vdim), inputs.value));
        ok!(self.places(names.key, sources));
        let places = query.dim(at);
        let padding = match batch {
            Some(batch) => Shape::new(&[query.dim(batch), source]),
            None => Shape::new(&[source]),
        };
        ok!(mask(names.key_padding_mask, inputs.key_padding_mask, &[padding]));
        let pairs = Shape::new(&[places, source]);
        let of_heads = pairs.insert(0, self.num_heads);
        let of_heads = match batch {
            Some(batch) => match extent::times(query.dim(batch), self.num_heads) {
                Some(all) => &[pairs, of_heads.insert(0, query.dim(batch)), pairs.insert(0, all)],
                None => &[pairs, of_heads.insert(0, query.dim(batch))] as &[Shape],
            },
            None => &[pairs, of_heads],
        };
        ok!(mask(names.attn_mask, inputs.attn_mask, of_heads));
        let added = self.add_bias_kv as usize + self.add_zero_attn as usize;
        let weights = Shape::new(&[places, ok!(sum("attention", source, added))]);
        let weights = if inputs.average_attn_weights { weights } else { weights.insert(0, self.num_heads) };
        let weights = match batch {
            Some(batch) => weights.insert(0, query.dim(batch)),
            None => weights,
        };
        let (query, weights) = (ok!(tensor(query)), ok!(tensor(weights)));
        Ok(Types::none().and(Type::new(DType::F32, query)).and(Type::new(DType::F32, weights)))
    }
}

/// The result, of the shape of the queries, and the weights `[N, L, S]`, or `[N, heads, L, S]` where they are not
/// averaged; `S` counts the places that the layer adds.
pub const fn multihead_attention(inputs: &AttentionInputs<Type>, of: &Attention) -> Result<Types, ShapeError> {
    ok!(of.settings("embed_dim", "num_heads"));
    let (key_padding_mask, attn_mask) = ("key_padding_mask", "attn_mask");
    of.of(inputs, &Names { query: "query", key: "key", value: "value", key_padding_mask, attn_mask })
}

/// The result of a layer of an encoder, of the shape of its input. `attn_mask` is the name of its mask.
pub const fn transformer_encoder(
    inputs: &EncoderInputs<Type>,
    of: &Attention,
    dim_feedforward: usize,
    attn_mask: &'static str,
) -> Result<Shape, ShapeError> {
    ok!(of.settings("d_model", "nhead"));
    ok!(feedforward(of.embed_dim, dim_feedforward));
    let EncoderInputs { src, src_mask, src_key_padding_mask, is_causal } = *inputs;
    let of_itself = AttentionInputs {
        query: src,
        key: src,
        value: src,
        key_padding_mask: src_key_padding_mask,
        attn_mask: src_mask,
        is_causal,
        average_attn_weights: true,
    };
    let key_padding_mask = "src_key_padding_mask";
    ok!(of.of(&of_itself, &Names { query: "src", key: "src", value: "src", key_padding_mask, attn_mask }));
    Ok(src.shape)
}

/// The result of a layer of a decoder, of the shape of `tgt`.
pub const fn transformer_decoder(
    inputs: &DecoderInputs<Type>,
    of: &Attention,
    dim_feedforward: usize,
) -> Result<Shape, ShapeError> {
    decoded(inputs, of, dim_feedforward, "memory")
}

/// The result of a whole transformer, of the shape of `tgt`.
pub const fn transformer(
    inputs: &TransformerInputs<Type>,
    of: &Attention,
    dim_feedforward: usize,
) -> Result<Shape, ShapeError> {
    ok!(transformer_encoder(&inputs.encoder, of, dim_feedforward, "src_mask"));
    decoded(&inputs.decoder, of, dim_feedforward, "src")
}

/// The result of a decoder of which `memory` is called so.
const fn decoded(
    inputs: &DecoderInputs<Type>,
    of: &Attention,
    dim_feedforward: usize,
    key: &'static str,
) -> Result<Shape, ShapeError> {
    ok!(of.settings("d_model", "nhead"));
    ok!(feedforward(of.embed_dim, dim_feedforward));
    let (tgt, memory) = (inputs.tgt, inputs.memory);
    let of_itself = AttentionInputs {
        query: tgt,
        key: tgt,
        value: tgt,
        key_padding_mask: inputs.tgt_key_padding_mask,
        attn_mask: inputs.tgt_mask,
        is_causal: inputs.tgt_is_causal,
        average_attn_weights: true,
    };
    let (key_padding_mask, attn_mask) = ("tgt_key_padding_mask", "tgt_mask");
    ok!(of.of(&of_itself, &Names { query: "tgt", key: "tgt", value: "tgt", key_padding_mask, attn_mask }));
    let of_memory = AttentionInputs {
        query: tgt,
        key: memory,
        value: memory,
        key_padding_mask: inputs.memory_key_padding_mask,
        attn_mask: inputs.memory_mask,
        is_causal: inputs.memory_is_causal,
        average_attn_weights: true,
    };
    let (key_padding_mask, attn_mask) = ("memory_key_padding_mask", "memory_mask");
    ok!(of.of(&of_memory, &Names { query: "tgt", key, value: key, key_padding_mask, attn_mask }));
    Ok(tgt.shape)
}

/// `[T, N, d_model]`, with `batch_first` `[N, T, d_model]`, or `[T, d_model]`, unchanged; at most `max_len` places.
pub const fn positional_encoding(
    input: Shape,
    d_model: usize,
    max_len: usize,
    batch_first: bool,
    dropout: f64,
) -> Result<Shape, ShapeError> {
    let of = Attention {
        embed_dim: d_model,
        num_heads: 1,
        kdim: d_model,
        vdim: d_model,
        add_bias_kv: false,
        add_zero_attn: false,
        batch_first,
        dropout,
    };
    ok!(of.settings("d_model", "nhead"));
    let input = ok!(of.query("x", Type::new(DType::F32, input)));
    let (_, places) = of.axes(input);
    if extent::exceeds(input.dim(places), max_len) {
        return Err(ShapeError::Setting { setting: "max_len", rule: "must be at least the number of places" });
    }
    Ok(input)
}

const fn feedforward(d_model: usize, dim_feedforward: usize) -> Result<(), ShapeError> {
    if dim_feedforward == 0 {
        return Err(ShapeError::Setting { setting: "dim_feedforward", rule: "must be at least 1" });
    }
    weight(&[dim_feedforward, d_model], None)
}

const fn given(input: &'static str, expected: Shape, found: Type) -> Result<(), ShapeError> {
    let expected = Type::new(DType::F32, expected);
    if found.same(&expected) { Ok(()) } else { Err(ShapeError::Given { input, expected, found }) }
}

/// A mask, if it is given, is of one of these shapes; a message tells the one of its rank, or else the first.
const fn mask(input: &'static str, mask: Option<Type>, shapes: &[Shape]) -> Result<(), ShapeError> {
    let Some(found) = mask else { return Ok(()) };
    let dtype = if matches!(found.dtype, DType::F32) { DType::F32 } else { DType::Bool };
    let mut expected = Type::new(dtype, shapes[0]);
    let mut number = 0;
    while number < shapes.len() {
        let each = Type::new(dtype, shapes[number]);
        if found.same(&each) {
            return Ok(());
        }
        if found.shape.rank() == each.shape.rank() {
            expected = each;
        }
        number += 1;
    }
    Err(ShapeError::Given { input, expected, found })
}
