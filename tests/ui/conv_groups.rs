use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4, 8, 8])]
struct Net {
    #[model(groups = 3)]
    inputs: Conv2d<4, 6, 3>,
    #[model(groups = 2)]
    outputs: Conv2d<6, 5, 3>,
}

fn main() {}
