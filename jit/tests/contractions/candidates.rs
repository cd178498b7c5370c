//! The recipes among which tuning chooses: every one of them is right, and has a name by which it is found again.

use std::collections::{BTreeMap, BTreeSet};

use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Operand, Problem, Recipe, preferred_layouts, recipes};
use kiln_jit::kernel::{Element, Kernel};
use kiln_jit::target::Target;

use super::{By, all, cases, compare, kernel, naive, operand, operations, row_major, run, small_caches};

/// The kernels of a recipe.
fn code(recipe: &Recipe, [left, right]: &[Operand; 2], result: &Operand, target: &Target) -> Vec<Kernel> {
    let stages = 0..recipe.stages.len();
    stages.map(|stage| kernel(recipe, stage, [left, right], &result.layout, target.lanes)).collect()
}

/// No two ways of other code, be they candidates or not, have one name.
fn names_tell_ways_apart(problem: &Problem, candidates: &[Recipe], result: &Operand, target: &Target) {
    let Problem { op, operands, output, .. } = problem;
    let ways = recipes(op, &operands[0], &operands[1], *output, target).expect("a contraction");
    let mut codes: BTreeMap<String, Vec<Kernel>> = BTreeMap::new();
    for recipe in candidates.iter().chain(&ways) {
        let code = code(recipe, operands, result, target);
        if let Some(before) = codes.get(&recipe.name()) {
            assert!(*before == code, "{problem}: two ways have the name {}", recipe.name());
        }
        codes.insert(recipe.name(), code);
    }
}

/// The candidates for one of the targets, by the number of the case; how many they were.
fn check(case: usize, op: &Op, shapes: [Shape; 2], output: Shape) -> usize {
    let known = naive::reference(Element::F32, op, shapes, output);
    let naive::Reference { values, expected } = &*known;
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
    for (target, [left, right]) in here.cycle().skip(case).take(1) {
        let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
        let problem = Problem { op: op.clone(), operands, output, along: None, exact: false };
        let candidates = problem.candidates(&target);
        count += candidates.len();
        let usual = problem.recipe(&target);
        assert_eq!(candidates[0], usual, "{problem}");
        let estimated = problem.estimated(&target);
        assert!(estimated.iter().all(|other| other.cycles <= 1.5 * estimated[0].cycles), "{problem}");
        let names: BTreeSet<String> = candidates.iter().map(Recipe::name).collect();
        assert_eq!(names.len(), candidates.len(), "{problem}: {names:?}");
        // One case in four: it takes as long as the rest.
        if case.is_multiple_of(4) {
            names_tell_ways_apart(&problem, &candidates, &result, &target);
        }
        for recipe in &candidates {
            let found =
                run(recipe, By::Machine, [&operands[0], &operands[1]], [&values[0], &values[1]], &result, &target);
            compare(output, &found, expected, || format!("{problem} by {} for {target:?}", recipe.name()));
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
    let mut kept = problem.clone();
    kept.operands[1].invariant = true;
    assert_eq!(kept.to_string(), text.replace(" ->", " invariant ->"));
    let mut around = problem.clone();
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

/// Files keep names: of the ways to compute these contractions, some have had names with these numbers since 2026-11-28:
/// tiles, accumulated and blocked sums, panels, Winograd's. A change of the estimates may leave one out of the candidates
/// (then another takes its place here); what is renamed in the code changes no number.
#[test]
fn names_stay_what_they_are() {
    let sliding = Sliding { spatial: 2, stride: [1; 3], padding: [(1, 1), (1, 1), (0, 0)], dilation: [1; 3] };
    let conv = Convolution { sliding, groups: 1 };
    let [input, weight, output] =
        [[16, 32, 32, 32], [64, 32, 3, 3], [16, 64, 32, 32]].map(|shape: [usize; 4]| Shape::new(&shape));
    let [forward, to_input, to_weight] = operations(&cases::Case { conv, input, weight, output });
    let dot = |rows: usize, depth: usize, columns: usize| {
        (Op::Dot, [[rows, depth], [depth, columns]].map(|shape| Shape::new(&shape)), Shape::new(&[rows, columns]))
    };
    let rows = [
        (dot(64, 24, 40), "553ec0e41cc358f2"),
        (dot(64, 2048, 24), "d39a7f19f66780ec"),
        (dot(512, 2048, 512), "b9fb9fe9251cb978"),
        (forward, "8a31aa7ca19a255d"),
        (to_input, "a56367b4b67b27d9"),
        (to_weight, "1d1e20e48f6d72b8"),
    ];
    for ((op, shapes, output), number) in rows {
        let [left, right, _] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
        let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
        let problem = Problem { op, operands, output, along: None, exact: false };
        let target = Target::with_lanes(8);
        let names: Vec<String> = problem.candidates(&target).iter().map(Recipe::name).collect();
        let numbers: Vec<&str> =
            names.iter().filter_map(|name| name.split_once('#')).map(|(_, number)| number).collect();
        assert!(numbers.contains(&number), "{problem}: {number} is in none of {names:#?}");
    }
}

/// Weights that no cache holds are read in long runs where they stay from run to run: packed, by a single row, too.
#[test]
fn far_weights_of_few_rows_are_packed() {
    for rows in [1, 2, 3, 8] {
        let [left, right] = [[rows, 4096], [4096, 4096]].map(|shape| Shape::new(&shape));
        let [left, right] = [left, right].map(|shape| operand(shape, &row_major(shape)));
        let operands = [left, Operand { invariant: true, ..right }];
        let output = Shape::new(&[rows, 4096]);
        let problem = Problem { op: Op::Dot, operands, output, along: None, exact: false };
        let target = Target { l1_bytes: 48 << 10, l2_bytes: 1 << 20, ..Target::with_lanes(16) };
        let words = problem.recipe(&target).words();
        assert!(words.starts_with("packed B, "), "{rows} rows: {words}");
    }
}
