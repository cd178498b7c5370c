use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4, 6])]
struct Net {
    norm: LayerNorm<5>,
    planes: LayerNorm<3, 4, 6, 1>,
    forgotten: Softmax,
    #[model(dim = 3)]
    outside: LogSoftmax,
}

model! {
    #[model(input = [4, 6])]
    struct Second {
        norm: LayerNorm([1, 2, 3, 4, 5]),
        nothing: Identity(4),
        wrong: Softmax(dim = 0.5),
    }
}

fn main() {}
