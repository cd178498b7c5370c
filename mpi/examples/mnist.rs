//! LeNet on MNIST, on as many processes as `mpirun` starts:
//! `cargo build --release -p kiln-mpi --example mnist`, then `mpirun -n 2 target/release/examples/mnist [--data DIR]`.
//!
//! The folder holds MNIST's IDX files, gzipped or not; without it the digits of `examples/data` are taken, enlarged.
//! Each process computes its part of every batch; the first one alone shows what comes of it and writes checkpoints,
//! into `target/mnist-mpi/`, from where a job goes on that was ended, with any number of processes.

#[path = "../../examples/support/mnist.rs"]
mod digits;
#[path = "../../examples/support/embedded.rs"]
mod embedded;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use kiln::prelude::*;
use ndarray::{Array4, ArrayD};

use digits::{LeNet, mnist};

fn main() -> Result<(), Box<dyn Error>> {
    // ANCHOR: train
    let world = kiln_mpi::world()?;
    let (train, test) = data()?;
    let trainer = Trainer::new(LeNet::init(42), cross_entropy(), Adam::default().lr(2e-3)).batch(64);
    let mut trainer = trainer.distributed(&world).shards(8.max(world.ranks())).build()?;
    let start = Instant::now();
    let fit = trainer.fit(&train).epochs(5).shuffle(42).validate(&test);
    let history = fit.checkpoint("target/mnist-mpi").resume().run()?;
    // ANCHOR_END: train
    if world.rank() == 0 {
        let accuracy = history.last("valid.accuracy").map_or(0.0, |point| point.value);
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{} ranks, {seconds:.1} s: {:.2} % of {} digits are read right",
            world.ranks(),
            100.0 * accuracy,
            test.len()
        );
    }
    Ok(())
}

/// What is learned from, and what is tested with.
fn data() -> Result<(Dataset, Dataset), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            let digits = embedded::digits()?;
            let enlarged = Array4::from_shape_fn((digits.len(), 1, 28, 28), |(number, _, row, column)| {
                // Each pixel is a square of 3, with a margin of 2 around all.
                let within = |place: usize| (2..26).contains(&place);
                let inside = within(row) && within(column);
                if inside { digits.inputs()[[number, 0, (row - 2) / 3, (column - 2) / 3]] } else { 0.0 }
            });
            let images: ArrayD<f32> = enlarged.into_dyn();
            Ok(Dataset::new(images, digits.targets().clone())?.split(0.85, 42))
        }
        [flag, folder] if flag == "--data" => Ok(mnist(Path::new(folder))?),
        _ => Err("usage: mnist [--data DIR], where DIR holds train-images-idx3-ubyte.gz and the other three".into()),
    }
}
