//! A contraction with its loops, as data: which axis runs along the lanes, which places form a tile, in which order the
//! loops go, which of them are the grid. It estimates and emits nothing.

use super::key::{Key, Keyed};
use super::problem::{Axis, Contraction};
use super::text::{Reader, RecipeError, Text, record};
use crate::cost::params::sharing::TASKS;
use crate::cost::params::stalls::LINE;

/// A loop over an axis in steps of `size` places; what is left over at the end is a smaller step of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level {
    /// The axis.
    pub axis: usize,
    /// Places a step.
    pub size: usize,
}

/// How an operand lies that is copied to panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packed {
    /// The axis that is cut into panels.
    pub axis: usize,
    /// The distance from place to place along the axis between panels. Within a panel it is the axis's own.
    pub distance: i64,
}

/// A contraction with its loops. Tiles are boxes of row places by a strip of the vector axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiling {
    /// The contraction; operands exchanged where `swapped`.
    pub contraction: Contraction,
    /// Whether the contraction's left operand is the operation's right one.
    pub swapped: bool,
    /// The kept axis along the lanes of the results, where one is.
    pub vector: Option<usize>,
    /// The reduced axis along the lanes of the operands, where the sums are kept by lanes and folded at the end; else
    /// the lanes of the sums are places along the vector axis.
    pub fold: Option<usize>,
    /// The axes whose places form the rows of a tile, outermost first.
    pub rows: Vec<usize>,
    /// Whether rows read one panel of packed A one after the other: the loop over the innermost row axis stands outside
    /// those over the other rows; or all stand inside the loop along the lanes, where the left operand has places of
    /// its own along these, too (each channel on its own).
    pub by_rows: bool,
    /// Whether vectors of the left operand that several rows of a tile read one after the other are kept in registers
    /// meanwhile.
    pub shares: bool,
    /// Where the left and the right operand are copied to panels.
    pub panels: [Option<Packed>; 2],
    /// The loops over kept axes, outermost first; where an axis has several, the later ones divide the step of the
    /// earlier.
    pub levels: Vec<Level>,
    /// How many of the levels are the grid; they leave nothing over.
    pub grid: usize,
    /// The loops over reduced axes, outermost first; a step is unrolled.
    pub reduce: Vec<Level>,
    /// How the sums are cut into blocks, if they are.
    pub k_blocking: Option<KBlocking>,
    /// The copies of rows that tasks make, if they do.
    pub converted: ConvertedRows,
    /// What tiles ask for. Where sums are K-blocked, [`KBlocking::asked`] lines of the next strip.
    pub ahead: Ahead,
}

/// What each tile asks for while its products are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Lines of the next strip of the right operand, packed or in lines as it lies ([`Tiling::reads_lines`]), so that
    /// they are in the second-level cache when their turn comes.
    pub lines: usize,
    /// Whether for the lines of its results.
    pub results: bool,
}

/// Rows of the left operand as f32 in scratch memory of a task's own, those of one tile at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConvertedRows {
    /// For each axis of the contraction, the distance from place to place in the copy.
    pub strides: Vec<i64>,
    /// The length of a task's copy; 0 where rows are read as they lie.
    pub elements: usize,
}

/// How the sums of a tiling are cut, and where they are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KBlocking {
    /// The reduced axis, in steps of so many places.
    pub block: Level,
    /// The levels of the tiling that stand outside of the loop over blocks. Those inside are the one over strips and
    /// the one over rows.
    pub outside: usize,
    /// For each axis of the contraction, the distance from place to place in the sums.
    pub strides: Vec<i64>,
    /// The length of the sums.
    pub elements: usize,
    /// Lines of the next strip of packed B that each tile asks for.
    pub asked: usize,
}

record!(Level { axis, size });

record!(Packed { axis, distance });

// Whether tiles are taken by rows is told by the levels.
record!(Tiling {
    contraction, swapped, vector, fold, rows, shares, panels, levels, grid, reduce, k_blocking, ahead, converted
} but { by_rows });

/// A tiling that asks for nothing has the key of one from before there was a way to.
impl Keyed for Ahead {
    fn key(&self, key: &mut Key) {
        if *self != Ahead::default() {
            key.add(&self.lines).add(&self.results);
        }
    }
}

impl Text for Ahead {
    fn write(&self, to: &mut String) {
        (self.lines, self.results).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        let (lines, results) = Text::read(from)?;
        Ok(Ahead { lines, results })
    }
}

/// A tiling that copies no rows has the key of one from before there was a way to.
impl Keyed for ConvertedRows {
    fn key(&self, key: &mut Key) {
        if self.is_any() {
            key.add(&self.strides).add(&self.elements);
        }
    }
}

impl Text for ConvertedRows {
    fn write(&self, to: &mut String) {
        (self.elements, self.strides.clone()).write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, RecipeError> {
        let (elements, strides) = Text::read(from)?;
        Ok(ConvertedRows { strides, elements })
    }
}

impl ConvertedRows {
    /// Whether there are any.
    pub fn is_any(&self) -> bool {
        self.elements > 0
    }
}

record!(KBlocking { block, outside, strides, elements, asked });

/// Equal steps of a loop, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Where the first one starts.
    pub start: usize,
    /// How many there are.
    pub count: usize,
    /// Places a step.
    pub size: usize,
}

/// The steps of a loop over `extent` places: the full ones, then the one left over.
pub fn steps(extent: usize, size: usize) -> AllSteps {
    // 10 places in steps of 4: two steps from 0 on, then a step of 2 from 8 on. Each is emitted as a loop of its own.
    let (count, rest) = (extent / size, extent % size);
    let full = Steps { start: 0, count, size };
    let rest = Steps { start: extent - rest, count: (rest > 0) as usize, size: rest };
    AllSteps { steps: [full, rest], next: 0 }
}

/// See [`steps`].
pub struct AllSteps {
    steps: [Steps; 2],
    next: usize,
}

impl Iterator for AllSteps {
    type Item = Steps;

    fn next(&mut self) -> Option<Steps> {
        while self.next < 2 {
            let steps = self.steps[self.next];
            self.next += 1;
            if steps.count > 0 {
                return Some(steps);
            }
        }
        None
    }
}

/// How many of some levels can be the grid, since they leave nothing over, and how many tasks that makes.
pub fn grid_of(axes: &[Axis], levels: &[Level]) -> (usize, usize) {
    // What one task covers of each axis, with the levels so far as the grid.
    let mut extents: Vec<usize> = axes.iter().map(|a| a.extent).collect();
    let (mut grid, mut tasks) = (0, 1);
    for level in levels {
        let extent = &mut extents[level.axis];
        // All tasks are equal: a grid has no smaller last step. And no more of them than are of use, since what stays a
        // loop within a task finds its operands in the caches.
        if !extent.is_multiple_of(level.size) || tasks >= TASKS {
            break;
        }
        tasks *= *extent / level.size;
        *extent = level.size;
        grid += 1;
    }
    (grid, tasks)
}

impl Tiling {
    /// The rows and the width of a whole tile.
    pub fn tile(&self) -> [usize; 2] {
        // The last level of an axis is the innermost one.
        let size = |axis: usize| self.levels.iter().rfind(|l| l.axis == axis).map_or(1, |l| l.size);
        [self.rows.iter().map(|&axis| size(axis)).product(), self.vector.map_or(1, size)]
    }

    /// See [`Contraction::transposed_along`].
    pub(super) fn transposed_along(&self, lanes: usize) -> Option<usize> {
        self.contraction.transposed_along(self.vector.filter(|_| self.fold.is_none()), self.rows.last().copied(), lanes)
    }

    /// The same with the rows in so many equal parts, of which the last level of the grid goes from one to the next, and
    /// in tiles that leave nothing of a part over where there are such of as many sums as a machine needs in flight. Each
    /// sum is what it was. Packed A is read in panels as high as those tiles. Nothing where rows are not of one axis, or not
    /// the left operand's, or tasks have copies of them, or where there are no such tiles of packed A.
    pub fn in_row_parts(&self, parts: usize, in_flight: usize, lanes: usize) -> Option<Tiling> {
        let &[axis] = &self.rows[..] else { return None };
        let (extent, [tile, strip]) = (self.contraction.axes[axis].extent, self.tile());
        let plain = !self.swapped && !self.by_rows && self.k_blocking.is_none() && !self.converted.is_any();
        let packed = match self.panels[0] {
            Some(panels) if panels.axis != axis => return None,
            panels => panels.is_some(),
        };
        if !plain || !extent.is_multiple_of(parts) {
            return None;
        }
        let part = extent / parts;
        // Where sums are folded, each takes a register.
        let vectors = strip.div_ceil(if self.fold.is_some() { 1 } else { lanes });
        let least = in_flight.div_ceil(vectors);
        let whole = (least..=tile.min(part)).rev().find(|&rows| part.is_multiple_of(rows));
        let rows = if packed { whole? } else { whole.unwrap_or(tile.min(part)) };
        let mut contraction = self.contraction.clone();
        if packed {
            // A step of a reduced axis is a panel's height.
            let steps = contraction.axes.iter_mut().enumerate().filter(|&(number, _)| number != axis);
            steps.for_each(|(_, axis)| axis.left = axis.left / tile as i64 * rows as i64);
        }
        let others =
            |levels: &[Level]| -> Vec<Level> { levels.iter().filter(|level| level.axis != axis).copied().collect() };
        let (mut levels, inside) = (others(&self.levels[..self.grid]), others(&self.levels[self.grid..]));
        levels.push(Level { axis, size: part });
        let grid = levels.len();
        levels.extend(inside);
        levels.push(Level { axis, size: rows });
        // Each part asks for all lines of the next strip: others may be another thread's.
        let (before, after) = (extent.div_ceil(tile), part.div_ceil(rows));
        let granule = strip.div_ceil(LINE as usize);
        let lines = (self.ahead.lines * before).div_ceil(after).next_multiple_of(granule);
        Some(Tiling { contraction, levels, grid, ahead: Ahead { lines, ..self.ahead }, ..self.clone() })
    }

    /// The levels inside of the loop along the vector axis: over the tiles of a strip.
    pub fn inside(&self) -> &[Level] {
        let at = self.levels.iter().rposition(|l| Some(l.axis) == self.vector).map_or(0, |at| at + 1);
        &self.levels[at..]
    }

    /// The reduced axis at each of whose places a strip of the right operand is some whole lines, as it lies, and another
    /// one follows for most strips. `None` where it is packed, or lies otherwise.
    pub fn reads_lines(&self) -> Option<usize> {
        let axes = &self.contraction.axes;
        let [reduce] = self.reduce[..] else { return None };
        let vector = self.vector.filter(|&vector| self.fold.is_none() && axes[vector].right == 1)?;
        let (width, strip) = (axes[vector].extent, self.tile()[1]);
        let of_lines = [strip as i64, axes[reduce.axis].right, self.contraction.right].iter().all(|at| at % LINE == 0);
        let lies = self.panels[1].is_none() && axes[reduce.axis].right != 0;
        (lies && of_lines && width > 2 * strip).then_some(reduce.axis)
    }

    /// Lines of the next strip that each tile asks for.
    pub fn asked(&self) -> usize {
        self.k_blocking.as_ref().map_or(self.ahead.lines, |blocking| blocking.asked)
    }
}
