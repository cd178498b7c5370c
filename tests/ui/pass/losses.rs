//! Each loss under both of its names.

#![deny(warnings)]

use kiln::prelude::*;
use ndarray::{Array1, Array2};

model! {
    struct Losses {
        fc: Linear(4, 4),
    }

    eval all(x: [N, 4], t: [N, 4], labels: [N; i32], lists: [N, 4; i32], signs: [N], lengths: [N; i32]) -> loss {
        let z = fc(x);
        let (p, logs) = (z.sigmoid(), z.log_softmax(1));
        let times = cat([logs.unsqueeze(0), logs.unsqueeze(0), logs.unsqueeze(0), logs.unsqueeze(0)], 0);
        let loss = bce(p, t) + binary_cross_entropy(p, t) + bce_with_logits(z, t) + binary_cross_entropy_with_logits(z, t);
        let loss = loss + hinge_embedding(z, t) + hinge_embedding_loss(z, t) + huber(z, t) + huber_loss(z, t);
        let loss = loss + kl_div(logs, t) + l1(z, t) + l1_loss(z, t) + mse(z, t);
        let loss = loss + mse_loss(z, t) + multilabel_soft_margin(z, t) + multilabel_soft_margin_loss(z, t) + poisson_nll(z, t);
        let loss = loss + poisson_nll_loss(z, t) + smooth_l1(z, t) + smooth_l1_loss(z, t) + soft_margin(z, t);
        let loss = loss + soft_margin_loss(z, t) + cross_entropy(z, labels) + cosine_embedding(z, t, signs) + cosine_embedding_loss(z, t, signs);
        let loss = loss + ctc(times, lists, lengths, lengths) + ctc_loss(times, lists, lengths, lengths) + gaussian_nll(z, t, 2.0) + gaussian_nll_loss(z, t, 2.0);
        let loss = loss + margin_ranking(z, t, 1.0) + margin_ranking_loss(z, t, 1.0) + multi_margin(z, labels) + multi_margin_loss(z, labels);
        let loss = loss + multilabel_margin(z, lists) + multilabel_margin_loss(z, lists) + nll(logs, labels) + nll_loss(logs, labels);
        let loss = loss + triplet_margin(z, t, t) + triplet_margin_loss(z, t, t);
    }
}

#[test]
fn it_runs() {
    let mut losses = Losses::init(1).trainer().batch(2).threads(1).build().unwrap();
    let x = Array2::from_shape_fn((2, 4), |(row, column)| (row + column) as f32 / 8.0);
    let (ones, lists) = (Array1::from_elem(2, 1.0), Array2::from_shape_fn((2, 4), |(_, column)| column as i32));
    let loss = losses.all(&x, &x, &[1, 2], &lists, &ones, &[1, 1]).unwrap();
    assert!(loss.is_finite(), "{loss}");
}
