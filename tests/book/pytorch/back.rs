//! Kiln's side of `back.py`: the file that PyTorch has read is what `save` writes.

use std::{env, fs};

use kiln::prelude::*;

use super::{Numbers, Result, folder, waves};
use crate::folder::Folder;

#[derive(Model)]
#[model(input = [1, 6, 6])]
struct Net(Conv2d<1, 2, 3>, BatchNorm2d<2>, Flatten, Linear<32, 3>);

pub fn run(numbers: &mut Numbers) -> Result {
    let net = Net::init(7);
    let (kept, written) = (folder().join("weights/back.safetensors"), Folder::new("back"));
    net.save(written.path("net.safetensors"))?;
    if env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::copy(written.path("net.safetensors"), &kept)?;
    }
    assert_eq!(fs::read(written.path("net.safetensors"))?, fs::read(kept)?, "another file than PyTorch has read");
    numbers.tell("from Kiln", Predictor::new(net).batch(2).build()?.predict(&waves(&[2, 1, 6, 6], 0.0))?);
    Ok(())
}
