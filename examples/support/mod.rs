//! What the examples share: the training loop with its progress bar, and what is done with a trained model.

use std::error::Error;
use std::f32::consts::PI;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use kiln::prelude::*;
use kiln::report::plots::{Chart, ImageGrid};
use ndarray::{Array1, ArrayView1, Axis};

/// The trainer of both examples: classes, Adam.
pub type ClassTrainer<M> = Trainer<M, CrossEntropy, Adam>;

/// How long and how fast to train.
#[derive(Clone, Copy)]
pub struct Schedule {
    pub epochs: u64,
    pub batch: usize,
    /// The first learning rate; it falls to zero along half a cosine.
    pub rate: f32,
}

/// The losses of a run: at each step, and on the test set after each epoch, with the number of steps so far.
#[derive(Default)]
pub struct History {
    steps: Vec<f32>,
    tests: Vec<(usize, f32)>,
}

/// Trains, with a progress bar on a terminal and a line an epoch elsewhere.
pub fn train<M: Model<Input = f32>>(
    trainer: &mut ClassTrainer<M>,
    schedule: Schedule,
    samples: &Dataset,
    test: &Dataset,
) -> Result<History, Box<dyn Error>> {
    let mut history = History::default();
    let bar = std::io::stdout().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{prefix:12} [{bar:32.cyan/blue}] {pos:>4}/{len:4} {msg}");
        ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    });
    for epoch in 0..schedule.epochs {
        let done = epoch as f32 / schedule.epochs as f32;
        trainer.set_learning_rate(schedule.rate * (1.0 + (PI * done).cos()) / 2.0)?;
        let batches = samples.batches(schedule.batch).shuffled(epoch);
        let name = format!("epoch {:2}/{}", epoch + 1, schedule.epochs);
        if let Some(bar) = &bar {
            bar.reset();
            bar.set_length(batches.len() as u64);
            bar.set_prefix(name.clone());
        }
        let mut sum = 0.0;
        let mut count = 0.0;
        for (images, labels) in batches {
            let loss = trainer.step(&images, &labels)?;
            history.steps.push(loss);
            (sum, count) = (sum + loss, count + 1.0);
            if let Some(bar) = &bar {
                bar.set_message(format!("loss {:.4}", sum / count));
                bar.inc(1);
            }
        }
        let result = trainer.evaluate(&test.images(), &test.labels())?;
        history.tests.push((history.steps.len(), result.loss));
        let accuracy = 100.0 * result.accuracy.unwrap_or_default();
        let line =
            format!("{name}  loss {:.4}  test loss {:.4}  test accuracy {accuracy:.2} %", sum / count, result.loss);
        match &bar {
            Some(bar) => bar.println(line),
            None => println!("{line}"),
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(history)
}

/// Saves the model, loads it into a fresh one and compares their predictions; writes the loss curve and the wrongly
/// classified images into `folder`; prints the test accuracy.
pub fn finish<M: Model<Input = f32>>(
    trainer: &mut ClassTrainer<M>,
    history: &History,
    test: &Dataset,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let weights = folder.join("model.safetensors");
    trainer.model().save(&weights)?;
    let mut fresh = M::init(0);
    fresh.load(&weights)?;

    let scores = trainer.predict(&test.images())?;
    let loaded = Predictor::new(fresh).build()?.predict(&test.images())?;
    let same = scores.iter().zip(&loaded).all(|(a, b)| a.to_bits() == b.to_bits());
    if !same {
        return Err("the loaded model predicts other numbers than the trained one".into());
    }
    println!("saved to {}; a fresh model that loads it predicts the same bits", weights.display());

    let curve = folder.join("loss.svg");
    Chart::new("Training", "step", "cross entropy")
        .line("training batch", history.steps.iter().enumerate().map(|(step, &loss)| (step as f64, loss.into())))
        .line("test set", history.tests.iter().map(|&(step, loss)| (step as f64, loss.into())))
        .save(&curve)?;

    let found: Array1<i32> = scores.axis_iter(Axis(0)).map(|row| largest(row.iter())).collect();
    let wrong = folder.join("wrong.svg");
    let count = wrong_images(test, found.view(), &wrong)?;
    println!("loss curve in {}, wrongly classified images in {}", curve.display(), wrong.display());
    println!("test accuracy: {:.2} %", 100.0 * (test.len() - count) as f64 / test.len() as f64);
    Ok(())
}

fn largest<'a>(scores: impl Iterator<Item = &'a f32>) -> i32 {
    let best = scores.enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class as i32)
}

/// Writes the images whose class was not found; their number.
fn wrong_images(test: &Dataset, found: ArrayView1<'_, i32>, path: &Path) -> Result<usize, Box<dyn Error>> {
    let labels = test.labels();
    let wrong: Vec<usize> = (0..test.len()).filter(|&i| found[i] != labels[i]).collect();
    let mut grid = ImageGrid::new(format!("{} of {} wrong", wrong.len(), test.len()));
    for &i in &wrong {
        let caption = format!("{} taken for {}", labels[i], found[i]);
        grid = grid.tile(&test.images().index_axis(Axis(0), i), caption);
    }
    grid.save(path)?;
    Ok(wrong.len())
}
