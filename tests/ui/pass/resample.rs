//! Layers that change spatial extents.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

const CHANNELS: usize = 4;

#[derive(Model)]
#[model(input = [2, 5])]
struct Signal {
    #[model(stride = 3, output_padding = 2, groups = 2)]
    longer: ConvTranspose1d<2, CHANNELS, 3>,
    average: AdaptiveAvgPool1d<4>,
}

#[derive(Model)]
#[model(input = [8, 1, 1], output = [2, 1, 3])]
struct Image {
    #[model(bias = false)]
    first: ConvTranspose2d<8, 4, 4>,
    #[model(stride = 2, padding = (1, 0), dilation = 2)]
    second: ConvTranspose2d<4, 2, 3, 2>,
    rows: AdaptiveAvgPool2d<KEPT, 3>,
    whole: AdaptiveAvgPool2d<1, 3>,
}

model! {
    #[model(input = [1, 2, 3, 3], output = [2, 1, 5, 2])]
    struct Volume {
        larger: ConvTranspose3d(1, 2, (1, 2, 2), 2, padding = (0, 1, 1), output_padding = 1),
        average: AdaptiveAvgPool3d((1, None, 2)),
    }
}

#[derive(Model)]
#[model(input = [3, 5, 6], output = [3, 9, 16])]
struct Larger {
    #[model(scale_factor = 2)]
    nearest: Upsample,
    #[model(size = (6, 12), mode = "bilinear", align_corners = true)]
    interpolated: Upsample,
    #[model(scale_factor = (1.5, 4.0 / 3.0), mode = UpsampleMode::Bilinear, recompute_scale_factor = true)]
    again: Upsample,
}

model! {
    #[model(input = [1, 2, 2, 2], output = [1, 3, 3, 3])]
    struct Filled(Upsample((4, 2, 2)), Upsample(scale_factor = (0.75, 1.5, 1.5), mode = "trilinear"));
}

#[derive(Model)]
#[model(input = [3, 9, 11], output = [3, 4, 5])]
struct Smaller {
    #[model(output_ratio = (0.7, 0.7), samples = 0.5)]
    ratio: FractionalMaxPool2d<2>,
    #[model(output_size = (4, 5))]
    size: FractionalMaxPool2d<3, 2>,
}

model! {
    #[model(input = [1, 8, 8], output = [1, 3, 3])]
    struct Halved(FractionalMaxPool2d(2, output_ratio = 0.5), FractionalMaxPool2d((1, 2), 3));
}

model! {
    #[model(input = [1, 4, 8, 8], output = [1, 2, 3, 3])]
    struct Volumes(FractionalMaxPool3d(2, output_ratio = (0.75, 0.5, 0.5)), FractionalMaxPool3d((1, 2, 2), (2, 3, 3)));
}

model! {
    struct Functions {
        up: Upsample(size = (4, 6), mode = "bicubic", align_corners = true),
        whole: Upsample(scale_factor = 2, mode = "nearest-exact"),
        part: Upsample(4, mode = "area"),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 3, 7, 9] {
        let a = interpolate(x, size = [7, 9], mode = "bilinear", antialias = true);
        let b = interpolate(up(x), [7, 9]) + interpolate(part(x), scale_factor = (1.8, 2.3), mode = "bicubic");
        let c = pad(x, (1, 0, -2, 1), mode = "reflect") + x.pad([1, 0, 0, 0], "circular").pad([0, 0, -1, 0], value = 0.5);
        a + b + c + whole(x).pad([0, -7, 0, -9])
    }
}

fn described(layer: &dyn Layer) -> Vec<String> {
    let mut found = Vec::new();
    layer.describe(&mut Path::new(), &mut |_, layer| found.push(layer.to_owned()));
    found
}

#[test]
fn it_runs() {
    assert_eq!(Signal::OUTPUT, Shape::new(&[Shape::N, 4, 4]));
    let expected = ["ConvTranspose1d(2, 4, kernel 3, stride 3, output padding 2, groups 2)", "AdaptiveAvgPool1d(4)"];
    assert_eq!(described(&Signal::init(1)), expected);
    assert_eq!(Image::init(1).second.weight.shape(), Shape::new(&[4, 2, 3, 2]));
    let expected = [
        "ConvTranspose3d(1, 2, kernel (1, 2, 2), stride 2, padding (0, 1, 1), output padding 1)",
        "AdaptiveAvgPool3d((1, None, 2))",
    ];
    assert_eq!(described(&Volume::init(1)), expected);
    let expected = [
        "Upsample(scale 2, nearest)",
        "Upsample(size (6, 12), bilinear, align corners)",
        "Upsample(scale (1.5, 1.3333333333333333), bilinear, recompute scale)",
    ];
    assert_eq!(described(&Larger::init(1)), expected);
    let expected = ["FractionalMaxPool2d(2, ratio 0.7, samples 0.5)", "FractionalMaxPool2d((3, 2), size (4, 5))"];
    assert_eq!(described(&Smaller::init(1)), expected);
    assert_eq!(described(&Halved::init(1))[1], "FractionalMaxPool2d((1, 2), size 3)");
    assert_eq!(described(&Volumes::init(1))[1], "FractionalMaxPool3d((1, 2, 2), size (2, 3, 3))");
    assert_eq!(described(&Filled::init(1))[1], "Upsample(scale (0.75, 1.5, 1.5), trilinear)");
}
