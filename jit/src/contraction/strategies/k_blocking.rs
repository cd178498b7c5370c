//! K-blocking, in the order of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008): a
//! task takes the sums of a block of results in several blocks of the reduced axis and keeps them in scratch memory in
//! between, so that a block of the left operand and the sums stay in the second-level cache, and a strip of the right
//! operand in the first-level one, or with 16 lanes in the second. Both operands are copied to panels. Each sum goes on
//! where it stopped, so that its order is that of one run. It knows tilings and what memory costs; it knows no
//! operation and no epilogue.

use super::emit::Side;
use super::packed_panels::PackedPanels;
use crate::contraction::problem::{Axis, Contraction};
use crate::contraction::tiling::{KBlocking, Level, Steps, Tiling, grid_of};
use crate::cost::cache::{asked, share};
use crate::cost::params::caches::TOGETHER;
use crate::cost::params::k_blocking::{AGAIN, DEEP_AGAIN, DEEP_STRIP, FEWER, PART, PASSING, ROWS, SUMS};
use crate::cost::params::sharing::{ALONE, SHARED};
use crate::cost::params::stalls::{DEEP_LANES, FAR_RUN, HINDERING, HINDERING_AHEAD, LINE, RUN};
use crate::kernel::{Index, KernelBuilder, Operation, Value};
use crate::target::Target;

/// Which block of a sum it is, first or last or in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KBlock {
    /// Whether the sum starts with it.
    pub first: bool,
    /// Whether the sum ends with it.
    pub last: bool,
}

impl KBlock {
    /// The only block.
    pub const WHOLE: KBlock = KBlock { first: true, last: true };
}

/// A tile's part of the places of a vector of sums: that of a row, and where along it the vector starts.
pub type VectorPlace<'a> = (&'a [(usize, i64)], usize);

impl KBlocking {
    /// A tiling, whose tiles take `cycles`, with its sums in blocks; the copies of both operands; and the cycles that
    /// it then takes. `None` where one block is all, where there is more than one reduced axis, or where the rows of a
    /// tile lie along several axes.
    pub fn of(tiling: &Tiling, cycles: f64, target: &Target) -> Option<(Tiling, [PackedPanels; 2], f64)> {
        let axes = &tiling.contraction.axes;
        let vector = tiling.vector.filter(|&v| tiling.fold.is_none() && axes[v].left == 0 && axes[v].right != 0)?;
        // Both panels and blocks are cut along one axis each: the rows of a tile lie along `row`, its sums run along
        // one axis.
        let ([reduce], Some((&row, others))) = (&tiling.reduce[..], tiling.rows.split_last()) else { return None };
        let height = tiling.levels.iter().rfind(|l| l.axis == row)?.size;
        let [all, strip] = tiling.tile();
        let depth = axes[reduce.axis].extent;
        // The first-level cache holds `size x strip` elements of the right operand beside what passes by; or the
        // second-level one does, where they are read from there as fast. Then equal blocks: 1000 products, of which 384
        // fit, go in three blocks of some 334.
        let deep = target.lanes >= DEEP_LANES;
        let bytes = if deep { share(target.l2_bytes, DEEP_STRIP) } else { target.l1_bytes.saturating_sub(PASSING) };
        let most = (bytes / 4 / strip).max(reduce.size);
        let size = depth.div_ceil(depth.div_ceil(most).max(1)).next_multiple_of(reduce.size);
        // Sums beyond those that hide their latency bridge what tiles wait for the second-level cache.
        if all != height || size >= depth || height * strip.div_ceil(target.lanes) <= target.sums_in_flight() {
            return None;
        }
        let (rows, columns) = block([axes[row].extent, axes[vector].extent], size, [height, strip], target)?;

        // for batch, groups, outer rows                       `outer`, `others`: one place each
        //   for block of `rows` rows                          `around`
        //     for block of `columns` columns                  `columns`; so far may be the grid
        //       for block of `size` products                  `KBlocking::block`: the sums are loaded and stored
        //         for strip of the right operand              in a cache (`most`), for all rows of the block
        //           for tile of `height` rows                 packed A passes by from the second-level cache
        //             for product of the block                the microkernel
        let (contraction, around) = tiling.contraction.cut(row, rows);
        let kept = |&&a: &&usize| axes[a].right != 0 && a != vector;
        let mut outer: Vec<usize> = tiling.levels.iter().map(|l| l.axis).collect();
        outer.dedup();
        let single = |&axis: &usize| Level { axis, size: 1 };
        let mut levels: Vec<Level> = outer.iter().filter(kept).chain(others).chain(&around).map(single).collect();
        levels.push(Level { axis: vector, size: columns });
        let outside = levels.len();
        let vector = Level { axis: vector, size: strip };
        levels.extend([vector, Level { axis: row, size: height }]);

        // The loop over blocks of products is never shared out: each block goes on with the sums of the one before.
        let (grid, tasks) = grid_of(&contraction.axes, &levels[..outside]);
        let tiles = rows.div_ceil(height);
        let blocking = KBlocking {
            asked: asked(size * strip, tiles, target),
            ..KBlocking::new(&contraction, Level { axis: reduce.axis, size }, outside, [vector.axis, row], strip)
        };
        let rows = tiling.rows[..others.len()].iter().copied().chain(around).chain([row]).collect();
        let alone = tasks < SHARED && grid_of(axes, &tiling.levels[..tiling.grid]).1 >= SHARED;
        let waits = blocking.cycles(&contraction, [tiles, columns / strip], [height, strip], target);
        // The tiling's own cycles are dearer already if it is alone, too.
        let cycles = (cycles + waits) * if alone { ALONE } else { 1.0 };
        let blocked = Tiling { contraction, rows, levels, grid, k_blocking: Some(blocking), ..tiling.clone() };
        let (left, blocked) = PackedPanels::rows(&blocked)?;
        let (right, blocked) = PackedPanels::right(&blocked)?;
        Some((blocked, [left, right], cycles))
    }

    /// Sums kept as `[other kept axes.., strip of the vector axis, rows of a block, places of the strip]`, so that
    /// those of the strips that a task takes are one run of memory.
    fn new(
        contraction: &Contraction,
        block: Level,
        outside: usize,
        [vector, row]: [usize; 2],
        strip: usize,
    ) -> KBlocking {
        let axes = &contraction.axes;
        let mut strides = vec![0; axes.len()];
        strides[row] = strip as i64;
        // From strip to strip, in parts of a strip.
        strides[vector] = axes[row].extent as i64;
        let mut elements = strip * axes[row].extent * axes[vector].extent.div_ceil(strip);
        for axis in (0..axes.len()).filter(|&a| !axes[a].reduce && a != vector && a != row) {
            strides[axis] = elements as i64;
            elements *= axes[axis].extent;
        }
        KBlocking { block, outside, strides, elements, asked: 0 }
    }

    /// Estimated cycles that the tiles wait for memory and lose by their sums: the tiles of a strip and the strips of a
    /// block, the height and the width of a tile.
    fn cycles(
        &self,
        contraction: &Contraction,
        [tiles, strips]: [usize; 2],
        [height, width]: [usize; 2],
        target: &Target,
    ) -> f64 {
        // cycles = tiles * (depth * (left + right) + (blocks - 1) * (load and store the tile's sums))
        //
        // A step reads `height` elements of packed A, for each tile from the second-level cache and for the first strip
        // of a block from beyond it, and `width` of packed B, which come from beyond it for the first tile of a strip.
        let kept = contraction.axes.iter().filter(|a| !a.reduce).map(|a| a.extent as f64).product::<f64>();
        let depth = contraction.axes[self.block.axis].extent;
        let all = kept / (height * width) as f64;
        let deep = target.lanes >= DEEP_LANES;
        let (hindering, reloading) = if deep { (HINDERING_AHEAD, DEEP_AGAIN) } else { (HINDERING, AGAIN) };
        let again = lines(height) * hindering * RUN;
        let beyond = beyond([tiles, strips], [height, width]);
        let vectors = height * width.div_ceil(target.lanes);
        let blocks = depth.div_ceil(self.block.size) - 1;
        all * (depth as f64 * (again + beyond) + blocks as f64 * (reloading[0] * vectors as f64 + reloading[1]))
    }

    /// The length of the sums in elements.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The blocks of the reduced axis, equal ones as one.
    pub fn blocks(&self, axis: &Axis) -> Vec<(Steps, KBlock)> {
        let size = self.block.size;
        // At least two, else `of` gives none; so the first is never the last. Those between are one loop, as they are
        // alike.
        let (last, rest) = ((axis.extent - 1) / size, axis.extent % size);
        let steps = |start: usize, count: usize, size: usize| Steps { start: start * self.block.size, count, size };
        let all = [
            (steps(0, 1, size), KBlock { first: true, last: false }),
            (steps(1, last - 1, size), KBlock { first: false, last: false }),
            (steps(last, 1, if rest == 0 { size } else { rest }), KBlock { first: false, last: true }),
        ];
        all.into_iter().filter(|(steps, _)| steps.count > 0).collect()
    }

    fn index(&self, sums: &Side, at: &[Index], (row, along): VectorPlace<'_>) -> Index {
        let start = sums.start.clone().shifted(along as i64);
        let index = at.iter().zip(&self.strides).fold(start, |index, (at, &stride)| index.plus_index(at, stride));
        row.iter().fold(index, |index, &(axis, by)| index.shifted(by * self.strides[axis]))
    }

    /// The sums so far of a vector in the tile at a place.
    pub fn load(&self, kernel: &mut KernelBuilder, sums: &Side, at: &[Index], part: VectorPlace<'_>) -> Value {
        // All lanes, also those past the results of a last strip: there is room for whole strips, so that no mask is
        // needed.
        let (index, active) = (self.index(sums, at, part), kernel.lanes());
        kernel.push(Operation::Load { buffer: sums.buffer, index, stride: 1, active })
    }

    /// Keeps them.
    pub fn store(&self, kernel: &mut KernelBuilder, sums: &Side, at: &[Index], part: VectorPlace<'_>, value: Value) {
        let (index, active) = (self.index(sums, at, part), kernel.lanes());
        kernel.store(sums.buffer, index, 1, active, value);
    }
}

/// Lines that so many places are.
fn lines(places: usize) -> f64 {
    places as f64 / LINE as f64
}

/// Cycles that a step of a tile waits for lines from beyond the second-level cache: the tiles of a strip and the strips
/// of a block, the height and the width of a tile.
fn beyond([tiles, strips]: [usize; 2], [height, width]: [usize; 2]) -> f64 {
    FAR_RUN * (lines(height) / strips as f64 + lines(width) / tiles as f64)
}

/// The rows and the columns of a block of results, out of so many, that takes its sums in blocks of `size` products.
fn block(
    [rows, columns]: [usize; 2],
    size: usize,
    [height, strip]: [usize; 2],
    target: &Target,
) -> Option<(usize, usize)> {
    // The second-level cache holds `rows x size` elements of the left operand, at most a part of it, and beside them
    // `rows x columns` sums, a part of their own or, of fewer rows, all that is left. The fewer rows, the more often
    // packed B comes from beyond it, and the more columns, for which packed A comes once.
    let together = share(target.l2_bytes, TOGETHER) / 4;
    let mut best: Option<(f64, usize, usize)> = None;
    let mut most = share(target.l2_bytes, ROWS) / 4 / size;
    while most >= height {
        let Some(rows) = part(rows, most, 1) else { break };
        let sums = if best.is_none() { share(target.l2_bytes, SUMS) / 4 } else { together - rows * size };
        if let Some(columns) = part(columns, sums / rows, strip) {
            let waits = beyond([rows.div_ceil(height), columns.div_ceil(strip)], [height, strip]);
            if best.is_none_or(|(least, ..)| waits < FEWER * least) {
                best = Some((waits, rows, columns));
            }
        }
        most = rows / 2;
    }
    best.map(|(_, rows, columns)| (rows, columns))
}

/// The largest of equal parts of some places that has at most so many and is a whole number of units, if it is not much
/// less; all places where they fit.
fn part(extent: usize, most: usize, unit: usize) -> Option<usize> {
    if extent <= most {
        return Some(extent);
    }
    // The first that leaves nothing over. Below a `PART`-th of what fits the blocks would be too small to be worth it.
    let parts =
        (extent.div_ceil(most.max(1))..).take_while(|parts| PART * (extent / parts) >= most && extent >= *parts);
    parts
        .map(|parts| (parts, extent / parts))
        .find(|&(parts, each)| parts * each == extent && each.is_multiple_of(unit))
        .map(|(_, each)| each)
}

impl Contraction {
    /// The same contraction with a kept axis in blocks of so many places, and the axis of the blocks, which is the last
    /// one. `None` where one block is all.
    fn cut(&self, axis: usize, size: usize) -> (Contraction, Option<usize>) {
        let whole = self.axes[axis];
        let mut cut = self.clone();
        if size == whole.extent {
            return (cut, None);
        }
        // Place `p` of the axis is `p % size` along it and `p / size` along the new one.
        let (by, around) = (size as i64, cut.axes.len());
        cut.axes[axis].extent = size;
        cut.axes.push(Axis { extent: whole.extent / size, left: whole.left * by, right: whole.right * by, ..whole });
        for coordinate in &mut cut.output {
            let along: Vec<(usize, i64)> = coordinate.terms.iter().filter(|term| term.0 == axis).copied().collect();
            coordinate.terms.extend(along.into_iter().map(|(_, factor)| (around, factor * by)));
        }
        (cut, Some(around))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contraction::problem::Coordinate;
    use crate::contraction::strategies::register_tiles;

    /// Products of some rows with a weight: axes of rows, outermost first, then columns and a long sum.
    fn product(rows: &[usize], columns: usize, depth: usize) -> Contraction {
        let mut axes = vec![Axis { extent: columns, left: 0, right: 1, reduce: false }];
        axes.insert(0, Axis { extent: depth, left: 1, right: columns as i64, reduce: true });
        // Between rows there is room, so that no two axes are one.
        let mut left = depth as i64;
        for &extent in rows.iter().rev() {
            axes.insert(0, Axis { extent, left, right: 0, reduce: false });
            left *= extent as i64 + 1;
        }
        let along = |axis| Coordinate { offset: 0, terms: vec![(axis, 1)] };
        let kept = (0..axes.len()).filter(|&axis| !axes[axis].reduce);
        let output: Vec<Coordinate> = kept.map(along).collect();
        Contraction { axes, left: 0, right: 0, fast: output.len() - 1, output }
    }

    /// Whichever axes stand before that of the rows of a tile: the sums of a block's strips are one run, those of a
    /// tile lie row behind row, and no two are one.
    #[test]
    fn sums_of_a_block_are_one_run() {
        let target = Target { l1_bytes: 4 << 10, l2_bytes: 32 << 10, ..Target::with_lanes(8) };
        for rows in [&[48][..], &[3, 48], &[2, 3, 60]] {
            let mut found = 0;
            register_tiles::candidates(
                &product(rows, 128, 512),
                2.0,
                f64::INFINITY,
                register_tiles::Factors::Numbers,
                &target,
                |tiling, cycles, _| {
                    let Some((tiling, ..)) = KBlocking::of(&tiling, cycles, &target) else { return f64::INFINITY };
                    found += 1;
                    let (axes, sums) = (&tiling.contraction.axes, tiling.k_blocking.as_ref().expect("blocks"));
                    let [vector, row] = [tiling.levels[sums.outside], tiling.levels[sums.outside + 1]];
                    assert_eq!(sums.strides[row.axis], vector.size as i64, "{tiling:?}");
                    assert_eq!(sums.strides[vector.axis], axes[row.axis].extent as i64, "{tiling:?}");
                    // From the shortest step on, each axis steps over all that the ones before it span.
                    let mut kept: Vec<usize> = (0..axes.len()).filter(|&axis| !axes[axis].reduce).collect();
                    kept.retain(|&axis| axis != vector.axis && axis != row.axis);
                    kept.sort_by_key(|&axis| sums.strides[axis]);
                    let mut span = vector.size * axes[row.axis].extent * axes[vector.axis].extent.div_ceil(vector.size);
                    for axis in kept {
                        assert_eq!(sums.strides[axis], span as i64, "{tiling:?}");
                        span *= axes[axis].extent;
                    }
                    assert_eq!(span, sums.elements);
                    f64::INFINITY
                },
            );
            assert!(found > 0, "{rows:?}");
        }
    }
}
