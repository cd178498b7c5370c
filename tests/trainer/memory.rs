//! Trainings within a limit of memory: the same numbers as without one, in as many bytes as an error says, and the same
//! bits for any number of threads.

use kiln::prelude::*;
use ndarray::{Array1, Array2, Array3, Array4, ArrayD};

model! {
    /// Convolutions, norms with statistics, drawn numbers, a pool, a residual.
    struct Images {
        stem: Conv2d(3, 16, 3, padding = 1),
        norms: [BatchNorm2d(16); 4],
        convs: [Conv2d(16, 16, 3, padding = 1, bias = false); 4],
        drop: Dropout2d(0.3),
        pool: MaxPool2d(2),
        fc: Linear(16 * 6 * 6, 5),
    }

    fn forward(x: [N, 3, 12, 12]) -> [N, 5] {
        let mut h = stem(x);
        for i in 0..4 {
            h = h + drop(convs[i](norms[i](h).relu()));
        }
        fc(pool(h).flatten(1))
    }
}

model! {
    /// Convolutions by Winograd's algorithm.
    struct Wide { convs: [Conv2d(256, 256, 3, padding = 1); 2], fc: Linear(256, 5) }

    fn forward(x: [N, 256, 8, 8]) -> [N, 5] {
        let mut h = x;
        for conv in convs {
            h = conv(h).relu();
        }
        fc(h.mean((2, 3)))
    }
}

model! {
    /// Functions of single elements that are dear, one after the other.
    struct Deep { layers: [Linear(48, 48); 12], out: Linear(48, 5) }

    fn forward(x: [N, 48]) -> [N, 5] {
        let mut h = x;
        for layer in layers {
            h = (layer(h).gelu() + h).tanh();
        }
        out(h)
    }
}

model! {
    struct Tokens {
        table: Embedding(20, 32),
        layers: [TransformerEncoderLayer(32, 4, dim_feedforward = 64, dropout = 0.2, batch_first = true); 3],
        out: Linear(32, 5),
    }

    fn forward(x: [N, 16; i32]) -> [N, 5] {
        let mut h = table(x);
        for layer in layers {
            h = layer(h);
        }
        out(h.mean(dim = 1))
    }
}

model! {
    struct Series { wide: Linear(4, 32), lstm: LSTM(32, 24, batch_first = true), hidden: Linear(24, 64), out: Linear(64, 5) }

    fn forward(x: [N, 20, 4]) -> [N, 5] {
        let (y, _) = lstm(wide(x).gelu().tanh());
        out(hidden(y).gelu().sin().mean(dim = 1))
    }
}

model! {
    /// A maximum over points, whose gradient goes to those that are equal to it: a copy of these must not differ.
    struct Points { wide: [Linear(32, 32); 5], fc: Linear(32, 5) }

    fn forward(x: [N, 24, 32]) -> [N, 5] {
        let mut h = x;
        for layer in wide {
            h = layer(h).gelu() * 2.0;
        }
        fc(h.amax(dim = 1))
    }
}

model! {
    /// Two parts with optimizers of their own, one of which sees the other's results with their gradient cut off, then
    /// with it.
    struct Adversaries {
        maker: [Linear(32, 32); 4],
        judge: [Linear(32, 32); 4],
        verdict: Linear(32, 1),
        opt_judge: Sgd((judge, verdict), lr = 0.1, momentum = 0.9),
        opt_maker: Sgd(maker, lr = 0.1, momentum = 0.9),
    }

    fn forward(z: [N, 32]) -> [N, 32] {
        let mut h = z;
        for layer in maker { h = layer(h).tanh() + h; }
        h
    }

    fn judged(x: [N, 32]) -> [N, 1] {
        let mut h = x;
        for layer in judge { h = layer(h).gelu() + h; }
        verdict(h)
    }

    step both(real: [N, 32], z: [N, 32]) -> (of_judge, of_maker) {
        let made = self(z);
        let good = judged(real);
        let bad = judged(made.detach());
        let of_judge = bce_with_logits(good, ones_like(good)) + bce_with_logits(bad, zeros_like(bad));
        opt_judge.minimize(of_judge);
        let again = judged(made);
        let of_maker = bce_with_logits(again, ones_like(again));
        opt_maker.minimize(of_maker);
    }
}

/// What a training gives: its losses, its parameters afterwards, the bytes of its step.
struct Trained {
    losses: Vec<f32>,
    parameters: Vec<(String, ArrayD<f32>)>,
    bytes: usize,
}

/// That a training within the least memory and within half of what can be saved gives the same numbers as without a limit,
/// on one thread and on three. `train` gets the limit and the number of threads.
fn check(name: &str, train: impl Fn(usize, usize) -> Result<Trained, TrainError>) {
    let usual = train(usize::MAX, 1).unwrap_or_else(|error| panic!("{name}: {error}"));
    let error = train(1, 1).err().unwrap_or_else(|| panic!("{name}: trained within a byte"));
    let TrainError::MemoryLimit { least, limit: 1, .. } = error else { panic!("{name}: {error}") };
    assert!(least < usual.bytes, "{name}: nothing is saved of {} bytes", usual.bytes);
    for limit in [least, least + (usual.bytes - least) / 4, (least + usual.bytes) / 2] {
        let one = train(limit, 1).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(one.bytes <= limit, "{name}: {} bytes, of {limit}", one.bytes);
        if limit == least {
            let three = train(limit, 3).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(one.losses, three.losses, "{name}, by threads");
            assert_eq!(one.parameters, three.parameters, "{name}, by threads");
        }
        let near = |a: f32, b: f32| (a - b).abs() <= 2e-5 * (1.0 + b.abs());
        assert!(one.losses.iter().zip(&usual.losses).all(|(a, b)| near(*a, *b)), "{name} within {limit}: losses");
        for ((parameter, found), (_, expected)) in one.parameters.iter().zip(&usual.parameters) {
            let far = found.iter().zip(expected).find(|(a, b)| !near(**a, **b));
            assert_eq!(far, None, "{name} within {limit}: {parameter}");
        }
    }
}

fn parameters(model: &impl Parameters) -> Vec<(String, ArrayD<f32>)> {
    let mut list = Vec::new();
    model.each_parameter(&mut |name, parameter| {
        if parameter.count().is_none() {
            list.push((name.to_owned(), parameter.value.to_owned().into_owned()));
        }
    });
    list
}

/// Three steps of a classifier, by plain descent, which does not blow up last digits as Adam's first steps do.
fn classify<M, D>(x: ndarray::Array<M::Input, D>) -> impl Fn(usize, usize) -> Result<Trained, TrainError>
where
    M: Model<Input: kiln::graph::Element, Output = f32>,
    D: ndarray::Dimension,
{
    let y = Array1::from_shape_fn(x.shape()[0], |n| (n % 5) as i32);
    move |limit, threads| {
        let builder = Trainer::new(M::init(3), cross_entropy(), Sgd::new(0.05).momentum(0.9));
        let mut trainer = builder.batch(x.shape()[0]).threads(threads).seed(5).memory_limit(limit).build()?;
        let losses = (0..3).map(|_| trainer.step(&x, &y)).collect::<Result<_, _>>()?;
        let bytes = trainer.plan().peak_bytes();
        Ok(Trained { losses, parameters: parameters(trainer.model()), bytes })
    }
}

#[test]
fn numbers_do_not_depend_on_it() {
    let wave = |n: usize| (n as f32 * 0.37).sin();
    let images = Array4::from_shape_fn((8, 3, 12, 12), |(n, c, y, x)| wave(n * 432 + c * 144 + y * 12 + x));
    check("images", classify::<Images, _>(images));
    check("deep", classify::<Deep, _>(Array2::from_shape_fn((64, 48), |(n, i)| wave(n * 48 + i))));
    check("tokens", classify::<Tokens, _>(Array2::from_shape_fn((8, 16), |(n, t)| ((n * 7 + t * 3) % 20) as i32)));
    check("points", classify::<Points, _>(Array3::from_shape_fn((8, 24, 32), |(n, p, i)| wave(n * 768 + p * 32 + i))));
    check("series", classify::<Series, _>(Array3::from_shape_fn((8, 20, 4), |(n, t, i)| wave(n * 80 + t * 4 + i))));
}

#[test]
fn steps_have_it_too() {
    let [real, z] =
        [0, 1].map(|k| Array2::from_shape_fn((64, 32), |(n, i)| ((n * 32 + i + k * 77) as f32 * 0.61).sin()));
    check("adversaries", |limit, threads| {
        let builder = Adversaries::init(1).trainer().batch(64).threads(threads).memory_limit(limit);
        let mut trainer = builder.build()?;
        let mut losses = Vec::new();
        for _ in 0..3 {
            let (of_judge, of_maker) = trainer.both(&real, &z)?;
            losses.extend([of_judge, of_maker]);
        }
        let bytes = trainer.plan("both")?.peak_bytes();
        Ok(Trained { losses, parameters: parameters(trainer.model()), bytes })
    });
}

#[test]
fn it_goes_with_other_settings() {
    let x =
        Array4::from_shape_fn((8, 3, 12, 12), |(n, c, y, x)| ((n * 432 + c * 144 + y * 12 + x) as f32 * 0.37).sin());
    let y = Array1::from_shape_fn(8, |n| n % 5);
    type Built = kiln::TrainerBuilder<Images, CrossEntropy, Sgd>;
    type Set = fn(Built) -> Built;
    let settings: [(&str, Set, f32); 3] = [
        ("bf16", |builder| builder.precision(Precision::Bf16), 2e-2),
        ("exact", |builder| builder.exact(), 2e-5),
        ("shards", |builder| builder.shards(2), 2e-5),
    ];
    for (name, set, tolerance) in settings {
        let train = |limit: usize| {
            let builder = Trainer::new(Images::init(3), cross_entropy(), Sgd::new(0.05)).batch(8).threads(1);
            let mut trainer = set(builder).memory_limit(limit).build()?;
            let losses = (0..3).map(|_| trainer.step(&x, &y)).collect::<Result<Vec<f32>, _>>()?;
            Ok((losses, trainer.plan().peak_bytes()))
        };
        let (usual, bytes) = train(usize::MAX).unwrap_or_else(|error: TrainError| panic!("{name}: {error}"));
        let least = match train(1) {
            Err(TrainError::MemoryLimit { least, .. }) => least,
            other => panic!("{name}: {other:?}"),
        };
        let (losses, fewer) = train(least).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(fewer <= least && least < bytes, "{name}: {fewer} bytes within {least}, usually {bytes}");
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * (1.0 + b.abs());
        assert!(losses.iter().zip(&usual).all(near), "{name}: {losses:?} for {usual:?}");
    }
}

#[test]
fn what_does_not_fit_names_what_would() {
    let built = Trainer::new(Deep::init(0), cross_entropy(), Sgd::new(0.1)).batch(32).memory_limit(1000).build();
    let error = built.expect_err("there is no room").to_string();
    let (found, words) = error.split_once(" bytes of memory").expect("it names bytes");
    assert!(found.starts_with("a batch of 32 takes "), "{error}");
    assert!(words.contains(".memory_limit(1000)"), "{error}");
    assert!(words.contains("take a smaller batch"), "{error}");
}

/// Convolutions whose tasks take more memory than there is, by a little, have fewer of them: nothing is computed again.
#[test]
fn fewer_tasks_come_before_values_that_are_computed_again() {
    let (x, y) = (
        Array4::from_shape_fn((4, 256, 8, 8), |(n, c, i, j)| ((n + 3 * c + 5 * i + 7 * j) as f32).sin()),
        [0, 1, 2, 3],
    );
    let build = |limit| {
        let trainer = Trainer::new(Wide::init(0), cross_entropy(), Sgd::new(0.01)).batch(4);
        trainer.threads(1).memory_limit(limit).build().expect("a trainer")
    };
    let mut usual = build(usize::MAX);
    let bytes = usual.plan().peak_bytes();
    let mut fewer = build(bytes - 1);
    assert!(fewer.plan().peak_bytes() < bytes);
    assert!(!fewer.plan().to_string().contains("(again)"), "{}", fewer.plan());
    for _ in 0..4 {
        let (found, expected) = (fewer.step(&x, &y).unwrap(), usual.step(&x, &y).unwrap());
        // Sums of a weight gradient in another order.
        assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{found}, not {expected}");
    }
}

#[test]
fn the_plan_says_what_is_computed_again() {
    let build = |limit: usize| {
        let trainer = Trainer::new(Deep::init(0), cross_entropy(), Sgd::new(0.1)).batch(64).memory_limit(limit).build();
        trainer.map(|trainer| (trainer.plan().peak_bytes(), trainer.plan().to_string()))
    };
    let (bytes, usual) = build(usize::MAX).expect("no limit");
    let (fewer, limited) = build(bytes - bytes / 8).expect("an eighth less");
    assert!(!usual.contains("(again)"), "{usual}");
    assert!(fewer <= bytes - bytes / 8 && limited.contains("(again)"), "{limited}");
    assert_eq!(build(bytes).expect("what it takes"), (bytes, usual));
}
