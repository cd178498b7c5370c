//! Operators and statements of Python, and constants that are no tensors.

use kiln::prelude::*;

const TABLE: [f32; 300] = [0.5; 300];
const WORD: &str = "mean";

model! {
    struct Negated {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(not m, fc(x), x)
    }
}

model! {
    struct Tilde {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(~m, fc(x), x)
    }
}

model! {
    struct Both {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        where(m and (x > 0), fc(x), x)
    }
}

model! {
    struct Choice {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4], m: [N, 4; bool]) -> [N, 4] {
        fc(x) if m else x
    }
}

model! {
    struct Last {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x)[..., 0]
    }
}

model! {
    struct Rounded {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = fc(x) // 2
        y
    }
}

model! {
    struct Large {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor(TABLE)
    }
}

model! {
    struct Text {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * tensor(WORD)
    }
}

model! {
    struct Statements {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = x += 1;
        fc(y)
    }
}

model! {
    struct Undeclared {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        y = fc(x);
        y
    }
}

model! {
    struct Typed {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y: Tensor = fc(x);
        y
    }
}

model! {
    struct Names {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y, i = fc(x).max(1);
        y
    }
}

model! {
    struct With {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        with no_grad() {
            fc(x)
        }
    }
}

model! {
    struct Chained {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        where(0 < x < 1, fc(x), x)
    }
}

model! {
    struct Cast {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * (x as i32)
    }
}

model! {
    struct Gradients {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * x.grad
    }
}

model! {
    struct Lengths {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) / len(x)
    }
}

model! {
    struct Circles {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * pi
    }
}

model! {
    struct Open {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).masked_fill(x > 0, inf)
    }
}

model! {
    struct Types {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x.to(float32))
    }
}

model! {
    struct Zipped {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        for a, b in zip(fc, fc) {
            x = a(x);
        }
        x
    }
}

model! {
    struct Mixed {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        where((0 < x) & (x < 1 == x > 0), fc(x), x)
    }
}

model! {
    struct Fields {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).relu
    }
}

model! {
    struct Places {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x) * x[x.argmax(1)]
    }
}

model! {
    struct Expression {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc(x).clamp(0).exp_()
    }
}

model! {
    struct Parameters {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        fc.weight = x;
        x
    }
}

model! {
    struct Based {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        10 ** fc(x)
    }
}

model! {
    struct Losses {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        x * F.mse_loss(x, x)
    }
}

model! {
    struct Slopes {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        x * autograd.grad(fc(x).sum(), x)
    }
}

// A semicolon that is forgotten is no Python, and a comment may be none, either.
model! {
    struct Forgotten {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let mut y = fc(x)
        if 4 > 3 {
            y = y.relu();
        }
        y
    }
}

model! {
    struct Commented {
        fc: Linear(4, 4),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        let y = fc(x) // residual
        x + y
    }
}

// What could not be read is one mistake: the rest of a model is there.
model! {
    struct Held {
        pub fc: Linear(4, 4),
        opt: Adam(fc),
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        x @ fc(x)
    }

    pub fn twice(x: [N, 4]) -> [N, 4] {
        fc(fc(x))
    }

    step train(x: [N, 4]) -> (loss, y) {
        let y = fc(x) @ x;
        let loss = y.mean();
        opt.minimize(loss);
    }
}

model! {
    struct Holds {
        held: Held,
    }

    fn forward(x: [N, 4]) -> [N, 4] {
        held.twice(x) + held.fc.weight.mean()
    }
}

fn used() {
    let x = ndarray::Array2::<f32>::zeros((2, 4));
    let mut trainer = Held::init(1).trainer().batch(2).build().unwrap();
    let (loss, _) = trainer.train(&x).unwrap();
    println!("{loss}");
}

fn main() {
    used();
}
