//! Training of a classifier, with its progress: what the examples that read digits share.

use std::error::Error;
use std::f32::consts::PI;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use kiln::prelude::*;

/// The trainer of a classifier: cross entropy, Adam.
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
    pub steps: Vec<f32>,
    pub tests: Vec<(usize, f32)>,
}

/// Trains, with a progress bar on a terminal and a line an epoch elsewhere.
pub fn train<M: Model<Input = f32, Output = f32>>(
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
            // The last batch may be smaller: a mean of means counts its samples.
            let samples = labels.len() as f32;
            (sum, count) = (sum + loss * samples, count + samples);
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
