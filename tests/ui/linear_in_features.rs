use kiln::prelude::*;

#[derive(Model)]
#[model(input = [64])]
struct Net {
    fc1: Linear<64, 128>,
    act: ReLU,
    fc2: Linear<100, 10>,
}

fn main() {}
