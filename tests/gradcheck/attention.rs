//! Attention and the transformer's layers against what PyTorch gives (`attention.txt`, made by `attention.py`): results
//! and gradients, by the interpreter in f64. And functions of theirs whose first and second gradients are checked.

use std::collections::{BTreeMap, HashMap};

use kiln_graph::build::{Builder, Value};
use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::layers::adaptive_softmax::{AdaptiveWeights, adaptive_log_softmax};
use kiln_graph::layers::attention::{AttentionWeights, Projections, multihead_attention};
use kiln_graph::layers::bilinear::bilinear;
use kiln_graph::layers::transformer::positional_encoding;
use kiln_graph::layers::{
    Activation, AdaptiveLogSoftmaxWithLoss, AdaptiveLogSoftmaxWithLossSettings, Bilinear, BilinearSettings,
    MultiheadAttention, MultiheadAttentionSettings, Several, Transformer, TransformerDecoder, TransformerDecoderLayer,
    TransformerEncoder, TransformerEncoderLayer, TransformerSettings,
};
use kiln_graph::shape::rules::{Attention, AttentionInputs, Clusters};
use kiln_graph::{Init, Shape};

use crate::Case;
use crate::rows::{any, row};

const TABLE: &str = include_str!("attention.txt");

/// What rounding the figures to nine digits costs, and the epsilon of a norm that it meets in f64.
const TOLERANCE: f64 = 1e-6;

/// What is computed of the inputs.
type Function = for<'g> fn(&'g Builder, &[Value<'g>]) -> Vec<Value<'g>>;

const ADAPTIVE: AdaptiveLogSoftmaxWithLossSettings = AdaptiveLogSoftmaxWithLossSettings::new();

const ATTENTION: MultiheadAttentionSettings = MultiheadAttentionSettings::new();

const SMALL: TransformerSettings = TransformerSettings::new().dim_feedforward(6).dropout(0.0);

fn attend<'g>(
    g: &'g Builder,
    settings: MultiheadAttentionSettings,
    inputs: &[Option<Value<'g>>],
    flags: &[bool],
) -> Vec<Value<'g>> {
    MultiheadAttention::<4, 2>::new(settings, &mut Init::new(1)).forward_all(g, inputs, flags)
}

fn apply<'g, L: Several>(g: &'g Builder, layer: L, inputs: &[Option<Value<'g>>], flags: &[bool]) -> Vec<Value<'g>> {
    layer.forward_all(g, inputs, flags)
}

/// The cases: their names in the table, the extents of their inputs, and what is computed.
fn cases() -> Vec<(&'static str, Vec<&'static [usize]>, Function)> {
    vec![
        ("attention", vec![&[3, 2, 4], &[5, 2, 4], &[5, 2, 4]], |g, x| {
            attend(g, ATTENTION, &[Some(x[0]), Some(x[1]), Some(x[2])], &[])
        }),
        ("kdim, vdim", vec![&[2, 3, 4], &[2, 5, 3], &[2, 5, 2]], |g, x| {
            let settings = ATTENTION.kdim(Some(3)).vdim(Some(2)).batch_first(true);
            attend(g, settings, &[Some(x[0]), Some(x[1]), Some(x[2])], &[])
        }),
        ("key is value", vec![&[3, 2, 4], &[5, 2, 4]], |g, x| {
            attend(g, ATTENTION.bias(false), &[Some(x[0]), Some(x[1]), Some(x[1])], &[])
        }),
        ("added places, causal", vec![&[2, 3, 4]], |g, x| {
            let settings = ATTENTION.add_bias_kv(true).add_zero_attn(true).batch_first(true);
            attend(g, settings, &[Some(x[0]); 3], &[true])
        }),
        ("numbers as masks", vec![&[2, 3, 4], &[2, 5, 4], &[2, 5], &[2, 2, 3, 5]], |g, x| {
            let inputs = [Some(x[0]), Some(x[1]), Some(x[1]), Some(x[2]), Some(x[3])];
            attend(g, ATTENTION.batch_first(true), &inputs, &[false, false])
        }),
        ("one sequence", vec![&[3, 4], &[5, 4], &[5], &[2, 3, 5]], |g, x| {
            let inputs = [Some(x[0]), Some(x[1]), Some(x[1]), Some(x[2].gt(0.3)), Some(x[3].gt(0.4))];
            attend(g, ATTENTION, &inputs, &[])
        }),
        ("encoder layer", vec![&[3, 2, 4], &[2, 3], &[3, 3]], |g, x| {
            let layer = TransformerEncoderLayer::<4, 2>::new(SMALL, &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(x[2]), Some(x[1])], &[])
        }),
        ("encoder layer, norm first", vec![&[2, 3, 4]], |g, x| {
            let settings = SMALL.activation(Activation::Gelu).layer_norm_eps(0.01).batch_first(true);
            let settings = settings.norm_first(true).bias(false);
            apply(g, TransformerEncoderLayer::<4, 2>::new(settings, &mut Init::new(1)), &[Some(x[0])], &[true])
        }),
        ("encoder", vec![&[2, 3, 4], &[2, 3]], |g, x| {
            let settings = SMALL.batch_first(true).norm(true);
            let stack = TransformerEncoder::<4, 2, 2>::new(settings, &mut Init::new(1));
            apply(g, stack, &[Some(x[0]), None, Some(x[1])], &[true])
        }),
        ("decoder layer", vec![&[3, 2, 4], &[5, 2, 4], &[2, 5], &[3, 5]], |g, x| {
            let layer = TransformerDecoderLayer::<4, 2>::new(SMALL, &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(x[1]), None, Some(x[3]), None, Some(x[2])], &[true])
        }),
        ("decoder layer, norm first", vec![&[2, 3, 4], &[2, 5, 4], &[2, 3]], |g, x| {
            let settings = SMALL.activation(Activation::Gelu).batch_first(true).norm_first(true);
            let layer = TransformerDecoderLayer::<4, 2>::new(settings, &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(x[1]), None, None, Some(x[2])], &[])
        }),
        ("decoder", vec![&[2, 3, 4], &[2, 5, 4]], |g, x| {
            let settings = SMALL.batch_first(true).norm(true);
            let stack = TransformerDecoder::<4, 2, 2>::new(settings, &mut Init::new(1));
            apply(g, stack, &[Some(x[0]), Some(x[1])], &[true])
        }),
        ("transformer", vec![&[2, 5, 4], &[2, 3, 4], &[2, 5], &[3, 5]], |g, x| {
            let settings = SMALL.batch_first(true).num_encoder_layers(2).num_decoder_layers(1);
            let inputs = [Some(x[0]), Some(x[1]), None, None, Some(x[3]), Some(x[2])];
            apply(g, Transformer::<4, 2>::new(settings, &mut Init::new(1)), &inputs, &[false, true])
        }),
        ("adaptive softmax", vec![&[7, 8]], |g, x| {
            let settings = ADAPTIVE.cutoffs([3, 6]).div_value(2.0).head_bias(true);
            let layer = AdaptiveLogSoftmaxWithLoss::<8, 10>::new(settings, &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(g.iota([7], 0) + 2)], &[])
        }),
        ("adaptive softmax, all classes", vec![&[3, 6]], |g, x| {
            let settings = ADAPTIVE.cutoffs([4]).div_value(2.5);
            vec![AdaptiveLogSoftmaxWithLoss::<6, 9>::new(settings, &mut Init::new(1)).log_prob(g, x[0])]
        }),
        ("adaptive softmax, one sample", vec![&[6]], |g, x| {
            let settings = ADAPTIVE.cutoffs([1, 2, 5]).div_value(1.0);
            let layer = AdaptiveLogSoftmaxWithLoss::<6, 9>::new(settings, &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(g.iota([6], 0).slice(0, 5..6, 1).reshape([]))], &[])
        }),
        ("bilinear", vec![&[2, 5, 3], &[2, 5, 4]], |g, x| {
            let layer = Bilinear::<3, 4, 2>::new(BilinearSettings::new(), &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(x[1])], &[])
        }),
        ("bilinear, no bias", vec![&[5, 1], &[5, 4]], |g, x| {
            let layer = Bilinear::<1, 4, 3>::new(BilinearSettings::new().bias(false), &mut Init::new(1));
            apply(g, layer, &[Some(x[0]), Some(x[1])], &[])
        }),
    ]
}

/// The values of `pattern` in `attention.py`.
fn pattern(shape: Shape, key: usize) -> Tensor<f64> {
    Tensor::floats(shape, (0..shape.elements()).map(|i| ((i * 7 + key * 3) % 17) as f64 / 16.0 - 0.5))
}

/// The figures of a case by their names.
fn figures(case: &str) -> BTreeMap<&'static str, Vec<f64>> {
    let heading = format!("case {case}");
    let lines = TABLE.lines().skip_while(|line| **line != *heading).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("case "));
    let figure = |number: &str| number.parse().unwrap_or_else(|_| panic!("{case}: {number} is no number"));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, row)| (name, row.split(' ').map(figure).collect()))
        .collect()
}

#[test]
fn attention_and_transformers_are_those_of_pytorch() {
    let cases = cases();
    assert_eq!(cases.len(), TABLE.lines().filter(|line| line.starts_with("case ")).count());
    for (name, extents, function) in cases {
        let figures = figures(name);
        assert!(!figures.is_empty(), "the table has no {name}");
        let g = Builder::new(name);
        let mut feeds = HashMap::new();
        let mut inputs = Vec::new();
        for (key, &extents) in extents.iter().enumerate() {
            inputs.push(g.input(&format!("x{key}"), extents));
            feeds.insert(format!("x{key}"), pattern(Shape::from(extents), key));
        }
        let results = function(&g, &inputs);
        let mut loss = g.scalar(0.0);
        for (key, &result) in results.iter().enumerate() {
            let cotangent = format!("cotangent{key}");
            feeds.insert(cotangent.clone(), pattern(result.shape(), 1));
            loss = loss + (result * g.input(&cotangent, result.shape())).sum(..);
            g.output(&format!("y{key}"), result);
        }
        // The inputs by their names in the table, the states by the parameters'.
        let names: Vec<&str> = figures.keys().copied().filter(|figure| !figure.starts_with('y')).collect();
        let values: Vec<Value<'_>> =
            names.iter().map(|figure| g.named(figure).unwrap_or_else(|| panic!("{name}: no {figure}"))).collect();
        for (figure, (&value, gradient)) in
            names.iter().zip(values.iter().zip(g.gradients_of(loss, &values).expect(name)))
        {
            g.output(&format!("gradient of {figure}"), gradient);
            if !feeds.contains_key(*figure) {
                let key = figure.bytes().map(usize::from).sum();
                feeds.insert(figure.to_string(), pattern(value.shape(), key));
            }
        }
        let graph = g.finish().expect(name);
        let found = interpret(&graph, &feeds).expect(name).outputs;
        for (figure, expected) in &figures {
            let found = match found.get(*figure) {
                Some(result) => result.to_f64(),
                None => {
                    let gradient = &found[&format!("gradient of {figure}")];
                    let weights = pattern(gradient.ty().shape, 5).to_f64();
                    let values = gradient.to_f64();
                    if figure.starts_with('x') {
                        values
                    } else {
                        vec![values.iter().zip(weights).map(|(value, weight)| value * weight).sum()]
                    }
                }
            };
            assert_eq!(found.len(), expected.len(), "{name}: {figure}");
            for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (found - expected).abs();
                let limit = TOLERANCE * expected.abs().max(1.0);
                assert!(error <= limit, "{name}: {figure}, element {place}, is {found}, but should be {expected}");
            }
        }
    }
}

const OF: Attention = Attention {
    embed_dim: 4,
    num_heads: 2,
    kdim: 4,
    vdim: 4,
    add_bias_kv: false,
    add_zero_attn: false,
    batch_first: true,
    dropout: 0.0,
};

fn of<'g>(query: Value<'g>, key: Value<'g>, value: Value<'g>) -> AttentionInputs<Value<'g>> {
    let (key_padding_mask, attn_mask) = (None, None);
    let (is_causal, average_attn_weights) = (false, true);
    AttentionInputs { query, key, value, key_padding_mask, attn_mask, is_causal, average_attn_weights }
}

pub fn attentions() -> Vec<Case> {
    vec![
        row("bilinear", [any(&[2, 2, 3]), any(&[2, 2, 2]), any(&[4, 3, 2]), any(&[4])], |_, v| {
            bilinear(v[0], v[1], v[2], Some(v[3]))
        }),
        row(
            "adaptive_log_softmax",
            [any(&[5, 4]), any(&[4, 4]), any(&[4]), any(&[2, 4]), any(&[2, 2]), any(&[1, 4]), any(&[3, 1])],
            |g, v| {
                let of = Clusters { inputs: 4, classes: 7, cutoffs: Shape::new(&[2, 4]), div_value: 2.0 };
                let tail = vec![[v[3], v[4]], [v[5], v[6]]];
                let weights = AdaptiveWeights { head: v[1], head_bias: Some(v[2]), tail };
                let [output, loss] = adaptive_log_softmax(v[0], g.iota([5], 0) + 1, &weights, &of);
                output.exp() * loss
            },
        ),
        row("attention of itself, causal", [any(&[2, 3, 4]), any(&[12, 4]), any(&[12]), any(&[4, 4])], |_, v| {
            let weights = AttentionWeights {
                projections: Projections::Packed(v[1]),
                in_proj_bias: Some(v[2]),
                bias_kv: None,
                out_proj_weight: v[3],
                out_proj_bias: None,
            };
            let inputs = AttentionInputs { is_causal: true, ..of(v[0], v[0], v[0]) };
            let [y, looks] = multihead_attention(&inputs, &weights, &OF);
            y.sin() * looks.sum_keep(-1) + looks.square().sum(..)
        }),
        row(
            "attention with masks and a learnt place",
            [any(&[1, 2, 4]), any(&[1, 3, 3]), any(&[4, 4]), any(&[4, 3]), any(&[1, 1, 4]), any(&[2, 3])],
            |_, v| {
                let weights = AttentionWeights {
                    projections: Projections::Apart([v[2], v[3], v[3].exp()]),
                    in_proj_bias: None,
                    bias_kv: Some([v[4], v[4].sin()]),
                    out_proj_weight: v[2],
                    out_proj_bias: None,
                };
                let of_itself = of(v[0], v[1], v[1].sin());
                let key_padding_mask = Some(v[1].sum(-1).gt(0.2).detach());
                let inputs = AttentionInputs { key_padding_mask, attn_mask: Some(v[5]), ..of_itself };
                let of = Attention { kdim: 3, vdim: 3, add_bias_kv: true, add_zero_attn: true, ..OF };
                let [y, looks] = multihead_attention(&inputs, &weights, &of);
                y.exp().sum(..) * looks.square()
            },
        ),
        row("positional_encoding", [any(&[3, 1, 4])], |_, v| positional_encoding(v[0], false).square()),
    ]
}
