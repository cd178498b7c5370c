//! The order of statements: each case is a program over one weight, whose results are computed by hand beside it.

use kiln::prelude::*;
use ndarray::{Array2, array};

const RATE: f32 = 0.1;

model! {
    struct Line {
        fc: Linear(1, 1, bias = false),
        other: Linear(1, 1, bias = false),
        opt: Sgd(fc, lr = 0.1),
        opt_other: Sgd(other, lr = 0.1),
    }

    step before_and_after(x: [N, 1], y: [N, 1]) -> (before, after) {
        let before = mse(fc(x), y);
        opt.minimize(before);
        let after = mse(fc(x), y);
    }

    step twice(x: [N, 1], y: [N, 1]) -> loss {
        let loss = mse(fc(x), y);
        opt.minimize(loss);
        let loss = mse(fc(x), y);
        opt.minimize(loss);
    }

    step through_both(x: [N, 1], y: [N, 1]) -> loss {
        let old = fc(x);
        opt.minimize(mse(old, y));
        let loss = mse(old, y) + mse(fc(x), y);
        opt.minimize(loss);
    }

    step in_a_loop(x: [N, 1], y: [N, 1]) -> loss {
        let loss = mse(fc(x), y);
        for i in 0..3 {
            loss = mse(fc(x), y);
            opt.minimize(loss);
        }
    }

    step through_the_other(x: [N, 1], y: [N, 1]) -> loss {
        let loss = mse(other(fc(x)), y);
        opt_other.minimize(loss);
        opt.minimize(loss);
    }

    eval slope(x: [N, 1], y: [N, 1]) -> (loss, slope) {
        let loss = mse(fc(x), y);
        let slope = grad(loss, x);
    }
}

/// Three samples, and the weights before each case.
fn data() -> (Array2<f32>, Array2<f32>, f32, f32) {
    (array![[1.0], [-2.0], [0.5]], array![[2.0], [1.0], [-1.0]], 0.75, -0.5)
}

fn line() -> Line {
    let (_, _, weight, other) = data();
    let mut line = Line::init(0);
    line.fc.weight.value.fill(weight);
    line.other.weight.value.fill(other);
    line
}

/// `mse(w x, y)` and its slope in `w`.
fn loss(w: f32) -> (f32, f32) {
    let (x, y, ..) = data();
    let errors = w * &x - &y;
    (errors.mapv(|error| error * error).mean().unwrap(), (2.0 * &errors * &x).mean().unwrap())
}

fn close(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
}

fn check(step: impl Fn(&mut LineTrainer, &Array2<f32>, &Array2<f32>) -> Result<f32, TrainError>, loss: f32, w: f32) {
    let (x, y, _, other) = data();
    let mut trainer = line().trainer().batch(3).threads(1).build().unwrap();
    close(step(&mut trainer, &x, &y).unwrap(), loss);
    let model = trainer.into_model();
    close(model.fc.weight.value[[0, 0]], w);
    close(model.other.weight.value[[0, 0]], other);
}

#[test]
fn what_follows_an_update_sees_it() {
    let (_, _, w, _) = data();
    let (before, slope) = loss(w);
    let after = loss(w - RATE * slope).0;
    check(|line, x, y| line.before_and_after(x, y).map(|losses| losses.0), before, w - RATE * slope);
    check(|line, x, y| line.before_and_after(x, y).map(|losses| losses.1), after, w - RATE * slope);
}

#[test]
fn an_optimizer_may_step_several_times() {
    let (_, _, w, _) = data();
    let next = |w: f32| w - RATE * loss(w).1;
    check(|line, x, y| line.twice(x, y), loss(next(w)).0, next(next(w)));
    check(|line, x, y| line.in_a_loop(x, y), loss(next(next(w))).0, next(next(next(w))));
}

/// The gradients in the weight before and after the first update add up; none passes through the update.
#[test]
fn a_loss_of_an_older_pass_counts_with_the_newer_one() {
    let (_, _, w, _) = data();
    let (first, slope) = loss(w);
    let updated = w - RATE * slope;
    let (second, new_slope) = loss(updated);
    check(|line, x, y| line.through_both(x, y), first + second, updated - RATE * (slope + new_slope));
}

/// Both losses come from one pass with the weights before.
#[test]
fn two_optimizers_may_step_along_one_loss() {
    let (x, y, w, v) = data();
    let errors = v * w * &x - &y;
    let slope = |other: f32| (2.0 * &errors * &x * other).mean().unwrap();
    let mut trainer = line().trainer().batch(3).threads(1).build().unwrap();
    trainer.through_the_other(&x, &y).unwrap();
    let model = trainer.into_model();
    close(model.fc.weight.value[[0, 0]], w - RATE * slope(v));
    close(model.other.weight.value[[0, 0]], v - RATE * slope(w));
}

#[test]
fn a_gradient_is_a_result() {
    let (x, y, w, _) = data();
    let mut trainer = line().trainer().batch(3).threads(1).build().unwrap();
    let (found, slope) = trainer.slope(&x, &y).unwrap();
    close(found, loss(w).0);
    for i in 0..3 {
        close(slope[[i, 0]], 2.0 * (w * x[[i, 0]] - y[[i, 0]]) * w / 3.0);
    }
}
