use kiln::prelude::*;

model! {
    #[model(input = [4, 8, 8])]
    struct Layers {
        same: Conv2d(4, 6, 3, padding = -1),
        signal: Conv1d(4, 6, 3, padding = -1),
        volume: Conv3d(4, 6, 3, padding = -1),
        most: MaxPool2d(2, padding = -1),
        mean: AvgPool2d(2, padding = -1),
        means: AdaptiveAvgPool2d(-1),
        maxima: AdaptiveMaxPool2d(-1),
    }
}

model! {
    struct Slices {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x.slice(1, 0, 4, step = -1))
    }
}

fn main() {}
