use kiln::prelude::*;

#[derive(Model)]
#[model(input = [10])]
struct Net {
    layers: Vec<Linear<10, 10>>,
}

#[derive(Model)]
#[model(input = [10])]
struct Slice<const N: usize> {
    layers: Box<[Linear<10, 10>]>,
    borrowed: &'static Linear<10, 10>,
}

model! {
    #[model(input = [10])]
    struct Declared {
        layers: Vec<Linear<10, 10>>,
        head: [Linear(10, 10), ReLU],
    }
}

// What is meant as a list is one in the body, of which the other mistakes are told as well.
model! {
    struct WithBody {
        blocks: Vec<Linear>,
        more: ModuleList(Linear(4, 4)),
        fc: Linear(4, 4, bais = false),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for l in blocks.iter() {
            x = l(x);
        }
        let y = more[0](unknown).relux();
        x = fc(x).softmaxx(1);
        blocks[2](x) * more.len() + other
    }
}

fn main() {}
