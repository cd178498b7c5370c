use kiln::prelude::*;

#[derive(Model)]
#[model(input = [6, 3, 4])]
struct Images {
    channels: PixelShuffle<2>,
    pixels: PixelUnshuffle<2>,
    groups: ChannelShuffle<4>,
    none: PixelShuffle<0>,
    missing: Unfold,
    #[model(kernel_size = 5)]
    large: Unfold,
    #[model(output_size = 4, kernel_size = 2)]
    columns: Fold,
    open: Unflatten,
    #[model(dim = 1, unflattened_size = [2, 4])]
    product: Unflatten,
    #[model(dim = 0, unflattened_size = [2, -1])]
    batch: Unflatten,
    both: UpsamplingNearest2d,
    #[model(p = 1.5)]
    alpha: AlphaDropout,
}

model! {
    #[model(input = [6])]
    struct Kinds(Unflatten(1, 6), Unflatten(1, (2, 1.5)), PixelShuffle(-2), UpsamplingBilinear2d(scale_factor = "2"));
}

model! {
    struct Layers {
        angle: CosineSimilarity(1),
        apart: PairwiseDistance(2),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        apart(angle(x))
    }
}

model! {
    struct Vectors {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], y: [N, 3]) -> [N] {
        cosine_similarity(fc(x), y)
    }
}

fn main() {}
