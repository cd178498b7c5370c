//! What a step of several shards gives: rows of all of a rank's shards, in order; what has no rows is the mean over shards.

use kiln::distributed::{ExchangeError, World};
use kiln::prelude::*;
use ndarray::{Array2, ArrayD, Axis, concatenate};

use super::{each_rank, numbers};

model! {
    struct Scores {
        fc: Linear(4, 3),
        opt: Sgd(fc, lr = 0.0),
    }

    step fit(x: [N, 4], y: [N, 3]) -> (loss, scores, turned, best, above, means) {
        let scores = fc(x);
        let loss = mse(scores, y);
        opt.minimize(loss);
        let turned = scores.transpose(0, 1);
        let best = scores.argmax(1);
        let above = scores.gt(0.0);
        let means = scores.mean(0);
    }
}

type Given = (f32, ArrayD<f32>, ArrayD<f32>, ArrayD<i32>, ArrayD<bool>, ArrayD<f32>);

#[test]
fn tensors_are_of_all_shards() {
    for rows in [12, 7, 2] {
        let (x, y) = (numbers(&[rows, 4], 1), numbers(&[rows, 3], 2));
        let mut alone = Scores::init(1).trainer().batch(12).threads(1).build().unwrap();
        let expected: Given = alone.fit(&x, &y).unwrap();
        for ranks in 1..=3 {
            let found: Vec<Given> = each_rank(ranks, |world| {
                let trainer = Scores::init(1).trainer().batch(12).threads(1);
                trainer.distributed(world).shards(5).build().unwrap().fit(&x, &y).unwrap()
            });
            let message = format!("{rows} rows on {ranks} ranks");
            let joined = |axis: usize, of: &dyn Fn(&Given) -> ArrayD<f32>| {
                let parts: Vec<ArrayD<f32>> = found.iter().map(of).collect();
                let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
                concatenate(Axis(axis), &views).unwrap()
            };
            assert_eq!(joined(0, &|given| given.1.clone()), expected.1, "{message}");
            assert_eq!(joined(1, &|given| given.2.clone()), expected.2, "{message}");
            assert_eq!(joined(0, &|given| given.3.mapv(|best| best as f32)), expected.3.mapv(|best| best as f32));
            let flags = |flags: &ArrayD<bool>| flags.mapv(|flag| f32::from(u8::from(flag)));
            assert_eq!(joined(0, &|given| flags(&given.4)), flags(&expected.4), "{message}");
            for given in &found {
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
                assert!(given.5.iter().zip(&expected.5).all(near), "{message}: {} for {}", given.5, expected.5);
                assert!((given.0 - expected.0).abs() < 1e-5, "{message}");
            }
        }
    }
}

model! {
    struct Pairs {
        fc: Linear(4, 3),
        opt: Sgd(fc, lr = 0.1),
    }

    step fit(x: [N, 4]) -> (loss, products) {
        let products = fc(x).matmul(fc(x).transpose(0, 1));
        let loss = products.mean();
        opt.minimize(loss);
    }
}

#[test]
fn a_result_of_pairs_of_rows_is_refused() {
    let build = |world: &World| Pairs::init(1).trainer().batch(6).threads(1).distributed(world).build();
    for error in each_rank(2, |world| build(world).err()) {
        let Some(TrainError::Exchange(ExchangeError::Result { program, result })) = error else { panic!("{error:?}") };
        assert_eq!((program, result.as_str()), ("fit", "products"));
    }
    let products = each_rank(1, |world| build(world).unwrap().fit(&Array2::ones((6, 4))).unwrap().1.shape().to_vec());
    assert_eq!(products, [[6, 6]]);
}

model! {
    struct Places {
        fc: Linear(2, 3),
        opt: Sgd(fc, lr = 0.0),
    }

    /// All these have the rows of the batch one after another, also where they were put together with places.
    step fit(x: [N, T, 2]) -> (loss, together, apart, turned, outer, pairs) {
        let together = fc(x.view(-1, 2));
        let apart = together.view(N, T, 3);
        let turned = fc(x.transpose(0, 1));
        let outer = fc(x.transpose(0, 1).reshape(-1, 2)).view(T, N, 3).transpose(0, 1);
        let pairs = together.reshape(N, -1);
        let loss = together.mean();
        opt.minimize(loss);
    }
}

type OfPlaces = (f32, ArrayD<f32>, ArrayD<f32>, ArrayD<f32>, ArrayD<f32>, ArrayD<f32>);

#[test]
fn products_with_the_batch_are_of_all_shards() {
    for (rows, length) in [(6, 4), (5, 3), (2, 1)] {
        let x = numbers(&[rows, length, 2], 1);
        let build = |shards| Places::init(1).trainer().batch(6).threads(1).shards(shards).build().unwrap();
        let expected: OfPlaces = build(1).fit(&x).unwrap();
        for shards in [2, 3] {
            let found: OfPlaces = build(shards).fit(&x).unwrap();
            let message = format!("{rows} rows in {shards} shards");
            assert_eq!((&found.1, &found.2, &found.3), (&expected.1, &expected.2, &expected.3), "{message}");
            assert_eq!((&found.4, &found.5), (&expected.4, &expected.5), "{message}");
            assert!((found.0 - expected.0).abs() < 1e-5, "{message}");
        }
    }
}

model! {
    struct Loop {
        gru: GRU(2, 2, batch_first = true),
    }

    fn forward(x: [N, 3, 2]) -> [N, 3, 2] {
        let (y, _) = gru(x);
        y
    }
}

/// Models of one step, which gives one result beside its loss.
macro_rules! refused {
    ($($test:ident: $name:ident $({ $field:ident: $model:ident })?, |$x:ident: [$($axis:tt),*]| { $($result:tt)+ };)*) => {$(
        model! {
            struct $name {
                scale: Parameter([1]),
                $($field: $model,)?
                opt: Sgd((scale, $($field)?), lr = 0.1),
            }

            step fit($x: [$($axis),*]) -> (loss, result) {
                let result = $($result)+;
                let loss = ($x * scale).mean() + result.mean();
                opt.minimize(loss);
            }
        }

        #[test]
        fn $test() {
            let build = |rows, shards| $name::init(1).trainer().batch(rows).threads(1).shards(shards).build();
            // One row a shard, and as many as another axis has, too.
            for rows in [6, 2, 4, 8] {
                let error = build(rows, 2).err();
                let Some(TrainError::Exchange(ExchangeError::Result { program, result })) = error else {
                    panic!("{error:?} of {rows} rows")
                };
                assert_eq!((program, result.as_str()), ("fit", "result"));
                assert!(build(rows, 1).is_ok());
            }
        }
    )*};
}

refused! {
    rows_in_another_order_are_refused: Turned, |x: [N, 4]| { x.transpose(0, 1).reshape(-1, 2).sum(1) };
    rows_that_were_places_are_refused: Mixed, |x: [N, T, 2]| { x.transpose(0, 1).reshape(N, T, 2) * 2 };
    rows_in_blocks_are_refused: Flat, |x: [N, 3]| { x.transpose(0, 1).reshape(-1).exp() };
    rows_of_a_square_are_refused: Square, |x: [N, 3]| { x.transpose(0, 1).reshape(N, 3) * 2 };
    rows_that_come_twice_are_refused: Twice, |x: [N, 3]| { cat((x, x * 2)) };
    halves_of_rows_are_refused: Half, |x: [N, 2]| { x.view(-1).slice(0, 0, N) };
    rows_in_blocks_of_blocks_are_refused: Unsqueezed, |x: [N, 4, 4]| {
        x.transpose(0, 1).reshape(-1, 4).transpose(0, 1).unsqueeze(-1)
    };
    rows_of_a_loop_are_refused: Looped { steps: Loop }, |x: [N, 3, 2]| {
        steps(x.transpose(0, 1).reshape(N, 3, 2))
    };
    rows_beside_others_are_refused: Longer, |x: [N, 3]| { cat((x.view(-1), zeros(3))) };
}

model! {
    struct Blocks {
        fc: Linear(2, 3),
        opt: Sgd(fc, lr = 0.0),
    }

    /// Rows that were in blocks and are in order again, or are rolled within a shard.
    step fit(x: [N, T, 2]) -> (loss, turned, half, other) {
        let loss = fc(x).mean();
        let turned = fc(x.transpose(0, 1).reshape(-1, 2)).transpose(0, 1).reshape(3, T, N);
        let both = fc(cat((x, x * 2)));
        let half = both.slice(0, 0, N);
        let other = both.view(2, N, T, 3);
        opt.minimize(loss);
    }
}

type OfBlocks = (f32, ArrayD<f32>, ArrayD<f32>, ArrayD<f32>);

#[test]
fn blocks_that_are_taken_apart_are_of_all_shards() {
    for (rows, length) in [(6, 4), (5, 3), (2, 1)] {
        let x = numbers(&[rows, length, 2], 1);
        let build = |shards| Blocks::init(1).trainer().batch(6).threads(1).shards(shards).build().unwrap();
        let expected: OfBlocks = build(1).fit(&x).unwrap();
        for shards in [2, 3, 6] {
            let found: OfBlocks = build(shards).fit(&x).unwrap();
            let message = format!("{rows} rows in {shards} shards");
            assert_eq!((&found.1, &found.2, &found.3), (&expected.1, &expected.2, &expected.3), "{message}");
        }
    }
}

model! {
    struct After {
        fc: Linear(4, 3),
        opt: Sgd(fc, lr = 0.1),
    }

    step fit(x: [N, 4], y: [N, 3]) -> (loss, of_ones) {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
        // Of what the update has made: it follows from weights alone, and has a row for each of the batch.
        let of_ones = fc(ones_like(x));
    }
}

#[test]
fn rows_that_follow_from_weights_alone_are_of_all_shards() {
    for rows in [12, 7, 2] {
        let (x, y) = (numbers(&[rows, 4], 1), numbers(&[rows, 3], 2));
        let mut alone = After::init(1).trainer().batch(12).threads(1).build().unwrap();
        let expected: Vec<ArrayD<f32>> = (0..3).map(|_| alone.fit(&x, &y).unwrap().1).collect();
        for ranks in 1..=3 {
            let found: Vec<Vec<ArrayD<f32>>> = each_rank(ranks, |world| {
                let trainer = After::init(1).trainer().batch(12).threads(1);
                let mut trainer = trainer.distributed(world).shards(5).build().unwrap();
                (0..3).map(|_| trainer.fit(&x, &y).unwrap().1).collect()
            });
            for (step, expected) in expected.iter().enumerate() {
                let views: Vec<_> = found.iter().map(|steps| steps[step].view()).collect();
                let joined = concatenate(Axis(0), &views).unwrap();
                assert_eq!(joined.shape(), expected.shape(), "{rows} rows on {ranks} ranks");
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
                assert!(joined.iter().zip(expected).all(near), "{rows} rows on {ranks} ranks: {joined} for {expected}");
            }
        }
    }
}

model! {
    struct Towards {
        fc: Linear(4, 3),
        slow: Linear(4, 3),
        norm: BatchNorm1d(3),
        opt: Sgd((fc, norm), lr = 0.1),
    }

    step fit(x: [N, 4], rate: [], table: [5, 3]) -> (loss, kept) {
        let loss = fc(x).square().mean() + norm(table * rate).mean();
        opt.minimize(loss);
        slow.lerp_from(fc, rate);
        let kept = rate * 2;
    }

    step other(x: [N, 4], rate: []) -> loss {
        let loss = fc(x).square().mean();
        slow.lerp_from(fc, rate);
    }
}

/// States that follow from inputs without rows are the model's, whoever computes which shards.
#[test]
fn states_of_inputs_without_rows_are_the_same_in_all_shards() {
    let values = |model: &Towards| {
        let mut values = Vec::new();
        model.each_parameter(&mut |_, parameter| values.extend(parameter.value.iter().copied()));
        values
    };
    let train = |world: Option<&World>, shards: Option<usize>| {
        let mut builder = Towards::init(1).trainer().batch(7).threads(1);
        if let Some(world) = world {
            builder = builder.distributed(world);
        }
        if let Some(shards) = shards {
            builder = builder.shards(shards);
        }
        let mut trainer = builder.build().unwrap();
        let (x, table) = (numbers(&[7, 4], 1), numbers(&[5, 3], 2));
        for step in 0..3 {
            let rate = 0.25 + step as f32 / 8.0;
            assert_eq!(trainer.fit(&x, rate, &table).unwrap().1, rate * 2.0);
            trainer.other(&x, rate).unwrap();
        }
        values(trainer.model())
    };
    let alone = train(None, None);
    for shards in [1, 2, 3] {
        let expected = train(None, Some(shards));
        assert!(
            alone.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5),
            "{shards} shards: {expected:?} {alone:?}"
        );
        for ranks in 1..=shards {
            for found in each_rank(ranks, |world| train(Some(world), Some(shards))) {
                assert_eq!(found, expected, "{shards} shards on {ranks} ranks");
            }
        }
    }
}
