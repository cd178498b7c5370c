//! Deep sums: taken in blocks of the reduced axis, and kept in scratch memory in between.

use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Problem, Recipe, preferred_layouts};
use kiln_jit::target::Target;

use super::{By, cases, number, operand, row_major, run};

pub fn is_deep(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind() == "k-blocked tiles")
}

/// Caches of which large products are too much.
pub fn caches(lanes: usize) -> Target {
    Target { l2_bytes: 512 << 10, ..Target::with_lanes(lanes) }
}

/// A product of matrices, or of their transposes.
pub fn product([rows, depth, columns]: [usize; 3], transposed: [bool; 2]) -> Problem {
    let shapes = [Shape::new(&[rows, depth]), Shape::new(&[depth, columns])];
    let layout = |side: usize| if transposed[side] { cases::reversed(shapes[side]) } else { row_major(shapes[side]) };
    let operands = [0, 1].map(|side| operand(shapes[side], &layout(side)));
    Problem { op: Op::Dot, operands, output: Shape::new(&[rows, columns]), along: None, exact: false }
}

/// A convolution of single pixels, whose rows lie along three axes.
pub fn pixels(input: [usize; 4], features: usize) -> Problem {
    let sliding = Sliding { spatial: 2, stride: [1; 3], padding: [(0, 0); 3], dilation: [1; 3] };
    let op = Op::Conv(Convolution { sliding, groups: 1 }.into());
    let [images, channels, height, width] = input;
    let shapes = [Shape::new(&input), Shape::new(&[features, channels, 1, 1])];
    let output = Shape::new(&[images, features, height, width]);
    let [left, right, _] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
    Problem { op, operands: [operand(shapes[0], &left), operand(shapes[1], &right)], output, along: None, exact: false }
}

/// Rests of rows, columns and depth, and several blocks of each: the same bits as those of tiles that take their sums in one run, which
/// other tests compare to sums in f64.
#[test]
fn deep_sums_are_those_of_one_run() {
    let mut found = 0;
    let problems = [
        product([412, 2100, 768], [false, false]),
        product([412, 2100, 768], [true, false]),
        product([256, 2048, 960], [false, true]),
        pixels([4, 2050, 7, 8], 768),
    ];
    for problem in &problems {
        let values = problem.operands.map(|operand| (0..operand.shape.elements()).map(number).collect::<Vec<f32>>());
        let result = operand(problem.output, &row_major(problem.output));
        for target in [4, 8, 16].map(caches).into_iter().filter(|target| target.emitter.runs_here()) {
            let candidates = problem.candidates(&target);
            let results = |recipe: &Recipe| {
                run(recipe, By::Machine, problem.operands.each_ref(), [&values[0], &values[1]], &result, &target)
            };
            let is_whole = |recipe: &&Recipe| recipe.stages.last().is_some_and(|stage| stage.kind() == "tiles");
            let Some(whole) = candidates.iter().find(is_whole).map(results) else { continue };
            for recipe in candidates.iter().filter(|recipe| is_deep(recipe)) {
                found += 1;
                let same = results(recipe).iter().zip(&whole).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{problem}: other bits by {}", recipe.name());
            }
        }
    }
    assert!(found >= 3, "{found} deep ways");
}

/// Blocks pay where the operands do not stay in the second-level cache for a run.
#[test]
fn large_products_are_deep_and_others_are_not() {
    let target = caches(8);
    for (extent, expected) in [(256, false), (512, false), (1024, false), (2048, true)] {
        for transposed in [[false, false], [true, false], [false, true]] {
            let recipe = product([extent; 3], transposed).recipe(&target);
            assert_eq!(is_deep(&recipe), expected, "{extent} {transposed:?}: {}", recipe.name());
        }
    }
}
