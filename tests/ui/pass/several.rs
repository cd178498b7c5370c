//! One of several values, by a number in brackets.

#![deny(warnings)]

use kiln::ndarray::Array3;
use kiln::prelude::*;

model! {
    struct Several {
        lstm: LSTM(4, 3, batch_first = true),
        cell: LSTMCell(3, 3),
        attn: MultiheadAttention(3, 1, batch_first = true),
        opt: Sgd(self, lr = 0.1),
    }

    step fit(x: [N, 5, 4]) -> loss {
        let y = apart(x)[0];
        let loss = attn(y, y, y)[0].square().mean() + cell(y.mean(1))[1].square().mean();
        opt.minimize(loss);
    }

    eval differences(x: [N, 5, 4]) -> all {
        let (y, (h, c)) = lstm(x);
        let (a, b) = y.repeat(1, 2, 1).chunk(2, dim = 1);
        let (values, places) = y.max(dim = 1);
        let (h2, c2) = lstm(x)[1];
        let (_, weights) = attn(y, y, y);
        let all = stack((
            (lstm(x)[0] - y).abs().sum(),
            (lstm(x)[1][0] - h).abs().sum() + (lstm(x)[-1][1] - c).abs().sum(),
            (h2 - h).abs().sum() + (c2 - c).abs().sum(),
            (y.repeat(1, 2, 1).chunk(2, dim = 1)[0] - a).abs().sum() + (y.repeat(1, 2, 1).chunk(2, dim = 1)[-1] - b).abs().sum(),
            (y.max(1)[0] - values).abs().sum() + (y.max(1)[1] - places).abs().sum().float(),
            (y.var_mean(1)[1] - y.mean(1)).abs().sum() + (y.topk(2)[(0)] - y.topk(2)[0]).abs().sum(),
            (attn(y, y, y)[1] - weights).abs().sum() + (cell(y.select(1, 0))[1] - cell(y.select(1, 0))[-1]).abs().sum(),
            (apart(x)[1] - y).abs().sum(),
        ));
    }

    fn apart(x: [N, 5, 4]) -> ([N, 5, 3], [N, 5, 3]) {
        let y = lstm(x)[0];
        (y * 2, y)
    }
}

#[test]
fn one_is_taken() {
    let x = Array3::from_shape_fn((4, 5, 4), |(i, j, k)| ((i * 3 + j * 5 + k) % 7) as f32 / 7.0);
    let mut trainer = Several::init(1).trainer().batch(4).threads(1).build().unwrap();
    let all = trainer.differences(&x).unwrap();
    assert!(all.shape() == [8] && all.iter().all(|&difference| difference == 0.0), "{all}");
    assert!(trainer.fit(&x).unwrap() > 0.0);
}
