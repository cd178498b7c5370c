use kiln::prelude::*;

model! {
    #[model(input = [10])]
    struct Net {
        fc1: Linaer(10, 10),
        act: Relu,
        list: ModuleList(10),
        loss: CrossEntropyLoss(),
        lazy: LazyLinear(10),
        fc2: Linear(10, 10),
    }
}

model! {
    #[model(input = [10])]
    struct Outer(Net, Linear(10, 10));
}

fn main() {}
