//! Kiln's side of `back.py`: PyTorch has read a file that `save` wrote.

use std::env;

use kiln::prelude::*;

use super::{Numbers, Result, folder, waves};

#[derive(Model)]
#[model(input = [1, 6, 6])]
struct Net(Conv2d<1, 2, 3>, BatchNorm2d<2>, Flatten, Linear<32, 3>);

pub fn run(numbers: &mut Numbers) -> Result {
    let net = Net::init(7);
    let kept = folder().join("weights/back.safetensors");
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        net.save(&kept)?;
    }
    // The file that PyTorch has read holds this network.
    let mut loaded = Net::init(0);
    loaded.load(kept)?;
    let values = |net: &Net| {
        let mut values = Vec::new();
        net.each_parameter(&mut |name, parameter| values.push((name.to_owned(), parameter.value.clone())));
        values
    };
    assert_eq!(values(&loaded), values(&net));
    numbers.tell("from Kiln", Predictor::new(net).batch(2).build()?.predict(&waves(&[2, 1, 6, 6], 0.0))?);
    Ok(())
}
