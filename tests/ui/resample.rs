use kiln::prelude::*;

#[derive(Model)]
#[model(input = [2, 5])]
struct Signal {
    #[model(stride = 2, output_padding = 2)]
    longer: ConvTranspose1d<2, 4, 3>,
    average: AdaptiveAvgPool1d<0>,
}

#[derive(Model)]
#[model(input = [3, 2, 2])]
struct Image {
    channels: ConvTranspose2d<4, 4, 3>,
    #[model(padding = 4)]
    nothing: ConvTranspose2d<4, 4, 3>,
    axes: AdaptiveAvgPool3d<1>,
}

model! {
    #[model(input = [3, 2, 2, 2])]
    struct Volume {
        groups: ConvTranspose3d(3, 4, 1, groups = 2),
    }
}

model! {
    #[model(input = [3, 2, 2])]
    struct Average {
        average: AdaptiveAvgPool2d((1, 2.5)),
        mode: Upsample(2, mode = "cubic"),
        size: Upsample(2.5),
        factor: Upsample(scale_factor = (1, 2, 3, 4)),
        ratio: FractionalMaxPool2d(2, output_ratio = (0.5, 0.5, 0.5)),
    }
}

#[derive(Model)]
#[model(input = [1, 5, 5])]
struct Smaller {
    unknown: FractionalMaxPool2d<2>,
    #[model(output_ratio = 1.5)]
    ratio: FractionalMaxPool2d<2>,
    #[model(output_size = 2, output_ratio = 0.5)]
    both: FractionalMaxPool2d<2>,
    #[model(output_size = 2, samples = 1)]
    samples: FractionalMaxPool2d<2>,
    #[model(output_size = 4)]
    windows: FractionalMaxPool2d<3>,
}

#[derive(Model)]
#[model(input = [3, 16])]
struct Larger {
    unknown: Upsample,
    #[model(size = 8, scale_factor = 2)]
    both: Upsample,
    #[model(scale_factor = 2, mode = "bilinear")]
    axes: Upsample,
    #[model(scale_factor = 2, align_corners = false)]
    corners: Upsample,
    #[model(scale_factor = 0.05)]
    empty: Upsample,
    #[model(size = (8, 8))]
    entries: Upsample,
}

model! {
    struct Modes {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 3, 8, 8] {
        interpolate(fc(x), 4, mode = "cubic")
    }
}

model! {
    struct Corners {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 3, 8, 8]) -> [N, 3, 8, 8] {
        interpolate(fc(x), scale_factor = [0.5, 2], mode = "area", align_corners = true)
    }
}

model! {
    struct Reflected {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 3, 8]) -> [N, 3, 16] {
        pad(fc(x), [8, 0], mode = "reflect")
    }
}

model! {
    struct Samples {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x).pad([0, 0, 1, 0])
    }
}

model! {
    struct Valued {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 3, 8]) -> [N, 3, 9] {
        fc(x).pad([1, 0], "replicate", 1)
    }
}

model! {
    struct Words {
        fc: Linear(8, 8),
    }

    fn forward(x: [N, 3, 8]) -> [N, 3, 9] {
        interpolate(fc(x).pad([1, 0], 1.0), scale_factor = "2")
    }
}

#[derive(Model)]
#[model(input = [1, 3, 5, 5])]
struct SmallerVolume {
    #[model(output_size = (3, 4, 4))]
    windows: FractionalMaxPool3d<2>,
}

fn main() {}
