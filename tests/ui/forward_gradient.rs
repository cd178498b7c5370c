use kiln::prelude::*;

model! {
    struct Best {
        fc: Linear(10, 10),
        out: Linear(10, 10),
    }

    fn forward(x: [N, 10]) -> [N] {
        let best = fc(x).argmax(1);
        let mask = out(x) > 0.0;
        mask.float().sum(1) + best.float()
    }
}

// Another path is enough, and so is a cut that is meant.
model! {
    struct Right {
        fc: Linear(10, 10),
        out: Linear(10, 10),
        frozen: Linear(10, 10, requires_grad = false),
        act: ReLU,
    }

    fn forward(x: [N, 10]) -> ([N, 10], [N; i32]) {
        let y = fc(x);
        let z = no_grad { out(x) };
        let signs = frozen(x).sign() + act(x).sign() + z.floor();
        (where(y > 0.0, y, signs), fc(y).argmax(1))
    }
}

fn main() {}
