//! Training of a classifier, with its progress: what the examples that read digits share.

use std::error::Error;
use std::f32::consts::PI;

use kiln::prelude::*;

/// The trainer of a classifier: cross entropy, Adam.
pub type ClassTrainer<M> = Trainer<M, CrossEntropy, Adam>;

/// How long and how fast to train.
#[derive(Clone, Copy)]
pub struct Schedule {
    pub epochs: u64,
    pub batch: usize,
    /// The first learning rate; it falls to zero along half a cosine, epoch by epoch.
    pub rate: f32,
}

impl Schedule {
    fn rate(&self, epoch: u64) -> f32 {
        self.rate * (1.0 + (PI * epoch as f32 / self.epochs as f32).cos()) / 2.0
    }
}

// ANCHOR: train
/// Trains, with a progress bar on a terminal and a line an epoch.
pub fn train<M: Model<Input = f32, Output = f32>>(
    trainer: &mut ClassTrainer<M>,
    schedule: Schedule,
    samples: &Dataset,
    test: &Dataset,
) -> Result<History, Box<dyn Error>> {
    trainer.set_learning_rate(schedule.rate(0))?;
    let history = trainer
        .fit(samples)
        .epochs(schedule.epochs)
        .validate(test)
        .on_epoch(|epoch| {
            let rate = schedule.rate(epoch.number());
            epoch.trainer().set_learning_rate(rate).expect("a rate from 0 on");
        })
        .run()?;
    Ok(history)
}
// ANCHOR_END: train
