//! What is of samples by samples: contrastive losses, several of each sample in a row, and the number of samples in
//! numbers.

use kiln::ndarray::{Array1, Array2, Array3};
use kiln::prelude::*;

model! {
    struct Projected {
        fc: Linear(6, 8),
    }

    fn forward(x: [N, 6]) -> [N, 8] {
        normalize(fc(x))
    }
}

model! {
    struct SimClr {
        encoder: Projected,
        opt: Sgd(encoder, lr = 0.0),
    }

    /// Both of a pair among all others.
    step stacked(a: [N, 6], b: [N, 6], temperature: []) -> (loss, similar, differences) {
        let z = encoder(cat((a, b), dim = 0));
        let similar = contrasts(z, temperature);
        let labels = cat((arange(N, 2 * N), arange(N)));
        let loss = cross_entropy(similar, labels);
        let (za, zb) = z.chunk(2);
        let rows = a.size(0);
        let differences = stack((
            (z.narrow(0, rows, rows) - zb).abs().sum(),
            (z.slice(0, N, 2 * N) - zb).abs().sum(),
            (z.narrow(0, 0, N) - za).abs().sum(),
            ones([]) * (rows - N) / N,
        ));
        opt.minimize(loss);
    }

    /// The batch several times, and each of its rows.
    eval repeated(x: [N, 6], k: [N; i32]) -> (whole, each, tiled, again) {
        let whole = x.repeat(2, 1) - cat((x, x));
        let each = x.repeat_interleave(3, 0).view(N, 3, 6) - x.unsqueeze(1);
        let tiled = k.tile(2) - cat((k, k));
        let (_, _, _, last) = cat((x, x)).repeat(2, 1).chunk(4);
        let again = last - x;
    }

    /// In a function `N` is the number of rows that its arguments have.
    eval averages(a: [N, 6], b: [N, 6]) -> (of_both, of_a) {
        let of_both = average(cat((a, b), dim = 0), cat((arange(N), arange(N))));
        let of_a = average(a, arange(N));
    }

    fn average(x: [N, 6], number: [N; i32]) -> [6] {
        (x + zeros(N, 6) * number.float().unsqueeze(1)).sum(0) / N
    }

    fn contrasts(z: [2 * N, 8], temperature: []) -> [2 * N, 2 * N] {
        (z.matmul(z.transpose(0, 1)) / temperature).masked_fill(eye(2 * N).eq(1), -1e9)
    }

    step apart(a: [N, 6], b: [N, 6], temperature: []) -> loss {
        let (za, zb) = (encoder(a), encoder(b));
        let ab = za.matmul(zb.t()) / temperature;
        let (aa, bb) = (za.matmul(za.t()) / temperature, zb.matmul(zb.t()) / temperature);
        let aa = aa.masked_fill(eye(N).gt(0), -1e9);
        let bb = bb.masked_fill(eye(N).gt(0), -1e9);
        let of_a = cross_entropy(cat((aa, ab), dim = 1), arange(N, 2 * N));
        let loss = (of_a + cross_entropy(cat((ab.t(), bb), dim = 1), arange(N))) / 2;
        opt.minimize(loss);
    }

    /// Which samples go together is given.
    step supervised(x: [N, 6], same: [N, N; bool], labels: [N; i32]) -> (loss, count) {
        let z = encoder(x);
        let log_p = z.matmul(z.t()).masked_fill(eye(N).gt(0), -1e9).log_softmax(1);
        let pairs = same & eye(N).eq(0);
        let loss = -where(pairs, log_p, 0.0).sum() / pairs.float().sum();
        let count = (labels.unsqueeze(1).eq(labels.unsqueeze(0)) & eye(N).eq(0)).float().sum() - pairs.float().sum();
        opt.minimize(loss);
    }

    eval merged(x: [N, 5, 6], labels: [N, 5; i32]) -> (y, difference, flat, loss, other) {
        let y = encoder(x.view(-1, 6)).view(N, 5, 8);
        let difference = (encoder(x.view(N * 5, 6)).view(-1, 5, 8) - encoder(x.flatten(0, 1)).view(x.size(0), -1, 8)).abs().sum();
        let flat = x.view(x.size(0), -1);
        let loss = cross_entropy(y.view(-1, 8), labels.view(-1));
        let other = cross_entropy(y.transpose(1, 2), labels);
    }
}

#[test]
fn pairs_are_told_from_others() {
    let a = Array2::from_shape_fn((8, 6), |(i, j)| ((i * 4 + j * 5) % 7) as f32 / 5.0);
    let b = Array2::from_shape_fn((8, 6), |(i, j)| ((i + j) % 3) as f32);
    let mut net = SimClr::init(1).trainer().batch(8).threads(1).build().unwrap();
    let (loss, similar, differences) = net.stacked(&a, &b, 0.1).unwrap();
    assert_eq!(similar.shape(), [16, 16]);
    assert!(differences.iter().all(|difference| *difference == 0.0), "{differences}");
    let apart = net.apart(&a, &b, 0.1).unwrap();
    assert!((loss - apart).abs() < 1e-5, "{loss} {apart}");
    let labels = Array1::from_iter((0..8).map(|i| i % 3));
    let same = Array2::from_shape_fn((8, 8), |(i, j)| labels[i] == labels[j]);
    let (loss, count) = net.supervised(&a, &same, &labels).unwrap();
    assert!(loss > 0.0 && count == 0.0);
    let wrong = Array2::from_elem((8, 7), true);
    let error = net.supervised(&a, &wrong, &labels).unwrap_err().to_string();
    assert!(error.ends_with("the first has 8, but `same` has 7"), "{error}");
}

#[test]
fn axes_are_merged_with_the_batch() {
    let x = Array3::from_shape_fn((4, 5, 6), |(i, j, k)| ((i * 4 + j * 5 + k) % 7) as f32 / 5.0);
    let labels = Array2::from_shape_fn((4, 5), |(i, j)| ((i + j) % 8) as i32);
    let mut net = SimClr::init(1).trainer().batch(4).threads(1).build().unwrap();
    let (y, difference, flat, loss, other) = net.merged(&x, &labels).unwrap();
    assert_eq!((y.shape(), difference, flat.shape()), (&[4, 5, 8][..], 0.0, &[4, 30][..]));
    assert!((loss - other).abs() < 1e-6, "{loss} {other}");
}

#[test]
fn rows_are_repeated() {
    let x = Array2::from_shape_fn((4, 6), |(i, j)| (i * 6 + j) as f32);
    let mut trainer = SimClr::init(1).trainer().batch(4).threads(1).build().unwrap();
    let (whole, each, tiled, again) = trainer.repeated(&x, &Array1::from_iter(0..4)).unwrap();
    assert_eq!((whole.shape(), each.shape()), (&[8, 6][..], &[4, 3, 6][..]));
    assert_eq!((tiled.shape(), again.shape()), (&[8][..], &[4, 6][..]));
    assert!([whole, each, again].iter().all(|found| found.iter().all(|&x| x == 0.0)));
    assert!(tiled.iter().all(|&k| k == 0));
}

#[test]
fn functions_know_how_many_rows_their_arguments_have() {
    let [a, b] = [0.0, 1.0].map(|by| Array2::from_shape_fn((3, 6), |(row, column)| by + (row * column) as f32));
    let mut trainer = SimClr::init(1).trainer().batch(4).build().unwrap();
    let (of_both, of_a) = trainer.averages(&a, &b).unwrap();
    let mean = a.mean_axis(kiln::ndarray::Axis(0)).unwrap().into_dyn();
    let near = |found: &kiln::ndarray::ArrayD<f32>, by: f32| (found - &mean).iter().all(|x| (x - by).abs() < 1e-5);
    assert!(near(&of_a, 0.0) && near(&of_both, 0.5), "{of_both} {of_a} {mean}");
}
