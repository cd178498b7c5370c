//! Without a default a model is checked when it is made, by `cargo build`.

use kiln::prelude::*;

#[derive(Model)]
#[model(input = [64])]
struct Net<const HIDDEN: usize> {
    fc1: Linear<64, HIDDEN>,
    fc2: Linear<16, 10>,
}

fn main() {
    let _right = Net::<16>::init(1);
    let _wrong = Net::<32>::init(1);
}
