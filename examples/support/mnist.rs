//! What MNIST's examples have in common: the network, and reading the files. It knows no training.

use std::path::Path;

use kiln::prelude::*;

/// The network of Y. LeCun et al. (1998), in its usual modern form.
#[derive(Model)]
#[model(input = [1, 28, 28])]
pub struct LeNet {
    conv1: Conv2d<1, 20, 5>,
    relu1: ReLU,
    pool1: MaxPool2d<2>,
    conv2: Conv2d<20, 64, 5>,
    relu2: ReLU,
    pool2: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<1024, 128>,
    relu3: ReLU,
    fc2: Linear<128, 10>,
}

// ANCHOR: read
/// The training and the test set. `Dataset::from_idx` also finds files that are named a little otherwise.
pub fn mnist(folder: &Path) -> Result<(Dataset, Dataset), DataError> {
    let file = |part: &str, name: &str| folder.join(format!("{part}-{name}-ubyte"));
    let read = |part: &str| Dataset::from_idx(file(part, "images-idx3"), file(part, "labels-idx1"));
    let test = read("t10k")?;
    match read("train") {
        Err(DataError::NotFound { path, .. }) if path == file("train", "images-idx3") => {
            Ok(test.split_at(test.len() * 85 / 100))
        }
        train => Ok((train?, test)),
    }
}
// ANCHOR_END: read
