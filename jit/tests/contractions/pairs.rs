//! Products of bf16 by pairs, for targets that multiply pairs as fast as f32: against sums in f64 of the rounded
//! operands.

use std::collections::BTreeSet;

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Operand, Problem, Recipe, preferred_layouts};
use kiln_jit::kernel::Element;
use kiln_jit::target::Target;

use super::{By, Factors, all, cases, compare, indices, k_blocking, number, operand, row_major, run, small_caches};

/// How many ways of a case are run.
const WAYS: usize = 4;

fn of_pairs(target: Target) -> Target {
    Target { pair_products: true, ..target }
}

fn has_pairs(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind() == "pairs of B")
}

/// Products that are large for small caches: with rests of rows and columns, sums in parts, batches.
fn products() -> impl Iterator<Item = (Op, [Shape; 2], Shape)> {
    let shapes: [[&[usize]; 2]; 4] =
        [[&[70, 300], &[300, 90]], [&[3, 1100], &[1100, 5]], [&[3, 20, 34], &[3, 34, 50]], [&[160, 900], &[900, 64]]];
    shapes.into_iter().map(|shapes| {
        let [left, right] = shapes.map(Shape::new);
        (Op::Dot, [left, right], left.with(left.rank() - 1, right.dim(right.rank() - 1)))
    })
}

#[test]
fn products_by_pairs() {
    let mut reached = BTreeSet::new();
    let mut count = 0;
    let narrow = products().chain(all()).map(|product| (Factors::Bf16, product));
    let rounded = products().map(|product| (Factors::Rounded, product));
    for (case, (factors, (op, shapes, output))) in narrow.chain(rounded).enumerate() {
        let (values, known) = factors.reference(&op, shapes, output);
        let expected = &known.expected;
        let [left, right, result] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
        let reversed = [cases::reversed(shapes[0]), right.clone()];
        let result = operand(output, &result);
        let targets = [
            (By::Interpreter, small_caches(16), [left.clone(), right.clone()]),
            (By::Machine, small_caches(16), [row_major(shapes[0]), cases::reversed(shapes[1])]),
            (By::Machine, small_caches(8), reversed),
            (By::Machine, small_caches(4), [left.clone(), right.clone()]),
            (By::Interpreter, Target::with_lanes(8), [left, cases::reversed(shapes[1])]),
        ];
        // One of them each, in turns: all take as long as the rest of the tests together.
        for (by, target, [left, right]) in targets.into_iter().cycle().skip(case).take(1) {
            if by == By::Machine && !target.emitter.runs_here() {
                continue;
            }
            let target = of_pairs(target);
            let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
            let operands = operands.map(|operand| factors.operand(operand));
            let problem = Problem { op: op.clone(), operands, output, along: None, exact: false };
            for recipe in problem.candidates(&target).iter().filter(|recipe| has_pairs(recipe)).take(WAYS) {
                count += 1;
                reached.extend(recipe.stages.iter().map(|stage| stage.kind()));
                let read: Recipe = recipe.to_string().parse().expect("a recipe's text");
                assert!(read == *recipe, "{recipe}");
                let found = run(recipe, by, operands.each_ref(), [&values[0], &values[1]], &result, &target);
                compare(output, &found, expected, || format!("{problem} by {}", recipe.name()));
                assert_eq!(found.len(), indices(output).count());
            }
        }
    }
    let expected = ["pairs of A", "pairs of B", "split-k parts", "tiles"];
    assert!(expected.iter().all(|kind| reached.contains(kind)), "{reached:?}");
    assert!(count > 60, "{count} ways by pairs");
}

/// Sums in blocks, which go on where they stopped: the same bits as those of one run.
#[test]
fn deep_sums_by_pairs() {
    let mut found = 0;
    for transposed in [[false, false], [true, false], [false, true]] {
        let Problem { op, operands, output, .. } = k_blocking::product([412, 2100, 768], transposed);
        let operands = operands.map(|operand| Operand { element: Element::Bf16, ..operand });
        let problem = Problem { op, operands, output, along: None, exact: false };
        let values = operands.map(|operand| (0..operand.shape.elements()).map(number).collect::<Vec<f32>>());
        let result = operand(output, &row_major(output));
        for target in [8, 16].map(k_blocking::caches).map(of_pairs).into_iter().filter(|t| t.emitter.runs_here()) {
            let candidates = problem.candidates(&target);
            let results = |recipe: &Recipe| {
                run(recipe, By::Machine, operands.each_ref(), [&values[0], &values[1]], &result, &target)
            };
            let is_whole = |recipe: &&Recipe| recipe.stages.last().is_some_and(|stage| stage.kind() == "tiles");
            let Some(whole) = candidates.iter().filter(|recipe| has_pairs(recipe)).find(is_whole) else { continue };
            let whole = results(whole);
            for recipe in candidates.iter().filter(|recipe| has_pairs(recipe) && k_blocking::is_deep(recipe)) {
                found += 1;
                assert!(results(recipe) == whole, "{problem} by {}", recipe.name());
            }
        }
    }
    assert!(found > 0 || !Target::with_lanes(8).emitter.runs_here());
}

/// A product of which pairs are half the multiply-adds is taken by pairs where these are fast, and nowhere else.
#[test]
fn pairs_are_taken_where_they_are_fast() {
    let (op, shapes, output) = products().next().expect("a product");
    let operands = shapes.map(|shape| Operand { element: Element::Bf16, ..operand(shape, &row_major(shape)) });
    let problem = Problem { op, operands, output, along: None, exact: false };
    let target = Target::with_lanes(16);
    assert!(has_pairs(&problem.recipe(&of_pairs(target))), "{}", problem.recipe(&of_pairs(target)).name());
    assert!(!problem.candidates(&target).iter().any(has_pairs));
    let wide = shapes.map(|shape| operand(shape, &row_major(shape)));
    let problem = Problem { operands: wide, ..problem };
    assert!(!problem.candidates(&of_pairs(target)).iter().any(has_pairs));
}
