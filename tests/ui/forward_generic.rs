use kiln::prelude::*;

model! {
    struct Net<const C: usize = 30> {
        fc: Linear(10, C),
        out: Linear(20, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        out(fc(x))
    }
}

fn main() {}
