use kiln::prelude::*;

model! {
    struct Net {
        fc: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        let y = fc(x);
        y.zero_();
        y.add_(x);
        y.copy_(x);
        y[0] = x;
        let z = y.relu_();
        y += x;
        y.detach_();
        y
    }
}

fn main() {}
