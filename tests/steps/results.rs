//! What programs give back: each result has the Rust type of its elements and axes, whatever it is computed by, and its
//! value.

use std::fmt::Debug;

use kiln::prelude::*;
use ndarray::{ArrayD, arr0, array};

model! {
    struct Best { same: Identity }

    fn forward(x: [N, 3]) -> [N; i32] {
        same(x).argmax(1)
    }
}

model! {
    struct Both { same: Identity }

    fn forward(x: [N, 3]) -> ([N, 3], [N; i32]) {
        (same(x) + 1.0, x.argmin(1))
    }
}

model! {
    struct Results { best: Best, both: Both, layers: [Identity; 2], head: Sequential(Identity, Best) }

    fn doubled(x) { x + x }
    fn halves(x) { (x * 0.5, x.int()) }
    fn floor_and_place(x, mask) { let (low, place) = x.min(1); (low.masked_fill(mask, 0.0), place) }

    eval choices(x: [N, 3]) -> (chosen, filled, gathered, selected, whole) {
        let chosen = where(x.gt(2.0), x, 0.0);
        let filled = x.masked_fill(x.gt(2.0), -1.0);
        let gathered = x.gather(1, x.argmax(1, keepdim = true));
        let selected = x.index_select(1, zeros_like(x.select(1, 0)).int());
        let whole = where(x.gt(2.0), x.int(), -1);
    }

    eval extremes(x: [N, 3]) -> (high, place, low, lowest, first, second) {
        let (high, place) = x.max(1);
        let (low, lowest) = x.min(-1, keepdim = true);
        let (first, second) = x.slice(1, 0, 2).chunk(2, 1);
    }

    eval models(x: [N, 3]) -> (one, float, whole, last, listed) {
        let one = best(x);
        let (float, whole) = both(x);
        let last = head(x);
        let listed = x;
        for layer in layers.iter() {
            listed = layer(listed);
        }
    }

    eval scalars(x: [N, 3]) -> (sum, count, any, total, chosen, smooth, one) {
        let sum = x.sum();
        let count = x.int().sum();
        let any = x.max().gt(2.0);
        let total = x.sum(1).sum(0);
        let chosen = where(sum.gt(1.0), sum, 0.0);
        let smooth = x.softmax(1).mul(0.0).sum((0, 1));
        let one = x.sum((0, 1), keepdim = true).reshape([]);
    }

    eval functions(x: [N, 3]) -> (twice, place, half, int, low, at) {
        let twice = doubled(x);
        let place = doubled(x.argmax(1));
        let (half, int) = halves(x.sum());
        let (low, at) = floor_and_place(x, x.sum(1).gt(100.0));
    }

    eval flow(x: [N, 3]) -> (sum, kept, mask, branch, zero) {
        let sum = x.sum(1);
        for i in 0..1 {
            sum = sum.sum(0);
        }
        let kept = x.int();
        for i in 0..3 {
            kept = kept + kept;
        }
        let mask = x.gt(2.0);
        if 1 < 2 {
            mask = !mask;
        }
        let branch = if 1 < 2 { x.sum() } else { x };
        let zero = { let inner = x.argmax(1); inner };
    }

    eval given(x: [N, 3], labels: [N; i32]) -> (x, labels, right) {
        let right = labels.eq(x.argmax(1));
    }

    eval hidden(x: [N, 3], mask: [N, 3; bool], rows: [N; bool]) -> (x, mask, any) {
        x = x.masked_fill(mask, 0.0);
        let any = rows.logical_not().logical_and(mask.any(1));
    }
}

/// A result of exactly this type.
fn check<R: PartialEq + Debug>(found: R, expected: R) {
    assert_eq!(found, expected);
}

#[test]
fn each_result_has_the_type_of_its_elements_and_axes() {
    let mut t = Results::init(0).trainer().batch(2).threads(1).build().unwrap();
    let x = array![[1.0f32, 2.0, 3.0], [3.0, 2.0, 1.0]];

    let (chosen, filled, gathered, selected, whole) = t.choices(&x).unwrap();
    check(chosen, array![[0.0, 0.0, 3.0], [3.0, 0.0, 0.0f32]].into_dyn());
    check(filled, array![[1.0, 2.0, -1.0], [-1.0, 2.0, 1.0f32]].into_dyn());
    check(gathered, array![[3.0], [3.0f32]].into_dyn());
    check(selected, array![[1.0, 1.0], [3.0, 3.0f32]].into_dyn());
    check(whole, array![[-1, -1, 3], [3, -1, -1]].into_dyn());

    let (high, place, low, lowest, first, second) = t.extremes(&x).unwrap();
    check(high, array![3.0f32, 3.0].into_dyn());
    check(place, array![2, 0].into_dyn());
    check(low, array![[1.0f32], [1.0]].into_dyn());
    check(lowest, array![[0], [2]].into_dyn());
    check(first, array![[1.0f32], [3.0]].into_dyn());
    check(second, array![[2.0f32], [2.0]].into_dyn());

    let (one, float, whole, last, listed) = t.models(&x).unwrap();
    check(one, array![2, 0].into_dyn());
    check(float, (&x + 1.0).into_dyn());
    check(whole, array![0, 2].into_dyn());
    check(last, array![2, 0].into_dyn());
    check(listed, x.clone().into_dyn());

    check(t.scalars(&x).unwrap(), (12.0f32, 12i32, true, 12.0f32, 12.0f32, 0.0f32, 12.0f32));

    let (twice, place, half, int, low, at) = t.functions(&x).unwrap();
    check(twice, (&x * 2.0).into_dyn());
    check(place, array![4, 0].into_dyn());
    check((half, int), (6.0f32, 12i32));
    check(low, array![1.0f32, 1.0].into_dyn());
    check(at, array![0, 2].into_dyn());

    let (sum, kept, mask, branch, zero) = t.flow(&x).unwrap();
    check(sum, 12.0f32);
    check(kept, array![[8, 16, 24], [24, 16, 8]].into_dyn());
    check(mask, array![[true, true, false], [false, true, true]].into_dyn());
    check(branch, 12.0f32);
    check(zero, array![2, 0].into_dyn());

    let (same, labels, right) = t.given(&x, &[2u8, 1]).unwrap();
    check(same, x.clone().into_dyn());
    check(labels, array![2, 1].into_dyn());
    check(right, array![true, false].into_dyn());

    let mask = array![[true, false, false], [false, false, true]];
    let (kept, same, any) = t.hidden(&x, &mask.view(), &array![false, true]).unwrap();
    check(kept, array![[0.0, 2.0, 3.0], [3.0, 2.0, 0.0f32]].into_dyn());
    check(same, mask.clone().into_dyn());
    check(any, array![true, false].into_dyn());
    let error = t.hidden(&x, &mask, &array![false]).unwrap_err().to_string();
    assert!(error.starts_with("all inputs of `hidden` have the same number of samples"), "{error}");
    let error = t.hidden(&x, &mask.t(), &array![false, true]).unwrap_err().to_string();
    assert!(error.starts_with("`hidden` takes `mask` of the shape [N, 3], but got the shape [3, 2]"), "{error}");
}

model! {
    struct Huber { fc: Linear(3, 1), opt: Sgd(fc, lr = 0.1) }

    step fit(x: [N, 3], y: [N, 1]) -> loss {
        let d = fc(x) - y;
        let loss = where(d.abs().lt(1.0), d * d * 0.5, d.abs() - 0.5).mean();
        opt.minimize(loss);
    }
}

#[test]
fn a_huber_loss_is_a_number_that_falls() {
    let mut huber = Huber::init(0).trainer().batch(4).threads(1).build().unwrap();
    let x = ndarray::Array2::from_shape_fn((4, 3), |(i, j)| ((3 * i + j) as f32).sin());
    let y = ndarray::Array2::<f32>::from_elem((4, 1), 3.0);
    let first: f32 = huber.fit(&x, &y).unwrap();
    let last = (0..50).map(|_| huber.fit(&x, &y).unwrap()).last();
    assert!(last < Some(first));
}

// With defaults rustc knows what a model of the const parameter gives; without, what the text says.
model! {
    struct Defaults<const C: usize = 3> { fc: Linear(C, C), best: Best }

    eval results(x: [N, C], y: [N, 3]) -> (place, total) {
        let place = best(y);
        let total = fc(x).mul(0.0).sum(1).sum(0);
    }
}

model! {
    struct Plain<const C: usize> { fc: Linear(C, C), opt: Sgd(fc) }

    step fit(x: [N, C]) -> (loss, y, place, wrong) {
        let y = fc(x);
        let (_, place) = where(y.gt(0.0), y, 0.0).transpose(0, 1).max(0, keepdim = true);
        let loss = mse(y, x) * 0.0;
        let wrong = place.ne(place);
        opt.minimize(loss);
    }
}

#[test]
fn models_with_const_parameters_give_types_too() {
    let y = array![[1.0f32, 2.0, 3.0]];
    let mut t = Defaults::<5>::init(0).trainer().batch(1).threads(1).build().unwrap();
    check(t.results(&ndarray::Array2::ones((1, 5)), &y).unwrap(), (array![2].into_dyn(), 0.0f32));
    let mut t = Plain::<3>::init(0).trainer().batch(1).threads(1).build().unwrap();
    let (loss, y, place, wrong) = t.fit(&y).unwrap();
    check(loss, 0.0f32);
    check(y.shape(), &[1, 3]);
    check(place.shape(), &[1, 1]);
    check::<ArrayD<bool>>(wrong, ndarray::arr2(&[[false]]).into_dyn());
}

#[test]
fn a_result_that_is_read_as_something_else_is_an_error() {
    let mut t = Results::init(0).trainer().batch(2).threads(1).build().unwrap();
    let x = array![[1.0f32, 2.0, 3.0]];
    let results = t.call(3).numbers(&x).unwrap().run().unwrap();
    let cases = [
        (results.get::<i32>(0).err(), "`scalars` gives `sum` as f32, and not as i32"),
        (results.get::<ArrayD<f32>>(0).err(), "`scalars` gives `sum` as f32, and not as ArrayD<f32>"),
        (results.get::<bool>(1).err(), "`scalars` gives `count` as i32, and not as bool"),
        (results.get::<f32>(7).err(), "`scalars` gives `7` as nothing, and not as f32"),
    ];
    for (error, expected) in cases {
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected));
    }
    assert_eq!(arr0(results.get::<f32>(0).unwrap()), arr0(6.0));
}

#[test]
fn a_batch_beyond_memory_is_an_error_of_build() {
    let cases = [
        ((1 << 31) - 1, "bytes of memory, which the system does not give"),
        (1 << 31, "is too large"),
        (1 << 62, "is too large"),
    ];
    for (batch, expected) in cases {
        let error = Wide::init(0).trainer().batch(batch).threads(1).build().err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{batch}: {error:?}");
    }
    // A layer that counts what it is given before anything is computed.
    for batch in [1 << 31, usize::MAX / 2, usize::MAX] {
        let error = Normed::init(0).trainer().batch(batch).threads(1).build().err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("is too large")), "{batch}: {error:?}");
    }
}

model! {
    struct Normed { norm: BatchNorm1d(8), opt: Sgd(norm) }

    step fit(x: [N, 8]) -> loss {
        let loss = norm(x).square().mean();
        opt.minimize(loss);
    }
}

model! {
    struct Wide { same: Identity }

    eval apply(x: [N, 8192]) -> y {
        let y = same(x) * 2.0;
    }
}
