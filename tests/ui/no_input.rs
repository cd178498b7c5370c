use kiln::prelude::*;

#[derive(Model)]
struct Inner {
    fc: Linear<10, 10>,
}

#[derive(Model)]
#[model(input = [10])]
struct Net {
    inner: Inner,
    fc: Linear<10, 10>,
}

model! {
    struct Declared(Linear(10, 10));
}

fn main() {
    let _ = (Net::init(1), Declared::init(1));
}
