use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Net {
    #[model(bias = false)]
    head: (Linear<10, 10>, Linear<10, 10>),
    #[model(bias = false)]
    inner: Inner,
}

#[derive(Model)]
#[model(input = [10])]
struct Inner(Linear<10, 10>);

model! {
    #[model(input = [10])]
    struct Declared {
        #[model(bias = false)]
        fc: Linear(10, 10),
    }
}

fn main() {}
