//! Images cut into square tiles of results, in blocks of some images or of some rows of tiles: the loops over them, and
//! the patches of inputs that the tiles need. It knows no weights.

use super::blocks::{grid_tasks, tile_tasks};
use super::sliding::grid as grid_extent;
use super::transform::Filtering;
use crate::contraction::strategies::emit::times;
use crate::contraction::tiling::steps;
use crate::cost::params::winograd::TRANSFORMS;
use crate::kernel::{BufferId, Index, KernelBuilder, Operation, Value};

/// The tiles of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// How large tiles are.
    pub filtering: Filtering,
    /// Images, and rows and columns of the results.
    pub extent: [usize; 3],
    /// Every how many rows and columns are a grid of their own, which shares no tile with the others.
    pub dilation: [usize; 2],
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
pub struct Block {
    /// Its number among all blocks, where shares are whole blocks.
    pub number: Index,
    /// Its first image.
    pub image: Index,
    images: usize,
    /// The first row and column of its grid; of a share those of its first grid.
    grid: [Index; 2],
    /// Of a share, the rows and columns in which its grids begin.
    grids: [usize; 2],
    /// Its first row and its rows, and the columns of its grid.
    row: Index,
    height: usize,
    width: usize,
}

/// Every so many places of the results along both axes.
struct Grid {
    number: Index,
    /// Its first row and column.
    first: [Index; 2],
    /// Its rows and columns.
    extent: [usize; 2],
}

/// One tile of a block.
pub struct Tile {
    /// Its number in the block.
    pub number: Index,
    /// Its image.
    pub image: Index,
    /// Its first row.
    pub row: Index,
    /// Its first column.
    pub column: Index,
    /// Its rows and columns, as many as a whole tile has or fewer.
    pub size: [usize; 2],
}

/// Runs the body at each step over `extent` places; it gets the number of the step and its places.
pub fn each(
    kernel: &mut KernelBuilder,
    extent: usize,
    size: usize,
    body: &mut dyn FnMut(&mut KernelBuilder, &Index, usize),
) {
    for steps in steps(extent, size) {
        // The body gets the number of the step, not its first place, since most of what follows is counted in steps.
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
pub fn grid(kernel: &mut KernelBuilder, tasks: usize) -> Index {
    if tasks > 1 { Index::of(kernel.grid(tasks), 1) } else { Index::default() }
}

impl Tiles {
    /// A task's share of the tiles, with the task's numbers: of as many tasks along images, and along rows or among grids
    /// ([`tile_tasks`]).
    pub fn share(&self, kernel: &mut KernelBuilder, tasks: [usize; 2]) -> (Block, [Index; 2]) {
        let [all_images, all_rows, width] = grid_extent(self.extent, self.dilation);
        let image_task = grid(kernel, tasks[0]);
        let images = all_images / tasks[0];
        let image = times(&image_task, images);
        // Blocks are numbered by images, within these by grids, within these from top to bottom.
        let number = times(&image_task, images.div_ceil(self.block[0]) * self.grids() * self.below());
        if self.grids() > 1 {
            // The pair whose product [`tile_tasks`] gave: grids are shared out in no other number.
            let among = grid_tasks(self.extent, self.dilation, tasks[1]);
            let task = among.map(|tasks| grid(kernel, tasks));
            let grids = [0, 1].map(|axis| self.dilation[axis] / among[axis]);
            let first = [0, 1].map(|axis| times(&task[axis], grids[axis]));
            let share =
                Block { number, image, images, grid: first, grids, row: Index::default(), height: all_rows, width };
            return (share, [image_task, times(&task[0], among[1]).plus_index(&task[1], 1)]);
        }
        // The number of tasks divides both.
        let (row_task, height) = (grid(kernel, tasks[1]), all_rows / tasks[1]);
        let number = number.plus_index(&row_task, height.div_ceil(self.filtering.tile() * self.block[1]) as i64);
        let row = times(&row_task, height);
        let share = Block { number, image, images, grid: Default::default(), grids: [1, 1], row, height, width };
        (share, [image_task, row_task])
    }

    /// The blocks below one another in a grid of an image.
    fn below(&self) -> usize {
        grid_extent(self.extent, self.dilation)[1].div_ceil(self.filtering.tile() * self.block[1])
    }

    fn grids(&self) -> usize {
        self.dilation[0] * self.dilation[1]
    }

    /// The grids of a share. Where a distance does not divide an extent, the first ones have one row or column more.
    fn each_grid(&self, kernel: &mut KernelBuilder, share: &Block, body: &mut dyn FnMut(&mut KernelBuilder, &Grid)) {
        // 7 rows at a distance of 2 are a grid of 4 and one of 3. Of each kind: the first grid, how many there are, and
        // how many rows or columns these have.
        let alike = |axis: usize| -> Vec<[usize; 3]> {
            let (extent, apart) = (self.extent[1 + axis], self.dilation[axis]);
            let (rest, whole) = (extent % apart, extent / apart);
            // Those along which tasks share are all alike.
            if share.grids[axis] < apart {
                return vec![[0, share.grids[axis], whole]];
            }
            let kinds = [[0, rest, whole + 1], [rest, apart - rest, whole]];
            kinds.into_iter().filter(|&[_, count, extent]| count * extent > 0).collect()
        };
        for [top, rows, height] in alike(0) {
            for [left, columns, width] in alike(1) {
                each(kernel, rows, 1, &mut |kernel, row, _| {
                    each(kernel, columns, 1, &mut |kernel, column, _| {
                        let first = [row.clone().shifted(top as i64), column.clone().shifted(left as i64)];
                        let first = [0, 1].map(|axis| share.grid[axis].clone().plus_index(&first[axis], 1));
                        let number = times(&first[0], self.dilation[1]).plus_index(&first[1], 1);
                        body(kernel, &Grid { number, first, extent: [height, width] });
                    });
                });
            }
        }
    }

    /// The blocks of a share.
    pub fn blocks(&self, kernel: &mut KernelBuilder, share: &Block, body: &mut dyn FnMut(&mut KernelBuilder, &Block)) {
        let [images, height] = [self.block[0], self.filtering.tile() * self.block[1]];
        let (below, grids) = (self.below(), self.grids());
        self.each_grid(kernel, share, &mut |kernel, grid| {
            // Rows are shared out where there is one grid alone.
            let rows = if grids > 1 { grid.extent[0] } else { share.height };
            let first = share.number.clone().plus_index(&grid.number, below as i64);
            each(kernel, share.images, images, &mut |kernel, along, count| {
                each(kernel, rows, height, &mut |kernel, down, rest| {
                    let number = first.clone().plus_index(along, (grids * below) as i64).plus_index(down, 1);
                    let image = share.image.clone().plus_index(along, images as i64);
                    let row = share.row.clone().plus_index(down, height as i64);
                    let (grid, width) = (grid.first.clone(), grid.extent[1]);
                    let grids = [1, 1];
                    body(kernel, &Block { number, image, images: count, grid, grids, row, height: rest, width });
                });
            });
        });
    }

    /// The tiles of a block.
    pub fn tiles(&self, kernel: &mut KernelBuilder, block: &Block, body: &mut dyn FnMut(&mut KernelBuilder, &Tile)) {
        // The largest grid decides on a tile's number, so that all blocks lie alike. In a smaller one some numbers are
        // left out.
        let size = self.filtering.tile();
        let beside = grid_extent(self.extent, self.dilation)[2].div_ceil(size);
        let below = self.block[1] * beside;
        each(kernel, block.images, 1, &mut |kernel, images, _| {
            each(kernel, block.height, size, &mut |kernel, rows, height| {
                each(kernel, block.width, size, &mut |kernel, columns, width| {
                    let number = times(images, below).plus_index(rows, beside as i64).plus_index(columns, 1);
                    let image = block.image.clone().plus_index(images, 1);
                    let row = block.row.clone().plus_index(rows, size as i64);
                    // From places of the grid to places of the results.
                    let row = block.grid[0].clone().plus_index(&row, self.dilation[0] as i64);
                    let column = block.grid[1].clone().plus_index(columns, (size * self.dilation[1]) as i64);
                    body(kernel, &Tile { number, image, row, column, size: [height, width] });
                });
            });
        });
    }

    /// The patches of all blocks, one after the other, shared out in whole blocks.
    pub fn all_patches(&self, kernel: &mut KernelBuilder, from: BufferId, to: BufferId) {
        let block = (self.block[0], self.block[1]);
        let tasks = tile_tasks(self.filtering, self.extent, self.dilation, block, [TRANSFORMS; 2]);
        let (share, _) = self.share(kernel, tasks);
        self.blocks(kernel, &share, &mut |kernel, block| {
            self.patches(kernel, block, from, to, &times(&block.number, self.filtering.elements() * self.patches));
        });
    }

    /// The patches of one block, from `start` on.
    pub fn patches(&self, kernel: &mut KernelBuilder, block: &Block, from: BufferId, to: BufferId, start: &Index) {
        let (first, [image, row, column]) = self.left;
        let lanes = kernel.lanes();
        // Neighbours in a patch are neighbours in its grid: `dilation` places apart in the input.
        let apart = [row * self.dilation[0] as i64, column * self.dilation[1] as i64];
        self.tiles(kernel, block, &mut |kernel, tile| {
            let origin = Index::at(first).plus_index(&tile.image, image);
            let origin = origin.plus_index(&tile.row, row).plus_index(&tile.column, column);
            let place = start.clone().plus_index(&tile.number, self.channels as i64);
            each(kernel, self.channels, lanes, &mut |kernel, vector, active| {
                let origin = origin.clone().plus_index(vector, lanes as i64);
                let place = place.clone().plus_index(vector, lanes as i64);
                let mut load = |kernel: &mut KernelBuilder, down: usize, across: usize| {
                    let [down, across] = [down, across].map(|by| by as i64);
                    let index = origin.clone().shifted(down * apart[0] + across * apart[1]);
                    kernel.push(Operation::Load { buffer: from, index, stride: 1, active })
                };
                let mut store = |kernel: &mut KernelBuilder, down: usize, across: usize, value: Value| {
                    let element = self.filtering.element(down, across) * self.patches;
                    kernel.store(to, place.clone().shifted(element as i64), 1, active, value);
                };
                // A tile of fewer rows or columns needs fewer places of its patch, and the input may end behind these.
                self.filtering.inputs(
                    kernel,
                    tile.size.map(|size| size + self.filtering.kernel() - 1),
                    &mut load,
                    &mut store,
                );
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Access, Element, Origin, interpret};

    /// Adds 1 at a place.
    fn count(kernel: &mut KernelBuilder, buffer: BufferId, index: Index) {
        let before = kernel.push(Operation::Load { buffer, index: index.clone(), stride: 1, active: 1 });
        let one = kernel.f32(1.0);
        let sum = kernel.add(before, one);
        kernel.store(buffer, index, 1, 1, sum);
    }

    /// Whatever the dilation, the blocks of all tasks hold each result once, in a tile of a number that no other tile of
    /// theirs has; and no two tasks have one in common.
    #[test]
    fn tiles_hold_every_result_once() {
        for filtering in [Filtering::F23, Filtering::F43] {
            for extent in [[1, 2, 2], [2, 5, 7], [3, 4, 9], [2, 12, 1], [1, 12, 8], [4, 6, 5]] {
                for dilation in [[1, 1], [2, 2], [3, 1], [1, 4], [5, 3], [6, 4], [13, 13]] {
                    let [images, _, _] = extent;
                    let [_, high, _] = grid_extent(extent, dilation).map(|extent| extent.div_ceil(filtering.tile()));
                    for block in [[1, 1], [1, 2], [images, high]] {
                        let tiles =
                            Tiles { filtering, extent, dilation, left: (0, [0; 3]), channels: 1, block, patches: 1 };
                        for most in [1, 3, 8, 64] {
                            let tasks = tile_tasks(filtering, extent, dilation, (block[0], block[1]), [most; 2]);
                            assert!(tasks[0] * tasks[1] <= most);
                            hold_every_result_once(&tiles, tasks);
                        }
                    }
                }
            }
        }
    }

    fn hold_every_result_once(tiles: &Tiles, tasks: [usize; 2]) {
        let Tiles { filtering, extent: [images, rows, columns], dilation, block, .. } = *tiles;
        let [_, high, wide] = grid_extent(tiles.extent, dilation).map(|extent| extent.div_ceil(filtering.tile()));
        let of_block = block[0] * block[1] * wide;
        let blocks = images.div_ceil(block[0]) * high.div_ceil(block[1]) * dilation[0] * dilation[1];
        let mut kernel = KernelBuilder::new("tiles", 4);
        let mut buffer = |name: &str, elements| kernel.buffer(name, Element::F32, elements, Access::ReadWrite);
        let results = buffer("results", images * rows * columns);
        let numbers = buffer("numbers", blocks * of_block);
        let done = buffer("done", tasks[0] * tasks[1]);
        let (share, task) = tiles.share(&mut kernel, tasks);
        count(&mut kernel, done, times(&task[0], tasks[1]).plus_index(&task[1], 1));
        tiles.blocks(&mut kernel, &share, &mut |kernel, block| {
            tiles.tiles(kernel, block, &mut |kernel, tile| {
                count(kernel, numbers, times(&block.number, of_block).plus_index(&tile.number, 1));
                let first = times(&tile.image, rows * columns).plus_index(&tile.column, 1);
                let first = first.plus_index(&tile.row, columns as i64);
                for (down, across) in (0..tile.size[0]).flat_map(|d| (0..tile.size[1]).map(move |a| (d, a))) {
                    let by = down * dilation[0] * columns + across * dilation[1];
                    count(kernel, results, first.clone().shifted(by as i64));
                }
            });
        });
        let (mut found, mut given) = (vec![0.0; images * rows * columns], vec![0.0; blocks * of_block]);
        let kernel = kernel.finish();
        assert_eq!(kernel.grid.iter().product::<usize>(), tasks[0] * tasks[1]);
        let origins = [0, 1, 2].map(|memory| Origin { memory, byte: 0 });
        assert_eq!(kernel.disjoint(&origins), Ok(()), "{tiles:?}, {tasks:?}");
        let mut done = vec![0.0; tasks[0] * tasks[1]];
        interpret(&kernel, &mut [(&mut found[..]).into(), (&mut given[..]).into(), (&mut done[..]).into()]);
        assert!(done.iter().all(|&count| count == 1.0), "{tiles:?}, {tasks:?}: the tasks' numbers, {done:?}");
        assert!(found.iter().all(|&count| count == 1.0), "{tiles:?}, {tasks:?}: {found:?}");
        assert!(given.iter().all(|&count| count <= 1.0), "{tiles:?}, {tasks:?}: {given:?}");
    }
}
