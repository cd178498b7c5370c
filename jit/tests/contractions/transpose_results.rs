//! Results that are to lie in another order than the lanes of the tiles run.

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Problem, Recipe, preferred_layouts};
use kiln_jit::target::Target;

use super::{By, cases, compare, naive, number, operand, operations, row_major, run};

fn problem(op: &Op, shapes: [Shape; 2], output: Shape, along: usize) -> Problem {
    let [left, right, _] = preferred_layouts(op, shapes[0], shapes[1], output).expect("a contraction");
    let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
    Problem { op: op.clone(), operands, output, along: Some(along), exact: false }
}

fn turns(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind() == "transpose results")
}

/// Row-major results of windows, channels and squares of every kind of rest: those of all ways, turned or stored apart.
#[test]
fn row_major_results_are_right() {
    let (mut turned, mut apart) = (0, 0);
    let windows = [
        ([2, 3, 6, 5], 9, [(1, 1), (1, 1)]),
        ([1, 8, 9, 4], 20, [(1, 0), (0, 1)]),
        ([3, 6, 4, 8], 7, [(0, 0), (1, 1)]),
    ];
    for (input, features, padding) in windows {
        let [forward, gradient, _] = operations(&cases::window(input, features, padding));
        for (op, shapes, output) in [forward, gradient] {
            let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
            let expected = naive::evaluate(&op, shapes, [&values[0], &values[1]], output);
            let problem = problem(&op, shapes, output, 3);
            assert!(problem.to_string().ends_with(" along 3"), "{problem}");
            let result = operand(output, &row_major(output));
            let targets = [(4, By::Machine), (8, By::Machine), (16, By::Interpreter)];
            for (target, by) in targets.map(|(lanes, by)| (Target::with_lanes(lanes), by)) {
                if by == By::Machine && !target.emitter.runs_here() {
                    continue;
                }
                for recipe in problem.candidates(&target) {
                    *if turns(&recipe) { &mut turned } else { &mut apart } += 1;
                    let operands = problem.operands.each_ref();
                    let found = run(&recipe, by, operands, [&values[0], &values[1]], &result, &target);
                    compare(output, &found, &expected, || format!("{problem} by {}", recipe.name()));
                }
            }
        }
    }
    assert!(turned >= 12 && apart >= 12, "{turned} turned, {apart} not");
}

/// Products of a few rows and a large matrix that lies the other way round: lanes run along the rows.
#[test]
fn products_of_few_rows_are_turned() {
    let mut turned = 0;
    for (rows, depth, columns, first) in [(16, 48, 70, false), (5, 33, 40, false), (64, 128, 256, true)] {
        let shapes = [Shape::new(&[rows, depth]), Shape::new(&[depth, columns])];
        let output = Shape::new(&[rows, columns]);
        let operands = [operand(shapes[0], &row_major(shapes[0])), operand(shapes[1], &cases::reversed(shapes[1]))];
        let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
        let expected = naive::evaluate(&Op::Dot, shapes, [&values[0], &values[1]], output);
        let result = operand(output, &row_major(output));
        let problem = Problem { op: Op::Dot, operands, output, along: None, exact: false };
        for target in [4, 8].map(Target::with_lanes).into_iter().filter(|target| target.emitter.runs_here()) {
            let candidates = problem.candidates(&target);
            assert!(!first || turns(&candidates[0]), "{problem}: {}", candidates[0].name());
            for recipe in candidates.iter().filter(|recipe| turns(recipe)) {
                turned += 1;
                let found =
                    run(recipe, By::Machine, problem.operands.each_ref(), [&values[0], &values[1]], &result, &target);
                compare(output, &found, &expected, || format!("{problem} by {}", recipe.name()));
            }
        }
    }
    assert!(turned >= 6, "{turned} ways");
}

/// What a copy costs pays where there are many results.
#[test]
fn many_results_are_turned_and_few_are_not() {
    for (input, features, expected) in
        [([1, 16, 2, 8], 8, false), ([1, 16, 32, 32], 64, true), ([16, 64, 16, 16], 128, true)]
    {
        let [(op, shapes, output), ..] = operations(&cases::window(input, features, [(1, 1), (1, 1)]));
        let recipe = problem(&op, shapes, output, 3).recipe(&Target::with_lanes(8));
        assert_eq!(turns(&recipe), expected, "{input:?}, {features} features: {}", recipe.name());
    }
}

/// 9 features a group fill 9 of 16 lanes. Channels-last results of pixels along the lanes are turned.
#[test]
fn few_features_have_pixels_along_the_lanes() {
    for (input, features, groups, expected) in
        [([2, 36, 32, 32], 36, 4, true), ([1, 18, 6, 17], 18, 2, false), ([2, 64, 32, 32], 64, 4, false)]
    {
        let [forward, gradient, _] = operations(&cases::grouped(input, features, groups));
        for (op, shapes, output) in [forward, gradient] {
            let problem = Problem { along: None, ..problem(&op, shapes, output, 1) };
            let target = Target::with_lanes(16);
            assert_eq!(turns(&problem.recipe(&target)), expected, "{problem}");
            let Some(recipe) = problem.candidates(&target).into_iter().find(turns) else { continue };
            let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
            let [_, _, result] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
            let result = operand(output, &result);
            let by = if target.emitter.runs_here() { By::Machine } else { By::Interpreter };
            let expected = naive::evaluate(&op, shapes, [&values[0], &values[1]], output);
            let found = run(&recipe, by, problem.operands.each_ref(), [&values[0], &values[1]], &result, &target);
            compare(output, &found, &expected, || format!("{problem} by {}", recipe.name()));
        }
    }
}
