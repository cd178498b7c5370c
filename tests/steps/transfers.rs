//! `copy_from` and `lerp_from`: what parts of a model take from others, against values computed by hand and what PyTorch's
//! `load_state_dict` and `lerp_` do.

use std::collections::BTreeMap;

use kiln::prelude::*;
use ndarray::{Array1, Array2, array};

model! {
    #[derive(Clone)]
    struct Nets {
        online: Sequential { fc: Linear(2, 3), norm: BatchNorm1d(3), rest: [Linear(3, 3); 2] },
        target: Sequential { fc: Linear(2, 3), norm: BatchNorm1d(3), rest: [Linear(3, 3); 2] },
        chain: [Sequential(Linear(2, 2), Tanh); 3],
        opt: Adam(online, lr = 0.1),
    }

    step fit(x: [N, 2], y: [N, 3]) -> loss {
        let h = online.norm(online.fc(x));
        for layer in online.rest.iter() {
            h = layer(h);
        }
        let loss = mse(h, y);
        opt.minimize(loss);
    }

    step copy() {
        target.copy_from(online);
    }

    step lerp() {
        target.lerp_from(online, 0.25);
    }

    step lerp_most() {
        target.lerp_from(online, 0.75);
    }

    step lerp_all() {
        target.lerp_from(online, 1);
    }

    step lerp_by(rates: [N]) -> rate {
        let rate = rates.mean();
        target.lerp_from(online, rate);
    }

    step copy_one_list() {
        target.rest.copy_from(online.rest);
    }

    step along_the_chain() {
        for i in 1..3 {
            chain[i].copy_from(chain[i - 1]);
        }
    }

    step exchange() {
        chain[2].copy_from(chain[0]);
        chain[0].copy_from(chain[1]);
        chain[1].copy_from(chain[2]);
    }
}

type Values = BTreeMap<String, Vec<f32>>;

fn values(model: &impl Parameters) -> Values {
    let mut values = Values::new();
    model.each_parameter(&mut |name, parameter| {
        values.insert(name.to_owned(), parameter.value.iter().copied().collect());
    });
    values
}

fn data() -> (Array2<f32>, Array2<f32>) {
    (array![[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]], array![[1.0, 0.0, 2.0], [0.0, -1.0, 1.0], [3.0, 1.0, 0.0]])
}

/// After two steps of training the program changes the model as `expected` says for each parameter by its name and the values
/// before, to a part of so much; the others stay as they are, and training goes on as without it.
fn check(
    tolerance: f32,
    program: impl Fn(&mut NetsTrainer) -> Result<(), TrainError>,
    expected: impl Fn(&str, &Values) -> Option<Vec<f32>>,
) {
    let (x, y) = data();
    let mut trainer = Nets::init(5).trainer().batch(3).threads(1).build().unwrap();
    let mut other = Nets::init(5).trainer().batch(3).threads(1).build().unwrap();
    for _ in 0..2 {
        trainer.fit(&x, &y).unwrap();
        other.fit(&x, &y).unwrap();
    }
    let before = values(trainer.model());
    assert_ne!(before["online.norm.num_batches_tracked"], before["target.norm.num_batches_tracked"]);
    program(&mut trainer).unwrap();
    let after = values(trainer.model());
    for (name, value) in &before {
        let expected = expected(name, &before).unwrap_or_else(|| value.clone());
        let pairs = after[name].iter().zip(&expected);
        let is_near = pairs.clone().all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0));
        assert!(is_near && after[name].len() == expected.len(), "{name}: {:?}, not {expected:?}", after[name]);
    }
    // The optimizer's states are its own.
    assert_eq!(trainer.fit(&x, &y).unwrap(), other.fit(&x, &y).unwrap());
}

/// What `target` becomes of itself and `online`, element by element.
fn target(name: &str, before: &Values, part: &str, rule: impl Fn(f32, f32) -> f32) -> Option<Vec<f32>> {
    let rest = name.strip_prefix("target.").filter(|rest| rest.starts_with(part))?;
    let online = &before[&format!("online.{rest}")];
    // A counter is no number that could go part of the way.
    let rule = |(own, other): (&f32, &f32)| if rest.contains("num_batches") { *other } else { rule(*own, *other) };
    Some(before[name].iter().zip(online).map(rule).collect())
}

#[test]
fn a_copy_is_of_all_parameters_and_statistics() {
    check(0.0, NetsTrainer::copy, |name, before| target(name, before, "", |_, online| online));
    check(0.0, NetsTrainer::lerp_all, |name, before| target(name, before, "", |_, online| online));
    check(0.0, NetsTrainer::copy_one_list, |name, before| target(name, before, "rest", |_, online| online));
}

/// PyTorch's `lerp` goes from the nearer end. The tolerance is for a multiplication and an addition in one rounding or in two.
#[test]
fn a_step_goes_a_part_of_the_way() {
    let quarter = |own: f32, online: f32| own + 0.25 * (online - own);
    check(1e-6, NetsTrainer::lerp, |name, before| target(name, before, "", quarter));
    let most = |own: f32, online: f32| online - 0.25 * (online - own);
    check(1e-6, NetsTrainer::lerp_most, |name, before| target(name, before, "", most));
    let by = |rate: f32| {
        move |trainer: &mut NetsTrainer| {
            let rates = Array1::from_vec(vec![rate - 0.125, rate, rate + 0.125]);
            trainer.lerp_by(&rates).map(|found| assert_eq!(found, rate))
        }
    };
    check(1e-6, by(0.25), |name, before| target(name, before, "", quarter));
    check(1e-6, by(0.75), |name, before| target(name, before, "", most));
}

#[test]
fn statements_run_in_order() {
    let from = |number: usize| {
        move |name: &str, before: &Values| {
            let rest = name.strip_prefix("chain.")?.split_once('.')?.1;
            Some(before[&format!("chain.{number}.{rest}")].clone())
        }
    };
    check(0.0, NetsTrainer::along_the_chain, from(0));
    check(0.0, NetsTrainer::exchange, |name, before| {
        let (number, rest) = name.strip_prefix("chain.")?.split_once('.')?;
        let from = match number {
            "0" => 1,
            _ => 0,
        };
        Some(before[&format!("chain.{from}.{rest}")].clone())
    });
}

model! {
    #[derive(Clone)]
    struct Lines {
        fc: Linear(1, 1, bias = false),
        other: Linear(1, 1, bias = false),
        best: Linear(1, 1, bias = false),
        opt: Sgd(fc, lr = 0.1),
        slower: Sgd((fc, other), lr = 0.01),
    }

    step before(x: [N, 1], y: [N, 1]) -> (old, new) {
        let old = other(x);
        other.copy_from(fc);
        opt.minimize(mse(fc(x), y));
        let new = other(x);
    }

    step after(x: [N, 1], y: [N, 1]) -> (old, new) {
        let old = other(x);
        opt.minimize(mse(fc(x), y));
        other.copy_from(fc);
        let new = other(x);
    }

    step between(x: [N, 1], y: [N, 1]) -> (old, new) {
        let old = other(x);
        let loss = mse(fc(x), y);
        other.lerp_from(fc, 0.5);
        opt.minimize(loss);
        let new = other(x);
        best.copy_from(other);
    }

    // No gradient passes from what is copied to what it is copied from.
    step no_gradient(x: [N, 1], y: [N, 1]) -> (old, new) {
        let old = other(x);
        other.copy_from(fc);
        let new = other(x);
        opt.minimize(mse(fc(x) + new, y));
    }

    // Two that go to one another, one after the other, among which a second optimizer trains the same part.
    step both_ways(x: [N, 1], y: [N, 1]) -> (old, new) {
        let old = other(x);
        no_grad {
            other.lerp_from(fc, 0.5);
        }
        fc.lerp_from(other, 0.5);
        let new = fc(x);
        slower.minimize(mse(new, y));
        opt.minimize(mse(fc(x), y));
    }

    // What is read of a part before it is written keeps its gradient in what was there.
    step written_over(x: [N, 1], y: [N, 1]) -> (old, new) {
        let old = other(x);
        let before = fc(x);
        fc.copy_from(other);
        let new = fc(x);
        opt.minimize(mse(before, y));
    }
}

#[test]
fn copies_and_updates_of_one_step_see_one_another() {
    const RATE: f32 = 0.1;
    let (x, y) = (array![[1.0], [-2.0], [0.5]], array![[2.0], [1.0], [-1.0]]);
    let (w, v) = (0.75f32, -0.5f32);
    // The slope of `mse(w x + rest x, y)` in `w`.
    let slope = |w: f32, rest: f32| (2.0 * ((w + rest) * &x - &y) * &x).mean().unwrap();
    let next = w - RATE * slope(w, 0.0);
    let half = v + 0.5 * (w - v);
    type Step = fn(
        &mut LinesTrainer,
        &Array2<f32>,
        &Array2<f32>,
    ) -> Result<(ndarray::ArrayD<f32>, ndarray::ArrayD<f32>), TrainError>;
    let met = w + 0.5 * (half - w);
    let slower = met - 0.1 * RATE * slope(met, 0.0);
    // Each with the weight by which the new result is computed, and with the weights after it.
    let cases: [(&str, Step, f32, [f32; 3]); 6] = [
        ("before", |t, x, y| t.before(x, y), w, [next, w, 2.0]),
        ("after", |t, x, y| t.after(x, y), next, [next, next, 2.0]),
        ("between", |t, x, y| t.between(x, y), half, [next, half, half]),
        ("no_gradient", |t, x, y| t.no_gradient(x, y), w, [w - RATE * slope(w, w), w, 2.0]),
        ("both_ways", |t, x, y| t.both_ways(x, y), met, [slower - RATE * slope(slower, 0.0), half, 2.0]),
        ("written_over", |t, x, y| t.written_over(x, y), v, [v - RATE * slope(w, 0.0), v, 2.0]),
    ];
    for (name, step, new, after) in cases {
        let mut lines = Lines::init(0);
        lines.fc.weight.value.fill(w);
        lines.other.weight.value.fill(v);
        lines.best.weight.value.fill(2.0);
        let mut trainer = lines.trainer().batch(3).threads(1).build().unwrap();
        let found = step(&mut trainer, &x, &y).unwrap();
        for (found, weight) in [(&found.0, v), (&found.1, new)] {
            let far = (found - &(weight * &x)).mapv(f32::abs).sum();
            assert!(far < 1e-5, "{name}: {found}, not by {weight}");
        }
        let model = trainer.into_model();
        let weights = [&model.fc, &model.other, &model.best].map(|layer| layer.weight.value[[0, 0]]);
        let far: f32 = weights.iter().zip(after).map(|(found, expected)| (found - expected).abs()).sum();
        assert!(far < 1e-5, "{name}: {weights:?}, not {after:?}");
    }
}

#[test]
fn programs_may_take_nothing() {
    model! {
        struct Maker {
            fc: Linear(2, 3),
        }

        eval make() -> (z, image) {
            let z = randn_like(linspace(0.0, 1.0, 2));
            let image = fc(z);
        }
    }

    let mut maker = Maker::init(0).trainer().batch(4).threads(1).build().unwrap();
    let (z, image) = maker.make().unwrap();
    assert_eq!((z.shape(), image.shape()), (&[2][..], &[3][..]));
    assert_ne!(maker.make().unwrap().0, z);
}

model! {
    #[derive(Clone)]
    struct Centers {
        center: Parameter(2),
        slow: Parameter(2),
        other: Parameter(2),
    }

    step copy() {
        slow.copy_from(center);
    }

    step lerp() {
        slow.lerp_from(center, 0.25);
        other.lerp_from(center, 0.5);
    }
}

/// Parts that are one parameter have its name.
#[test]
fn a_parameter_takes_the_values_of_another() {
    let mut model = Centers::init(0);
    model.center.set(&array![1.0, 2.0]).unwrap();
    model.slow.set(&array![5.0, -2.0]).unwrap();
    model.other.set(&array![3.0, 4.0]).unwrap();
    let mut trainer = model.trainer().build().unwrap();
    trainer.lerp().unwrap();
    let read = |values: Values| [values["slow"].clone(), values["other"].clone()];
    assert_eq!(read(values(trainer.model())), [[4.0, -1.0], [2.0, 3.0]]);
    trainer.copy().unwrap();
    assert_eq!(read(values(trainer.model())), [[1.0, 2.0], [2.0, 3.0]]);
}
