//! Parameters that a model declares by itself, and those of its layers, as values: their names, shapes and first values,
//! and that they are trained, also where one layer's serve twice.

#![deny(warnings)]

use kiln::prelude::*;
use ndarray::{Array2, arr1};

model! {
    pub struct Tied<const WIDTH: usize = 4> {
        emb: Embedding(7, WIDTH),
        scale: Parameter(WIDTH, mean = 2),
        spread: Parameter(1, 500, std = 0.5),
        one: Parameter([]),
        opt: Sgd((emb, scale, spread, one), lr = 0.5),
    }

    step update(x: [N; i32], y: [N; i32]) -> loss {
        let scores = (emb(x) * scale).matmul(emb.weight.transpose(0, 1)) + one + spread.sum() * 0;
        let loss = cross_entropy(scores, y);
        opt.minimize(loss);
    }

    step of_bias_alone(x: [N, 2]) -> loss {
        let loss = (x.sum(1, keepdim = true) * one).square().mean();
        opt.minimize(loss);
    }
}

#[test]
fn it_runs() -> Result<(), TrainError> {
    let mut net: Tied = Tied::init(3);
    let mut names = Vec::new();
    net.each_parameter(&mut |name, parameter| names.push(format!("{name} {}", parameter.shape())));
    assert_eq!(names, ["emb.weight [7, 4]", "scale [4]", "spread [1, 500]", "one []"]);
    assert!(net.scale.value.iter().all(|&x| x == 2.0) && net.one.value.iter().all(|&x| x == 0.0));
    let spread = net.spread.value.iter().map(|x| x * x).sum::<f32>() / 500.0;
    // The variance of 500 numbers is within a fourth of theirs.
    assert!((0.19..0.31).contains(&spread), "{spread}");
    net.scale.set(&arr1(&[1.0, 2.0, 3.0, 4.0])).expect("its shape");

    let mut trainer = net.trainer().batch(3).threads(1).build()?;
    let (x, y) = (arr1(&[0, 3, 6]), arr1(&[1, 0, 5]));
    let first = trainer.update(&x, &y)?;
    let mut last = first;
    for _ in 0..30 {
        last = trainer.update(&x, &y)?;
    }
    assert!(last < 0.2 * first, "{first} to {last}");
    trainer.of_bias_alone(&Array2::<f32>::ones((3, 2)))?;
    Ok(())
}
