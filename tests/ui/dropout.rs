use kiln::prelude::*;

#[derive(Model)]
#[model(input = [3, 4])]
struct Net {
    #[model(p = 1.5)]
    drop: Dropout,
    images: Dropout2d,
}

model! {
    #[model(input = [3, 4])]
    struct Second {
        drop: Dropout(0.5, inplace = true),
    }
}

fn main() {}
