use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Net {
    layers: Vec<Linear<10, 10>>,
}

#[derive(Model)]
#[model(input = [10])]
struct Slice<const N: usize> {
    layers: Box<[Linear<10, 10>]>,
    borrowed: &'static Linear<10, 10>,
}

model! {
    #[model(input = [10])]
    struct Declared {
        layers: Vec<Linear<10, 10>>,
        head: [Linear(10, 10), ReLU],
    }
}

fn main() {}
