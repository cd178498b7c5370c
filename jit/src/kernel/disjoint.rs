//! The proof that tasks are disjoint: no task of a kernel writes an element that another one reads or writes, so that
//! tasks may run on several threads at once. It knows the kernel IR alone.
//!
//! # What is proved
//! What a statement touches is a *box*: an offset, and terms `factor * (0..extent)` for each loop, lane and row. The
//! grid's variables move all boxes of a buffer by the same steps; where they do not, nothing is proved. Tasks are apart
//! in one of two ways:
//! 1. **By reach.** Steps are taken in ascending order; each is longer than all that the boxes and the smaller steps
//!    reach. Two tasks that differ, differ by at least the largest of their steps less what the rest makes up for.
//! 2. **By digits.** For a modulus `M` each factor and offset is `M * quotient + rest`. Where the rests of all boxes in
//!    all tasks lie in one window of `M` places, an element has one quotient and one rest. So it is enough that tasks
//!    whose quotients move are apart in their quotients, and the others in their rests: the same question, of smaller
//!    numbers. The moduli that are tried are factors and their multiples by extents, then gaps between offsets and
//!    between runs of them, the largest first: most places are digits (an image, a row of it, a pixel) by such.
//!
//! Buffers that are bound to overlapping memory are one buffer to this proof, whatever their distance.
//!
//! # What it does not see
//! Overlapping buffers of different lengths, or of elements of different sizes, are not looked at (a plan binds none),
//! a gather reads anywhere, a guarded loop always runs, a row may be any of its rows, and a variable in several terms
//! of one box counts as several. Tasks that are apart for reasons of this kind run on one thread.
//!
//! # Cost
//! One walk over the statements, in which accesses that differ by constants fall together; then a few passes over what
//! is left, of the written buffers only. Overlapping arguments are looked at when memory is bound.

use kiln_graph::Few;
use rustc_hash::FxHashMap;

use super::*;

/// Where a buffer begins: buffers in different memories never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// A number for each piece of memory.
    pub memory: usize,
    /// The byte of it where the buffer begins.
    pub byte: usize,
}

/// Why tasks are not proved to be disjoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dependence {
    /// The kernel is not sound at all.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// There is not one origin for each buffer.
    #[error("kernel {kernel} has {expected} buffers, found origins of {found}")]
    Origins {
        /// The kernel's name.
        kernel: String,
        /// The number of its buffers.
        expected: usize,
        /// The number of origins.
        found: usize,
    },
    /// Of two buffers, one of them written, which may be the same.
    #[error("tasks of kernel {kernel} may depend on each other by `{written}` and `{other}`: {reason}")]
    Shared {
        /// The kernel's name.
        kernel: String,
        /// The buffer that is written.
        written: String,
        /// The buffer that lies in the same place.
        other: String,
        /// What the proof ran into.
        reason: Reason,
    },
    /// In a loop: what moves on meets what is written.
    #[error("tasks of kernel {kernel} may touch the same elements in different iterations of a loop")]
    Iterations {
        /// The kernel's name.
        kernel: String,
    },
}

/// What the proof ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A gather reads anywhere.
    #[error("a gather may read any element")]
    Gather,
    /// A dimension of the grid moves accesses by different steps.
    #[error("a dimension of the grid moves accesses by different steps")]
    Steps,
    /// A dimension of the grid moves no access.
    #[error("{0} moves no access, so that its tasks touch the same elements")]
    Still(Variable),
    /// Buffers of different lengths, or of elements of different sizes, overlap, which are not looked at.
    #[error("buffers of different lengths overlap")]
    Lengths,
    /// What one task touches is not seen to be apart from what another does.
    #[error("what one task touches is not apart from what another does")]
    Near,
}

/// Longer buffers are not looked at: sums of what lies in two of these fit 64 bits.
const MOST_ELEMENTS: usize = 1 << 60;

/// So many moduli are tried at most for a buffer, so that the time is linear in the number of accesses. Kernels that are lowered take
/// few.
const TRIES: usize = 128;

/// So many kinds of gaps between offsets are looked at, the largest ones: tiles at the edge, in rows and in columns, have three. Unit:
/// kinds. A count, 2026-11-30.
const KINDS: usize = 4;

/// What the tasks of a kernel touch.
#[derive(Debug)]
pub(crate) struct Footprints {
    /// The grid's dimensions of more than one step, with their extents.
    grid: Few<(Variable, i64), 3>,
    buffers: Vec<Footprint>,
    /// Of each buffer by itself; nothing to say of one that is only read.
    alone: Vec<Result<(), Reason>>,
}

/// What the tasks of a kernel touch of a buffer.
#[derive(Debug)]
struct Footprint {
    written: bool,
    elements: usize,
    /// Bytes of an element.
    size: usize,
    touched: Result<Touched, Reason>,
}

/// What task 0 touches, and by how much the grid's dimensions move it.
#[derive(Clone, Debug, Default)]
struct Touched {
    steps: Few<i64, 3>,
    boxes: Vec<Boxes>,
}

/// Boxes of the same terms, at some offsets.
#[derive(Clone, Debug, Default)]
struct Boxes {
    terms: Few<Term, 4>,
    offsets: Vec<i64>,
}

/// The numbers `factor * (0..extent)`: neither is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Term {
    factor: i64,
    extent: i64,
}

impl Kernel {
    /// Whether tasks are proved to be disjoint where the buffers begin at such places: no task then writes an element
    /// that another one reads or writes.
    ///
    /// # Errors
    /// What the proof ran into, or that the kernel does not pass [`Kernel::check`], or has another number of buffers.
    pub fn disjoint(&self, origins: &[Origin]) -> Result<(), Dependence> {
        self.check()?;
        if origins.len() != self.buffers.len() {
            let (kernel, expected, found) = (self.name.clone(), self.buffers.len(), origins.len());
            return Err(Dependence::Origins { kernel, expected, found });
        }
        Footprints::of(self).disjoint(origins).map_err(|(written, other, reason)| Dependence::Shared {
            kernel: self.name.clone(),
            written: self.buffers[written].name.clone(),
            other: self.buffers[other].name.clone(),
            reason,
        })
    }
}

impl Footprints {
    /// Those of a kernel that has passed [`Kernel::check`].
    pub fn of(kernel: &Kernel) -> Footprints {
        let dimensions = kernel.grid.iter().enumerate().filter(|&(_, &extent)| extent > 1);
        let grid: Few<_, 3> = dimensions.map(|(d, &extent)| (Variable(d as u32), extent as i64)).collect();
        if grid.is_empty() {
            return Footprints { grid, buffers: Vec::new(), alone: Vec::new() };
        }
        let mut walk = Walk::new(kernel);
        walk.block(&kernel.body);
        let footprint = |(seen, declared): (&Seen<'_>, &Buffer)| Footprint {
            written: seen.stored,
            elements: declared.elements,
            size: declared.element.bytes(),
            touched: walk.touched(seen, declared.elements, &grid),
        };
        let buffers: Vec<Footprint> = walk.buffers.iter().zip(&kernel.buffers).map(footprint).collect();
        let mut footprints = Footprints { grid, buffers, alone: Vec::new() };
        footprints.alone = (0..footprints.buffers.len()).map(|buffer| footprints.by_itself(buffer)).collect();
        footprints.forget();
        footprints
    }

    /// Keeps what is touched only of buffers that a plan may bind to one place: a written one and another of its length.
    fn forget(&mut self) {
        let length = |buffer: &Footprint| ((buffer.elements, buffer.size), buffer.written);
        let lengths: Vec<_> = self.buffers.iter().map(length).collect();
        for (number, buffer) in self.buffers.iter_mut().enumerate() {
            let fits = |(other, &(length, written)): (usize, &((usize, usize), bool))| {
                other != number && length == (buffer.elements, buffer.size) && (written || buffer.written)
            };
            if buffer.touched.is_ok() && !lengths.iter().enumerate().any(fits) {
                buffer.touched = Err(Reason::Lengths);
            }
        }
    }

    /// Whether tasks are disjoint where the buffers begin at such places, one for each; else two buffers that tell why.
    pub fn disjoint(&self, origins: &[Origin]) -> Result<(), (usize, usize, Reason)> {
        for (written, footprint) in self.buffers.iter().enumerate().filter(|(_, footprint)| footprint.written) {
            self.alone[written].map_err(|reason| (written, written, reason))?;
            for (other, beside) in self.buffers.iter().enumerate() {
                let (a, b) = (origins[written], origins[other]);
                let overlap = a.memory == b.memory
                    && a.byte.saturating_add(footprint.elements.saturating_mul(footprint.size)) > b.byte
                    && b.byte.saturating_add(beside.elements.saturating_mul(beside.size)) > a.byte;
                // Two that are written are seen from both sides.
                if overlap && other != written && !(beside.written && other < written) {
                    let distance = b.byte as i128 - a.byte as i128;
                    self.together(written, other, distance).map_err(|reason| (written, other, reason))?;
                }
            }
        }
        Ok(())
    }

    /// Whether tasks are disjoint in a buffer that lies apart from all others.
    fn by_itself(&self, buffer: usize) -> Result<(), Reason> {
        let footprint = &self.buffers[buffer];
        if !footprint.written {
            return Ok(());
        }
        self.apart(footprint.touched.clone()?)
    }

    /// Whether tasks are disjoint in two buffers, the second of which begins so many bytes behind the first.
    fn together(&self, written: usize, other: usize, distance: i128) -> Result<(), Reason> {
        let [first, second] = [written, other].map(|buffer| &self.buffers[buffer].touched);
        let size = self.buffers[written].size;
        if size != self.buffers[other].size {
            return Err(Reason::Lengths);
        }
        let (mut all, second) = (first.clone()?, second.as_ref().map_err(|&reason| reason)?);
        if second.boxes.is_empty() || all.boxes.is_empty() {
            return Ok(());
        }
        if all.steps != second.steps {
            return Err(Reason::Steps);
        }
        let whole = Some(distance).filter(|distance| distance % size as i128 == 0).map(|bytes| bytes / size as i128);
        let distance = whole.and_then(|elements| i64::try_from(elements).ok());
        let distance = distance.filter(|d| d.unsigned_abs() < MOST_ELEMENTS as u64).ok_or(Reason::Near)?;
        all.boxes.extend(second.boxes.iter().map(|boxes| Boxes {
            terms: boxes.terms.clone(),
            offsets: boxes.offsets.iter().map(|offset| offset + distance).collect(),
        }));
        self.apart(all)
    }

    /// Whether what tasks touch is apart.
    fn apart(&self, touched: Touched) -> Result<(), Reason> {
        let Touched { steps, boxes } = touched;
        if boxes.is_empty() {
            return Ok(());
        }
        if let Some(still) = steps.iter().position(|&step| step == 0) {
            return Err(Reason::Still(self.grid[still].0));
        }
        // A step backwards is one forwards, of the tasks in the opposite order: the same for all boxes.
        let steps = self.grid.iter().zip(&steps).map(|(&(_, extent), step)| Term { factor: step.abs(), extent });
        let moved = Moved { steps: steps.collect(), boxes };
        let mut tries = TRIES;
        if moved.are_apart(&mut tries) { Ok(()) } else { Err(Reason::Near) }
    }
}

/// Boxes, and the steps by which tasks move them all.
struct Moved {
    steps: Vec<Term>,
    boxes: Vec<Boxes>,
}

impl Moved {
    /// Whether tasks that differ in a step touch different places, as far as is seen with so many moduli tried.
    fn are_apart(mut self, tries: &mut usize) -> bool {
        if self.steps.is_empty() {
            return true;
        }
        self.steps.sort_unstable_by_key(|step| step.factor);
        for boxes in &mut self.boxes {
            boxes.offsets.sort_unstable();
            boxes.offsets.dedup();
        }
        // Way 1 of the module.
        let (mut reached, mut apart) = (self.reach(), true);
        for step in &self.steps {
            apart &= step.factor > reached;
            reached += step.reach();
        }
        if apart {
            return true;
        }
        // What goes round in a period of less than all that is reached is looked at by its rounds, and within one.
        let terms = self.boxes.iter().flat_map(|boxes| &boxes.terms).chain(&self.steps);
        let strides = terms.flat_map(|term| [term.factor, term.factor * term.extent]);
        let gaps = self.boxes.iter().flat_map(|boxes| distances(&boxes.offsets));
        [descending(strides, reached), descending(gaps, reached)].concat().into_iter().any(|modulus| {
            if *tries == 0 {
                return false;
            }
            *tries -= 1;
            let parts = self.window(modulus).map(|base| self.split(modulus, base));
            parts.is_some_and(|parts| parts.into_iter().all(|part| part.are_apart(tries)))
        })
    }

    /// The distance from the first place of the boxes to their last one. Offsets ascend.
    fn reach(&self) -> i64 {
        let first = self.boxes.iter().filter_map(|boxes| boxes.offsets.first()).min();
        let last = self.boxes.iter().filter_map(|boxes| Some(boxes.offsets.last()? + reach(&boxes.terms))).max();
        last.zip(first).map_or(0, |(last, first)| last - first)
    }

    /// The place from which the rests of all boxes in all tasks lie in one window of `modulus` places, if there is one.
    fn window(&self, modulus: i64) -> Option<i64> {
        let rests = |terms: &[Term]| terms.iter().map(|term| term.rest(modulus).reach()).sum::<i64>();
        let moved = rests(&self.steps);
        // On a circle of `modulus` places each box is an arc, from its beginning to its end.
        let mut arcs: Vec<(i64, i64)> = Vec::new();
        for boxes in &self.boxes {
            let length = rests(&boxes.terms) + moved;
            if length >= modulus {
                return None;
            }
            let starts = boxes.offsets.iter().map(|offset| offset.rem_euclid(modulus));
            arcs.extend(starts.map(|start| (start, start + length)));
        }
        arcs.sort_unstable();
        // The window begins where an arc does, and no other one lies across: none of those before it, and none that comes
        // round from the end of the circle.
        let mut reached = arcs.iter().map(|&(_, end)| end - modulus).max()?;
        for (start, end) in arcs {
            if reached < start {
                return Some(start);
            }
            reached = reached.max(end);
        }
        None
    }

    /// Way 2 of the module: the quotients, and the rests in those tasks whose quotients move alike.
    fn split(&self, modulus: i64, base: i64) -> [Moved; 2] {
        // A step that moves quotients and rests is one of the quotients: tasks that do not differ in it have it in common.
        let (quotients, rests): (Vec<Term>, _) = self.steps.iter().partition(|step| step.factor >= modulus);
        let mut quotients =
            Moved { steps: quotients.iter().map(|step| step.quotient(modulus)).collect(), boxes: Vec::new() };
        let mut rests = Moved { steps: rests, boxes: Vec::new() };
        for Boxes { terms, offsets } in &self.boxes {
            let places = || offsets.iter().map(|offset| offset - base);
            quotients.boxes.push(Boxes {
                terms: terms.iter().map(|term| term.quotient(modulus)).filter(Term::moves).collect(),
                offsets: places().map(|place| place.div_euclid(modulus)).collect(),
            });
            rests.boxes.push(Boxes {
                terms: terms.iter().map(|term| term.rest(modulus)).filter(Term::moves).collect(),
                offsets: places().map(|place| place.rem_euclid(modulus)).collect(),
            });
        }
        [quotients, rests]
    }
}

impl Term {
    /// The greatest of the numbers; the least is 0.
    fn reach(&self) -> i64 {
        self.factor * (self.extent - 1)
    }

    fn moves(&self) -> bool {
        self.factor != 0
    }

    fn quotient(&self, modulus: i64) -> Term {
        Term { factor: self.factor / modulus, ..*self }
    }

    fn rest(&self, modulus: i64) -> Term {
        Term { factor: self.factor % modulus, ..*self }
    }
}

/// The distances between neighbours among ascending offsets, and between the first ones of runs of them that larger gaps
/// keep apart: 10 of 0, 1, 2, 10, 11, 12, 20, .. .
fn distances(offsets: &[i64]) -> Vec<i64> {
    let gaps: Vec<i64> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut kinds = gaps.clone();
    kinds.sort_unstable_by(|a, b| b.cmp(a));
    kinds.dedup();
    let mut distances = gaps.clone();
    for kind in kinds.into_iter().take(KINDS) {
        let begins = gaps.iter().zip(&offsets[1..]).filter(|(gap, _)| **gap >= kind).map(|(_, offset)| *offset);
        let firsts: Vec<i64> = offsets.first().copied().into_iter().chain(begins).collect();
        distances.extend(firsts.windows(2).map(|pair| pair[1] - pair[0]));
    }
    distances
}

/// The distinct numbers from 2 to a limit, the largest first.
fn descending(numbers: impl Iterator<Item = i64>, most: i64) -> Vec<i64> {
    let mut numbers: Vec<i64> = numbers.filter(|number| (2..=most).contains(number)).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.dedup();
    numbers
}

fn reach(terms: &[Term]) -> i64 {
    terms.iter().map(Term::reach).sum()
}

/// Notes what the statements of a kernel touch.
struct Walk<'a> {
    kernel: &'a Kernel,
    /// Of the variables met so far.
    extents: Vec<usize>,
    buffers: Vec<Seen<'a>>,
    /// The position of each access among those of its buffer.
    known: FxHashMap<(BufferId, Shape<'a>), usize>,
}

/// What is seen of a buffer.
#[derive(Default)]
struct Seen<'a> {
    gathered: bool,
    stored: bool,
    accesses: Vec<Accesses<'a>>,
}

/// Accesses that differ by a constant.
struct Accesses<'a> {
    shape: Shape<'a>,
    offsets: Vec<i64>,
}

/// An access but for its offset: variables with their strides, rows, and lanes with their distance.
type Shape<'a> = (&'a [(Variable, i64)], Option<(u32, i64)>, (usize, i64));

impl<'a> Walk<'a> {
    fn new(kernel: &'a Kernel) -> Walk<'a> {
        let mut extents = kernel.grid.clone();
        extents.resize(kernel.variables as usize, 1);
        let buffers = kernel.buffers.iter().map(|_| Seen::default()).collect();
        Walk { kernel, extents, buffers, known: FxHashMap::default() }
    }

    fn block(&mut self, body: &'a [Statement]) {
        for statement in body {
            match statement {
                Statement::Let(_, Operation::LoadPairs { buffer, index, stride, active }) => {
                    self.access(*buffer, index, (*active, *stride));
                    self.access_behind(*buffer, index, 1, (*active, *stride));
                }
                Statement::Let(_, Operation::Load { buffer, index, stride, active }) => {
                    self.access(*buffer, index, (*active, *stride));
                }
                Statement::Let(_, Operation::Splat { buffer, index }) => self.access(*buffer, index, (1, 1)),
                Statement::Let(_, Operation::Gather { buffer, .. }) => {
                    self.buffers[buffer.0 as usize].gathered = true;
                }
                Statement::Store { buffer, index, stride, active, .. } => {
                    self.buffers[buffer.0 as usize].stored = true;
                    self.access(*buffer, index, (*active, *stride));
                }
                Statement::Tile(TileStatement::Load { tile, buffer, index, stride }) => {
                    self.rows(*tile, *buffer, index, *stride);
                }
                Statement::Tile(TileStatement::Store { tile, buffer, index, stride }) => {
                    self.buffers[buffer.0 as usize].stored = true;
                    self.rows(*tile, *buffer, index, *stride);
                }
                Statement::For(l) => {
                    self.extents[l.variable.0 as usize] = l.extent;
                    self.block(&l.body);
                }
                Statement::Let(..) | Statement::Prefetch { .. } | Statement::Tile(_) => {}
            }
        }
    }

    fn access(&mut self, buffer: BufferId, index: &'a Index, lanes: (usize, i64)) {
        self.access_behind(buffer, index, 0, lanes);
    }

    /// The rows of a tile, at a distance: a box as lanes at run-time rows are one, which tiles do not have.
    fn rows(&mut self, tile: Tile, buffer: BufferId, index: &'a Index, stride: i64) {
        let TileShape { rows, columns } = self.kernel.tiles[tile.0 as usize];
        let element = self.kernel.buffers[buffer.0 as usize].element;
        // A row of bf16 is one of pairs.
        let elements = if element == Element::Bf16 { 2 * columns } else { columns };
        self.touch(buffer, (&index.terms[..], Some((rows as u32, stride)), (elements, 1)), index.offset);
    }

    /// So many elements behind an index.
    fn access_behind(&mut self, buffer: BufferId, index: &'a Index, by: i64, lanes: (usize, i64)) {
        let shape = (&index.terms[..], index.row.map(|row| (row.extent, row.stride)), lanes);
        self.touch(buffer, shape, index.offset + by);
    }

    fn touch(&mut self, buffer: BufferId, shape: Shape<'a>, offset: i64) {
        let all = &mut self.buffers[buffer.0 as usize].accesses;
        // Neighbouring statements are mostly alike.
        let position = match all.last() {
            Some(last) if last.shape == shape => all.len() - 1,
            _ => *self.known.entry((buffer, shape)).or_insert_with(|| {
                all.push(Accesses { shape, offsets: Vec::new() });
                all.len() - 1
            }),
        };
        all[position].offsets.push(offset);
    }

    /// What is touched of a buffer, where the grid has such dimensions.
    fn touched(&self, seen: &Seen<'_>, elements: usize, grid: &[(Variable, i64)]) -> Result<Touched, Reason> {
        if seen.gathered {
            return Err(Reason::Gather);
        }
        if elements > MOST_ELEMENTS {
            return Err(Reason::Near);
        }
        let mut touched = Touched::default();
        for (number, accesses) in seen.accesses.iter().enumerate() {
            let (steps, boxes) = self.boxes(accesses, grid);
            if number > 0 && steps != touched.steps {
                return Err(Reason::Steps);
            }
            touched.steps = steps;
            touched.boxes.push(boxes);
        }
        touched.boxes.shrink_to_fit();
        Ok(touched)
    }

    /// The steps of the grid's dimensions, and the boxes of task 0.
    fn boxes(&self, accesses: &Accesses<'_>, grid: &[(Variable, i64)]) -> (Few<i64, 3>, Boxes) {
        let (variables, row, (active, distance)) = accesses.shape;
        let mut steps: Few<i64, 3> = grid.iter().map(|_| 0).collect();
        let mut terms: Few<Term, 4> = Few::new();
        let mut shift = 0;
        let mut add = |factor: i64, extent: usize| {
            if factor != 0 && extent > 1 {
                let term = Term { factor: factor.abs(), extent: extent as i64 };
                // Counted from its other end.
                shift -= if factor < 0 { term.reach() } else { 0 };
                terms.push(term);
            }
        };
        add(distance, active);
        row.into_iter().for_each(|(extent, stride)| add(stride, extent as usize));
        for &(variable, factor) in variables {
            match grid.iter().position(|&(dimension, _)| dimension == variable) {
                Some(dimension) => steps[dimension] = factor,
                None => add(factor, self.extents[variable.0 as usize]),
            }
        }
        (steps, Boxes { terms, offsets: accesses.offsets.iter().map(|offset| offset + shift).collect() })
    }
}

mod rows;
#[cfg(test)]
mod tests;

pub(crate) use rows::{RowFootprints, apart_rows};
