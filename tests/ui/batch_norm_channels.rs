use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 32, 32])]
struct Net {
    conv: Conv2d<3, 16, 3>,
    norm: BatchNorm2d<8>,
    act: ReLU,
    flatten: Flatten,
    wrong: BatchNorm2d<7200>,
    #[model(momentum = false)]
    last: BatchNorm1d<7200>,
}

model! {
    #[model(input = [3, 32, 32])]
    struct Second {
        norm: BatchNorm2d(4, eps = 1e-3),
        flatten: Flatten,
        wrong: BatchNorm2d(4096),
    }
}

fn main() {}
