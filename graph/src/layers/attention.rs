//! Attention: places that look at others, in several heads. Whether places are words, pixels or both sides of a
//! translation, and that scores may be computed in blocks of rows, is not known here.

mod layer;

pub use layer::{MultiheadAttention, MultiheadAttentionSettings};

use super::dropout::dropout;
use super::linear::linear;
use crate::build::Value;
use crate::graph::Type;
use crate::shape::rules::{self, Attention, AttentionInputs};
use crate::shape::{DType, Shape};

/// The weights of what queries, keys and values are made with, all `[embed_dim, ..]`.
#[derive(Clone, Copy, Debug)]
pub enum Projections<'g> {
    /// `in_proj_weight [3 * embed_dim, embed_dim]`: the rows for queries, then those for keys, then those for values.
    Packed(Value<'g>),
    /// `q_proj_weight`, `k_proj_weight [embed_dim, kdim]`, `v_proj_weight [embed_dim, vdim]`.
    Apart([Value<'g>; 3]),
}

/// The parameters of an attention of several heads.
#[derive(Clone, Copy, Debug)]
pub struct AttentionWeights<'g> {
    /// What queries, keys and values are made with.
    pub projections: Projections<'g>,
    /// `in_proj_bias [3 * embed_dim]`.
    pub in_proj_bias: Option<Value<'g>>,
    /// `bias_k` and `bias_v [1, 1, embed_dim]`: the learnt place.
    pub bias_kv: Option<[Value<'g>; 2]>,
    /// `out_proj.weight [embed_dim, embed_dim]`.
    pub out_proj_weight: Value<'g>,
    /// `out_proj.bias [embed_dim]`.
    pub out_proj_bias: Option<Value<'g>>,
}

impl AttentionInputs<Value<'_>> {
    /// The types of all of them.
    fn types(&self) -> AttentionInputs<Type> {
        AttentionInputs {
            query: self.query.ty(),
            key: self.key.ty(),
            value: self.value.ty(),
            key_padding_mask: self.key_padding_mask.map(Value::ty),
            attn_mask: self.attn_mask.map(Value::ty),
            is_causal: self.is_causal,
            average_attn_weights: self.average_attn_weights,
        }
    }
}

/// Attention of several heads: each looks with its part of the projected features, and the results of all, one behind
/// another, are projected once more. The second result is the weights, `[N, L, S]` or `[N, heads, L, S]`.
///
/// A place that may look at nothing has weights of 0.
pub fn multihead_attention<'g>(
    inputs: &AttentionInputs<Value<'g>>,
    weights: &AttentionWeights<'g>,
    of: &Attention,
) -> [Value<'g>; 2] {
    let AttentionInputs { query, key, value, .. } = *inputs;
    let g = query.graph();
    let types = match rules::multihead_attention(&inputs.types(), of) {
        Ok(types) => types,
        Err(error) => {
            g.fail(error.into());
            return [g.poison(query.ty()), g.poison(query.ty())];
        }
    };
    let [result, looked] = [types.as_slice()[0].shape, types.as_slice()[1].shape];
    let is_single = query.shape().rank() == 2;
    // [N, places, features].
    let turned = |x: Value<'g>| match (is_single, of.batch_first) {
        (true, _) => x.unsqueeze(0),
        (false, true) => x,
        (false, false) => x.transpose(0, 1),
    };
    let [query, mut key, mut value] = projected([query, key, value], weights, of).map(turned);
    let (batch, source) = (query.shape().dim(0), key.shape().dim(1));
    let features = of.embed_dim / of.num_heads;
    if let Some([bias_k, bias_v]) = weights.bias_kv {
        let place = [batch, 1, of.embed_dim];
        key = g.concat(&[key, bias_k.broadcast_to(place)], 1);
        value = g.concat(&[value, bias_v.broadcast_to(place)], 1);
    }
    if of.add_zero_attn {
        let zeros = g.full([batch, 1, of.embed_dim], 0.0);
        key = g.concat(&[key, zeros], 1);
        value = g.concat(&[value, zeros], 1);
    }
    // [N, heads, places, features].
    let heads = |x: Value<'g>| x.reshape([batch, x.shape().dim(1), of.num_heads, features]).transpose(1, 2);
    let (query, key, value) = (heads(query), heads(key), heads(value));
    let masks = Masks::of(inputs, query.shape(), source, key.shape().dim(2));
    let scale = 1.0 / (features as f64).sqrt();
    let [y, looks] = attention(query, key, value, masks, of.dropout, scale);
    let y = y.transpose(1, 2).reshape([batch, y.shape().dim(2), of.embed_dim]);
    let y = if is_single || of.batch_first { y } else { y.transpose(0, 1) };
    let y = linear(y.reshape(result), weights.out_proj_weight, weights.out_proj_bias);
    let looks = if inputs.average_attn_weights { looks.mean(1) } else { looks };
    [y, looks.reshape(looked)]
}

/// Queries, keys and values; what is the same tensor is multiplied once.
fn projected<'g>(inputs: [Value<'g>; 3], weights: &AttentionWeights<'g>, of: &Attention) -> [Value<'g>; 3] {
    let embed = of.embed_dim;
    let rows = |x: Value<'g>, axis: i32, number: usize, count: usize| {
        x.slice(axis, number * embed..(number + count) * embed, 1)
    };
    let packed = match weights.projections {
        Projections::Packed(packed) => packed,
        Projections::Apart(apart) => {
            return std::array::from_fn(|number| {
                let bias = weights.in_proj_bias.map(|bias| rows(bias, 0, number, 1));
                linear(inputs[number], apart[number], bias)
            });
        }
    };
    let product = |x: Value<'g>, number: usize, count: usize| {
        let bias = weights.in_proj_bias.map(|bias| rows(bias, 0, number, count));
        linear(x, rows(packed, 0, number, count), bias)
    };
    let [query, key, value] = inputs;
    let part = |x: Value<'g>, number: usize| rows(x, -1, number, 1);
    match (query.id() == key.id(), key.id() == value.id()) {
        (true, true) => {
            let all = product(query, 0, 3);
            [part(all, 0), part(all, 1), part(all, 2)]
        }
        (false, true) => {
            let both = product(key, 1, 2);
            [product(query, 0, 1), part(both, 0), part(both, 1)]
        }
        _ => [product(query, 0, 1), product(key, 1, 1), product(value, 2, 1)],
    }
}

/// At what a place looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Masks<'g> {
    /// True where it looks.
    pub looks: Option<Value<'g>>,
    /// What is added to the scores.
    pub added: Option<Value<'g>>,
    /// Whether there may be places that look at nothing.
    pub may_be_empty: bool,
}

impl<'g> Masks<'g> {
    /// The masks of an attention of queries `[N, heads, places, features]`, for scores `[N, heads, places, all]`, where
    /// `all` are the `source` places of the input and those that the layer adds, at which every place looks.
    fn of(inputs: &AttentionInputs<Value<'g>>, query: Shape, source: usize, all: usize) -> Masks<'g> {
        let [batch, heads, places] = [query.dim(0), query.dim(1), query.dim(2)];
        let mut masks = Masks::default();
        if let Some(mask) = inputs.key_padding_mask {
            masks.refuse(padded(mask.reshape([batch, 1, 1, source]), all));
        }
        if let Some(mask) = inputs.attn_mask {
            let mask = if mask.shape().rank() == 3 { mask.reshape([batch, heads, places, source]) } else { mask };
            masks.refuse(padded(mask, all));
        }
        if inputs.is_causal {
            let g = inputs.query.graph();
            let place = |axis| g.iota([places, all], axis);
            let earlier = place(1).le(place(0));
            masks.allow(if all > source { earlier | place(1).ge(source as i32) } else { earlier });
        }
        masks
    }

    /// Takes a mask in PyTorch's sense: true is refused, a number is added.
    fn refuse(&mut self, mask: Value<'g>) {
        self.may_be_empty = true;
        if mask.dtype() == DType::Bool {
            self.allow(!mask);
        } else {
            self.added = Some(self.added.map_or(mask, |added| added + mask));
        }
    }

    /// Looks only where this is true, too.
    pub fn allow(&mut self, looks: Value<'g>) {
        self.looks = Some(self.looks.map_or(looks, |before| before & looks));
    }
}

/// A mask with so many places to look at: those behind its own are looked at.
fn padded(mask: Value<'_>, all: usize) -> Value<'_> {
    let shape = mask.shape();
    let last = shape.rank() - 1;
    let missing = shape.with(last, all - shape.dim(last));
    if missing.dim(last) == 0 {
        return mask;
    }
    let g = mask.graph();
    g.concat(&[mask, g.full(missing, 0.0).convert(mask.dtype())], last)
}

/// `softmax(query key^T * scale + added) value` over the last two axes, which are places and features, and the weights;
/// a weight is 0 where a place does not look, and dropped with a probability in training. Axes before them are broadcast.
pub fn attention<'g>(
    query: Value<'g>,
    key: Value<'g>,
    value: Value<'g>,
    masks: Masks<'g>,
    dropout_p: f64,
    scale: f64,
) -> [Value<'g>; 2] {
    // The product's kernel scales its results; queries would be copied to be scaled.
    let mut scores = query.matmul(key.transpose(-1, -2)) * scale;
    if let Some(added) = masks.added {
        scores = scores + added;
    }
    if let Some(looks) = masks.looks {
        scores = looks.select(scores, f64::NEG_INFINITY);
    }
    let weights = if masks.may_be_empty { softmax_or_nothing(scores) } else { scores.softmax(-1) };
    let weights = dropout(weights, dropout_p);
    [weights.matmul(value), weights]
}

/// The softmax along the last axis; of nothing but -inf it is 0.
fn softmax_or_nothing(scores: Value<'_>) -> Value<'_> {
    let largest = scores.detach().amax_keep(-1);
    let shift = largest.eq(f64::NEG_INFINITY).select(0.0, largest);
    let powers = (scores - shift).exp();
    let sum = powers.sum_keep(-1);
    powers * sum.eq(0.0).select(1.0, sum).reciprocal()
}
