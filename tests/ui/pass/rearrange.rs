//! Layers that put elements into another order, and functions of two tensors of vectors.

#![deny(warnings)]

use kiln::graph::Path;
use kiln::prelude::*;

model! {
    #[model(input = [8, 3, 4], output = [2, 12, 16])]
    struct Image {
        mixed: ChannelShuffle(2),
        up: PixelShuffle(2),
        down: PixelUnshuffle(downscale_factor = 2),
        again: PixelShuffle(2),
        nearest: UpsamplingNearest2d(scale_factor = 2),
        smooth: UpsamplingBilinear2d((12, 16)),
        drop: AlphaDropout(0.1),
        channels: FeatureAlphaDropout(p = 0.2),
    }
}

#[derive(Model)]
#[model(input = [24], output = [2, 6, 6])]
struct Parts {
    #[model(dim = 1, unflattened_size = (2, -1, 4))]
    parts: Unflatten,
    #[model(kernel_size = (2, 1), padding = (1, 0))]
    windows: Unfold,
    #[model(output_size = (3, 4), kernel_size = (2, 1), padding = (1, 0))]
    image: Fold,
    #[model(size = 6)]
    larger: UpsamplingNearest2d,
}

model! {
    #[model(input = [6, 6, 6], output = [6, 6, 6])]
    struct Back(
        Unfold(3, 1, 1, 1),
        Fold(6, 3, padding = 1),
        Flatten(),
        Unflatten(-1, [6, 6, 6]),
    );
}

model! {
    struct Twins {
        fc: Linear(5, 4),
        square: Conv2d(1, 4, 3, padding = 1),
    }

    fn forward(a: [N, 5], b: [N, 5], image: [N, 1, 4, 4]) -> ([N], [N, 1], [N, 1, 8, 8], [N, 4, 4, 4]) {
        let angle = cosine_similarity(fc(a), fc(b));
        let apart = pairwise_distance(fc(a), b.narrow(1, 0, 4), p = 1, keepdim = true);
        let y = channel_shuffle(square(image), 2);
        let columns = unfold(pixel_unshuffle(pixel_shuffle(y, 2), 2), [2, 2], stride = 2);
        (angle, apart, pixel_shuffle(y, 2), fold(columns, 4, 2, stride = [2, 2]))
    }
}

fn described(layer: &dyn Layer) -> Vec<String> {
    let mut found = Vec::new();
    layer.describe(&mut Path::new(), &mut |_, layer| found.push(layer.to_owned()));
    found
}

#[test]
fn it_runs() {
    let expected = [
        "ChannelShuffle(2)",
        "PixelShuffle(2)",
        "PixelUnshuffle(2)",
        "PixelShuffle(2)",
        "UpsamplingNearest2d(scale 2)",
        "UpsamplingBilinear2d(size (12, 16))",
        "AlphaDropout(0.1)",
        "FeatureAlphaDropout(0.2)",
    ];
    assert_eq!(described(&Image::init(1)), expected);
    let expected = [
        "Unflatten(1, (2, -1, 4))",
        "Unfold(kernel (2, 1), padding (1, 0))",
        "Fold(size (3, 4), kernel (2, 1), padding (1, 0))",
        "UpsamplingNearest2d(size 6)",
    ];
    assert_eq!(described(&Parts::init(1)), expected);
    assert_eq!(described(&Back::init(1))[3], "Unflatten(-1, (6, 6, 6))");
    assert_eq!(Twins::OUTPUTS.len(), 4);
}
