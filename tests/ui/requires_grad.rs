use kiln::prelude::*;

#[derive(Model)]
#[model(input = [4])]
struct Derived {
    #[model(requires_grad = no, requires_grad = 1)]
    fc: Linear<4, 8>,
    #[model(requires_grad = false, bias = false)]
    pair: (Linear<8, 8>, Tanh),
}

model! {
    #[model(input = [4])]
    struct Net {
        #[model(bias = false)]
        features: Linear(4, 8),
        #[model(requires_grad = False)]
        head: Linear(8, 8),
        block: self::Derived(requires_grad = "no"),
    }
}

fn main() {}
