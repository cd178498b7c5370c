use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 8, 8], input = [1, 9, 9])]
struct Net {
    #[model(stride = 2, padding = 1, stride = 1)]
    conv: Conv2d<1, 4, 3>,
}

model! {
    #[model(input = [1, 8, 8])]
    struct Declared {
        conv: Conv2d(1, 4, 3, 2, stride = 1),
        pool: MaxPool2d(2, kernel_size = 2),
        pool: ReLU,
    }
}

fn main() {}
