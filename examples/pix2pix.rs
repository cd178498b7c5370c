//! Takes the noise off digits with a network that is trained against another: `cargo run --release --example pix2pix`.
//!
//! The generator makes of a noisy image a clean one; the discriminator sees the noisy image beside a clean one and tells whether
//! that is the real one or the generator's (Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks").
//! The generator also keeps near the real image. Everything it writes goes into `target/pix2pix/`: `before_after.png`, whose rows are the
//! noisy images, what the generator makes of them, and the real ones, for digits that it was not trained on, the losses and the
//! weights.

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
use ndarray::{ArrayD, Axis, concatenate};

const SEED: u64 = 42;
const EPOCHS: u64 = 15;
const BATCH: usize = 32;
/// The standard deviation of the noise; pixels lie between -1 and 1.
const NOISE: f32 = 0.6;
/// What the distance from the real image counts beside the discriminator's verdict.
const DISTANCE: f64 = 50.0;

// ANCHOR: generator
model! {
    /// A U-Net: what the first layer sees passes beside the others, too.
    pub struct Generator {
        d1: Conv2d(1, 32, 4, stride = 2, padding = 1),
        d2: Conv2d(32, 64, 4, stride = 2, padding = 1, bias = false),
        n2: BatchNorm2d(64),
        u1: ConvTranspose2d(64, 32, 4, stride = 2, padding = 1, bias = false),
        m1: BatchNorm2d(32),
        u2: ConvTranspose2d(64, 1, 4, stride = 2, padding = 1),
    }

    fn forward(x: [N, 1, 16, 16]) -> [N, 1, 16, 16] {
        let outer = d1(x);
        let inner = n2(d2(outer.leaky_relu(0.2)));
        let wide = m1(u1(inner.relu()));
        u2(cat((wide, outer), 1).relu()).tanh()
    }
}
// ANCHOR_END: generator

// ANCHOR: discriminator
model! {
    /// A verdict for each of 4 x 4 patches of a noisy image and a clean one.
    #[model(input = [2, 16, 16])]
    pub struct Discriminator(
        Conv2d(2, 32, 4, stride = 2, padding = 1),
        LeakyReLU(0.2),
        Conv2d(32, 64, 4, stride = 2, padding = 1, bias = false),
        BatchNorm2d(64),
        LeakyReLU(0.2),
        Conv2d(64, 1, 3, padding = 1),
    );
}
// ANCHOR_END: discriminator

// ANCHOR: steps
model! {
    /// Both networks, and an optimizer for each.
    pub struct Pix2Pix {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator, lr = 1e-3, betas = (0.5, 0.999)),
        opt_d: Adam(discriminator, lr = 2e-4, betas = (0.5, 0.999)),
    }

    step update(noisy: [N, 1, 16, 16], clean: [N, 1, 16, 16]) -> (loss_d, loss_g, distance) {
        let fake = generator(noisy);
        let on_fake = bce_with_logits(discriminator(cat((noisy, fake.detach()), 1)), 0.0);
        let on_real = bce_with_logits(discriminator(cat((noisy, clean), 1)), 1.0);
        let loss_d = 0.5 * (on_fake + on_real);
        opt_d.minimize(loss_d);
        let loss_g = bce_with_logits(discriminator(cat((noisy, fake), 1)), 1.0);
        let distance = l1(fake, clean);
        opt_g.minimize(loss_g + DISTANCE * distance);
    }

    eval translate(noisy: [N, 1, 16, 16]) -> image {
        let image = generator(noisy);
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

fn main() -> Result<(), Box<dyn Error>> {
    let folder = output::folder("pix2pix")?;
    let (train, test) = embedded::digits()?.split(0.8, SEED);
    let enlarge = Predictor::new(Enlarge::init(0)).build()?;
    let clean = enlarge.predict(&test.images())?;
    let noisy = with_noise(&clean, u32::MAX);

    let start = Instant::now();
    let mut networks = Pix2Pix::init(SEED).trainer().batch(BATCH).build()?;
    println!("compiled in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let start = Instant::now();
    // ANCHOR: train
    let steps = EPOCHS * train.len().div_ceil(BATCH) as u64;
    let mut step = 0;
    let history = kiln::fit(&mut networks, &train, |networks, (images, _)| {
        let images = enlarge.predict(images)?;
        let noisy = with_noise(&images, step);
        step += 1;
        let (loss_d, loss_g, distance) = networks.update(&noisy, &images)?;
        Ok([("discriminator", loss_d), ("generator", loss_g), ("distance", distance)])
    })
    .epochs(EPOCHS)
    .schedule(LinearLR::new(steps).start_factor(1.0).end_factor(0.0))
    .validate_with(|networks| {
        Ok(vec![("decibels".to_owned(), decibels(&translated(networks, &noisy)?, &clean).into())])
    })
    .run()?;
    // ANCHOR_END: train
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());

    let found = translated(&mut networks, &noisy)?;
    println!(
        "peak signal to noise ratio of {} test images: {:.2} dB with noise, {:.2} dB by the generator",
        test.len(),
        decibels(&noisy, &clean),
        decibels(&found, &clean)
    );
    let shown: Vec<usize> =
        (0..10).filter_map(|digit| test.labels().iter().position(|&label| label == digit)).collect();
    let mut grid = ImageGrid::new("Before, after, and the real ones").columns(shown.len());
    for images in [&noisy, &found, &clean] {
        for &i in &shown {
            grid = grid.tile(&images.index_axis(Axis(0), i).mapv(|pixel| (pixel + 1.0) / 2.0), "");
        }
    }
    grid.save_png(folder.join("before_after.png"), 2)?;
    let points =
        |loss: &str| -> Vec<_> { history.curve(loss).iter().map(|point| (point.step as f64, point.value)).collect() };
    Chart::new("Training", "step", "binary cross entropy")
        .line("discriminator", points("discriminator"))
        .line("generator", points("generator"))
        .save(folder.join("loss.svg"))?;
    networks.model().save(folder.join("pix2pix.safetensors"))?;
    println!("pictures, losses and weights in {}", folder.display());
    Ok(())
}

/// What the generator makes of any number of images, a batch at a time.
fn translated(networks: &mut Pix2PixTrainer, noisy: &ArrayD<f32>) -> Result<ArrayD<f32>, TrainError> {
    let parts = noisy.axis_chunks_iter(Axis(0), BATCH).map(|part| networks.translate(&part));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<_> = parts.iter().map(|part| part.view()).collect();
    Ok(concatenate(Axis(0), &parts).expect("images of one size"))
}

/// The images with noise that the number stands for.
fn with_noise(images: &ArrayD<f32>, number: u32) -> ArrayD<f32> {
    let mut place = 0;
    images.mapv(|pixel| {
        let (u, v) = (uniform(SEED, number, 0, place), uniform(SEED, number, 1, place));
        place += 1;
        pixel + NOISE * (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
    })
}

/// The ratio of the range of pixels, 2, to the error, squared.
fn decibels(images: &ArrayD<f32>, goal: &ArrayD<f32>) -> f32 {
    let error = (images - goal).mapv(|difference| difference * difference).mean().unwrap_or_default();
    -10.0 * (error / 4.0).log10()
}
