//! Lets a kernel that computes much and reads little ask for memory that the kernels behind it will touch, so that it
//! comes from afar meanwhile: a few lines in each iteration of its longest loop. It knows loops and lines; it does not
//! know what is computed.

use super::{Access, Buffer, BufferId, Element, Index, Kernel, Loop, Statement, Variable};

/// Lines of a piece of memory, which is given to the kernel as one more buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// What the memory holds.
    pub element: Element,
    /// The length of the buffer, in elements.
    pub elements: usize,
    /// The first element. It need not lie inside the buffer.
    pub first: i64,
    /// How many runs of lines there are, and how many elements they are apart.
    pub runs: (usize, i64),
    /// Lines of a run.
    pub lines: usize,
    /// Elements of a line.
    pub line: i64,
}

impl Kernel {
    /// Lets the kernel ask for the lines of a piece of memory, which becomes its last buffer. It computes what it did.
    /// `false`, and nothing changes, where it has no loops, or so few or so many iterations that lines would be asked for
    /// in bursts, or again and again. Where the last dimension of the grid goes over parts of rows, `in_rows`, each part
    /// asks for as large a part of the piece, in order: these are the rows that it has behind the kernel.
    pub fn ask(&mut self, piece: &Lines, in_rows: bool) -> bool {
        // The loops down to the one in which most of the work is done: the grid's, then those of the body.
        let mut levels: Vec<(Variable, usize)> = (0..).map(Variable).zip(self.grid.iter().copied()).collect();
        let grid = levels.len();
        if in_rows {
            levels.rotate_right(1);
        }
        let mut body = &self.body;
        while let Some(inner) = hottest(body) {
            levels.push((inner.variable, inner.extent));
            body = &inner.body;
        }
        if levels.len() == grid {
            return false;
        }
        let Some(Shares { depth, along_runs, runs, lines }) = Shares::new(piece, &levels, grid) else { return false };
        let buffer = self.take(piece);
        let &Lines { line, runs: (_, distance), .. } = piece;
        // Which run, and which line of it, this iteration begins with.
        let [mut run, mut at] = [Index::default(), Index::default()];
        for (level, &(variable, extent)) in levels[..depth].iter().enumerate() {
            let (number, share) = if along_runs >> level & 1 == 1 { (&mut run, runs) } else { (&mut at, lines) };
            let terms = number.terms.iter().map(|&(variable, step)| (variable, step * extent as i64));
            *number = terms.fold(Index::default(), |index, (variable, step)| index.plus(variable, step));
            *number = std::mem::take(number).plus(variable, share as i64);
        }
        let first = Index::at(piece.first).plus_index(&run, distance).plus_index(&at, line);
        let asked = (0..runs as i64).flat_map(|run| (0..lines as i64).map(move |at| run * distance + at * line));
        let asked = asked.map(|by| Statement::Prefetch { buffer, index: first.clone().shifted(by) });
        block(&mut self.body, depth - grid).splice(0..0, asked);
        true
    }

    /// Takes a piece of memory as its last buffer, and asks for nothing.
    pub fn take(&mut self, piece: &Lines) -> BufferId {
        let buffer = BufferId(self.buffers.len() as u32);
        let &Lines { element, elements, .. } = piece;
        self.buffers.push(Buffer { name: format!("ahead{}", buffer.0), element, elements, access: Access::Read });
        buffer
    }
}

/// How often a line may be asked for, so that few are at a time: what lies in a near cache costs one instruction. Unit:
/// times. A guess.
const TWICE: usize = 2;

/// Lines of a piece that are asked for at a time, at most: as many as there are, up to 32, at the start of each tile
/// gained nothing, where one or two in each iteration gained 3 % (experiment 035). Unit: lines. A guess between the two
/// that were measured, Emerald Rapids, 2026-11-30.
const AT_ONCE: usize = 4;

/// How the lines of a piece of memory are shared out among the iterations of the outer loops of a nest.
struct Shares {
    /// How many loops take part.
    depth: usize,
    /// Those, as bits, that go from run to run; the others go along the runs.
    along_runs: usize,
    /// Runs of an iteration's share.
    runs: usize,
    /// Lines of each of them.
    lines: usize,
}

impl Shares {
    /// The shares of at most [`AT_ONCE`] lines of the deepest loops that ask for no more than [`TWICE`] as many as there
    /// are; else those that ask for the fewest, but for no more than twice that.
    fn new(piece: &Lines, levels: &[(Variable, usize)], grid: usize) -> Option<Shares> {
        let few = TWICE * piece.runs.0 * piece.lines;
        let mut best: Option<(usize, Shares)> = None;
        for depth in (grid..=levels.len()).rev() {
            if best.as_ref().is_some_and(|&(all, _)| all <= few) {
                break;
            }
            for along_runs in 0..1usize << depth {
                let iterations = |along: bool| -> usize {
                    let taking = (0..depth).filter(|level| (along_runs >> level & 1 == 1) == along);
                    taking.map(|level| levels[level].1).product()
                };
                let (runs, lines) = (piece.runs.0.div_ceil(iterations(true)), piece.lines.div_ceil(iterations(false)));
                let all = runs * iterations(true) * lines * iterations(false);
                if runs * lines <= AT_ONCE && best.as_ref().is_none_or(|&(fewest, _)| all < fewest) {
                    best = Some((all, Shares { depth, along_runs, runs, lines }));
                }
            }
        }
        best.filter(|&(all, _)| all <= 2 * few).map(|(_, shares)| shares)
    }
}

/// The loop of a block in which most is done.
fn hottest(body: &[Statement]) -> Option<&Loop> {
    let loops = body.iter().filter_map(|statement| match statement {
        Statement::For(inner) if inner.guard.is_none() => Some(inner),
        _ => None,
    });
    loops.max_by_key(|inner| work(inner))
}

/// How many statements a loop is.
fn work(inner: &Loop) -> usize {
    let of = |statement: &Statement| if let Statement::For(inner) = statement { work(inner) } else { 1 };
    inner.extent * inner.body.iter().map(of).sum::<usize>()
}

/// The block that lies so many loops deep, by the loops in which most is done.
fn block(body: &mut Vec<Statement>, depth: usize) -> &mut Vec<Statement> {
    if depth == 0 {
        return body;
    }
    let variable = hottest(body).expect("a loop").variable;
    let inner = body.iter_mut().find_map(|statement| match statement {
        Statement::For(inner) if inner.variable == variable => Some(inner),
        _ => None,
    });
    block(&mut inner.expect("the same loop").body, depth - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{KernelBuilder, Slice, interpret};
    use super::*;

    /// Two tasks of nests of loops, of which the inner one does most.
    fn kernel(outer: usize, inner: usize) -> Kernel {
        let mut kernel = KernelBuilder::new("products", 4);
        let out = kernel.buffer("out", Element::F32, 8 * outer, Access::Write);
        let task = kernel.grid(2);
        kernel.for_each(outer, &[], |kernel, row, _| {
            let zero = kernel.f32(0.0);
            let sum = kernel.for_each(inner, &[zero], |kernel, step, sum| {
                let step = kernel.affine(Index::of(step, 1));
                let step = kernel.convert(super::super::Convert::ToF32, step);
                vec![kernel.fma(step, step, sum[0])]
            });
            kernel.store(out, Index::of(task, 4 * outer as i64).plus(row, 4), 1, 4, sum[0]);
            Vec::new()
        });
        kernel.finish()
    }

    /// The places of a buffer that are asked for, and how often lines are.
    fn asked(body: &[Statement], at: &mut Vec<(Variable, usize)>, places: &mut Vec<(u32, i64)>) {
        for statement in body {
            match statement {
                Statement::Prefetch { buffer, index } => {
                    let of = |&(variable, step): &(Variable, i64)| {
                        step * at.iter().find(|(other, _)| *other == variable).expect("an open loop").1 as i64
                    };
                    places.push((buffer.0, index.offset + index.terms.iter().map(of).sum::<i64>()));
                }
                Statement::For(inner) => {
                    for number in 0..inner.extent {
                        at.push((inner.variable, number));
                        asked(&inner.body, at, places);
                        at.pop();
                    }
                }
                _ => (),
            }
        }
    }

    /// The longest run of lines of one piece that are asked for.
    fn at_once(body: &[Statement]) -> usize {
        let buffer = |statement: &Statement| match statement {
            Statement::Prefetch { buffer, .. } => Some(*buffer),
            _ => None,
        };
        let runs = body.chunk_by(|a, b| buffer(a) == buffer(b)).filter(|run| buffer(&run[0]).is_some());
        let inner = body.iter().filter_map(|statement| match statement {
            Statement::For(inner) => Some(at_once(&inner.body)),
            _ => None,
        });
        runs.map(<[_]>::len).chain(inner).max().unwrap_or(0)
    }

    #[test]
    fn all_lines_are_asked_for_few_at_a_time() {
        for (outer, inner, runs, lines, is_asked) in [
            (4, 8, (1, 0), 64, true),
            (4, 8, (1, 0), 24, true),
            (4, 8, (1, 0), 256, true),
            (4, 8, (1, 0), 300, false),
            (4, 8, (32, 1000), 8, true),
            (3, 5, (7, 640), 3, true),
            (1, 2, (1, 0), 1, true),
            // Neither in a burst nor a hundred times as many.
            (1, 512, (1, 0), 260, true),
            (1, 512, (1, 0), 200, false),
            // By tasks.
            (1, 512, (1, 0), 5, true),
        ] {
            let plain = kernel(outer, inner);
            let first = -16;
            let piece = Lines { element: Element::F32, elements: 16, first, runs, lines, line: 16 };
            let what = format!("{outer} {inner} {piece:?}");
            let mut asking = plain.clone();
            for (piece, in_rows) in [(piece, false), (Lines { first: 0, ..piece }, true)] {
                assert_eq!(asking.ask(&piece, in_rows), is_asked, "{what}");
            }
            if !is_asked {
                assert_eq!(asking, plain, "{what}");
                continue;
            }
            assert!(at_once(&asking.body) <= AT_ONCE, "{what}: {asking}");
            let mut places = Vec::new();
            (0..2).for_each(|task| asked(&asking.body, &mut vec![(Variable(0), task)], &mut places));
            for (buffer, first) in [(1, first), (2, 0)] {
                let found: Vec<i64> = places.iter().filter(|place| place.0 == buffer).map(|place| place.1).collect();
                let all: BTreeSet<i64> = (0..runs.0 as i64)
                    .flat_map(|run| (0..lines as i64).map(move |line| first + run * runs.1 + line * 16))
                    .collect();
                assert!(all.is_subset(&found.iter().copied().collect()), "{what}: {found:?}");
                assert!(found.len() <= 2 * TWICE * all.len(), "{what}: {}", found.len());
            }
            let run = |kernel: &Kernel| {
                let (mut out, mut others) = (vec![0.0; 8 * outer], [[0.0; 16]; 2]);
                let [a, b] = &mut others;
                let mut buffers = vec![Slice::F32(&mut out)];
                if kernel.buffers.len() > 1 {
                    buffers.extend([Slice::F32(a), Slice::F32(b)]);
                }
                interpret(kernel, &mut buffers);
                out
            };
            assert_eq!(run(&plain), run(&asking), "{what}");
        }
        let mut nothing = KernelBuilder::new("nothing", 4).finish();
        let lines = Lines { element: Element::F32, elements: 16, first: 0, runs: (1, 0), lines: 1, line: 16 };
        assert!(!nothing.ask(&lines, false));
    }
}
