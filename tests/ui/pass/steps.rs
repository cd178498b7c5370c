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

    eval shown(x: [N, 4], mask: [N, 3; bool]) -> shown {
        let shown = body(x).masked_fill(mask, 0.0);
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

// Programs and functions that apply the model itself, of several inputs and results, with const parameters.
model! {
    struct Whole<const C: usize = 4> {
        embedding: Embedding(10, C),
        fc: Linear(C, C),
        opt: Sgd((embedding, fc), lr = 0.1),
    }

    fn forward(words: [N; i32], y: [N, C]) -> ([N, C], [N]) {
        let x = fc(embedding(words));
        (x, (x - y).square().mean(1))
    }

    fn distance(words, y) {
        let (_, distances) = forward(words, y);
        distances.mean()
    }

    step update(words: [N; i32], y: [N, C]) -> (loss, far) {
        let loss = distance(words, y);
        opt.minimize(loss);
        let (_, far) = self(words, y);
    }
}

// A step that only copies, parts of parts, elements of lists, const parameters, and a target that nothing applies or trains.
#[deny(deprecated)]
mod targets {
    use super::networks;
    use kiln::prelude::*;

    model! {
        pub struct Targets<const C: usize = 3> {
            online: networks::Body,
            target: networks::Body,
            snapshot: networks::Body,
            heads: [Sequential { fc: Linear(C, C), act: Tanh }; 2],
            head: Sequential { fc: Linear(C, C), act: Tanh },
            opt: Adam((online, heads)),
        }

        step update(x: [N, 4], y: [N, C], rates: [N]) -> loss {
            let next = { let h = target(x); head.act(head.fc(h)) }.detach();
            let loss = mse(heads[0].fc(online(x)) + heads[1].fc(online(x)), y + next);
            opt.minimize(loss);
            target.features.lerp_from(online.features, rates.mean());
            target.head.out.copy_from(online.head.out);
            for i in 0..2 {
                head.lerp_from(heads[i], 0.5);
            }
        }

        step keep() {
            snapshot.copy_from(online);
        }
    }
}

/// The rate halves after this many steps.
const HALF: u64 = 2;

// What optimizers do beside their rule, in a model with const parameters as well.
model! {
    struct Options<const C: usize = 4> {
        body: Linear(C, 3),
        head: Linear(3, C),
        first: AdamW(
            body,
            lr = 0.1,
            clip_grad_norm = 1.0,
            accumulate = 2,
            ema = 0.5,
            schedule = SequentialLR::new(LinearLR::new(2)).then(HALF, StepLR::new(HALF).gamma(0.5)),
            groups = [(Select::biases(), |adam| adam.weight_decay(0.0).lr(0.2))],
        ),
        second: Lion(head, lr = 0.01, clip_grad_value = 0.5, swa = (1, 2), schedule = ReduceLROnPlateau::new()),
    }

    step update(x: [N, C]) -> loss {
        let loss = mse(head(body(x)), x);
        first.minimize(loss);
        second.minimize(loss);
    }

    step update_head(x: [N, C]) {
        second.minimize(mse(head(body(x)), x));
    }

    eval apply(x: [N, C]) -> y {
        let y = head(body(x));
    }
}

#[test]
fn options_of_optimizers() -> Result<(), TrainError> {
    let x = Array2::<f32>::from_shape_fn((2, 4), |(row, column)| (row * 4 + column) as f32 / 4.0);
    let mut trainer = Options::<4>::init(1).trainer().batch(2).build()?;
    let mut rates = Vec::new();
    for _ in 0..10 {
        rates.extend(trainer.learning_rate("first")?);
        trainer.update(&x)?;
        trainer.update_head(&x)?;
    }
    // Two calls make a step of `first`, of which `update_head` is none.
    let expected = [0.1 / 3.0, 0.2 / 3.0, 0.1, 0.1, 0.05].map(|rate| [rate as f32; 2]);
    assert_eq!(rates, expected.as_flattened());
    assert_eq!(trainer.learning_rate("second")?, Some(0.01));
    for _ in 0..12 {
        trainer.report_metric("second", 1.0)?;
    }
    assert!(trainer.learning_rate("second")?.is_some_and(|rate| (rate - 0.001).abs() < 1e-9));
    assert!(matches!(trainer.report_metric("first", 1.0), Err(TrainError::NoPlateau { .. })));
    assert!(matches!(trainer.report_metric("third", 1.0), Err(TrainError::UnknownOptimizer { .. })));

    let present = trainer.apply(&x)?;
    trainer.use_averaged(true)?;
    let average = trainer.apply(&x)?;
    assert_ne!(present, average);
    trainer.update(&x)?;
    assert_ne!(average, trainer.apply(&x)?);
    trainer.use_averaged(false)?;
    assert_ne!(present, trainer.apply(&x)?);
    Ok(())
}

#[test]
fn it_runs() -> Result<(), TrainError> {
    let x = Array2::<f32>::ones((2, 4));
    let mut parts = Parts::init(1).trainer().batch(2).build()?;
    let (loss, penalty): (f32, f32) = parts.update(&x, &[1u8, 2], &Array2::zeros((2, 3)))?;
    assert!(loss > 0.0 && penalty > 0.0);
    assert_eq!(parts.scores(&x)?.shape(), [2, 3]);
    assert!(parts.shown(&x, &Array2::from_elem((2, 3), true))?.iter().all(|shown| *shown == 0.0));
    parts.only_minimizes(&x, &Array2::ones((2, 3)))?;
    assert_eq!(parts.learning_rate("first")?, Some(2e-3));
    parts.update(&x, &Array1::from_vec(vec![-1i64, 0]), &Array2::zeros((2, 3)))?;

    let mut generic = Generic::<4>::init(1).trainer().batch(2).build()?;
    generic.update(&x)?;
    generic.into_model();

    let mut whole = Whole::<4>::init(1).trainer().batch(2).build()?;
    let (loss, far) = whole.update(&[1u8, 9], &x)?;
    assert!(far.sum() / 2.0 < loss && loss > 0.0);

    let mut targets = targets::Targets::<3>::init(1).trainer().batch(2).build()?;
    targets.update(&x, &Array2::zeros((2, 3)), &Array1::from_vec(vec![0.0, 1.0]))?;
    targets.keep()?;

    let mut both: BothTrainer = Both::init(1).trainer().batch(2).build()?;
    both.update(&x, &Array2::zeros((2, 3)))?;
    Trainer::new(both.into_model(), mse(), Sgd::default()).batch(2).build()?;
    Ok(())
}
