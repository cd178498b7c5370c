use kiln::prelude::*;

#[derive(Model)]
#[model(input = 10)]
struct Scalar {
    fc: Linear<10, 10>,
}

#[derive(Model)]
#[model(input = [1, 8, 8])]
struct Net {
    #[model(stride = true, padding = "full")]
    conv: Conv2d<1, 4, 3>,
    #[model(stride = (2, 2, 2), ceil_mode = 1)]
    pool: MaxPool2d<2>,
    #[model(2)]
    average: AvgPool2d<2>,
    #[model(bias = False)]
    fc: Linear<10, 10>,
}

model! {
    #[model(input = [10])]
    struct Declared {
        fc: Linear("ten", 10),
        act: LeakyReLU(negative_slope = "small"),
        conv: Conv2d(1, 4, (3, 3, 3)),
        flatten: Flatten(1.5),
    }
}

const SLOPE: usize = 1;

model! {
    #[model(input = [10])]
    struct Typed(LeakyReLU(SLOPE));
}

fn main() {}
