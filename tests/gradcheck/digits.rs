//! Long sums keep their digits, and rests of divisions: sums, means, variances and the statistics of a batch normalization
//! of up to millions of terms, of one sign, of random ones, with outliers, against f64, by every emitter that runs here.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_graph::build::{Builder, Value};
use kiln_graph::functions::{fmod, remainder, var};
use kiln_graph::layers::batch_norm::{Running, Statistics, batch_norm};
use kiln_graph::layers::group_norm::group_norm;
use kiln_graph::layers::layer_norm::layer_norm;
use kiln_graph::losses::{Reduction, mean_squared_error};
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::{Shape, Type, optimize};
use kiln_jit::emit::EmitterKind;
use kiln_jit::plan::plan;
use kiln_jit::{Program, Session, States, Target};
use kiln_rt::Pool;
use kiln_rt::random::{bits, uniform};
use ndarray::ArrayViewD;

/// Outputs and states by name.
pub type Results = HashMap<String, Vec<f32>>;

/// What a graph of an input `x` gives by every emitter, with one thread and two, which give the same bits.
pub fn each(
    extents: &[usize],
    x: &[f32],
    build: impl for<'g> Fn(&'g Builder, Value<'g>),
    check: impl Fn(&str, &Results),
) {
    let g = Builder::new("digits");
    g.set_mode(kiln_graph::Mode::Train);
    build(&g, g.input("x", extents));
    let graph = optimize(&g.finish().expect("nothing is wrong"));
    let x = ArrayViewD::from_shape(extents, x).expect("as many numbers");
    for emitter in EmitterKind::ALL.into_iter().filter(|emitter| emitter.runs_here()) {
        let mut plan = plan(&graph, &Target::with_lanes(emitter.lanes()), &HashMap::new()).expect("a plan");
        plan.calls.iter_mut().for_each(|call| call.parallel = true);
        let program = Arc::new(Program::from_plan(plan).expect("code"));
        let results = [1, 2].map(|threads| {
            let mut states = States::new();
            let mut session = Session::new(program.clone(), &mut states, Arc::new(Pool::new(threads))).expect("memory");
            session.write_input_f32(0, x.view()).expect("the input");
            session.run(&mut states).expect("a run");
            let outputs = graph.outputs.iter().enumerate();
            let mut results: Results =
                outputs.map(|(index, output)| (output.name.clone(), numbers(session.output(index)))).collect();
            for update in &graph.updates {
                let name = &graph.inputs[update.input].name;
                results.insert(name.clone(), numbers(states.read(name).expect("a state").view()));
            }
            results
        });
        assert_eq!(results[0], results[1], "{extents:?} by {emitter}: one thread and two");
        check(&format!("{extents:?} by {emitter}"), &results[0]);
    }
}

/// The numbers of a tensor in row-major order. As they lie, where they lie so: debug builds go through iterators slowly.
fn numbers(tensor: ArrayViewD<'_, f32>) -> Vec<f32> {
    tensor.as_slice().map_or_else(|| tensor.iter().copied().collect(), <[f32]>::to_vec)
}

/// That numbers are as near to others as a part of a size that each has.
pub fn assert_near(what: &str, found: &[f32], expected: impl IntoIterator<Item = (f64, f64)>) {
    let mut places = 0;
    for (place, (&found, (expected, allowed))) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(found) - expected).abs();
        assert!(
            off <= allowed,
            "{what}, element {place}: {found:e}, not {expected:e}: {off:e} away, more than {allowed:e}"
        );
        places += 1;
    }
    assert_eq!(places, found.len(), "{what}");
}

/// What lies along some axes, for each place along the others.
fn lines(extents: &[usize], axes: &[usize], x: &[f32]) -> Vec<Vec<f64>> {
    let kept: Vec<usize> = (0..extents.len()).filter(|axis| !axes.contains(axis)).collect();
    let mut lines = vec![Vec::new(); kept.iter().map(|&axis| extents[axis]).product()];
    let strides: Vec<usize> = (0..extents.len()).map(|axis| extents[axis + 1..].iter().product()).collect();
    // Plain loops, for the time of debug builds.
    let (kept, strides) = (kept.as_slice(), strides.as_slice());
    let mut place = 0;
    while place < x.len() {
        let (mut line, mut number) = (0, 0);
        while number < kept.len() {
            let axis = kept[number];
            line = line * extents[axis] + place / strides[axis] % extents[axis];
            number += 1;
        }
        lines[line].push(f64::from(x[place]));
        place += 1;
    }
    lines
}

/// A number of a stream, -1 to 1.
fn signed(stream: u32, place: usize) -> f32 {
    2.0 * uniform(11, 0, stream, place as u64) - 1.0
}

/// Name, and the term at a place of a column.
type Terms = (&'static str, fn(usize) -> f32);

const TERMS: [Terms; 4] = [
    ("equal ones", |_| 0.1),
    ("others, equal", |_| 1.0 / 3.0),
    ("of one sign", |place| 1.5 + 0.5 * signed(0, place)),
    ("of both signs", |place| signed(1, place)),
];

#[test]
fn long_sums_are_exact_to_rounding() {
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[1 << 20], &[0]),
        (&[(1 << 19) + 7], &[0]),
        (&[1 << 16, 3], &[0]),
        (&[40_009, 8], &[0]),
        (&[3, 70_001], &[1]),
        (&[4096, 3, 33], &[0, 2]),
        (&[5, 600, 7, 9], &[0, 2, 3]),
        (&[3, 4000, 5], &[1]),
    ];
    for (extents, axes) in shapes {
        for (name, term) in TERMS {
            let x: Vec<f32> = (0..extents.iter().product()).map(term).collect();
            let over: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
            let build = |g: &Builder, x: Value<'_>| {
                g.output("sum", x.sum(&over[..]));
                g.output("mean", x.mean(&over[..]));
            };
            let lines = lines(extents, axes, &x);
            each(
                extents,
                &x,
                |g, x| build(g, x),
                |what, results| {
                    // Blocks of equal terms lose 5e-7 of their sum at most, and less if their roundings differ.
                    let sums = lines
                        .iter()
                        .map(|line| (line.iter().sum::<f64>(), 1e-6 * line.iter().map(|x| x.abs()).sum::<f64>()));
                    let sums: Vec<(f64, f64)> = sums.collect();
                    let n = lines[0].len() as f64;
                    assert_near(&format!("the sum of {name}, {what}"), &results["sum"], sums.iter().copied());
                    let means = sums.iter().map(|(sum, allowed)| (sum / n, allowed / n));
                    assert_near(&format!("the mean of {name}, {what}"), &results["mean"], means);
                },
            );
        }
    }
}

/// The largest sum that the compiler may be asked for: of a number that is repeated, so that it takes no memory.
#[test]
fn sums_of_millions_of_equal_terms() {
    for v in [0.1f32, 0.7, 1.3, 1e-3] {
        each(
            &[1, 1],
            &[v],
            |g, x| {
                g.output("line", x.broadcast_to([1, 1 << 25]).sum(..));
                g.output("columns", x.broadcast_to([1 << 20, 32]).sum(0));
            },
            |what, results| {
                for (name, n, places) in [("line", 33_554_432.0, 1), ("columns", 1_048_576.0, 32)] {
                    let expected = n * f64::from(v);
                    assert_near(
                        &format!("{name} of {v}, {what}"),
                        &results[name],
                        vec![(expected, 1e-6 * expected); places],
                    );
                }
            },
        );
    }
}

/// Mean and variance.
fn moments(line: &[f64]) -> (f64, f64) {
    let mean = line.iter().sum::<f64>() / line.len() as f64;
    (mean, line.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / line.len() as f64)
}

/// Name, and the number of a sample at a place.
type Samples = (&'static str, fn(usize, usize) -> f32);

/// The first one far away, one anywhere, the last one, every 64th, more and more, far from 0.
const SAMPLES: [Samples; 6] = [
    ("an outlier first", |sample, place| if sample == 0 { 1e4 } else { 1.0 - 2.0 * (place % 2) as f32 }),
    ("an outlier of 1e6 first", |sample, place| if sample == 0 { 1e6 } else { signed(2, place) }),
    ("an outlier at 5", |sample, place| if sample == 5 { -1e4 } else { signed(3, place) }),
    ("an outlier of 64", |sample, place| if sample % 64 == 0 { 1e4 } else { signed(4, place) }),
    ("a slope", |sample, place| sample as f32 * 0.01 + signed(5, place)),
    ("far from 0", |_, place| 1000.0 + signed(6, place)),
];

/// Statistics of channels (axis 1) to so much of the variance: what rounding of the numbers themselves costs.
const DIGITS: f64 = 1e-4;

fn check_batch_norm(
    extents: &[usize],
    samples: &[f32],
    name: &str,
    before: impl for<'g> Fn(&'g Builder, Value<'g>) -> Value<'g>,
) {
    let build = |g: &Builder, x: Value<'_>| {
        let y = before(g, x);
        let channels = [y.shape().dim(1)];
        let state = |name| g.state(name, Type::f32(channels));
        let running = Running {
            mean: state("mean"),
            variance: state("variance"),
            batches: Some(g.state("batches", Type::f32(Shape::SCALAR))),
        };
        let z = batch_norm(y, None, None, Some(running), Statistics { eps: 1e-5, momentum: Some(1.0) });
        g.output("y", y);
        g.output("z", z);
    };
    let shape = {
        let g = Builder::new("shape");
        let y = before(&g, g.input("x", extents));
        y.shape()
    };
    each(
        extents,
        samples,
        |g, x| build(g, x),
        |what, results| {
            let dims = shape.dims();
            let axes: Vec<usize> = (0..dims.len()).filter(|&axis| axis != 1).collect();
            let found: Vec<(f64, f64)> = lines(dims, &axes, &results["y"]).iter().map(|line| moments(line)).collect();
            let n = (shape.elements() / dims[1]) as f64;
            let what = format!("of {name}, {what}");
            // The numbers' own roundings, 6e-8 of their size, are part of their differences.
            let allowed = |(mean, variance): (f64, f64)| DIGITS * variance + 1e-6 * mean.abs() * variance.sqrt();
            let means = found.iter().map(|&(mean, variance)| (mean, 1e-5 * variance.sqrt() + 1e-6 * mean.abs()));
            assert_near(&format!("the mean {what}"), &results["mean"], means);
            let variances = found.iter().map(|&moments| (moments.1 * n / (n - 1.0), allowed(moments)));
            assert_near(&format!("the variance {what}"), &results["variance"], variances);
            let inner: usize = dims[2..].iter().product();
            let normal = results["y"].iter().enumerate().map(|(place, &y)| {
                let (mean, variance) = found[place / inner % dims[1]];
                let z = (f64::from(y) - mean) / (variance + 1e-5).sqrt();
                (z, DIGITS * z.abs() + 1e-5 + 2e-7 * mean.abs() / variance.sqrt())
            });
            assert_near(&format!("the result {what}"), &results["z"], normal);
        },
    );
}

#[test]
fn batch_norms_keep_their_digits() {
    // The last ones by chance.
    let mut shapes: Vec<Vec<usize>> = [
        &[64, 1][..],
        &[65_536, 1],
        &[65_536, 3],
        &[8192, 17],
        &[1000, 5, 16],
        &[16_384, 8, 2],
        &[512, 3, 5, 7],
        &[2, 9, 40, 40],
    ]
    .map(<[usize]>::to_vec)
    .to_vec();
    for number in 0..6u64 {
        let random = |stream: u32, below: u32| 1 + (bits(12, 0, stream, number) % below) as usize;
        let mut extents = vec![2 + random(0, 1500), random(1, 19)];
        extents.extend((0..random(2, 3) - 1).map(|axis| random(3 + axis as u32, 9)));
        shapes.push(extents);
    }
    for (number, extents) in shapes.iter().enumerate() {
        for (name, sample) in SAMPLES.into_iter().skip(number % 2).step_by(if number < 3 { 1 } else { 2 }) {
            let each: usize = extents[1..].iter().product();
            let x: Vec<f32> =
                (0..extents.iter().product()).map(|place: usize| sample(place / each, place / 3)).collect();
            check_batch_norm(extents, &x, name, |_, x| x);
        }
    }
}

#[test]
fn batch_norms_behind_products_keep_their_digits() {
    for (name, sample) in SAMPLES {
        let rows: Vec<f32> = (0..16_384 * 3).map(|place| sample(place / 3, place)).collect();
        check_batch_norm(&[16_384, 3], &rows, name, |g, x| x.matmul(g.full([3, 20], 0.25)) + 0.5);
        let images: Vec<f32> = (0..80 * 4 * 81).map(|place| sample(place / (4 * 81), place)).collect();
        check_batch_norm(&[80, 4, 9, 9], &images, name, |g, x| {
            let sliding = Sliding { padding: [(1, 1), (1, 1), (0, 0)], ..Sliding::unit(2) };
            x.conv(g.full([16, 4, 3, 3], 0.125), Convolution { sliding, groups: 1 })
        });
    }
}

#[test]
fn variances_and_norms_of_long_rows_keep_their_digits() {
    for (name, sample) in SAMPLES {
        let (rows, n) = (3, 40_001);
        let x: Vec<f32> = (0..rows * n).map(|place| sample(place % n, place)).collect();
        let lines = lines(&[rows, n], &[1], &x);
        each(
            &[rows, n],
            &x,
            |g, x| {
                g.output("var", var(x, Some(&[1]), 0.0, false));
                g.output("norm", layer_norm(x, Shape::new(&[n]), None, None, 1e-5));
                // Its groups are as long as the rows.
                let channels = x.reshape([rows, 13, n / 13]);
                g.output("groups", group_norm(channels, 1, None, None, 1e-5).reshape([rows, n]));
                g.output("loss", mean_squared_error(x, x * 0.5, Reduction::Mean));
                // The gradient of a bias.
                let bias = x.slice(1, 0..1, 1).detach() * 0.0;
                let [gradient] = g.gradients(((x + bias) * x.detach()).sum(..), [bias]).expect("a scalar");
                g.output("bias", gradient);
            },
            |what, results| {
                let what = format!("of {name}, {what}");
                let found: Vec<(f64, f64)> = lines.iter().map(|line| moments(line)).collect();
                let variances = found
                    .iter()
                    .map(|&(mean, variance)| (variance, DIGITS * variance + 1e-6 * mean.abs() * variance.sqrt()));
                assert_near(&format!("the variance {what}"), &results["var"], variances);
                let normal = x.iter().enumerate().map(|(place, &x)| {
                    let (mean, variance) = found[place / n];
                    let z = (f64::from(x) - mean) / (variance + 1e-5).sqrt();
                    (z, DIGITS * z.abs() + 1e-5 + 2e-6 * mean.abs() / variance.sqrt())
                });
                assert_near(&format!("the layer norm {what}"), &results["norm"], normal.clone());
                assert_near(&format!("the group norm {what}"), &results["groups"], normal);
                let squares = lines.iter().flatten().map(|x| x * x / 4.0).sum::<f64>() / (rows * n) as f64;
                assert_near(&format!("the loss {what}"), &results["loss"], [(squares, 2e-6 * squares)]);
                let sums =
                    lines.iter().map(|line| (line.iter().sum(), 1e-6 * line.iter().map(|x| x.abs()).sum::<f64>()));
                assert_near(&format!("the bias' gradient {what}"), &results["bias"], sums);
            },
        );
    }
}

/// What is left of a division is as exact as Rust's `%`, however often the divisor goes into the number: up to 2^22 times.
#[test]
fn rests_of_divisions_keep_their_digits() {
    const COUNT: usize = 3000;
    let divisor = |place: usize| [0.1, -0.7, 1e-3, 3.3, std::f32::consts::TAU, 1e10, 1e-10][place % 7];
    let number = |place: usize| {
        let times = f64::from(signed(5, place)) * 4f64.powi(place as i32 % 12);
        (f64::from(divisor(place)) * times) as f32
    };
    let x: Vec<f32> = (0..COUNT).map(number).chain((0..COUNT).map(divisor)).collect();
    let build = |g: &Builder, x: Value<'_>| {
        let (a, b) = (x.slice(0, 0..1, 1), x.slice(0, 1..2, 1));
        g.output("fmod", fmod(a, b));
        g.output("remainder", remainder(a, b));
    };
    each(&[2, COUNT], &x, build, |what, results| {
        let exact = |place: usize| f64::from(number(place)) % f64::from(divisor(place));
        let allowed = |place: usize| 2e-7 * f64::from(divisor(place)).abs();
        let rests = (0..COUNT).map(|place| (exact(place), allowed(place)));
        assert_near(&format!("fmod {what}"), &results["fmod"], rests);
        let rests = (0..COUNT).map(|place| {
            let (rest, divisor) = (exact(place), f64::from(divisor(place)));
            (if rest * divisor < 0.0 { rest + divisor } else { rest }, allowed(place))
        });
        assert_near(&format!("remainder {what}"), &results["remainder"], rests);
    });
}
