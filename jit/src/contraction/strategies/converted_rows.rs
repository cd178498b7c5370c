//! Rows converted by tasks: where the left operand is of bf16, each task makes f32 of the rows of a
//! tile at a time, in scratch memory of its own, and takes all strips for them before the next ones. So they are read
//! from the first-level cache, and nothing but the operand itself from beyond the second one, where a copy of all of it
//! would be written there and read again. It knows tilings and what copies cost; it knows no operation and no epilogue.
//!
//! ```text
//! for outer axes, other rows, block of rows             the grid, as far as they leave nothing over
//!   for rows of one tile, or of a few low ones
//!     rows = f32 of the operand                         scratch memory of the task
//!     for strip along the lanes, tile of these rows     packed B stays in the second-level cache
//! ```

use super::emit::{Side, along};
use super::position::Position;
use crate::contraction::tiling::{Ahead, ConvertedRows, Level, Tiling, grid_of};
use crate::cost::cache::holds;
use crate::cost::params::caches::STAYING;
use crate::cost::params::converted_rows::{ELEMENT, MOST_TASKS, SPREAD, UNROLL};
use crate::cost::params::sharing::SHARED;
use crate::cost::sharing::divisors;
use crate::kernel::{Index, KernelBuilder, Operation};
use crate::target::Target;

impl ConvertedRows {
    /// A tiling whose rows are converted by its tasks, and the cycles that this takes. `None` where the factors of a row
    /// do not serve all lanes, where sums run along several axes, where a tile has rows along several, where neither
    /// runs along the operand, or where the right operand does not stay in the second-level cache.
    pub fn of(tiling: &Tiling, target: &Target) -> Option<(Tiling, f64)> {
        let axes = &tiling.contraction.axes;
        let vector = tiling.vector.filter(|&v| tiling.fold.is_none() && axes[v].left == 0 && axes[v].right != 0)?;
        let ([reduce], Some(&row)) = (&tiling.reduce[..], tiling.rows.last()) else { return None };
        let [height, strip] = tiling.tile();
        let of_row = tiling.levels.iter().rfind(|level| level.axis == row)?.size;
        let depth = axes[reduce.axis].extent;
        let along_row = axes[row].left == 1 && axes[reduce.axis].left != 1;
        let right: usize =
            axes.iter().filter(|a| a.right != 0 && (a.reduce || a.left == 0)).map(|a| a.extent).product();
        if height != of_row
            || tiling.by_rows
            || tiling.panels[0].is_some()
            || depth == 0
            || !along_row && axes[reduce.axis].left != 1
            || !holds(target.l2_bytes, STAYING, right)
        {
            return None;
        }
        let mut strides = vec![0; axes.len()];
        // Rows by the power of two would crowd a few sets of the cache.
        let apart = |places: usize| if places.is_multiple_of(SPREAD) { places + target.lanes } else { places };
        // Vectors along rows that are copied are as full as whole tiles make them.
        let group = if along_row { height * (target.lanes / height).max(1) } else { height };
        let group = group.min(axes[row].extent);
        let elements = if along_row {
            let width = group.next_multiple_of(target.lanes);
            (strides[row], strides[reduce.axis]) = (1, width as i64);
            width * depth
        } else {
            let width = apart(depth.next_multiple_of(target.lanes));
            (strides[row], strides[reduce.axis]) = (width as i64, 1);
            width * group
        };
        // Outside of the rows of the tile's own axis stand all other axes, one place each, but that of the strips.
        let mut levels: Vec<Level> = Vec::new();
        for level in &tiling.levels {
            if level.axis != row && level.axis != vector && !levels.iter().any(|known| known.axis == level.axis) {
                levels.push(Level { axis: level.axis, size: 1 });
            }
        }
        let around: usize = levels.iter().map(|level| axes[level.axis].extent).product();
        let vectors = strip.div_ceil(target.lanes);
        levels.push(Level { axis: row, size: block(axes[row].extent, [group, height], around, vectors, target)? });
        let (grid, _) = grid_of(axes, &levels);
        levels.extend([(row, group), (vector, strip), (row, height)].map(|(axis, size)| Level { axis, size }));
        let places = axes.iter().filter(|axis| axis.left != 0).map(|axis| axis.extent).product::<usize>();
        let converted = ConvertedRows { strides, elements };
        let tiling = Tiling { levels, grid, converted, ahead: Ahead::default(), ..tiling.clone() };
        Some((tiling, ELEMENT * places as f64))
    }

    /// Elements of the scratch memory of all tasks.
    pub fn scratch(&self, tiling: &Tiling) -> usize {
        grid_of(&tiling.contraction.axes, &tiling.levels[..tiling.grid]).1 * self.elements
    }

    /// Writes the copy of a tile's rows.
    pub fn emit(&self, kernel: &mut KernelBuilder, tiling: &Tiling, from: &Side, to: &Side, position: &Position) {
        let axes = &tiling.contraction.axes;
        let (row, reduce) = (*tiling.rows.last().expect("an axis of rows"), tiling.reduce[0].axis);
        let first = from.start.clone().shifted(tiling.contraction.left);
        let first = position.at.iter().zip(axes).fold(first, |index, (at, axis)| index.plus_index(at, axis.left));
        let (inner, outer) = if self.strides[row] == 1 { (row, reduce) } else { (reduce, row) };
        let lanes = kernel.lanes();
        let extent = |axis: usize| position.extent[axis];
        let copy = |kernel: &mut KernelBuilder, number: &Index, place: &Index, active: usize| {
            let index = first.clone().plus_index(number, axes[outer].left).plus_index(place, 1);
            let value = kernel.push(Operation::Load { buffer: from.buffer, index, stride: 1, active });
            // There is room for whole vectors.
            let index = to.start.clone().plus_index(number, self.strides[outer]).plus_index(place, 1);
            kernel.store(to.buffer, index, 1, lanes, value);
        };
        // Some vectors in a step, along whichever axis there are as many.
        let step = if extent(inner) > lanes { 1 } else { UNROLL };
        along(kernel, extent(outer), step, &mut |kernel, number, rows| {
            along(kernel, extent(inner), UNROLL * lanes, &mut |kernel, place, count| {
                for row in 0..rows as i64 {
                    for start in (0..count).step_by(lanes) {
                        let place = place.clone().shifted(start as i64);
                        copy(kernel, &number.clone().shifted(row), &place, lanes.min(count - start));
                    }
                }
            });
        });
    }

    /// Where a factor lies in the copy, some places along axes from the first one of a step; the rows that are copied
    /// begin where those at `first` do.
    pub fn place(
        &self,
        tiling: &Tiling,
        (rows, first): (&Side, &Position),
        position: &Position,
        places: &[(usize, i64)],
    ) -> Index {
        let (row, reduce) = (*tiling.rows.last().expect("an axis of rows"), tiling.reduce[0].axis);
        let index = rows.start.clone().plus_index(&position.at[reduce], self.strides[reduce]);
        let index = index.plus_index(&position.at[row], self.strides[row]);
        let index = index.plus_index(&first.at[row], -self.strides[row]);
        places.iter().fold(index, |index, &(axis, by)| index.shifted(by * self.strides[axis]))
    }
}

/// Rows of a task out of so many, where other axes make some tasks already: few tasks, as each has its own scratch
/// memory, and a last tile that is not much smaller than the others. `None` where rows have no such divisor, so that one
/// thread would compute them all.
fn block(rows: usize, [group, height]: [usize; 2], around: usize, vectors: usize, target: &Target) -> Option<usize> {
    // A tile of few rows takes as long as one that has just enough sums in flight.
    let lost = |block: usize| match block % height {
        0 => 0.0,
        rest => target.sums_in_flight().div_ceil(vectors).saturating_sub(rest) as f64 / block as f64,
    };
    let tasks = |block: usize| around * rows / block;
    let blocks = divisors(rows).into_iter().filter(|&block| block >= group && tasks(block) <= MOST_TASKS);
    let enough = blocks.filter(|&block| tasks(block) >= SHARED || around * rows / group < SHARED);
    enough.min_by(|&a, &b| lost(a).total_cmp(&lost(b)).then(b.cmp(&a)))
}
