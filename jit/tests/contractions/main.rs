//! Every contraction recipe against naive sums in f64, over shapes with every kind of tail, with operands as wanted and
//! with operands that have to be copied: at 4, 8 and 16 lanes through the kernel interpreter, and as machine code where
//! the machine has it. Shapes take layouts, lanes and caches in turns: each of these with a part of the shapes.

mod ahead;
mod candidates;
mod cases;
mod exact;
mod k_blocking;
mod naive;
mod pairs;
mod tiles;
mod transpose_results;
mod transposed;
mod winograd;

use std::collections::BTreeSet;
use std::sync::Arc;

use kiln_graph::shape::{MAX_RANK, Shape};
use kiln_graph::{Bf16, Op};
use kiln_jit::code::Code;
use kiln_jit::contraction::{Operand, Place, Problem, Recipe, Source, Stage, preferred_layouts, recipe, recipes};
use kiln_jit::kernel::{Access, BufferId, Element, Index, Kernel, KernelBuilder, Origin, Slice, interpret};
use kiln_jit::layout::Layout;
use kiln_jit::layout::{Halo, PreferredLayout};
use kiln_jit::target::Target;

/// Random cases of each kind.
const RANDOM: usize = 12;

/// A reproducible number in -1..1.
fn number(index: usize) -> f32 {
    let bits = (index as u32).wrapping_mul(0x9E37_79B1) ^ 0x85EB_CA6B;
    let bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    ((bits >> 8) as f32 / (1 << 23) as f32) - 1.0
}

/// Every index of a shape in row-major order; entries past the rank are 0.
struct Indices {
    shape: Shape,
    next: [usize; MAX_RANK],
    left: usize,
}

fn indices(shape: Shape) -> Indices {
    Indices { shape, next: [0; MAX_RANK], left: shape.elements() }
}

impl Iterator for Indices {
    type Item = [usize; MAX_RANK];

    // Counted on and not divided, for the time of debug builds.
    fn next(&mut self) -> Option<[usize; MAX_RANK]> {
        self.left = self.left.checked_sub(1)?;
        let index = self.next;
        let dims = self.shape.dims();
        let mut axis = dims.len();
        while axis > 0 {
            axis -= 1;
            self.next[axis] += 1;
            if self.next[axis] < dims[axis] {
                break;
            }
            self.next[axis] = 0;
        }
        Some(index)
    }
}

/// Where the elements of a tensor lie in memory, in row-major order. Plain loops, as debug builds look at some 10^8 places.
fn places(operand: &Operand) -> Vec<usize> {
    let mut places = vec![operand.layout.offset as i64];
    for (&extent, &stride) in operand.shape.dims().iter().zip(operand.layout.strides.iter()) {
        let mut inner = vec![0; places.len() * extent];
        let (from, to) = (places.as_slice(), inner.as_mut_slice());
        let mut number = 0;
        while number < to.len() {
            to[number] = from[number / extent] + (number % extent) as i64 * stride;
            number += 1;
        }
        places = inner;
    }
    places.into_iter().map(|place| place as usize).collect()
}

/// What a buffer holds.
enum Elements {
    Floats(Vec<f32>),
    Pairs(Vec<i32>),
    Halves(Vec<u16>),
}

impl Elements {
    fn slice(&mut self) -> Slice<'_> {
        match self {
            Elements::Floats(elements) => elements.as_mut_slice().into(),
            Elements::Pairs(elements) => elements.as_mut_slice().into(),
            Elements::Halves(elements) => elements.as_mut_slice().into(),
        }
    }
}

/// The tensor in memory; zeros elsewhere.
fn laid_out(values: &[f32], operand: &Operand) -> Elements {
    let mut memory = vec![0.0; operand.layout.elements];
    let (places, to, mut number) = (places(operand), memory.as_mut_slice(), 0);
    while number < values.len() {
        to[places[number]] = values[number];
        number += 1;
    }
    match operand.element {
        Element::Bf16 => Elements::Halves(memory.into_iter().map(|value| Bf16::nearest(value).to_bits()).collect()),
        _ => Elements::Floats(memory),
    }
}

fn row_major(shape: Shape) -> PreferredLayout {
    PreferredLayout { order: (0..shape.rank()).collect(), halo: Halo::default() }
}

fn operand(shape: Shape, wanted: &PreferredLayout) -> Operand {
    let (layout, halo) = (wanted.layout(shape), wanted.halo);
    Operand { shape, element: Element::F32, rounded: false, layout, halo, invariant: false }
}

/// A stage's kernel whose epilogue stores twice the sums, and the buffers that it takes.
fn kernel(recipe: &Recipe, stage: usize, operands: [&Operand; 2], output: &Layout, lanes: usize) -> Kernel {
    let stage = &recipe.stages[stage];
    let mut builder = KernelBuilder::new("contraction", lanes);
    let mut buffers: Vec<BufferId> = Vec::new();
    for &(source, access) in &stage.buffers {
        let (element, elements) =
            recipe.buffer(source, operands.map(|operand| (operand.element, operand.layout.elements)));
        buffers.push(builder.buffer(format!("{source:?}"), element, elements, access));
    }
    let out = stage.results.then(|| builder.buffer("out", Element::F32, output.elements, Access::Write));
    stage.round_loads(&mut builder, &buffers, operands.map(|operand| operand.rounded));
    stage.emit(&mut builder, &buffers, &mut |kernel: &mut KernelBuilder, place: &Place, sum| {
        let start = Index::at(output.offset as i64);
        let index = place.coordinates.iter().zip(output.strides).fold(start, |i, (at, s)| i.plus_index(at, s));
        let stride = place.lanes.map_or(1, |axis| output.strides[axis]);
        let doubled = kernel.add(sum, sum);
        kernel.store(out.expect("a stage with results"), index, stride, place.active, doubled);
    });
    builder.finish()
}

/// The buffers of a run: scratch memory and the output start as NaN.
struct Memory {
    /// Left, right, output, scratch.
    buffers: Vec<Elements>,
}

impl Memory {
    fn new(recipe: &Recipe, operands: [&Operand; 2], values: [&[f32]; 2], output: &Operand) -> Memory {
        let mut buffers: Vec<Elements> = [0, 1].map(|side| laid_out(values[side], operands[side])).into();
        let lengths = operands.map(|operand| (operand.element, operand.layout.elements));
        let scratch = (0..recipe.scratch.len()).map(|number| recipe.buffer(Source::Scratch(number), lengths));
        let empty = |(element, elements): (Element, usize)| match element {
            // Two NaNs.
            Element::I32 => Elements::Pairs(vec![0x7fc0_7fc0; elements]),
            _ => Elements::Floats(vec![f32::NAN; elements]),
        };
        buffers.extend([(Element::F32, output.layout.elements)].into_iter().chain(scratch).map(empty));
        Memory { buffers }
    }

    /// Calls `f` with the slices of a stage's buffers.
    fn stage(&mut self, recipe: &Recipe, stage: usize, f: impl FnOnce(&mut [Slice<'_>])) {
        let stage = &recipe.stages[stage];
        let numbers = stage.buffers.iter().map(|(source, _)| match source {
            Source::Left => 0,
            Source::Right => 1,
            Source::Scratch(number) => 3 + number,
        });
        let numbers: Vec<usize> = numbers.chain(stage.results.then_some(2)).collect();
        let mut take = |&number: &usize| std::mem::replace(&mut self.buffers[number], Elements::Floats(Vec::new()));
        let mut taken: Vec<Elements> = numbers.iter().map(&mut take).collect();
        let mut slices: Vec<Slice<'_>> = taken.iter_mut().map(Elements::slice).collect();
        f(&mut slices);
        drop(slices);
        numbers.into_iter().zip(taken).for_each(|(number, buffer)| self.buffers[number] = buffer);
    }

    fn output(&self, output: &Operand) -> Vec<f32> {
        let Elements::Floats(results) = &self.buffers[2] else { unreachable!("sums are f32") };
        places(output).into_iter().map(|place| results[place]).collect()
    }
}

/// Who runs the kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Interpreter,
    Machine,
}

/// Caches that hold next to nothing, so that small operands are copied to panels and sums taken in parts as large ones are.
fn small_caches(lanes: usize) -> Target {
    Target { l1_bytes: 1 << 10, l2_bytes: 32 << 10, ..Target::with_lanes(lanes) }
}

/// Which layouts are looked at by whom.
#[derive(Clone, Copy, PartialEq)]
enum Runs {
    All,
    /// Every third, by the number of the case: all have each number of lanes, and each is looked at for a third of the cases.
    InTurns(usize),
    /// Those for small caches.
    Small,
    /// Every second of these.
    SmallInTurns(usize),
}

/// Whether a way is one of Winograd's, or a product and the sums of what overlaps.
fn is_for_larger_ones(recipe: &Recipe) -> bool {
    winograd::is_one(recipe) || recipe.stages.iter().any(|stage| stage.kind() == "overlap-add")
}

fn check(op: &Op, shapes: [Shape; 2], output: Shape, which: Runs) {
    check_of(Factors::F32, op, shapes, output, which);
}

/// What is multiplied.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Factors {
    F32,
    Bf16,
    /// Numbers of f32 in memory, rounded to bf16 as they are read.
    Rounded,
}

impl Factors {
    fn operand(self, operand: Operand) -> Operand {
        match self {
            Factors::F32 => operand,
            Factors::Bf16 => Operand { element: Element::Bf16, ..operand },
            Factors::Rounded => Operand { rounded: true, ..operand },
        }
    }

    /// What the operands hold, and what their products are.
    fn reference(self, op: &Op, shapes: [Shape; 2], output: Shape) -> ([Vec<f32>; 2], Arc<naive::Reference>) {
        let element = if self == Factors::F32 { Element::F32 } else { Element::Bf16 };
        let known = naive::reference(element, op, shapes, output);
        let values = match self {
            Factors::Rounded => shapes.map(|shape| (0..shape.elements()).map(number).collect()),
            Factors::F32 | Factors::Bf16 => known.values.clone(),
        };
        (values, known)
    }
}

/// Of such factors, against the sums of their products.
fn check_of(factors: Factors, op: &Op, shapes: [Shape; 2], output: Shape, which: Runs) {
    let (values, known) = factors.reference(op, shapes, output);
    let expected = &known.expected;
    let [left, right, result] = preferred_layouts(op, shapes[0], shapes[1], output).expect("a contraction");
    let as_wanted = [left.clone(), right.clone(), result];
    let row_major = [row_major(shapes[0]), row_major(shapes[1]), row_major(output)];
    let mixed = [left, cases::reversed(shapes[1]), row_major[2].clone()];
    let others = [cases::reversed(shapes[0]), right, cases::reversed(output)];
    let small = [
        (By::Machine, small_caches(4), &others),
        (By::Machine, small_caches(8), &as_wanted),
        (By::Interpreter, small_caches(8), &others),
        (By::Interpreter, small_caches(16), &as_wanted),
    ];
    let runs = [
        (By::Machine, 4, &as_wanted),
        (By::Machine, 4, &row_major),
        (By::Machine, 4, &mixed),
        (By::Machine, 4, &others),
        (By::Machine, 8, &as_wanted),
        (By::Machine, 8, &row_major),
        (By::Machine, 8, &others),
        (By::Machine, 16, &as_wanted),
        (By::Machine, 16, &mixed),
        (By::Interpreter, 4, &mixed),
        (By::Interpreter, 8, &as_wanted),
        (By::Interpreter, 8, &others),
        (By::Interpreter, 16, &as_wanted),
        (By::Interpreter, 16, &row_major),
    ];
    let runs = runs.map(|(by, lanes, layouts)| (by, Target::with_lanes(lanes), layouts));
    let (small_only, first, step) = match which {
        Runs::All => (false, 0, 1),
        Runs::InTurns(case) => (false, case % 3, 3),
        Runs::Small => (true, 0, 1),
        Runs::SmallInTurns(case) => (true, case % 2, 2),
    };
    let usual = runs.into_iter().filter(|_| !small_only);
    for (number, (by, target, [left, right, result])) in usual.chain(small).enumerate().skip(first).step_by(step) {
        let lanes = target.lanes;
        if by == By::Machine && !target.emitter.runs_here() {
            continue;
        }
        let operands = [(shapes[0], left), (shapes[1], right)];
        let operands = operands.map(|(shape, layout)| factors.operand(operand(shape, layout)));
        let operands = operands.each_ref();
        let output = operand(output, result);
        // The chosen way, and one of those that are chosen for larger tensors.
        let all = recipes(op, operands[0], operands[1], output.shape, &target).expect("a contraction");
        let others: Vec<&Recipe> = all.iter().filter(|recipe| is_for_larger_ones(recipe)).collect();
        let another = others.get(number % others.len().max(1)).copied();
        let taken: Vec<&Recipe> = [&all[0]].into_iter().chain(another).collect();
        // As where memory is limited.
        let fewer: Vec<Recipe> = taken.iter().map(|recipe| recipe.with_fewer_tasks(2)).collect();
        let fewer = fewer.iter().zip(&taken).filter(|(fewer, recipe)| fewer != *recipe).map(|(fewer, _)| fewer);
        for recipe in taken.iter().copied().chain(fewer) {
            let found = run(recipe, by, operands, [&values[0], &values[1]], &output, &target);
            let nearby;
            let expected = match winograd::has_large_patches(recipe) {
                true => {
                    nearby = winograd::by_planes(output.shape, expected);
                    &nearby
                }
                false => expected,
            };
            compare(output.shape, &found, expected, || {
                format!("{op:?} of {factors:?} {shapes:?} at {lanes} lanes by {by:?}, {left:?} {right:?}")
            });
        }
    }
}

/// Twice the results against sums, each with the sum of the magnitudes of its products.
fn compare(shape: Shape, found: &[f32], expected: &[(f64, f64)], what: impl Fn() -> String) {
    assert_eq!(found.len(), expected.len());
    let mut number = 0;
    while number < found.len() {
        let (found, (expected, size)) = (found[number], expected[number]);
        let error = (f64::from(found) / 2.0 - expected).abs();
        assert!(
            error <= 2e-6 * size + 1e-12,
            "{}: element {number} of {shape} is {found}, not {}",
            what(),
            2.0 * expected
        );
        number += 1;
    }
}

/// Twice the results of a recipe.
fn run(
    recipe: &Recipe,
    by: By,
    operands: [&Operand; 2],
    values: [&[f32]; 2],
    output: &Operand,
    target: &Target,
) -> Vec<f32> {
    let stages = 0..recipe.stages.len();
    let kernels: Vec<Kernel> =
        stages.map(|stage| kernel(recipe, stage, operands, &output.layout, target.lanes)).collect();
    let mut memory = Memory::new(recipe, operands, values, output);
    let code = (by == By::Machine).then(|| Code::new(&kernels, target.emitter).expect("code"));
    for (number, kernel) in kernels.iter().enumerate() {
        let origins: Vec<Origin> = (0..kernel.buffers.len()).map(|memory| Origin { memory, byte: 0 }).collect();
        kernel.disjoint(&origins).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
        memory.stage(recipe, number, |slices| match &code {
            None => interpret(kernel, slices),
            Some(code) => code.call(number, slices, 0..kernel.tasks()).expect("a call"),
        });
    }
    memory.output(output)
}

/// A convolution and its gradients: the operation, its operands' shapes, its output's.
fn operations(case: &cases::Case) -> [(Op, [Shape; 2], Shape); 3] {
    let conv = case.conv;
    let (mut input, mut kernel) = ([1; 3], [1; 3]);
    input[..conv.sliding.spatial].copy_from_slice(&case.input.dims()[2..]);
    kernel[..conv.sliding.spatial].copy_from_slice(&case.weight.dims()[2..]);
    [
        (Op::Conv(conv.into()), [case.input, case.weight], case.output),
        (Op::ConvGradInput { conv: conv.into(), input }, [case.output, case.weight], case.input),
        (Op::ConvGradWeight { conv: conv.into(), kernel }, [case.input, case.output], case.weight),
    ]
}

/// Every case: the operation, its operands' shapes, its output's.
fn all() -> Vec<(Op, [Shape; 2], Shape)> {
    let mut all = Vec::new();
    for (left, right) in cases::DOTS {
        let (left, right) = (Shape::new(left), Shape::new(right));
        all.push((Op::Dot, [left, right], left.with(left.rank() - 1, right.dim(right.rank() - 1))));
    }
    all.extend(cases::convolutions().flat_map(|case| operations(&case)));
    all
}

#[test]
fn operands_of_bf16() {
    for (case, (op, shapes, output)) in all().into_iter().enumerate() {
        // Only products of matrices round what they read.
        if op == Op::Dot {
            check_of(Factors::Bf16, &op, shapes, output, Runs::Small);
            check_of(Factors::Rounded, &op, shapes, output, Runs::Small);
        } else {
            check_of(Factors::Bf16, &op, shapes, output, Runs::SmallInTurns(case));
        }
    }
}

/// What is rounded as it is read has the bits of what was rounded before, whatever reads it.
#[test]
fn operands_rounded_before_and_when_read() {
    for (op, shapes, output) in all().into_iter().filter(|(op, ..)| *op == Op::Dot) {
        let result = operand(output, &row_major(output));
        let target = Target::with_lanes(8);
        let before = shapes.map(|shape| operand(shape, &row_major(shape)));
        let rounded = before.map(|operand| Factors::Rounded.operand(operand));
        let (values, known) = Factors::Rounded.reference(&op, shapes, output);
        let recipe = recipe(&op, &rounded[0], &rounded[1], output, &target).expect("a contraction");
        let of = |operands: &[Operand; 2], values: &[Vec<f32>; 2]| {
            run(&recipe, By::Interpreter, operands.each_ref(), [&values[0], &values[1]], &result, &target)
        };
        assert!(of(&rounded, &values) == of(&before, &known.values), "{op:?} {shapes:?}");
    }
}

/// Of large operands each element is widened once, not by each tile that reads it: by a copy, or by the task that takes
/// the products of its row.
#[test]
fn large_operands_of_bf16_are_widened_by_copies() {
    let shape = Shape::new(&[512, 512]);
    for lanes in [8, 16] {
        let from = Operand { element: Element::Bf16, ..operand(shape, &row_major(shape)) };
        let recipe = recipe(&Op::Dot, &from, &from, shape, &Target::with_lanes(lanes)).expect("a contraction");
        let last = recipe.stages.last().expect("a stage");
        let is_copy = |source: Source| matches!(source, Source::Scratch(_));
        // Rows that a task converts lie in the buffer behind those of the operands.
        let converts = last.kind() == "tiles of converted rows";
        for (number, &(source, _)) in last.buffers.iter().enumerate() {
            let is_wide = is_copy(source) || converts && source == Source::Left && number == 0;
            assert!(is_wide, "{lanes} lanes, {}: {:?}", last.kind(), last.buffers);
        }
    }
}

/// Matrices column by column.
fn columns_first(shape: Shape) -> PreferredLayout {
    let columns = shape.rank() - 1;
    PreferredLayout { order: (0..columns - 1).chain([columns, columns - 1]).collect(), halo: Halo::default() }
}

/// Rows that tasks convert, with rests of rows, columns and sums; rows and sums along the operand; parts of sums; batches.
#[test]
fn tiles_of_converted_rows() {
    // Scratch memory of tasks, of whole sums or of parts.
    let converts = |recipe: &&Recipe| {
        let own = |stage: &Stage| stage.buffers.iter().any(|&(_, access)| access == Access::ReadWrite);
        let kinds = ["tiles of converted rows", "split-k parts"];
        recipe.stages.iter().any(|stage| kinds.contains(&stage.kind()) && own(stage))
    };
    let mut found = 0;
    for (left, right) in [
        (&[70, 300][..], &[300, 90][..]),
        (&[64, 128], &[128, 64]),
        (&[33, 71], &[71, 47]),
        (&[30, 2100], &[2100, 16]),
        (&[2, 3, 37, 34], &[2, 3, 34, 50]),
    ] {
        let shapes = [Shape::new(left), Shape::new(right)];
        let output = shapes[0].with(left.len() - 1, right[right.len() - 1]);
        let (values, known) = Factors::Bf16.reference(&Op::Dot, shapes, output);
        for (by, lanes) in [(By::Interpreter, 8), (By::Machine, 4), (By::Machine, 8), (By::Machine, 16)] {
            let target = Target::with_lanes(lanes);
            if by == By::Machine && !target.emitter.runs_here() {
                continue;
            }
            for layouts in [shapes.map(row_major), [columns_first(shapes[0]), row_major(shapes[1])]] {
                let operands = [0, 1].map(|side| Factors::Bf16.operand(operand(shapes[side], &layouts[side])));
                let problem = Problem { op: Op::Dot, operands, output, along: None, exact: false };
                let result = operand(output, &row_major(output));
                for recipe in problem.candidates(&target).iter().filter(converts).take(2) {
                    found += 1;
                    let found = run(recipe, by, operands.each_ref(), [&values[0], &values[1]], &result, &target);
                    compare(output, &found, &known.expected, || format!("{problem} by {}", recipe.name()));
                }
            }
        }
    }
    assert!(found >= 20, "{found} ways by converted rows");
}

/// The cases mean nothing for a kind of stage that none of them reaches.
#[test]
fn the_cases_reach_every_kind_of_stage() {
    let (mut reached, mut with_fewer) = (BTreeSet::new(), BTreeSet::new());
    for (op, shapes, output) in all() {
        let [left, right, _] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
        for layouts in [[left, right], shapes.map(row_major), shapes.map(cases::reversed)] {
            let operands = [operand(shapes[0], &layouts[0]), operand(shapes[1], &layouts[1])];
            for target in [Target::with_lanes(4), small_caches(8), Target::with_lanes(16)] {
                let recipes = recipes(&op, &operands[0], &operands[1], output, &target).expect("a contraction");
                // What `check` runs.
                let run = recipes.iter().enumerate().filter(|(at, recipe)| *at == 0 || is_for_larger_ones(recipe));
                for (_, recipe) in run {
                    reached.extend(recipe.stages.iter().map(|stage| stage.kind()));
                    let fewer = recipe.with_fewer_tasks(2).stages;
                    let differ = fewer.iter().zip(&recipe.stages).filter(|(fewer, stage)| fewer != stage);
                    with_fewer.extend(differ.map(|(stage, _)| stage.kind()));
                }
            }
        }
    }
    let kinds = [
        "accumulate",
        "folded tiles",
        "halo",
        "overlap-add",
        "packed A",
        "packed B",
        "relayout",
        "split-k parts",
        "split-k sum",
        "tiles",
        "transpose results",
    ];
    let kinds: BTreeSet<&str> = kinds.into_iter().chain(winograd::KINDS).collect();
    assert_eq!(reached, kinds);
    assert_eq!(with_fewer, BTreeSet::from(winograd::WITH_FEWER_TASKS));
}

#[test]
fn products() {
    all()
        .iter()
        .filter(|(op, ..)| matches!(op, Op::Dot))
        .for_each(|(op, shapes, output)| check(op, *shapes, *output, Runs::All));
}

/// Those of an operation: each in some of the layouts, by some of the lanes.
fn in_turns(is_one: impl Fn(&Op) -> bool) {
    let cases = all().into_iter().filter(|(op, ..)| is_one(op)).enumerate();
    cases.for_each(|(case, (op, shapes, output))| check(&op, shapes, output, Runs::InTurns(case)));
}

#[test]
fn convolutions() {
    in_turns(|op| matches!(op, Op::Conv(_)));
}

#[test]
fn input_gradients() {
    in_turns(|op| matches!(op, Op::ConvGradInput { .. }));
}

#[test]
fn weight_gradients() {
    in_turns(|op| matches!(op, Op::ConvGradWeight { .. }));
}

#[test]
fn random_convolutions() {
    let operations = cases::random_convolutions(RANDOM).flat_map(|case| operations(&case));
    operations.for_each(|(op, shapes, output)| check(&op, shapes, output, Runs::Small));
}

#[test]
fn random_products() {
    for (left, right) in cases::random_products(RANDOM) {
        check(&Op::Dot, [left, right], left.with(left.rank() - 1, right.dim(right.rank() - 1)), Runs::Small);
    }
}
