//! What results may be off by: those of the definition by a part of their own products, Winograd's by a part of the
//! largest numbers nearby, as the documentation of `Conv2d` says. What is infinite, NaN or of another magnitude than
//! its neighbours tells them apart.

use kiln_graph::{Op, Shape};
use kiln_jit::contraction::{Problem, Recipe, preferred_layouts, recipes};
use kiln_jit::target::Target;

use super::cases::{self, Case};
use super::{By, indices, naive, number, operand, operations, run, winograd};

/// Half of the distance between 1 and the next number.
const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

type Numbers = fn(usize) -> f32;

/// Numbers that sums of transformed values take badly: of all magnitudes, alternating ones, and one large one among small ones.
const ADVERSARIES: [Numbers; 4] = [
    number,
    |at| number(at) * ((at * 7919 % 61) as f32 - 30.0).exp2(),
    |at| if at.is_multiple_of(2) { 268_435_456.0 } else { 1.0 },
    |at| if at % 97 == 5 { 1e9 } else { 1e-3 * number(at) },
];

/// Kernels that those meet: random ones, and one whose middle row is `1 0 1`.
const KERNELS: [Numbers; 3] = [
    number,
    |at| number(at) * ((at * 31 % 41) as f32 - 20.0).exp2(),
    |at| if at % 9 / 3 == 1 && at % 9 != 4 { 1.0 / 64.0 } else { 0.0 },
];

fn flat(shape: Shape, index: [usize; 4]) -> usize {
    shape.dims().iter().zip(index).fold(0, |flat, (&extent, at)| flat * extent + at)
}

/// What the bound of a size of Winograd's tiles is made of.
struct Tiles {
    /// Results of a tile, and elements of the kernel, along each axis.
    size: usize,
    extent: usize,
    /// How many times a product of the largest numbers enters a result.
    factor: f64,
    /// Roundings of the transforms.
    roundings: usize,
}

const SMALL: Tiles = Tiles { size: 2, extent: 3, factor: 16.0, roundings: 10 };
const LARGE: Tiles = Tiles { size: 4, extent: 3, factor: 340.0, roundings: 20 };
const OF_FIVE: Tiles = Tiles { size: 2, extent: 5, factor: 400.0, roundings: 20 };

/// For each result the bound of the error by Winograd's way. Of each sum of products of `x` and `w` (in a weight gradient of `x` and
/// the gradient), with the places around the window that a tile may have, 5 x 5 or 9 x 9:
/// `16 u (L + 10) sum(largest |x| of those places * |w|)`, or `340 u (L + 20) ..` with the larger tiles and `400 u (L + 20) ..` for windows of 5 x 5 (7 x 7 places), where L is the number of
/// channels, or in a weight gradient of tiles.
fn bounds(op: &Op, case: &Case, values: &[Vec<f32>; 2], tiles: &Tiles) -> Vec<f64> {
    let (Op::Conv(conv) | Op::ConvGradInput { conv, .. } | Op::ConvGradWeight { conv, .. }) = op else {
        unreachable!("a convolution")
    };
    let low = [0, 1].map(|axis| conv.sliding.padding[axis].0 as i64);
    // How far a tile may go beyond a window.
    let beyond = tiles.size as i64 - 1;
    // The largest magnitude of a channel of an image in the places around a window that begins at some row and column.
    let largest = |of: Shape, image: usize, channel: usize, window: [i64; 2]| -> f64 {
        let [row, column] = window.map(|first| first - beyond);
        let near = |first: i64, extent: usize| {
            first.max(0) as usize..(first + tiles.extent as i64 + 2 * beyond).clamp(0, extent as i64) as usize
        };
        let rows = near(row, of.dim(2)).flat_map(|y| near(column, of.dim(3)).map(move |x| [image, channel, y, x]));
        rows.map(|index| f64::from(values[0][flat(of, index)].abs())).fold(0.0, f64::max)
    };
    let [x, w, y] = [case.input, case.weight, case.output];
    let magnitude = |index: &[usize]| f64::from(values[1][index_of(op, case, index)].abs());
    let elements = || (0..tiles.extent).flat_map(|a| (0..tiles.extent).map(move |b| [a, b]));
    let unit = tiles.factor * UNIT;
    let roundings = tiles.roundings;
    match op {
        Op::Conv(_) => {
            let bound = |at: [usize; 8]| {
                let first = [0, 1].map(|axis| at[2 + axis] as i64 - low[axis]);
                let channel = |c: usize| {
                    let weights: f64 = elements().map(|[a, b]| magnitude(&[at[1], c, a, b])).sum();
                    largest(x, at[0], c, first) * weights
                };
                unit * (x.dim(1) + roundings) as f64 * (0..x.dim(1)).map(channel).sum::<f64>()
            };
            indices(y).map(bound).collect()
        }
        Op::ConvGradInput { .. } => {
            let bound = |at: [usize; 8]| {
                let first = [0, 1].map(|axis| at[2 + axis] as i64 + low[axis] + 1 - tiles.extent as i64);
                let feature = |f: usize| {
                    let weights: f64 = elements().map(|[a, b]| magnitude(&[f, at[1], a, b])).sum();
                    largest(y, at[0], f, first) * weights
                };
                unit * (w.dim(0) + roundings) as f64 * (0..w.dim(0)).map(feature).sum::<f64>()
            };
            indices(x).map(bound).collect()
        }
        _ => {
            let count = y.dim(0) * y.dim(2).div_ceil(tiles.size) * y.dim(3).div_ceil(tiles.size);
            let mut sums = vec![0.0; w.dim(0) * w.dim(1)];
            for at in indices(y) {
                let first = [0, 1].map(|axis| at[2 + axis] as i64 - low[axis]);
                for c in 0..w.dim(1) {
                    sums[at[1] * w.dim(1) + c] += largest(x, at[0], c, first) * magnitude(&at);
                }
            }
            indices(w).map(|at| unit * (count + roundings) as f64 * sums[at[0] * w.dim(1) + at[1]]).collect()
        }
    }
}

/// Where an element of the second operand stands: the weight, or the output's gradient.
fn index_of(op: &Op, case: &Case, index: &[usize]) -> usize {
    let shape = if matches!(op, Op::ConvGradWeight { .. }) { case.output } else { case.weight };
    flat(shape, index[..4].try_into().expect("four axes"))
}

fn drawn(shape: Shape, numbers: Numbers) -> Vec<f32> {
    (0..shape.elements()).map(numbers).collect()
}

fn is_winograd(recipe: &Recipe) -> bool {
    winograd::is_one(recipe)
}

/// The problem of an operation over operands that lie as wanted.
fn problem(op: &Op, shapes: [Shape; 2], output: Shape, exact: bool) -> Problem {
    let [left, right, _] = preferred_layouts(op, shapes[0], shapes[1], output).expect("a contraction");
    let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
    Problem { op: op.clone(), operands, output, along: None, exact }
}

/// The results of a recipe, not doubled.
fn results(recipe: &Recipe, problem: &Problem, values: &[Vec<f32>; 2], target: &Target) -> Vec<f64> {
    let shapes = problem.operands.map(|operand| operand.shape);
    let [.., result] = preferred_layouts(&problem.op, shapes[0], shapes[1], problem.output).expect("a contraction");
    let result = operand(problem.output, &result);
    let by = if target.emitter.runs_here() { By::Machine } else { By::Interpreter };
    let found = run(recipe, by, problem.operands.each_ref(), [&values[0], &values[1]], &result, target);
    found.into_iter().map(|value| f64::from(value) / 2.0).collect()
}

/// Small ones: what errors are made of does not grow with them.
fn windows() -> [Case; 3] {
    [
        cases::window([1, 9, 6, 5], 8, [(1, 1), (1, 1)]),
        cases::window([2, 3, 5, 7], 5, [(0, 2), (1, 0)]),
        cases::window([1, 17, 4, 4], 16, [(1, 1), (1, 1)]),
    ]
}

/// Forward, input gradient and weight gradient, each with whatever is bad for it as the operand that patches are taken of.
#[test]
fn winograd_keeps_its_bound() {
    let mut looked_at = 0;
    let of_five = [
        cases::square_window([1, 9, 8, 7], 8, 5, [(1, 1), (1, 1)]),
        cases::square_window([2, 3, 6, 9], 5, 5, [(0, 2), (1, 0)]),
    ];
    for (number, case) in windows().iter().chain(&of_five).enumerate() {
        for (op, shapes, output) in operations(case) {
            let is_of_five = number >= windows().len();
            if is_of_five && matches!(op, Op::ConvGradInput { .. }) {
                continue;
            }
            let problem = problem(&op, shapes, output, false);
            let [left, right] = &problem.operands;
            let ways = match is_of_five {
                false => vec![([4, 8][number % 2], &SMALL), (16, &LARGE)],
                true => vec![(16, &OF_FIVE)],
            };
            let turns = ways.iter().flat_map(|way| ADVERSARIES.iter().enumerate().map(move |turn| (way, turn)));
            for (&(lanes, tiles), (turn, &numbers)) in turns {
                let target = Target::with_lanes(lanes);
                let all = recipes(&op, left, right, output, &target).expect("a contraction");
                let is_asked = |recipe: &&Recipe| {
                    is_winograd(recipe) && winograd::has_large_patches(recipe) == (tiles.factor > SMALL.factor)
                };
                let recipe = all.iter().find(is_asked).expect("a window of its kind");
                let values = [drawn(shapes[0], numbers), drawn(shapes[1], KERNELS[(turn + number) % KERNELS.len()])];
                let expected = naive::evaluate(&op, shapes, [&values[0], &values[1]], output);
                let bounds = bounds(&op, case, &values, tiles);
                let found = results(recipe, &problem, &values, &target);
                looked_at += 1;
                for ((found, (exact, _)), bound) in found.iter().zip(&expected).zip(&bounds) {
                    let error = (found - exact).abs();
                    assert!(error <= *bound, "{problem}: {found}, not {exact}: {error:e} above {bound:e}");
                }
            }
        }
    }
    assert_eq!(looked_at, (3 * 3 * 2 + 2 * 2) * ADVERSARIES.len());
}

/// What a sum of products is that are infinite or NaN, by the rules of IEEE 754; else its value and the sum of magnitudes.
#[derive(Clone, Copy, Debug)]
enum Right {
    Is(f64),
    About(f64, f64),
}

fn right((value, size): (f64, f64)) -> Right {
    if value.is_finite() { Right::About(value, size) } else { Right::Is(value) }
}

/// The ways that an exact problem has, all of them, and where tuning looks: every result is a sum of its own products, whatever
/// stands beside them.
#[test]
fn exact_results_are_sums_of_their_own_products() {
    let specials = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 3e38];
    let mut count = 0;
    for (number, case) in windows().iter().enumerate() {
        for (op, shapes, output) in operations(case) {
            let terms = match op {
                Op::ConvGradWeight { .. } => case.output.elements() / case.output.dim(1),
                _ => 9 * shapes[0].dim(1),
            };
            for (turn, &numbers) in ADVERSARIES.iter().enumerate().skip(number % 2).step_by(2) {
                let mut values = [drawn(shapes[0], numbers), drawn(shapes[1], KERNELS[turn % KERNELS.len()])];
                // Products of the largest numbers are not to overflow but for those that are asked for.
                let at = (values[0].len() * (turn + 1)) / 7;
                values[0][at] = specials[turn];
                let expected = naive::evaluate(&op, shapes, [&values[0], &values[1]], output);
                let problem = problem(&op, shapes, output, true);
                let target = Target::with_lanes([4, 8][turn / 2]);
                let candidates = problem.candidates(&target);
                assert!(!candidates.iter().any(is_winograd), "{problem}");
                for recipe in candidates.iter().step_by(3) {
                    count += 1;
                    for (found, &expected) in results(recipe, &problem, &values, &target).iter().zip(&expected) {
                        let fits = match right(expected) {
                            Right::Is(value) if value.is_nan() => found.is_nan(),
                            Right::Is(value) => *found == value,
                            // Doubled results beyond the largest number, of which nothing is asked.
                            Right::About(_, size) if 2.0 * size > f64::from(f32::MAX) => true,
                            Right::About(value, size) => {
                                (found - value).abs() <= UNIT * (terms + 2) as f64 * size + f64::from(f32::MIN_POSITIVE)
                            }
                        };
                        assert!(fits, "{problem} by {}: {found}, not {expected:?}", recipe.name());
                    }
                }
            }
        }
    }
    assert!(count > 30, "{count}");
}

/// The text tells an exact problem from another one, so that choices that were measured for one say nothing of the other.
#[test]
fn exact_problems_are_problems_of_their_own() {
    let case = cases::window([16, 64, 32, 32], 64, [(1, 1), (1, 1)]);
    for (op, shapes, output) in operations(&case) {
        for lanes in [4, 8, 16] {
            let target = Target::with_lanes(lanes);
            let [usual, exact] = [false, true].map(|exact| problem(&op, shapes, output, exact));
            assert_eq!(exact.to_string(), format!("{usual} exact"));
            let fast = usual.recipe(&target);
            assert!(is_winograd(&fast), "{usual}");
            assert!(!is_winograd(&exact.recipe(&target)), "{exact}");
            assert_eq!(exact.named(&fast.name(), &target), None, "{exact}");
        }
    }
}
