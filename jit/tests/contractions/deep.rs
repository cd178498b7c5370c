//! Deep sums: taken in blocks of the reduced axis, and kept in scratch memory in between.

use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::lower::tile::{Problem, Recipe, wanted};
use kiln_jit::target::Target;

use super::{By, cases, compare, naive, number, operand, row_major, run};

fn is_deep(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind() == "deep tiles")
}

/// Caches for which the sums of small tensors are deep.
fn caches(lanes: usize) -> Target {
    Target { l1_bytes: lanes << 9, l2_bytes: 8 << 10, ..Target::with_lanes(lanes) }
}

/// A product of matrices, or of their transposes.
fn product([rows, depth, columns]: [usize; 3], transposed: [bool; 2]) -> Problem {
    let shapes = [Shape::new(&[rows, depth]), Shape::new(&[depth, columns])];
    let layout = |side: usize| if transposed[side] { cases::reversed(shapes[side]) } else { row_major(shapes[side]) };
    let operands = [0, 1].map(|side| operand(shapes[side], &layout(side)));
    Problem { op: Op::Dot, operands, output: Shape::new(&[rows, columns]), along: None }
}

/// A convolution of single pixels, whose rows lie along three axes.
fn pixels(input: [usize; 4], features: usize) -> Problem {
    let sliding = Sliding { spatial: 2, stride: [1; 3], padding: [(0, 0); 3], dilation: [1; 3] };
    let op = Op::Conv(Convolution { sliding, groups: 1 });
    let [images, channels, height, width] = input;
    let shapes = [Shape::new(&input), Shape::new(&[features, channels, 1, 1])];
    let output = Shape::new(&[images, features, height, width]);
    let [left, right, _] = wanted(&op, shapes[0], shapes[1], output).expect("a contraction");
    Problem { op, operands: [operand(shapes[0], &left), operand(shapes[1], &right)], output, along: None }
}

/// Rests of rows, columns and depth, several blocks of each, and sums of two blocks and of many: right, and the same bits as those
/// of tiles that take their sums in one run.
#[test]
fn deep_sums_are_those_of_one_run() {
    let problems = [
        product([62, 100, 192], [false, false]),
        product([15, 300, 192], [false, true]),
        product([15, 331, 256], [true, false]),
        product([62, 100, 192], [true, false]),
        product([62, 100, 192], [false, true]),
        product([128, 128, 64], [true, true]),
        product([13, 300, 39], [false, false]),
        product([96, 131, 96], [false, false]),
        pixels([2, 150, 5, 12], 64),
    ];
    let mut found_at = [0; 3];
    for problem in &problems {
        let shapes = problem.operands.map(|operand| operand.shape);
        let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
        let expected = naive::evaluate(&problem.op, shapes, [&values[0], &values[1]], problem.output);
        let result = operand(problem.output, &row_major(problem.output));
        for (at, (lanes, by)) in [(4, By::Machine), (8, By::Machine), (8, By::Interpreter)].into_iter().enumerate() {
            let target = caches(lanes);
            if by == By::Machine && !target.emitter.runs_here() {
                continue;
            }
            let candidates = problem.candidates(&target);
            let results = |recipe: &Recipe| {
                run(recipe, by, problem.operands.each_ref(), [&values[0], &values[1]], &result, &target)
            };
            let whole = candidates.iter().find(|recipe| recipe.stages.last().is_some_and(|s| s.kind() == "tiles"));
            let whole = whole.map(results);
            for recipe in candidates.iter().filter(|recipe| is_deep(recipe)) {
                found_at[at] += 1;
                let found = results(recipe);
                compare(problem.output, &found, &expected, || format!("{problem} by {}", recipe.name()));
                if let Some(whole) = &whole {
                    let same = found.iter().zip(whole).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{problem}: other bits by {}", recipe.name());
                }
            }
        }
    }
    let runs = |at: usize, lanes: usize| found_at[at] >= 2 || !Target::with_lanes(lanes).emitter.runs_here();
    assert!(runs(0, 4) && runs(1, 8) && found_at[2] >= 4, "deep ways: {found_at:?}");
}

/// Blocks pay where the operands do not stay in the second-level cache for a run.
#[test]
fn large_products_are_deep_and_others_are_not() {
    let target = Target { l2_bytes: 512 << 10, ..Target::with_lanes(8) };
    for (extent, expected) in [(256, false), (512, false), (1024, false), (2048, true)] {
        for transposed in [[false, false], [true, false], [false, true]] {
            let recipe = product([extent; 3], transposed).recipe(&target);
            assert_eq!(is_deep(&recipe), expected, "{extent} {transposed:?}: {}", recipe.name());
        }
    }
}
