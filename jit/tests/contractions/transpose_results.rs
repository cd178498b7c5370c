//! Results that are to lie in another order than the lanes of the tiles run.

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Epilogue, Operand, Place, Problem, Recipe, Source, preferred_layouts};
use kiln_jit::kernel::{Access, BufferId, KernelBuilder, Operation, Statement, Value};
use kiln_jit::target::Target;

use super::k_blocking::{pixels, product};
use super::{By, Factors, cases, compare, naive, number, operand, operations, row_major, run, small_caches};

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

/// Computes so much, and stores nothing.
struct Weighing(u64);

impl Epilogue for Weighing {
    fn take(&mut self, _: &mut KernelBuilder, _: &Place, _: Value) {}

    fn weight(&self) -> u64 {
        self.0
    }
}

/// Whether the last stage of a recipe, one of tiles, moves lanes about where so much is computed behind its sums.
fn transposes_in_registers(recipe: &Recipe, operands: [&Operand; 2], weight: u64, target: &Target) -> bool {
    fn moves(statements: &[Statement]) -> bool {
        statements.iter().any(|statement| match statement {
            Statement::Let(_, operation) => matches!(operation, Operation::Shuffle(..)),
            Statement::For(inner) => moves(&inner.body),
            _ => false,
        })
    }
    let stage = recipe.stages.last().expect("a stage");
    let mut kernel = KernelBuilder::new("tiles", target.lanes);
    let lengths = operands.map(|operand| (operand.element, operand.layout.elements));
    let buffer = |&(source, access): &(Source, Access)| {
        let (element, elements) = recipe.buffer(source, lengths);
        kernel.buffer("buffer", element, elements, access)
    };
    let buffers: Vec<BufferId> = stage.buffers.iter().map(buffer).collect();
    stage.emit(&mut kernel, &buffers, &mut Weighing(weight));
    ["tiles", "k-blocked tiles"].contains(&stage.kind()) && moves(&kernel.finish().body)
}

/// Tiles whose lanes are no neighbours in the results transpose squares of their sums in registers: tiles of few rows and
/// of more than there are lanes, rests of rows, columns and depth, batches, rows along three axes, sums in blocks, single
/// numbers and pairs. Not where much is computed behind few rows.
#[test]
fn squares_of_sums_are_transposed_in_registers() {
    let of_sizes =
        [[70, 300, 90], [33, 64, 17], [35, 20, 200], [3, 40, 70], [150, 90, 260], [260, 40, 18], [18, 120, 260]]
            .into_iter()
            .flat_map(|sizes| {
                [[true, false], [true, true], [false, true]].map(|transposed| product(sizes, transposed))
            });
    let batches = [[Shape::new(&[3, 20, 34]), Shape::new(&[3, 34, 50])]].map(|shapes| {
        let operands = shapes.map(|shape| operand(shape, &cases::reversed(shape)));
        Problem { op: Op::Dot, operands, output: Shape::new(&[3, 20, 50]), along: None, exact: false }
    });
    let (mut found, mut apart) = ([0; 2], 0);
    for problem in of_sizes.chain(batches).chain([pixels([4, 300, 7, 8], 192)]) {
        for (number, factors) in [Factors::F32, Factors::Bf16].into_iter().enumerate() {
            let shapes = problem.operands.each_ref().map(|operand| operand.shape);
            let (values, known) = factors.reference(&problem.op, shapes, problem.output);
            let operands = problem.operands.map(|operand| factors.operand(operand));
            let problem = Problem { operands, ..problem.clone() };
            let operands = problem.operands.each_ref();
            let result = operand(problem.output, &row_major(problem.output));
            let target = Target { pair_products: factors == Factors::Bf16, ..small_caches(16) };
            let by = if target.emitter.runs_here() { By::Machine } else { By::Interpreter };
            for recipe in problem.candidates(&target) {
                if transposes_in_registers(&recipe, operands, 1, &target) {
                    found[number] += 1;
                    apart += usize::from(!transposes_in_registers(&recipe, operands, 1000, &target));
                    let results = run(&recipe, by, operands, [&values[0], &values[1]], &result, &target);
                    compare(problem.output, &results, &known.expected, || format!("{problem} by {}", recipe.name()));
                }
            }
        }
    }
    let [numbers, pairs] = found;
    assert!(numbers > 5 && pairs > 10, "{found:?} ways of single numbers and of pairs");
    assert!(
        apart > 10 && apart < numbers + pairs,
        "{apart} of {found:?} have results stored apart, computed from much"
    );
}
