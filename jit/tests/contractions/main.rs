//! Every contraction recipe against naive sums in f64: at 4, 8 and 16 lanes through the kernel interpreter,
//! over shapes with every kind of tail, with operands as wanted and with operands that have to be copied.

mod cases;
mod naive;

use kiln_graph::Op;
use kiln_graph::shape::Shape;
use kiln_jit::kernel::{Access, BufferId, Element, Index, Kernel, KernelBuilder, interpret_words};
use kiln_jit::lower::tile::{Halo, Operand, Place, Recipe, Source, Wanted, recipe, wanted};
use kiln_jit::plan::Layout;
use kiln_jit::target::Target;

/// A reproducible number in -1..1.
fn number(index: usize) -> f32 {
    let bits = (index as u32).wrapping_mul(0x9E37_79B1) ^ 0x85EB_CA6B;
    let bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    ((bits >> 8) as f32 / (1 << 23) as f32) - 1.0
}

/// Every index of a shape in row-major order.
fn indices(shape: Shape) -> impl Iterator<Item = Vec<usize>> {
    (0..shape.elements()).map(move |flat| {
        let mut rest = flat;
        let mut index: Vec<usize> = shape.dims().iter().rev().map(|&d| (rest % d, rest /= d).0).collect();
        index.reverse();
        index
    })
}

fn place(layout: &Layout, index: &[usize]) -> usize {
    let by: i64 = index.iter().zip(layout.strides).map(|(&i, s)| i as i64 * s).sum();
    (layout.offset as i64 + by) as usize
}

/// The tensor in memory; zeros elsewhere.
fn laid_out(values: &[f32], operand: &Operand) -> Vec<f32> {
    let mut memory = vec![0.0; operand.layout.elements];
    for (index, &value) in indices(operand.shape).zip(values) {
        memory[place(&operand.layout, &index)] = value;
    }
    memory
}

fn row_major(shape: Shape) -> Wanted {
    Wanted { order: (0..shape.rank()).collect(), halo: Halo::default() }
}

fn operand(shape: Shape, wanted: &Wanted) -> Operand {
    Operand { shape, layout: wanted.layout(shape), halo: wanted.halo }
}

/// A stage's kernel whose epilogue stores twice the sums, and the buffers that it takes.
fn kernel(recipe: &Recipe, stage: usize, operands: [&Operand; 2], output: &Layout, lanes: usize) -> Kernel {
    let stage = &recipe.stages[stage];
    let mut builder = KernelBuilder::new("contraction", lanes);
    let mut buffers: Vec<BufferId> = Vec::new();
    for &(source, access) in &stage.buffers {
        let elements = match source {
            Source::Left => operands[0].layout.elements,
            Source::Right => operands[1].layout.elements,
            Source::Scratch(number) => recipe.scratch[number],
        };
        buffers.push(builder.buffer(format!("{source:?}"), Element::F32, elements, access));
    }
    let out = stage.results.then(|| builder.buffer("out", Element::F32, output.elements, Access::Write));
    stage.emit(&mut builder, &buffers, &mut |kernel: &mut KernelBuilder, place: &Place, sum| {
        let start = Index::at(output.offset as i64);
        let index = place.coordinates.iter().zip(output.strides).fold(start, |i, (at, s)| i.plus_index(at, s));
        let stride = place.lanes.map_or(1, |axis| output.strides[axis]);
        let doubled = kernel.add(sum, sum);
        kernel.store(out.expect("a stage with results"), index, stride, place.active, doubled);
    });
    builder.finish()
}

/// Runs a recipe in the interpreter: scratch memory and the output start as NaN.
fn run(recipe: &Recipe, operands: [&Operand; 2], values: [&[f32]; 2], output: &Operand, lanes: usize) -> Vec<f32> {
    let mut memory: Vec<u32> = Vec::new();
    let mut add = |words: Vec<f32>| {
        let start = memory.len();
        memory.extend(words.iter().map(|x| x.to_bits()));
        start
    };
    let inputs = [0, 1].map(|side| add(laid_out(values[side], operands[side])));
    let out = add(vec![f32::NAN; output.layout.elements]);
    let scratch: Vec<usize> = recipe.scratch.iter().map(|&elements| add(vec![f32::NAN; elements])).collect();
    for (number, stage) in recipe.stages.iter().enumerate() {
        let kernel = kernel(recipe, number, operands, &output.layout, lanes);
        let mut places: Vec<usize> = stage
            .buffers
            .iter()
            .map(|(source, _)| match source {
                Source::Left => inputs[0],
                Source::Right => inputs[1],
                Source::Scratch(number) => scratch[*number],
            })
            .collect();
        places.extend(stage.results.then_some(out));
        interpret_words(&kernel, &mut memory, &places, 0..kernel.tasks());
    }
    indices(output.shape).map(|index| f32::from_bits(memory[out + place(&output.layout, &index)])).collect()
}

fn check(op: &Op, shapes: [Shape; 2], output: Shape, lanes: &[usize]) {
    let values = shapes.map(|shape| (0..shape.elements()).map(number).collect::<Vec<f32>>());
    let expected = naive::evaluate(op, shapes, [&values[0], &values[1]], output);
    let [left, right, result] = wanted(op, shapes[0], shapes[1], output).expect("a contraction");
    let layouts = [
        [left.clone(), right.clone(), result],
        [row_major(shapes[0]), row_major(shapes[1]), row_major(output)],
        [left, cases::reversed(shapes[1]), row_major(output)],
        [cases::reversed(shapes[0]), right, cases::reversed(output)],
    ];
    for [left, right, result] in &layouts {
        let operands = [operand(shapes[0], left), operand(shapes[1], right)];
        for &lanes in lanes {
            let target = Target::with_lanes(lanes);
            let recipe = recipe(op, &operands[0], &operands[1], output, &target).expect("a contraction");
            let output = operand(output, result);
            let found = run(&recipe, [&operands[0], &operands[1]], [&values[0], &values[1]], &output, lanes);
            for ((index, found), (expected, size)) in indices(output.shape).zip(found).zip(&expected) {
                let error = (f64::from(found) / 2.0 - expected).abs();
                assert!(
                    error <= 2e-6 * size + 1e-12,
                    "{op:?} of {shapes:?} at {lanes} lanes, layouts {left:?} {right:?}: {index:?} is {found}, not {}",
                    2.0 * expected,
                );
            }
        }
    }
}

#[test]
fn dots() {
    for (left, right) in cases::DOTS {
        let (left, right) = (Shape::new(left), Shape::new(right));
        let output = left.with(left.rank() - 1, right.dim(right.rank() - 1));
        check(&Op::Dot, [left, right], output, &[4, 8, 16]);
    }
}

#[test]
fn convolutions() {
    for case in cases::convolutions() {
        check(&Op::Conv(case.conv), [case.input, case.weight], case.output, &[4, 8, 16]);
    }
}

#[test]
fn convolutions_input_gradients() {
    for case in cases::convolutions() {
        let mut input = [1; 3];
        input[..case.conv.sliding.spatial].copy_from_slice(&case.input.dims()[2..]);
        let op = Op::ConvGradInput { conv: case.conv, input };
        check(&op, [case.output, case.weight], case.input, &[4, 8, 16]);
    }
}

#[test]
fn convolutions_weight_gradients() {
    for case in cases::convolutions() {
        let mut kernel = [1; 3];
        kernel[..case.conv.sliding.spatial].copy_from_slice(&case.weight.dims()[2..]);
        let op = Op::ConvGradWeight { conv: case.conv, kernel };
        check(&op, [case.input, case.output], case.weight, &[4, 8, 16]);
    }
}
