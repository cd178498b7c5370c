use kiln::prelude::*;

model! {
    #[model(input = [1, 8, 8])]
    struct Net {
        conv1: Conv2d(1, kernel_size = 3),
        conv2: Conv2d<1, 4>(stride = 2),
        pool: MaxPool2d,
        fc: Linear(10, 10, true, 3),
    }
}

fn main() {}
