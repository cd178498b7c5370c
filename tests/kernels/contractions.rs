//! Contractions of bf16 by tile registers, stage by stage: the emulated instructions of AMX against the interpreter.

use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Operand, Problem, Source, preferred_layouts};
use kiln_jit::emit::{Convention, Level};
use kiln_jit::kernel::Element;
use kiln_jit::target::Target;

use crate::generator::Random;
use crate::run::{check_emulated, interpreted};

/// A product, or a convolution of 3 x 3, of random extents.
fn random_problem(random: &mut Random) -> Problem {
    let mut extent = |most: usize| 1 + random.below(most);
    let (op, shapes, output) = match extent(3) {
        3 => {
            let [images, channels, height, width, features] =
                [extent(2), 2 * extent(20), 2 + extent(6), 2 + extent(20), extent(40)];
            let sliding = Sliding { spatial: 2, stride: [1; 3], padding: [(0, 0); 3], dilation: [1; 3] };
            let shapes = [Shape::new(&[images, channels, height, width]), Shape::new(&[features, channels, 3, 3])];
            let output = Shape::new(&[images, features, height - 2, width - 2]);
            (Op::Conv(Convolution { sliding, groups: 1 }.into()), shapes, output)
        }
        _ => {
            let [rows, depth, columns] = [extent(70), 2 * extent(60), extent(70)];
            let shapes = [Shape::new(&[rows, depth]), Shape::new(&[depth, columns])];
            (Op::Dot, shapes, Shape::new(&[rows, columns]))
        }
    };
    let [left, right, _] = preferred_layouts(&op, shapes[0], shapes[1], output).expect("a contraction");
    let operand = |shape: Shape, layout: &kiln_jit::layout::PreferredLayout| Operand {
        shape,
        element: Element::Bf16,
        layout: layout.layout(shape),
        halo: layout.halo,
        invariant: false,
    };
    let operands = [operand(shapes[0], &left), operand(shapes[1], &right)];
    Problem { op, operands, output, along: None, exact: false }
}

#[test]
fn contractions_by_tiles() {
    let target = Target { tile_products: Ok(()), ..Target::with_lanes(16) };
    let mut random = Random(16);
    let mut found = 0;
    for _ in 0..40 {
        let problem = random_problem(&mut random);
        let result = kiln_jit::layout::Layout::row_major(problem.output);
        let candidates = problem.candidates(&target);
        let by_tiles =
            |recipe: &&kiln_jit::contraction::Recipe| recipe.stages.iter().any(|stage| stage.kind() == "tile products");
        let Some(recipe) = candidates.iter().find(by_tiles) else { continue };
        found += 1;
        let lengths = problem.operands.map(|operand| (operand.element, operand.layout.elements));
        let sources = (0..recipe.scratch.len()).map(Source::Scratch);
        let sources: Vec<Source> = [Source::Left, Source::Right].into_iter().chain(sources).collect();
        let mut memory: Vec<Vec<u32>> = sources
            .iter()
            .map(|&source| {
                let (element, elements) = recipe.buffer(source, lengths);
                let number = |random: &mut Random| (random.between(-400, 400) as f32 / 256.0).to_bits();
                let bits =
                    |random: &mut Random| if element == Element::Bf16 { number(random) >> 16 } else { number(random) };
                (0..elements).map(|_| bits(&mut random)).collect()
            })
            .collect();
        for stage in &recipe.stages {
            let places: Vec<usize> = stage
                .buffers
                .iter()
                .map(|(source, _)| sources.iter().position(|known| known == source).expect("a buffer"))
                .collect();
            let buffers: Vec<(Element, usize)> =
                stage.buffers.iter().map(|&(source, _)| recipe.buffer(source, lengths)).collect();
            let kernel = stage.plain("stage", &buffers, &result, target.lanes);
            let mut contents: Vec<Vec<u32>> = places.iter().map(|&place| memory[place].clone()).collect();
            contents.extend(stage.results.then(|| vec![0; result.elements]));
            check_emulated(&kernel, Level::Avx512, Convention::SystemV, &contents);
            let after = interpreted(&kernel, &contents);
            places.into_iter().zip(after).for_each(|(place, after)| memory[place] = after);
        }
    }
    assert!(found >= 20, "{found} contractions by tiles");
}
