//! Learns to read handwritten digits of 8 x 8 pixels in a few seconds: `cargo run --release --example digits`.
//!
//! The data (1,797 images, see `examples/data/README.md`) is part of the program. Everything it writes goes into
//! `target/digits/`: the weights, the loss curve, the digits that it got wrong, and `digits.html`, a drawing of the training
//! step to be opened in a browser.

#[path = "support/digit_net.rs"]
mod digit_net;
#[path = "support/embedded.rs"]
mod embedded;
#[path = "support/output.rs"]
mod output;
#[path = "support/results.rs"]
mod results;
#[path = "support/training.rs"]
mod training;

use std::error::Error;
use std::time::Instant;

use digit_net::{SCHEDULE, SEED};

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let (train, test) = embedded::digits()?.split(0.8, SEED);
    println!("{} digits to learn from, {} to test with", train.len(), test.len());

    let mut trainer = digit_net::trainer()?;
    println!("compiled in {:.1} ms\n{}\n", start.elapsed().as_secs_f64() * 1e3, trainer.summary()?);

    let folder = output::folder("digits")?;
    let drawing = folder.join("digits.html");
    trainer.graph_html(&drawing)?;
    println!("a drawing of the training step in {}", drawing.display());

    let start = Instant::now();
    let history = training::train(&mut trainer, SCHEDULE, &train, &test)?;
    println!("trained in {:.2} s", start.elapsed().as_secs_f64());
    results::finish(&mut trainer, &history, &test, &folder)
}
