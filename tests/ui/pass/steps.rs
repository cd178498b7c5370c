//! Programs in all their forms.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

mod networks {
    use kiln::prelude::*;

    model! {
        #[derive(Clone, Debug)]
        pub struct Body {
            pub features: Linear(4, 8),
            pub head: Sequential { act: ReLU, pub out: Linear(8, 3) },
        }

        fn forward(x: [N, 4]) -> [N, 3] {
            head(features(x))
        }
    }
}

const RATE: f64 = 1e-3;

model! {
    /// Optimizers over parts of parts, several parts, and elements of lists; constants as options.
    #[derive(Clone, Debug)]
    pub struct Parts {
        body: networks::Body,
        blocks: [Linear(3, 3); 2],
        first: Adam(body.features, lr = RATE * 2.0, betas = (0.5, 0.999), amsgrad = true),
        pub rest: Sgd((body.head.out, blocks[0]), lr = 1, momentum = 0.9, nesterov = true),
    }

    /// A step with documentation of its own.
    step update(x: [N, 4], labels: [N; i32], weight: [N, 3]) -> (loss, penalty) {
        let scores = body(x);
        for block in blocks.iter() {
            scores = block(scores) + scores;
        }
        let loss = cross_entropy(scores, labels, ignore_index = -1, label_smoothing = 0.1, reduction = "sum") / 3.0;
        let slope = grad(loss, scores);
        let penalty = mse(slope, 0.0) + mse(scores, weight);
        if RATE > 0.0 {
            first.minimize(loss + penalty);
        }
        rest.minimize(loss);
    }

    eval scores(x: [N, 4]) -> scores {
        let scores = body(x);
    }

    step only_minimizes(x: [N, 4], y: [N, 3]) {
        rest.minimize(bce_with_logits(body(x), y));
    }
}

model! {
    struct Generic<const C: usize> {
        fc: Linear(C, C),
        opt: Sgd(fc),
    }

    step update(x: [N, C]) -> loss {
        let loss = mse(fc(x), x);
        opt.minimize(loss);
    }
}

// A model with a `forward` may have programs as well.
model! {
    struct Both {
        fc: Linear(4, 3),
        opt: Sgd(fc),
    }

    fn forward(x: [N, 4]) -> [N, 3] {
        fc(x).tanh()
    }

    step update(x: [N, 4], y: [N, 3]) -> loss {
        let loss = mse(fc(x).tanh(), y);
        opt.minimize(loss);
    }
}

#[test]
fn it_runs() -> Result<(), TrainError> {
    let x = Array2::<f32>::ones((2, 4));
    let mut parts = Parts::init(1).trainer().batch(2).build()?;
    let (loss, penalty): (f32, f32) = parts.update(&x, &[1u8, 2], &Array2::zeros((2, 3)))?;
    assert!(loss > 0.0 && penalty > 0.0);
    assert_eq!(parts.scores(&x)?.shape(), [2, 3]);
    parts.only_minimizes(&x, &Array2::ones((2, 3)))?;
    assert_eq!(parts.learning_rate("first")?, Some(2e-3));
    parts.update(&x, &Array1::from_vec(vec![-1i64, 0]), &Array2::zeros((2, 3)))?;

    let mut generic = Generic::<4>::init(1).trainer().batch(2).build()?;
    generic.update(&x)?;
    generic.into_model();

    let mut both: BothTrainer = Both::init(1).trainer().batch(2).build()?;
    both.update(&x, &Array2::zeros((2, 3)))?;
    Trainer::new(both.into_model(), mse(), Sgd::default()).batch(2).build()?;
    Ok(())
}
