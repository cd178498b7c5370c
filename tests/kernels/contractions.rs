//! Contractions of bf16 and of bytes by tile registers, and products of what is bf16 and what is rounded as it is read,
//! stage by stage: the emulated instructions, and the machine's where it has them, against the interpreter.

use std::collections::BTreeSet;

use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Operand, Problem, Recipe, Source, preferred_layouts};
use kiln_jit::emit::{Convention, Level};
use kiln_jit::kernel::{Element, Kernel};
use kiln_jit::layout::{Halo, Layout, PreferredLayout};
use kiln_jit::target::Target;

use crate::generator::Random;
use crate::run::{Contents, check_emulated, check_native, interpreted};

/// A product, or a convolution of 3 x 3, of random extents; of bf16 along an even depth.
fn random_problem(random: &mut Random, elements: [Element; 2]) -> Problem {
    let even = if elements[0] == Element::Bf16 { 2 } else { 1 };
    let mut extent = |most: usize| 1 + random.below(most);
    let (op, shapes, output) = match extent(3) {
        3 => {
            let [images, channels, height, width, features] =
                [extent(2), even * extent(20), 2 + extent(6), 2 + extent(20), extent(40)];
            let sliding = Sliding { spatial: 2, stride: [1; 3], padding: [(0, 0); 3], dilation: [1; 3] };
            let shapes = [Shape::new(&[images, channels, height, width]), Shape::new(&[features, channels, 3, 3])];
            let output = Shape::new(&[images, features, height - 2, width - 2]);
            (Op::Conv(Convolution { sliding, groups: 1 }.into()), shapes, output)
        }
        _ => {
            let [rows, depth, columns] = [extent(70), even * extent(60), extent(70)];
            let shapes = [Shape::new(&[rows, depth]), Shape::new(&[depth, columns])];
            (Op::Dot, shapes, Shape::new(&[rows, columns]))
        }
    };
    let [left, right, _] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
    let operand = |element: Element, shape: Shape, preferred: &PreferredLayout| {
        let layout = preferred.layout(shape);
        // Bytes lie in whole quads.
        let layout = Layout { elements: layout.elements.next_multiple_of(4), ..layout };
        Operand { shape, element, rounded: false, layout, halo: preferred.halo, invariant: false }
    };
    let operands = [operand(elements[0], shapes[0], &left), operand(elements[1], shapes[1], &right)];
    Problem { op, operands, output, along: None, exact: false }
}

fn by_tiles(recipe: &Recipe) -> bool {
    recipe.stages.iter().any(|stage| stage.kind() == "tile products")
}

/// Random bits of the operands, as bytes are taken in quads; what is f32 is seldom a bf16.
fn random_operands(random: &mut Random, problem: &Problem) -> [Vec<u32>; 2] {
    problem.operands.map(|operand| {
        let elements = operand.layout.elements;
        match operand.element {
            Element::Bf16 => {
                let number = |random: &mut Random| (random.between(-400, 400) as f32 / 256.0).to_bits() >> 16;
                (0..elements).map(|_| number(random)).collect()
            }
            Element::F32 => (0..elements).map(|_| (random.between(-4000, 4000) as f32 / 1999.0).to_bits()).collect(),
            _ => (0..elements / 4).map(|_| random.word() >> 16 | random.word() & 0xffff_0000).collect(),
        }
    })
}

/// The results of a recipe by the interpreter; `check` is given each of its kernels and what its buffers hold before.
fn run(
    problem: &Problem,
    recipe: &Recipe,
    operands: &[Vec<u32>; 2],
    lanes: usize,
    check: &dyn Fn(&Kernel, &Contents),
) -> Vec<u32> {
    let result = Layout::row_major(problem.output);
    let lengths = problem.operands.map(|operand| (operand.element, operand.layout.elements));
    let scratch = (0..recipe.scratch.len()).map(Source::Scratch);
    let sources: Vec<Source> = [Source::Left, Source::Right].into_iter().chain(scratch).collect();
    // Scratch memory holds junk, of which no result is made.
    let junk = |source: &Source| vec![0x7fc0_7fc0; recipe.buffer(*source, lengths).1];
    let mut memory: Vec<Vec<u32>> = operands.iter().cloned().chain(sources[2..].iter().map(junk)).collect();
    let mut results = vec![0; result.elements];
    for stage in &recipe.stages {
        let places: Vec<usize> = stage
            .buffers
            .iter()
            .map(|(source, _)| sources.iter().position(|known| known == source).expect("a buffer"))
            .collect();
        let buffers: Vec<(Element, usize)> =
            stage.buffers.iter().map(|&(source, _)| recipe.buffer_of(stage, source, lengths)).collect();
        let kernel = stage.plain("stage", &buffers, problem.operands.map(|operand| operand.rounded), &result, lanes);
        let contents = places.iter().zip(&buffers).map(|(&place, (element, _))| match element.is_byte() {
            true => memory[place].iter().flat_map(|quad| quad.to_le_bytes()).map(u32::from).collect(),
            false => memory[place].clone(),
        });
        let mut contents: Contents = contents.collect();
        contents.extend(stage.results.then(|| results.clone()));
        check(&kernel, &contents);
        let mut after = interpreted(&kernel, &contents);
        if stage.results {
            results = after.pop().expect("results");
        }
        for ((place, after), (element, _)) in places.into_iter().zip(after).zip(buffers) {
            let quad = |bytes: &[u32]| bytes.iter().rev().fold(0, |quad, byte| quad << 8 | byte);
            memory[place] = if element.is_byte() { after.chunks(4).map(quad).collect() } else { after };
        }
    }
    results
}

fn check(kernel: &Kernel, contents: &Contents) {
    let level = if kernel.lanes == 16 { Level::Avx512 } else { Level::Avx2 };
    check_emulated(kernel, level, Convention::SystemV, contents);
    check_native(kernel, contents);
}

fn with_tiles() -> Target {
    Target { tile_products: Ok(()), ..Target::with_lanes(16) }
}

#[test]
fn contractions_by_tiles() {
    let mut random = Random(16);
    let mut found = 0;
    for _ in 0..40 {
        let problem = random_problem(&mut random, [Element::Bf16; 2]);
        let candidates = problem.candidates(&with_tiles());
        let Some(recipe) = candidates.iter().find(|recipe| by_tiles(recipe)) else { continue };
        found += 1;
        let operands = random_operands(&mut random, &problem);
        run(&problem, recipe, &operands, 16, &check);
    }
    assert!(found >= 20, "{found} contractions by tiles");
}

/// Those of bytes have the same bits as by vectors, with u8 on either side.
#[test]
fn contractions_of_bytes_by_tiles() {
    let mut random = Random(17);
    let mut found = 0;
    for number in 0..40 {
        let elements = [[Element::U8, Element::I8], [Element::I8, Element::U8]][number % 2];
        let problem = random_problem(&mut random, elements);
        let candidates = problem.candidates(&with_tiles());
        let Some(recipe) = candidates.iter().find(|recipe| by_tiles(recipe)) else { continue };
        let by_vectors = problem.recipe(&Target::with_lanes(16));
        assert!(!by_tiles(&by_vectors), "{problem}");
        found += 1;
        let operands = random_operands(&mut random, &problem);
        let expected = run(&problem, &by_vectors, &operands, 16, &|_, _| ());
        assert_eq!(run(&problem, recipe, &operands, 16, &check), expected, "{problem} by {}", recipe.name());
    }
    assert!(found >= 12, "{found} contractions by tiles");
}

/// Either operand may be bf16 in memory, or f32 that is rounded as it is read or copied.
#[test]
fn products_of_rounded_and_narrow_operands() {
    let mut random = Random(18);
    let mut kinds = BTreeSet::new();
    for number in 0..30 {
        let elements =
            [[Element::F32, Element::F32], [Element::Bf16, Element::F32], [Element::F32, Element::Bf16]][number % 3];
        let mut problem = loop {
            let problem = random_problem(&mut random, elements);
            // Small ones, for the time of debug builds.
            if problem.op == Op::Dot && problem.output.elements() * problem.operands[0].shape.dim(1) < 25_000 {
                break problem;
            }
        };
        for operand in &mut problem.operands {
            operand.rounded = operand.element == Element::F32;
            // Half of them lie transposed, so that others are copied.
            if random.below(2) == 0 {
                operand.layout = PreferredLayout { order: vec![1, 0], halo: Halo::default() }.layout(operand.shape);
            }
        }
        let lanes = [8, 16][random.below(2)];
        let operands = random_operands(&mut random, &problem);
        for recipe in problem.candidates(&Target::with_lanes(lanes)).iter().take(2) {
            kinds.extend(recipe.stages.iter().map(|stage| stage.kind()));
            run(&problem, recipe, &operands, lanes, &check);
        }
    }
    assert!(kinds.len() >= 4, "{kinds:?}");
}
