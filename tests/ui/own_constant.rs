use kiln::prelude::*;

const HIDDEN: usize = 32;
const CLASSES: usize = 10;

#[derive(Model)]
#[model(input = [CLASSES])]
struct Net {
    fc1: Linear<CLASSES, HIDDEN>,
    fc2: Linear<{ HIDDEN * 2 }, CLASSES>,
}

fn main() {}
