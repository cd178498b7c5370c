//! What tiles ask for ahead: the next strip of packed B, and their own results. Whatever is asked for changes no result;
//! that what is asked for is what is needed, no result shows.

use std::collections::BTreeMap;

use kiln_jit::contraction::{Problem, Recipe, Source};
use kiln_jit::kernel::{Element, Index, Kernel, Operation, Statement};

use super::k_blocking::product;
use super::{operand, row_major, small_caches};

/// Elements of a cache line.
const LINE: i64 = 16;

/// Lines of a buffer in the order in which they are first met.
#[derive(Default)]
struct Lines {
    read: BTreeMap<i64, usize>,
    written: BTreeMap<i64, usize>,
    asked: BTreeMap<i64, usize>,
}

/// Everything that a kernel's tasks do, in order, as numbers of steps.
struct Walk<'a> {
    kernel: &'a Kernel,
    variables: Vec<i64>,
    step: usize,
    lines: Vec<Lines>,
}

impl Walk<'_> {
    fn tasks(kernel: &Kernel) -> Vec<Lines> {
        let lines = kernel.buffers.iter().map(|_| Lines::default()).collect();
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
        let terms = index.terms.iter().map(|&(variable, stride)| self.variables[variable.0 as usize] * stride);
        (index.offset + by + terms.sum::<i64>()).div_euclid(LINE)
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.step += 1;
            let step = self.step;
            match statement {
                Statement::Let(_, Operation::Load { buffer, index, active, .. }) => {
                    for lane in 0..*active as i64 {
                        let line = self.line(index, lane);
                        self.lines[buffer.0 as usize].read.entry(line).or_insert(step);
                    }
                }
                Statement::Store { buffer, index, active, .. } => {
                    for lane in 0..*active as i64 {
                        let line = self.line(index, lane);
                        self.lines[buffer.0 as usize].written.entry(line).or_insert(step);
                    }
                }
                Statement::Prefetch { buffer, index } => {
                    let line = self.line(index, 0);
                    self.lines[buffer.0 as usize].asked.entry(line).or_insert(step);
                }
                Statement::For(inner) => {
                    for number in 0..inner.extent {
                        self.variables[inner.variable.0 as usize] = number as i64;
                        self.statements(&inner.body);
                    }
                }
                Statement::Let(..) | Statement::Tile(_) => {}
            }
        }
    }
}

/// The kernel of a recipe's tiles, and which of its buffers is packed B.
fn tiles(recipe: &Recipe, problem: &Problem, lanes: usize) -> Option<(Kernel, usize)> {
    let last = recipe.stages.last().filter(|stage| ["tiles", "k-blocked tiles"].contains(&stage.kind()))?;
    let packed = |(source, _): &&(Source, _)| matches!(source, Source::Scratch(_));
    let (source, _) = last.buffers[..2].iter().rev().find(packed)?;
    let packed = last.buffers.iter().position(|(other, _)| other == source)?;
    let length = |&(source, _): &(Source, _)| match source {
        Source::Left => (Element::F32, problem.operands[0].layout.elements),
        Source::Right => (Element::F32, problem.operands[1].layout.elements),
        Source::Scratch(number) => (Element::F32, recipe.scratch[number]),
    };
    let buffers: Vec<(Element, usize)> = last.buffers.iter().map(length).collect();
    Some((last.plain("tiles", &buffers, &operand(problem.output, &row_major(problem.output)).layout, lanes), packed))
}

/// Rows in blocks and whole, rests of rows, columns and depth, K-blocked sums, images whose rows lie along three axes.
#[test]
fn what_is_asked_for_is_needed() {
    let target = small_caches(16);
    let [mut strips, mut results, mut blocked] = [0; 3];
    for extents in [[64, 160, 192], [70, 300, 90], [150, 90, 260], [412, 700, 112], [128, 520, 128]] {
        for transposed in [[false, false], [true, false], [false, true]] {
            let problem = product(extents, transposed);
            for recipe in &problem.candidates(&target) {
                let Some((kernel, packed)) = tiles(recipe, &problem, target.lanes) else { continue };
                let lines = Walk::tasks(&kernel);
                let panels = &lines[packed];
                if !panels.asked.is_empty() {
                    strips += 1;
                    blocked += usize::from(recipe.words().contains("k-blocked"));
                    // All but what the first strip reads, which nobody can ask for, and before it is read.
                    let late =
                        panels.read.iter().filter(|(line, at)| panels.asked.get(line).is_none_or(|asked| asked > at));
                    let (late, all) = (late.count(), panels.read.len());
                    assert!(late * 2 < all, "{problem}: {late} of {all} lines come late: {recipe}");
                    let vain = panels.asked.keys().filter(|line| !panels.read.contains_key(line)).count();
                    assert!(vain < all / 2, "{problem}: {vain} lines are asked for in vain, {all} read: {recipe}");
                }
                let written = lines.last().expect("results");
                if !written.asked.is_empty() {
                    results += 1;
                    let all = written.written.len();
                    let vain = written.asked.keys().filter(|line| !written.written.contains_key(line)).count();
                    assert!(vain * 8 < all, "{problem}: {vain} lines are asked for in vain, {all} written: {recipe}");
                    let late = written.written.iter();
                    let late = late.filter(|(line, at)| written.asked.get(line).is_none_or(|asked| asked > at)).count();
                    assert!(late * 4 < all, "{problem}: {late} of {all} lines come late: {recipe}");
                }
            }
        }
    }
    assert!(
        strips >= 6 && results >= 8 && blocked >= 1,
        "{strips} with strips, {results} with results, {blocked} K-blocked"
    );
}
