//! What care for numbers costs. `cargo bench --bench numerics -- --threads 1` prints two tables: whether steps get slower where
//! moments and running statistics decay to subnormal numbers, with and without `flush_denormal`; and what
//! `check_numerics(true)` adds to a step of some networks of the suite (`--check` prints that table alone, `--subnormal` the
//! other).

#[allow(dead_code)]
#[path = "../suite/networks.rs"]
mod networks;

use std::env;
use std::time::Instant;

use kiln::optimizers::Optimizer;
use kiln::prelude::*;
use ndarray::{Array1, Array2, ArrayD};

use crate::networks::{Characters, LeNet, MlpMnist, Recurrent, ResNet18, Transformer, VggBn};

/// Half of the features are 0 from this step on: the moments of their weights, and their running statistics, only decay.
const QUIET_FROM: usize = 100;
const STEPS: usize = 10_000;
const WINDOW: usize = 1_000;
/// For each network that is checked.
const SECONDS: f64 = 6.0;

model! {
    struct Features {
        norm: BatchNorm1d(512),
        hidden: Linear(512, 256),
        out: Linear(256, 10),
    }

    fn forward(x: [N, 512]) -> [N, 10] {
        out(hidden(x + norm(x)).tanh())
    }
}

/// The time that nine of ten exceed: other programs on the machine disturb it little.
fn usual(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 10]
}

/// The usual time of a step in the first and in the last steps of a run, in microseconds.
fn decays(optimizer: impl Optimizer, flush: bool, threads: usize) -> Result<[f64; 2], TrainError> {
    let trainer = Trainer::new(Features::init(1), cross_entropy(), optimizer).batch(16).threads(threads);
    let mut trainer = trainer.flush_denormal(flush).build()?;
    let mut x = Array2::from_shape_fn((16, 512), |(row, column)| ((row * 512 + column) as f32 * 0.37).sin());
    let y = Array1::from_shape_fn(16, |row| (row % 10) as i32);
    let mut times = Vec::with_capacity(STEPS);
    for step in 0..STEPS {
        if step == QUIET_FROM {
            x.slice_mut(ndarray::s![.., 256..]).fill(0.0);
        }
        let start = Instant::now();
        trainer.step(&x, &y)?;
        times.push(1e6 * start.elapsed().as_secs_f64());
    }
    let last = times.split_off(STEPS - WINDOW);
    times.truncate(WINDOW);
    Ok([usual(times), usual(last)])
}

fn subnormal(threads: usize) -> Result<(), TrainError> {
    println!("{STEPS} steps, microseconds a step (nine of ten take longer): the first {WINDOW} and the last {WINDOW}");
    println!("{:12} {:>10} {:>10} {:>6}   {:>10} {:>10} {:>6}", "", "flushed", "", "ratio", "kept", "", "ratio");
    macro_rules! rows {
        ($($name:literal: $optimizer:expr;)*) => {$(
            let [[first, last], [kept_first, kept_last]] =
                [decays($optimizer, true, threads)?, decays($optimizer, false, threads)?];
            println!(
                "{:12} {first:>10.1} {last:>10.1} {:>6.2}   {kept_first:>10.1} {kept_last:>10.1} {:>6.2}",
                $name, last / first, kept_last / kept_first
            );
        )*};
    }
    rows! {
        "Adam": Adam::default();
        "AdamW": AdamW::default();
        "Adamax": Adamax::default();
        "NAdam": NAdam::default();
        "RAdam": RAdam::default();
        "RMSprop": RMSprop::default();
        "Adadelta": Adadelta::default();
        "Sgd 0.9": Sgd::new(0.01).momentum(0.9);
        "Lion": Lion::default();
    }
    Ok(())
}

/// Prints the shortest time of a step without and with a check, taken in turns, in milliseconds.
fn checked<T>(
    name: &str,
    build: impl Fn(bool) -> Result<T, TrainError>,
    step: impl Fn(&mut T) -> Result<f32, TrainError>,
) -> Result<(), TrainError> {
    let mut trainers = [build(false)?, build(true)?];
    let mut best = [f64::INFINITY; 2];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < SECONDS {
        for (trainer, best) in trainers.iter_mut().zip(&mut best) {
            let start = Instant::now();
            step(trainer)?;
            *best = best.min(1e3 * start.elapsed().as_secs_f64());
        }
    }
    println!("{name:14} {:>9.3} {:>9.3} {:>6.2}", best[0], best[1], best[1] / best[0]);
    Ok(())
}

/// A network that tells classes.
fn classes<M: Model<Input = f32, Output = f32>>(name: &str, batch: usize, threads: usize) -> Result<(), TrainError> {
    let mut place = 0.0;
    let x = ArrayD::from_shape_simple_fn(M::INPUT.with(0, batch).dims(), || {
        place += 0.37;
        f32::sin(place)
    });
    let labels = Array1::from_shape_fn(batch, |row| (row % 10) as i32);
    let build = |check: bool| {
        let trainer = Trainer::new(M::init(1), cross_entropy(), Adam::default()).batch(batch).threads(threads);
        trainer.check_numerics(check).build()
    };
    checked(name, build, |trainer| trainer.step(&x, &labels))
}

fn checks(threads: usize) -> Result<(), TrainError> {
    println!("milliseconds a step (shortest), Adam: without and with check_numerics(true)");
    classes::<MlpMnist>("mlp_mnist 64", 64, threads)?;
    classes::<LeNet>("lenet 64", 64, threads)?;
    classes::<VggBn>("vgg_bn 32", 32, threads)?;
    classes::<ResNet18>("resnet18 16", 16, threads)?;
    classes::<Recurrent>("lstm 32", 32, threads)?;
    classes::<Transformer>("transformer 16", 16, threads)?;
    let build = |check: bool| Characters::init(1).trainer().batch(8).threads(threads).check_numerics(check).build();
    let [x, y] =
        [0, 1].map(|ahead| Array2::from_shape_fn((8, 128), |(n, t)| ((n * 31 + (t + ahead) * 17) % 65) as i32));
    checked("gpt 8", build, |trainer| trainer.fit(&x, &y))
}

fn main() -> Result<(), TrainError> {
    let arguments: Vec<String> = env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let threads = arguments.iter().position(|argument| argument == "--threads");
    let threads = threads.and_then(|place| arguments.get(place + 1)?.parse().ok()).unwrap_or(1);
    if !has("--check") {
        subnormal(threads)?;
    }
    if !has("--subnormal") {
        checks(threads)?;
    }
    Ok(())
}
