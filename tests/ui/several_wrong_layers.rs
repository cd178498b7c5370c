//! Each wrong layer is reported once; after it the output is assumed that it would have had from its right input.

use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 28, 28], output = [10])]
struct LeNet {
    conv1: Conv2d<3, 20, 5>,
    relu1: ReLU,
    #[model(stride = 2)]
    pool1: MaxPool2d<2>,
    conv2: Conv2d<16, 64, 5>,
    relu2: ReLU,
    pool2: MaxPool2d<2>,
    fc1: Linear<1024, 128>,
    fc2: Linear<100, 10>,
}

fn main() {}
