//! Kiln's side of `several.py`.

use kiln::prelude::*;

use super::{Numbers, Result, labels, waves, weights};

// ANCHOR: model
model! {
    struct Placed {
        stem: Linear(6, 8, requires_grad = false),       // frozen
        body: Linear(8, 8),
        scores: Linear(8, 3),
        place: Linear(8, 2),
    }

    fn forward(image: [N, 6], shift: [N, 2]) -> ([N, 3], [N, 2]) {
        let h = body(stem(image).relu()).relu();
        let place = place(h.detach()) + shift;           // trains `place` alone
        (scores(h), place)
    }
}
// ANCHOR_END: model

pub fn run(numbers: &mut Numbers) -> Result {
    let mut net = Placed::init(0);
    net.load(weights("several"))?;
    let (image, shift) = (waves(&[4, 6], 0.0), waves(&[4, 2], 1.0));
    let (classes, places) = (labels(4, 3), waves(&[4, 2], 2.0));
    let mut seen = Vec::new();

    // ANCHOR: train
    let losses = (cross_entropy(), mse().weighted(0.5));
    let mut trainer = Trainer::new(net, losses, RMSprop::new(1e-2)).batch(4).build()?;
    for _ in 0..5 {
        seen.push(trainer.step((&image, &shift), (&classes, &places))?);
    }
    // ANCHOR_END: train
    numbers.tell("losses", seen);
    let (scores, place) = trainer.predict((&image, &shift))?;
    numbers.tell("scores", scores);
    numbers.tell("place", place);
    Ok(())
}
