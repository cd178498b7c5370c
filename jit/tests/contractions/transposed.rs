//! Right operands that lie transposed: their panels are gathered in squares, without a copy to another layout first.

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Problem, Recipe};
use kiln_jit::target::Target;

use super::{By, compare, naive, number, operand, row_major, run};

/// Operands of matrix products: whole panels and whole squares of them, rests of both, one for each of a batch.
const PRODUCTS: [[&[usize]; 2]; 4] =
    [[&[64, 96], &[96, 512]], [&[70, 100], &[100, 512]], [&[64, 70], &[70, 325]], [&[3, 64, 70], &[3, 70, 192]]];

fn gathers(recipe: &Recipe) -> bool {
    let kinds: Vec<&str> = recipe.stages.iter().map(|stage| stage.kind()).collect();
    kinds.contains(&"packed B") && !kinds.contains(&"relayout")
}

#[test]
fn panels_are_gathered_from_transposed_operands() {
    let target = Target::with_lanes(16);
    let by = if target.emitter.runs_here() { By::Machine } else { By::Interpreter };
    for shapes in PRODUCTS {
        let shapes = shapes.map(Shape::new);
        let rank = shapes[0].rank();
        let output = shapes[0].with(rank - 1, shapes[1].dim(rank - 1));
        // Columns lie side by side in the order of the batches.
        let mut transposed = row_major(shapes[1]);
        transposed.order.swap(rank - 2, rank - 1);
        let operands = [operand(shapes[0], &row_major(shapes[0])), operand(shapes[1], &transposed)];
        let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
        let expected = naive::evaluate(&Op::Dot, shapes, [&values[0], &values[1]], output);
        let result = operand(output, &row_major(output));
        let problem = Problem { op: Op::Dot, operands, output, along: None, exact: false };
        let recipes: Vec<Recipe> = problem.candidates(&target).into_iter().filter(gathers).collect();
        assert!(!recipes.is_empty(), "{problem}: no panels are gathered");
        for recipe in recipes {
            let found = run(&recipe, by, problem.operands.each_ref(), [&values[0], &values[1]], &result, &target);
            compare(output, &found, &expected, || format!("{problem} by {}", recipe.name()));
        }
    }
}
