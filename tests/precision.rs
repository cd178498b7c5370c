//! Training and predicting in bf16: near what f32 gives, the same bits for any number of threads, half the memory, and
//! files that know nothing of it.

#[path = "../examples/support/digit_net.rs"]
#[allow(dead_code)] // How fast the example trains is its own.
mod digit_net;
#[path = "../examples/support/embedded.rs"]
mod embedded;
#[path = "common/folder.rs"]
mod folder;
#[path = "../benches/suite/networks.rs"]
#[allow(dead_code)]
mod networks;
#[path = "../examples/support/training.rs"]
#[allow(dead_code)]
mod training;

use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array1, ArrayD, IxDyn};

use folder::Folder;

model! {
    struct Mlp {
        a: Linear(16, 64),
        b: Linear(64, 48),
        c: Linear(48, 10),
    }

    fn forward(x: [N, 16]) -> [N, 10] {
        c(b(a(x).relu()).relu())
    }
}

model! {
    struct LeNet {
        conv1: Conv2d(1, 8, 5),
        conv2: Conv2d(8, 16, 3),
        fc1: Linear(144, 32),
        fc2: Linear(32, 10),
    }

    fn forward(x: [N, 1, 16, 16]) -> [N, 10] {
        let pooled = max_pool2d(conv1(x).relu(), 2);
        let seen = max_pool2d(conv2(pooled).relu(), 2, stride = 1);
        fc2(fc1(seen.flatten(1)).relu())
    }
}

model! {
    struct Block<const C: usize> {
        conv1: Conv2d(C, C, 3, padding = 1, bias = false),
        norm1: BatchNorm2d(C),
        conv2: Conv2d(C, C, 3, padding = 1, bias = false),
        norm2: BatchNorm2d(C),
    }

    fn forward(x: [N, C, 8, 8]) -> [N, C, 8, 8] {
        let y = norm1(conv1(x)).relu();
        (norm2(conv2(y)) + x).relu()
    }
}

model! {
    struct ResNet {
        stem: Conv2d(3, 16, 3, padding = 1, bias = false),
        norm: BatchNorm2d(16),
        blocks: [Block(16); 2],
        fc: Linear(16, 10),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 10] {
        x = norm(stem(x)).relu();
        for block in blocks {
            x = block(x);
        }
        fc(x.mean(dim = (2, 3)))
    }
}

model! {
    struct Transformer {
        ln1: LayerNorm(32),
        qkv: Linear(32, 96),
        out: Linear(32, 32),
        ln2: LayerNorm(32),
        up: Linear(32, 64),
        down: Linear(64, 32),
        head: Linear(32, 10),
    }

    fn forward(x: [N, 12, 32]) -> [N, 10] {
        let (q, k, v) = qkv(ln1(x)).chunk(3, dim = -1);
        x = x + out(scaled_dot_product_attention(q, k, v, is_causal = true));
        x = x + down(up(ln2(x)).gelu());
        head(x.mean(dim = 1))
    }
}

model! {
    struct Recurrent {
        lstm: LSTM(8, 24),
        fc: Linear(24, 10),
    }

    fn forward(x: [N, 9, 8]) -> [N, 10] {
        let (y, _) = lstm(x);
        fc(y.slice(1, 8, 9).squeeze(1))
    }
}

model! {
    /// ALiBi as BLOOM has it: what is added to scores grows with the key's place, far beyond the scores.
    struct Slopes {
        qkv: Linear(16, 48),
    }

    fn forward(x: [N, 1000, 16]) -> [N, 1000, 16] {
        let (q, k, v) = qkv(x).chunk(3, dim = -1);
        let scores = q.matmul(k.transpose(1, 2)) * 0.25 + arange(1000).float() * 0.5;
        let place = arange(1000);
        scores.masked_fill(place.unsqueeze(0) > place.unsqueeze(1), f64::NEG_INFINITY).softmax(2).matmul(v)
    }
}

/// A batch that is the same each time.
fn batch<M: Model>(rows: usize) -> (ArrayD<f32>, Array1<i32>) {
    let shape = IxDyn(M::INPUTS[0].shape.with(0, rows).dims());
    let x = (0..M::INPUTS[0].shape.with(0, rows).elements())
        .map(|place| 2.0 * uniform(7, 1, 0, place as u64) - 1.0)
        .collect();
    (ArrayD::from_shape_vec(shape, x).unwrap(), Array1::from_iter((0..rows).map(|row| (row * 7 + 3) as i32 % 10)))
}

fn builder<M: Model<Input = f32, Output = f32>>(model: M) -> kiln::TrainerBuilder<M, CrossEntropy, Adam> {
    Trainer::new(model, cross_entropy(), Adam::default()).batch(8)
}

/// The losses of three steps.
fn losses<M: Model<Input = f32, Output = f32>>(precision: Precision, threads: usize) -> Vec<f32> {
    let mut trainer = builder(M::init(1)).precision(precision).threads(threads).build().unwrap();
    let (x, y) = batch::<M>(8);
    (0..3).map(|_| trainer.step(&x, &y).unwrap()).collect()
}

/// The part of f32's loss by which one in bf16 may differ, as PyTorch's autocast is asked for (benches/suite).
const NEAR: f32 = 2e-2;

/// That losses in bf16 are near those in f32, and have the same bits for any number of threads; and other bits than f32.
fn check<M: Model<Input = f32, Output = f32>>() {
    let (exact, mixed) = (losses::<M>(Precision::F32, 1), losses::<M>(Precision::Bf16, 1));
    for (step, (exact, mixed)) in exact.iter().zip(&mixed).enumerate() {
        assert!((exact - mixed).abs() <= NEAR * exact, "step {step}: {exact} in f32, {mixed} in bf16");
    }
    assert_ne!(exact, mixed, "something is rounded");
    for threads in [2, 3] {
        assert_eq!(losses::<M>(Precision::Bf16, threads), mixed, "{threads} threads");
    }
}

#[test]
fn linear_layers_are_near_f32() {
    check::<Mlp>();
}

#[test]
fn convolutions_and_pools_are_near_f32() {
    check::<LeNet>();
}

#[test]
fn norms_and_residuals_are_near_f32() {
    check::<ResNet>();
}

#[test]
fn attention_is_near_f32() {
    check::<Transformer>();
}

#[test]
fn what_is_added_to_scores_is_not_rounded_with_them() {
    let (x, _) = batch::<Slopes>(2);
    let outputs =
        |precision| Predictor::new(Slopes::init(1)).precision(precision).batch(2).build().unwrap().predict(&x).unwrap();
    let (exact, mixed) = (outputs(Precision::F32), outputs(Precision::Bf16));
    let largest = |x: &ArrayD<f32>| x.iter().fold(0.0, |most: f32, number| most.max(number.abs()));
    let error = largest(&(&exact - &mixed)) / largest(&exact);
    assert!(error <= NEAR, "{error}");
}

#[test]
fn recurrences_are_near_f32() {
    check::<Recurrent>();
}

/// Steps that a model declares, evaluation, and both kinds of prediction compute in the precision of their builder.
#[test]
fn every_program_is_in_the_precision_of_its_builder() {
    let (x, y) = batch::<ResNet>(8);
    let mut trainer = builder(ResNet::init(1)).precision(Precision::Bf16).threads(1).build().unwrap();
    trainer.step(&x, &y).unwrap();
    assert!(trainer.plan().to_string().contains("bf16"), "the plan shows types:\n{}", trainer.plan());
    let predicted = trainer.predict(&x).unwrap();
    let folder = Folder::new("predicted");
    trainer.model().save(folder.path("net")).unwrap();
    let [mixed, exact] = [Precision::Bf16, Precision::F32].map(|precision| {
        let mut model = ResNet::init(2);
        model.load(folder.path("net")).unwrap();
        let predictor = Predictor::new(model).batch(8).precision(precision).threads(1).build().unwrap();
        predictor.predict(&x).unwrap()
    });
    assert_eq!(mixed, predicted, "a trainer and a predictor in bf16");
    let largest = exact.iter().fold(0.0_f32, |largest, y| largest.max(y.abs()));
    assert_ne!(mixed, exact);
    assert!(mixed.iter().zip(&exact).all(|(mixed, exact)| (mixed - exact).abs() <= NEAR * largest), "{mixed} {exact}");
}

/// Of the arena for a step of ResNet-18 (97 MB) activations take 84 MB in f32 and 42 in bf16. Then 22 are rounded
/// weights, which live from the forward to the backward pass; the rest is what contractions pack, f32 in either case.
#[test]
fn activations_take_half_the_memory() {
    let bytes = |precision| {
        let trainer = builder(networks::ResNet18::init(1)).batch(16).precision(precision).threads(1).build().unwrap();
        trainer.plan().arena_bytes
    };
    let (exact, mixed) = (bytes(Precision::F32), bytes(Precision::Bf16));
    assert!(mixed as f64 <= 0.89 * exact as f64, "{exact} bytes in f32, {mixed} in bf16");
}

/// A training in one precision goes on in the other: states are f32, and so are files.
#[test]
fn checkpoints_know_no_precision() {
    let folder = Folder::new("precision");
    let path = folder.path("run.safetensors");
    let (x, y) = batch::<Mlp>(8);
    let build = |precision| builder(Mlp::init(1)).precision(precision).threads(1).build().unwrap();
    for (first, second) in [(Precision::Bf16, Precision::F32), (Precision::F32, Precision::Bf16)] {
        let mut trainer = build(first);
        trainer.step(&x, &y).unwrap();
        trainer.save(&path).unwrap();
        let (mut same, mut other) = (build(first), build(second));
        same.load(&path).unwrap();
        other.load(&path).unwrap();
        let expected = trainer.step(&x, &y).unwrap();
        assert_eq!(same.step(&x, &y).unwrap(), expected, "the same bits where it goes on in the same precision");
        assert!((other.step(&x, &y).unwrap() - expected).abs() <= NEAR * expected);
    }
}

/// The interpreter that looks for the first number that is not finite computes what the program did.
#[test]
fn what_is_not_finite_is_found() {
    let mut model = Mlp::init(1);
    // Finite in f32, but its nearest number of bf16 is infinite.
    model.b.weight.value[[3, 4]] = f32::MAX;
    let mut trainer = builder(model).precision(Precision::Bf16).check_numerics(true).threads(1).build().unwrap();
    let (x, y) = batch::<Mlp>(8);
    let error = trainer.step(&x, &y).unwrap_err();
    assert!(matches!(error, TrainError::Numerics(_)), "{error}");
    assert!(error.to_string().contains("convert"), "{error}");
}

/// The example `digits`, as long as it is trained there.
#[test]
fn digits_are_read_as_well() {
    let (train, test) = embedded::digits().unwrap().split(0.8, digit_net::SEED);
    let accuracy = |precision| {
        let model = digit_net::DigitNet::init(digit_net::SEED);
        let builder = Trainer::new(model, cross_entropy(), Adam::default()).batch(digit_net::SCHEDULE.batch);
        let mut trainer = builder.precision(precision).build().unwrap();
        training::train(&mut trainer, digit_net::SCHEDULE, &train, &test).unwrap();
        trainer.evaluate(test.inputs(), test.targets()).unwrap().accuracy.unwrap()
    };
    let (exact, mixed) = (accuracy(Precision::F32), accuracy(Precision::Bf16));
    // 0.3 % of 359 digits is one.
    assert!(mixed >= exact - 0.003, "{exact} in f32, {mixed} in bf16");
}
