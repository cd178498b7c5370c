use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 8, 8], outputs = [10])]
struct Net {
    #[model(strides = 2)]
    conv: Conv2d<1, 4, 3>,
    #[model(inplace = true)]
    act: ReLU,
    #[model(in_features = 10)]
    fc: Linear<10, 10>,
}

model! {
    #[model(input = [10])]
    struct Declared {
        fc: Linear(10, 10, biass = false),
        net: Net(bias = true),
    }
}

fn main() {}
