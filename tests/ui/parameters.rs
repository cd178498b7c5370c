use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Generic<T: Model, const C: usize> {
    inner: T,
    fc: Linear<10, C>,
}

#[derive(Model)]
#[model(input = [10])]
struct Borrowed<'a>(&'a Linear<10, 10>);

fn main() {}
