use kiln::prelude::*;

mod sizes {
    pub const HIDDEN: usize = 32;

    pub const fn twice(size: usize) -> usize {
        2 * size
    }
}

model! {
    #[model(input = [10])]
    struct Net {
        fc1: Linear(10, sizes::HIDDEN),
        fc2: Linear(sizes::twice(sizes::HIDDEN), 10),
    }
}

fn main() {}
