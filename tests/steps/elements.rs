//! Numbers of several types beside one another, numbers that are tensors, and functions of whole numbers: against the
//! same computed here.

use kiln::prelude::*;
use ndarray::{Array1, Array2, ArrayD, Axis, Zip, arr0, arr1, arr2, concatenate};

const ROWS: usize = 5;
const HALF: f64 = 0.5;
const EPSILON: f64 = 0.2;
const WIDTH: usize = 8;
const WHOLE: i32 = 8;
const ROW: [f32; 3] = [0.25, -3.0, 0.5];
const MATRIX: [[i32; 2]; 2] = [[1, -2], [3, 4]];
const FLAGS: [bool; 2] = [true, false];
const LARGE: i64 = 3_000_000_004;
const BIG: u64 = 10_000_000_000;

fn doubled(number: i32) -> i32 {
    2 * number
}

fn doubled_float(number: f64) -> f64 {
    2.0 * number
}

model! {
    struct Net {
        fc: Linear(3, 3),
        opt: Sgd(fc, lr = 1e-9, keep_gradients = true),
    }

    /// What is wider of f32, i32 and bool is what all become.
    step masked(x: [N, 3], k: [N, 3; i32], m: [N, 3; bool]) -> (loss, count, share) {
        let y = fc(x);
        let count = m.sum();
        let share = count / (N * 3);
        let products = (y * m).sum() / count + (m * y * k).mean();
        let quotients = (y / (k.abs() + 1)).sum() + (k / 2).sum();
        let chosen = where(m, y, k).sum() + maximum(y, k).mean() + y.pow(2).pow(m).sum();
        let loss = products + quotients + chosen + (2 - m + y).mean();
        opt.minimize(loss);
    }

    /// A number of a type with fractions makes f32 of whole numbers, by whatever name it goes.
    eval halves(k: [N, 3; i32], m: [N, 3; bool]) -> (written, named, local, given, compared, chosen, quotient) {
        let written = k * 0.5;
        let named = HALF * k;
        let half = 0.5;
        let local = k + half;
        let given = scaled(k, 0.5);
        let compared = k > 0.5;
        let chosen = where(m, k, HALF);
        let quotient = k / 2;
    }

    fn scaled(k, by: f64) {
        k * by
    }

    eval whole(k: [N, 3; i32], m: [N, 3; bool], x: [N, 3]) -> (negated, size, bounded, square, sign, most, counts, sums) {
        let negated = -k;
        let size = k.abs();
        let bounded = k.clamp(-1, 2);
        let square = k.square();
        let sign = k.sign();
        let most = k.amax(1);
        let counts = m.cumsum(1) - 1;
        let sums = k.cumsum(0);
    }

    /// A bound that has a fraction makes f32 of whole numbers.
    eval bounds(k: [N, 3; i32], m: [N, 3; bool]) -> (both, least, most, named, whole, flags, one) {
        let both = k.clamp(-1.5, 2.0);
        let least = k.clamp_min(0.5);
        let most = k.clamp_max(max = 1.5);
        let named = k.clip(max = HALF);
        let whole = k.clip(max = WIDTH - 7);
        let flags = m.clamp(0, 1);
        let one = k.clamp(0, max = HALF);
    }

    eval powers(k: [N, 3; i32], m: [N, 3; bool], x: [N, 3]) -> (cube, none, root, fraction, named, each, mixed, counts, large, bases, of_base, whole) {
        let cube = k.pow(3);
        let none = k.pow(0);
        let root = k.abs().pow(0.5);
        let fraction = k.pow(-1.0);
        let named = k.pow(WHOLE - 6);
        let each = k.pow(k);
        let mixed = x.pow(k.abs());
        let counts = m.pow(2);
        let large = k.pow(k.abs() + 30);
        let bases = pow(2.5, x) + HALF.pow(k);
        let of_base = 2.pow(x);
        let whole = 2.pow(k.abs());
    }

    /// What a list holds becomes the widest, too.
    eval listed(k: [N, 3; i32], m: [N, 3; bool], x: [N, 3]) -> (joined, stacked, masks) {
        let both = [k, x];
        let joined = cat(both, dim = 1);
        let mut all = vec![];
        all.push(m);
        all.push(k);
        let stacked = stack(all);
        all[1] = !m;
        let masks = stack(all);
    }

    eval mixed(k: [N, 3; i32], m: [N, 3; bool], x: [N, 3]) -> (same, less, kept, rest, joined, masks) {
        let same = m == (k > 0);
        let less = k < x;
        let kept = k * m;
        let rest = 1 - m;
        let joined = cat([x, k], dim = 1);
        let masks = stack([m, !m]);
    }

    /// Constants say what they are by their types.
    eval named(x: [N, 3]) -> (row, matrix, one, fraction, flags, scaled, sum) {
        let row = tensor(ROW);
        let matrix = tensor(MATRIX);
        let one = tensor(WIDTH);
        let fraction = tensor(HALF);
        let flags = tensor(crate::elements::FLAGS);
        let scaled = x * tensor(ROW);
        let (mut sum, step, count) = (0.0, 0.5, 2);
        for i in 0..count {
            sum += (x * step).sum() * i;
        }
    }

    /// What a name stands for is what `tensor` takes.
    eval named_again(x: [N, 3], y: [N, T, 2]) -> (counted, length) {
        let mut counted = x * 0;
        for i in 0..3 {
            counted += x * tensor(i);
        }
        let length = y.sum(1) * 0.0 + tensor(T);
    }

    /// A quotient that leaves something is written with fractions.
    eval quotients(x: [N, 3], y: [N, T, 2]) -> (mean, part, counted, rounded, lengths, even, sized) {
        let mean = x * (1.0 / WIDTH as f64);
        let part = x * ((WHOLE + 1) as f64 / WHOLE as f64);
        let mut counted = x * 0;
        for i in 0..3 {
            counted += x * (i as f64 / 2.0);
        }
        let rounded = x * WIDTH.div_euclid(3);
        let lengths = y * (1.0 / T as f64);
        let even = x * (WIDTH / 4) * (BIG / 5_000_000_000) / 2;
        // A size is whole.
        let sized = x.narrow(1, WIDTH / 5, 1);
    }

    eval constants(x: [N, 3]) -> (row, matrix, whole, mask, number, beside) {
        let row = tensor([0.25, -3, HALF]);
        let matrix = tensor([[1.0, 2.0], [3.0, 4.0]]);
        let whole = tensor([[1, -2], [3, 4]]);
        let mask = tensor([true, false]);
        let number = tensor(2.5);
        let beside = x * tensor([1, 2, 3]);
    }

    /// A whole number that is written beside one of another type is of that type.
    eval computed(x: [N, 3]) -> (clipped, weighted, scaled, summed) {
        let clipped = x.clamp(1 - EPSILON, 1 + EPSILON);
        let rho = 0.05;
        let weighted = x * (1 - rho) + x * (2 * 0.5);
        let scaled = x * (1 / (WIDTH as f64).sqrt()) + x / (WIDTH / 4) + 0.5 * (2 - 1) * x;
        let mut summed = x * 0;
        for q in [0.1, 0.5] {
            summed += (q - 1) * x;
        }
    }

    /// Numbers by functions that are no `const fn`; masks beside whole numbers.
    eval functions(x: [N, 3], k: [N, 3; i32], m: [N, 3; bool]) -> (root, doubled, method, chosen, fraction) {
        let root = x * f64::sqrt(16.0) + k * HALF.max(0.25).sqrt().floor();
        let doubled = k * crate::elements::doubled(2);
        let method = k * (1.5 * f64::from(3u8) - doubled_float(0.25));
        let chosen = where(m, k > 0, 5);
        let fraction = where(m, k > 0, HALF);
    }

    /// Signs beside numbers of constants.
    eval signs(x: [N, 3], k: [N, 3; i32]) -> (negative, difference, large, quotient) {
        let negative = x * (WHOLE / -2) + x * (EPSILON * -1);
        let difference = k * (WHOLE * (1 - 3)) + k * (3 - 5 + WHOLE);
        let large = x * (LARGE - 3000000000);
        let quotient = x * (EPSILON * (6 / 2)) + x * (1.0 * (7 - 8)) + (-2 - -1) * x;
    }

    /// A name of a number that is given another one.
    eval again(x: [N, 3]) -> y {
        let k = 7 / 2;
        k = 4;
        let y = x * k;
    }

    step weighted(x: [N, 3], y: [N; i32]) -> loss {
        let loss = cross_entropy(fc(x), y, weight = tensor([0.2, 0.3, 0.5]));
        opt.minimize(loss);
    }
}

fn numbers() -> (Array2<f32>, Array2<i32>, Array2<bool>) {
    let x = Array2::from_shape_fn((ROWS, 3), |(row, column)| (row * 7 + column * 3) as f32 % 5.0 * 0.4 - 0.9);
    let k = Array2::from_shape_fn((ROWS, 3), |(row, column)| ((row * 5 + column * 4) % 7) as i32 - 3);
    (x, k, Array2::from_shape_fn((ROWS, 3), |(row, column)| (row + 2 * column) % 3 != 0))
}

fn trainer() -> NetTrainer {
    Net::init(1).trainer().batch(ROWS).build().unwrap()
}

/// 1e-5 is the rounding of sums of some ten f32.
#[track_caller]
fn check(found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "{found} is not {expected}");
}

#[track_caller]
fn check_all(found: &ArrayD<f32>, expected: &Array2<f64>) {
    assert_eq!(found.shape(), expected.shape());
    Zip::from(found.view().into_dimensionality::<ndarray::Ix2>().unwrap()).and(expected).for_each(|a, b| check(*a, *b));
}

/// The layer's result, in f64.
fn applied(net: &Net, x: &Array2<f32>) -> Array2<f64> {
    let array = |parameter: &kiln::graph::Parameter| parameter.value.to_owned().mapv(f64::from);
    let weight = array(&net.fc.weight).into_dimensionality::<ndarray::Ix2>().unwrap();
    let bias = array(net.fc.bias.as_ref().unwrap()).into_dimensionality::<ndarray::Ix1>().unwrap();
    x.mapv(f64::from).dot(&weight.t()) + bias
}

#[test]
fn masks_and_counts_are_numbers_beside_f32() {
    let (x, k, m) = numbers();
    let (net, n) = (Net::init(1), (ROWS * 3) as f64);
    let y = applied(&net, &x);
    let (mask, whole) = (m.mapv(|m| f64::from(u8::from(m))), k.mapv(f64::from));
    let (loss, count, share): (f32, i32, f32) = trainer().masked(&x, &k, &m).unwrap();
    assert_eq!(f64::from(count), mask.sum());
    check(share, mask.sum() / n);
    let mut expected = (&y * &mask).sum() / mask.sum() + (&mask * &y * &whole).sum() / n;
    expected += (&y / &whole.mapv(|k| k.abs() + 1.0)).sum() + whole.sum() / 2.0;
    Zip::from(&y).and(&whole).and(&mask).for_each(|y, k, m| {
        expected +=
            if *m > 0.0 { *y } else { *k } + y.max(*k) / n + if *m > 0.0 { y * y } else { 1.0 } + (2.0 - m + y) / n;
    });
    check(loss, expected);
}

/// Of the bias: the slope of the same sum in y.
#[test]
fn gradients_pass_through_the_numbers_that_have_fractions() {
    let (x, k, m) = numbers();
    let mut trainer = trainer();
    let y = applied(trainer.model(), &x);
    trainer.masked(&x, &k, &m).unwrap();
    let (mask, whole, n) = (m.mapv(|m| f64::from(u8::from(m))), k.mapv(f64::from), (ROWS * 3) as f64);
    let slope = Zip::from(&y).and(&whole).and(&mask).map_collect(|y, k, m| {
        let larger = if y > k { 1.0 } else { 0.0 };
        m / mask.sum() + m * k / n + 1.0 / (k.abs() + 1.0) + m + larger / n + 2.0 * y * m + 1.0 / n
    });
    let (found, expected) = (trainer.gradient("fc.bias").unwrap(), slope.sum_axis(Axis(0)));
    found.iter().zip(&expected).for_each(|(found, expected)| check(*found, *expected));
}

#[test]
fn halves_of_whole_numbers_are_f32() {
    let (_, k, m) = numbers();
    let (written, named, local, given, compared, chosen, quotient) = trainer().halves(&k, &m).unwrap();
    let half = k.mapv(|k| k as f32 * 0.5).into_dyn();
    assert_eq!([&written, &named, &given, &quotient], [&half; 4]);
    assert_eq!(local, k.mapv(|k| k as f32 + 0.5).into_dyn());
    assert_eq!(compared, k.mapv(|k| k > 0).into_dyn());
    assert_eq!(chosen, Zip::from(&k).and(&m).map_collect(|k, m| if *m { *k as f32 } else { 0.5 }).into_dyn());
}

#[test]
fn functions_of_whole_numbers_give_whole_numbers() {
    let (x, k, m) = numbers();
    let (negated, size, bounded, square, sign, most, counts, sums) = trainer().whole(&k, &m, &x).unwrap();
    assert_eq!(negated, k.mapv(|k| -k).into_dyn());
    assert_eq!(size, k.mapv(i32::abs).into_dyn());
    assert_eq!(bounded, k.mapv(|k| k.clamp(-1, 2)).into_dyn());
    assert_eq!(square, k.mapv(|k| k * k).into_dyn());
    assert_eq!(sign, k.mapv(i32::signum).into_dyn());
    assert_eq!(most, k.map_axis(Axis(1), |row| *row.iter().max().unwrap()).into_dyn());
    let mut expected = m.mapv(i32::from);
    expected.accumulate_axis_inplace(Axis(1), |before, here| *here += before);
    assert_eq!(counts, expected.mapv(|count| count - 1).into_dyn());
    let mut expected = k.clone();
    expected.accumulate_axis_inplace(Axis(0), |before, here| *here += before);
    assert_eq!(sums, expected.into_dyn());
}

#[test]
fn bounds_with_fractions_make_f32_of_whole_numbers() {
    let (_, k, m) = numbers();
    let (both, least, most, named, whole, flags, one) = trainer().bounds(&k, &m).unwrap();
    assert_eq!(both, k.mapv(|k| (k as f32).clamp(-1.5, 2.0)).into_dyn());
    assert_eq!(least, k.mapv(|k| (k as f32).max(0.5)).into_dyn());
    assert_eq!(most, k.mapv(|k| (k as f32).min(1.5)).into_dyn());
    assert_eq!(named, k.mapv(|k| (k as f32).min(0.5)).into_dyn());
    assert_eq!(whole, k.mapv(|k| k.min(1)).into_dyn());
    assert_eq!(flags, m.mapv(i32::from).into_dyn());
    assert_eq!(one, k.mapv(|k| (k as f32).clamp(0.0, 0.5)).into_dyn());
}

#[test]
fn powers_of_whole_numbers_are_whole() {
    let (x, k, m) = numbers();
    let (cube, none, root, fraction, named, each, mixed, counts, large, bases, of_base, whole) =
        trainer().powers(&k, &m, &x).unwrap();
    assert_eq!(cube, k.mapv(|k| k * k * k).into_dyn());
    assert_eq!(none, k.mapv(|_| 1).into_dyn());
    check_all(&root, &k.mapv(|k| f64::from(k.abs()).sqrt()));
    assert!(fraction.iter().zip(&k).all(|(found, k)| (*found - 1.0 / *k as f32).abs() < 1e-6 || *k == 0));
    assert_eq!(named, k.mapv(|k| k * k).into_dyn());
    let power = |k: i32, exponent: i32| match exponent {
        0.. => k.wrapping_pow(exponent as u32),
        _ if k.abs() == 1 => k.pow(exponent.unsigned_abs()),
        _ => 0,
    };
    assert_eq!(each, k.mapv(|k| power(k, k)).into_dyn());
    check_all(&mixed, &Zip::from(&x).and(&k).map_collect(|x, k| f64::from(*x).powi(k.abs())));
    assert_eq!(counts, m.mapv(i32::from).into_dyn());
    check_all(&bases, &Zip::from(&x).and(&k).map_collect(|x, k| 2.5f64.powf(f64::from(*x)) + 0.5f64.powi(*k)));
    check_all(&of_base, &x.mapv(|x| f64::from(x).exp2()));
    assert_eq!(whole, k.mapv(|k| 2i32.pow(k.unsigned_abs())).into_dyn());
    let of_small = |k: i32, found: i32| k.abs() > 1 || found == power(k, k.abs() + 30);
    assert!(large.iter().zip(&k).all(|(found, k)| of_small(*k, *found)), "{large}");
}

#[test]
fn lists_of_several_types_are_of_the_widest() {
    let (x, k, m) = numbers();
    let (joined, stacked, masks) = trainer().listed(&k, &m, &x).unwrap();
    assert_eq!(joined, concatenate(Axis(1), &[k.mapv(|k| k as f32).view(), x.view()]).unwrap().into_dyn());
    assert_eq!(stacked, ndarray::stack(Axis(0), &[m.mapv(i32::from).view(), k.view()]).unwrap().into_dyn());
    assert_eq!(masks, ndarray::stack(Axis(0), &[m.view(), m.mapv(|m| !m).view()]).unwrap().into_dyn());
}

#[test]
fn names_stand_for_what_they_stood_for() {
    let (x, ..) = numbers();
    let (counted, length) = trainer().named_again(&x, &ndarray::Array3::<f32>::ones((x.nrows(), 5, 2))).unwrap();
    assert_eq!(counted, (&x * 3.0).into_dyn());
    assert!(length.iter().all(|&length| length == 5.0), "{length}");
}

#[test]
fn constants_are_tensors() {
    let (x, ..) = numbers();
    let (row, matrix, one, fraction, flags, scaled, sum) = trainer().named(&x).unwrap();
    assert_eq!(row, arr1(&ROW).into_dyn());
    assert_eq!(matrix, arr2(&MATRIX).into_dyn());
    assert_eq!((arr0(one), arr0(fraction)), (arr0(8), arr0(0.5)));
    assert_eq!(flags, arr1(&FLAGS).into_dyn());
    assert_eq!(scaled, (&x * &arr1(&ROW)).into_dyn());
    check(sum, x.mapv(f64::from).sum() * 0.5);
}

#[test]
fn quotients_are_written_with_fractions() {
    let (x, ..) = numbers();
    let y = ndarray::Array3::from_elem((ROWS, 3, 2), 0.6f32);
    let (mean, part, counted, rounded, lengths, even, sized) = trainer().quotients(&x, &y).unwrap();
    let x = x.mapv(f64::from);
    check_all(&mean, &(&x / 8.0));
    check_all(&part, &(&x * 1.125));
    check_all(&counted, &(&x * 1.5));
    check_all(&rounded, &(&x * 2.0));
    assert!(lengths.iter().all(|y| (y - 0.2).abs() < 1e-6));
    check_all(&even, &(&x * 2.0));
    check_all(&sized, &x.slice(ndarray::s![.., 1..2]).to_owned());
}

#[test]
fn operands_of_several_types_are_those_of_the_widest() {
    let (x, k, m) = numbers();
    let (same, less, kept, rest, joined, masks) = trainer().mixed(&k, &m, &x).unwrap();
    assert_eq!(same, Zip::from(&m).and(&k).map_collect(|m, k| *m == (*k > 0)).into_dyn());
    assert_eq!(less, Zip::from(&k).and(&x).map_collect(|k, x| (*k as f32) < *x).into_dyn());
    assert_eq!(kept, Zip::from(&k).and(&m).map_collect(|k, m| k * i32::from(*m)).into_dyn());
    assert_eq!(rest, m.mapv(|m| 1 - i32::from(m)).into_dyn());
    assert_eq!(joined, concatenate(Axis(1), &[x.view(), k.mapv(|k| k as f32).view()]).unwrap().into_dyn());
    assert_eq!(masks, ndarray::stack(Axis(0), &[m.view(), m.mapv(|m| !m).view()]).unwrap().into_dyn());
}

#[test]
fn written_numbers_are_tensors() {
    let (x, ..) = numbers();
    let (row, matrix, whole, mask, number, beside) = trainer().constants(&x).unwrap();
    assert_eq!(row, arr1(&[0.25, -3.0, 0.5]).into_dyn());
    assert_eq!(matrix, arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn());
    assert_eq!(whole, arr2(&[[1, -2], [3, 4]]).into_dyn());
    assert_eq!(mask, arr1(&[true, false]).into_dyn());
    assert_eq!(arr0(number), arr0(2.5));
    assert_eq!(beside, (&x * &arr1(&[1.0, 2.0, 3.0])).into_dyn());
}

#[test]
fn written_whole_numbers_are_of_the_type_beside_them() {
    let (x, ..) = numbers();
    let (clipped, weighted, scaled, summed) = trainer().computed(&x).unwrap();
    let x = x.mapv(f64::from);
    check_all(&clipped, &x.mapv(|x| x.clamp(0.8, 1.2)));
    check_all(&weighted, &x.mapv(|x| x * 0.95 + x));
    check_all(&scaled, &x.mapv(|x| x / 8f64.sqrt() + x / 2.0 + 0.5 * x));
    check_all(&summed, &x.mapv(|x| x * -1.4));
}

#[test]
fn numbers_have_signs() {
    let (x, k, _) = numbers();
    let (negative, difference, large, quotient) = trainer().signs(&x, &k).unwrap();
    let x = x.mapv(f64::from);
    check_all(&negative, &x.mapv(|x| x * -4.2));
    assert_eq!(difference, k.mapv(|k| k * -10).into_dyn());
    check_all(&large, &x.mapv(|x| x * 4.0));
    check_all(&quotient, &x.mapv(|x| x * -1.4));
}

#[test]
fn names_of_quotients_take_other_numbers() {
    let (x, ..) = numbers();
    check_all(&trainer().again(&x).unwrap(), &x.mapv(|x| f64::from(x) * 4.0));
}

#[test]
fn functions_give_numbers_beside_tensors() {
    let (x, k, m) = numbers();
    let (root, doubled, method, chosen, fraction) = trainer().functions(&x, &k, &m).unwrap();
    check_all(&root, &x.mapv(|x| f64::from(x) * 4.0));
    assert_eq!(doubled, k.mapv(|k| k * 4).into_dyn());
    assert_eq!(method, k.mapv(|k| k as f32 * 4.0).into_dyn());
    let above = |k: i32| i32::from(k > 0);
    assert_eq!(chosen, Zip::from(&k).and(&m).map_collect(|k, m| if *m { above(*k) } else { 5 }).into_dyn());
    let beside = |k: &i32, m: &bool| if *m { above(*k) as f32 } else { 0.5 };
    assert_eq!(fraction, Zip::from(&k).and(&m).map_collect(beside).into_dyn());
}

#[test]
fn classes_have_written_weights() {
    let (x, ..) = numbers();
    let y: Array1<i32> = arr1(&[0, 1, 2, 2, 1]);
    let scores = applied(&Net::init(1), &x);
    let weights = [0.2, 0.3, 0.5];
    let (mut sum, mut total) = (0.0, 0.0);
    for (scores, label) in scores.rows().into_iter().zip(&y) {
        let (weight, label) = (weights[*label as usize], *label as usize);
        sum += weight * (scores.mapv(f64::exp).sum().ln() - scores[label]);
        total += weight;
    }
    check(trainer().weighted(&x, &y).unwrap(), sum / total);
}
