//! Inputs that are the same for all rows, outputs that are of all rows together: numbers, flags, matrices.

use kiln::ndarray::{self, Array1, Array2};
use kiln::prelude::*;

model! {
    struct Scaled {
        fc: Linear(4, 3),
    }

    fn forward(mix: [3, 3], x: [N, 4], temperature: []) -> [N, 3] {
        fc(x).matmul(mix) / temperature
    }
}

model! {
    struct Criterion {
        weight: Parameter([], mean = 1),
    }

    fn forward(output: [N, 3], target: [N; i32], eps: []) -> ([], [N]) {
        let losses = cross_entropy(output, target, reduction = "none");
        (losses.mean() * weight + eps, losses)
    }
}

model! {
    struct Net {
        body: Scaled,
        criterion: Criterion,
        opt: Sgd((body, criterion), lr = 0.1),
    }

    step fit(
        order: [3; i32], x: [N, 4], y: [N; i32], temperature: [], mix: [3, 3], on: [; bool], k: [; i32]
    ) -> (loss, double, next, total, is_on, each) {
        let (loss, each) = criterion(body(mix.index_select(0, order), x, temperature), y, 0.0 * temperature);
        opt.minimize(where(on, loss, loss * 0));
        let double = temperature * 2;
        let next = k + 1;
        let total = order.sum();
        let is_on = !(!on);
    }

    /// No input has rows.
    step nearer(mix: [3, 3], rate: []) -> loss {
        let loss = (ones(N, 4) * rate).mean() * mse(mix, eye(3)) + criterion.weight;
        opt.minimize(loss);
    }

    eval scores(temperature: [], x: [N, 4], mix: [3, T], ends: [T]) -> y {
        let y = body(eye(3), x, temperature).matmul(mix) + ends;
    }
}

fn samples(rows: usize) -> (Array2<f32>, Array1<i32>) {
    let x = Array2::from_shape_fn((rows, 4), |(row, column)| ((row * 7 + column * 3) % 11) as f32 / 5.0 - 1.0);
    (x, Array1::from_iter((0..rows as i32).map(|row| row % 3)))
}

#[test]
fn shards_see_the_same() {
    let (x, y) = samples(6);
    let mix = Array2::<f32>::eye(3);
    let mut net = Net::init(1).trainer().batch(6).threads(1).build().unwrap();
    let error = net.nearer(&mix.slice(ndarray::s![..2, ..]), 0.5).unwrap_err().to_string();
    assert_eq!(error, "`nearer` takes `mix` of the shape [3, 3], but got the shape [2, 3]");
    let run = |shards: usize| {
        let mut net = Net::init(1).trainer().batch(6).threads(1).shards(shards).build().unwrap();
        let first = net.fit(&[2, 0, 1], &x, &y, 0.5, &mix, true, 4).unwrap();
        let (second, ..) = net.fit(&[2, 0, 1], &x, &y, 0.5, &mix, true, 4).unwrap();
        (
            first,
            second,
            net.nearer(&(mix.clone() * 2.0), 0.5).unwrap(),
            net.scores(2.0, &x, &mix, &y.slice(ndarray::s![..3]).mapv(|y| y as f32)).unwrap(),
        )
    };
    let (first, second, nearer, scores) = run(1);
    let (loss, double, next, total, is_on, each) = first;
    assert_eq!((double, next, total, is_on, each.shape()), (1.0, 5, 3, true, &[6][..]));
    assert!((each.mean().unwrap() - loss).abs() < 1e-6 && second < loss, "{loss} {second}");
    assert_eq!(scores.shape(), [6, 3]);
    for shards in [2, 3] {
        let (of_shards, second_of_shards, nearer_of_shards, same) = run(shards);
        assert!((of_shards.0 - loss).abs() < 1e-6 && (second_of_shards - second).abs() < 1e-6);
        // What follows from such inputs alone is not added up over shards.
        assert_eq!((of_shards.1, of_shards.2, of_shards.3, of_shards.4), (double, next, total, is_on));
        assert!((nearer_of_shards - nearer).abs() < 1e-6);
        assert!(scores.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn parts_of_a_prediction_see_the_same() {
    let (x, y) = samples(7);
    let mix = Array2::from_shape_fn((3, 3), |(row, column)| (row * 2 + column) as f32 / 4.0);
    let whole = Predictor::new(Scaled::init(1)).batch(7).threads(1).build().unwrap();
    let parts = Predictor::new(Scaled::init(1)).batch(2).threads(1).build().unwrap();
    let expected = whole.predict((&mix, &x, 0.25)).unwrap();
    let found = parts.predict((&mix, &x, ndarray::arr0(0.25))).unwrap();
    assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-5));
    let error = parts.predict((&x, &x, 0.25)).unwrap_err().to_string();
    assert_eq!(error, "the model takes `mix` of the shape [3, 3], but got the shape [7, 4]");
    let mut trainer =
        Trainer::new(Scaled::init(1), cross_entropy(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
    let before = trainer.evaluate((&mix, &x, 0.5), &y).unwrap().loss;
    let (x4, y4) = samples(4);
    trainer.step((&mix, &x4, 0.5), &y4).unwrap();
    assert!(trainer.evaluate((&mix, &x, 0.5), &y).unwrap().loss < before);
    let error = trainer.step((&mix, &x4, 0.5), &y).unwrap_err().to_string();
    assert!(error.contains('7'), "{error}");
}
