//! The loops of `fit`: more steps take no more allocations.

use std::sync::atomic::Ordering;

use kiln::data::{DataError, EpochRequest, TrainingData};
use kiln::fit::Progress;
use kiln::prelude::*;
use ndarray::{Array1, Array2};

use super::{COUNT, Small};

/// Four samples that are there already, again and again.
struct Same<B>(u64, B);

impl<B: Clone> TrainingData for Same<B> {
    type Batch = B;

    fn epoch(&self, request: EpochRequest) -> impl Iterator<Item = Result<(B, usize), DataError>> {
        (request.first..self.0).map(|_| Ok((self.1.clone(), 4)))
    }

    fn batches_of(&self, _: EpochRequest) -> u64 {
        self.0
    }

    fn samples(&self) -> usize {
        4 * self.0 as usize
    }
}

/// More steps take none but those by which the history's curve grows to twice its length.
fn check_steps(what: &str, mut run: impl FnMut(u64)) {
    let mut count = |steps| {
        let before = COUNT.load(Ordering::Relaxed);
        run(steps);
        COUNT.load(Ordering::Relaxed) - before
    };
    count(10);
    let (few, many) = (count(256), count(2048));
    assert_eq!(many, few + 3, "2048 steps of {what}, and 256");
}

/// The loop around a step of one's own, and a trainer's.
pub fn check() {
    let mut trainer =
        Trainer::new(Small::init(1), cross_entropy(), Adam::default()).batch(4).threads(1).build().unwrap();
    let (x, y) = (Array2::<f32>::ones((4, 8)), [0, 1, 2, 3]);
    check_steps("fit", |steps| {
        let fit = kiln::fit(&mut trainer, Same(steps, ()), |trainer, _| trainer.step(&x, &y));
        fit.progress(Progress::Silent).run().unwrap();
    });
    let batch = (x.into_shared(), Array1::from(y.to_vec()).into_shared());
    check_steps("a trainer's fit", |steps| {
        trainer.fit(Same(steps, batch.clone())).progress(Progress::Silent).run().unwrap();
    });
}
