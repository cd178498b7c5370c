//! Learns to write digits of 16 x 16 pixels: `cargo run --release --example gan`.
//!
//! A generator makes images of noise, a discriminator tells them from the 1,797 handwritten digits, and each learns from the
//! other (a DCGAN: Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks"). Both are trained by one program, a `step` of `model!`. The classifier of the example `digits`, trained here as
//! it is there, then says what it reads in the samples, which it has never seen.
//!
//! Everything it writes goes into `target/gan/`: a grid of samples for each epoch (`epoch_01.png`, ..), the losses
//! (`loss.svg`) and the weights of both networks.

#[path = "support/digit_net.rs"]
mod digit_net;
#[path = "support/embedded.rs"]
mod embedded;
#[path = "support/output.rs"]
mod output;
#[path = "support/training.rs"]
mod training;

use std::error::Error;
use std::f32::consts::TAU;
use std::path;
use std::time::Instant;

use digit_net::{CLASSES, DigitNet};
use kiln::prelude::*;
use kiln::random::uniform;
use kiln::report::plots::{Chart, ImageGrid};
use ndarray::{Array4, ArrayD, Axis, Slice};

const SEED: u64 = 42;
const EPOCHS: u64 = 60;
const BATCH: usize = 64;
/// The numbers that an image is made of.
const NOISE: usize = 32;
/// The samples of a grid.
const SAMPLES: usize = 200;
/// The probability from which on a digit counts as recognised.
const CONFIDENCE: f32 = 0.8;

// ANCHOR: generator
model! {
    #[model(input = [NOISE, 1, 1])]
    /// From noise to an image.
    pub struct Generator(
        ConvTranspose2d(NOISE, 64, 4, bias = false),
        BatchNorm2d(64),
        ReLU,
        ConvTranspose2d(64, 32, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(32),
        ReLU,
        ConvTranspose2d(32, 1, 4, stride = 2, padding = 1, bias = false),
        Tanh,
    );
}
// ANCHOR_END: generator

// ANCHOR: discriminator
model! {
    #[model(input = [1, 16, 16])]
    /// From an image to how likely it is a real one.
    pub struct Discriminator(
        Conv2d(1, 32, 4, stride = 2, padding = 1, bias = false),
        LeakyReLU(0.2),
        Conv2d(32, 64, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(64),
        LeakyReLU(0.2),
        Flatten,
        Dropout(0.3),
        Linear(1024, 1),
    );
}
// ANCHOR_END: discriminator

// ANCHOR: steps
model! {
    /// Both networks, and an optimizer for each.
    pub struct Gan {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator, lr = 7e-4, betas = (0.5, 0.999)),
        opt_d: Adam(discriminator, lr = 2e-4, betas = (0.5, 0.999)),
    }

    // One pass of the generator serves both losses; behind its `detach` the first holds no backward code of the generator,
    // and the second sees the discriminator that has just been updated.
    step update(real: [N, 1, 16, 16], z: [N, NOISE, 1, 1]) -> (loss_d, loss_g) {
        let fake = generator(z);
        let loss_d = bce_with_logits(discriminator(real), 0.9) + bce_with_logits(discriminator(fake.detach()), 0.0);
        opt_d.minimize(loss_d);
        let loss_g = bce_with_logits(discriminator(fake), 1.0);
        opt_g.minimize(loss_g);
    }

    // Pixels from 0 to 1.
    eval sample(z: [N, NOISE, 1, 1]) -> image {
        let image = (generator(z) + 1.0) / 2.0;
    }
}
// ANCHOR_END: steps

model! {
    /// Digits of 8 x 8 pixels at 16 x 16, from -1 to 1.
    struct Enlarge {
        upsample: Upsample(16, mode = "bilinear"),
    }

    fn forward(x: [N, 1, 8, 8]) -> [N, 1, 16, 16] {
        upsample(x) * 2.0 - 1.0
    }
}

model! {
    /// Samples at the size that the network of the example `digits` reads.
    #[model(input = [1, 16, 16])]
    struct Reduce(AvgPool2d(2));
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = output::folder("gan")?;
    let digits = embedded::digits()?;
    let enlarge = Predictor::new(Enlarge::init(0)).build()?;
    println!("the judge learns to read");
    let judge = judge(&digits)?;

    let real = enlarge.predict(&digits.images().slice_axis(Axis(0), Slice::from(..SAMPLES)))?;
    let Verdict { recognised, .. } = verdict(&judge, &real.mapv(|pixel| (pixel + 1.0) / 2.0))?;
    println!("of {SAMPLES} real digits at 16 x 16 pixels it recognises {recognised}");

    let start = Instant::now();
    // As many as are shown at once; steps have fewer.
    let mut gan = Gan::init(SEED).trainer().batch(SAMPLES).seed(SEED).build()?;
    println!("compiled in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    for program in ["update", "sample"] {
        let plan = gan.plan(program)?;
        println!(
            "  {program:<7} {:>5.1} MFLOP, {:>6.1} kB of arena",
            plan.flops() as f64 / 1e6,
            plan.arena_bytes as f64 / 1e3
        );
    }

    let start = Instant::now();
    let shown = noise(SAMPLES, u32::MAX);
    let mut saved = Ok(());
    // ANCHOR: train
    let steps = EPOCHS * digits.len().div_ceil(BATCH) as u64;
    let mut step = 0;
    let history = kiln::fit(&mut gan, &digits, |gan, (images, _)| {
        let z = noise(images.len_of(Axis(0)), step);
        step += 1;
        let (loss_d, loss_g) = gan.update(&enlarge.predict(images)?, &z)?;
        Ok([("discriminator", loss_d), ("generator", loss_g)])
    })
    .epochs(EPOCHS)
    // The rates fall to zero in the second half.
    .schedule(LambdaLR::new(move |step| (2.0 * (1.0 - step as f64 / steps as f64)).min(1.0)))
    .validate_with(|gan| {
        let Verdict { recognised, kinds, .. } = verdict(&judge, &gan.sample(&shown)?)?;
        Ok(vec![("recognised".to_owned(), recognised as f64), ("digits".to_owned(), kinds as f64)])
    })
    .on_epoch(|epoch| {
        let file = folder.join(format!("epoch_{:02}.png", epoch.number()));
        saved = epoch.trainer().sample(&shown).map_err(Into::into).and_then(|samples| save(&samples, &file));
        if saved.is_err() {
            epoch.stop();
        }
    })
    .run()?;
    // ANCHOR_END: train
    saved?;
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());

    let points =
        |loss: &str| -> Vec<_> { history.curve(loss).iter().map(|point| (point.step as f64, point.value)).collect() };
    Chart::new("Training", "step", "binary cross entropy")
        .line("discriminator", points("step.discriminator"))
        .line("generator", points("step.generator"))
        .save(folder.join("loss.svg"))?;
    gan.model().save(folder.join("gan.safetensors"))?;

    let samples = gan.sample(&shown)?;
    let Verdict { recognised, kinds, counts } = verdict(&judge, &samples)?;
    println!("grids, losses and weights in {}", folder.display());
    println!("how often each digit was recognised: {counts:?}");
    println!(
        "{recognised} of {SAMPLES} samples are recognised with a confidence above {CONFIDENCE}, {kinds} of {CLASSES} digits \
         among them"
    );
    Ok(())
}

/// Normal numbers, `[rows, NOISE, 1, 1]`.
fn noise(rows: usize, number: u32) -> Array4<f32> {
    let mut place = 0;
    Array4::from_shape_simple_fn((rows, NOISE, 1, 1), || {
        let (u, v) = (uniform(SEED, number, 0, place), uniform(SEED, number, 1, place));
        place += 1;
        (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
    })
}

/// The classifier of the example `digits`: the same network, trained on the same digits in the same way.
fn judge(digits: &Dataset) -> Result<Predictor<DigitNet>, Box<dyn Error>> {
    let (train, test) = digits.split(0.8, digit_net::SEED);
    let mut trainer = digit_net::trainer()?;
    training::train(&mut trainer, digit_net::SCHEDULE, &train, &test)?;
    Ok(Predictor::new(trainer.into_model()).build()?)
}

/// What the judge says of some samples.
struct Verdict {
    recognised: usize,
    /// How many of the ten digits are among those recognised,
    kinds: usize,
    /// and how often.
    counts: [usize; CLASSES],
}

fn verdict(judge: &Predictor<DigitNet>, samples: &ArrayD<f32>) -> Result<Verdict, TrainError> {
    let small = Predictor::new(Reduce::init(0)).build()?.predict(samples)?;
    let mut counts = [0; CLASSES];
    for scores in judge.predict(&small)?.axis_iter(Axis(0)) {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
        if 1.0 / sum > CONFIDENCE {
            let class = scores.iter().position(|&score| score == largest).unwrap_or_default();
            counts[class] += 1;
        }
    }
    let kinds = counts.iter().filter(|&&count| count > 0).count();
    Ok(Verdict { recognised: counts.iter().sum(), kinds, counts })
}

fn save(samples: &ArrayD<f32>, file: &path::Path) -> Result<(), Box<dyn Error>> {
    let empty = ImageGrid::new("Samples").columns(20);
    Ok(samples.axis_iter(Axis(0)).fold(empty, |grid, image| grid.tile(&image, "")).save_png(file, 2)?)
}
