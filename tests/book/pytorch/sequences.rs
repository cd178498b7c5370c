//! Kiln's side of `sequences.py`.

use kiln::prelude::*;
use ndarray::Array2;

use super::{Numbers, Result, labels, weights};

// ANCHOR: lstm
model! {
    struct Tagger {
        words: Embedding(20, 8),
        lstm: LSTM(8, 12, num_layers = 2, batch_first = true),
        tags: Linear(12, 5),
        opt: Adam((words, lstm, tags), lr = 1e-2),
    }

    fn forward(x: [N, T; i32]) -> [N, T, 5] {
        let (y, (h, c)) = lstm(words(x));
        tags(y)
    }

    step learn(x: [N, T; i32], y: [N, T; i32]) -> loss {
        let loss = cross_entropy(self(x).transpose(1, 2), y, ignore_index = 0);
        opt.minimize(loss);
    }
}
// ANCHOR_END: lstm

// ANCHOR: attention
model! {
    struct Reader {
        words: Embedding(20, 8),
        places: Embedding(10, 8),
        attn: MultiheadAttention(8, 2, batch_first = true),
        norm: LayerNorm(8),
        out: Linear(8, 1),
    }

    fn forward(x: [N, 10; i32], padding: [N, 10; bool]) -> [N, 1] {
        let h = words(x) + places(arange(10));
        let y = attn(h, h, h, key_padding_mask = padding);
        h = norm(h + y);
        out(h.select(1, 0))
    }
}
// ANCHOR_END: attention

pub fn run(numbers: &mut Numbers) -> Result {
    let mut model = Tagger::init(0);
    model.load(weights("tagger"))?;
    let mut losses = Vec::new();

    // ANCHOR: train
    let mut tagger = model.trainer().batch(3).extent("T", 6).build()?;
    for length in [6, 9, 6, 4] {
        let shape = (3, length);
        let x = labels(3 * length, 20).into_shape_with_order(shape)?;
        let y = labels(3 * length, 5).into_shape_with_order(shape)?;
        losses.push(tagger.learn(&x, &y)?);
    }
    // ANCHOR_END: train
    numbers.tell("losses", losses);

    let mut reader = Reader::init(0);
    reader.load(weights("reader"))?;
    let x = labels(20, 20).into_shape_with_order((2, 10))?;
    let padding = Array2::from_shape_fn((2, 10), |(row, place)| place >= [10, 7][row]);
    numbers.tell("reader", Predictor::new(reader).batch(2).build()?.predict((&x, &padding))?);
    Ok(())
}
