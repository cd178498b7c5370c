//! The loss of a step as epochs add it up: means, and what they divide by. Knows the outputs of a training step's
//! program, which `graphs.rs` gives: the loss, and then these.

use super::programs::Compiled;

/// The most losses of one step: those of a model's outputs.
const MOST: usize = 8;

/// The loss of a step, with what it weighs among the steps of an epoch: for [`Trainer::fit`](crate::Trainer::fit).
#[derive(Clone, Copy, Debug)]
pub struct StepLoss {
    loss: f32,
    /// The mean and its divisor of each loss; none where the loss is a mean over the samples.
    parts: [[f32; 2]; MOST],
    count: usize,
}

impl StepLoss {
    /// That of the step that has run.
    pub(super) fn of(program: &Compiled) -> StepLoss {
        let session = program.session();
        let mut all = StepLoss { loss: session.scalar(0), parts: [[0.0; 2]; MOST], count: 0 };
        all.count = program.parts();
        for (number, part) in all.parts[..all.count].iter_mut().enumerate() {
            *part = [1, 2].map(|place| session.scalar(2 * number + place));
        }
        all
    }

    /// The loss of the batch, as [`Trainer::step`](crate::Trainer::step) gives it.
    pub fn loss(&self) -> f32 {
        self.loss
    }

    /// Calls `f` with the sum and the divisor of each loss, of a batch of so many samples. A loss of which nothing counts, whose
    /// mean is NaN, adds nothing.
    pub fn each_part(&self, samples: usize, f: &mut dyn FnMut(f64, f64)) {
        if self.count == 0 {
            f(f64::from(self.loss) * samples as f64, samples as f64);
        }
        for &[mean, divisor] in &self.parts[..self.count] {
            let sum = if divisor == 0.0 { 0.0 } else { f64::from(mean) * f64::from(divisor) };
            f(sum, divisor.into());
        }
    }
}
