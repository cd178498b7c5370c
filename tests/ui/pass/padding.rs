//! Padding layers, and convolutions that are padded with elements of the image.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

model! {
    #[model(input = [3, 6, 8], output = [4, 7, 10])]
    struct Image {
        zeros: ZeroPad2d((1, 1, 0, 2)),
        number: ConstantPad2d(1, 0.5),
        mirror: ReflectionPad2d((2, 0, 1, 0)),
        edge: ReplicationPad2d(padding = -1),
        round: CircularPad2d((0, 0, 0, 3)),
        conv: Conv2d(3, 4, 3, padding = "same", padding_mode = "reflect"),
        small: Conv2d(4, 4, 3, stride = (2, 1), padding = (1, 0), padding_mode = PaddingMode::Circular),
        cut: ZeroPad2d((0, 0, 1, 0)),
    }
}

#[derive(Model)]
#[model(input = [2, 6], output = [2, 12])]
struct Signal {
    #[model(padding = (1, 2))]
    zeros: ZeroPad1d,
    #[model(padding = 1, value = -1)]
    number: ConstantPad1d,
    #[model(padding = (3, 0))]
    mirror: ReflectionPad1d,
    #[model(padding = (-1, 0))]
    edge: ReplicationPad1d,
    #[model(padding = (0, -1))]
    round: CircularPad1d,
    #[model(padding = 1, padding_mode = "replicate")]
    conv: Conv1d<2, 2, 3>,
}

model! {
    #[model(input = [1, 3, 3, 3], output = [1, 3, 3, 3])]
    struct Volume(
        ZeroPad3d(1),
        ConstantPad3d((1, 0, 0, 0, 0, 0), value = 2),
        ReflectionPad3d((1, 0, 0, 0, 0, 1)),
        ReplicationPad3d((-2, -2, 0, -1, 0, -2)),
        CircularPad3d((0, 0, -1, 0, 0, -1)),
    );
}

fn described(layer: &dyn Layer) -> Vec<String> {
    let mut found = Vec::new();
    layer.describe(&mut Path::new(), &mut |_, layer| found.push(layer.to_owned()));
    found
}

#[test]
fn it_runs() {
    let expected = [
        "ZeroPad2d((1, 1, 0, 2))",
        "ConstantPad2d(1, value 0.5)",
        "ReflectionPad2d((2, 0, 1, 0))",
        "ReplicationPad2d(-1)",
        "CircularPad2d((0, 0, 0, 3))",
        "Conv2d(3, 4, kernel 3, padding same reflect)",
        "Conv2d(4, 4, kernel 3, stride (2, 1), padding (1, 0) circular)",
        "ZeroPad2d((0, 0, 1, 0))",
    ];
    assert_eq!(described(&Image::init(1)), expected);
    assert_eq!(described(&Signal::init(1))[5], "Conv1d(2, 2, kernel 3, padding 1 replicate)");
    assert_eq!(described(&Volume::init(1))[1], "ConstantPad3d((1, 0, 0, 0, 0, 0), value 2)");
}
