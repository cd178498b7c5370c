//! Estimates how long a tiling's multiply-adds wait for memory. Of the machine it knows the caches' sizes; the rest
//! is what current processors have in common: lines of 64 bytes, 8 strategies, pages of 4 KiB, prefetchers that follow runs.

use std::cell::{LazyCell, RefCell};

use rustc_hash::FxHashMap;

use super::problem::Axis;
use super::tiling::{Level, Tiling};
use crate::cost::params::{FAR_RUN, HINDERING, LINE, RUN};
use crate::target::Target;

/// Elements of a page, a whole number of lines.
const PAGE: i64 = 1024;
/// Ways of a cache that one operand may fill.
const WAYS: u32 = 6;
/// Pages that are found without a walk.
const PAGES: usize = 64;
/// Cycles that a line takes of the products' time where several runs alternate.
const ALTERNATING: f64 = 0.3;
/// The part of the products' time that lines of dense runs may take without a wait.
const HIDDEN: f64 = 0.92;
/// Cycles that a line among others takes.
const SCATTERED: f64 = 1.2;
/// Cycles more that a line takes which leaves the second-level cache between two tiles: prefetchers see it come, but the last-level
/// cache has others to serve.
const FAR_AGAIN: f64 = 1.25;
/// Cycles more that a line among others from there takes.
const FAR_SCATTERED: f64 = 6.0;
/// Cycles that a page takes, where there are more than [`PAGES`].
const WALK: f64 = 4.0;
/// Places looked at, at most.
const PLACES: usize = 1 << 10;
/// Turns of the innermost loops over which the left operand's lines are counted.
const TURNS: usize = 64;

/// Estimates for the tilings of contractions, most of which read an operand in the same order as others.
pub struct Stalls<'a> {
    pub target: &'a Target,
    known: RefCell<FxHashMap<Reading, Fetched>>,
}

/// What one product of each sum of a tile needs of memory.
#[derive(Clone, Copy)]
struct Fetched {
    /// Lines of dense runs from the second-level cache.
    runs: f64,
    /// Cycles of waiting for all else.
    waiting: f64,
}

impl Fetched {
    fn beside(self, other: Fetched) -> Fetched {
        Fetched { runs: self.runs + other.runs, waiting: self.waiting + other.waiting }
    }

    fn over(self, turns: usize) -> Fetched {
        Fetched { runs: self.runs / turns as f64, waiting: self.waiting / turns as f64 }
    }

    /// Cycles of waiting, where the products take so many.
    fn within(self, step: f64) -> f64 {
        let fetching = RUN * self.runs;
        self.waiting + HINDERING * fetching + (fetching - HIDDEN * step).max(0.0)
    }
}

/// What decides on the cycles that one product waits for an operand: for the right one the reduced axes and the strip, for the
/// left one the reduced axes, the rows and the elements of a block; axes as extents and strides.
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

    /// Estimated cycles that a tiling's multiply-adds, which take `computing` cycles, wait: for the right operand, whose strip is read again for each tile of
    /// rows, and for the left one, whose rows are read again for each strip. Where it is the right operand's alone already,
    /// anything from `most` on.
    pub fn cycles(&self, tiling: &Tiling, computing: f64, most: f64) -> f64 {
        let contraction = &tiling.contraction;
        let depth: usize = contraction.axes.iter().filter(|a| a.reduce).map(|a| a.extent).product();
        let turns = tiles(tiling) * depth as f64;
        let step = computing / turns.max(1.0);
        let mut right = self.right(tiling);
        if !tiling.by_rows && self.is_passing(tiling, depth) {
            right.waiting += FAR_AGAIN * strip(tiling) as f64 / LINE as f64;
        }
        if turns * right.within(step) >= most {
            return turns * right.within(step);
        }
        let left = if tiling.by_rows { panel(tiling, self.target) } else { self.left(tiling) };
        turns * right.beside(left).within(step)
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
            let (turns, mut axes) = looked_at(&reduce, PLACES);
            let (width, stride) = strip.map_or((1, 1), |(width, stride)| (width as i64, stride));
            let (count, run) = if stride == 1 { (1, width) } else { (width, 1) };
            axes.push((count, stride));
            again(&lines(axes, run), crowded, None, self.target).over(turns)
        })
    }

    /// Whether a strip of the right operand leaves the second-level cache before its next tile comes: where it, what is left of
    /// the one before it and the rows that they meet take more than three quarters of it. One that is longer is counted where it
    /// is read.
    fn is_passing(&self, tiling: &Tiling, depth: usize) -> bool {
        let contraction = &tiling.contraction;
        let rows = contraction.left_elements(&block(tiling));
        let (strip, most) = (strip(tiling) * depth, self.target.l2_bytes / 4 * 3);
        4 * strip <= most && 4 * (2 * strip + rows) > most
    }

    /// What one product of each sum of a tile needs of the left operand.
    fn left(&self, tiling: &Tiling) -> Fetched {
        let contraction = &tiling.contraction;
        let inside = inside(tiling);
        let elements = contraction.left_elements(&block(tiling));
        let reduce = reduced(tiling, |axis| axis.left);
        let rows: Vec<(usize, i64)> = inside.iter().map(|l| (l.size, contraction.axes[l.axis].left)).collect();
        let reading = Reading { reduce: reduce.clone(), kept: rows.clone(), block: Some(elements) };
        self.once(reading, || {
            // Those of one row are what the next tile finds again.
            let row = LazyCell::new(|| lines(looked_at(&reduce, PLACES).1, 1));
            let beyond =
                |_: &[Run], cache: usize| if 4 * elements > cache / 4 * 3 { 1.0 } else { crowded(&row, cache) };
            let (turns, mut axes) = looked_at(&reduce, TURNS);
            axes.extend(looked_at(&rows, TURNS).1);
            again(&lines(axes, 1), beyond, Some(elements / PAGE as usize), self.target).over(turns)
        })
    }
}

/// The levels inside of the loop along the vector axis.
fn inside(tiling: &Tiling) -> &[Level] {
    let at = tiling.levels.iter().position(|l| Some(l.axis) == tiling.vector).map_or(0, |at| at + 1);
    &tiling.levels[at..]
}

/// The places along each axis that the tiles of a strip meet.
fn block(tiling: &Tiling) -> Vec<usize> {
    let axes = &tiling.contraction.axes;
    let inside = inside(tiling);
    let outside = &tiling.levels[..tiling.levels.len() - inside.len()];
    let mut block: Vec<usize> = axes.iter().map(|a| if a.reduce { a.extent } else { 1 }).collect();
    for level in inside {
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

/// What one product of each sum of a tile needs of the left operand's panel, one dense run that the tiles of all other rows read
/// one after the other.
fn panel(tiling: &Tiling, target: &Target) -> Fetched {
    let axes = &tiling.contraction.axes;
    let (first, others) = tiling.rows.split_last().expect("a panel along the innermost row axis");
    let size = |axis: usize| tiling.levels.iter().find(|l| l.axis == axis).map_or(1, |l| l.size);
    let reduced = || tiling.reduce.iter().map(|l| l.axis);
    let turns: usize = reduced().map(|a| axes[a].extent).product();
    let span = reduced().chain(others.iter().copied());
    let panel: usize = 1 + span.map(|a| (axes[a].extent - 1) * axes[a].left.unsigned_abs() as usize).sum::<usize>();
    let stays = 4 * (panel + turns * tiling.vector.map_or(1, size)) <= target.l1_bytes;
    let reuse: usize = others.iter().map(|&a| axes[a].extent).product();
    let reads = if stays { 1.0 / reuse as f64 } else { 1.0 };
    let far = 4 * panel * axes[*first].extent.div_ceil(size(*first)) > target.l2_bytes / 2;
    let lines = reads * size(*first) as f64 / LINE as f64;
    Fetched { runs: lines, waiting: if far { lines * FAR_RUN / reuse as f64 } else { 0.0 } }
}

/// The number of tiles.
fn tiles(tiling: &Tiling) -> f64 {
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

/// As many places of axes of some extents and strides, from the last one outwards, as it makes sense to look at: how many, and
/// their extents and strides.
fn looked_at(axes: &[(usize, i64)], most: usize) -> (usize, Vec<(i64, i64)>) {
    let mut places = 1;
    let axis = |&(extent, stride): &(usize, i64)| {
        let extent = extent.min(most / places).max(1);
        places *= extent;
        (extent as i64, stride)
    };
    let axes = axes.iter().rev().map(axis).collect();
    (places, axes)
}

/// The first and the last of lines that follow one another.
type Run = (i64, i64);

/// The different lines on which runs of some length lie, one at each place that axes of some extents and strides span, in order.
fn lines(mut axes: Vec<(i64, i64)>, run: i64) -> Vec<Run> {
    axes.sort_by_key(|&(_, stride)| stride.abs());
    // The first and the last place of spans; between them no line is left out.
    let mut spans = vec![(0, run - 1)];
    for (extent, stride) in axes {
        let moved = (extent - 1) * stride;
        match spans[..] {
            [(first, last)] if stride.abs() <= last - first + LINE => {
                spans = vec![(first + moved.min(0), last + moved.max(0))];
            }
            _ => {
                let mut all = Vec::with_capacity(spans.len() * extent.max(0) as usize);
                for by in (0..extent).map(|turn| turn * stride) {
                    all.extend(spans.iter().map(|(first, last)| (first + by, last + by)));
                }
                spans = all;
            }
        }
    }
    spans.iter_mut().for_each(|(first, last)| (*first, *last) = (first.div_euclid(LINE), last.div_euclid(LINE)));
    if !spans.is_sorted() {
        spans.sort_unstable();
    }
    let mut lines: Vec<Run> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match lines.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => lines.push((first, last)),
        }
    }
    lines
}

/// How many lines there are.
fn count(lines: &[Run]) -> i64 {
    lines.iter().map(|(first, last)| last - first + 1).sum()
}

/// What it takes to read lines again, of which shares do not stay in the first-level and the second-level cache.
fn again(lines: &[Run], beyond: impl Fn(&[Run], usize) -> f64, all_pages: Option<usize>, target: &Target) -> Fetched {
    let dense = is_dense(lines);
    let page = |line: i64| line.div_euclid(PAGE / LINE);
    let within = lines.iter().map(|&(first, last)| page(last) - page(first)).sum::<i64>() as usize;
    let pages = 1 + within + lines.windows(2).filter(|pair| page(pair[0].1) != page(pair[1].0)).count();
    // The lines that follow another one are a run, which prefetchers see.
    let count = count(lines) as f64;
    let runs = if count == 1.0 { 1.0 } else { (count - lines.len() as f64) / (count - 1.0) };
    let near = count * beyond(lines, target.l1_bytes);
    let far = count * beyond(lines, target.l2_bytes) * (runs * FAR_RUN + (1.0 - runs) * FAR_SCATTERED);
    let walks = if all_pages.unwrap_or(pages) > PAGES { WALK * pages as f64 } else { 0.0 };
    let walks = if dense { 0.0 } else { walks };
    let waiting = far + walks;
    match dense {
        true => Fetched { runs: near, waiting },
        false => Fetched { runs: 0.0, waiting: waiting + near * (runs * ALTERNATING + (1.0 - runs) * SCATTERED) },
    }
}

/// The share of some lines that do not stay in a cache, since too many of them fall on one set.
fn crowded(lines: &[Run], bytes: usize) -> f64 {
    let (count, all) = (bytes / (4 * LINE as usize) / 8, count(lines));
    if is_dense(lines) {
        let (each, more) = ((all as usize / count) as u32, all as usize % count);
        let over = |on_a_set: u32, sets: usize| if on_a_set > WAYS { on_a_set as usize * sets } else { 0 };
        return (over(each, count - more) + over(each + 1, more)) as f64 / all as f64;
    }
    if all <= i64::from(WAYS) {
        return 0.0;
    }
    let mut sets = vec![0u32; count];
    let mask = count.is_power_of_two().then(|| count - 1);
    for &(first, last) in lines {
        for line in first..last + 1 {
            sets[mask.map_or_else(|| line.rem_euclid(count as i64) as usize, |mask| line as usize & mask)] += 1;
        }
    }
    let over: u32 = sets.iter().filter(|&&count| count > WAYS).sum();
    f64::from(over) / all as f64
}

/// Whether different lines in order are one run.
fn is_dense(lines: &[Run]) -> bool {
    lines.len() == 1
}
