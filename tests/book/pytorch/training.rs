//! Kiln's side of `training.py`.

use kiln::prelude::*;
use ndarray::s;

use super::{Numbers, Result, labels, waves, weights};

#[derive(Model)]
#[model(input = [6])]
struct Net(Linear<6, 16>, Tanh, Linear<16, 3>);

pub fn run(numbers: &mut Numbers) -> Result {
    let mut net = Net::init(0);
    net.load(weights("training"))?;
    let (x, y) = (waves(&[32, 6], 0.0), labels(32, 3));
    let data = Dataset::new(x.clone(), y.clone())?;
    let mut losses = Vec::new();

    // ANCHOR: optimizer
    let optimizer = AdamW::new(1e-2)
        .betas(0.9, 0.99)
        .weight_decay(0.1)
        .clip_grad_norm(1.0)
        .ema(0.9)
        .schedule(CosineAnnealingLR::new(12))
        .group(Select::biases_and_norms(), |adamw| adamw.weight_decay(0.0));
    let loss = cross_entropy().label_smoothing(0.1);
    let mut trainer = Trainer::new(net, loss, optimizer).batch(8).build()?;
    // ANCHOR_END: optimizer

    // ANCHOR: loop
    for _epoch in 0..3 {
        for (images, targets) in data.batches(8) {
            losses.push(trainer.step(&images, &targets)?);
        }
    }
    // ANCHOR_END: loop
    numbers.tell("losses", losses);

    // ANCHOR: evaluate
    let evaluation = trainer.evaluate(&x, &y)?;
    let (loss, accuracy) = (evaluation.loss, evaluation.accuracy.unwrap());
    trainer.use_averaged(true)?;
    let smooth = trainer.predict(&x)?;
    // ANCHOR_END: evaluate
    numbers.tell("evaluation", [loss, accuracy as f32]);
    numbers.tell("averaged", smooth.slice(s![..4, ..]).iter().copied());

    trainer.use_averaged(false)?;
    let net = trainer.into_model();
    // ANCHOR: accumulate
    let optimizer = Sgd::new(0.1).momentum(0.9).accumulate(2);
    let mut trainer = Trainer::new(net, cross_entropy(), optimizer).batch(8).build()?;
    for (images, targets) in data.batches(8) {
        trainer.step(&images, &targets)?;
    }
    // ANCHOR_END: accumulate
    numbers.tell("accumulated", trainer.predict(&x.slice(s![..4, ..]))?);
    Ok(())
}
