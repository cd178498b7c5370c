//! Kiln's side of `gan.py`.

use kiln::prelude::*;

use super::{Numbers, Result, waves, weights};

// ANCHOR: model
model! {
    #[model(input = [2])]
    struct Generator(Linear(2, 16), ReLU, Linear(16, 4));
}

model! {
    #[model(input = [4])]
    struct Discriminator(Linear(4, 16), LeakyReLU(0.2), Linear(16, 1));
}

model! {
    struct Gan {
        generator: Generator,
        discriminator: Discriminator,
        opt_g: Adam(generator, lr = 2e-3, betas = (0.5, 0.999)),
        opt_d: Adam(discriminator, lr = 2e-3, betas = (0.5, 0.999)),
    }

    step update_d(real: [N, 4], z: [N, 2]) -> loss {
        let fake = generator(z).detach();
        let loss = bce_with_logits(discriminator(real), 1.0);
        loss += bce_with_logits(discriminator(fake), 0.0);
        opt_d.minimize(loss);
    }

    step update_g(z: [N, 2]) -> loss {
        let loss = bce_with_logits(discriminator(generator(z)), 1.0);
        opt_g.minimize(loss);
    }

    eval sample(z: [N, 2]) -> image {
        let image = generator(z);
    }
}
// ANCHOR_END: model

pub fn run(numbers: &mut Numbers) -> Result {
    let mut model = Gan::init(0);
    model.generator.load(weights("generator"))?;
    model.discriminator.load(weights("discriminator"))?;
    let (mut losses_d, mut losses_g) = (Vec::new(), Vec::new());

    // ANCHOR: train
    let mut gan = model.trainer().batch(8).build()?;
    for step in 0..6 {
        let (real, z) = (waves(&[8, 4], step as f64), waves(&[8, 2], -step as f64));
        losses_d.push(gan.update_d(&real, &z)?);
        losses_g.push(gan.update_g(&z)?);
    }
    // ANCHOR_END: train
    numbers.tell("losses of the discriminator", losses_d);
    numbers.tell("losses of the generator", losses_g);
    numbers.tell("samples", gan.sample(&waves(&[3, 2], 0.0))?);
    Ok(())
}
