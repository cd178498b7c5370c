use kiln::prelude::*;

model! {
    struct Features {
        attn: MultiheadAttention(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8], memory: [N, 4, 6]) -> [N, 5, 8] {
        attn(x, memory, memory)
    }
}

model! {
    struct Masks {
        attn: MultiheadAttention(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8], mask: [N, 5, 4; bool]) -> [N, 5, 8] {
        attn(x, x, x, attn_mask = mask)
    }
}

model! {
    struct Places {
        attn: MultiheadAttention(8, 2),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        attn(x, x, x)
    }
}

model! {
    struct Heads {
        attn: MultiheadAttention(8, 3, batch_first = true),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        attn(x, x, x)
    }
}

model! {
    struct OneInput {
        attn: MultiheadAttention(8, 2),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        attn(x)
    }
}

model! {
    struct NeedsWeights {
        attn: MultiheadAttention(8, 2),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        attn(x, x, x, need_weights = false)
    }
}

model! {
    struct Names {
        attn: MultiheadAttention(8, 2),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        attn(x, x, x, attn_masks = x)
    }
}

model! {
    struct Flags {
        layer: TransformerEncoderLayer(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        layer(x, is_causal = x)
    }
}

model! {
    struct Padding {
        layer: TransformerEncoderLayer(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8], padding: [N, 4]) -> [N, 5, 8] {
        layer(x, src_key_padding_mask = padding)
    }
}

model! {
    struct Memory {
        layer: TransformerDecoderLayer(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        layer(x)
    }
}

model! {
    struct Settings {
        layer: TransformerEncoder(8, 2, 1, activation = "tanh"),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        layer(x)
    }
}

#[derive(Model)]
#[model(input = [5, 8])]
struct InOrder {
    places: PositionalEncoding<6>,
    #[model(batch_first = true)]
    attn: MultiheadAttention<8, 2>,
}

model! {
    struct TooLong {
        places: PositionalEncoding(8, max_len = 4, batch_first = true),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        places(x)
    }
}

model! {
    struct NoLayers {
        layer: TransformerEncoder(8, 2, num_layers = 0, batch_first = true),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        layer(x)
    }
}

model! {
    struct ThreeResults {
        attn: MultiheadAttention(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        let (y, weights, more) = attn(x, x, x);
        y + weights.sum() + more
    }
}

model! {
    struct Nested {
        first: TransformerEncoder(TransformerEncoderLayer(8, 3), 1),
        second: TransformerEncoder(TransformerEncoderLayer(8, 2, heads = 2), 1),
        third: TransformerEncoder(TransformerEncoderLayer(8, 2), 1, norm = RMSNorm(8)),
        fourth: TransformerDecoder(TransformerDecoderLayer(8, 2)),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        third(second(first(x)))
    }
}

model! {
    struct Two {
        pair: Bilinear(3, 4, 5),
        whole: Transformer(8, 2),
    }

    fn forward(x: [N, 3], y: [N, 3]) -> [N, 5] {
        pair(x, y)
    }
}

model! {
    struct Whole {
        whole: Transformer(8, 2, batch_first = true, num_decoder_layers = 1),
    }

    fn forward(x: [N, 5, 8], y: [N, 4, 6]) -> [N, 5, 8] {
        whole(y, x)
    }
}

model! {
    struct OneOfTwo {
        whole: Transformer(8, 2),
        pair: Bilinear(3, 4, 5),
    }

    fn forward(x: [N, 5, 8]) -> [N, 5, 8] {
        whole(x) + pair(x)
    }
}

model! {
    struct MaskOfSamples {
        attn: MultiheadAttention(8, 2, batch_first = true),
    }

    fn forward(x: [N, 5, 8], mask: [N, 5, 5; bool]) -> [N, 5, 8] {
        attn(x, x, x, attn_mask = mask)
    }
}

fn main() {}
