//! Kiln's side of `models.py`.

use kiln::prelude::*;

use super::{Numbers, Result, waves, weights};

// ANCHOR: straight
#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Straight {
    #[model(padding = 1)]
    conv: Conv2d<1, 4, 3>,
    norm: BatchNorm2d<4>,
    act: ReLU,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc: Linear<64, 3>,
}
// ANCHOR_END: straight

// ANCHOR: residual
model! {
    struct Residual {
        blocks: [Linear(10, 10); 3],
        scale: Parameter(10, mean = 1),
        norm: LayerNorm(10),
        head: Sequential(Linear(20, 8), ReLU, Linear(8, 2, bias = false)),
    }

    fn forward(x: [N, 10]) -> [N, 2] {
        let first = x;
        for block in blocks {
            x += block(x).gelu() * scale;
        }
        x = cat((norm(x), first), dim = 1);
        head(x)
    }
}
// ANCHOR_END: residual

pub fn run(numbers: &mut Numbers) -> Result {
    let mut straight = Straight::init(0);
    straight.load(weights("straight"))?;
    numbers.tell("straight", Predictor::new(straight).batch(2).build()?.predict(&waves(&[2, 1, 8, 8], 0.0))?);

    let mut residual = Residual::init(0);
    residual.load(weights("residual"))?;
    numbers.tell("residual", Predictor::new(residual).batch(2).build()?.predict(&waves(&[2, 10], 0.0))?);
    Ok(())
}
