use kiln::prelude::*;

#[derive(Model)]
#[model(input = [1, 2, 3, 4, 5, 6, 7, 8])]
struct Net(ReLU);

fn main() {}
