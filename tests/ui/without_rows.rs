// Inputs and outputs without the batch axis: where it may be missing, and how what has none is called.

use kiln::prelude::*;

model! {
    struct Second {
        fc: Linear(4, 3),
    }

    step update(x: [6, N, 4]) -> loss {
        let loss = fc(x).mean();
    }
}

model! {
    struct Scaled {
        fc: Linear(4, 3),
    }

    fn forward(x: [N, 4], mix: [3, 3]) -> [N, 3] {
        fc(x).matmul(mix)
    }
}

model! {
    struct Rows {
        scaled: Scaled,
    }

    fn forward(x: [N, 4], mix: [N, 3]) -> [N, 3] {
        scaled(x, mix)
    }
}

model! {
    struct Loss {
        fc: Linear(4, 3),
        opt: Sgd(fc, lr = 0.1),
    }

    step update(x: [N, 4], rate: [], mask: [3; bool]) -> loss {
        let loss = fc(x).mean() * rate;
        opt.minimize(loss);
    }

    eval product(x: [N, 4], mix: [4, 4]) -> y {
        let y = fc(x).matmul(mix);
    }
}

fn calls(trainer: &mut LossTrainer, x: ndarray::Array2<f32>) {
    let mask = ndarray::arr1(&[true, false, true]);
    let _ = trainer.update(&x, 0.5, &mask);
    let _ = trainer.update(&x, &x, &mask);
    let _ = trainer.update(&x, 1, &mask);
}

fn main() {
    let _ = (Second::init(1), Scaled::init(1), Rows::init(1), Loss::init(1));
}
