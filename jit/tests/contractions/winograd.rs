//! Winograd's strategies: drawn shapes, what it costs in precision, where it is chosen.

use kiln_graph::{Op, Shape};
use kiln_jit::contraction::{Operand, Recipe, preferred_layouts, recipe, recipes};
use kiln_jit::target::Target;

use super::{By, Runs, cases, check, compare, naive, number, operand, operations, run};

/// Its kinds of stages.
pub const KINDS: [&str; 11] = [
    "patches",
    "transform",
    "weights",
    "winograd",
    "winograd 4x4",
    "winograd 4x4 gradient",
    "winograd 4x4 parts",
    "winograd 4x4 sum",
    "winograd gradient",
    "winograd parts",
    "winograd sum",
];

/// How many drawn convolutions are looked at.
const DRAWN: usize = 6;

pub fn is_one(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind().starts_with("winograd"))
}

/// Whether it goes by F(4 x 4, 3 x 3).
pub fn has_large_tiles(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind().starts_with("winograd 4x4"))
}

#[test]
fn windows_of_drawn_shapes() {
    let operations = cases::random_windows(DRAWN).flat_map(|case| operations(&case));
    operations.for_each(|(op, shapes, output)| check(&op, shapes, output, Runs::Small));
}

/// Of an operation the root mean square and the largest error, in units of the root mean square result, by a way and by the
/// definition in f32.
fn errors(op: &Op, shapes: [Shape; 2], output: Shape, lanes: usize, is_asked: fn(&Recipe) -> bool) -> [(f64, f64); 2] {
    let target = Target::with_lanes(lanes);
    let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
    let expected = naive::evaluate(op, shapes, [&values[0], &values[1]], output);
    let [left, right, result] = preferred_layouts(op, shapes[0], shapes[1], output).expect("a contraction");
    let operands = [&operand(shapes[0], &left), &operand(shapes[1], &right)];
    let result = operand(output, &result);
    let mut recipes = recipes(op, operands[0], operands[1], output, &target).expect("a contraction");
    recipes.sort_by_key(|recipe| (!is_asked(recipe), is_one(recipe)));
    let size = (expected.iter().map(|(value, _)| value * value).sum::<f64>() / expected.len() as f64).sqrt();
    let direct = recipes.iter().find(|recipe| !is_one(recipe)).expect("the definition");
    assert!(is_asked(&recipes[0]), "{op:?} of {shapes:?}");
    let by = if target.emitter.runs_here() { By::Machine } else { By::Interpreter };
    [&recipes[0], direct].map(|recipe| {
        let found = run(recipe, by, operands, [&values[0], &values[1]], &result, &target);
        let error = |(found, (expected, _)): (f32, &(f64, f64))| (f64::from(found) / 2.0 - expected) / size;
        let errors: Vec<f64> = found.into_iter().zip(&expected).map(error).collect();
        let square = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
        (square.sqrt(), errors.iter().fold(0.0, |most, error| error.abs().max(most)))
    })
}

/// Random data; the transforms cost at most one bit of precision, and shorter sums gain some.
#[test]
fn errors_are_about_those_of_the_definition() {
    for channels in [8, 32] {
        let case = cases::window([2, channels, 8, 8], 16, [(1, 1), (1, 1)]);
        for (op, shapes, output) in operations(&case) {
            let [winograd, direct] = errors(&op, shapes, output, 4, is_one);
            println!("{channels} channels, {op:?}: {winograd:?} by Winograd, {direct:?} directly");
            assert!(winograd.0 <= 2.0 * direct.0 && winograd.1 <= 2.0 * direct.1, "{op:?}: {winograd:?}, {direct:?}");
        }
    }
}

/// The same of the larger tiles: a 250,000th of a usual result, and a 25,000th at most.
#[test]
fn errors_of_large_tiles_are_small() {
    let inputs = [[2, 8, 8, 8], [2, 64, 8, 8], [2, 256, 8, 8], [2, 512, 8, 8], [16, 2, 32, 32], [64, 2, 32, 32]];
    for input in inputs {
        for (op, shapes, output) in operations(&cases::window(input, 16, [(1, 1), (1, 1)])) {
            let [winograd, direct] = errors(&op, shapes, output, 16, has_large_tiles);
            println!("{input:?}, {op:?}: {winograd:?} by Winograd, {direct:?} directly");
            assert!(winograd.0 <= 4e-6 && winograd.1 <= 4e-5, "{op:?}: {winograd:?}, {direct:?}");
        }
    }
}

/// Which way is chosen depends on what it is estimated to cost.
#[test]
fn large_convolutions_go_by_winograd_and_small_ones_do_not() {
    let cases = [
        ([16, 64, 32, 32], 64, true),
        ([16, 256, 8, 8], 256, true),
        ([16, 512, 4, 4], 512, true),
        ([1, 1, 4, 4], 1, false),
    ];
    for (input, features, expected) in cases {
        let case = cases::window(input, features, [(1, 1), (1, 1)]);
        for (op, shapes, output) in operations(&case) {
            let [left, right, _] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
            let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
            let recipe = recipe(&op, &operands[0], &operands[1], output, &Target::with_lanes(8));
            assert_eq!(is_one(&recipe.expect("a contraction")), expected, "{op:?} of {input:?}, {features} features");
        }
    }
}

/// Few tiles are few tasks: where weights last, both operands are transformed before the products, which are then shared out along
/// features, too.
#[test]
fn few_tiles_over_lasting_weights_are_many_tasks() {
    for (input, features, lanes) in [([1, 256, 8, 8], 256, 8), ([1, 128, 16, 16], 128, 8), ([1, 8, 16, 16], 32, 4)] {
        let case = cases::window(input, features, [(1, 1), (1, 1)]);
        let [(op, shapes, output), ..] = operations(&case);
        let [left, right, result] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
        let weights = Operand { invariant: true, ..operand(shapes[1], &right) };
        let operands = [&operand(shapes[0], &left), &weights];
        let target = Target::with_lanes(lanes);
        let recipes = recipes(&op, operands[0], operands[1], output, &target).expect("a contraction");
        let kinds = |recipe: &Recipe| recipe.stages.iter().map(|stage| stage.kind()).collect::<Vec<_>>();
        let both = ["patches", "weights", "winograd"];
        if features >= 128 {
            assert_eq!(kinds(&recipes[0]), both, "{input:?}, {features} features");
        } else {
            let recipe = recipes.iter().find(|recipe| kinds(recipe) == both).expect("such a way");
            let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
            let expected = naive::evaluate(&op, shapes, [&values[0], &values[1]], output);
            let result = operand(output, &result);
            let found = run(recipe, By::Machine, operands, [&values[0], &values[1]], &result, &target);
            compare(output, &found, &expected, || format!("{input:?}, {features} features"));
        }
    }
}
