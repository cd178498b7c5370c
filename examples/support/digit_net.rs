//! The network that reads digits of 8 x 8 pixels, and how it is trained: the example `digits` shows it, and `gan` asks it what
//! it sees.

use kiln::prelude::*;

use super::training::{ClassTrainer, Schedule};

/// Of the weights and of the split into digits to learn from and digits to test with.
pub const SEED: u64 = 42;
/// How it is trained.
pub const SCHEDULE: Schedule = Schedule { epochs: 20, batch: 32, rate: 3e-3 };

/// How many digits there are.
pub const CLASSES: usize = 10;

// ANCHOR: model
/// Two convolutions and two linear layers.
#[derive(Model)]
#[model(input = [1, 8, 8])]
pub struct DigitNet {
    #[model(padding = 1)]
    conv1: Conv2d<1, 16, 3>,
    relu1: ReLU,
    #[model(padding = 1)]
    conv2: Conv2d<16, 32, 3>,
    relu2: ReLU,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<512, 64>,
    relu3: ReLU,
    fc2: Linear<64, CLASSES>,
}
// ANCHOR_END: model

// ANCHOR: trainer
/// Its trainer, before the first step.
pub fn trainer() -> Result<ClassTrainer<DigitNet>, TrainError> {
    Trainer::new(DigitNet::init(SEED), cross_entropy(), Adam::default()).batch(SCHEDULE.batch).build()
}
// ANCHOR_END: trainer
