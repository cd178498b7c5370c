//! The losses that a program may call, with all their options: values by PyTorch 2.15, and a loss of the model's own.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

model! {
    struct Losses {
        fc: Linear(3, 3),
        opt: Sgd(fc, lr = 0.1),
    }

    eval of_numbers(x: [N, 3], y: [N, 3]) -> (a, b, c, d, e, f, g, h, i, j, k, l) {
        let a = huber(x, y);
        let b = huber_loss(x, y, delta = 0.5, reduction = "sum");
        let c = smooth_l1(x, y, beta = 0.25);
        let d = mse_loss(x, y) + l1_loss(x, 0.5);
        let e = poisson_nll(x, y, full = true);
        let f = poisson_nll(y, x.abs(), log_input = false, eps = 0.1, reduction = "sum");
        let g = gaussian_nll(x, y, y.mean(1), full = true);
        let h = gaussian_nll(x, 1.0, 0.25, eps = 0.5, reduction = "sum");
        let i = kl_div(x, y, reduction = "batchmean");
        let j = kl_div(x, y, log_target = true, reduction = "sum");
        let k = binary_cross_entropy(y / 4, y / 3, weight = y);
        let l = bce(y / 4, 1.0, reduction = "sum");
    }

    eval of_labels(x: [N, 3], y: [N, 3], labels: [N; i32], lists: [N, 3; i32], weight: [N, 3]) -> (a, b, c, d, e, f, g) {
        let weights = weight.amax(0);
        let a = nll(x, labels);
        let b = nll_loss(x, labels, weight = weights, ignore_index = 2, reduction = "sum");
        let c = multi_margin(x, labels, p = 2, margin = 0.5, weight = weights);
        let d = multi_margin_loss(x, labels, reduction = "sum");
        let e = multilabel_margin(x, lists);
        let f = multilabel_soft_margin(x, y / 3, weight = weights);
        let g = multilabel_soft_margin_loss(x, y / 3, reduction = "sum");
    }

    eval of_pairs(x: [N, 3], y: [N, 3], z: [N, 3]) -> (a, b, c, d, e, f, g, h, i) {
        let signs = where(z > 0, ones_like(z), -ones_like(z));
        let a = hinge_embedding(x, signs, margin = 0.5);
        let b = soft_margin(x, signs, reduction = "sum");
        let c = margin_ranking(x, y, signs, margin = 0.5);
        let d = margin_ranking_loss(x, y, 1.0, reduction = "sum");
        let e = cosine_embedding(x, y, signs.select(1, 0), margin = 0.1);
        let f = cosine_embedding_loss(x, y, signs.select(1, 1), reduction = "sum");
        let g = triplet_margin(x, y, z);
        let h = triplet_margin_loss(x, y, z, margin = 2, p = 1, eps = 0.01, swap = true, reduction = "sum");
        let i = triplet_margin(x, y, z, p = 3, reduction = "none");
    }

    step fit(x: [N, 3], y: [N, 3]) -> loss {
        let loss = charbonnier(fc(x), y) + gaussian_nll(fc(x), y, 2.0);
        opt.minimize(loss);
    }

    fn charbonnier(x, y) {
        ((x - y) * (x - y) + 1e-3).sqrt().mean()
    }
}

model! {
    struct Reader {
        fc: Linear(3, 4),
        opt: Sgd(fc, lr = 0.1),
    }

    step fit(x: [N, 7, 3], labels: [N, 2; i32], times: [N; i32], lengths: [N; i32]) -> loss {
        let loss = ctc(fc(x).log_softmax(2).transpose(0, 1), labels, times, lengths);
        opt.minimize(loss);
    }

    eval losses(x: [N, 7, 3], labels: [N, 2; i32], times: [N; i32], lengths: [N; i32]) -> (each, sum, blank, all) {
        let logs = log_softmax(fc(x), 2).permute(1, 0, 2);
        let each = ctc_loss(logs, labels, times, lengths, reduction = "none");
        let sum = ctc(logs, labels, times, lengths, reduction = "sum", zero_infinity = true);
        let blank = ctc(logs, labels, times, lengths, blank = 3, reduction = "sum");
        let all = ctc(logs, labels, full_like(times, 7), lengths);
    }
}

fn x() -> Array2<f32> {
    Array2::from_shape_fn((4, 3), |(i, j)| {
        [0.5, -1.25, 2.0, 0.75, -0.5, 1.0, 1.5, 0.25, -2.0, 0.0, 3.0, -1.0][3 * i + j]
    })
}

fn y() -> Array2<f32> {
    Array2::from_shape_fn((4, 3), |(i, j)| [1.0, 0.5, 2.0, 0.25, 1.5, 2.5, 0.5, 3.0, 1.0, 0.125, 1.0, 0.75][3 * i + j])
}

fn z() -> Array2<f32> {
    Array2::from_shape_fn((4, 3), |(i, j)| {
        [-1.0, 0.5, 1.0, 2.0, -0.25, 0.5, -1.5, 1.0, 0.5, 0.25, 0.75, -2.0][3 * i + j]
    })
}

fn check(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        // A few roundings of f32.
        assert!((found - expected).abs() <= 4e-6 * expected.abs().max(1.0), "{place}: {found}, not {expected}");
    }
}

#[test]
fn losses_are_those_of_pytorch() {
    let mut losses = Losses::init(1).trainer().batch(4).threads(1).build().unwrap();
    let (a, b, c, d, e, f, g, h, i, j, k, l) = losses.of_numbers(&x(), &y()).unwrap();
    check(&[a, b, c, d, e, f, g, h, i, j, k, l], NUMBERS);
    let lists = ndarray::arr2(&[[1, -1, 0], [0, 2, 1], [-1, 0, 1], [2, 0, -1]]);
    let weight = y() / 2.0;
    let (a, b, c, d, e, f, g) = losses.of_labels(&x(), &y(), &[2, 0, 1, 1], &lists, &weight).unwrap();
    check(&[a, b, c, d, e, f, g], LABELS);
    let (a, b, c, d, e, f, g, h, i) = losses.of_pairs(&x(), &y(), &z()).unwrap();
    check(&[a, b, c, d, e, f, g, h], PAIRS);
    check(i.as_slice().unwrap(), TRIPLETS);
}

/// A program checks labels by the loss that takes them.
#[test]
fn labels_of_every_loss_are_checked() {
    let mut losses = Losses::init(1).trainer().batch(4).threads(1).build().unwrap();
    let good = (Array1::from_vec(vec![2, 0, 1, 1]), ndarray::arr2(&[[1, -1, 0], [0, 2, 1], [-1, 0, 1], [2, 0, -1]]));
    let mut check = |labels: &Array1<i32>, lists: &Array2<i32>, expected: &str| {
        let error = losses.of_labels(&x(), &y(), labels, lists, &y()).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    };
    let mut labels = good.0.clone();
    labels[3] = 3;
    check(&labels, &good.1, "input `labels`: label 3 at [3] is out of range: the model has 3 classes, 0 to 2");
    let mut lists = good.1.clone();
    lists[[1, 0]] = -2;
    check(&good.0, &lists, "input `lists`: label -2 at [1, 0] is out of range: the model has 3 classes, 0 to 2");
}

#[test]
fn a_loss_may_be_a_function_of_the_model() {
    let mut losses = Losses::init(1).trainer().batch(4).threads(1).build().unwrap();
    let first = losses.fit(&x(), &y()).unwrap();
    assert!((0..10).map(|_| losses.fit(&x(), &y()).unwrap()).last() < Some(first));
}

/// What is read is learnt, a target that does not fit changes nothing, and lengths and labels are checked before anything is
/// changed.
#[test]
fn sequences_are_read() {
    let mut reader = Reader::init(1).trainer().batch(3).threads(1).build().unwrap();
    let x = ndarray::Array3::from_shape_fn((3, 7, 3), |(n, t, i)| f32::from(u8::from((n + t) % 3 == i)));
    let labels = ndarray::arr2(&[[1, 2], [2, 1], [1, 1]]);
    let (times, lengths) = ([7, 6, 7], [2, 1, 2]);
    let (each, sum, _, all) = reader.losses(&x, &labels, &times, &lengths).unwrap();
    assert!((each.sum() - sum).abs() < 1e-5 && all > 0.0, "{each} {sum} {all}");
    let (each, sum, ..) = reader.losses(&x, &labels, &[7, 6, 2], &lengths).unwrap();
    assert_eq!(each[2], f32::INFINITY, "two equal labels take three times");
    assert!((each[0] + each[1] - sum).abs() < 1e-5);
    let weights = reader.model().fc.weight.value.clone();
    for (labels, times, lengths, expected) in [
        (labels.clone(), [7, 8, 7], [2, 1, 2], "ctc's input_lengths takes numbers from 0 to 7"),
        (labels.clone(), times, [2, 1, -1], "ctc's target_lengths takes numbers from 0 to 2"),
        (ndarray::arr2(&[[1, 4], [2, 9], [1, 1]]), times, lengths, "ctc's targets takes numbers from 0 to 3"),
    ] {
        let error = reader.fit(&x, &labels, &times, &lengths).expect_err(expected);
        assert!(error.to_string().starts_with(&format!("{expected}, and 1 that")), "{error}");
    }
    assert_eq!(reader.model().fc.weight.value, weights);
    let mut fit = |times: &[i32; 3]| reader.fit(&x, &labels, times, &lengths).unwrap();
    assert_eq!(fit(&[1, 6, 2]), f32::INFINITY);
    let first = fit(&times);
    let last = (0..300).map(|_| fit(&times)).last().unwrap();
    assert!(first.is_finite() && last < 0.5 * first, "{first} {last}");
}

const NUMBERS: &[f32] = &[
    1.000651, 7.132812, 1.294271, 3.97526, 3.197636, 12.99821, 2.242881, 23.27862, -0.3742141, 90.99069, 0.6391584,
    18.66173,
];

const LABELS: &[f32] = &[-1.5, -5.25, 0.40625, 1.166667, 1.333333, 0.9178703, 3.488529];

const PAIRS: &[f32] = &[0.5208333, 9.236421, 1.135417, 13.375, 0.3858179, 2.286118, 1.221907, 12.15];

const TRIPLETS: &[f32] = &[0.6283123, 1.977871, 1.149571, 1.057942];

model! {
    struct Words {
        words: AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs = [4, 10], div_value = 2, head_bias = true),
        opt: Sgd(words, lr = 0.5),
    }

    step fit(x: [N, 8], y: [N; i32]) -> (output, loss) {
        let (output, loss) = words(x, y);
        opt.minimize(loss);
    }

    eval tell(x: [N, 8]) -> (all, classes) {
        let all = words.log_prob(x);
        let classes = words.predict(x);
    }
}

/// Four steps of an adaptive softmax, and what it tells of classes, are PyTorch's; labels are checked.
#[test]
fn an_adaptive_softmax_is_trained_as_by_pytorch() {
    let pattern = |i: usize, key: usize| ((i * 7 + key * 3) % 17) as f32 / 16.0 - 0.5;
    let mut model = Words::init(1);
    let mut names = Vec::new();
    model.each_parameter_mut(&mut |name, parameter| {
        let key = names.len();
        parameter.value.iter_mut().enumerate().for_each(|(i, value)| *value = pattern(i, key));
        names.push(name.to_owned());
    });
    let expected =
        ["head.weight", "head.bias", "tail.0.0.weight", "tail.0.1.weight", "tail.1.0.weight", "tail.1.1.weight"];
    assert_eq!(names, expected.map(|name| format!("words.{name}")));
    let x = Array2::from_shape_fn((6, 8), |(row, column)| 4.0 * pattern(row * 8 + column, 3));
    let y = Array1::from(vec![0, 5, 19, 3, 10, 9]);
    let mut words = model.trainer().batch(6).threads(1).build().unwrap();
    let predicted = |words: &mut WordsTrainer| words.tell(&x).unwrap().1.into_iter().collect::<Vec<i32>>();
    assert_eq!(predicted(&mut words), [2, 3, 1, 1, 2, 0]);
    let steps: [([f32; 6], f32); 4] = [
        ([-3.316055, -6.668023, -5.165893, -4.391477, -4.669435, -4.732232], 4.823853),
        ([-1.74084, -3.395966, -3.648782, -2.436946, -3.06533, -2.090165], 2.729671),
        ([-0.863484, -1.511591, -2.351718, -1.155068, -1.942734, -1.107964], 1.48876),
        ([-0.509392, -0.766571, -1.420575, -0.60115, -1.273275, -0.703465], 0.879071),
    ];
    for (outputs, loss) in steps {
        let (all, _) = words.tell(&x).unwrap();
        // Probabilities of all classes add up to 1.
        assert!(all.exp().sum_axis(ndarray::Axis(1)).iter().all(|sum| (sum - 1.0).abs() < 1e-5));
        let (found, found_loss) = words.fit(&x, &y).unwrap();
        for (row, (found, expected)) in found.iter().zip(outputs).enumerate() {
            assert!((found - expected).abs() < 2e-5, "{row}: {found} {expected}");
            assert!((all[[row, y[row] as usize]] - expected).abs() < 2e-5);
        }
        assert!((found_loss - loss).abs() < 1e-5, "{found_loss} {loss}");
    }
    assert_eq!(predicted(&mut words), y.to_vec());
    let error = words.fit(&x, &[0, 5, 20, 3, 10, 9]).unwrap_err();
    assert!(error.to_string().contains("20"), "{error}");
}
