use kiln::prelude::*;

#[derive(Model)]
#[model(input = [16], output = [10])]
struct Net {
    fc1: Linear<16, 32>,
    fc2: Linear<32, 12>,
}

model! {
    #[model(input = [2, 4, 4], output = [32])]
    struct Unflattened(ReLU);
}

fn main() {}
