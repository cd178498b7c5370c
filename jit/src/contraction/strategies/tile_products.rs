//! Products of pairs of bf16 and of quads of bytes by tile registers (AMX): a block of results is up to 2 x 2 tiles of
//! sums, and a step of it 4 products of 2 tiles of rows and 2 tiles of columns. The sums go to scratch memory of the
//! task's own, and from there to the epilogue, row by row. It decides how a contraction of pairs or quads is tiled,
//! what that takes, and writes it; it knows no operation.
//!
//! ```text
//! for outer axes, blocks of columns, blocks of rows            the grid, as far as they leave nothing over
//!   t0 .. t3 = 0                                               sums: rows x 16 each
//!   for reduced axes, the last one in steps of pairs or quads
//!     t4, t5 = rows of the left operand                        [row][pair], as it lies or packed (`pairs of A`)
//!     t6, t7 = columns of the right one                        [panel][pair][column], packed (`pairs of B`)
//!     t0 .. t3 += t4, t5 x t6, t7
//!   sums = t0 .. t3                                            scratch memory
//!   for row of the block: epilogue of each vector of the row
//! ```
//!
//! All tiles of rows have as many rows, since tiles are configured once a call: the last one of an axis begins where it
//! ends with the axis, and computes some rows again. Columns beyond the last one are whatever lies in the last panel,
//! and are left out by the epilogue. Where steps leave pairs over, a last step takes them with tiles of its own, which
//! are the second ones of either side: then all steps have one tile of rows and one of columns at a time.

use super::emit::times;
use super::packed_panels::PackedPanels;
use super::position::{Position, coordinates, each};
use crate::contraction::problem::{Axis, Contraction, Epilogue, Place};
use crate::contraction::tiling::{Ahead, ConvertedRows, Level, Tiling, grid_of, steps};
use crate::cost::params::tile_products::{BLOCK, DOT, LATENCY, LOAD, ROW_VECTOR, STORE};
use crate::kernel::tiles::MOST;
use crate::kernel::{BufferId, Element, Factors, Index, KernelBuilder, Tile, TileStatement};
use crate::target::Target;

/// A contraction of pairs or quads, tiled for tile registers.
pub struct TileProduct {
    /// The loops: rows along one axis, columns along the vector axis, pairs or quads along the last reduced one.
    pub tiling: Tiling,
    /// The copies of the left operand, where its pairs do not lie side by side, and of the right one.
    pub panels: [Option<PackedPanels>; 2],
    /// How far apart the elements of pairs lie, in the left and the right operand; none of quads.
    pub distances: Option<[i64; 2]>,
    /// Estimated cycles, without copies and without waits for memory.
    pub cycles: f64,
}

/// Rows of a tile, of an axis of so many places: as few as cover the axis with the fewest tiles.
fn tile_rows(extent: usize) -> usize {
    extent.div_ceil(extent.div_ceil(MOST))
}

/// Pairs of a step: as few as cover all of them with the fewest steps, of which the last one may be smaller.
fn tile_pairs(extent: usize) -> usize {
    tile_rows(extent)
}

/// Places along an axis that a block covers with two tiles, or with one that is enough.
fn block(extent: usize, tile: usize) -> usize {
    if extent > tile { 2 * tile } else { tile }
}

impl TileProduct {
    /// The tilings of a contraction with either operand as the left one, in two orders of the loops. Along `deep`, a
    /// reduced axis, lie pairs, whose elements are so far apart in the left and the right operand, and are to be
    /// `rounded`; or, without `distances`, quads. None where there are no axes of rows and of columns, or where an operand
    /// can not be packed.
    pub fn all(
        contraction: &Contraction,
        deep: usize,
        distances: Option<[i64; 2]>,
        rounded: [bool; 2],
        target: &Target,
    ) -> Vec<TileProduct> {
        let mut all = Vec::new();
        for swapped in [false, true] {
            let contraction = if swapped { contraction.swapped() } else { contraction.clone() };
            let distances = distances.map(|[left, right]| if swapped { [right, left] } else { [left, right] });
            let rounded = rounded[usize::from(swapped)];
            for columns_first in [false, true] {
                all.extend(TileProduct::of(&contraction, swapped, deep, (distances, rounded), columns_first, target));
            }
        }
        all
    }

    /// The same of a contraction of quads, which lie along an axis of both operands.
    pub fn of_quads(contraction: &Contraction, target: &Target) -> Vec<TileProduct> {
        let contraction = contraction.simplified().simplified();
        let is_deep = |axis: &Axis| axis.reduce && axis.left == 1 && axis.right == 1;
        let deep = contraction.axes.iter().position(is_deep);
        deep.map_or_else(Vec::new, |deep| TileProduct::all(&contraction, deep, None, [false; 2], target))
    }

    fn of(
        contraction: &Contraction,
        swapped: bool,
        deep: usize,
        (distances, rounded): (Option<[i64; 2]>, bool),
        columns_first: bool,
        target: &Target,
    ) -> Option<TileProduct> {
        let axes = &contraction.axes;
        let kept = |axis: usize| !axes[axis].reduce;
        let is_row = |&axis: &usize| kept(axis) && axes[axis].right == 0 && axes[axis].left > 0;
        let is_column = |&axis: &usize| {
            kept(axis) && axes[axis].left == 0 && axes[axis].right != 0 && contraction.lanes(axis).is_some()
        };
        // Tiles that are as full as can be, then as many as can be.
        let fullest = |&axis: &usize| (axes[axis].extent / axes[axis].extent.div_ceil(MOST), axes[axis].extent);
        let row = (0..axes.len()).filter(is_row).max_by_key(fullest)?;
        let column = (0..axes.len()).filter(is_column).max_by_key(fullest)?;
        if axes.iter().any(|axis| axis.extent == 0) {
            return None;
        }
        let rows = Level { axis: row, size: block(axes[row].extent, tile_rows(axes[row].extent)) };
        let columns = Level { axis: column, size: block(axes[column].extent, MOST) };
        // Axes along which both operands move, those of the right one alone, those of the left one.
        let others = |belongs: &dyn Fn(&Axis) -> bool| {
            let others = (0..axes.len()).filter(|&axis| kept(axis) && axis != row && axis != column);
            let others = others.filter(|&axis| belongs(&axes[axis])).map(|axis| Level { axis, size: 1 });
            others.collect::<Vec<Level>>()
        };
        let both = others(&|axis| axis.left != 0 && axis.right != 0);
        let right = [others(&|axis| axis.left == 0), vec![columns]].concat();
        let left = [others(&|axis| axis.left != 0 && axis.right == 0), vec![rows]].concat();
        let levels = if columns_first { [both, right, left] } else { [both, left, right] }.concat();
        let mut reduce: Vec<Level> = (0..axes.len())
            .filter(|&axis| axes[axis].reduce && axis != deep)
            .map(|axis| Level { axis, size: 1 })
            .collect();
        reduce.push(Level { axis: deep, size: tile_pairs(axes[deep].extent) });
        let tiling = Tiling {
            swapped,
            vector: Some(column),
            fold: None,
            rows: vec![row],
            by_rows: false,
            shares: false,
            panels: [None; 2],
            grid: grid_of(axes, &levels).0,
            levels,
            reduce,
            k_blocking: None,
            converted: ConvertedRows::default(),
            ahead: Ahead::default(),
            contraction: contraction.clone(),
        };
        let cycles = cycles(&tiling, target);
        let (right, mut tiling) = PackedPanels::right(&tiling)?;
        let mut left = None;
        if distances.is_some_and(|[left, _]| left != 1) || rounded {
            let (panels, packed) = PackedPanels::rows_of_pairs(&tiling)?;
            (left, tiling) = (Some(panels), packed);
        }
        Some(TileProduct { tiling, panels: [left, Some(right)], distances, cycles })
    }
}

/// Estimated cycles of all blocks.
fn cycles(tiling: &Tiling, target: &Target) -> f64 {
    let axes = &tiling.contraction.axes;
    let [row, column] = [tiling.rows[0], tiling.vector.expect("an axis of columns")];
    let outer: usize = axes
        .iter()
        .enumerate()
        .filter(|&(number, axis)| !axis.reduce && number != row && number != column)
        .map(|(_, axis)| axis.extent)
        .product();
    let depth: usize = tiling.reduce.iter().map(|level| axes[level.axis].extent.div_ceil(level.size)).product();
    let leaves = leaves_over(tiling);
    let [height, width] = tiling.tile();
    let tile = tile_rows(axes[row].extent);
    let mut cycles = 0.0;
    for rows in steps(axes[row].extent, height) {
        for columns in steps(axes[column].extent, width) {
            let (a, b) = (rows.size.div_ceil(tile) as f64, columns.size.div_ceil(MOST) as f64);
            let loads = if leaves { b + a * b } else { a + b };
            let step = (a * b * DOT).max(loads * LOAD).max(LATENCY);
            let vectors = (rows.size * columns.size.div_ceil(target.lanes)) as f64;
            let block = depth as f64 * step + a * b * STORE + vectors * ROW_VECTOR + BLOCK;
            cycles += (rows.count * columns.count) as f64 * block;
        }
    }
    outer as f64 * cycles
}

/// Whether steps leave pairs over.
fn leaves_over(tiling: &Tiling) -> bool {
    let deep = tiling.reduce.last().expect("an axis of pairs");
    !tiling.contraction.axes[deep.axis].extent.is_multiple_of(deep.size)
}

/// Elements of the scratch memory for the sums of all tasks.
pub fn scratch(tiling: &Tiling) -> usize {
    let mut extents: Vec<usize> = tiling.contraction.axes.iter().map(|axis| axis.extent).collect();
    let mut tasks = 1;
    for level in &tiling.levels[..tiling.grid] {
        tasks *= extents[level.axis] / level.size;
        extents[level.axis] = level.size;
    }
    tasks * room(tiling)
}

/// Elements of a block's sums.
fn room(tiling: &Tiling) -> usize {
    tiling.tile().into_iter().product()
}

/// Writes one tiling into one kernel.
pub struct Emission<'a, 'e> {
    /// What to emit.
    pub tiling: &'a Tiling,
    /// Its left and its right operand, and the scratch memory for sums.
    pub buffers: [BufferId; 3],
    /// Takes the sums.
    pub epilogue: &'a mut (dyn Epilogue + 'e),
}

/// The tile registers.
struct Registers {
    /// Of two tiles of rows by two of columns.
    sums: [[Tile; 2]; 2],
    /// Two tiles of rows; or one of a step, and one of the last step, which is smaller.
    left: [Tile; 2],
    /// The same of columns.
    right: [Tile; 2],
}

impl Emission<'_, '_> {
    /// Writes the grid and everything in it.
    pub fn emit(&mut self, kernel: &mut KernelBuilder) {
        let tiling = self.tiling;
        let mut position = Position::of(&tiling.contraction.axes);
        // Where the task's scratch memory begins.
        let mut start = Index::default();
        for &level in &tiling.levels[..tiling.grid] {
            // One kind of steps for each level: the grid leaves nothing over.
            for steps in steps(position.extent[level.axis], level.size) {
                let variable = kernel.grid(steps.count);
                start = times(&start, steps.count).plus(variable, room(tiling) as i64);
                position = position.step(level, steps, Some(variable));
            }
        }
        let (rows, Level { axis, size }) = (self.rows(), self.pairs());
        let rest = if leaves_over(tiling) { tiling.contraction.axes[axis].extent % size } else { size };
        let mut two = |rows: [usize; 2], columns: [usize; 2]| [0, 1].map(|i| kernel.tile(rows[i], columns[i]));
        let registers = Registers {
            sums: [two([rows; 2], [MOST; 2]), two([rows; 2], [MOST; 2])],
            left: two([rows; 2], [size, rest]),
            right: two([size, rest], [MOST; 2]),
        };
        self.nest(kernel, &tiling.levels[tiling.grid..], &position, &start, &registers);
    }

    fn rows(&self) -> usize {
        tile_rows(self.tiling.contraction.axes[self.tiling.rows[0]].extent)
    }

    /// What is multiplied.
    fn factors(&self, kernel: &KernelBuilder) -> Factors {
        match [0, 1].map(|side| kernel.element(self.buffers[side])) {
            [Element::U8x4, _] => Factors::U8I8,
            [_, Element::U8x4] => Factors::I8U8,
            _ => Factors::Bf16,
        }
    }

    /// The axis along which elements are pairs or quads, and how many of them a tile holds.
    fn pairs(&self) -> Level {
        *self.tiling.reduce.last().expect("an axis of pairs")
    }

    fn nest(
        &mut self,
        kernel: &mut KernelBuilder,
        levels: &[Level],
        position: &Position,
        start: &Index,
        registers: &Registers,
    ) {
        let Some((&level, inner)) = levels.split_first() else {
            return self.block(kernel, position, start, registers);
        };
        each(kernel, position, level, steps(position.extent[level.axis], level.size), &mut |kernel, position| {
            self.nest(kernel, inner, position, start, registers);
        });
    }

    fn block(&mut self, kernel: &mut KernelBuilder, position: &Position, start: &Index, registers: &Registers) {
        let [row, column] = [self.tiling.rows[0], self.tiling.vector.expect("an axis of columns")];
        let (height, width) = (position.extent[row], position.extent[column]);
        // The first rows of the tiles. The last tile ends with the block: it begins before it, if the block is lower.
        let last = height as i64 - self.rows() as i64;
        let rows = if last > 0 { vec![0, last] } else { vec![last] };
        let columns: Vec<i64> = (0..width as i64).step_by(MOST).collect();
        let tiles: Vec<(usize, usize)> =
            (0..rows.len()).flat_map(|i| (0..columns.len()).map(move |j| (i, j))).collect();
        for &(i, j) in &tiles {
            kernel.tiles(TileStatement::Zero(registers.sums[i][j]));
        }
        let factors = self.factors(kernel);
        let Level { axis, size } = self.pairs();
        self.reduce(kernel, &self.tiling.reduce, position, &mut |kernel, position| {
            if leaves_over(self.tiling) {
                let which = usize::from(position.extent[axis] < size);
                let (left, right) = (registers.left[which], registers.right[which]);
                for (j, &column) in columns.iter().enumerate() {
                    kernel.tiles(self.columns_of_right(position, column, right));
                    for (i, &row) in rows.iter().enumerate() {
                        kernel.tiles(self.rows_of_left(position, row, left));
                        kernel.tiles(TileStatement::Dot { factors, sum: registers.sums[i][j], left, right });
                    }
                }
                return;
            }
            for (&tile, &row) in registers.left.iter().zip(&rows) {
                kernel.tiles(self.rows_of_left(position, row, tile));
            }
            for (&tile, &column) in registers.right.iter().zip(&columns) {
                kernel.tiles(self.columns_of_right(position, column, tile));
            }
            for &(i, j) in &tiles {
                let (sum, left, right) = (registers.sums[i][j], registers.left[i], registers.right[j]);
                kernel.tiles(TileStatement::Dot { factors, sum, left, right });
            }
        });
        // The first row of the first tile is the first one of the scratch memory.
        let (buffer, [_, pitch]) = (self.buffers[2], self.tiling.tile().map(|size| size as i64));
        let kept = |row: i64, column: i64| start.clone().shifted((row - rows[0]) * pitch + column);
        for &(i, j) in &tiles {
            let (tile, index) = (registers.sums[i][j], kept(rows[i], columns[j]));
            kernel.tiles(TileStatement::Store { tile, buffer, index, stride: pitch });
        }
        kernel.for_each(height, &[], |kernel, variable, _| {
            for first in (0..width).step_by(kernel.lanes()) {
                let active = kernel.lanes().min(width - first);
                let sum = kernel.load(buffer, kept(0, first as i64).plus(variable, pitch));
                let mut at = position.at.clone();
                at[row] = std::mem::take(&mut at[row]).plus(variable, 1);
                at[column].offset += first as i64;
                let contraction = &self.tiling.contraction;
                let lanes = contraction.lanes(column);
                self.epilogue.take(kernel, &Place { coordinates: coordinates(contraction, &at), lanes, active }, sum);
            }
            Vec::new()
        });
    }

    /// Runs the body at each step of the sums.
    fn reduce(
        &self,
        kernel: &mut KernelBuilder,
        levels: &[Level],
        position: &Position,
        body: &mut dyn FnMut(&mut KernelBuilder, &Position),
    ) {
        let Some((&level, inner)) = levels.split_first() else { return body(kernel, position) };
        each(kernel, position, level, steps(position.extent[level.axis], level.size), &mut |kernel, position| {
            self.reduce(kernel, inner, position, body);
        });
    }

    /// A tile of rows, the first one so far from that of the block.
    fn rows_of_left(&self, position: &Position, row: i64, tile: Tile) -> TileStatement {
        let contraction = &self.tiling.contraction;
        let stride = contraction.axes[self.tiling.rows[0]].left;
        let index = self.place(0, contraction.left, position).shifted(row * stride);
        TileStatement::Load { tile, buffer: self.buffers[0], index, stride }
    }

    /// A tile of columns, the first one so far from that of the block: of each step's pairs.
    fn columns_of_right(&self, position: &Position, column: i64, tile: Tile) -> TileStatement {
        let contraction = &self.tiling.contraction;
        let stride = contraction.axes[self.pairs().axis].right;
        let index = self.place(1, contraction.right, position).shifted(column);
        TileStatement::Load { tile, buffer: self.buffers[1], index, stride }
    }

    /// The place of an operand at a position, from its first one on.
    fn place(&self, side: usize, first: i64, position: &Position) -> Index {
        let axes = &self.tiling.contraction.axes;
        let panels = self.tiling.panels[side];
        position.at.iter().enumerate().fold(Index::at(first), |index, (axis, at)| {
            let stride = [axes[axis].left, axes[axis].right][side];
            // Blocks and steps begin where panels do.
            let panels = panels.filter(|panels| panels.axis == axis);
            index.plus_index(at, panels.map_or(stride, |panels| panels.distance))
        })
    }
}
