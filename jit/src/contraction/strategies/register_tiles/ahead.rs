//! What a tile asks for while its products are taken: its share of the next strip of the right operand, which then is
//! in the second-level cache when its first tile comes, and the lines of its own results. It decides nothing.

use crate::contraction::strategies::emit::Side;
use crate::contraction::strategies::position::Position;
use crate::contraction::tiling::{Level, Tiling};
use crate::cost::params::stalls::LINE;
use crate::kernel::{BufferId, Index, KernelBuilder, Variable};

/// Lines at equal distances that are still to be asked for by a loop over a tile's products.
#[derive(Clone)]
pub struct Asking {
    /// Where they lie.
    pub buffer: BufferId,
    /// A place on the first of them.
    pub first: Index,
    /// From one to the next, in elements.
    pub distance: i64,
    /// How many.
    pub lines: usize,
}

impl Asking {
    /// The share of the next strip of a tile at a place, in a strip whose first tile stands at another one. Nothing where
    /// it asks for nothing.
    pub fn next_strip(tiling: &Tiling, right: &Side, strip: &Position, tile: &Position) -> Vec<Asking> {
        let (lines, width) = (tiling.asked(), tiling.tile()[1]);
        if lines == 0 {
            return Vec::new();
        }
        let number = number(tiling, strip, tile);
        let axes = &tiling.contraction.axes;
        // The next strip begins `width` places on. Behind the last one there is none; a prefetch may ask for any place.
        let along = |axis: usize| match tiling.panels[1] {
            Some(panels) if panels.axis == axis => panels.distance,
            _ => axes[axis].right,
        };
        let next = tiling.vector.map_or(0, |vector| along(vector) * width as i64);
        let start = right.start.clone().shifted(tiling.contraction.right + next);
        let start = tile.at.iter().enumerate().fold(start, |first, (axis, at)| first.plus_index(at, along(axis)));
        // Packed B is one run, in which each tile has its share; as it lies the strip is a few lines at each place of
        // the reduced axis, and a tile's share are those at some of the places:
        //
        //     strip in use   next one
        //     [####] [####]  [aaaa] [bbbb]      tile 0 asks for the lines a, each time one, and for the lines b
        //     [####] [####]  [aaaa] [bbbb]
        //     [####] [####]  [cccc] [dddd]      tile 1 for c and d
        let Some(axis) = tiling.reads_lines() else {
            let first = start.plus_index(&number, lines as i64 * LINE);
            return vec![Asking { buffer: right.buffer, first, distance: LINE, lines }];
        };
        let distance = axes[axis].right;
        let places = lines / (width / LINE as usize);
        let first = start.plus_index(&number, places as i64 * distance);
        let lines_of_place = (0..width as i64).step_by(LINE as usize);
        let asking =
            |by: i64| Asking { buffer: right.buffer, first: first.clone().shifted(by), distance, lines: places };
        lines_of_place.map(asking).collect()
    }

    /// The part of a step of a loop that makes so many.
    pub fn part(&self, step: Variable, steps: usize) -> Asking {
        let lines = self.lines.div_ceil(steps);
        Asking { first: self.first.clone().plus(step, lines as i64 * self.distance), lines, ..self.clone() }
    }

    /// Asks for all of them.
    pub fn ask(&self, kernel: &mut KernelBuilder) {
        for line in 0..self.lines as i64 {
            kernel.prefetch(self.buffer, self.first.clone().shifted(line * self.distance));
        }
    }
}

/// Whether of the loops over a tile's products the first one is the innermost, and those inside are unrolled.
pub fn is_innermost(levels: &[Level], tile: &Position) -> bool {
    levels[1..].iter().all(|level| tile.extent[level.axis] <= level.size)
}

/// Which tile of a strip it is.
fn number(tiling: &Tiling, strip: &Position, tile: &Position) -> Index {
    tiling.inside().iter().fold(Index::default(), |number, level| {
        let (before, at) = (&strip.at[level.axis], &tile.at[level.axis]);
        let size = level.size as i64;
        let mut step = Index::at((at.offset - before.offset) / size);
        for &(variable, places) in at.terms.iter().filter(|term| !before.terms.contains(term)) {
            step = step.plus(variable, places / size);
        }
        step.plus_index(&number, strip.extent[level.axis].div_ceil(level.size) as i64)
    })
}
