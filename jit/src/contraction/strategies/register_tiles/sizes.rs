//! The sizes of tiles: which numbers of rows and vectors fit the registers, how many cycles all tiles of a size take,
//! and which sizes are worth a closer look. It knows no loops around a tile.

use kiln_graph::Few;

use super::{Shape, Sizes, Tile};
use crate::contraction::tiling::{Level, steps};
use crate::cost::compute;
use crate::cost::params::register_tiles::{REST, SHARES, WIDEST, WIDEST_FOLDED};
use crate::cost::params::search::ROUNDING;
use crate::cost::params::stalls::LINE;

/// A number of rows that is a box.
struct Rows {
    rows: usize,
    /// How many tiles of how many rows cover all rows.
    tiles: Few<(usize, usize), 8>,
    /// The part of their vectors that a tile has to load.
    loaded: f64,
    sizes: Sizes,
}

/// A tile that is not chosen yet: its rows by their position in a list of [`Rows`].
struct Estimate {
    cycles: f64,
    vectors: usize,
    rows: usize,
    shares: bool,
    in_panels: bool,
}

impl Shape<'_> {
    /// The part of the vectors of rows that a tile has to load, where it keeps those that a row reads which another one
    /// has read a few products before: windows of neighbouring places overlap.
    fn loaded(&self, sizes: &[usize], unrolled: &[Level]) -> f64 {
        if self.left_load.1 || self.left_load.0 > compute::vector_load(self.target) || self.fold.is_some() {
            return 1.0;
        }
        let rows = self.rows.iter().zip(sizes).map(|(&axis, &size)| (axis, size));
        let iterations = unrolled.iter().map(|level| (level.axis, level.size.min(self.axis(level.axis).extent)));
        // 4 neighbouring pixels under 3 elements read 12 vectors, of which 6 are different: a half has to be loaded.
        let (mut places, mut all) = (vec![0], 1);
        for (axis, size) in rows.chain(iterations) {
            all *= size;
            // How many differ does not depend on the direction, so that they are in order, from 0 on.
            places = moved_along(&places, size, self.axis(axis).left.abs());
        }
        places.len() as f64 / all as f64
    }

    /// Whether the registers hold the sums of a tile and as many vectors of rows.
    fn shares(&self, rows: usize, vectors: usize) -> bool {
        2 * rows * vectors + 1 + self.target.passing_registers() <= self.target.vector_registers
    }

    /// Whether the registers hold the sums of a tile, the factors of its shorter side, and what passes by.
    fn fits(&self, rows: usize, vectors: usize) -> bool {
        rows * vectors + rows.min(vectors) + self.target.passing_registers() <= self.target.vector_registers
    }

    /// The box of `count` rows: inner axes whole, the next in part. `None` where the count is no box.
    fn rows_box(&self, count: usize) -> Option<Sizes> {
        let mut left = count;
        let mut sizes = Sizes::new();
        for &axis in &self.rows {
            // Along axes of 3 and 8 places, 6 rows are 3 x 2 and 4 rows are no box.
            let size = left.min(self.axis(axis).extent);
            if !left.is_multiple_of(size) {
                return None;
            }
            left /= size;
            sizes.push(size);
        }
        (left == 1).then_some(sizes)
    }

    /// How many tiles of how many rows cover all rows, where a box of the given sizes is the largest.
    fn row_tiles(&self, sizes: &[usize]) -> Few<(usize, usize), 8> {
        let mut tiles = Few::from_slice(&[(1, 1)]);
        for (&axis, &size) in self.rows.iter().zip(sizes) {
            let outer = std::mem::take(&mut tiles);
            // 10 places in steps of 4: `(2, 4)` and `(1, 2)`, two tiles of four rows and one of two.
            for step in steps(self.axis(axis).extent, size) {
                for &(count, rows) in &outer {
                    tiles.push((count * step.count, rows * step.size));
                }
            }
        }
        tiles
    }

    /// The fastest tile and, for each number of vectors, the largest tile that is nearly as fast: what it saves by
    /// reading the operands less often shows where their places in memory are known.
    pub(super) fn tiles(&self, nearly: f64) -> Vec<Tile> {
        let width = self.vector.map_or(1, |v| self.axis(v).extent);
        let unrolled = self.unrolled();
        let mut all_rows: Vec<Rows> = Vec::new();
        for rows in 1..=self.target.vector_registers {
            let Some(sizes) = self.rows_box(rows) else { continue };
            // Higher tiles share nothing, however narrow they are.
            let loaded = if self.shares(rows, 1) { self.loaded(&sizes, &unrolled) } else { 1.0 };
            all_rows.push(Rows { rows, tiles: self.row_tiles(&sizes), loaded, sizes });
        }
        let passing = self.is_passing();
        let mut boxes: Vec<Estimate> = Vec::new();
        for vectors in 1..=width.div_ceil(self.unit).min(self.target.lanes.max(WIDEST)) {
            // The folds of a row become one vector: there are no more of them than lanes.
            if self.fold.is_some() && vectors > self.target.lanes.min(WIDEST_FOLDED) {
                break;
            }
            let columns: Few<(usize, usize), 2> =
                steps(width, vectors * self.unit).map(|s| (s.count, s.size.div_ceil(self.unit))).collect();
            let mut number = 0;
            while number < all_rows.len() && self.fits(all_rows[number].rows, vectors) {
                let Rows { rows, tiles, loaded, .. } = &all_rows[number];
                let shares = *loaded < 1.0 && self.shares(*rows, vectors);
                let loaded = if shares { *loaded } else { 1.0 };
                // Several rows that are not whole are as many runs of memory, of which a tile that shares many vectors
                // takes whole lines.
                let shreds = vectors * self.unit < LINE as usize || loaded > SHARES;
                let in_panels = passing && *rows > 1 && vectors * self.unit < width && shreds;
                if !in_panels || shares {
                    let mut cycles = 0.0;
                    for &(across, v) in &columns {
                        for &(down, r) in tiles {
                            cycles += (across * down) as f64 * self.cycles(r, v, loaded);
                        }
                    }
                    // Each smaller tile at an end is one more copy of the loops inside.
                    let rests = tiles.len() * columns.len() - 1;
                    let cycles = cycles * (1.0 + REST * rests as f64);
                    boxes.push(Estimate { cycles, vectors, rows: number, shares, in_panels });
                }
                number += 1;
            }
        }
        // Those in panels alone are chosen beside the others: what rows in runs of memory wait for is not known here.
        let mut chosen = Vec::new();
        self.choose(&boxes, &all_rows, nearly, false, &mut chosen);
        self.choose(&boxes, &all_rows, nearly, true, &mut chosen);
        chosen
    }

    /// Of some tiles, which come by their vectors and then by their rows, the fastest one and, for each number of
    /// vectors, the largest that is nearly as fast.
    fn choose(&self, boxes: &[Estimate], rows: &[Rows], nearly: f64, in_panels: bool, chosen: &mut Vec<Tile>) {
        let tile = |number: usize| {
            let Estimate { cycles, vectors, rows: row, shares, in_panels } = boxes[number];
            Tile { cycles, vectors, sizes: rows[row].sizes.clone(), shares, in_panels }
        };
        let (mut fastest, mut least) = (None, f64::INFINITY);
        for (number, estimate) in boxes.iter().enumerate() {
            if estimate.in_panels == in_panels && (fastest.is_none() || estimate.cycles < least) {
                (fastest, least) = (Some(number), estimate.cycles);
            }
        }
        let Some(fastest) = fastest else {
            assert!(in_panels, "one row of one vector always fits");
            return;
        };
        debug_assert!(least * self.repeats() >= self.least() * (1.0 - ROUNDING), "{}", self.least());
        chosen.push(tile(fastest));
        // What memory takes is not known here. Of tiles that are nearly as fast, the tallest of each width reads the
        // right operand least often: one for each width, and `look` judges.
        let mut tallest: Option<usize> = None;
        for (number, estimate) in boxes.iter().enumerate() {
            if estimate.in_panels != in_panels || number == fastest || estimate.cycles > nearly * least {
                continue;
            }
            if let Some(before) = tallest.filter(|&before| boxes[before].vectors != estimate.vectors) {
                chosen.push(tile(before));
            }
            tallest = Some(number);
        }
        chosen.extend(tallest.map(tile));
    }
}

/// Different places, in order, at each step along an axis: those that differ, in order. There is a place at least, and
/// the stride is not negative. The places of each step are merged into those so far, and not a set of all made: this is
/// done for each number of rows of each product.
fn moved_along(places: &[i64], size: usize, stride: i64) -> Vec<i64> {
    debug_assert!(!places.is_empty() && stride >= 0, "{places:?}, steps of {stride}");
    let mut moved = places.to_vec();
    let (mut start, mut by) = (0, 0);
    for _ in 1..size {
        by += stride;
        // The places so far that one of this step may be stand at the end.
        while start < moved.len() && moved[start] < places[0] + by {
            start += 1;
        }
        let mut at = start;
        for &place in places {
            while at < moved.len() && moved[at] < place + by {
                at += 1;
            }
            if at == moved.len() {
                moved.push(place + by);
            } else if moved[at] != place + by {
                moved.insert(at, place + by);
            }
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::moved_along;

    /// The places are those of a set of the standard library, in order.
    #[test]
    fn places_that_differ_are_found_once() {
        for first in [&[0][..], &[0, 1, 2], &[0, 10, 20, 100], &[0, 3, 64, 67, 128, 131]] {
            for size in 1..8 {
                for stride in [0, 1, 2, 3, 7, 10, 32, 64, 1000] {
                    let all = (0..size as i64).flat_map(|step| first.iter().map(move |place| place + step * stride));
                    let expected: Vec<i64> = all.collect::<BTreeSet<i64>>().into_iter().collect();
                    assert_eq!(moved_along(first, size, stride), expected, "{first:?}, {size} steps of {stride}");
                }
            }
        }
    }
}
