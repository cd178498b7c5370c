//! Kiln's side of `saving.py`.

use kiln::prelude::*;

use super::{Numbers, Result, waves, weights};

model! {
    struct Net {
        backbone: Linear(4, 8),
        head: Linear(8, 2),
    }

    fn forward(x: [N, 4]) -> [N, 2] {
        head(backbone(x).relu())
    }
}

pub fn run(numbers: &mut Numbers) -> Result {
    let mut net = Net::init(0);
    let x = waves(&[2, 4], 0.0);

    // ANCHOR: load
    net.load(weights("other"))?; // all of it
    net.backbone.load_with(weights("saving"), LoadOptions::new().prefix("backbone."))?; // a part
    // ANCHOR_END: load
    let predictor = Predictor::new(net).batch(2).build()?;
    numbers.tell("a part", predictor.predict(&x)?);

    let mut net = predictor.into_model();
    // ANCHOR: rename
    let rename = |name: &str| name.replace("head.bias", "nowhere");
    let options = LoadOptions::new().prefix("module.").rename(rename).strict(false);
    let keys = net.load_with(weights("wrapped"), options)?;
    // ANCHOR_END: rename
    numbers.tell("missing", [keys.missing_keys.len() as f32]);
    numbers.tell("renamed", Predictor::new(net).batch(2).build()?.predict(&x)?);
    Ok(())
}
