//! What PyTorch's users write daily: sizes by names, whole models of an optimizer, counts of a mask, numbers of functions,
//! loops over constant arrays.

#![deny(warnings)]

use kiln::ndarray::{Array2, Array3, array};
use kiln::prelude::*;

const DILATIONS: [usize; 3] = [1, 2, 4];
const WIDTH: usize = 8;
const LAST: i32 = 4;
const STRIDE: usize = 2;

model! {
    struct Net {
        fc: Linear(8, 8),
        #[allow(deprecated)]
        convs: [Conv1d(1, 1, 3, bias = false); 3],
        scale: Parameter(8, mean = 1),
        #[allow(deprecated)]
        center: Parameter(8, requires_grad = false),
        opt: Sgd(self, lr = 0.1),
    }

    fn forward(x: [N, 8], temperature: []) -> [N, 8] {
        fc(x) * scale / temperature
    }

    step fit(x: [N, 8], y: [N, 8]) -> (loss, cold) {
        let cold = self(x, 0.5) * 0.5 - self(x, 1);
        let loss = mse(self(x, 1.0), y);
        opt.minimize(loss);
    }

    eval counts(x: [N, 8], mask: [N, 8; bool], k: [N, 8; i32]) -> (all, rows, share, whole, same) {
        let all = mask.sum();
        let rows = (x > 0).sum(1);
        let share = (x > 0).sum().float() / 4;
        let mut whole = 0;
        whole += mask.sum();
        let same = !k.bool().logical_xor(k != 0).any() & (x.long() == x.int()).all();
    }

    // Samples in the order of their risk, and negatives from the next sample.
    eval rows_in_order(risk: [N], x: [N, 8]) -> (sorted, place, mixed, next, middle) {
        let (sorted, place) = risk.sort(0, descending = true);
        let mixed = x.index_select(0, rand(N).argsort(0)).sum(0) - x.sum(0);
        let next = x.roll(-1, dims = 0);
        let (middle, _) = risk.median(0);
    }

    eval sizes(x: [N, 2, 3]) -> (y, z) {
        let (n, channels, length) = x.size();
        let y = x.view(n, channels * length);
        let (_, width) = y.size();
        let z = y / width;
    }

    eval numbers(x: [N, 8]) -> (y, z) {
        let root = (WIDTH as f64).sqrt();
        let rate = 10000f64.ln() / sqrt(16.0) + exp(1.0) - 2f64.powi(3) + 2.0.powf(0.5) + log(2.0) - sin(1.0) + 1.0.cos();
        let y = x / root;
        let z = x * rate;
    }

    eval loops(x: [N, 1, 8]) -> (y, z) {
        let mut y = x;
        for (i, d) in DILATIONS.iter().enumerate() {
            y = y + conv1d(y, ones(1, 1, 3), padding = d, dilation = d) * i;
        }
        for (c, d) in convs.iter().zip(DILATIONS.iter().rev()) {
            y = y + c(y.pad([1, 1])) * 0 * d;
        }
        let mut z = zeros_like(x);
        for i in (1..8).step_by(3) {
            z = z + i * x.select(2, i).unsqueeze(2);
        }
        for (i, k) in (0..4).step_by(2).enumerate() {
            z = z + i * k;
        }
        // Of the rounds that Rust has: none where the end comes first; numbers below 0; both ends; constants of any type.
        for _ in (8..4).step_by(2) {
            z = z + 1000;
        }
        for i in (-2..4).step_by(3) {
            z = z + i;
        }
        for i in (0..8).step_by(2) {
            z = z.roll(i - 4, 2);
        }
        for (_, i) in (0..=8).step_by(4).rev().enumerate() {
            z = z + i;
        }
        for i in (-LAST..=LAST).step_by(4) {
            z = z + i;
        }
        for i in (0..LAST).step_by(STRIDE) {
            z = z + i;
        }
        for (_, i) in (0..LAST).step_by(STRIDE).enumerate() {
            z = z + i;
        }
        for i in (1..WIDTH).step_by(3) {
            z = z + x.select(2, i).unsqueeze(2);
        }
        for (_, _) in (WIDTH..4).step_by(2).enumerate() {
            z = z + 1000;
        }
    }

    // Numbers of ranges alone are read.
    eval read(x: [N, 8]) -> (y, place_sum) {
        let steps = 4;
        let start = 1;
        let last = 2;
        let stride = 2;
        let mut y = x;
        for _ in 0..steps {
            y = y + 1;
        }
        for _ in start..=last {
            y = y + 1;
        }
        for _ in (0..steps).step_by(stride) {
            y = y + 1;
        }
        let (_, place) = x.sort(1);
        let (_, lowest) = x.kthvalue(1, 1);
        let place_sum = place.sum() + lowest.sum() * 0;
    }

    eval own_name(x: [N, 8]) -> y {
        let z = x;
        let (x, width) = x.size();
        let y = z * x / width;
    }
}

#[test]
fn it_runs() {
    let x = Array2::from_shape_fn((3, 8), |(i, j)| ((i * 5 + j * 3) % 7) as f32 - 2.5);
    let mut net = Net::init(1).trainer().batch(3).threads(1).build().unwrap();
    let before = net.model().center.value.to_owned();
    let (first, cold) = net.fit(&x, &x).unwrap();
    assert!(cold.iter().all(|number| number.abs() < 1e-6), "{cold}");
    let mut last = first;
    for _ in 0..20 {
        (last, _) = net.fit(&x, &x).unwrap();
    }
    assert!(last < first);
    assert_eq!(net.model().center.value, before);
    assert_ne!(net.model().scale.value.to_owned(), kiln::ndarray::ArrayD::<f32>::ones(vec![8]));

    let mask = Array2::from_shape_fn((3, 8), |(i, j)| (i + j) % 3 == 0);
    let whole = Array2::from_shape_fn((3, 8), |(i, j)| (i as i32 - j as i32) % 3);
    let (all, rows, _, sum, same): (i32, kiln::ndarray::ArrayD<i32>, f32, i32, bool) =
        net.counts(&x, &mask, &whole).unwrap();
    assert_eq!((all, sum, same), (mask.iter().filter(|holds| **holds).count() as i32, all, true));
    for (row, count) in x.outer_iter().zip(rows.iter()) {
        assert_eq!(row.iter().filter(|number| **number > 0.0).count() as i32, *count);
    }

    let risk = array![0.5f32, 3.0, -1.0];
    let (sorted, place, mixed, next, middle) = net.rows_in_order(&risk, &x).unwrap();
    assert_eq!((sorted, middle), (array![3.0, 0.5, -1.0].into_dyn(), 0.5));
    assert_eq!(place, array![1, 0, 2].into_dyn());
    assert!(mixed.iter().all(|number| number.abs() < 1e-5));
    assert_eq!(next.index_axis(kiln::ndarray::Axis(0), 2), x.row(0).into_dyn());

    let image = Array3::from_shape_fn((3, 2, 3), |(i, j, k)| (i * 6 + j * 3 + k) as f32);
    let (y, z) = net.sizes(&image).unwrap();
    assert_eq!(y.shape(), [3, 6]);
    assert_eq!(z[[2, 5]], 17.0 / 6.0);

    let (y, z) = net.numbers(&array![[1.0f32; 8]]).unwrap();
    let rate = 10000f64.ln() / 4.0 + 1f64.exp() - 8.0 + 2f64.sqrt() + 2f64.ln() - 1f64.sin() + 1f64.cos();
    assert!((y[[0, 0]] - 1.0 / 8f32.sqrt()).abs() < 1e-7 && (z[[0, 0]] - rate as f32).abs() < 1e-6);

    let x = Array3::from_shape_fn((1, 1, 8), |(_, _, k)| k as f32);
    let (y, z) = net.loops(&x).unwrap();
    let mut expected: Vec<f32> = (0..8).map(|k| k as f32).collect();
    for (i, d) in DILATIONS.iter().enumerate() {
        let at = |k: isize| usize::try_from(k).ok().and_then(|k| expected.get(k)).copied().unwrap_or(0.0);
        let sums: Vec<f32> = (0..8isize).map(|k| at(k - *d as isize) + at(k) + at(k + *d as isize)).collect();
        expected = expected.iter().zip(&sums).map(|(x, sum)| x + sum * i as f32).collect();
    }
    assert_eq!(y.iter().copied().collect::<Vec<_>>(), expected);
    // -2, 1; 8, 4, 0; -4, 0, 4; 0, 2; 0, 2; what `x` has at 1, 4, 7.
    let stepped = -1 + 12 + 2 + 2 + 12;
    assert!(z.iter().all(|number| *number == (1 + 16 + 49 + 2 + stepped) as f32), "{z}");

    let x = array![[3.0f32, 1.0, 2.0, 0.0, 7.0, 6.0, 5.0, 4.0]];
    let (y, places): (kiln::ndarray::ArrayD<f32>, i32) = net.read(&x).unwrap();
    assert_eq!((y, places), ((&x + 8.0).into_dyn(), 28));
    assert_eq!(net.own_name(&x).unwrap(), (&x / 8.0).into_dyn());
}
