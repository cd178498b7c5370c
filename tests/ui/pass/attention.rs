//! Attention and transformers in bodies: masks by name and by position, weights taken or left, flags.

use kiln::graph::{Builder, Layer, Model, Path, Shape};
use kiln::prelude::*;

model! {
    struct Attends {
        places: PositionalEncoding(8, dropout = 0.0, batch_first = true),
        attn: MultiheadAttention(8, 2, batch_first = true),
        across: MultiheadAttention(8, num_heads = 4, kdim = 3, vdim = None, batch_first = true),
        layer: TransformerEncoderLayer(8, 2, dim_feedforward = 16, activation = "gelu", batch_first = true),
        encoder: TransformerEncoder(8, 2, num_layers = 2, dim_feedforward = 8, batch_first = true, norm = true),
        decoder: TransformerDecoder(8, 2, 1, dim_feedforward = 8, batch_first = true, norm_first = true),
        nested: TransformerEncoder(
            TransformerEncoderLayer(8, 2, 16, dropout = 0.2, batch_first = true),
            num_layers = 3,
            norm = LayerNorm(8)
        ),
        again: TransformerDecoder(
            TransformerDecoderLayer(8, nhead = 4, batch_first = true, dim_feedforward = 8, bias = false),
            2,
            LayerNorm(8)
        ),
        step: TransformerDecoderLayer(8, 2, dim_feedforward = 8, batch_first = true),
        out: Linear(8, 2),
    }

    fn forward(x: [N, 5, 8], memory: [N, 4, 3], wide: [N, 4, 8], padding: [N, 4; bool]) -> ([N, 5, 2], [N, 5, 5]) {
        let h = places(x);
        let y = attn(h, h, h, is_causal = true);
        let (y, weights) = attn(y, y, value = y);
        let mask = weights.mean(0) * 0.1;
        y = attn(y, y, y, attn_mask = (weights > 0.5).repeat_interleave(2, 0));
        let (y, each) = across(y, memory, wide, padding, average_attn_weights = false);
        y = y + each.sum() * 0.001;
        y = layer(y, mask, is_causal = true) + layer(y, src_key_padding_mask = None);
        y = encoder(encoder(y), mask = mask);
        y = again(nested(y), wide);
        y = decoder(y, wide, memory_key_padding_mask = padding, tgt_is_causal = true);
        (out(step(y, memory = wide)), weights)
    }
}

model! {
    #[model(input = [6, 8], output = [6, 8])]
    struct InOrder {
        first: PositionalEncoding(8, batch_first = true),
        encoder: TransformerEncoder(8, 4, 2, dim_feedforward = 8, batch_first = true),
        layer: TransformerEncoderLayer(8, 4, dim_feedforward = 8, batch_first = true),
    }
}

model! {
    struct Whole {
        whole: Transformer(8, 2, 1, num_decoder_layers = 2, dim_feedforward = 8, batch_first = true),
        pair: Bilinear(8, 3, 2),
        plain: Bilinear(2, in2_features = 2, out_features = 8, bias = false),
    }

    fn forward(src: [N, 5, 8], tgt: [N, 4, 8], more: [N, 4, 3], padding: [N, 5; bool]) -> [N, 4, 8] {
        let y = whole(src, tgt, tgt_is_causal = true, src_key_padding_mask = padding);
        let z = pair(whole(src, tgt = y, src_mask = None), more);
        plain(input1 = z, input2 = z) + bilinear(z, more, ones_like(more).mean((0, 1)).reshape([1, 1, 3]).expand([8, 2, 3]))
    }
}

model! {
    struct Words {
        words: AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs = [4, 10], div_value = 2, head_bias = true),
        few: AdaptiveLogSoftmaxWithLoss(8, 3, [1]),
        opt: Sgd((words, few), lr = 0.1),
    }

    step fit(x: [N, 8], y: [N; i32]) -> (output, loss) {
        let (output, loss) = words(x, target = y);
        let (_, other) = few(input = x, target = y * 0);
        opt.minimize(loss + other);
    }

    eval tell(x: [N, 8]) -> (all, classes, few_classes) {
        let all = words.log_prob(x);
        let classes = words.predict(input = x);
        let few_classes = few.predict(x.tanh());
    }
}

#[test]
fn transformers_and_pairs_run() {
    let model = Whole::init(1);
    let g = Builder::new("forward");
    let inputs = [g.input("src", [3, 5, 8]), g.input("tgt", [3, 4, 8]), g.input("more", [3, 4, 3])];
    let padding = g.input("padding", [3, 5]).gt(0.5);
    let results = model.forward_all(&g, &[inputs[0], inputs[1], inputs[2], padding]);
    assert_eq!(results[0].shape(), Shape::new(&[3, 4, 8]));
    g.output("y", results[0]);
    assert!(g.finish().is_ok());
    // Each layer has values of its own, and Xavier's bound.
    let mut firsts = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        if name.ends_with("multihead_attn.in_proj_weight") {
            let bound = (6.0f32 / 32.0).sqrt();
            assert!(parameter.value.iter().all(|value| value.abs() <= bound), "{name}");
            firsts.push(parameter.value.iter().next().copied());
        }
    });
    assert!(firsts.len() == 2 && firsts[0] != firsts[1], "{firsts:?}");
}

#[test]
fn it_runs() {
    let model = Attends::init(1);
    let mut names = Vec::new();
    model.visit(&mut Path::new(), &mut |name, _| names.push(name.to_string()));
    for expected in [
        "attn.in_proj_weight",
        "attn.in_proj_bias",
        "attn.out_proj.weight",
        "across.q_proj_weight",
        "across.v_proj_weight",
        "layer.self_attn.in_proj_weight",
        "layer.linear1.bias",
        "encoder.layers.1.norm2.weight",
        "encoder.norm.bias",
        "nested.layers.2.linear2.weight",
        "nested.norm.weight",
        "again.norm.bias",
        "decoder.layers.0.multihead_attn.out_proj.bias",
        "step.norm3.weight",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not among {names:?}");
    }
    let g = Builder::new("forward");
    let inputs = [g.input("x", [3, 5, 8]), g.input("memory", [3, 4, 3]), g.input("wide", [3, 4, 8])];
    let padding = g.input("padding", [3, 4]).gt(0.5);
    let results = model.forward_all(&g, &[inputs[0], inputs[1], inputs[2], padding]);
    assert_eq!(results[0].shape(), Shape::new(&[3, 5, 2]));
    assert_eq!(results[1].shape(), Shape::new(&[3, 5, 5]));
    results.iter().zip(["y", "weights"]).for_each(|(result, name)| g.output(name, *result));
    assert!(g.finish().is_ok());
    assert_eq!(InOrder::OUTPUT, Shape::new(&[Shape::N, 6, 8]));
}
