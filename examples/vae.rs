//! Learns a space of digits and walks through it: `cargo run --release --example vae`.
//!
//! A variational autoencoder (Kingma and Welling, "Auto-Encoding Variational Bayes") of the 1,797 handwritten digits, at 16 x 16
//! pixels. The encoder makes of an image not a point of a space of a few numbers, but a normal distribution there; a point is
//! drawn from it, and the decoder makes an image of that. What is minimized is how far that image is from the first one, and how
//! far the distribution is from the standard one, so that any normal numbers decode to a digit.
//!
//! Everything it writes goes into `target/vae/`: digits as they are and as they come back (`reconstructions.png`), decoded
//! normal numbers (`samples.png`), ways from one digit to another through the space (`interpolations.png`), the losses
//! (`loss.svg`) and the weights.

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
use ndarray::{Array2, ArrayD, Axis, Slice, stack};

const SEED: u64 = 42;
const EPOCHS: u64 = 150;
const BATCH: usize = 64;
/// The numbers that an image is made of.
const LATENT: usize = 10;
/// The images of a grid.
const ROWS: usize = 10;
const COLUMNS: usize = 20;

// ANCHOR: encoder
model! {
    /// From an image to the means and the logarithms of the variances of its place.
    pub struct Encoder {
        body: Sequential(
            Conv2d(1, 32, 4, stride = 2, padding = 1),
            SiLU,
            Conv2d(32, 64, 4, stride = 2, padding = 1),
            SiLU,
            Flatten,
            Linear(1024, 128),
            SiLU,
        ),
        mean: Linear(128, LATENT),
        log_var: Linear(128, LATENT),
    }

    fn forward(image: [N, 1, 16, 16]) -> ([N, LATENT], [N, LATENT]) {
        let h = body(image);
        (mean(h), log_var(h))
    }
}
// ANCHOR_END: encoder

model! {
    #[model(input = [LATENT])]
    /// From a place to the logits of an image.
    pub struct Decoder(
        Linear(LATENT, 128),
        SiLU,
        Linear(128, 1024),
        SiLU,
        Unflatten(1, (64, 4, 4)),
        ConvTranspose2d(64, 32, 4, stride = 2, padding = 1),
        SiLU,
        ConvTranspose2d(32, 1, 4, stride = 2, padding = 1),
    );
}

// ANCHOR: steps
model! {
    /// Both networks, and how they are trained.
    pub struct Vae {
        encoder: Encoder,
        decoder: Decoder,
        opt: Adam((encoder, decoder), lr = 2e-3),
    }

    // Losses of an image: the sum over its pixels, and the divergence from the standard normal distribution.
    step update(image: [N, 1, 16, 16]) -> (reconstruction, divergence) {
        let (mean, log_var) = encoder(image);
        let place = mean + randn_like(mean) * (log_var * 0.5).exp();
        let pixels = bce_with_logits(decoder(place), image, reduction = "none");
        let reconstruction = pixels.flatten(1).sum(1).mean();
        let divergence = ((mean.square() + log_var.exp() - log_var - 1.0) * 0.5).sum(1).mean();
        opt.minimize(reconstruction + divergence);
    }

    eval encode(image: [N, 1, 16, 16]) -> mean {
        let (mean, _) = encoder(image);
    }

    eval decode(place: [N, LATENT]) -> image {
        let image = decoder(place).sigmoid();
    }
}
// ANCHOR_END: steps

model! {
    /// Digits of 8 x 8 pixels at 16 x 16.
    #[model(input = [1, 8, 8])]
    struct Enlarge(Upsample(16, mode = "bilinear"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = output::folder("vae")?;
    let digits = embedded::digits()?;
    let (train, test) = digits.split(0.9, SEED);
    let enlarge = Predictor::new(Enlarge::init(0)).build()?;

    let start = Instant::now();
    let mut vae = Vae::init(SEED).trainer().batch(ROWS * COLUMNS).seed(SEED).build()?;
    println!("compiled in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let start = Instant::now();
    // ANCHOR: train
    let batches = Loader::new(train).batch(BATCH).shuffle(SEED);
    let history = kiln::fit(&mut vae, &batches, |vae, (images, _)| {
        let (reconstruction, divergence) = vae.update(&enlarge.predict(images)?)?;
        Ok([("reconstruction", reconstruction), ("divergence", divergence)])
    })
    .epochs(EPOCHS)
    .schedule(CosineAnnealingLR::new(EPOCHS * batches.len() as u64))
    .run()?;
    // ANCHOR_END: train
    println!("trained in {:.1} s", start.elapsed().as_secs_f64());

    // Digits that it has not seen, each above what comes back.
    let seen = enlarge.predict(&test.images().slice_axis(Axis(0), Slice::from(..ROWS / 2 * COLUMNS)))?;
    let places = vae.encode(&seen)?;
    let back = vae.decode(&places)?;
    let mut pairs = ImageGrid::new("Digits and what comes back").columns(COLUMNS);
    for row in 0..ROWS / 2 {
        for images in [&seen, &back] {
            for column in 0..COLUMNS {
                pairs = pairs.tile(&images.index_axis(Axis(0), row * COLUMNS + column), "");
            }
        }
    }
    pairs.save_png(folder.join("reconstructions.png"), 2)?;
    let far = (&seen - &back).mapv(f32::abs).mean().unwrap_or_default();

    grid("Samples", &vae.decode(&normal(ROWS * COLUMNS))?).save_png(folder.join("samples.png"), 2)?;

    // From each digit to the next one.
    let labels = test.labels();
    let mut ends = Vec::new();
    for digit in 0..=ROWS {
        let found = labels.iter().position(|label| *label as usize == digit % ROWS).ok_or("a digit is missing")?;
        ends.push(found);
    }
    let ends = enlarge.predict(&test.images().select(Axis(0), &ends))?;
    let ends = vae.encode(&ends)?;
    let mut ways = Vec::new();
    for row in 0..ROWS {
        let (from, to) = (ends.index_axis(Axis(0), row), ends.index_axis(Axis(0), row + 1));
        for column in 0..COLUMNS {
            let part = column as f32 / (COLUMNS - 1) as f32;
            ways.push(&from * (1.0 - part) + &to * part);
        }
    }
    let ways = stack(Axis(0), &ways.iter().map(|place| place.view()).collect::<Vec<_>>())?;
    grid("Ways from digit to digit", &vae.decode(&ways)?).save_png(folder.join("interpolations.png"), 2)?;

    let points =
        |part: &str| -> Vec<_> { history.curve(part).iter().map(|point| (point.step as f64, point.value)).collect() };
    Chart::new("Training", "step", "nats of an image")
        .line("reconstruction", points("reconstruction"))
        .line("divergence", points("divergence"))
        .save(folder.join("loss.svg"))?;
    vae.model().save(folder.join("vae.safetensors"))?;
    println!("reconstructions, samples, interpolations, losses and weights in {}", folder.display());
    println!("a pixel of a digit that it has not seen comes back {:.1} % off", 100.0 * far);
    Ok(())
}

/// Normal numbers, `[rows, LATENT]`.
fn normal(rows: usize) -> Array2<f32> {
    let mut place = 0;
    Array2::from_shape_simple_fn((rows, LATENT), || {
        let (u, v) = (uniform(SEED, u32::MAX, 0, place), uniform(SEED, u32::MAX, 1, place));
        place += 1;
        (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
    })
}

fn grid(title: &str, images: &ArrayD<f32>) -> ImageGrid {
    images.axis_iter(Axis(0)).fold(ImageGrid::new(title).columns(COLUMNS), |grid, image| grid.tile(&image, ""))
}
