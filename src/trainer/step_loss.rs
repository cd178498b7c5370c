//! The loss of a step as epochs add it up: its parts, each with what it divides by. Knows the outputs of a training
//! step's program, which `graphs.rs` names.

use kiln_jit::Session;

use super::graphs::{OF_DIVISOR, OF_MEAN, OF_SAMPLES, OF_SUM, PART};

/// The most losses of one step: those of a model's outputs.
const MOST: usize = 8;

/// A part of the loss of a step.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A mean over the samples of the batch.
    Samples(f32),
    /// A sum over them.
    Sum(f32),
    /// A mean that divides by a number.
    Mean { mean: f32, divisor: f32 },
}

/// The loss of a step, with what it weighs among the steps of an epoch: for [`Trainer::fit`](crate::Trainer::fit).
#[derive(Clone, Copy, Debug)]
pub struct StepLoss {
    loss: f32,
    parts: [Part; MOST],
    count: usize,
}

impl StepLoss {
    /// That of the step that has run.
    pub(super) fn of(session: &Session) -> StepLoss {
        let loss = session.scalar(0);
        let mut all = StepLoss { loss, parts: [Part::Samples(loss); MOST], count: 0 };
        let mut mean = loss;
        for (place, output) in session.program().plan().outputs.iter().enumerate() {
            let Some(part) = output.name.strip_prefix(PART) else { continue };
            let part = match part {
                _ if part.ends_with(OF_MEAN) => {
                    mean = session.scalar(place);
                    continue;
                }
                _ if part.ends_with(OF_DIVISOR) => Part::Mean { mean, divisor: session.scalar(place) },
                _ if part.ends_with(OF_SUM) => Part::Sum(session.scalar(place)),
                OF_SAMPLES => Part::Samples(session.scalar(place)),
                _ => continue,
            };
            if let Some(to) = all.parts.get_mut(all.count) {
                *to = part;
                all.count += 1;
            }
        }
        all.count = all.count.max(1);
        all
    }

    /// The loss of the batch, as [`Trainer::step`](crate::Trainer::step) gives it.
    pub fn loss(&self) -> f32 {
        self.loss
    }

    /// Calls `f` with the sum and the divisor of each part, of a batch of so many samples. A part of which nothing counts adds
    /// nothing.
    pub fn each_part(&self, samples: usize, f: &mut dyn FnMut(f64, f64)) {
        for part in &self.parts[..self.count] {
            let samples = samples as f64;
            match *part {
                Part::Samples(mean) => f(f64::from(mean) * samples, samples),
                Part::Sum(sum) => f(sum.into(), samples),
                Part::Mean { divisor: 0.0, .. } => f(0.0, 0.0),
                Part::Mean { mean, divisor } => f(f64::from(mean) * f64::from(divisor), divisor.into()),
            }
        }
    }
}
