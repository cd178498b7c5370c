//! What care for numbers costs. `cargo bench --bench numerics -- --threads 1` prints two tables: whether steps get slower where
//! moments and running statistics decay to subnormal numbers, with and without `flush_denormal`; and what
//! `check_numerics(true)` adds to a step of some networks (`--check` prints that table alone, `--subnormal` the other).

use std::env;
use std::time::Instant;

use kiln::losses::CrossEntropy;
use kiln::optimizers::Optimizer;
use kiln::prelude::*;
use ndarray::{Array1, Array2, Array4};

/// Half of the features are 0 from this step on: the moments of their weights, and their running statistics, only decay.
const QUIET_FROM: usize = 100;
const STEPS: usize = 10_000;
const WINDOW: usize = 1_000;

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

model! {
    struct LeNet {
        conv1: Conv2d(1, 20, 5),
        conv2: Conv2d(20, 50, 5),
        fc1: Linear(800, 500),
        fc2: Linear(500, 10),
    }

    fn forward(x: [N, 1, 28, 28]) -> [N, 10] {
        let x = max_pool2d(conv1(x), 2);
        let x = max_pool2d(conv2(x), 2);
        fc2(fc1(x.flatten(1)).relu())
    }
}

model! {
    struct Convolutions {
        first: Conv2d(3, 64, 3, padding = 1, bias = false),
        norm: BatchNorm2d(64),
        convs: [Conv2d(64, 64, 3, padding = 1, bias = false); 8],
        norms: [BatchNorm2d(64); 8],
        out: Linear(64, 10),
    }

    fn forward(x: [N, 3, 32, 32]) -> [N, 10] {
        let x = norm(first(x)).relu();
        for i in 0..4 {
            let y = norms[2 * i](convs[2 * i](x)).relu();
            x = (x + norms[2 * i + 1](convs[2 * i + 1](y))).relu();
        }
        out(x.mean([2, 3]))
    }
}

model! {
    struct Tokens {
        table: Embedding(1000, 128),
        blocks: [TransformerEncoderLayer(128, 4, 512, batch_first = true); 4],
        out: Linear(128, 10),
    }

    fn forward(x: [N, 64; i32]) -> [N, 10] {
        let x = table(x);
        for block in blocks.iter() {
            x = block(x);
        }
        out(x.mean(1))
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

/// The shortest time of a step without and with a check, taken in turns, in milliseconds.
fn checked<M, X>(
    name: &str,
    model: impl Fn() -> M,
    x: X,
    labels: &Array1<i32>,
    threads: usize,
) -> Result<(), TrainError>
where
    M: Model,
    for<'x> &'x X: kiln::Inputs<M::Input>,
    CrossEntropy: kiln::losses::Criterion<M::Output>,
    for<'y> &'y Array1<i32>: kiln::BatchTargets<<CrossEntropy as kiln::losses::Criterion<M::Output>>::Target>,
{
    let build = |check: bool| {
        let trainer = Trainer::new(model(), cross_entropy(), Adam::default()).batch(labels.len()).threads(threads);
        trainer.check_numerics(check).build()
    };
    let mut trainers = [build(false)?, build(true)?];
    let mut best = [f64::INFINITY; 2];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 8.0 {
        for (trainer, best) in trainers.iter_mut().zip(&mut best) {
            let start = Instant::now();
            trainer.step(&x, labels)?;
            *best = best.min(1e3 * start.elapsed().as_secs_f64());
        }
    }
    println!("{name:14} {:>9.3} {:>9.3} {:>6.2}", best[0], best[1], best[1] / best[0]);
    Ok(())
}

fn checks(threads: usize) -> Result<(), TrainError> {
    println!("milliseconds a step (shortest), Adam: without and with check_numerics(true)");
    let labels = |count: usize| Array1::from_shape_fn(count, |row| (row % 10) as i32);
    let image = |shape: (usize, usize, usize, usize)| {
        Array4::from_shape_fn(shape, |(n, c, y, x)| ((n * 7 + c * 5 + y * 3 + x) as f32 * 0.37).sin())
    };
    checked("lenet 64", || LeNet::init(1), image((64, 1, 28, 28)), &labels(64), threads)?;
    checked("residual 32", || Convolutions::init(1), image((32, 3, 32, 32)), &labels(32), threads)?;
    let words = Array2::from_shape_fn((16, 64), |(n, t)| ((n * 31 + t * 17) % 1000) as i32);
    checked("transformer 16", || Tokens::init(1), words, &labels(16), threads)
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
