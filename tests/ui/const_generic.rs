//! Every parameter has a default: the model is checked with these where it is declared.

use kiln::prelude::*;

#[derive(Model)]
#[model(input = [64])]
struct Net<const HIDDEN: usize = 32> {
    fc1: Linear<64, HIDDEN>,
    fc2: Linear<HIDDEN, HIDDEN>,
    fc3: Linear<16, 10>,
}

fn main() {}
