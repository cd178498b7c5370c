use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 8, 8])]
struct Cells {
    none: AdaptiveMaxPool2d<0>,
    axes: AdaptiveMaxPool1d<2>,
    power: LPPool2d<0, 2>,
    window: LPPool2d<2, 9>,
}

model! {
    #[model(input = [3, 8, 8])]
    struct Fraction(LPPool2d(1.5, 2));
}

model! {
    struct Unpooled {
        conv: Conv2d(1, 2, 3),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 2, 8, 8] {
        let (y, places) = max_pool2d_with_indices(conv(x), 2);
        max_unpool2d(y, places, 2, output_size = [10, 8])
    }
}

model! {
    struct Places {
        conv: Conv2d(1, 2, 3),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 2, 4, 4] {
        let (y, places) = max_pool2d_with_indices(conv(x), 2, padding = [0, 0, 0]);
        max_unpool2d(y, y, 2)
    }
}

model! {
    struct Layer {
        pool: MaxUnpool2d(2),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 1, 10, 10] {
        pool(x)
    }
}

model! {
    struct Functions {
        conv: Conv2d(1, 2, 3),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 2, 4, 4] {
        max_pool2d(conv(x), 2, padding = 2)
    }
}

model! {
    struct Divisors {
        conv: Conv2d(1, 2, 3),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 2, 4, 4] {
        avg_pool2d(conv(x), 2, divisor_override = 0)
    }
}

fn main() {}
