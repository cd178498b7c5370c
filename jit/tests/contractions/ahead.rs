//! What tiles ask for ahead: the next strip of the right operand, packed or as it lies, and their own results. Whatever
//! is asked for changes no result; that what is asked for is what is needed, no result shows.

use std::collections::BTreeSet;

use kiln_jit::contraction::{Problem, Recipe, Source, Stage};
use kiln_jit::kernel::{Buffer, Element, Index, Kernel, Operation, Statement};
use kiln_jit::target::Target;

use super::k_blocking::{pixels, product};
use super::{operand, row_major, small_caches};

/// Elements of a cache line.
const LINE: i64 = 16;

/// When lines of a buffer are first met, as numbers of steps; 0 is never.
struct Lines {
    read: Vec<u32>,
    written: Vec<u32>,
    asked: Vec<u32>,
    /// Lines that are asked for and lie outside of it.
    outside: BTreeSet<i64>,
}

/// What of some lines is asked for: how many are needed, come later than that or never, and are asked for in vain.
#[derive(Debug)]
struct Asked {
    needed: usize,
    late: usize,
    vain: usize,
}

impl Lines {
    fn new(buffer: &Buffer) -> Lines {
        let lines = || vec![0; buffer.elements.div_ceil(LINE as usize)];
        Lines { read: lines(), written: lines(), asked: lines(), outside: BTreeSet::new() }
    }

    /// None where nothing is asked for.
    fn asked(&self, needed: &[u32]) -> Option<Asked> {
        let pairs = || needed.iter().zip(&self.asked);
        pairs().any(|(_, &asked)| asked > 0).then(|| Asked {
            needed: pairs().filter(|&(&needed, _)| needed > 0).count(),
            late: pairs().filter(|&(&needed, &asked)| needed > 0 && (asked == 0 || asked > needed)).count(),
            vain: pairs().filter(|&(&needed, &asked)| needed == 0 && asked > 0).count() + self.outside.len(),
        })
    }
}

/// Everything that a kernel's tasks do, in order.
struct Walk<'a> {
    kernel: &'a Kernel,
    variables: Vec<i64>,
    step: u32,
    lines: Vec<Lines>,
}

impl Walk<'_> {
    fn tasks(kernel: &Kernel) -> Vec<Lines> {
        let lines = kernel.buffers.iter().map(Lines::new).collect();
        let mut walk = Walk { kernel, variables: vec![0; kernel.variables as usize], step: 0, lines };
        walk.grid(0);
        walk.lines
    }

    fn grid(&mut self, dimension: usize) {
        let Some(&extent) = self.kernel.grid.get(dimension) else { return self.statements(&self.kernel.body) };
        for number in 0..extent {
            self.variables[dimension] = number as i64;
            self.grid(dimension + 1);
        }
    }

    fn line(&self, index: &Index, by: i64) -> i64 {
        let (mut place, terms, variables) = (index.offset + by, index.terms.as_slice(), self.variables.as_slice());
        let mut term = 0;
        while term < terms.len() {
            let (variable, stride) = terms[term];
            place += variables[variable.0 as usize] * stride;
            term += 1;
        }
        // Rounded down.
        place >> LINE.trailing_zeros()
    }

    fn statements(&mut self, statements: &[Statement]) {
        let mut number = 0;
        while number < statements.len() {
            let statement = &statements[number];
            number += 1;
            self.step += 1;
            let step = self.step;
            let first = |met: &mut u32| *met = if *met == 0 { step } else { *met };
            match statement {
                // The lanes are neighbours or one.
                Statement::Let(_, Operation::Load { buffer, index, stride, active }) => {
                    for line in self.line(index, 0)..=self.line(index, stride * (*active as i64 - 1)) {
                        first(&mut self.lines[buffer.0 as usize].read[line as usize]);
                    }
                }
                Statement::Store { buffer, index, stride, active, .. } => {
                    for line in self.line(index, 0)..=self.line(index, stride * (*active as i64 - 1)) {
                        first(&mut self.lines[buffer.0 as usize].written[line as usize]);
                    }
                }
                Statement::Prefetch { buffer, index } => {
                    let line = self.line(index, 0);
                    let lines = &mut self.lines[buffer.0 as usize];
                    match lines.asked.get_mut(line as usize) {
                        Some(asked) => first(asked),
                        None => drop(lines.outside.insert(line)),
                    }
                }
                Statement::For(inner) => {
                    let mut iteration = 0;
                    while iteration < inner.extent {
                        self.variables[inner.variable.0 as usize] = iteration as i64;
                        self.statements(&inner.body);
                        iteration += 1;
                    }
                }
                Statement::Let(..) | Statement::Tile(_) => {}
            }
        }
    }
}

/// The kernel of a recipe's tiles, and the stage that it is.
fn tiles<'a>(recipe: &'a Recipe, problem: &Problem, lanes: usize) -> Option<(Kernel, &'a Stage)> {
    let of_tiles = |stage: &&Stage| ["tiles", "k-blocked tiles", "split-k parts"].contains(&stage.kind());
    let stage = recipe.stages.iter().find(of_tiles)?;
    let length = |&(source, _): &(Source, _)| match source {
        Source::Left => (Element::F32, problem.operands[0].layout.elements),
        Source::Right => (Element::F32, problem.operands[1].layout.elements),
        Source::Scratch(number) => (Element::F32, recipe.scratch[number]),
    };
    let buffers: Vec<(Element, usize)> = stage.buffers.iter().map(length).collect();
    let output = operand(problem.output, &row_major(problem.output)).layout;
    Some((stage.plain("tiles", &buffers, [false; 2], &output, lanes), stage))
}

/// Rows in blocks and whole, rests of rows, columns and depth, K-blocked sums, images whose rows lie along three axes.
#[test]
fn what_is_asked_for_is_needed() {
    let sizes = [[64, 160, 192], [70, 300, 90], [150, 90, 260], [212, 700, 112], [128, 520, 128]];
    let blocks = Target { l2_bytes: 64 << 10, ..Target::with_lanes(8) };
    let transposed = [[false, false], [true, false], [false, true]];
    let all = |sizes: [usize; 3]| transposed.map(|transposed| product(sizes, transposed));
    // Of each size two of them, in turns.
    let two = |(number, sizes): (usize, [usize; 3])| {
        transposed.into_iter().cycle().skip(number).take(2).map(move |transposed| product(sizes, transposed))
    };
    let images = [pixels([4, 300, 7, 8], 192), pixels([3, 90, 13, 5], 320)];
    let of_small = sizes.into_iter().enumerate().flat_map(two).chain(images).map(|problem| (problem, small_caches(16)));
    let of_blocks = all([144, 1050, 128]).map(|problem| (problem, blocks));
    let [mut packed, mut lying, mut results, mut blocked, mut of_images] = [0; 5];
    for (problem, target) in of_small.chain(of_blocks) {
        for recipe in &problem.candidates(&target) {
            let Some((kernel, stage)) = tiles(recipe, &problem, target.lanes) else { continue };
            let lines = Walk::tasks(&kernel);
            for ((source, _), lines) in stage.buffers[..2].iter().zip(&lines) {
                // All but what the first strips read, for which there is no tile before, and those of a strip behind the
                // last.
                let Some(asked) = lines.asked(&lines.read) else { continue };
                let is_packed = matches!(source, Source::Scratch(_));
                packed += usize::from(is_packed);
                lying += usize::from(!is_packed);
                of_images += usize::from(problem.output.rank() > 2);
                blocked += usize::from(recipe.words().contains("k-blocked"));
                let Asked { needed, late, vain } = asked;
                assert!(late * 2 < needed && vain * 2 < needed, "{problem}: {asked:?} of strips: {recipe}");
            }
            let written = &lines[lines.len() - 1];
            if let Some(asked) = written.asked(&written.written).filter(|_| stage.results) {
                results += 1;
                let Asked { needed, late, vain } = asked;
                assert!(late * 4 < needed && vain * 8 < needed, "{problem}: {asked:?} of results: {recipe}");
            }
        }
    }
    let reached = [packed, lying, results, blocked, of_images];
    assert!(
        reached.iter().all(|&number| number > 0),
        "packed strips, those as they lie, results, K-blocked, images: {reached:?}"
    );
}
