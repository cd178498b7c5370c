//! Lists of tensors that loops fill, and sums that begin with a number.

use kiln::ndarray::{Array2, Array3};
use kiln::prelude::*;

model! {
    struct Net {
        cell: GRUCell(4, 8),
        cells: [GRUCell(8, 8); 2],
        heads: [Linear(8, 3); 4],
        opt: Adam((cell, cells, heads), lr = 0.01),
    }

    fn forward(x: [N, 6, 4]) -> [N, 6, 8] {
        let mut outs = vec![];
        let mut h = zeros(N, 8);
        let mut states = [h; 2];
        for t in 0..6 {
            h = cell(x.select(1, t), h);
            let mut y = h;
            for (i, c) in cells.iter().enumerate() {
                states[i] = c(y, states[i]);
                y = states[i];
            }
            outs.push(y);
        }
        stack(outs, dim = 1)
    }

    fn by_hand(x) {
        let (h0, a0, b0) = (zeros(N, 8), zeros(N, 8), zeros(N, 8));
        let h1 = cell(x.select(1, 0), h0);
        let a1 = cells[0](h1, a0);
        let b1 = cells[1](a1, b0);
        let h2 = cell(x.select(1, 1), h1);
        let a2 = cells[0](h2, a1);
        let b2 = cells[1](a2, b1);
        stack((b1, b2), dim = 1)
    }

    step fit(x: [N, 6, 4], y: [N, 4; i32]) -> (loss, count, ends) {
        let h = forward(x);
        let mut loss = 0.0;
        let mut count = 0;
        for (i, head) in heads.iter().enumerate() {
            loss += cross_entropy(head(h.select(1, i)), y.select(1, i));
            count += 1;
        }
        loss = loss / count;
        let mut norms = Vec::new();
        for head in heads.iter() {
            norms.push(head.weight.square().sum());
        }
        let mut penalty = 0;
        for norm in norms {
            penalty = penalty + norm;
        }
        for (i, norm) in norms.iter().enumerate() {
            penalty = penalty + i * norm;
        }
        let zero = penalty - stack(norms).sum() - norms[1] - 2 * norms[2] - 3 * norms[norms.len() - 1];
        loss += 0.01 * penalty + zero.detach();
        opt.minimize(loss);
        let count = norms.len() * ones([]);
        let mut ends = vec![norms[0].detach(), loss];
        no_grad {
            ends[-1] = norms[-1];
            for i in 0..2 {
                ends[1 - i] = ends[1 - i] + norms[-1 - i] * pow(2.5, i) * 0;
            }
        }
        let ends = stack(ends);
    }

    eval parts(x: [N, 6, 4]) -> (all, sum, same, grown) {
        let mut parts = [];
        for k in [1, 2, 3] {
            if k != 2 {
                parts.push(x.narrow(1, 0, k));
            }
        }
        let all = cat(parts, dim = 1);
        let mut grown = x;
        for _ in 0..3 {
            grown = cat((grown, x), dim = 1);
        }
        for _ in [1, 2] {
            grown = grown.relu();
        }
        let sum = cat(tensors = parts, dim = 1).sum();
        let same = forward(x).slice(1, 0, 2) - by_hand(x);
        for (left, right) in parts.iter().zip(parts.iter().rev()) {
            same = same + (left.sum() - right.sum()) * 0;
        }
    }
}

#[test]
fn lists_are_filled() {
    let x = Array3::from_shape_fn((8, 6, 4), |(i, j, k)| (i * 4 + j * 2 + k) as f32 / 50.0);
    let y = Array2::from_shape_fn((8, 4), |(i, j)| ((i + j) % 3) as i32);
    let mut net = Net::init(1).trainer().batch(8).threads(1).build().unwrap();
    let (first, count, ends) = net.fit(&x, &y).unwrap();
    assert_eq!((count, ends.shape()), (4.0, &[2][..]));
    let mut last = first;
    for _ in 0..20 {
        (last, ..) = net.fit(&x, &y).unwrap();
    }
    assert!(last < first, "{first} {last}");
    let (all, sum, same, grown) = net.parts(&x).unwrap();
    assert_eq!((all.shape(), grown.shape()), (&[8, 4, 4][..], &[8, 24, 4][..]));
    assert!((all.sum() - sum).abs() < 1e-3);
    assert!(same.iter().all(|number| number.abs() < 1e-6));
}
