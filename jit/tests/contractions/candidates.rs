//! The ways among which tuning chooses: every one of them is right, and has a name by which it is found again.

use std::collections::BTreeSet;

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Problem, Recipe, preferred_layouts};
use kiln_jit::target::Target;

use super::{By, all, cases, compare, naive, number, operand, operations, run, small_caches};

/// The candidates for two of the targets, by the number of the case; how many they were.
fn check(case: usize, op: &Op, shapes: [Shape; 2], output: Shape) -> usize {
    let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
    let expected = naive::evaluate(op, shapes, [&values[0], &values[1]], output);
    let layouts = preferred_layouts(op, shapes[0], shapes[1], output).expect("a contraction");
    let result = operand(output, &layouts[2]);
    let reversed = shapes.map(cases::reversed);
    let [left, right, _] = layouts;
    let mut count = 0;
    let targets = [
        (Target::with_lanes(4), [left.clone(), right.clone()]),
        (Target::with_lanes(8), [left.clone(), right.clone()]),
        (Target::with_lanes(16), [left.clone(), right.clone()]),
        (small_caches(4), [left, right]),
        (small_caches(8), reversed),
    ];
    let here = targets.into_iter().filter(|(target, _)| target.emitter.runs_here());
    for (target, [left, right]) in here.cycle().skip(case).step_by(2).take(2) {
        let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
        let problem = Problem { op: *op, operands, output, along: None, exact: false };
        let candidates = problem.candidates(&target);
        count += candidates.len();
        let usual = problem.recipe(&target);
        assert_eq!(candidates[0], usual, "{problem}");
        let estimated = problem.estimated(&target);
        assert!(estimated.iter().all(|other| other.cycles <= 1.5 * estimated[0].cycles), "{problem}");
        let names: BTreeSet<String> = candidates.iter().map(Recipe::name).collect();
        assert_eq!(names.len(), candidates.len(), "{problem}: {names:?}");
        for recipe in &candidates {
            let found =
                run(recipe, By::Machine, [&operands[0], &operands[1]], [&values[0], &values[1]], &result, &target);
            compare(output, &found, &expected, || format!("{problem} by {} for {target:?}", recipe.name()));
        }
    }
    count
}

#[test]
fn all_candidates_are_right() {
    let windows = cases::random_windows(3).flat_map(|case| operations(&case));
    let cases = all().into_iter().chain(windows).enumerate();
    let count: usize = cases.map(|(case, (op, shapes, output))| check(case, &op, shapes, output)).sum();
    assert!(count > 400, "{count}");
}

/// What decides on the recipe is told by the text; what does not is no part of a name.
#[test]
fn texts_tell_problems_apart() {
    let shapes = [Shape::new(&[64, 24]), Shape::new(&[24, 40])];
    let output = Shape::new(&[64, 40]);
    let [left, right, _] = preferred_layouts(&Op::Dot, shapes[0], shapes[1], output).expect("a contraction");
    let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
    let problem = Problem { op: Op::Dot, operands, output, along: None, exact: false };
    let text = "dot [64, 24] at 0+[24,1]/1536, [24, 40] at 0+[40,1]/960 -> [64, 40]";
    assert_eq!(problem.to_string(), text);
    assert_eq!(problem.shapes(), "dot [64, 24] [24, 40] -> [64, 40]");
    let mut kept = problem;
    kept.operands[1].invariant = true;
    assert_eq!(kept.to_string(), text.replace(" ->", " invariant ->"));
    let mut around = problem;
    around.operands[0].halo.high[1] = 2;
    assert_eq!(around.to_string(), text.replace("1536,", "1536 zeros [1]0:2,"));

    let target = Target::with_lanes(8);
    let recipe = problem.recipe(&target);
    let name = recipe.name();
    assert!(name.starts_with("tiles of ") && name.contains(" #"), "{name}");
    let candidates = problem.candidates(&target);
    for candidate in &candidates {
        assert_eq!(problem.named(&candidate.name(), &target).as_ref(), Some(candidate));
    }
    assert_eq!(problem.named("tiles of 1x1 #0", &target), None);
    // Twice the work is worth twice the time, whatever the way.
    assert_eq!(problem.weight(), (2 * 64 * 24 * 40 + 10 * (64 * 24 + 24 * 40 + 64 * 40)) as f64);
}
