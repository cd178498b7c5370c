//! Chooses how a contraction is tiled: which axis runs along the lanes, which places form a tile, in which order the
//! loops go, which of them are the grid. Decided from extents, strides and the target alone, so that one contraction always
//! gets one order of summation, whatever the number of threads.

use smallvec::SmallVec;

use super::deep::Deep;
use super::{Axis, Contraction};
use crate::lower::divisors;
use crate::target::Target;

/// Unrolled turns of the innermost loop, at most.
const UNROLL: usize = 8;
/// Row tiles that share the right operand's vectors while they are in the first-level cache: as many as make their way there
/// worth it.
const ROW_TILES: usize = 16;
/// Row tiles that share it even where their rows do not stay in the second-level cache.
const FEW_TILES: usize = 4;
/// Tasks of a grid from which on threads share the work.
pub(crate) const SHARED: usize = 4;
/// Cycles that are worth sharing.
const LONG: f64 = 1e5;
/// How much dearer long work is that can not be shared.
pub(crate) const ALONE: f64 = 1.3;
/// Whole tiles for each smaller one, at least.
const RARE: usize = 4;
/// How many times the cycles of the fastest tile another one may take to be looked at, where the model decides.
pub(super) const NEARLY: f64 = 1.1;
/// Sums that hide the latency of their multiply-adds.
pub(super) const LATENCY: usize = 8;
/// Cycles to enter and to leave a tile's loop, in which few of its multiply-adds run.
const ENTERING: f64 = 8.0;
/// The part of a step's time that may be lost to a small last tile.
const LOST: f64 = 0.02;
/// Tasks, at least, where each takes several blocks of rows.
const TASKS_OF_BLOCKS: usize = 8;
/// By which part sums of cycles that were taken in another order may differ.
pub(super) const ROUNDING: f64 = 1e-9;
/// Elements of a cache line.
const LINE: usize = super::memory::LINE as usize;
/// The part of its factors that a tile of several rows, each a run of memory, may have to load to be worth that.
const SHARES: f64 = 0.75;
/// Tasks of a grid from which on more are of no use.
const TASKS: usize = 64;

/// A loop over an axis in steps of `size` places; what is left over at the end is a smaller step of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Level {
    /// The axis.
    pub axis: usize,
    /// Places a step.
    pub size: usize,
}

/// How an operand lies that is copied to panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Panelled {
    /// The axis that is cut into panels.
    pub axis: usize,
    /// The distance from place to place along the axis between panels. Within a panel it is the axis's own.
    pub distance: i64,
}

/// A contraction with its loops. Tiles are boxes of row places by a stretch of the vector axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tiling {
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
    /// Whether the tiles of the innermost row axis stand outside those of the other rows, which then meet one panel of the left
    /// operand one after the other.
    pub by_rows: bool,
    /// Whether vectors of the left operand that several rows of a tile read one after the other are kept in registers meanwhile.
    pub shares: bool,
    /// Where the left and the right operand are copied to panels.
    pub panels: [Option<Panelled>; 2],
    /// The loops over kept axes, outermost first; where an axis has several, the later ones divide the step of the earlier.
    pub levels: Vec<Level>,
    /// How many of the levels are the grid; they leave nothing over.
    pub grid: usize,
    /// The loops over reduced axes, outermost first; a step is unrolled.
    pub reduce: Vec<Level>,
    /// How the sums are cut into blocks, if they are.
    pub deep: Option<Deep>,
    /// Estimated cycles.
    pub cycles: f64,
}

/// Equal steps of a loop, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    /// Where the first one starts.
    pub start: usize,
    /// How many there are.
    pub count: usize,
    /// Places a step.
    pub size: usize,
}

/// The steps of a loop over `extent` places: the full ones, then the one left over.
pub(super) fn steps(extent: usize, size: usize) -> impl Iterator<Item = Steps> {
    let (count, rest) = (extent / size, extent % size);
    let full = Steps { start: 0, count, size };
    let rest = Steps { start: extent - rest, count: (rest > 0) as usize, size: rest };
    [full, rest].into_iter().filter(|s| s.count > 0)
}

/// Shows `look` the fast tilings of each form of a contraction, by a cost model that knows no memory; about the fastest first, and
/// none that takes as many cycles as `most` or as `look` last gave, or more. `nearly` says how many times the cycles of the fastest
/// tile another one may take.
pub(super) fn candidates(
    contraction: &Contraction,
    nearly: f64,
    most: f64,
    target: &Target,
    mut look: impl FnMut(Tiling) -> f64,
) {
    let contraction = contraction.simplified();
    let exchanged = contraction.swapped();
    let mut shapes = Vec::new();
    for (contraction, swapped) in [(&contraction, false), (&exchanged, true)] {
        let forms = contraction.forms().into_iter();
        shapes.extend(forms.map(|(vector, fold)| Shape::new(contraction, swapped, vector, fold, target)));
    }
    // Those of the fewest cycles stand last, of equal ones the first. A shape's tiles are found once they may be the next.
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
            let found = shape.tiles(nearly).into_iter().rev();
            tiles.extend(found.map(|tile| (tile.cycles * shape.repeats(), number, tile)));
            tiles.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        }
        let Some((_, number, tile)) = tiles.pop().filter(|tile| tile.0 < most) else { break };
        let shape = &shapes[number];
        for by_rows in [false, true].into_iter().filter(|&by_rows| !by_rows || shape.has_row_panels(&tile)) {
            let tiling = shape.tiling(&tile, by_rows);
            if tiling.cycles < most {
                most = look(tiling);
            }
        }
    }
}

/// Places along some axes.
type Sizes = SmallVec<[usize; 4]>;

/// A tile: rows by vectors, and the places of its rows along their axes. The cycles are those of all tiles.
#[derive(Clone)]
struct Tile {
    cycles: f64,
    rows: usize,
    vectors: usize,
    sizes: Sizes,
    /// See [`Tiling::shares`].
    shares: bool,
}

/// A contraction for which it is decided what runs along the lanes.
struct Shape<'a> {
    contraction: &'a Contraction,
    swapped: bool,
    target: &'a Target,
    vector: Option<usize>,
    fold: Option<usize>,
    /// Places of the vector axis in one register: the lanes, or 1 where sums are folded.
    unit: usize,
    /// Row axes, innermost (of the smallest stride) first.
    rows: Vec<usize>,
    /// The other kept axes, outermost first.
    outer: Vec<usize>,
    /// The axes along which both operands vary and whose places of the left one lie side by side within a row's: the groups of
    /// a convolution. The lines of a row serve all of them, if they come one after the other. None where the right operand
    /// does not stay in the caches meanwhile.
    interleaved: Vec<usize>,
    /// Whether a register's results lie side by side in the output, most likely.
    contiguous: bool,
    /// Cycles to load a vector of the right operand.
    right_load: f64,
    /// Cycles to load a row's factor for one vector, and whether it serves all vectors of the tile.
    left_load: (f64, bool),
    /// Cycles to finish one register of sums.
    finish: f64,
    /// The number of products added to one register of sums.
    depth: f64,
}

impl<'a> Shape<'a> {
    fn new(
        contraction: &'a Contraction,
        swapped: bool,
        vector: Option<usize>,
        fold: Option<usize>,
        target: &'a Target,
    ) -> Shape<'a> {
        let axes = &contraction.axes;
        let kept = |a: &usize| !axes[*a].reduce && Some(*a) != vector;
        let mut rows: Vec<usize> = (0..axes.len()).filter(kept).filter(|&a| axes[a].right == 0).collect();
        let mut outer: Vec<usize> = (0..axes.len()).filter(kept).filter(|&a| axes[a].right != 0).collect();
        rows.sort_by_key(|&a| axes[a].left.abs());
        outer.sort_by_key(|&a| -axes[a].left.abs().max(axes[a].right.abs()));
        let farthest = rows.iter().map(|&a| axes[a].left.abs()).max().unwrap_or(0);
        let lies_within = |&a: &usize| axes[a].left != 0 && axes[a].left.abs() < farthest;
        let right: usize = axes.iter().filter(|a| a.right != 0).map(|a| a.extent).product();
        let stays = 4 * right <= target.l2_bytes / 2;
        let interleaved = outer.iter().copied().chain(vector).filter(lies_within).filter(|_| stays).collect();
        let lanes = target.lanes as f64;
        let load = |stride: i64| match stride {
            0 | 1 => 0.5,
            _ => lanes,
        };
        let along = vector.filter(|_| fold.is_none()).map(|v| axes[v]);
        let contiguous = vector.and_then(|v| contraction.lanes(v)) == Some(contraction.fast);
        let store = if contiguous { 0.5 } else { 2.0 * lanes };
        let depth = |a: usize| if Some(a) == fold { axes[a].extent.div_ceil(target.lanes) } else { axes[a].extent };
        Shape {
            contraction,
            swapped,
            target,
            vector,
            fold,
            unit: if fold.is_some() { 1 } else { target.lanes },
            rows,
            outer,
            interleaved,
            contiguous,
            right_load: along.map_or(0.5, |v| load(v.right)),
            left_load: along.map_or((0.5, true), |v| (load(v.left), v.left == 0)),
            finish: 0.5 + if fold.is_some() { store / lanes + 0.8 * lanes.log2() } else { store },
            depth: (0..axes.len()).filter(|&a| axes[a].reduce).map(|a| depth(a) as f64).product(),
        }
    }

    fn axis(&self, axis: usize) -> Axis {
        self.contraction.axes[axis]
    }

    /// Cycles of one tile of `rows` by `vectors`: two multiply-adds and two loads start in a cycle, a sum waits four cycles
    /// for its predecessor, and a broadcast takes a little of the multiply-adds' time. Of the vectors of rows a part is loaded.
    fn cycles(&self, rows: usize, vectors: usize, loaded: f64) -> f64 {
        let (r, v) = (rows as f64, vectors as f64);
        let loads = v * self.right_load + if self.left_load.1 { r } else { loaded * r * v } * self.left_load.0;
        // A folded step reads whole vectors on both sides, which takes as much of the multiply-adds' time again.
        let reading = if self.fold.is_some() { 0.06 * (r + v) } else { 0.02 * r };
        let step = (r * v / 2.0).max(loads).max(4.0) + reading;
        self.depth * step + r * v * self.finish + ENTERING
    }

    /// Cycles that all tiles take at least, whatever their size.
    fn least(&self) -> f64 {
        let each = if self.left_load.1 { 0.5 } else { self.left_load.0.max(0.5) };
        let rows: usize = self.rows.iter().map(|&axis| self.axis(axis).extent).product();
        let vectors = self.vector.map_or(1, |v| self.axis(v).extent).div_ceil(self.unit);
        (rows * vectors) as f64 * (self.depth * each + self.finish) * self.repeats()
    }

    /// The part of the vectors of rows that a tile has to load, where it keeps those that a row reads which another one has read a few
    /// products before: windows of neighbouring places overlap.
    fn loaded(&self, sizes: &[usize], unrolled: &[Level]) -> f64 {
        if self.left_load.1 || self.left_load.0 > 0.5 || self.fold.is_some() {
            return 1.0;
        }
        let rows = self.rows.iter().zip(sizes).map(|(&axis, &size)| (axis, size));
        let turns = unrolled.iter().map(|level| (level.axis, level.size.min(self.axis(level.axis).extent)));
        let mut places = vec![0];
        for (axis, size) in rows.chain(turns) {
            let moved =
                |place: &i64| -> Vec<i64> { (0..size as i64).map(|at| place + at * self.axis(axis).left).collect() };
            places = places.iter().flat_map(moved).collect();
        }
        let all = places.len();
        places.sort_unstable();
        places.dedup();
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
    fn row_tiles(&self, sizes: &[usize]) -> SmallVec<[(usize, usize); 8]> {
        let mut tiles = SmallVec::from_slice(&[(1, 1)]);
        for (&axis, &size) in self.rows.iter().zip(sizes) {
            let outer = std::mem::take(&mut tiles);
            for step in steps(self.axis(axis).extent, size) {
                tiles.extend(outer.iter().map(|(count, rows)| (count * step.count, rows * step.size)));
            }
        }
        tiles
    }

    /// The fastest tile and, for each number of vectors, the largest tile that is nearly as fast: what it saves by reading
    /// the operands less often shows where their places in memory are known.
    fn tiles(&self, nearly: f64) -> Vec<Tile> {
        let width = self.vector.map_or(1, |v| self.axis(v).extent);
        let unrolled = self.unrolled();
        let rows_of = |rows: usize| {
            let sizes = self.rows_box(rows)?;
            Some((rows, self.row_tiles(&sizes), self.loaded(&sizes, &unrolled), sizes))
        };
        let rows_of: Vec<_> = (1..=self.target.vector_registers).filter_map(rows_of).collect();
        let passing = self.is_passing();
        let mut boxes: Vec<Tile> = Vec::new();
        for vectors in 1..=width.div_ceil(self.unit).min(self.target.lanes.max(8)) {
            if self.fold.is_some() && vectors > self.target.lanes {
                break;
            }
            for (rows, row_tiles, loaded, sizes) in rows_of.iter().filter(|(rows, ..)| self.fits(*rows, vectors)) {
                let shares = *loaded < 1.0 && self.shares(*rows, vectors);
                let loaded = if shares { *loaded } else { 1.0 };
                // Several rows that are not whole are as many runs of memory, of which a tile that shares many vectors takes whole lines.
                let shreds = vectors * self.unit < LINE || loaded > SHARES;
                if passing && *rows > 1 && vectors * self.unit < width && shreds {
                    continue;
                }
                let columns = steps(width, vectors * self.unit).map(|s| (s.count, s.size.div_ceil(self.unit)));
                let cycles: f64 = columns
                    .flat_map(|(n, v)| row_tiles.iter().map(move |&(count, r)| (n * count, r, v)))
                    .map(|(n, r, v)| n as f64 * self.cycles(r, v, loaded))
                    .sum();
                let rests = row_tiles.len() * steps(width, vectors * self.unit).count() - 1;
                let cycles = cycles * (1.0 + 0.02 * rests as f64);
                boxes.push(Tile { cycles, rows: *rows, vectors, sizes: sizes.clone(), shares });
            }
        }
        let fastest =
            boxes.iter().min_by(|a, b| a.cycles.total_cmp(&b.cycles)).expect("one row of one vector always fits");
        debug_assert!(fastest.cycles * self.repeats() >= self.least() * (1.0 - ROUNDING), "{}", self.least());
        let near =
            |b: &&Tile| b.cycles <= nearly * fastest.cycles && (b.rows, b.vectors) != (fastest.rows, fastest.vectors);
        let mut chosen = vec![fastest.clone()];
        for vectors in 1..=self.target.vector_registers {
            chosen.extend(boxes.iter().filter(|b| b.vectors == vectors).filter(near).max_by_key(|b| b.rows).cloned());
        }
        chosen
    }

    /// How often all tiles are computed: once for each place of the other kept axes.
    fn repeats(&self) -> f64 {
        self.outer.iter().map(|&a| self.axis(a).extent as f64).product()
    }

    /// Whether panels of the left operand, as wide as the tile, are narrower than what it has side by side.
    fn has_row_panels(&self, tile: &Tile) -> bool {
        let Some(&first) = self.rows.first() else { return false };
        let axis = self.axis(first);
        self.fold.is_none() && self.left_load.1 && axis.left == 1 && tile.sizes[0] < axis.extent
    }

    fn tiling(&self, chosen: &Tile, by_rows: bool) -> Tiling {
        let (levels, grid, tasks) = self.levels(&chosen.sizes, chosen.vectors * self.unit, by_rows);
        let cycles = chosen.cycles * self.repeats();
        let alone = if tasks < SHARED && cycles > LONG { ALONE } else { 1.0 };
        Tiling {
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
            deep: None,
            cycles: cycles * alone,
        }
    }

    /// The loops over kept axes, how many of them are the grid, and how many tasks that makes. Around the loop along the
    /// vector axis stand those over rows that would not stay in the caches together; inside it those that reuse its stretch of
    /// the right operand. Around everything stand the axes along which the right operand varies, but for those that share the
    /// lines of rows: these stand inside the loops over rows ([`Shape::interleaved`]).
    fn levels(&self, sizes: &[usize], stretch: usize, by_rows: bool) -> (Vec<Level>, usize, usize) {
        let (mut outside, mut inside) = (Vec::new(), Vec::new());
        let rows = self.rows.iter().zip(sizes);
        if by_rows {
            inside.extend(rows.clone().map(|(&axis, &size)| Level { axis, size }));
            // The first one stands outermost.
            inside.rotate_left(1);
        }
        let spanned = |a: usize| self.axis(a).reduce || self.interleaved.contains(&a);
        let mut extents: Vec<usize> =
            (0..self.contraction.axes.len()).map(|a| if spanned(a) { self.axis(a).extent } else { 1 }).collect();
        let passing = self.is_passing();
        let mut tiles = 1;
        for (&axis, &size) in rows.filter(|_| !by_rows) {
            let extent = self.axis(axis).extent;
            if tiles >= ROW_TILES || passing {
                outside.push(Level { axis, size });
                continue;
            }
            let mut fits = |step: usize| {
                extents[axis] = step;
                self.interleaved.is_empty() && tiles * step.div_ceil(size) <= FEW_TILES
                    || 4 * self.contraction.left_elements(&extents) <= self.target.l2_bytes / 2
            };
            // Steps that leave nothing over can be the grid. A smaller tile at the end of each is worth that, if it is rare.
            let whole = |&step: &usize| step.is_multiple_of(size) || step >= RARE * size || step == extent;
            let mut step = divisors(extent).into_iter().rev().filter(whole).find(|&step| fits(step)).unwrap_or(size);
            if step < extent {
                // What fits in steps of whole tiles: `step` fits, and less touches no more.
                let block = step / size * size;
                let share = self.share(extent, step, block, size, stretch);
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
        levels.extend(self.vector.map(|axis| Level { axis, size: stretch }));
        let most = levels.len();
        levels.extend(inside.into_iter().rev());

        let (grid, tasks) = grid(&self.contraction.axes, &levels[..most]);
        (levels, grid, tasks)
    }

    /// Places of a task that takes several blocks of whole tiles, where equal steps would end with a tile too small for its sums
    /// to hide their latency too often. What is left over from a task's blocks is a smaller block of its own.
    fn share(&self, extent: usize, step: usize, block: usize, size: usize, stretch: usize) -> Option<usize> {
        let vectors = stretch.div_ceil(self.unit);
        // Places that a last tile takes longer for than its own.
        let lost = |places: usize| match places % size {
            0 => 0,
            rest => LATENCY.div_ceil(vectors).saturating_sub(rest),
        };
        let part = |places: usize, of: usize| lost(places) as f64 / of as f64;
        if part(step, step) <= LOST || block == 0 {
            return None;
        }
        let tasks = divisors(extent).into_iter().filter(|task| (block + 1..=extent / TASKS_OF_BLOCKS).contains(task));
        let best = tasks.min_by(|&a, &b| part(a % block, a).total_cmp(&part(b % block, b)))?;
        (part(best % block, best) < part(step, step) / 2.0).then_some(best)
    }

    /// Whether both operands vary along the lanes, so that a row passes by as one run of memory if the loop along it is the
    /// innermost one.
    fn is_passing(&self) -> bool {
        self.contiguous && self.vector.is_some_and(|v| self.interleaved.contains(&v))
    }

    /// The loops over reduced axes: the smallest strides innermost, the innermost turns unrolled.
    fn unrolled(&self) -> Vec<Level> {
        let axes = &self.contraction.axes;
        let mut reduced: Vec<usize> = (0..axes.len()).filter(|&a| axes[a].reduce).collect();
        reduced.sort_by_key(|&a| (Some(a) != self.fold, axes[a].right.abs(), axes[a].left.abs()));
        let mut budget = UNROLL;
        let mut levels: Vec<Level> = reduced
            .into_iter()
            .map(|axis| {
                let unit = if Some(axis) == self.fold { self.target.lanes } else { 1 };
                let extent = axes[axis].extent.div_ceil(unit).max(1);
                let size = if extent <= budget {
                    extent
                } else {
                    let divisor = (budget / 2 + 1..=budget).rev().find(|&size| extent.is_multiple_of(size));
                    divisor.unwrap_or(budget.div_ceil(2))
                };
                budget = if size == extent { budget / size } else { 1 };
                Level { axis, size: size * unit }
            })
            .collect();
        levels.reverse();
        levels
    }
}

/// How many of some levels can be the grid, since they leave nothing over, and how many tasks that makes.
pub(super) fn grid(axes: &[Axis], levels: &[Level]) -> (usize, usize) {
    let mut extents: Vec<usize> = axes.iter().map(|a| a.extent).collect();
    let (mut grid, mut tasks) = (0, 1);
    for level in levels {
        let extent = &mut extents[level.axis];
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
        let size = |axis: usize| self.levels.iter().rfind(|l| l.axis == axis).map_or(1, |l| l.size);
        [self.rows.iter().map(|&axis| size(axis)).product(), self.vector.map_or(1, size)]
    }
}
