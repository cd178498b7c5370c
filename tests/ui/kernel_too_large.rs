use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 4, 4])]
struct Net {
    #[model(padding = (1, 0))]
    conv: Conv2d<1, 2, 5>,
}

model! {
    #[model(input = [1, 3, 3])]
    struct Pooled {
        pool: MaxPool2d(4),
    }
}

fn main() {}
