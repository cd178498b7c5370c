//! Sums that meet a place of the result several times, once for each of some kept axes: the input gradient of a
//! convolution whose windows overlap. Each batch item is a task: it clears its part of a scratch tensor, adds every tile to
//! it and hands the finished vectors to the epilogue while they are in the cache.

use kiln_graph::shape::Shape;

use super::choose::Tiling;
use super::loops::{Side, Tiler};
use super::split::Partials;
use super::{Contraction, Epilogue, Halo, Place, Wanted};
use crate::kernel::{BufferId, Index, KernelBuilder, Value};
use crate::lower::pack::fill;

/// Where the tiles of one batch item are added.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spread {
    sums: Partials,
    items: usize,
    /// The distance from item to item in the left operand.
    step: i64,
}

impl Spread {
    /// Splits the batch (the contraction's first axis, which only the left operand and the result have) off a
    /// contraction whose results lie in the tensor or in the halo around it, which is ignored.
    pub fn new(whole: &Contraction, output: Shape, wanted: &Wanted, halo: Halo) -> (Spread, Contraction) {
        assert_eq!(wanted.order[0], 0, "the batch is the outermost axis");
        let sums = Partials::new(output, &Wanted { order: wanted.order.clone(), halo }, 1);
        let mut item = whole.clone();
        item.axes[0].extent = 1;
        (Spread { sums, items: output.dim(0), step: whole.axes[0].left }, item)
    }

    /// The length of the scratch tensor.
    pub fn elements(&self) -> usize {
        self.sums.elements()
    }

    /// Estimated cycles beyond those of the tilings of all items.
    pub fn cycles(&self, tiling: &Tiling, lanes: usize) -> f64 {
        let stored: f64 = tiling.contraction.axes.iter().filter(|a| !a.reduce).map(|a| a.extent as f64).product();
        (2.0 * self.items as f64 * stored + 3.0 * self.elements() as f64) / lanes as f64
    }

    /// The number of batch items.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Writes the kernel. The buffers are those of the operation's operands, not exchanged, and the scratch tensor's.
    pub fn emit(
        &self,
        kernel: &mut KernelBuilder,
        tiling: &Tiling,
        [left, right, sums]: [BufferId; 3],
        epilogue: &mut Epilogue<'_>,
    ) {
        let item = if self.items > 1 { Index::of(kernel.grid(self.items), 1) } else { Index::default() };
        let slab = self.elements() / self.items;
        let start = Index::default().plus_index(&item, slab as i64);
        fill(kernel, sums, start, slab);
        let left = Side { buffer: left, start: Index::default().plus_index(&item, self.step) };
        let right = Side { buffer: right, start: Index::default() };
        let [left, right] = if tiling.swapped { [right, left] } else { [left, right] };
        let mut add = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
            let mut place = place.clone();
            place.coordinates[0] = item.clone();
            self.sums.add(kernel, sums, &place, value);
        };
        Tiler { tiling, left, right, epilogue: &mut add }.emit(kernel);
        self.sums.finish(kernel, sums, &item, epilogue);
    }
}
