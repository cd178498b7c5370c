//! Pooling by cells, by norms, and with the places of maxima.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 9, 11], output = [3, 2, 3])]
struct Cells {
    rows: AdaptiveMaxPool2d<KEPT, 5>,
    #[model(stride = (2, 1), ceil_mode = true)]
    norms: LPPool2d<2, 3>,
    whole: AdaptiveMaxPool2d<2, 3>,
}

model! {
    #[model(input = [2, 12], output = [2, 3])]
    struct Signal(AdaptiveMaxPool1d(6), LPPool1d(1, 2));
}

model! {
    #[model(input = [2, 4, 5, 6], output = [2, 1, 1, 2])]
    struct Volume(LPPool3d(3, (1, 2, 2), 2), AdaptiveMaxPool3d((1, None, 2)), AdaptiveMaxPool3d((1, 1, None)));
}

model! {
    struct SegNet {
        down: Conv2d(1, 4, 3, padding = 1),
        up: Conv2d(4, 1, 3, padding = 1),
    }

    fn forward(x: [N, 1, 7, 8]) -> ([N, 1, 7, 8], [N, 4, 3, 4; i32]) {
        let (y, places) = max_pool2d_with_indices(down(x), 2);
        (up(max_unpool2d(y.relu(), places, [2, 2], output_size = [7, 8])), places)
    }
}

model! {
    struct Others {
        first: Conv1d(1, 2, 1),
    }

    fn forward(x: [N, 1, 8], v: [N, 1, 4, 4, 6]) -> ([N, 2, 8], [N, 1, 3, 3, 3], [N, 1, 2, 2, 2], [N, 1, 3, 2]) {
        let (y, places) = max_pool1d_with_indices(first(x), kernel_size = 3, stride = 2, padding = 1, dilation = 1);
        let y = max_unpool1d(y, places, 3, 2, 1, output_size = 8);
        let (z, at) = max_pool3d_with_indices(v, [2, 2, 3], 2, ceil_mode = false);
        let z = max_unpool3d(z, at, 2, 1) + 0.0;
        let (a, b) = adaptive_max_pool3d_with_indices(v, 2);
        let (c, d) = adaptive_max_pool2d_with_indices(v.squeeze(1).reshape([N, 4, 4, 6]).narrow(1, 0, 1), [3, 2]);
        let (e, f) = adaptive_max_pool1d_with_indices(x, 4);
        (y, z, a + (b + b).float() * 0.0, c)
    }
}

model! {
    struct Windows {
        conv: Conv2d(1, 2, 3),
    }

    fn forward(x: [N, 1, 10, 10], v: [N, 1, 4, 4, 6], s: [N, 1, 8]) -> [N, 2, 4, 4] {
        let y = max_pool2d(conv(x), 2) + avg_pool2d(conv(x), [2, 2], stride = 2, divisor_override = None);
        let z = adaptive_avg_pool2d(conv(x), 4) + adaptive_max_pool2d(conv(x), [4, 4]);
        let volumes = max_pool3d(v, 2).mean() + avg_pool3d(v, 2, divisor_override = 3).mean() + adaptive_avg_pool3d(v, 2).mean() + adaptive_max_pool3d(v, 1).mean();
        let signals = max_pool1d(s, 3, 1, padding = 1).mean() + avg_pool1d(s, 2, ceil_mode = true).mean() + adaptive_avg_pool1d(s, 3).mean() + adaptive_max_pool1d(s, 1).mean();
        y + z + volumes + signals
    }
}

fn described(layer: &dyn Layer) -> Vec<String> {
    let mut found = Vec::new();
    layer.describe(&mut Path::new(), &mut |_, layer| found.push(layer.to_owned()));
    found
}

#[test]
fn it_runs() {
    let expected = ["AdaptiveMaxPool2d((None, 5))", "LPPool2d(2, 3, stride (2, 1), ceil)", "AdaptiveMaxPool2d((2, 3))"];
    assert_eq!(described(&Cells::init(1)), expected);
    assert_eq!(described(&Signal::init(1)), ["AdaptiveMaxPool1d(6)", "LPPool1d(1, 2)"]);
    assert_eq!(described(&Volume::init(1))[0], "LPPool3d(3, (1, 2, 2), stride 2)");
    assert_eq!((SegNet::OUTPUTS.len(), Others::OUTPUTS.len()), (2, 4));
}
