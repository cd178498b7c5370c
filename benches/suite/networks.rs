//! The networks of the suite, declared as a user would. Parameters stand in the order in which the suite numbers them.

use kiln::graph::{Builder, Graph, GraphError, Type};
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [64])]
pub struct MlpTiny {
    fc1: Linear<64, 128>,
    relu1: ReLU,
    fc2: Linear<128, 64>,
    relu2: ReLU,
    fc3: Linear<64, 10>,
}

#[derive(Model)]
#[model(input = [784])]
pub struct MlpMnist {
    fc1: Linear<784, 512>,
    relu1: ReLU,
    fc2: Linear<512, 512>,
    relu2: ReLU,
    fc3: Linear<512, 10>,
}

model! {
    pub struct ModuleList {
        l: [Linear(10, 10); 10],
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for (i, li) in l.iter().enumerate() {
            x = l[i / 2](x) + li(x);
        }
        x
    }
}

#[derive(Model)]
#[model(input = [1, 28, 28])]
pub struct LeNet {
    conv1: Conv2d<1, 20, 5>,
    relu1: ReLU,
    pool1: MaxPool2d<2>,
    conv2: Conv2d<20, 64, 5>,
    relu2: ReLU,
    pool2: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<1024, 128>,
    relu3: ReLU,
    fc2: Linear<128, 10>,
}

model! {
    /// A convolution of images of `SIZE` x `SIZE` pixels that keeps their size.
    pub struct ConvNorm<const IN: usize, const OUT: usize, const SIZE: usize> {
        conv: Conv2d(IN, OUT, 3, padding = 1, bias = false),
        norm: BatchNorm2d(OUT),
    }

    fn forward(x: [N, IN, SIZE, SIZE]) -> [N, OUT, SIZE, SIZE] {
        norm(conv(x)).relu()
    }
}

#[derive(Model)]
#[model(input = [3, 32, 32])]
pub struct VggBn {
    block1: ConvNorm<3, 32, 32>,
    block2: ConvNorm<32, 32, 32>,
    pool1: MaxPool2d<2>,
    block3: ConvNorm<32, 64, 16>,
    block4: ConvNorm<64, 64, 16>,
    pool2: MaxPool2d<2>,
    block5: ConvNorm<64, 128, 8>,
    block6: ConvNorm<128, 128, 8>,
    average: AdaptiveAvgPool2d<1>,
    flatten: Flatten,
    fc: Linear<128, 10>,
}

model! {
    /// A basic block of ResNet whose input has the shape of its output.
    pub struct Basic<const C: usize, const SIZE: usize> {
        conv1: Conv2d(C, C, 3, padding = 1, bias = false),
        bn1: BatchNorm2d(C),
        conv2: Conv2d(C, C, 3, padding = 1, bias = false),
        bn2: BatchNorm2d(C),
    }

    fn forward(x: [N, C, SIZE, SIZE]) -> [N, C, SIZE, SIZE] {
        let y = bn1(conv1(x)).relu();
        (bn2(conv2(y)) + x).relu()
    }
}

model! {
    /// A basic block of ResNet that halves images of `SIZE` x `SIZE` pixels.
    pub struct Halving<const IN: usize, const OUT: usize, const SIZE: usize> {
        conv1: Conv2d(IN, OUT, 3, stride = 2, padding = 1, bias = false),
        bn1: BatchNorm2d(OUT),
        conv2: Conv2d(OUT, OUT, 3, padding = 1, bias = false),
        bn2: BatchNorm2d(OUT),
        shortcut: Sequential { conv: Conv2d(IN, OUT, 1, stride = 2, bias = false), norm: BatchNorm2d(OUT) },
    }

    fn forward(x: [N, IN, SIZE, SIZE]) -> [N, OUT, SIZE / 2, SIZE / 2] {
        let y = bn1(conv1(x)).relu();
        (bn2(conv2(y)) + shortcut(x)).relu()
    }
}

#[derive(Model)]
#[model(input = [3, 32, 32])]
pub struct ResNet18 {
    stem: ConvNorm<3, 64, 32>,
    stage1: [Basic<64, 32>; 2],
    stage2: (Halving<64, 128, 32>, Basic<128, 16>),
    stage3: (Halving<128, 256, 16>, Basic<256, 8>),
    stage4: (Halving<256, 512, 8>, Basic<512, 4>),
    average: AdaptiveAvgPool2d<1>,
    flatten: Flatten,
    fc: Linear<512, 10>,
}

#[derive(Model)]
#[model(input = [1, 16, 32, 32])]
pub struct Volumes {
    #[model(padding = 1)]
    conv1: Conv3d<1, 16, 3>,
    norm1: BatchNorm3d<16>,
    relu1: ReLU,
    pool: MaxPool3d<2>,
    #[model(padding = 1)]
    conv2: Conv3d<16, 32, 3>,
    norm2: BatchNorm3d<32>,
    relu2: ReLU,
    average: AdaptiveAvgPool3d<1>,
    flatten: Flatten,
    fc: Linear<32, 10>,
}

model! {
    /// A residual block whose norms and activations come before its convolutions.
    pub struct PreActivation<const C: usize, const INNER: usize, const SIZE: usize> {
        bn1: BatchNorm2d(C),
        conv1: Conv2d(C, INNER, 1, bias = false),
        bn2: BatchNorm2d(INNER),
        conv2: Conv2d(INNER, INNER, 3, padding = 1, groups = 4, bias = false),
        bn3: BatchNorm2d(INNER),
        conv3: Conv2d(INNER, C, 1, bias = false),
    }

    fn forward(x: [N, C, SIZE, SIZE]) -> [N, C, SIZE, SIZE] {
        let y = conv1(bn1(x).relu());
        let y = conv2(bn2(y).relu());
        x + conv3(bn3(y).relu())
    }
}

#[derive(Model)]
#[model(input = [3, 64, 64])]
pub struct Hourglass {
    #[model(padding = 1)]
    conv: Conv2d<3, 32, 3>,
    relu: ReLU,
    #[model(output_ratio = 0.5, samples = 0.5)]
    pool: FractionalMaxPool2d<2>,
    blocks: [PreActivation<32, 36, 32>; 2],
    #[model(size = 64, mode = "bilinear")]
    upsample: Upsample,
    head: Conv2d<32, 4, 1>,
}

model! {
    pub struct Recurrent {
        lstm: LSTM(64, 128, batch_first = true),
        fc: Linear(128, 10),
    }

    fn forward(x: [N, 100, 64]) -> [N, 10] {
        let (y, _) = lstm(x);
        fc(y.slice(1, 99, 100).squeeze(1))
    }
}

model! {
    /// A block of a transformer whose norms come before attention and perceptron; a place sees itself and those before.
    /// `QKV` is `3 * D` and `INNER` is `4 * D`.
    pub struct Block<const D: usize, const QKV: usize, const INNER: usize, const HEADS: usize, const T: usize> {
        ln1: LayerNorm(D),
        qkv: Linear(D, QKV),
        out: Linear(D, D),
        ln2: LayerNorm(D),
        up: Linear(D, INNER),
        down: Linear(INNER, D),
    }

    fn forward(x: [N, T, D]) -> [N, T, D] {
        let (q, k, v) = qkv(ln1(x)).chunk(3, dim = -1);
        let a = scaled_dot_product_attention(heads(q), heads(k), heads(v), is_causal = true);
        x += out(a.transpose(1, 2).reshape([N, T, D]));
        x + down(up(ln2(x)).gelu())
    }

    fn heads(x) {
        x.reshape([N, T, HEADS, D / HEADS]).transpose(1, 2)
    }
}

model! {
    pub struct Transformer {
        block: Block<128, 384, 512, 4, 64>,
        ln: LayerNorm(128),
        head: Linear(128, 10),
    }

    fn forward(x: [N, 64, 128]) -> [N, 10] {
        head(ln(block(x)).mean(1))
    }
}

model! {
    /// A model of characters: the scores of what comes next, at each place.
    pub struct Gpt {
        words: Embedding(65, 256),
        places: Embedding(128, 256),
        blocks: [Block<256, 768, 1024, 4, 128>; 4],
        ln: LayerNorm(256),
        head: Linear(256, 65, bias = false),
    }

    fn forward(x: [N, 128; i32]) -> [N, 128, 65] {
        let h = words(x) + places(arange(128));
        for block in blocks {
            h = block(h);
        }
        head(ln(h))
    }
}

model! {
    pub struct Characters {
        gpt: Gpt,
        opt: Adam(gpt),
    }

    step fit(x: [N, 128; i32], y: [N, 128; i32]) -> loss {
        let loss = cross_entropy(gpt(x).transpose(1, 2), y);
        opt.minimize(loss);
    }
}

/// The optimizer alone, on one flat parameter: a graph made with the builder, without a network. Parameter and
/// gradient are both states, so that no step copies them.
pub fn update_graph(adam: &Adam, count: usize) -> Result<Graph, GraphError> {
    let g = Builder::new("update");
    let states = ["parameter", "gradient"].map(|name| g.state(name, Type::f32([count])));
    adam.apply(&g, &[("parameter".to_string(), states[0])], &states[1..]);
    g.finish()
}
