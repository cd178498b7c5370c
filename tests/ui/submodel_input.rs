use kiln::prelude::*;

mod blocks {
    use kiln::prelude::*;

    #[derive(Model)]
    #[model(input = [C, 8, 8])]
    pub struct Block<const C: usize> {
        #[model(padding = 1)]
        conv: Conv2d<C, C, 3>,
        act: ReLU,
    }
}

#[derive(Model)]
#[model(input = [16, 8, 8])]
struct Net {
    stem: Conv2d<16, 32, 1>,
    blocks: [blocks::Block<16>; 4],
}

fn main() {}
