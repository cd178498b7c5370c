use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = x.rleu();
        let z = x.cuda();
        let v = x.relu(1);
        let w = fc(x) % 2;
        x.tanh();
        fc(x)
    }
}

fn main() {}
