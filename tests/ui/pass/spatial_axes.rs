//! Convolution and pooling over one and three spatial axes.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [2, 16])]
struct Signal {
    #[model(padding = "same", groups = 2)]
    conv: Conv1d<2, 4, 3>,
    #[model(stride = 2, padding = 1)]
    maximum: MaxPool1d<3>,
    average: AvgPool1d<2>,
}

model! {
    #[model(input = [1, 4, 8, 8], output = [3, 1, 2, 2])]
    struct Volume {
        conv: Conv3d(1, 3, (2, 3, 3), padding = (0, 1, 1)),
        maximum: MaxPool3d((1, 2, 2)),
        average: AvgPool3d<2>(stride = (2, 2, 2)),
    }
}

#[test]
fn it_runs() {
    assert_eq!(Signal::OUTPUT, Shape::new(&[Shape::N, 4, 4]));
    let mut found = Vec::new();
    Volume::init(1).describe(&mut Path::new(), &mut |_, layer| found.push(layer.to_owned()));
    let expected = ["Conv3d(1, 3, kernel (2, 3, 3), padding (0, 1, 1))", "MaxPool3d((1, 2, 2))", "AvgPool3d(2)"];
    assert_eq!(found, expected);
}
