//! Estimates how long a tiling's multiply-adds wait for memory: which strips and rows they read in which order. What
//! fetching them takes is `crate::cost::cache`'s. It knows tilings; it makes none, and writes no kernels.

use std::cell::{LazyCell, RefCell};

use rustc_hash::FxHashMap;

use super::problem::{Axis, Contraction};
use super::tiling::{Ahead, Level, Tiling};
use crate::cost::cache::{Fetched, Run, again, asked, beyond_ways, crowded, holds, lines, looked_at};
use crate::cost::params::caches::{STAYING, TOGETHER, WHOLE};
use crate::cost::params::stalls::{
    CROWDED, DEEP_LANES, FAR_AGAIN, FAR_LINE, FAR_RUN, HIDDEN, HINDERING, HINDERING_AHEAD, HINDERING_FAR, ITERATIONS,
    LINE, PAGE, PLACES, STILL_THERE, STRADDLING,
};
use crate::target::{Target, ways};

/// Estimates for the tilings of contractions, most of which read an operand in the same order as others.
pub struct Stalls<'a> {
    pub target: &'a Target,
    known: RefCell<FxHashMap<Reading, Fetched>>,
}

/// What decides on the cycles that one product waits for an operand: for the right one the reduced axes and the strip,
/// for the left one the reduced axes, the rows and the elements of a block; axes as extents and strides.
#[derive(PartialEq, Eq, Hash)]
struct Reading {
    reduce: Vec<(usize, i64)>,
    kept: Vec<(usize, i64)>,
    block: Option<usize>,
}

impl<'a> Stalls<'a> {
    /// None yet.
    pub fn new(target: &'a Target) -> Stalls<'a> {
        Stalls { target, known: RefCell::default() }
    }

    /// Estimated cycles that a tiling's multiply-adds, which take `computing` cycles, wait: for the right operand,
    /// whose strip is read again for each tile of rows, and for the left one, whose rows are read again for each strip.
    /// Where it is the right operand's alone already, anything from `most` on.
    pub fn cycles(&self, tiling: &Tiling, computing: f64, most: f64) -> f64 {
        let contraction = &tiling.contraction;
        // A step is one product for each sum of a tile. All is counted by the step: lines that a step reads and waits
        // for.
        let depth = depth(contraction);
        let iterations = products(tiling);
        let step = computing / iterations.max(1.0);
        let hindering = if tiling.ahead.lines > 0 { HINDERING_AHEAD } else { HINDERING };
        let mut right = self.right(tiling);
        if !tiling.by_rows && tiling.ahead.lines == 0 && self.is_passing(tiling, depth) {
            // A step reads one place of the strip's depth: `strip` elements, that is so many lines.
            right.waiting += FAR_AGAIN * strip(tiling) as f64 / LINE as f64;
        }
        if tiling.ahead.lines > 0 {
            // Lines that a tile asks for in a step come beside its products, unless these are faster.
            let fetching = FAR_LINE * tiling.ahead.lines as f64 / depth as f64;
            right.waiting += HINDERING_FAR * fetching + (fetching - HIDDEN * step).max(0.0);
        }
        // The left operand can only add to it, so that there is no need to look at it.
        if iterations * right.within(step, hindering) >= most {
            return iterations * right.within(step, hindering);
        }
        let channels = tiling.vector.filter(|&axis| contraction.axes[axis].left != 0);
        let left = match (tiling.by_rows, channels) {
            (false, _) => self.left(tiling),
            (true, None) => panel(tiling, self.target),
            (true, Some(axis)) => panel_of_channels(tiling, axis, self.target),
        };
        iterations
            * (right.beside(left).within(step, hindering) + self.straddling(tiling, step) + self.crowding(tiling))
    }

    /// What each tile asks for. Of the right operand nothing where all strips stay in the second-level cache beside the
    /// rows that they meet, and are there already; its results where they are not there.
    pub fn ahead(&self, tiling: &Tiling) -> Ahead {
        let axes = &tiling.contraction.axes;
        if self.target.lanes < DEEP_LANES || tiling.by_rows || tiling.fold.is_some() || tiling.converted.is_any() {
            return Ahead::default();
        }
        let block = block(tiling);
        let of_all = |kept: fn(&Axis) -> bool| axes.iter().filter(|axis| kept(axis)).map(|axis| axis.extent).product();
        let (all, results): (usize, usize) = (of_all(|axis| axis.right != 0), of_all(|axis| !axis.reduce));
        // Packed B has most often just been made; what lies otherwise was read or written last by another kernel.
        let share = if tiling.panels[1].is_some() { TOGETHER } else { STILL_THERE };
        let stays = holds(self.target.l2_bytes, share, all + tiling.contraction.left_elements(&block));
        let lines_of_place = tiling.reads_lines().map(|_| tiling.tile()[1] / LINE as usize);
        let lines = if stays || tiling.panels[1].is_none() && lines_of_place.is_none() {
            0
        } else {
            let tiles = tiling.inside().iter().map(|l| block[l.axis].div_ceil(l.size)).product();
            let lines = asked(strip(tiling) * depth(&tiling.contraction), tiles, self.target);
            // As it lies all lines at some places.
            lines.next_multiple_of(lines_of_place.unwrap_or(1))
        };
        Ahead { lines, results: !holds(self.target.l2_bytes, STILL_THERE, results) }
    }

    /// What loads of the right operand that straddle two lines take beyond a step's cycles. Vectors as long as a line
    /// do so wherever they do not begin with one: where channels are no multiple of the lanes, most of them.
    fn straddling(&self, tiling: &Tiling, step: f64) -> f64 {
        let contraction = &tiling.contraction;
        let Some(vector) = tiling.vector.filter(|_| tiling.fold.is_none() && tiling.panels[1].is_none()) else {
            return 0.0;
        };
        if self.target.lanes != LINE as usize || contraction.axes[vector].right != 1 {
            return 0.0;
        }
        // Steps of 20 elements begin at 0, 4, 8 and 12 of 16: one in four straddles no line.
        let others = contraction.axes.iter().enumerate().filter(|&(at, axis)| at != vector && axis.extent > 1);
        let apart = others.fold(LINE, |apart, (_, axis)| common(apart, axis.right));
        let share = 1.0 - common(apart, contraction.right) as f64 / LINE as f64;
        let [rows, width] = tiling.tile();
        let vectors = width.div_ceil(self.target.lanes) as f64;
        let loads = vectors * (1.0 + STRADDLING * share) + rows as f64;
        (loads / self.target.loads as f64 - step).max(0.0)
    }

    /// What loads of the rows of a tile take beyond a step's cycles where so many of their lines fall on one set of the
    /// first-level cache that each step finds some of them in the second-level one: 30 rows of 2 KiB on two sets.
    fn crowding(&self, tiling: &Tiling) -> f64 {
        let (contraction, target) = (&tiling.contraction, self.target);
        let [rows, width] = tiling.tile();
        if target.lanes < DEEP_LANES
            || rows <= ways(target.l1_bytes)
            || tiling.fold.is_some()
            || tiling.panels[0].is_some()
            || tiling.converted.is_any()
        {
            // Copied rows lie apart as they should.
            return 0.0;
        }
        let of_row = |l: &Level| (l.size.min(contraction.axes[l.axis].extent) as i64, contraction.axes[l.axis].left);
        let of_rows = tiling.inside().iter().map(of_row).collect();
        let lost = CROWDED * beyond_ways(&lines(of_rows, 1), target.l1_bytes) as f64;
        let vectors = width.div_ceil(target.lanes);
        let loads = (rows + vectors) as f64 / target.loads as f64;
        let products = (rows * vectors) as f64 / target.multiply_adds as f64;
        (loads + lost - products.max(loads)).max(0.0)
    }

    fn once(&self, reading: Reading, cycles: impl FnOnce() -> Fetched) -> Fetched {
        *self.known.borrow_mut().entry(reading).or_insert_with(cycles)
    }

    /// What one product of each sum of a tile needs of the right operand.
    fn right(&self, tiling: &Tiling) -> Fetched {
        let axes = &tiling.contraction.axes;
        let reduce = reduced(tiling, |axis| axis.right);
        let strip = tiling.vector.map(|vector| (strip(tiling), axes[vector].right));
        let reading = Reading { reduce: reduce.clone(), kept: strip.into_iter().collect(), block: None };
        self.once(reading, || {
            // A sample: the innermost iterations, up to `PLACES` of them. `over` makes it cycles a step again.
            let (iterations, mut axes) = looked_at(&reduce, PLACES);
            let (width, stride) = strip.map_or((1, 1), |(width, stride)| (width as i64, stride));
            // A strip of neighbours is one run of `width` elements at each iteration, any other is `width` runs of one.
            let (count, run) = if stride == 1 { (1, width) } else { (width, 1) };
            axes.push((count, stride));
            again(&lines(axes, run), |lines, cache| crowded(lines, cache, self.target), None, self.target)
                .over(iterations)
        })
    }

    /// Whether a strip of the right operand leaves the second-level cache before its next tile comes: where it, what is
    /// left of the one before it and the rows that they meet take more than they may together. One that is longer is
    /// counted where it is read.
    fn is_passing(&self, tiling: &Tiling, depth: usize) -> bool {
        let contraction = &tiling.contraction;
        // The limit is for two strips, the one in use and what is left of the one before it, beside the rows.
        let rows = contraction.left_elements(&block(tiling));
        let strip = strip(tiling) * depth;
        let stays = |elements: usize| holds(self.target.l2_bytes, TOGETHER, elements);
        stays(strip) && !stays(2 * strip + rows)
    }

    /// What one product of each sum of a tile needs of the left operand.
    fn left(&self, tiling: &Tiling) -> Fetched {
        let contraction = &tiling.contraction;
        let inside = tiling.inside();
        let reduce = reduced(tiling, |axis| axis.left);
        let rows: Vec<(usize, i64)> = inside.iter().map(|l| (l.size, contraction.axes[l.axis].left)).collect();
        // A left operand that varies along the lanes, such as the weights of one row, is read in runs of a strip, each
        // line once, from where the whole operand lies.
        let along = tiling.vector.filter(|_| self.target.lanes >= DEEP_LANES && tiling.fold.is_none());
        let (run, places) = match along.is_some_and(|vector| contraction.axes[vector].left == 1) {
            true => (strip(tiling), contraction.axes.iter().map(|axis| axis.extent).collect()),
            false => (1, block(tiling)),
        };
        let elements = contraction.left_elements(&places);
        let kept = rows.iter().copied().chain([(run, 1)]).collect();
        let reading = Reading { reduce: reduce.clone(), kept, block: Some(elements) };
        self.once(reading, || {
            // Those of one row are what the next tile finds again.
            let row = LazyCell::new(|| lines(looked_at(&reduce, PLACES).1, run as i64));
            // If a cache does not hold the rows of a block, all of their lines are fetched again for the next strip.
            // Else only lines that crowd a few sets are.
            let beyond = |_: &[Run], cache: usize| {
                if holds(cache, TOGETHER, elements) { crowded(&row, cache, self.target) } else { 1.0 }
            };
            let (iterations, mut axes) = looked_at(&reduce, ITERATIONS);
            axes.extend(looked_at(&rows, ITERATIONS).1);
            again(&lines(axes, run as i64), beyond, Some(elements / PAGE as usize), self.target).over(iterations)
        })
    }
}

/// The greatest common divisor.
fn common(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { common(b, a % b) }
}

/// The places along each axis that the tiles of a strip meet.
fn block(tiling: &Tiling) -> Vec<usize> {
    let axes = &tiling.contraction.axes;
    let inside = tiling.inside();
    let outside = &tiling.levels[..tiling.levels.len() - inside.len()];
    let mut block: Vec<usize> = axes.iter().map(|a| if a.reduce { a.extent } else { 1 }).collect();
    for level in inside {
        // An axis that is cut twice (blocks of 48 rows, tiles of 6) spans a step of its outer level here.
        let around = outside.iter().rev().find(|l| l.axis == level.axis);
        block[level.axis] = around.map_or(axes[level.axis].extent, |l| l.size);
    }
    block
}

/// The places of a strip.
fn strip(tiling: &Tiling) -> usize {
    let level = tiling.levels.iter().find(|l| Some(l.axis) == tiling.vector);
    level.map_or(1, |level| level.size.min(tiling.contraction.axes[level.axis].extent))
}

/// What one product of each sum of a tile needs of the left operand's panel, one dense run that the tiles of all other
/// rows read one after the other.
fn panel(tiling: &Tiling, target: &Target) -> Fetched {
    let axes = &tiling.contraction.axes;
    let (first, others) = tiling.rows.split_last().expect("a panel along the innermost row axis");
    let size = |axis: usize| tiling.levels.iter().find(|l| l.axis == axis).map_or(1, |l| l.size);
    let reduced = || tiling.reduce.iter().map(|l| l.axis);
    let iterations: usize = reduced().map(|a| axes[a].extent).product();
    let span = reduced().chain(others.iter().copied());
    let panel: usize = 1 + span.map(|a| (axes[a].extent - 1) * axes[a].left.unsigned_abs() as usize).sum::<usize>();
    // Panel and strip stay in the first-level cache together: the panel then comes once for all tiles of other rows.
    let stays = holds(target.l1_bytes, WHOLE, panel + iterations * tiling.vector.map_or(1, size));
    let reuse: usize = others.iter().map(|&a| axes[a].extent).product();
    let reads = if stays { 1.0 / reuse as f64 } else { 1.0 };
    // All panels of the operand together: do they come from beyond the second-level cache?
    let far = !holds(target.l2_bytes, STAYING, panel * axes[*first].extent.div_ceil(size(*first)));
    let lines = reads * size(*first) as f64 / LINE as f64;
    Fetched { runs: lines, waiting: if far { lines * FAR_RUN / reuse as f64 } else { 0.0 } }
}

/// The same of a panel of channels, whose pixels the tiles of a strip read one after the other.
fn panel_of_channels(tiling: &Tiling, channels: usize, target: &Target) -> Fetched {
    let contraction = &tiling.contraction;
    let mut extents: Vec<usize> = contraction.axes.iter().map(|a| if a.reduce { a.extent } else { 1 }).collect();
    let depth: usize = extents.iter().product();
    extents[channels] = strip(tiling);
    // What the tiles of a row of pixels meet stays in the first-level cache, beside the strip: the next row meets most of
    // it again, and each line comes once.
    if let Some(&row) = tiling.rows.last() {
        extents[row] = contraction.axes[row].extent;
    }
    let stays = holds(target.l1_bytes, WHOLE, contraction.left_elements(&extents) + depth * strip(tiling));
    tiling.rows.iter().for_each(|&row| extents[row] = contraction.axes[row].extent);
    let panel = contraction.left_elements(&extents) as f64;
    let steps = tiles(tiling) / contraction.axes[channels].extent.div_ceil(strip(tiling)) as f64 * depth as f64;
    let [rows, width] = tiling.tile();
    let lines = if stays { panel / LINE as f64 / steps } else { (rows * width) as f64 / LINE as f64 };
    let all = panel as usize * contraction.axes[channels].extent.div_ceil(strip(tiling));
    let far = !holds(target.l2_bytes, STAYING, all);
    Fetched { runs: lines, waiting: if far { FAR_RUN * panel / LINE as f64 / steps } else { 0.0 } }
}

/// The terms of a sum.
fn depth(contraction: &Contraction) -> usize {
    contraction.axes.iter().filter(|a| a.reduce).map(|a| a.extent).product()
}

/// How often a tile takes one product for each of its sums, in all tiles.
pub fn products(tiling: &Tiling) -> f64 {
    tiles(tiling) * depth(&tiling.contraction) as f64
}

/// The number of tiles.
fn tiles(tiling: &Tiling) -> f64 {
    // Of an axis with two levels the inner one counts: its steps are the tiles.
    let innermost = |at: usize| tiling.levels[at + 1..].iter().all(|l| l.axis != tiling.levels[at].axis);
    let count = |at: usize| {
        let level = tiling.levels[at];
        tiling.contraction.axes[level.axis].extent.div_ceil(level.size) as f64
    };
    (0..tiling.levels.len()).filter(|&at| innermost(at)).map(count).product()
}

/// The extents of the reduced axes and their strides in an operand.
fn reduced(tiling: &Tiling, stride: fn(&Axis) -> i64) -> Vec<(usize, i64)> {
    let axis = |axis: usize| &tiling.contraction.axes[axis];
    tiling.reduce.iter().map(|l| (axis(l.axis).extent, stride(axis(l.axis)))).collect()
}
