//! Packed A and packed B: an operand copied in the order in which the tiles read it, so that what a tile reads of it is
//! one dense run of memory, whatever the strides of the operand. Panels of the right operand are as wide as a tile,
//! those of the left one as high. An operand of bf16 may be copied in pairs. It knows tilings and what copies cost; it
//! knows no operation.

use super::emit::{along, pair, transposed, transposed_pairs};
use crate::contraction::text::record;
use crate::contraction::tiling::{Level, Packed, Tiling};
use crate::cost::cache::holds;
use crate::cost::copies::{self, Moves};
use crate::cost::params::packed_panels::{BLOCK, FAR, PANEL_TASKS, ROW, ROW_TASKS};
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};
use crate::target::Target;

/// A copy of an operand: `[outer axes.., panel, inner axes.., places of the panel]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedPanels {
    /// The axes along which the operand varies, but for the one that is cut: those of the panels' order, outermost
    /// first.
    axes: Vec<Copied>,
    /// How many of the axes stand outside the panels.
    outer: usize,
    /// The number of places along the axis that is cut and their distance in the operand.
    width: (usize, i64),
    /// Places of a panel.
    strip: usize,
    /// Places of the inner axes.
    depth: usize,
    /// The operand's first place.
    start: i64,
    /// Whether the panels are as high as a tile, not as wide.
    rows: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Copied {
    extent: usize,
    from: i64,
    to: i64,
}

record!(PackedPanels { axes, outer, width, strip, depth, start, rows });

record!(Copied { extent, from, to });

impl PackedPanels {
    /// The copy of the right operand for a tiling, and the tiling that reads the copy: `[outer axes.., panel, reduced
    /// axes.., places of the panel]`. `None` where sums are folded or empty, where nothing runs along the lanes or
    /// where the operand's places overlap, so that a copy would be larger than the operand.
    pub fn right(tiling: &Tiling) -> Option<(PackedPanels, Tiling)> {
        let vector = tiling.vector.filter(|_| tiling.fold.is_none())?;
        let strip = tiling.levels.iter().rfind(|l| l.axis == vector)?.size;
        PackedPanels::cut(tiling, 1, Level { axis: vector, size: strip }, None)
    }

    /// The same of the left operand, in panels as high as the tiles, whose rows lie along the innermost row axis.
    pub fn rows(tiling: &Tiling) -> Option<(PackedPanels, Tiling)> {
        let row = *tiling.rows.last()?;
        let strip = tiling.levels.iter().rfind(|l| l.axis == row)?.size;
        PackedPanels::cut(tiling, 0, Level { axis: row, size: strip }, None)
    }

    /// The same of a contraction of pairs for tiles of rows: in panels of as many pairs as a step has, which lie side
    /// by side in each row: `[outer axes.., panel, other reduced axes.., row, pairs of the panel]`.
    pub fn rows_of_pairs(tiling: &Tiling) -> Option<(PackedPanels, Tiling)> {
        PackedPanels::cut(tiling, 0, *tiling.reduce.last()?, Some(*tiling.rows.last()?))
    }

    /// The copy of the left operand (side 0) or of the right one, cut into panels along an axis. Within them lie the
    /// reduced axes, and innermost a kept one, where it is given.
    fn cut(tiling: &Tiling, side: usize, along: Level, innermost: Option<usize>) -> Option<(PackedPanels, Tiling)> {
        // A right operand `[k, n]` with n = 6, in panels of 4 columns (`strip`), the last one with room to spare:
        //
        //     b00 b01 b02 b03   b10 b11 b12 b13   b20 ..   | b04 b05 - -   b14 b15 - -   ..
        //     one step of k     the next step              | the next panel, `strip * depth` elements on
        let contraction = &tiling.contraction;
        let stride = |a: usize| [contraction.axes[a].left, contraction.axes[a].right][side];
        let varies = |a: usize| a != along.axis && stride(a) != 0;
        let reduced = tiling.reduce.iter().map(|l| l.axis).filter(|&a| a != along.axis).chain(innermost);
        // Nothing to cut; or blocks of tiles that do not begin where panels do; or several places are one element
        // (windows that overlap), which a copy would repeat; or a reduced axis does not move the operand, so that
        // panels do not hold all steps; or the sums are empty.
        let starts = |l: &Level| l.axis != along.axis || l.size.is_multiple_of(along.size);
        if stride(along.axis) == 0
            || !tiling.levels.iter().all(starts)
            || overlaps((0..contraction.axes.len()).map(|a| (contraction.axes[a].extent, stride(a))))
            || reduced.clone().any(|a| contraction.axes[a].extent > 1 && !varies(a))
            || reduced.clone().any(|a| contraction.axes[a].extent == 0)
        {
            return None;
        }
        // An axis with two levels, one within the other, is one axis of the copy.
        let outer = tiling.levels.iter().map(|l| l.axis).filter(|&a| varies(a) && Some(a) != innermost);
        let mut order: Vec<usize> = outer.collect();
        order.dedup();
        let outer = order.len();
        order.extend(reduced.clone().filter(|&a| varies(a)));
        let strip = along.size;
        let width = contraction.axes[along.axis].extent;
        let depth: usize = reduced.map(|a| contraction.axes[a].extent).product();
        let mut packed = tiling.clone();
        let mut place = |axis: usize, to: i64| {
            let axis = &mut packed.contraction.axes[axis];
            *[&mut axis.left, &mut axis.right][side] = to;
        };
        let mut axes = Vec::new();
        // All panels at one place of the outer axes; these stand around them, the last one innermost.
        let mut to = (width.div_ceil(strip) * strip * depth) as i64;
        for &axis in order[..outer].iter().rev() {
            axes.push(Copied { extent: contraction.axes[axis].extent, from: stride(axis), to });
            place(axis, to);
            to *= contraction.axes[axis].extent as i64;
        }
        axes.reverse();
        // Within a panel: the reduced axes, the innermost one in steps of `strip`, then the places of the panel side by
        // side.
        let mut to = strip as i64;
        let mut inner = Vec::new();
        for &axis in order[outer..].iter().rev() {
            inner.push(Copied { extent: contraction.axes[axis].extent, from: stride(axis), to });
            place(axis, to);
            to *= contraction.axes[axis].extent as i64;
        }
        axes.extend(inner.into_iter().rev());
        place(along.axis, 1);
        *[&mut packed.contraction.left, &mut packed.contraction.right][side] = 0;
        // At a place that starts a panel, a multiple of `strip`, its index times `depth` is where the panel starts.
        packed.panels[side] = Some(Packed { axis: along.axis, distance: depth as i64 });
        let width = (width, stride(along.axis));
        let start = [contraction.left, contraction.right][side];
        Some((PackedPanels { axes, outer, width, strip, depth, start, rows: side == 0 }, packed))
    }

    /// The copy of the left operand for a tiling by rows, and the tiling that reads the copy. The operand is seen as
    /// pixels, in the order in which they lie, of places side by side along the innermost row axis, or along the lanes
    /// where they are channels on their own: `[groups, panel, pixels, places of the panel]`. Axes that meet the same
    /// pixels (those of a kernel and those of an image) share their copies. `None` where the operand is no such thing.
    pub fn left(tiling: &Tiling) -> Option<(PackedPanels, Tiling)> {
        let axes = &tiling.contraction.axes;
        let channels = tiling.vector.filter(|&axis| axes[axis].left == 1);
        let first = channels.or(tiling.rows.last().copied())?;
        let (width, strip) = (axes[first].extent, tiling.levels.iter().find(|l| l.axis == first)?.size);
        // All axes that move the left operand, but for the one that is cut: pixels of the image and of the kernel
        // alike.
        let others = |a: &usize| *a != first && axes[*a].left != 0 && axes[*a].extent > 1;
        let mut others: Vec<usize> = (0..axes.len()).filter(others).collect();
        others.sort_by_key(|&a| axes[a].left.abs());
        // Groups of places that lie side by side within a pixel.
        let group =
            others.first().copied().filter(|&a| axes[a].left == width as i64 && !axes[a].reduce && axes[a].right != 0);
        let pixels: Vec<usize> = others.into_iter().filter(|&a| Some(a) != group).collect();
        // The shortest distance is that from pixel to pixel: all others have to be multiples of it, and what lies side
        // by side has to fit in between.
        let pixel = axes[*pixels.first()?].left.abs();
        let side_by_side = width * group.map_or(1, |a| axes[a].extent);
        if (side_by_side as i64) > pixel || pixels.iter().any(|&a| axes[a].left % pixel != 0) {
            return None;
        }
        // From the first pixel that is read to the last one, in pixels; `before` is how far axes that go backwards
        // reach to the left of the first one. Rows of an image follow one another with what is between them, which is
        // copied, too.
        let along = |a: usize| axes[a].left / pixel * (axes[a].extent as i64 - 1);
        let before: i64 = pixels.iter().map(|&a| along(a).min(0)).sum();
        let depth = (1 + pixels.iter().map(|&a| along(a).abs()).sum::<i64>()) as usize;
        let mut packed = tiling.clone();
        for &axis in &pixels {
            packed.contraction.axes[axis].left = axes[axis].left / pixel * strip as i64;
        }
        packed.contraction.left = -before * strip as i64;
        packed.panels[0] = Some(Packed { axis: first, distance: depth as i64 });
        let mut copied = Vec::new();
        if let Some(axis) = group {
            let to = (width.div_ceil(strip) * strip * depth) as i64;
            packed.contraction.axes[axis].left = to;
            copied.push(Copied { extent: axes[axis].extent, from: axes[axis].left, to });
        }
        let outer = copied.len();
        copied.push(Copied { extent: depth, from: pixel, to: strip as i64 });
        let start = tiling.contraction.left + before * pixel;
        Some((PackedPanels { axes: copied, outer, width: (width, 1), strip, depth, start, rows: true }, packed))
    }

    /// Whether this is the left operand's copy.
    pub fn of_rows(&self) -> bool {
        self.rows
    }

    /// The length of the copy.
    pub fn elements(&self) -> usize {
        let outer: usize = self.axes[..self.outer].iter().map(|a| a.extent).product();
        outer * self.width.0.div_ceil(self.strip) * self.strip * self.depth
    }

    /// Estimated cycles: whole vectors, pieces of them, or single elements are moved. Pieces are dear where their lines
    /// come from beyond the second-level cache and go there. `pairs`: of pairs, so far apart, which take as long as single
    /// elements (Zen 5, 2026-12-01).
    pub fn cycles(&self, pairs: Option<i64>, target: &Target) -> f64 {
        let moves = match self.width.1 {
            1 if self.strip.is_multiple_of(target.lanes) => Moves::Vectors,
            1 => Moves::Pieces,
            _ if self.by_panels(pairs) => Moves::Panels,
            _ if self.transposed(pairs) => Moves::Squares,
            _ => Moves::Elements,
        };
        let elements = self.elements();
        // All pixels of some channels at a time: as large as the operand, which may be far larger than the caches.
        if self.rows && moves == Moves::Vectors && !holds(target.l2_bytes, FAR, 2 * elements) {
            return copies::pack(elements, Moves::Pieces, target);
        }
        copies::pack(elements, moves, target)
    }

    /// The same in panels of so many rows. `None` where other axes stand around panels, or it is no left operand's.
    pub fn in_rows_of(&self, strip: usize) -> Option<PackedPanels> {
        if !self.rows || self.outer > 0 {
            return None;
        }
        // A step of an axis within panels is some of their places.
        let mut axes = self.axes.clone();
        axes.iter_mut().for_each(|axis| axis.to = axis.to / self.strip as i64 * strip as i64);
        Some(PackedPanels { axes, strip, ..self.clone() })
    }

    /// Writes the copy of whole panels in so many parts, which are the grid, each in one task.
    pub fn emit_parts(
        &self,
        kernel: &mut KernelBuilder,
        from: BufferId,
        to: BufferId,
        pairs: Option<i64>,
        parts: usize,
    ) {
        // for part of the rows                                   the grid
        //   for inner axes, the last one in blocks
        //     for panel of the part: copy `strip` elements       or squares, transposed in registers
        let rows = self.width.0 / parts;
        let part = PackedPanels { width: (rows, self.width.1), ..self.clone() };
        let number = Index::of(kernel.grid(parts), rows as i64);
        let at = At { from: Index::at(self.start), to: Index::default() };
        let at = at.moved(number, self.width.1, self.depth as i64);
        let from = Reading { buffer: from, pairs, transposed: part.transposed(pairs) };
        part.nest(kernel, &part.loops(from.transposed), &at, 1, &from, to);
    }

    /// The loops around panels, each with the places of its step: the last inner axis in blocks.
    fn loops(&self, transposed: bool) -> Vec<(Copied, usize)> {
        let mut loops: Vec<(Copied, usize)> = self.axes.iter().map(|&axis| (axis, 1)).collect();
        if let Some(last) = loops.last_mut().filter(|_| self.axes.len() > self.outer) {
            let run = (last.0.extent / ROW_TASKS).clamp(BLOCK, ROW) / BLOCK * BLOCK;
            // A row of the operand is read in a run; so its blocks are as long as still leaves enough tasks.
            let even = (BLOCK..=run).rev().step_by(BLOCK).find(|&step| last.0.extent.is_multiple_of(step));
            last.1 = even.filter(|_| transposed).unwrap_or(BLOCK);
        }
        loops
    }

    /// All panels along some axes, each in steps of so many places.
    fn nest(
        &self,
        kernel: &mut KernelBuilder,
        loops: &[(Copied, usize)],
        at: &At,
        block: usize,
        from: &Reading,
        to: BufferId,
    ) {
        let Some((&(axis, step), inner)) = loops.split_first() else {
            return self.panels(kernel, at, block, from, to);
        };
        along(kernel, axis.extent, step, &mut |kernel, index, size| {
            self.nest(kernel, inner, &at.moved(index, axis.from, axis.to), size, from, to);
        });
    }

    /// Writes the copy, all panels for a few places of the innermost reduced axis before the next ones, so that the
    /// operand is read and the panels are written in whole lines; or panel by panel, where the operand runs along that
    /// axis. The loops that leave nothing over are the grid. `pairs`: each element of the copy is two, so far apart.
    pub fn emit(&self, kernel: &mut KernelBuilder, from: BufferId, to: BufferId, pairs: Option<i64>) {
        let transposed = self.transposed(pairs);
        let from = Reading { buffer: from, pairs, transposed };
        if self.by_panels(pairs) {
            return self.panel_by_panel(kernel, &from, to);
        }
        // for outer axes, inner axes but the last                  the grid
        //   for block of places of the last inner axis             the grid, too, if blocks leave nothing over
        //     for panel                                            `panels`
        //       for place of the block: copy `strip` elements      or squares, transposed in registers
        let mut at = At { from: Index::at(self.start), to: Index::default() };
        let mut loops = self.loops(transposed);
        let grid = loops.iter().take_while(|(axis, step)| axis.extent.is_multiple_of(*step)).count();
        let mut block = 1;
        for (axis, step) in loops.drain(..grid) {
            let variable = kernel.grid(axis.extent / step);
            at = at.moved(Index::of(variable, step as i64), axis.from, axis.to);
            block = step;
        }
        self.nest(kernel, &loops, &at, block, &from, to);
    }

    /// Whether the operand runs along the innermost reduced axis, so that squares of it are transposed in registers.
    fn transposed(&self, pairs: Option<i64>) -> bool {
        // Neighbouring pairs are two elements apart.
        let step = if pairs == Some(1) { 2 } else { 1 };
        self.width.1 != 1 && self.axes[self.outer..].last().is_some_and(|axis| axis.from == step)
    }

    /// Whether panels are copied one after the other: the rows of the operand that become one are read in long runs, as
    /// many as it has places, and written in one. Only where that leaves tasks enough, all of whole panels.
    fn by_panels(&self, pairs: Option<i64>) -> bool {
        let outer: usize = self.axes[..self.outer].iter().map(|axis| axis.extent).product();
        let (width, panels) = (self.width.0, self.width.0 / self.strip);
        self.transposed(pairs) && width.is_multiple_of(self.strip) && outer * panels >= PANEL_TASKS
    }

    fn panel_by_panel(&self, kernel: &mut KernelBuilder, from: &Reading, to: BufferId) {
        // for outer axes, panel                                  the grid
        //   for inner axes but the last
        //     for vector of places of the last inner axis
        //       for vector of places of the panel: a square, transposed in registers
        let (outer, inner) = self.axes.split_at(self.outer);
        let mut at = At { from: Index::at(self.start), to: Index::default() };
        for axis in outer {
            at = at.moved(Index::of(kernel.grid(axis.extent), 1), axis.from, axis.to);
        }
        let panel = kernel.grid(self.width.0 / self.strip);
        at = at.moved(Index::of(panel, self.strip as i64), self.width.1, self.depth as i64);
        self.panel(kernel, inner, &at, from, to);
    }

    fn panel(&self, kernel: &mut KernelBuilder, inner: &[Copied], at: &At, from: &Reading, to: BufferId) {
        let Some((axis, inner)) = inner.split_first() else { return };
        let step = if inner.is_empty() { kernel.lanes() } else { 1 };
        along(kernel, axis.extent, step, &mut |kernel, index, count| {
            let at = at.moved(index, axis.from, axis.to);
            if inner.is_empty() {
                self.square(kernel, &at, [self.strip, count], from, to);
            } else {
                self.panel(kernel, inner, &at, from, to);
            }
        });
    }

    /// One panel for some places of the innermost reduced axis, at most as many as there are lanes.
    fn square(&self, kernel: &mut KernelBuilder, at: &At, [size, count]: [usize; 2], from: &Reading, to: BufferId) {
        let distance = self.axes.last().map_or(0, |axis| axis.to);
        for first in (0..size).step_by(kernel.lanes()) {
            let rows = kernel.lanes().min(size - first);
            let start = at.from.clone().shifted(first as i64 * self.width.1);
            let columns = from.columns(kernel, &start, self.width.1, [rows, count]);
            for (number, value) in columns.into_iter().enumerate() {
                let place = at.to.clone().shifted(number as i64 * distance + first as i64);
                kernel.store(to, place, 1, rows, value);
            }
        }
    }

    /// All panels for some places of the innermost reduced axis.
    fn panels(&self, kernel: &mut KernelBuilder, at: &At, block: usize, from: &Reading, to: BufferId) {
        // A last panel that is narrower is copied as far as it goes; what is left of its room is never read.
        let innermost = self.axes[self.outer..].last().copied().unwrap_or(Copied { extent: 1, from: 0, to: 0 });
        along(kernel, self.width.0, self.strip, &mut |kernel, index, size| {
            let at = at.moved(index, self.width.1, self.depth as i64);
            if from.transposed {
                return along(kernel, block, kernel.lanes(), &mut |kernel, index, count| {
                    self.square(kernel, &at.moved(index, innermost.from, innermost.to), [size, count], from, to);
                });
            }
            along(kernel, block, 1, &mut |kernel, index, _| {
                let at = at.moved(index, innermost.from, innermost.to);
                for first in (0..size).step_by(kernel.lanes()) {
                    let active = kernel.lanes().min(size - first);
                    let value =
                        from.load(kernel, at.from.clone().shifted(first as i64 * self.width.1), self.width.1, active);
                    kernel.store(to, at.to.clone().shifted(first as i64), 1, active, value);
                }
            });
        });
    }
}

/// The operand, as it is read.
struct Reading {
    buffer: BufferId,
    /// How far behind an element the one lies that goes with it, if pairs are copied.
    pairs: Option<i64>,
    /// Whether in squares.
    transposed: bool,
}

impl Reading {
    /// Some elements at a distance, or as many pairs.
    fn load(&self, kernel: &mut KernelBuilder, index: Index, stride: i64, active: usize) -> Value {
        let buffer = self.buffer;
        let one = |kernel: &mut KernelBuilder, by: i64| {
            let index = index.clone().shifted(by);
            kernel.push(Operation::Load { buffer, index, stride, active })
        };
        match self.pairs {
            None => one(kernel, 0),
            Some(1) if !kernel.rounds(buffer) => kernel.push(Operation::LoadPairs { buffer, index, stride, active }),
            Some(distance) => {
                let (even, odd) = (one(kernel, 0), one(kernel, distance));
                pair(kernel, even, odd)
            }
        }
    }

    /// Columns of a square, or of one of pairs.
    fn columns(&self, kernel: &mut KernelBuilder, at: &Index, apart: i64, square: [usize; 2]) -> Vec<Value> {
        let one = |kernel: &mut KernelBuilder, by: i64| {
            transposed(kernel, self.buffer, &at.clone().shifted(by), apart, square)
        };
        match self.pairs {
            None => one(kernel, 0),
            Some(1) => transposed_pairs(kernel, self.buffer, at, apart, square),
            Some(distance) => {
                let (even, odd) = (one(kernel, 0), one(kernel, distance));
                even.into_iter().zip(odd).map(|(even, odd)| pair(kernel, even, odd)).collect()
            }
        }
    }
}

/// A place in the operand and in the copy.
struct At {
    from: Index,
    to: Index,
}

impl At {
    fn moved(&self, by: Index, from: i64, to: i64) -> At {
        At { from: self.from.clone().plus_index(&by, from), to: self.to.clone().plus_index(&by, to) }
    }
}

/// Whether different places of axes of some extents and distances are one place of the operand.
fn overlaps(axes: impl Iterator<Item = (usize, i64)>) -> bool {
    let mut axes: Vec<(usize, i64)> = axes.filter(|&(extent, stride)| stride != 0 && extent > 1).collect();
    axes.sort_by_key(|(_, stride)| stride.abs());
    let mut span = 1;
    for (extent, stride) in axes {
        if stride.abs() < span {
            return true;
        }
        span = stride.abs() * extent as i64;
    }
    false
}
