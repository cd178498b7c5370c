//! Recurrent layers and cells in bodies: with and without states, what they give taken apart or passed over.

use kiln::graph::{Builder, Layer, Model, Path, Shape};
use kiln::prelude::*;

model! {
    struct Sequences {
        lstm: LSTM(3, 4, num_layers = 2, dropout = 0.1, bidirectional = true, batch_first = true),
        gru: GRU(8, 5, bias = false, batch_first = true),
        rnn: RNN(5, 5, nonlinearity = "relu", batch_first = true),
        cell: LSTMCell(5, 5),
        step: GRUCell(5, 5),
        plain: RNNCell(5, 5),
        out: Linear(5, 2),
    }

    fn forward(x: [N, 7, 3]) -> [N, 2] {
        let (y, (h, c)) = lstm(x);
        let (z, _) = lstm(x, (h, c));
        let (y, _) = gru(y + z);
        let (y, last) = rnn(y);
        (_, last) = rnn(y, last);
        let s = last.squeeze(0);
        let (h, c) = cell(s);
        (h, c) = cell(s, (h, c));
        s = plain(step(h), c);
        out(step(s, h))
    }
}

model! {
    struct Projected {
        lstm: LSTM(3, 4, num_layers = 2, bidirectional = true, batch_first = true, proj_size = 2),
    }

    fn forward(x: [N, 7, 3]) -> [N, 7, 4] {
        let (y, (h, c)) = lstm(x);
        let (z, _) = lstm(x, (h, c));
        y + z
    }
}

#[test]
fn states_are_projected() {
    let model = Projected::init(1);
    let mut shapes = Vec::new();
    model.visit(&mut Path::new(), &mut |name, parameter| {
        shapes.push((name.to_string(), parameter.value.shape().to_vec()))
    });
    let expected = [
        ("weight_ih", vec![16, 4]),
        ("weight_hh", vec![16, 2]),
        ("bias_ih", vec![16]),
        ("bias_hh", vec![16]),
        ("weight_hr", vec![2, 4]),
    ];
    assert_eq!(shapes[10..15], expected.map(|(name, shape)| (format!("lstm.{name}_l1"), shape)));
}

#[test]
fn it_runs() {
    let model = Sequences::init(1);
    let mut names = Vec::new();
    model.visit(&mut Path::new(), &mut |name, _| names.push(name.to_string()));
    assert_eq!(
        names[4..8],
        ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|name| format!("lstm.{name}_l0_reverse"))
    );
    assert_eq!(names.len(), 16 + 2 + 4 + 12 + 2);
    let g = Builder::new("forward");
    let y = model.forward(&g, g.input("x", [3, 7, 3]));
    assert_eq!(y.shape(), Shape::new(&[3, 2]));
    g.output("y", y);
    assert!(g.finish().is_ok());
}
