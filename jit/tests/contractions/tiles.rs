//! Products of bf16 by tile registers, for targets that have them: against sums in f64 of the rounded operands, by the
//! interpreter, without AMX's instructions by Cranelift, and by AMX where this machine has it.

use std::collections::BTreeSet;

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Operand, Problem, Recipe, preferred_layouts};
use kiln_jit::kernel::Element;
use kiln_jit::target::{EmitterKind, Target, tile_registers};

use super::{By, Factors, all, cases, compare, operand, row_major, run, small_caches};

fn with_tiles(target: Target) -> Target {
    Target { tile_products: Ok(()), ..target }
}

fn has_tiles(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind().contains("tile products"))
}

/// Rows, columns and pairs that are no multiples of tiles, fewer than one, several blocks; sums in parts; batches.
fn products() -> impl Iterator<Item = (Op, [Shape; 2], Shape)> {
    let shapes: [[&[usize]; 2]; 9] = [
        [&[70, 300], &[300, 90]],
        [&[64, 128], &[128, 64]],
        [&[33, 70], &[70, 47]],
        [&[5, 96], &[96, 10]],
        [&[100, 44], &[44, 16]],
        [&[17, 4], &[4, 17]],
        [&[3, 20, 34], &[3, 34, 50]],
        [&[16, 2100], &[2100, 16]],
        [&[2, 9, 62], &[2, 62, 33]],
    ];
    shapes.into_iter().map(|shapes| {
        let [left, right] = shapes.map(Shape::new);
        (Op::Dot, [left, right], left.with(left.rank() - 1, right.dim(right.rank() - 1)))
    })
}

#[test]
fn products_by_tiles() {
    let mut reached = BTreeSet::new();
    let mut count = 0;
    // Those above each in two of the ways, others in one, in turns, as the interpreter is slow; by AMX in all.
    let narrow = products().map(|product| (Factors::Bf16, product, 2));
    let rounded = products().map(|product| (Factors::Rounded, product, 2));
    let in_turns = all().into_iter().map(|product| (Factors::Bf16, product, 1));
    for (case, (factors, (op, shapes, output), turns)) in narrow.chain(rounded).chain(in_turns).enumerate() {
        let (values, known) = factors.reference(&op, shapes, output);
        let expected = &known.expected;
        let [left, right, result] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
        let reversed = [cases::reversed(shapes[0]), cases::reversed(shapes[1])];
        let result = operand(output, &result);
        let native = tile_registers().is_ok() && EmitterKind::Avx512.runs_here();
        let by_amx = [
            (By::Machine, Target::with_lanes(16), [left.clone(), right.clone()]),
            (By::Machine, Target::with_lanes(16), [row_major(shapes[0]), row_major(shapes[1])]),
        ];
        let others = [
            (By::Interpreter, small_caches(16), [left.clone(), right.clone()]),
            (By::Interpreter, Target::with_lanes(16), [reversed[0].clone(), right.clone()]),
            (By::Interpreter, Target::with_lanes(16), [left.clone(), reversed[1].clone()]),
            (By::Machine, Target::with_lanes(4), [row_major(shapes[0]), row_major(shapes[1])]),
            (By::Machine, small_caches(4), reversed),
        ];
        let others = others.into_iter().cycle().skip(case).step_by(2).take(turns);
        for (by, target, [left, right]) in others.chain(by_amx.into_iter().filter(|_| native)) {
            let target = with_tiles(target);
            let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
            let operands = operands.map(|operand| factors.operand(operand));
            let problem = Problem { op: op.clone(), operands, output, along: None, exact: false };
            for recipe in problem.candidates(&target).iter().filter(|recipe| has_tiles(recipe)).take(2) {
                count += 1;
                reached.extend(recipe.stages.iter().map(|stage| stage.kind()));
                let read: Recipe = recipe.to_string().parse().expect("a recipe's text");
                assert!(read == *recipe, "{recipe}");
                let found = run(recipe, by, operands.each_ref(), [&values[0], &values[1]], &result, &target);
                compare(output, &found, expected, || format!("{problem} by {}", recipe.name()));
            }
        }
    }
    let expected = ["pairs of A", "pairs of B", "tile products"];
    assert!(expected.iter().all(|kind| reached.contains(kind)), "{reached:?}");
    assert!(count > 60, "{count} ways by tiles: {reached:?}");
}

/// They are taken where the target has them, of bf16, and nowhere else.
#[test]
fn tiles_are_taken_where_there_are_any() {
    let shapes = [Shape::new(&[256, 512]), Shape::new(&[512, 256])];
    let operands = shapes.map(|shape| Operand { element: Element::Bf16, ..operand(shape, &row_major(shape)) });
    let output = Shape::new(&[256, 256]);
    let problem = Problem { op: Op::Dot, operands, output, along: None, exact: false };
    let target = Target::with_lanes(16);
    assert!(has_tiles(&problem.recipe(&with_tiles(target))), "{}", problem.recipe(&with_tiles(target)).name());
    assert!(!problem.candidates(&target).iter().any(has_tiles));
    let wide = shapes.map(|shape| operand(shape, &row_major(shape)));
    let problem = Problem { operands: wide, ..problem };
    assert!(!problem.candidates(&with_tiles(target)).iter().any(has_tiles));
}
