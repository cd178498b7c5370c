//! Sums that are added to memory: tiles whose places in the result overlap (the input gradient of a convolution), and
//! long sums taken in pieces whose operands stay in the first-level cache (its weight gradient). Items are independent
//! of each other (the batch, or the parts of a split sum): each is a task that clears its part of a scratch tensor,
//! adds its tiles to it and, if the sums are the results, hands them to the epilogue while they are in the cache.
//! It chooses no tilings.

use super::emit::{Side, fill};
use super::register_tiles::Tiler;
use super::split_k::{Partials, is_deep};
use crate::contraction::problem::{Contraction, Epilogue, Place};
use crate::contraction::text::record;
use crate::contraction::tiling::Tiling;
use crate::cost::params::accumulate::{ADD, PASS, PIECE, STRIP, WHOLE};
use crate::cost::sharing::divisors;
use crate::kernel::{BufferId, Index, KernelBuilder, Value};
use crate::target::Target;

/// Where the tiles of an item are added.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulate {
    sums: Partials,
    items: usize,
    /// The distances from item to item in the left and the right operand.
    steps: [i64; 2],
    /// The coordinate that is the item.
    coordinate: usize,
    /// Whether the sums are the results.
    finish: bool,
}

record!(Accumulate { sums, items, steps, coordinate, finish });

impl Accumulate {
    /// Splits the items, places along one axis that is one coordinate, off a contraction; the sums are the results.
    pub fn items(whole: &Contraction, axis: usize, coordinate: usize, sums: Partials) -> (Accumulate, Contraction) {
        let along = whole.axes[axis];
        let mut item = whole.clone();
        item.axes[axis].extent = 1;
        let steps = [along.left, along.right];
        (Accumulate { sums, items: along.extent, steps, coordinate, finish: true }, item)
    }

    /// A part of a split sum, in pieces of the reduced axes; its last axis and coordinate are the part's number. `None`
    /// where the sum is short.
    pub fn strips(part: &Contraction, sums: Partials, target: &Target) -> Option<(Accumulate, Contraction)> {
        let (mut accumulate, mut item) = Accumulate::items(part, part.axes.len() - 1, part.output.len() - 1, sums);
        accumulate.finish = false;
        // for pieces of the reduced axes, outermost first      the new kept axes: no coordinate names them
        //     sums[results] += sum over a piece                at least STRIP products: worth an addition to memory
        let mut reduced: Vec<usize> = (0..item.axes.len()).filter(|&a| item.axes[a].reduce).collect();
        reduced.sort_by_key(|&a| -item.axes[a].right.abs());
        let depth: usize = reduced.iter().map(|&a| item.axes[a].extent).product();
        let mut left = depth;
        for axis in reduced {
            let extent = item.axes[axis].extent;
            let mut sizes = divisors(extent).into_iter();
            let kept = if is_deep(part, target) {
                sizes.rfind(|size| (STRIP..=PIECE).contains(size)).filter(|_| extent > WHOLE)
            } else {
                sizes.find(|size| left / extent * size >= STRIP)
            };
            let Some(size) = kept.filter(|&size| size < extent) else { break };
            left = left / extent * size;
            let mut outer = item.axes[axis];
            item.axes[axis].extent = size;
            outer.extent = extent / size;
            outer.left *= size as i64;
            outer.right *= size as i64;
            // As a kept axis that no coordinate names, it gives each place of the results several sums, and the tiles
            // add them up in memory.
            outer.reduce = false;
            item.axes.push(outer);
        }
        (left < depth).then_some((accumulate, item))
    }

    /// The length of the scratch tensor.
    pub fn elements(&self) -> usize {
        self.sums.elements()
    }

    /// The same tiling with the rows of a tile where they do not overlap, if there is such an axis: a row that is added
    /// to what the row before it has just stored, from another place on, waits until that is in the cache.
    pub fn apart(&self, mut tiling: Tiling) -> Tiling {
        //     rows along x      |-- row 0 --|            windows of neighbouring pixels overlap
        //                          |-- row 1 --|
        //     rows along y      |-- row 0 --|  ..  |-- row 1 --|
        let axes = &tiling.contraction.axes;
        let width = tiling.vector.map_or(1, |vector| tiling.tile()[1].min(axes[vector].extent));
        let overlaps = |axis: usize| self.sums.distance(&tiling.contraction, axis).unsigned_abs() < width as u64;
        let level = |axis: usize| {
            let mut levels = (0..tiling.levels.len()).filter(|&at| tiling.levels[at].axis == axis);
            levels.next().filter(|_| levels.next().is_none())
        };
        let rows: Vec<(usize, usize)> = tiling.rows.iter().filter_map(|&axis| Some((axis, level(axis)?))).collect();
        let near = rows.iter().find(|&&(axis, at)| tiling.levels[at].size > 1 && overlaps(axis));
        let Some(&(near, from)) = near.filter(|_| tiling.panels[0].is_none()) else { return tiling };
        let size = tiling.levels[from].size;
        let tiles = |axis: usize| axes[axis].extent.div_ceil(size) as f64 / axes[axis].extent as f64;
        let is_far =
            |axis: usize, at: usize| tiling.levels[at].size == 1 && !overlaps(axis) && tiles(axis) <= tiles(near);
        if let Some(&(_, to)) = rows.iter().find(|&&(axis, at)| is_far(axis, at)) {
            (tiling.levels[from].size, tiling.levels[to].size) = (1, size);
        }
        tiling
    }

    /// Estimated cycles; the tiling of one item takes so many.
    pub fn cycles(&self, tiling: &Tiling, item: f64, lanes: usize) -> f64 {
        let items = self.items as f64;
        // Sums that one item adds to memory; kept axes without a coordinate count, too: they are added each time.
        let stored: f64 = tiling.contraction.axes.iter().filter(|a| !a.reduce).map(|a| a.extent as f64).product();
        items * (item + ADD * stored / lanes as f64) + PASS * self.elements() as f64 / lanes as f64
    }

    /// Whether all items have the same places in the left and in the right operand.
    pub fn shared(&self) -> [bool; 2] {
        self.steps.map(|step| step == 0)
    }

    /// The number of items.
    pub fn count(&self) -> usize {
        self.items
    }

    /// Whether the sums are the results.
    pub fn finishes(&self) -> bool {
        self.finish
    }

    /// Writes the kernel. The buffers are those of the contraction's operands before any exchange, and the scratch
    /// tensor's.
    pub fn emit(
        &self,
        kernel: &mut KernelBuilder,
        tiling: &Tiling,
        [left, right, sums]: [BufferId; 3],
        epilogue: &mut dyn Epilogue,
    ) {
        // for item                                 the grid: images, or parts of a split sum
        //     sums[item] = 0
        //     for tiles of the item
        //         sums[item] += tile               `add`
        //     epilogue(sums[item])                 if they are the results; they are in a cache still
        let item = if self.items > 1 { Index::of(kernel.grid(self.items), 1) } else { Index::default() };
        let (start, elements) = self.sums.item(&item, self.items);
        fill(kernel, sums, start, elements);
        let side = |buffer, step| Side { buffer, start: Index::default().plus_index(&item, step) };
        let [left, right] = [side(left, self.steps[0]), side(right, self.steps[1])];
        let [left, right] = if tiling.swapped { [right, left] } else { [left, right] };
        let mut add = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
            let mut place = place.clone();
            // The item's contraction has one place along that axis, and so says 0.
            place.coordinates[self.coordinate] = item.clone();
            self.sums.add(kernel, sums, &place, value);
        };
        Tiler { tiling, left, right, converted: None, sums: None, epilogue: &mut add }.emit(kernel);
        if self.finish {
            self.sums.finish(kernel, sums, &item, epilogue);
        }
    }
}
