use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Net {
    conv: Conv2d<1, 4, 3>,
    act: ReLU,
    fc: Linear<144, 10>,
}

fn main() {}
