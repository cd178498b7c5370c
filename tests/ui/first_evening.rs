use kiln::prelude::*;

#[derive(Model)]
#[model(input = [64])]
pub struct Net {
    fc1: Linear<64, 96>,
    act: ReLU,
    fc2: Linear<90, 10>,
}

fn main() {}
