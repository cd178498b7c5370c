use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Positional(Linear<10, 20>, (ReLU, Linear<10, 20>), [Linear<20, 21>; 3]);

model! {
    #[model(input = [10])]
    struct Named {
        blocks: [Sequential { expand: Linear(10, 20), shrink: Linear(20, 11) }; 2],
        head: Sequential(ReLU, Linear(12, 2)),
    }
}

fn main() {}
