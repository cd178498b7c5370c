//! Measures the error of the elementary functions against f64, and tests them at the edges.

use kiln_jit::code::Code;
use kiln_jit::emit::EmitterKind;
use kiln_jit::kernel::{Access, Element, Index, Kernel, KernelBuilder, Value, interpret};
use kiln_jit::lower::math;

type Function1 = fn(&mut KernelBuilder, Value) -> Value;

/// `out[i] = f(x[i], y[i])`.
fn kernel(lanes: usize, elements: usize, f: impl FnOnce(&mut KernelBuilder, Value, Value) -> Value) -> Kernel {
    let mut b = KernelBuilder::new("function", lanes);
    let x = b.buffer("x", Element::F32, elements, Access::Read);
    let y = b.buffer("y", Element::F32, elements, Access::Read);
    let out = b.buffer("out", Element::F32, elements, Access::Write);
    let i = b.grid(elements / lanes);
    let (a, c) = (b.load(x, Index::of(i, lanes as i64)), b.load(y, Index::of(i, lanes as i64)));
    let result = f(&mut b, a, c);
    b.store(out, Index::of(i, lanes as i64), 1, lanes, result);
    b.finish()
}

/// The function by every emitter that this machine runs; on the first elements also by the interpreter at every number of lanes.
fn apply(f: impl Fn(&mut KernelBuilder, Value, Value) -> Value, x: &mut [f32], y: &mut [f32]) -> Vec<f32> {
    let mut by_all: Vec<Vec<f32>> = Vec::new();
    for emitter in EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here()) {
        let mut out = vec![0.0; x.len()];
        let emitted = kernel(emitter.lanes(), x.len(), &f);
        let code = Code::new(std::slice::from_ref(&emitted), emitter).expect("code");
        let arguments = &mut [(&mut *x).into(), (&mut *y).into(), out.as_mut_slice().into()];
        code.call(0, arguments, 0..emitted.tasks()).expect("the slices fit");
        by_all.push(out);
    }
    let out = by_all.swap_remove(0);
    for other in by_all {
        assert!(out.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()));
    }
    for lanes in [4, 8, 16] {
        let mut part = vec![0.0; x.len().min(1 << 12)];
        interpret(
            &kernel(lanes, part.len(), &f),
            &mut [(&mut *x).into(), (&mut *y).into(), part.as_mut_slice().into()],
        );
        for (a, b) in part.iter().zip(&out) {
            assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{a:e} at {lanes} lanes, {b:e} emitted");
        }
    }
    out
}

/// The distance of two results in units of the last place of the exact one; denormal results have the least normal one's.
fn ulp(found: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if found.is_nan() || rounded.is_nan() {
        return if found.is_nan() && rounded.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if found == rounded {
        return if found != 0.0 || exact != 0.0 || found.is_sign_negative() == exact.is_sign_negative() {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let exponent = exact.abs().log2().floor().clamp(-126.0, 127.0);
    let found = if found.is_infinite() { found.signum() as f64 * 2f64.powi(128) } else { found as f64 };
    (found - exact).abs() / 2f64.powf(exponent - 23.0)
}

fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 || x.is_nan() {
        return if x.is_nan() { x } else { x.signum() };
    }
    // erf x = 2 / sqrt(pi) * e**(-x**2) * sum of 2**n x**(2n+1) / (2n+1)!!: no cancellation.
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > sum.abs() * 1e-18 {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// `1 / (1 + e**-x)` without overflow.
fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// Name, vector code, exact function, error in ulp, largest argument.
type Row = (&'static str, Function1, fn(f64) -> f64, f64, f32);

const FUNCTIONS: [Row; 19] = [
    ("exp", math::exp, f64::exp, 1.0, f32::MAX),
    ("expm1", math::expm1, f64::exp_m1, 2.0, f32::MAX),
    ("log", math::log, f64::ln, 1.0, f32::MAX),
    ("log1p", math::log1p, f64::ln_1p, 1.0, f32::MAX),
    ("asin", math::asin, f64::asin, 3.0, f32::MAX),
    ("acos", math::acos, f64::acos, 3.0, f32::MAX),
    ("sinh", math::sinh, f64::sinh, 4.0, f32::MAX),
    ("cosh", math::cosh, f64::cosh, 3.0, f32::MAX),
    ("asinh", math::asinh, f64::asinh, 2.0, f32::MAX),
    ("acosh", math::acosh, f64::acosh, 2.0, f32::MAX),
    ("atanh", math::atanh, f64::atanh, 2.0, f32::MAX),
    ("tanh", math::tanh, f64::tanh, 3.0, f32::MAX),
    ("sigmoid", math::sigmoid, sigmoid, 3.0, f32::MAX),
    ("erf", math::erf, erf, 1.0, f32::MAX),
    ("sin", math::sin, f64::sin, 2.0, f32::MAX),
    ("cos", math::cos, f64::cos, 2.0, f32::MAX),
    ("rsqrt", math::rsqrt, |x| 1.0 / x.sqrt(), 2.0, f32::MAX),
    ("reciprocal", math::reciprocal, |x| 1.0 / x, 0.5, f32::MAX),
    ("sqrt", |b, x| b.float1(kiln_jit::kernel::Float1::Sqrt, x), f64::sqrt, 0.5, f32::MAX),
];

const EDGES: [f32; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE,
    1e-45,
    -1e-45,
    f32::MAX,
    f32::MIN,
    f32::EPSILON,
];

#[test]
fn functions_of_one_number() {
    let mut failures = Vec::new();
    for (name, function, exact, bound, range) in FUNCTIONS {
        // All exponents and signs, and more of the numbers that networks see.
        let mut x = EDGES.to_vec();
        x.extend((0..1 << 18).map(|i: u32| f32::from_bits(i.wrapping_mul(16_411))));
        x.extend((0..1 << 18).map(|i| (i - (1 << 17)) as f32 * (1.0 / 4_093.0)));
        x.extend((0..1 << 16).map(|i| (i - (1 << 15)) as f32 * (1.0 / 32_749.0)));
        x.extend([0.5, -0.5]);
        // The angle that comes closest to a multiple of a quarter turn, and both sides of where the way to reduce them changes.
        x.extend([16_367_173.0 * 2f32.powi(72), 99_999.99, 1e5, 100_000.01, 65_536.0, 131_072.0]);
        x.retain(|x| x.abs() <= range || !x.is_finite());
        x.resize(x.len().next_multiple_of(16), 0.0);
        let found = apply(|b, x, _| function(b, x), &mut x.clone(), &mut x.clone());
        let worst = x.iter().zip(&found).map(|(&x, &found)| (ulp(found, exact(x as f64)), x, found));
        let (error, at, result) = worst.max_by(|a, b| a.0.total_cmp(&b.0)).expect("numbers");
        println!("{name}: {error:.3} ulp at {at:e}: {result:e}, exactly {:e}", exact(at as f64));
        if error > bound {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn angles_of_points() {
    let (mut y, mut x) = (Vec::new(), Vec::new());
    let mut edges = EDGES.to_vec();
    edges.extend([2.0, -2.0, 0.5, -0.5, 1e30, -1e30, 1e-30, -1e-30]);
    for &a in &edges {
        for &b in &edges {
            y.push(a);
            x.push(b);
        }
    }
    for i in 0..1 << 15 {
        let turn = f64::from(i) * (std::f64::consts::TAU / f64::from(1 << 15));
        y.push(turn.sin() as f32);
        x.push(turn.cos() as f32);
        y.push((i - (1 << 14)) as f32 * 1e-3);
        x.push(1.0);
    }
    y.resize(y.len().next_multiple_of(16), 1.0);
    x.resize(y.len(), 1.0);
    let found = apply(math::atan2, &mut y.clone(), &mut x.clone());
    let mut worst = 0.0f64;
    for ((&y, &x), &found) in y.iter().zip(&x).zip(&found) {
        let exact = (y as f64).atan2(x as f64);
        let same_sign = exact != 0.0 || exact.is_sign_negative() == found.is_sign_negative();
        assert!(same_sign && ulp(found, exact) <= 2.0, "atan2({y:e}, {x:e}) = {exact:e}, found {found:e}");
        worst = worst.max(ulp(found, exact));
    }
    println!("atan2: {worst:.3} ulp");
}

#[test]
fn powers() {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut edges = EDGES.to_vec();
    edges.extend([2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 16_777_217.0, 1e30, 2.5, -7.0]);
    for &a in &edges {
        for &b in &edges {
            x.push(a);
            y.push(b);
        }
    }
    for i in 0..1 << 15 {
        x.push((i as f32 * 0.01).exp2() % 37.0 + 1e-3);
        y.push((i % 601 - 300) as f32 * 0.1);
        x.push(1.0 + (i - (1 << 14)) as f32 * 1e-5);
        y.push((i % 2003) as f32);
    }
    x.resize(x.len().next_multiple_of(16), 1.0);
    y.resize(x.len(), 1.0);
    let found = apply(math::pow, &mut x.clone(), &mut y.clone());
    for ((&x, &y), &found) in x.iter().zip(&y).zip(&found) {
        let exact = (x as f64).powf(y as f64);
        assert!(ulp(found, exact) <= 2.0, "{x:e} ** {y:e} = {exact:e}, found {found:e}");
    }
}
