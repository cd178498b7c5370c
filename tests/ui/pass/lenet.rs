//! The network of the README: its output, and the names, shapes and order of its parameters.

use kiln::graph::Path;
use kiln::prelude::*;

const CLASSES: usize = 10;

/// Fields are applied in order.
#[derive(Model)]
#[model(input = [1, 28, 28], output = [CLASSES])]
pub struct LeNet {
    conv1: Conv2d<1, 20, 5>,
    relu1: ReLU,
    #[model(stride = 2)]
    pool1: MaxPool2d<2>,
    conv2: Conv2d<20, 64, 5>,
    relu2: ReLU,
    pool2: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<1024, 128>,
    relu3: ReLU,
    #[model(bias = false)]
    fc2: Linear<128, CLASSES>,
}

#[test]
fn it_runs() {
    assert_eq!(LeNet::INPUT, Shape::new(&[Shape::N, 1, 28, 28]));
    assert_eq!(LeNet::OUTPUT, Shape::new(&[Shape::N, 10]));
    let mut parameters = Vec::new();
    LeNet::init(1).visit(&mut Path::new(), &mut |name, parameter| {
        parameters.push(format!("{name} {}", parameter.shape()));
    });
    let expected = [
        "conv1.weight [20, 1, 5, 5]",
        "conv1.bias [20]",
        "conv2.weight [64, 20, 5, 5]",
        "conv2.bias [64]",
        "fc1.weight [128, 1024]",
        "fc1.bias [128]",
        "fc2.weight [10, 128]",
    ];
    assert_eq!(parameters, expected);
}
