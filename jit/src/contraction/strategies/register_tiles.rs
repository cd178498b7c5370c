//! Chooses how a contraction is tiled: which axis runs along the lanes, which places form a tile, in which order the
//! loops go, which of them are the grid. Decided from extents, strides and the target alone, so that one contraction
//! always gets one order of summation, whatever the number of threads. It knows no operation and no epilogue.

use kiln_graph::Few;

mod ahead;
mod emit;
mod sizes;

pub use emit::Tiler;

use crate::contraction::problem::{Axis, Contraction};
use crate::contraction::tiling::{Ahead, ConvertedRows, Level, Tiling, grid_of};
use crate::cost::cache::holds;
use crate::cost::compute;
use crate::cost::params::caches::STAYING;
use crate::cost::params::packed_panels::SQUARE_LANES;
use crate::cost::params::register_tiles::{
    ENTERING, FEW_TILES, LOST, RARE, REGAINED, ROW_TILES, TASKS_OF_BLOCKS, TRANSPOSED, UNROLL,
};
use crate::cost::params::sharing::{ALONE, CUT, SHARED, TASKS};
use crate::cost::sharing::{divisors, worth_sharing};
use crate::target::Target;

/// Shows `look` the fast tilings of each form of a contraction, by a cost model that knows no memory; about the fastest
/// first, and none that takes as many cycles as `most` or as `look` last gave, or more. `nearly` says how many times
/// the cycles of the fastest tile another one may take. `look` is told how the tiles read the right operand.
pub fn candidates(
    contraction: &Contraction,
    nearly: f64,
    most: f64,
    factors: Factors,
    target: &Target,
    mut look: impl FnMut(Tiling, f64, RightReads) -> f64,
) {
    let contraction = contraction.simplified();
    let exchanged = contraction.swapped();
    // With operands exchanged, the rows of one view are the columns of the other: `[m, k] [k, n]` with lanes along n or
    // m.
    let mut shapes = Vec::new();
    for (contraction, swapped) in [(&contraction, false), (&exchanged, true)] {
        let common = Common::of(contraction);
        for (vector, fold) in contraction.forms() {
            if factors != Factors::Numbers && fold.is_some() {
                continue;
            }
            let shape = Shape::new(contraction, swapped, vector, fold, factors, common, target);
            let in_panels = match factors {
                Factors::Numbers if target.lanes < SQUARE_LANES => None,
                _ => shape.in_panels(),
            };
            // Pairs are read from panels in any case.
            if factors != Factors::Pairs || in_panels.is_none() {
                shapes.push(shape);
            }
            shapes.extend(in_panels);
        }
    }
    // Those of the fewest cycles stand last, of equal ones the first. A shape's tiles are found once they may be the
    // next. Best first: the next tile is the one of the fewest cycles of all, and a shape whose lower bound (`least`)
    // is above it can not have a faster one. What `look` gives back ends the search early.
    let mut unseen: Vec<(f64, usize)> = shapes.iter().map(Shape::least).zip(0..).collect();
    unseen.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut tiles: Vec<(f64, usize, Tile)> = Vec::new();
    let mut most = most;
    loop {
        while let Some(&(least, number)) = unseen.last()
            && least < most
            && tiles.last().is_none_or(|tile| least <= tile.0)
        {
            unseen.pop();
            let shape = &shapes[number];
            let repeats = shape.repeats();
            for tile in shape.tiles(nearly).into_iter().rev() {
                tiles.push((tile.cycles * repeats, number, tile));
            }
            tiles.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        }
        let Some((_, number, tile)) = tiles.pop().filter(|tile| tile.0 < most) else { break };
        let shape = &shapes[number];
        let is_way = |by_rows: &bool| if *by_rows { shape.has_row_panels(&tile) } else { !tile.in_panels };
        for by_rows in [false, true].into_iter().filter(is_way) {
            let (tiling, cycles) = shape.tiling(&tile, by_rows);
            if cycles < most {
                most = look(tiling, cycles, shape.right_reads);
            }
        }
    }
}

/// What is multiplied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Factors {
    /// Number by number.
    Numbers,
    /// Pairs of bf16, of which the right operand is always packed. Their sums are not folded.
    Pairs,
    /// Quads of bytes, whose panels are gathered at any number of lanes. Their sums are not folded.
    Quads,
}

/// How tiles read the right operand, as far as their cycles know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RightReads {
    /// As it lies.
    AsItLies,
    /// From panels alone: as it lies, each vector would be gathered.
    InPanels,
}

/// Places along some axes.
type Sizes = Few<usize, 4>;

/// A tile: rows by vectors, and the places of its rows along their axes. The cycles are those of all tiles.
struct Tile {
    cycles: f64,
    vectors: usize,
    sizes: Sizes,
    /// See [`Tiling::shares`].
    shares: bool,
    /// Whether it is of use for rows in panels alone: as they lie, its rows are as many runs of memory.
    in_panels: bool,
}

/// What all forms of a contraction have in common: it does not depend on what runs along the lanes.
#[derive(Clone, Copy)]
struct Common {
    /// Elements of the right operand.
    right: usize,
    /// Whether it takes long enough that several threads should share it.
    is_long: bool,
    /// Whether the left operand has more elements than the right one.
    rows_outweigh: bool,
}

impl Common {
    fn of(contraction: &Contraction) -> Common {
        let axes = contraction.axes.as_slice();
        let extents: Vec<usize> = axes.iter().map(|a| a.extent).collect();
        let right: usize = axes.iter().filter(|a| a.right != 0).map(|a| a.extent).product();
        // About: a left operand whose windows overlap has fewer elements than places, and is small beside the products.
        let results: usize = axes.iter().filter(|a| !a.reduce).map(|a| a.extent).product();
        let bytes = size_of::<f32>() * (right + results);
        Common {
            right,
            is_long: worth_sharing(SHARED, contraction.flops(), bytes as u64),
            rows_outweigh: contraction.left_elements(&extents) > right,
        }
    }
}

/// A contraction for which it is decided what runs along the lanes.
#[derive(Clone)]
struct Shape<'a> {
    contraction: &'a Contraction,
    swapped: bool,
    factors: Factors,
    target: &'a Target,
    common: Common,
    vector: Option<usize>,
    fold: Option<usize>,
    /// Places of the vector axis in one register: the lanes, or 1 where sums are folded.
    unit: usize,
    /// Row axes, innermost (of the smallest stride) first.
    rows: Vec<usize>,
    /// The other kept axes, outermost first.
    outer: Vec<usize>,
    /// The axes along which both operands vary and whose places of the left one lie side by side within a row's: the
    /// groups of a convolution. The lines of a row serve all of them, if they come one after the other. None where the
    /// right operand does not stay in the caches meanwhile.
    interleaved: Vec<usize>,
    /// Whether a register's results lie side by side in the output, most likely.
    contiguous: bool,
    /// Cycles to load a vector of the right operand, read so.
    right_load: f64,
    right_reads: RightReads,
    /// Cycles to load a row's factor for one vector, and whether it serves all vectors of the tile.
    left_load: (f64, bool),
    /// Cycles to finish one register of sums.
    finish: f64,
    /// The number of products added to one register of sums.
    depth: f64,
}

impl<'a> Shape<'a> {
    /// Most shapes are made only for their lower bound ([`Shape::least`]). So this goes by plain loops: each step of an
    /// iterator is several calls in a debug build.
    fn new(
        contraction: &'a Contraction,
        swapped: bool,
        vector: Option<usize>,
        fold: Option<usize>,
        factors: Factors,
        common: Common,
        target: &'a Target,
    ) -> Shape<'a> {
        let axes = contraction.axes.as_slice();
        // A row axis leaves the right operand where it is, so that rows of a tile share its vectors: images and pixels
        // of a convolution. Along the others both operands move: batches of products, groups.
        let (mut rows, mut outer) = (Vec::new(), Vec::new());
        let (mut farthest, mut depth) = (0, 1.0);
        let mut number = 0;
        while number < axes.len() {
            let axis = &axes[number];
            if axis.reduce {
                let folded = Some(number) == fold;
                depth *= if folded { axis.extent.div_ceil(target.lanes) } else { axis.extent } as f64;
            } else if Some(number) != vector && axis.right == 0 {
                farthest = farthest.max(axis.left.abs());
                insert(&mut rows, number, |a| axes[a].left.abs());
            } else if Some(number) != vector {
                insert(&mut outer, number, |a| -axes[a].left.abs().max(axes[a].right.abs()));
            }
            number += 1;
        }
        // Axes along which both operands move, with a shorter step than that of the farthest row axis: their places lie
        // within the rows, as the groups' channels lie within a pixel.
        let mut interleaved = Vec::new();
        if farthest > 0 && holds(target.l2_bytes, STAYING, common.right) {
            let lies_within = |a: usize| axes[a].left != 0 && axes[a].left.abs() < farthest;
            for &axis in &outer {
                if lies_within(axis) {
                    interleaved.push(axis);
                }
            }
            if let Some(vector) = vector.filter(|&vector| lies_within(vector)) {
                interleaved.push(vector);
            }
        }
        let along = if fold.is_none() { vector.map(|v| axes[v]) } else { None };
        let contiguous = vector.and_then(|v| contraction.lanes(v)) == Some(contraction.fast);
        let transposed =
            contraction.transposed_along(vector.filter(|_| fold.is_none()), rows.first().copied(), target.lanes);
        // Of single numbers the price of scattered stores stays, with which choices were measured to be better.
        let finish = match (transposed, factors) {
            (Some(_), Factors::Pairs) => TRANSPOSED,
            _ => compute::finish(contiguous, fold.is_some(), target),
        };
        Shape {
            contraction,
            swapped,
            factors,
            target,
            common,
            vector,
            fold,
            unit: if fold.is_some() { 1 } else { target.lanes },
            rows,
            outer,
            interleaved,
            contiguous,
            right_load: along.map_or(compute::vector_load(target), |v| compute::load(v.right, target)),
            right_reads: RightReads::AsItLies,
            left_load: along
                .map_or((compute::vector_load(target), true), |v| (compute::load(v.left, target), v.left == 0)),
            finish,
            depth,
        }
    }

    /// The same where the right operand lies transposed (it runs along the innermost reduced axis, not along the
    /// lanes) and panels of it are gathered in squares of whole lines.
    fn in_panels(&self) -> Option<Shape<'a>> {
        let along = self.vector.filter(|_| self.fold.is_none())?;
        let runs = |axis: &Axis| axis.reduce && axis.right == 1 && axis.extent > 1;
        let squares = self.factors == Factors::Pairs || self.contraction.axes.iter().any(runs);
        if matches!(self.axis(along).right, 0 | 1) || !squares {
            return None;
        }
        let load = compute::vector_load(self.target);
        Some(Shape { right_load: load, right_reads: RightReads::InPanels, ..self.clone() })
    }

    fn axis(&self, axis: usize) -> Axis {
        self.contraction.axes[axis]
    }

    /// Cycles of one tile of `rows` by `vectors`, of whose vectors of rows a part is loaded.
    fn cycles(&self, rows: usize, vectors: usize, loaded: f64) -> f64 {
        let (r, v) = (rows as f64, vectors as f64);
        // A factor of the left operand serves all vectors of its row, unless it varies along the lanes, too.
        let loads = v * self.right_load + if self.left_load.1 { r } else { loaded * r * v } * self.left_load.0;
        let pairs = self.factors == Factors::Pairs;
        let step = compute::step(r, v, loads, self.fold.is_some(), pairs, self.target);
        self.depth * step + r * v * self.finish + ENTERING
    }

    /// Cycles that all tiles take at least, whatever their size.
    fn least(&self) -> f64 {
        let multiply_add = 1.0 / self.target.multiply_adds as f64;
        // At best every multiply-add port is busy all the time; and where each product loads a factor, that takes its
        // time as well.
        let each = if self.left_load.1 { multiply_add } else { self.left_load.0.max(multiply_add) };
        let rows: usize = self.rows.iter().map(|&axis| self.axis(axis).extent).product();
        let vectors = self.vector.map_or(1, |v| self.axis(v).extent).div_ceil(self.unit);
        (rows * vectors) as f64 * (self.depth * each + self.finish) * self.repeats()
    }

    /// How often all tiles are computed: once for each place of the other kept axes.
    fn repeats(&self) -> f64 {
        self.outer.iter().map(|&a| self.axis(a).extent as f64).product()
    }

    /// Whether panels of the left operand, as wide as the tile, are narrower than what it has side by side.
    fn has_row_panels(&self, tile: &Tile) -> bool {
        // Each channel on its own: panels of some channels.
        if let Some(vector) = self.vector.filter(|_| self.fold.is_none() && self.is_passing()) {
            let axis = self.axis(vector);
            return tile.shares && axis.left == 1 && tile.vectors * self.unit < axis.extent;
        }
        let Some(&first) = self.rows.first() else { return false };
        let axis = self.axis(first);
        self.fold.is_none() && self.left_load.1 && axis.left == 1 && tile.sizes[0] < axis.extent
    }

    /// The loops of a tile, and their estimated cycles.
    fn tiling(&self, chosen: &Tile, by_rows: bool) -> (Tiling, f64) {
        let cycles = chosen.cycles * self.repeats();
        let strip = chosen.vectors * self.unit;
        let (mut levels, mut grid, tasks) = self.levels(&chosen.sizes, strip, by_rows, None);
        let cut = if by_rows { None } else { self.cut(&chosen.sizes, strip, &levels[..grid], tasks) };
        // Long work in a few tasks is dearer than its cycles: several threads can not share it, unless its rows are cut
        // for that alone.
        let alone = match (tasks < SHARED && self.common.is_long, &cut) {
            (true, None) => ALONE,
            (true, Some(_)) => CUT,
            (false, _) => 1.0,
        };
        if let Some(cut) = cut {
            (levels, grid) = cut;
        }
        let tiling = Tiling {
            contraction: self.contraction.clone(),
            swapped: self.swapped,
            vector: self.vector,
            fold: self.fold,
            by_rows,
            shares: chosen.shares,
            panels: [None; 2],
            rows: self.rows.iter().rev().copied().collect(),
            levels,
            grid,
            reduce: self.unrolled(),
            k_blocking: None,
            converted: ConvertedRows::default(),
            ahead: Ahead::default(),
        };
        (tiling, cycles * alone)
    }

    /// The loops with rows cut for several threads, and how many of them are the grid, where otherwise `grid` would make
    /// too few tasks; or each thread would take some strips over all rows, half of which another one has just written,
    /// and rows are more than the strips that each task of rows reads anew.
    fn cut(&self, sizes: &[usize], strip: usize, grid: &[Level], tasks: usize) -> Option<(Vec<Level>, usize)> {
        let across = grid.iter().position(|level| Some(level.axis) == self.vector).unwrap_or(grid.len());
        let of_rows = grid_of(&self.contraction.axes, &grid[..across]).1;
        let few = tasks < SHARED;
        if !self.common.is_long || !few && (of_rows >= SHARED || !self.common.rows_outweigh) {
            return None;
        }
        let parts = self.parts(sizes, if few { tasks } else { of_rows });
        let (levels, grid, tasks) = self.levels(sizes, strip, false, Some(&parts));
        (tasks >= SHARED).then_some((levels, grid))
    }

    /// Into how many parts each row axis is cut, innermost first, where there are too few tasks otherwise: of one image
    /// all rows may stay in the caches, and would be one task.
    fn parts(&self, sizes: &[usize], tasks: usize) -> Sizes {
        let tiles = |(&axis, &size): (&usize, &usize)| self.axis(axis).extent / size;
        let all: usize = self.rows.iter().zip(sizes).map(tiles).product();
        // No more than leave each task enough tiles that share a strip, but for as many as are shared at all.
        let wanted = (all / ROW_TILES).clamp(SHARED, TASKS).div_ceil(tasks);
        let mut parts = Sizes::new();
        let mut have = 1;
        for pair in self.rows.iter().zip(sizes).rev() {
            parts.push(wanted.div_ceil(have).min(tiles(pair)).max(1));
            have *= parts[parts.len() - 1];
        }
        parts.reverse();
        parts
    }

    /// The loops over kept axes, how many of them are the grid, and how many tasks that makes. Around the loop along
    /// the vector axis stand those over rows that would not stay in the caches together; inside it those that reuse its
    /// strip of the right operand. Around everything stand the axes along which the right operand varies, but for those
    /// that share the lines of rows: these stand inside the loops over rows ([`Shape::interleaved`]). With `parts` each
    /// row axis is cut into as many parts at least.
    fn levels(
        &self,
        sizes: &[usize],
        strip: usize,
        by_rows: bool,
        parts: Option<&Sizes>,
    ) -> (Vec<Level>, usize, usize) {
        // for batch, groups                                  one place each
        //   for blocks of rows that stay in the caches       `outside`, longest distances first
        //     for interleaved groups                         one place each
        //       for strips along the vector axis             so far may be the grid
        //         for tiles of rows                          `inside`: they reuse the strip
        //           tile
        let (mut outside, mut inside) = (Vec::new(), Vec::new());
        let rows = self.rows.iter().zip(sizes);
        let passing = self.is_passing();
        if by_rows {
            inside.extend(rows.clone().map(|(&axis, &size)| Level { axis, size }));
            // The first one stands outermost, unless the panels are of channels, whose pixels come one after the other.
            if !passing {
                inside.rotate_left(1);
            }
        }
        let spanned = |a: usize| self.axis(a).reduce || self.interleaved.contains(&a);
        // What the tiles of one strip touch of the left operand: so far the reduced axes, then block by block of the
        // rows.
        let mut extents: Vec<usize> =
            (0..self.contraction.axes.len()).map(|a| if spanned(a) { self.axis(a).extent } else { 1 }).collect();
        let mut tiles = 1;
        for (number, (&axis, &size)) in rows.filter(|_| !by_rows).enumerate() {
            let extent = self.axis(axis).extent;
            let most = parts.map_or(extent, |parts| extent / parts[number]);
            // Enough tiles reuse the strip by now to make its way into the first-level cache worth it. Where rows pass
            // by, none stands inside of the loop over strips, so that a row is read as one run.
            if tiles >= ROW_TILES || passing {
                outside.push(Level { axis, size });
                continue;
            }
            let mut fits = |step: usize| {
                extents[axis] = step;
                step <= most && self.rows_stay(tiles * step.div_ceil(size), &extents)
            };
            // Steps that leave nothing over can be the grid. A smaller tile at the end of each is worth that, if it is
            // rare.
            let whole = |&step: &usize| step.is_multiple_of(size) || step >= RARE * size || step == extent;
            let mut step = divisors(extent).into_iter().rev().filter(whole).find(|&step| fits(step)).unwrap_or(size);
            if step < extent {
                // What fits in steps of whole tiles: `step` fits, and less touches no more.
                let block = step / size * size;
                let share = self.share(extent, step, block, size, strip);
                if share.is_some() {
                    outside.push(Level { axis, size: block });
                }
                outside.push(Level { axis, size: share.unwrap_or(step) });
                step = share.map_or(step, |_| block);
            }
            inside.push(Level { axis, size });
            extents[axis] = step;
            tiles *= step.div_ceil(size);
        }
        let outer = |inner: bool| self.outer.iter().filter(move |a| self.interleaved.contains(a) == inner);
        let level = |&axis: &usize| Level { axis, size: 1 };
        let mut levels: Vec<Level> = outer(false).map(level).collect();
        levels.extend(outside.into_iter().rev());
        levels.extend(outer(true).map(level));
        levels.extend(self.vector.map(|axis| Level { axis, size: strip }));
        let most = levels.len();
        levels.extend(inside.into_iter().rev());

        let (grid, tasks) = grid_of(&self.contraction.axes, &levels[..most]);
        (levels, grid, tasks)
    }

    /// Whether the loops along a strip find the rows again in the second-level cache, so many tiles over so many places
    /// of each axis, or are few enough without that.
    fn rows_stay(&self, tiles: usize, extents: &[usize]) -> bool {
        self.interleaved.is_empty() && tiles <= FEW_TILES
            || holds(self.target.l2_bytes, STAYING, self.contraction.left_elements(extents))
    }

    /// Places of a task that takes several blocks of whole tiles, where equal steps would end with a tile too small for
    /// its sums to hide their latency too often. What is left over from a task's blocks is a smaller block of its own.
    fn share(&self, extent: usize, step: usize, block: usize, size: usize, strip: usize) -> Option<usize> {
        // A tile of few rows has few sums, and each of them waits for the product before it: it takes as long as one
        // that has just enough (`sums_in_flight`).
        let vectors = strip.div_ceil(self.unit);
        // Places that a last tile takes longer for than its own.
        let lost = |places: usize| match places % size {
            0 => 0,
            rest => self.target.sums_in_flight().div_ceil(vectors).saturating_sub(rest),
        };
        let part = |places: usize, of: usize| lost(places) as f64 / of as f64;
        if part(step, step) <= LOST || block == 0 {
            return None;
        }
        let tasks = divisors(extent).into_iter().filter(|task| (block + 1..=extent / TASKS_OF_BLOCKS).contains(task));
        let best = tasks.min_by(|&a, &b| part(a % block, a).total_cmp(&part(b % block, b)))?;
        (part(best % block, best) < REGAINED * part(step, step)).then_some(best)
    }

    /// Whether both operands vary along the lanes, so that a row passes by as one run of memory if the loop along it is
    /// the innermost one.
    fn is_passing(&self) -> bool {
        self.contiguous && self.vector.is_some_and(|v| self.interleaved.contains(&v))
    }

    /// The loops over reduced axes: the smallest strides innermost, the innermost iterations unrolled.
    fn unrolled(&self) -> Vec<Level> {
        let axes = &self.contraction.axes;
        let mut reduced: Vec<usize> = (0..axes.len()).filter(|&a| axes[a].reduce).collect();
        // The folded axis is the innermost one, since a vector runs along it.
        reduced.sort_by_key(|&a| (Some(a) != self.fold, axes[a].right.abs(), axes[a].left.abs()));
        let mut budget = UNROLL;
        let mut levels: Vec<Level> = reduced
            .into_iter()
            .map(|axis| {
                let unit = if Some(axis) == self.fold { self.target.lanes } else { 1 };
                let extent = axes[axis].extent.div_ceil(unit).max(1);
                // With a budget of 8: 5 places are unrolled whole, 64 in steps of 8, 18 in steps of 6. 27 have no
                // divisor from 5 to 8, and go in steps of 4 with a rest of 3.
                let size = if extent <= budget {
                    extent
                } else {
                    let divisor = (budget / 2 + 1..=budget).rev().find(|&size| extent.is_multiple_of(size));
                    divisor.unwrap_or(budget.div_ceil(2))
                };
                // Only around an axis that is unrolled whole can the next one be unrolled, too.
                budget = if size == extent { budget / size } else { 1 };
                Level { axis, size: size * unit }
            })
            .collect();
        levels.reverse();
        levels
    }
}

/// Puts an axis behind those with the same or a smaller key.
fn insert(axes: &mut Vec<usize>, axis: usize, key: impl Fn(usize) -> i64) {
    let mut at = axes.len();
    while at > 0 && key(axes[at - 1]) > key(axis) {
        at -= 1;
    }
    axes.insert(at, axis);
}
