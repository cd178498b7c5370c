//! Free extents: names in capitals in the types of inputs that are neither constants in scope nor const parameters.

use kiln::prelude::*;

const WIDTH: usize = 4;

#[derive(Model)]
#[model(input = [TIME, 3])]
pub struct Derived {
    fc1: Linear<3, WIDTH>,
    act: ReLU,
    fc2: Linear<4, 2>,
}

/// A model in a chain of layers takes the other one's extent.
#[derive(Model)]
#[model(input = [SEQ_LEN, 3], output = [SEQ_LEN, 5])]
pub struct Chain {
    inner: Derived,
    fc: Linear<2, 5>,
}

model! {
    /// Const parameters are numbers, whatever they are called.
    pub struct Generic<const T: usize = 6> {
        fc: Linear(T, 2),
    }

    fn forward(x: [N, S, T]) -> [N, S, 2] {
        fc(x)
    }
}

model! {
    pub struct Functions {
        embed: Linear(3, 8),
        attn: MultiheadAttention(8, 2, batch_first = true),
        decode: TransformerDecoderLayer(8, 2, dim_feedforward = 16, batch_first = true),
        conv: Conv1d(8, 8, 3, padding = "same"),
        down: Conv1d(8, 8, 4, stride = 2, padding = 1),
        pool: AvgPool1d(2),
        up: Upsample(scale_factor = 2.0, mode = "nearest"),
    }

    fn attend(x: [N, S, 8], memory: [N, T, 8]) {
        let allowed = ones([S, T]).tril().eq(0.0);
        let (y, _) = attn(x, memory, memory, attn_mask = allowed);
        y
    }

    fn scaled(x, factor: usize) {
        x * factor
    }

    fn forward(x: [N, 2 * T, 3], y: [N, S, 3], lengths: [N; i32]) -> ([N, S, 8], [N, T], [N, 2 * T, 8], [N, 8]) {
        let (source, target) = (embed(x), embed(y));
        let places = conv(source.transpose(1, 2));
        let halves = (down(places) + pool(places)).transpose(1, 2);
        let z = decode(attend(target, halves), attend(halves, target));
        let mask = arange(T).lt(lengths.unsqueeze(1));
        let numbers = where(mask, halves.sum(dim = 2), 0.0);
        let whole = up(halves.transpose(1, 2)).transpose(1, 2);
        let rest = cat((halves, halves), dim = 1) + whole + source.flip(1);
        let half = T / 1;
        (scaled(z, S), numbers, rest.view([N, 2 * half, -1]), places.amax(dim = -1))
    }
}

model! {
    pub struct Words {
        table: Embedding(12, 8),
        gru: GRU(8, 8, batch_first = true),
        fc: Linear(8, 12),
        opt: Adam((table, gru, fc)),
    }

    /// Each word is told by those before it.
    step fit(words: [N, T + 1; i32]) -> loss {
        let (y, _) = gru(table(words.narrow(1, 0, T)));
        let loss = cross_entropy(fc(y).transpose(1, 2), words.narrow(1, 1, T));
        opt.minimize(loss);
    }

    eval next(words: [N, T; i32]) -> scores {
        let (y, _) = gru(table(words));
        let scores = fc(y.select(1, -1));
    }
}

#[test]
fn it_runs() {
    let functions = Predictor::new(Chain::init(1)).extent("SEQ_LEN", 2).build().unwrap();
    assert_eq!(functions.summary().unwrap().sizes.to_string(), "N = 64, SEQ_LEN = 2");
    let mut steps = Words::init(1).trainer().batch(4).extent("T", 3).build().unwrap();
    let words = ndarray::Array2::<i32>::ones((2, 6));
    assert!(steps.fit(&words).unwrap() > 0.0);
    assert_eq!(steps.next(&words).unwrap().shape(), [2, 12]);
}
