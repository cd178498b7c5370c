//! LeNet on MNIST or any data set in its format:
//! `cargo run --release --example mnist -- --data DIR [--epochs 3] [--precision bf16]`.
//!
//! The folder holds IDX files, gzipped or not, under their usual names (`-idx3-ubyte` or `.idx3-ubyte`). With
//! `train-images-idx3-ubyte` it trains on those and tests on `t10k-images-idx3-ubyte`; where there is only the latter, it
//! trains on the first 85 % of it and tests on the rest. Everything it writes goes into `target/mnist/`.

#[path = "support/mnist.rs"]
mod digits;
#[path = "support/output.rs"]
mod output;
#[path = "support/results.rs"]
mod results;
#[path = "support/training.rs"]
mod training;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use kiln::prelude::*;

use digits::{LeNet, mnist};
use training::Schedule;

const SEED: u64 = 42;

fn main() -> Result<(), Box<dyn Error>> {
    let (folder, epochs, precision) = arguments()?;
    let (train, test) = mnist(&folder)?;
    println!("{} images to learn from, {} to test with", train.len(), test.len());

    let start = Instant::now();
    let schedule = Schedule { epochs, batch: 64, rate: 2e-3 };
    let trainer = Trainer::new(LeNet::init(SEED), cross_entropy(), Adam::default());
    let mut trainer = trainer.batch(schedule.batch).precision(precision).build()?;
    println!("compiled in {:.1} ms\n{}\n", start.elapsed().as_secs_f64() * 1e3, trainer.summary()?);

    let start = Instant::now();
    let history = training::train(&mut trainer, schedule, &train, &test)?;
    println!("trained in {:.2} s", start.elapsed().as_secs_f64());
    results::finish(&mut trainer, &history, &test, &output::folder("mnist")?)
}

fn arguments() -> Result<(PathBuf, u64, Precision), Box<dyn Error>> {
    const USAGE: &str = "usage: mnist --data DIR [--epochs 3] [--precision f32|bf16], where DIR holds IDX files such as t10k-images-idx3-ubyte.gz";
    let mut folder = None;
    let mut epochs = 3;
    let mut precision = Precision::F32;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match argument.as_str() {
            "--data" => folder = Some(PathBuf::from(value)),
            "--epochs" => epochs = value.parse()?,
            "--precision" if value == "bf16" => precision = Precision::Bf16,
            "--precision" if value == "f32" => precision = Precision::F32,
            _ => return Err(USAGE.into()),
        }
    }
    Ok((folder.ok_or(USAGE)?, epochs, precision))
}
