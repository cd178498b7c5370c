//! Images cut into tiles of 2 x 2 results, in blocks of some images or of some rows of tiles: the loops over them, and the
//! patches of inputs that the tiles need. It knows no weights.

use super::super::choose::steps;
use super::blocks::tile_tasks;
use super::{ELEMENTS, TILE, transform};
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};

/// Tasks that transform, at most.
pub(super) const TRANSFORMS: usize = 64;

/// The tiles of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiles {
    /// Images, and rows and columns of the results.
    pub extent: [usize; 3],
    /// The place of the first input and the distances along images, rows and columns; along channels it is 1.
    pub left: (i64, [i64; 3]),
    /// Channels of the inputs.
    pub channels: usize,
    /// Images and rows of tiles of a block.
    pub block: [usize; 2],
    /// The distance from element to element of a block's patches, which lie as `[element, tile, channel]`.
    pub patches: usize,
}

/// Where a block of tiles begins and how far it goes.
#[derive(Clone, Default)]
pub(super) struct Block {
    /// Its number among all blocks, where shares are whole blocks.
    pub number: Index,
    /// Its first image.
    pub image: Index,
    images: usize,
    /// Its first row, of the results.
    pub row: Index,
    height: usize,
}

/// One tile of a block.
pub(super) struct Tile {
    /// Its number in the block.
    pub number: Index,
    /// Its image.
    pub image: Index,
    /// Its first row.
    pub row: Index,
    /// Its first column.
    pub column: Index,
    /// Its rows and columns, 1 or 2.
    pub size: [usize; 2],
}

/// Runs the body at each step over `extent` places; it gets the number of the step and its places.
pub(super) fn each(
    kernel: &mut KernelBuilder,
    extent: usize,
    size: usize,
    body: &mut dyn FnMut(&mut KernelBuilder, &Index, usize),
) {
    for steps in steps(extent, size) {
        let start = Index::at((steps.start / size) as i64);
        if steps.count == 1 {
            body(kernel, &start, steps.size);
        } else {
            kernel.for_each(steps.count, &[], |kernel, variable, _| {
                body(kernel, &start.plus(variable, 1), steps.size);
                Vec::new()
            });
        }
    }
}

/// A dimension of the grid, where it has more than one task.
pub(super) fn grid(kernel: &mut KernelBuilder, tasks: usize) -> Index {
    if tasks > 1 { Index::of(kernel.grid(tasks), 1) } else { Index::default() }
}

/// A number times a factor.
pub(super) fn times(index: &Index, factor: usize) -> Index {
    Index::default().plus_index(index, factor as i64)
}

impl Tiles {
    /// A task's share of the tiles: of as many tasks along images and along rows.
    pub fn share(&self, tasks: [usize; 2], task: [&Index; 2]) -> Block {
        let [images, height] = [self.extent[0] / tasks[0], self.extent[1] / tasks[1]];
        let (image, row) = (times(task[0], images), times(task[1], height));
        let along = images.div_ceil(self.block[0]) * self.below();
        let number = times(task[0], along).plus_index(task[1], height.div_ceil(TILE * self.block[1]) as i64);
        Block { number, image, images, row, height }
    }

    /// The blocks below one another in an image.
    fn below(&self) -> usize {
        self.extent[1].div_ceil(TILE * self.block[1])
    }

    /// All tiles.
    pub fn all(&self) -> Block {
        self.share([1, 1], [&Index::default(); 2])
    }

    /// The blocks of a share.
    pub fn blocks(&self, kernel: &mut KernelBuilder, share: &Block, body: &mut dyn FnMut(&mut KernelBuilder, &Block)) {
        let [images, height] = [self.block[0], TILE * self.block[1]];
        let below = self.below();
        each(kernel, share.images, images, &mut |kernel, along, count| {
            each(kernel, share.height, height, &mut |kernel, down, rest| {
                let number = share.number.clone().plus_index(along, below as i64).plus_index(down, 1);
                let image = share.image.clone().plus_index(along, images as i64);
                let row = share.row.clone().plus_index(down, height as i64);
                body(kernel, &Block { number, image, images: count, row, height: rest });
            });
        });
    }

    /// The tiles of a block.
    pub fn tiles(&self, kernel: &mut KernelBuilder, block: &Block, body: &mut dyn FnMut(&mut KernelBuilder, &Tile)) {
        let width = self.extent[2];
        let (beside, below) = (width.div_ceil(TILE), self.block[1] * width.div_ceil(TILE));
        each(kernel, block.images, 1, &mut |kernel, images, _| {
            each(kernel, block.height, TILE, &mut |kernel, rows, height| {
                each(kernel, width, TILE, &mut |kernel, columns, width| {
                    let number = times(images, below).plus_index(rows, beside as i64).plus_index(columns, 1);
                    let image = block.image.clone().plus_index(images, 1);
                    let row = block.row.clone().plus_index(rows, TILE as i64);
                    let column = times(columns, TILE);
                    body(kernel, &Tile { number, image, row, column, size: [height, width] });
                });
            });
        });
    }

    /// The patches of all blocks, one after the other, shared out in whole blocks.
    pub fn all_patches(&self, kernel: &mut KernelBuilder, from: BufferId, to: BufferId) {
        let tasks = tile_tasks(self.extent, (self.block[0], self.block[1]), TRANSFORMS);
        let task = tasks.map(|tasks| grid(kernel, tasks));
        self.blocks(kernel, &self.share(tasks, [&task[0], &task[1]]), &mut |kernel, block| {
            self.patches(kernel, block, from, to, &times(&block.number, ELEMENTS * self.patches));
        });
    }

    /// The patches of one block, from `start` on.
    pub fn patches(&self, kernel: &mut KernelBuilder, block: &Block, from: BufferId, to: BufferId, start: &Index) {
        let (first, [image, row, column]) = self.left;
        let lanes = kernel.lanes();
        self.tiles(kernel, block, &mut |kernel, tile| {
            let origin = Index::at(first).plus_index(&tile.image, image);
            let origin = origin.plus_index(&tile.row, row).plus_index(&tile.column, column);
            let place = start.clone().plus_index(&tile.number, self.channels as i64);
            each(kernel, self.channels, lanes, &mut |kernel, vector, active| {
                let origin = origin.clone().plus_index(vector, lanes as i64);
                let place = place.clone().plus_index(vector, lanes as i64);
                let mut load = |kernel: &mut KernelBuilder, down: usize, across: usize| {
                    let index = origin.clone().shifted(down as i64 * row + across as i64 * column);
                    kernel.push(Operation::Load { buffer: from, index, stride: 1, active })
                };
                let mut store = |kernel: &mut KernelBuilder, down: usize, across: usize, value: Value| {
                    let element = (4 * down + across) * self.patches;
                    kernel.store(to, place.clone().shifted(element as i64), 1, active, value);
                };
                transform::inputs(kernel, tile.size.map(|size| size + 2), &mut load, &mut store);
            });
        });
    }
}
