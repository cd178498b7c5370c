//! Settings and extents that PyTorch refuses, or that no tensor has.

use kiln::prelude::*;

#[derive(Model)]
#[model(input = [2, 9, 9])]
struct Windows {
    #[model(dilation = 2, padding = 2)]
    above_half_of_the_kernel: MaxPool2d<3>,
    #[model(divisor_override = 0)]
    divisor: AvgPool2d<2>,
    #[model(padding = 18446744073709551610)]
    beyond_memory: Conv2d<2, 2, 3>,
}

model! {
    #[model(input = [3, 4])]
    struct Settings {
        bounds: Hardtanh(1.0, -1.0),
        equal: Hardtanh(1, 1),
        beta: Softplus(0),
        slope: LeakyReLU(f64::NAN),
        alpha: ELU(alpha = f64::INFINITY),
        eps: BatchNorm1d(3, eps = 0),
        momentum: BatchNorm1d(3, momentum = f64::NAN),
        negative: LayerNorm(4, eps = -1e-5),
        probability: Dropout(1.5),
        recompute: Upsample(size = 8, recompute_scale_factor = true),
        factor: Upsample(scale_factor = 1e30),
    }
}

model! {
    #[model(input = [4])]
    struct NoFeatures(Linear(4, 0), Linear(0, 3));
}

model! {
    #[model(input = [3, 0, 4])]
    struct NoElements(ReLU);
}

model! {
    #[model(input = [4; i32])]
    struct NoRows(Embedding(0, 4));
}

model! {
    #[model(input = [2147483648, 2147483648])]
    struct TooLarge(ReLU);
}

model! {
    #[model(input = [2147483646])]
    struct Weights(Linear(2147483646, 8193));
}

model! {
    #[model(input = [4, 8])]
    struct Kernels(Conv1d(4, 1099511627776, 4), ConvTranspose1d(4, 4, 4294967296));
}

model! {
    #[model(input = [4; i32])]
    struct Table(Embedding(1000000000000, 4));
}

model! {
    struct Functions { fc: Linear(4, 4) }

    eval bounds(x: [N, 4]) -> y {
        let y = x.hardtanh(2.0, 1.0);
    }

    eval dropped(x: [N, 4]) -> y {
        let y = dropout(x, 2.0);
    }

    eval bend(x: [N, 4]) -> y {
        let y = x.softplus(beta = 0);
    }

    eval nothing(x: [N, 4]) -> y {
        let y = x.narrow(1, 2, 0);
    }

    eval much(x: [N, 4]) -> y {
        let y = x.unsqueeze(1).expand(N, 1000000000000000, 4);
    }
}

fn main() {}
