use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 32, 32])]
struct Net {
    conv1: Conv2d<3, 16, 3>,
    conv2: Conv2d<8, 32, 3>,
}

fn main() {}
