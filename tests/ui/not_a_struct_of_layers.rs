use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Unit;

#[derive(Model)]
#[model(input = [10])]
struct Empty {}

#[derive(Model)]
#[model(input = [10])]
enum Either {
    Linear(Linear<10, 10>),
    ReLU(ReLU),
}

#[derive(Model)]
#[model(input = [10])]
union Both {
    left: usize,
    right: usize,
}

model! {
    #[model(input = [10])]
    struct Declared;
}

fn main() {
    let _ = Unit::init(1);
}
