//! Cleans and sharpens noisy digits of 8 x 8 pixels: `cargo run --release --example hourglass`.
//!
//! The network sees a digit with noise, each pixel as a square of 4 x 4, and learns what the digit without noise looks like at
//! 32 x 32 pixels. It narrows in the middle: fractional pooling halves the image, residual blocks work on it, and bilinear
//! upsampling brings it back. Everything it writes goes into `target/hourglass/`: the weights, the loss curve, and
//! `before_after.png`, whose rows are the input, the output and the goal, for a digit of each kind that was not trained on.

#[path = "support/embedded.rs"]
mod embedded;
#[path = "support/output.rs"]
mod output;

use std::error::Error;
use std::f32::consts::TAU;
use std::time::Instant;

use kiln::prelude::*;
use kiln::random::uniform;
use kiln::report::plots::{Chart, ImageGrid};
use ndarray::{ArrayD, Axis};

const SEED: u64 = 42;
const EPOCHS: u64 = 12;
const BATCH: usize = 32;
/// The first learning rate; it falls to zero along half a cosine.
const RATE: f64 = 2e-3;
/// The standard deviation of the noise; pixels lie between 0 and 1.
const NOISE: f32 = 0.25;

/// The channels of a group inside of a block.
const BASE_WIDTH: usize = 9;
/// The groups inside of a block.
const CARDINALITY: usize = 4;

// ANCHOR: block
model! {
    /// The family of residual blocks: batch norm and ReLU come before each convolution ("pre-activation"), of which the
    /// middle one has `CARDINALITY` groups of `BASE_WIDTH` channels. What is added up must have one shape: a block that
    /// changes it (other planes, a stride) takes one projection of its input.
    ///
    /// Sources: He et al., "Identity Mappings in Deep Residual Networks"; Xie et al., "Aggregated Residual Transformations".
    pub struct Block<
        const INPLANES: usize,
        const OUTPLANES: usize,
        const RESOLUTION: usize,
        const PROJECTIONS: usize = 0,
        const STRIDE: usize = 1,
        const WIDTH: usize = { BASE_WIDTH * CARDINALITY },
        const GROUPS: usize = CARDINALITY,
    > {
        bn1: BatchNorm2d(INPLANES),
        conv1: Conv2d(INPLANES, WIDTH, 1, bias = false),
        bn2: BatchNorm2d(WIDTH),
        conv2: Conv2d(WIDTH, WIDTH, 3, stride = STRIDE, padding = 1, groups = GROUPS, bias = false),
        bn3: BatchNorm2d(WIDTH),
        conv3: Conv2d(WIDTH, OUTPLANES, 1, bias = false),
        projections: [Conv2d(INPLANES, OUTPLANES, 1, stride = STRIDE, bias = false); PROJECTIONS],
    }

    fn forward(x: [N, INPLANES, RESOLUTION, RESOLUTION])
        -> [N, OUTPLANES, RESOLUTION.div_ceil(STRIDE), RESOLUTION.div_ceil(STRIDE)]
    {
        let y = conv1(bn1(x).relu());
        let y = conv2(bn2(y).relu());
        let y = conv3(bn3(y).relu());
        for projection in projections.iter() {
            x = projection(x);
        }
        x + y
    }
}
// ANCHOR_END: block

// ANCHOR: model
model! {
    /// The correction that is added to an image.
    pub struct Hourglass {
        stem: Conv2d(1, 32, 3, padding = 1),
        pool: FractionalMaxPool2d(2, output_ratio = 0.5),
        widen: Block<32, 48, 16, 1>,
        blocks: [Block<48, 48, 16>; 2],
        narrow: Block<48, 32, 16, 1>,
        upsample: Upsample(scale_factor = 2, mode = "bilinear"),
        head: Conv2d(32, 1, 3, padding = 1),
    }

    fn forward(x: [N, 1, 32, 32]) -> [N, 1, 32, 32] {
        let y = widen(pool(stem(x).relu()));
        for block in blocks.iter() {
            y = block(y);
        }
        x + head(upsample(narrow(y)).relu())
    }
}
// ANCHOR_END: model

model! {
    /// Each pixel as a square of 4 x 4: what the network sees.
    #[model(input = [1, 8, 8])]
    struct Squares(Upsample(32));
}

model! {
    /// The image between the pixels: what the network is to find.
    #[model(input = [1, 8, 8])]
    struct Smooth(Upsample(32, mode = "bilinear"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let (train, test) = embedded::digits()?.split(0.8, SEED);
    let squares = Predictor::new(Squares::init(0)).build()?;
    let smooth = Predictor::new(Smooth::init(0)).build()?;

    let start = Instant::now();
    let mut trainer = Trainer::new(Hourglass::init(SEED), mse(), Adam::new(RATE)).batch(BATCH).seed(SEED).build()?;
    println!("compiled in {:.1} ms\n{}\n", start.elapsed().as_secs_f64() * 1e3, trainer.summary()?);

    let noisy = with_noise(&test.images().to_owned(), u32::MAX);
    let (before, goal) = (squares.predict(&noisy)?, smooth.predict(&test.images())?);
    let start = Instant::now();
    // ANCHOR: train
    let steps = EPOCHS * train.len().div_ceil(BATCH) as u64;
    let mut step = 0;
    let history = kiln::fit(&mut trainer, &train, |trainer, (images, _)| {
        let noisy = with_noise(&images.to_owned(), step);
        step += 1;
        trainer.step(&squares.predict(&noisy)?, &smooth.predict(images)?)
    })
    .epochs(EPOCHS)
    .schedule(CosineAnnealingLR::new(steps))
    .validate_with(|trainer| {
        let loss = trainer.evaluate(&before, &goal)?.loss;
        Ok(vec![("loss".to_owned(), loss.into()), ("decibels".to_owned(), decibels(loss).into())])
    })
    .run()?;
    // ANCHOR_END: train
    println!("trained in {:.2} s", start.elapsed().as_secs_f64());

    let after = trainer.predict(&before)?;
    let blurred = smooth.predict(&noisy)?;
    println!("peak signal to noise ratio of the {} test images:", test.len());
    for (name, images) in [("with noise", &before), ("interpolated", &blurred), ("by the network", &after)] {
        println!("  {name:<14} {:.2} dB", decibels(error(images, &goal)));
    }

    let folder = output::folder("hourglass")?;
    let curve = folder.join("loss.svg");
    let points =
        |loss: &str| -> Vec<_> { history.curve(loss).iter().map(|point| (point.step as f64, point.value)).collect() };
    Chart::new("Training", "step", "mean squared error")
        .line("training batch", points("step.loss"))
        .line("test set", points("valid.loss"))
        .save(&curve)?;
    let picture = folder.join("before_after.png");
    let shown: Vec<usize> =
        (0..10).filter_map(|digit| test.labels().iter().position(|&label| label == digit)).collect();
    let mut grid = ImageGrid::new("Before, after, and the goal").columns(shown.len());
    for images in [&before, &after, &goal] {
        for &i in &shown {
            grid = grid.tile(&images.index_axis(Axis(0), i), "");
        }
    }
    grid.save_png(&picture, 3)?;
    let weights = folder.join("model.safetensors");
    trainer.model().save(&weights)?;
    println!("weights in {}, loss curve in {}, pictures in {}", weights.display(), curve.display(), picture.display());
    Ok(())
}

/// The images with normally distributed noise (after Box and Muller), another for each number.
fn with_noise(images: &ArrayD<f32>, number: u32) -> ArrayD<f32> {
    let mut place = 0;
    images.mapv(|pixel| {
        let (u, v) = (uniform(SEED, number, 0, place), uniform(SEED, number, 1, place));
        place += 1;
        pixel + NOISE * (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
    })
}

fn error(images: &ArrayD<f32>, goal: &ArrayD<f32>) -> f32 {
    (images - goal).mapv(|difference| difference * difference).mean().unwrap_or_default()
}

/// The ratio of the largest value, 1, to a mean squared error.
fn decibels(error: f32) -> f32 {
    -10.0 * error.log10()
}
