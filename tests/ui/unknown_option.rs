use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 8, 8], outputs = [10])]
struct Net {
    #[model(strides = 2)]
    conv: Conv2d<1, 4, 3>,
    #[model(inplace = true)]
    act: ReLU,
    #[model(in_features = 10)]
    fc: Linear<10, 10>,
}

model! {
    #[model(input = [10])]
    struct Declared {
        fc: Linear(10, 10, biass = false),
        net: Net(bias = true),
    }
}

model! {
    struct OfPyTorch {
        words: Embedding(10, 4, max_norm = 1.0, sparse = true),
        bags: EmbeddingBag(10, 4, scale_grad_by_freq = true),
        pool: MaxPool1d(2, return_indices = true),
        fc: Linear(4, 4, device = "cpu", bias = false),
        power: LPPool1d(1.5, 2),
        encoder: TransformerEncoder(TransformerEncoderLayer(4, 2), 2, norm = LayerNorm(4, bias = false)),
        wide: TransformerEncoder(TransformerEncoderLayer(4, 2), 2, LayerNorm(8)),
        named: TransformerDecoder(4, 2, num_layers = 1, norm = LayerNorm(eps = 1e-6)),
    }

    fn forward(x: [N, 2; i32]) -> [N, 2, 4] {
        fc(words(x))
    }
}

fn main() {}
