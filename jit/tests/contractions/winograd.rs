//! Winograd's strategies: drawn shapes, what it costs in precision, where it is chosen.

use kiln_graph::{Op, Shape};
use kiln_jit::contraction::{Operand, Recipe, preferred_layouts, recipe, recipes};
use kiln_jit::target::Target;

use super::{By, Runs, cases, check, compare, naive, number, operand, operations, run};

/// Its kinds of stages.
pub const KINDS: [&str; 15] = [
    "patches",
    "transform",
    "weights",
    "winograd",
    "winograd F(2,5)",
    "winograd F(2,5) gradient",
    "winograd F(2,5) parts",
    "winograd F(2,5) sum",
    "winograd F(4,3)",
    "winograd F(4,3) gradient",
    "winograd F(4,3) parts",
    "winograd F(4,3) sum",
    "winograd gradient",
    "winograd parts",
    "winograd sum",
];

/// Those of which some have fewer tasks where memory is limited.
pub const WITH_FEWER_TASKS: [&str; 10] = [
    "weights",
    "winograd",
    "winograd F(2,5)",
    "winograd F(2,5) parts",
    "winograd F(2,5) sum",
    "winograd F(4,3)",
    "winograd F(4,3) parts",
    "winograd F(4,3) sum",
    "winograd parts",
    "winograd sum",
];

/// How many drawn convolutions are looked at.
const DRAWN: usize = 9;

pub fn is_one(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind().starts_with("winograd"))
}

/// Whether it goes by patches of 6 x 6: F(4 x 4, 3 x 3) or F(2 x 2, 5 x 5).
pub fn has_large_patches(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind().starts_with("winograd F"))
}

/// Sums with the largest magnitude of their plane in place of their own: by larger patches errors are a part of the largest
/// numbers nearby, which a border may leave out.
pub fn by_planes(shape: Shape, sums: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let plane = shape.dims()[2..].iter().product();
    let planes = sums.chunks(plane).flat_map(|plane| {
        let largest = plane.iter().fold(0.0, |largest: f64, (_, size)| largest.max(*size));
        plane.iter().map(move |&(value, _)| (value, largest))
    });
    planes.collect()
}

#[test]
fn windows_of_drawn_shapes() {
    let operations = cases::random_windows(DRAWN).flat_map(|case| operations(&case));
    operations.for_each(|(op, shapes, output)| check(&op, shapes, output, Runs::Small));
}

/// Of an operation the root mean square and the largest error, in units of the root mean square result, by a way and by the
/// definition in f32; nothing where there is no such way.
fn errors(
    op: &Op,
    shapes: [Shape; 2],
    output: Shape,
    lanes: usize,
    is_asked: fn(&Recipe) -> bool,
) -> Option<[(f64, f64); 2]> {
    let target = Target::with_lanes(lanes);
    let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
    let expected = naive::evaluate(op, shapes, [&values[0], &values[1]], output);
    let [left, right, result] = preferred_layouts(op, shapes[0], shapes[1], output).expect("a contraction");
    let operands = [&operand(shapes[0], &left), &operand(shapes[1], &right)];
    let result = operand(output, &result);
    let recipes = recipes(op, operands[0], operands[1], output, &target).expect("a contraction");
    let size = (expected.iter().map(|(value, _)| value * value).sum::<f64>() / expected.len() as f64).sqrt();
    let direct = recipes.iter().find(|recipe| !is_one(recipe)).expect("the definition");
    let asked = recipes.iter().find(|recipe| is_asked(recipe))?;
    let by = if target.emitter.runs_here() { By::Machine } else { By::Interpreter };
    let errors = [asked, direct].map(|recipe| {
        let found = run(recipe, by, operands, [&values[0], &values[1]], &result, &target);
        let error = |(found, (expected, _)): (f32, &(f64, f64))| (f64::from(found) / 2.0 - expected) / size;
        let errors: Vec<f64> = found.into_iter().zip(&expected).map(error).collect();
        let square = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
        (square.sqrt(), errors.iter().fold(0.0, |most, error| error.abs().max(most)))
    });
    Some(errors)
}

/// Random data; the transforms cost at most one bit of precision, and shorter sums gain some.
#[test]
fn errors_are_about_those_of_the_definition() {
    for channels in [8, 32] {
        let case = cases::window([2, channels, 8, 8], 16, [(1, 1), (1, 1)]);
        for (op, shapes, output) in operations(&case) {
            let [winograd, direct] = errors(&op, shapes, output, 4, is_one).expect("a window of 3 x 3");
            println!("{channels} channels, {op:?}: {winograd:?} by Winograd, {direct:?} directly");
            assert!(winograd.0 <= 2.0 * direct.0 && winograd.1 <= 2.0 * direct.1, "{op:?}: {winograd:?}, {direct:?}");
        }
    }
}

/// The same of the larger patches: a 250,000th of a usual result, and a 25,000th at most.
#[test]
fn errors_of_large_patches_are_small() {
    let inputs = [[2, 8, 8, 8], [2, 64, 8, 8], [2, 256, 8, 8], [2, 512, 8, 8], [16, 2, 32, 32], [64, 2, 32, 32]];
    for (input, extent) in inputs.into_iter().flat_map(|input| [(input, 3), (input, 5)]) {
        for (op, shapes, output) in operations(&cases::square_window(input, 16, extent, [(1, 1), (1, 1)])) {
            // Sums of a weight gradient alone run over images.
            if input[0] > 2 && !matches!(op, Op::ConvGradWeight { .. }) {
                continue;
            }
            // An input gradient of a window of 5 x 5 would need a wide halo, and is computed in other ways.
            let Some([winograd, direct]) = errors(&op, shapes, output, 16, has_large_patches) else {
                assert!(extent == 5 && matches!(op, Op::ConvGradInput { .. }), "{op:?}");
                continue;
            };
            println!("{input:?}, {extent}, {op:?}: {winograd:?} by Winograd, {direct:?} directly");
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

/// Where all sums would not stay in the second-level cache, those of some channels are results before the next ones'; at
/// as many lanes as that was measured with.
#[test]
fn sums_of_weight_gradients_come_in_blocks_of_channels() {
    let cases = [([2, 128, 4, 4], 128), ([2, 128, 5, 3], 64)];
    for (input, features) in cases {
        let case = cases::window(input, features, [(1, 1), (1, 1)]);
        let [.., (op, shapes, output)] = operations(&case);
        let [left, right, result] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
        let operands = [&operand(shapes[0], &left), &operand(shapes[1], &right)];
        let target = Target { l2_bytes: 256 << 10, ..Target::with_lanes(16) };
        let recipes = recipes(&op, operands[0], operands[1], output, &target).expect("a contraction");
        // Images, rows, channels and features: all channels are not told.
        let in_blocks = |recipe: &&Recipe| {
            let words = recipe.words();
            let size = words.split(" gradient of ").nth(1).unwrap_or_default();
            size.split('x').count() == 4
        };
        let recipe = recipes.iter().find(in_blocks).expect("a way in blocks of channels");
        let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
        let expected = naive::evaluate(&op, shapes, [&values[0], &values[1]], output);
        let result = operand(output, &result);
        let here = target.emitter.runs_here().then_some(By::Machine);
        for by in [By::Interpreter].into_iter().chain(here) {
            let found = run(recipe, by, operands, [&values[0], &values[1]], &result, &target);
            compare(output, &found, &expected, || format!("{input:?}, {features} features"));
        }
    }
}
