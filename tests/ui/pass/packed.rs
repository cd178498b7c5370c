//! Sequences of unequal lengths, padded behind: what PyTorch does by `pack_padded_sequence`.

use kiln::data::pad_sequence;
use kiln::ndarray::{Array1, Array2, Axis, s};
use kiln::prelude::*;

// ANCHOR: packed
model! {
    struct Packed {
        forwards: LSTM(3, 4, batch_first = true),
        backwards: LSTM(3, 4, batch_first = true),
    }

    fn forward(x: [N, T, 3], lengths: [N; i32]) -> ([N, T, 8], [N, 8]) {
        let (f, _) = forwards(x); // padding lies behind: it changes nothing before it
        let (b, _) = backwards(reversed(x, lengths));
        let real = arange(T).lt(lengths.unsqueeze(1)).unsqueeze(2);
        let y = where(real, cat((f, reversed(b, lengths)), dim = 2), 0.0);
        let last = (lengths - 1).view(N, 1, 1).expand(-1, 1, 8);
        (y, cat((f, b), dim = 2).gather(1, last).squeeze(1))
    }

    // Each sequence back to front, padding behind as before.
    fn reversed(x, lengths: [N; i32]) {
        let (step, length) = (arange(x.size(1)).unsqueeze(0), lengths.unsqueeze(1));
        let place = where(step.lt(length), length - 1 - step, step);
        x.gather(1, place.unsqueeze(2).expand(-1, -1, x.size(2)))
    }
}
// ANCHOR_END: packed

#[test]
fn padding_changes_nothing() {
    let sequence =
        |rows: usize| Array2::from_shape_fn((rows, 3), |(i, j)| ((i * 5 + j * 3 + rows) % 7) as f32 / 3.0 - 1.0);
    let lengths = [5, 2, 3];
    let sequences = lengths.map(sequence);
    let padded = pad_sequence(&sequences, None, 7.0).unwrap();
    let net = Predictor::new(Packed::init(1)).batch(3).extent("T", 5).threads(1).build().unwrap();
    let (y, last) = net.predict((&padded, &Array1::from_iter(lengths.map(|length| length as i32)))).unwrap();
    for (row, (&length, sequence)) in lengths.iter().zip(&sequences).enumerate() {
        let alone = sequence.clone().insert_axis(Axis(0));
        let (expected, expected_last) = net.predict((&alone, &ndarray::arr1(&[length as i32]))).unwrap();
        let found = y.slice(s![row, ..length, ..]).to_owned();
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
        assert!(found.iter().zip(expected.iter()).all(near));
        assert!(last.slice(s![row, ..]).iter().zip(expected_last.iter()).all(near));
        assert!(y.slice(s![row, length.., ..]).iter().all(|number| *number == 0.0));
    }
}
