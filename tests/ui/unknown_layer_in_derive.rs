use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Net {
    fc1: Linaer<10, 10>,
    norm: PowerNorm<10>,
    fc2: Linear<10>,
}

#[derive(Model)]
#[model(input = [10])]
struct Outer(Net, Linear<10, 10>);

fn main() {}
