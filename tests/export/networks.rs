//! Small networks of all kinds, as users declare them.

use kiln::graph::{Builder, Type, Value};
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 12, 12])]
pub struct LeNet {
    conv1: Conv2d<1, 4, 3>,
    relu1: ReLU,
    pool1: MaxPool2d<2>,
    flatten: Flatten,
    pub fc1: Linear<100, 8>,
    relu2: ReLU,
    fc2: Linear<8, 3>,
}

model! {
    pub struct Basic<const C: usize, const SIZE: usize> {
        conv1: Conv2d(C, C, 3, padding = 1, groups = 2, bias = false),
        bn1: BatchNorm2d(C),
        conv2: Conv2d(C, C, 3, padding = 1, bias = false),
        bn2: BatchNorm2d(C),
    }

    fn forward(x: [N, C, SIZE, SIZE]) -> [N, C, SIZE, SIZE] {
        (bn2(conv2(bn1(conv1(x)).relu())) + x).relu()
    }
}

model! {
    pub struct ResNet {
        conv: Conv2d(3, 4, 3, stride = 2, padding = 1),
        bn: BatchNorm2d(4, affine = false),
        layers: [Basic<4, 4>; 2],
        pool: AdaptiveAvgPool2d(1),
        fc: Linear(4, 5),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 5] {
        let h = bn(conv(x)).relu();
        for layer in layers {
            h = layer(h);
        }
        fc(pool(h).flatten(1))
    }
}

model! {
    pub struct UNet {
        down: Conv2d(1, 4, 3, padding = 1),
        norm: GroupNorm(2, 4),
        inner: Conv2d(4, 8, 3, padding = 1),
        instance: InstanceNorm2d(8, affine = true),
        up: ConvTranspose2d(8, 4, 2, stride = 2),
        smooth: Upsample(scale_factor = 2, mode = "bilinear"),
        out: Conv2d(16, 1, 1),
    }

    fn forward(x: [N, 1, 8 * T, 8]) -> [N, 1, 8 * T, 8] {
        let skip = norm(down(x)).silu();
        let h = instance(inner(max_pool2d(skip, 2))).silu();
        out(cat((skip, up(h), smooth(h)), dim = 1)).sigmoid()
    }
}

model! {
    pub struct Sequences {
        lstm: LSTM(3, 4, num_layers = 2, bidirectional = true, batch_first = true),
        gru: GRU(8, 4),
        rnn: RNN(4, 3, nonlinearity = "relu", bias = false),
        out: Linear(3, 2),
    }

    fn forward(x: [N, T, 3], h: [N, 4, 4], c: [N, 4, 4]) -> ([N, T, 2], [N, 4, 4], [N, 4]) {
        let (y, (last, cell)) = lstm(x, (h.transpose(0, 1), c.transpose(0, 1)));
        let (y, state) = gru(y.transpose(0, 1));
        let (y, _) = rnn(y);
        (out(y.transpose(0, 1)), (last + cell).transpose(0, 1), state.squeeze(0))
    }
}

model! {
    pub struct Projected {
        lstm: LSTM(3, 6, num_layers = 2, bidirectional = true, batch_first = true, proj_size = 2),
    }

    fn forward(x: [N, T, 3]) -> ([N, T, 4], [N, 6]) {
        let (y, (_, c)) = lstm(x);
        (y, c.mean(0))
    }
}

model! {
    pub struct Cell {
        cell: LSTMCell(3, 4),
    }

    fn forward(x: [N, 3]) -> [N, 4] {
        let (h, c) = cell(x);
        (h, c) = cell(x, (h, c));
        h + c
    }
}

model! {
    pub struct Late {
        fc: Linear(3, 2),
    }

    fn forward(x: [N, T - 100, 3]) -> [N, T - 100, 2] {
        fc(x)
    }
}

model! {
    pub struct Tagger {
        words: Embedding(10, 8),
        places: PositionalEncoding(8, max_len = 50, batch_first = true),
        encoder: TransformerEncoderLayer(8, 2, dim_feedforward = 16, batch_first = true, activation = "gelu"),
        tags: Linear(8, 5),
    }

    fn forward(x: [N, T; i32], padding: [N, T; bool]) -> [N, T, 5] {
        tags(encoder(places(words(x)), src_key_padding_mask = padding)).log_softmax(-1)
    }
}

model! {
    pub struct Block<const D: usize, const QKV: usize, const INNER: usize, const T: usize> {
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
        x.reshape([N, T, 2, D / 2]).transpose(1, 2)
    }
}

model! {
    pub struct Gpt {
        words: Embedding(10, 8),
        places: Embedding(6, 8),
        blocks: [Block<8, 24, 32, 6>; 2],
        norm: RMSNorm(8),
        head: Linear(8, 10, bias = false),
    }

    fn forward(x: [N, 6; i32]) -> [N, 6, 10] {
        let h = words(x) + places(arange(6));
        for block in blocks {
            h = block(h);
        }
        head(norm(h))
    }
}

model! {
    pub struct Generator {
        net: Sequential(
            ConvTranspose2d(6, 8, 4, bias = false),
            BatchNorm2d(8),
            ReLU,
            ConvTranspose2d(8, 1, 4, stride = 2, padding = 1, output_padding = 1),
            Tanh,
        ),
    }

    fn forward(z: [N, 6, 1, 1]) -> [N, 1, 9, 9] {
        net(z)
    }
}

model! {
    pub struct Curves {
        leaky: LeakyReLU(0.2),
        elu: ELU(0.7),
        celu: CELU(0.6),
        prelu: PReLU(num_parameters = 4),
        softplus: Softplus,
        shrink: Softshrink(0.3),
        hard: Hardshrink(0.3),
        gelu: GELU(approximate = "tanh"),
        glu: GLU(-1),
    }

    fn forward(x: [N, 4]) -> ([N, 4], [N, 4], [N, 4], [N, 4], [N, 4], [N, 4], [N, 2], [N, 4; bool]) {
        let y = x * 3;
        (
            leaky(x) + elu(x) + celu(x) + prelu(x),
            softplus(x) + shrink(x) + hard(x) + gelu(x) + x.gelu(),
            y.selu() + y.mish() + y.hardsigmoid() + y.hardswish() + y.softsign() + y.logsigmoid(),
            x.relu6() + x.clamp(-0.5, 0.25) + x.clamp_min(0.1) + x.tanhshrink() + threshold(x, 0.1, 20),
            x.abs().sqrt() + x.abs().rsqrt() + x.exp().log1p() + x.expm1() + x.ceil() + x.round() + x.trunc()
                + x.frac(),
            x.sin().asin() + x.cos() + x.tan() + x.atan() + x.atan2(-y + 0.3) + x.sinh() + x.cosh() + x.asinh()
                + x.erf(),
            glu(x),
            (x.gt(0.1) & x.isfinite()) | x.isnan(),
        )
    }
}

model! {
    pub struct Resized {
        near: Upsample(scale_factor = 3),
        exact: Upsample((7, 11), mode = "nearest-exact"),
        smooth: Upsample((9, 13), mode = "bilinear", align_corners = true),
        cubic: Upsample((7, 12), mode = "bicubic"),
        area: Upsample((2, 3), mode = "area"),
        shuffle: PixelShuffle(2),
        line: Upsample(scale_factor = 1.5, mode = "linear"),
    }

    fn forward(x: [N, 4, 5, 6]) -> (
        [N, 4, 15, 18], [N, 4, 7, 11], [N, 4, 9, 13], [N, 4, 7, 12], [N, 4, 2, 3], [N, 1, 10, 12], [N, 4, 45]
    ) {
        (near(x), exact(x), smooth(x), cubic(x), area(x), shuffle(x), line(x.flatten(2)))
    }
}

model! {
    pub struct Pools {
        max: MaxPool2d(3, stride = 2, padding = 1, ceil_mode = true),
        average: AvgPool2d(3, stride = 2, padding = 1),
        inside: AvgPool2d(3, stride = 2, padding = 1, count_include_pad = false),
        ceiling: AvgPool2d(3, stride = 2, ceil_mode = true),
        power: LPPool2d(2, 2),
        adaptive: AdaptiveAvgPool2d((3, 4)),
        highest: AdaptiveMaxPool2d((3, 4)),
        response: LocalResponseNorm(3),
    }

    fn forward(x: [N, 4, 7, 8]) -> (
        [N, 4, 4, 5], [N, 4, 4, 4], [N, 4, 4, 4], [N, 4, 3, 4], [N, 4, 3, 4], [N, 4, 3, 4], [N, 4, 3, 4],
        [N, 4, 3, 4; i32], [N, 4, 7, 8]
    ) {
        let (_, places) = max_pool2d_with_indices(x, 2);
        (max(x), average(x), inside(x), ceiling(x), power(x.abs()), adaptive(x), highest(x), places, response(x))
    }
}

model! {
    pub struct Padded {
        reflect: Conv1d(2, 3, 3, padding = 2, padding_mode = "reflect"),
        replicate: Conv1d(2, 3, 3, padding = "same", padding_mode = "replicate"),
        circular: Conv1d(2, 3, 3, padding = 1, padding_mode = "circular"),
        constant: ConstantPad1d((1, 2), 0.5),
        norm: LayerNorm(3, elementwise_affine = false),
        batch: BatchNorm1d(3),
    }

    fn forward(x: [N, 2, 4 * L]) -> ([N, 3, 4 * L + 2], [N, 4 * L, 3], [N, 2, 4 * L + 3]) {
        (reflect(x), norm((batch(replicate(x)) + circular(x)).transpose(1, 2)), constant(x))
    }
}

model! {
    pub struct Functions {
        fc: Linear(6, 6),
    }

    fn forward(x: [N, 5, 6], i: [N, 5, 6; i32]) -> (
        [N, 5, 6], [N, 5, 2], [N, 5, 2; i32], [N, 5, 6], [N, 5, 5], [N, 5], [N, 5, 6], [N, 5, 6], [N, 5, 6; i32],
        [N, 5; i32], [N, 10, 6]
    ) {
        let (high, place) = x.topk(2, dim = -1);
        let (sorted, _) = x.sort(dim = 1, descending = true);
        (
            x.cumsum(1) + x.softmax(1) + x.cumprod(-1),
            high,
            place,
            sorted + x.gather(1, i) + x.flip(2).roll(1, 1),
            einsum("bij,bkj->bik", (x, fc(x))).tril(),
            x.logsumexp(-1) + x.mean(2) + x.var(2) + x.amax(2) + x.prod(2) + x.norm(2, dim = -1),
            x.scatter_add(1, i, x * 2).masked_fill(x.gt(0.4), -1),
            where(i.gt(1), x, x * 10).detach(),
            (i * 2 - 1).maximum(i),
            x.argmax(-1) + x.argsort(-1).select(-1, 0),
            cat((x, x.pad((0, 0, 1, 0)).narrow(1, 0, 5)), dim = 1) - x.mean(1, keepdim = true).mean(0),
        )
    }
}

model! {
    /// Whole numbers along an axis of any length.
    pub struct Counts {
        fc: Linear(2, 2),
    }

    fn forward(x: [N, T, 2], k: [N, T; i32]) -> ([N, T; i32], [N, T], [N, T; i32], [N, T, 2]) {
        let places = (k > 0).cumsum(1);
        (k.cumsum(1) * 2, k.clamp(-0.5, 1.5), k.pow(2) - k.amax(1, keepdim = true), fc(x) * places.unsqueeze(2))
    }
}

model! {
    pub struct Warped {
        conv: Conv2d(2, 3, 3, padding = 1),
    }

    fn forward(x: [N, 2, 5, 6], grid: [N, 4, 3, 2]) -> ([N, 3, 4, 3], [N, 2, 4, 3], [N, 2, 4, 3]) {
        (
            grid_sample(conv(x), grid),
            grid_sample(x, grid * 1.5, "nearest", padding_mode = "border"),
            grid_sample(x, grid * 1.5, "bicubic", padding_mode = "reflection", align_corners = true),
        )
    }
}

/// Sums along the axis of samples' places, step by step, from the last one on: a scan of the user's own.
pub struct Running;

impl Layer for Running {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let (n, t) = (x.shape().dim(0), x.shape().dim(1));
        let body = g.body("sum");
        let (row, sum) = (body.input("x", [n]), body.state("sum", Type::f32([n])));
        let scale = body.state("scale", Type::f32([]));
        let next = (sum * scale + row).relu() + body.iota([n], 0).convert(kiln::graph::DType::F32) * 0.0;
        body.carry(sum, next);
        body.output("sums", next);
        body.output("rows", row);
        let operands = [x.transpose(0, 1), g.full([n], 0.0), g.scalar(0.5)];
        let results = g.scan(body, &operands, t, true);
        results[1].transpose(0, 1) + results[0].unsqueeze(1) * results[2].transpose(0, 1)
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        f(path.as_str(), "Running");
    }
}

impl Model for Running {
    type Input = f32;
    type Output = f32;
    const INPUT: Shape = Shape::new(&[Shape::N, kiln::graph::shape::extent::free("T")]);
    const OUTPUT: Shape = Running::INPUT;

    fn new(_: &mut kiln::graph::Init) -> Running {
        Running
    }
}

model! {
    pub struct Drawn {
        fc: Linear(3, 3),
    }

    fn forward(x: [N, 3]) -> [N, 3] {
        fc(x) + rand_like(x)
    }
}

model! {
    pub struct Doubling {
        fc: Linear(3, 3),
    }

    fn forward(x: [N, T, 3]) -> [N, T, 3] {
        fc(x).cumprod(1)
    }
}

model! {
    /// A network that is trained by steps, and asked by an `eval`.
    pub struct Stepped {
        gru: GRU(1, 4, batch_first = true),
        fc: Linear(4, 3),
        opt: Adam((gru, fc)),
    }

    fn classify(x, last) {
        let (held, _) = gru(x);
        fc(held.gather(1, last.unsqueeze(1).unsqueeze(2).expand([-1, 1, 4])).squeeze(1))
    }

    step learn(x: [N, T, 1], last: [N; i32], class: [N; i32]) -> loss {
        let loss = cross_entropy(classify(x, last), class);
        opt.minimize(loss);
    }

    eval tell(x: [N, T, 1], last: [N; i32]) -> (class, probabilities) {
        let scores = classify(x, last);
        let class = scores.argmax(1);
        let probabilities = scores.softmax(1);
    }
}
